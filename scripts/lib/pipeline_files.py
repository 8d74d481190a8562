"""Read a CellProfiler pipeline as text, so that nothing in it is run as Python.

A pipeline is a .cppipe file, the pipeline in a project (.cpproj, HDF5), or a .json file of CellProfiler 4.2
and 5. CellProfiler evaluates each attribute of a module's line, `notes:[...]` among them, as a Python
expression: an unknown pipeline is a program. Here an attribute has to be a literal (a text, a number, True,
False, None, or a list of these). The text is cut into attributes exactly as CellProfiler cuts it.

This module uses only Python 3.8, its standard library and, for projects, h5py, which CellProfiler needs, too:
it also runs in CellProfiler's environment and container.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from pathlib import Path

from lib.errors import InputError

FIRST_LINE = "CellProfiler Pipeline: http://www.cellprofiler.org"
HDF5 = b"\x89HDF\r\n\x1a\n"
KEPT = ("module_num", "svn_version", "variable_revision_number", "enabled")


def simplify_name(name):
    """Return a name without variations in writing: capitals, underscores, dashes and blanks."""
    return re.sub(r"[\W_]", "", name).casefold()


@dataclass(frozen=True)
class PipelineModule:
    """A module as written in the file.

    `line`: number of its first line; `attributes`: those in brackets there; `settings`: (text, value)
    of each setting, as written.
    """

    name: str
    line: int
    attributes: dict
    settings: tuple

    @property
    def enabled(self):
        """Return whether the module runs."""
        return bool(self.attributes.get("enabled", True))


def read_pipeline(path):
    """Return the modules of a pipeline's file (.cppipe, .cpproj or .json), including disabled ones.

    Raises InputError, with file and line, for what is not a pipeline and for an attribute that is not a
    literal.
    """
    data = Path(path).read_bytes()
    if data.startswith(HDF5):
        return read_text(path, read_project(path))
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return read_json(path, data)
    return read_text(path, decode(data))


def read_text(path, text):
    """Return the modules of a pipeline's text; `path` is for messages."""
    lines = split_lines(text)
    if not lines or not lines[0].startswith(FIRST_LINE):
        raise InputError(
            f"{path}: its first line is not that of a CellProfiler pipeline. In CellProfiler, choose File, "
            "Export, Pipeline, and save a .cppipe file."
        )
    count = None
    at = 1
    while at < len(lines) and lines[at]:
        name, _, value = lines[at].partition(":")
        if name == "ModuleCount" and value.strip().isdigit():
            count = int(value)
        at += 1
    modules = []
    at += 1
    while at < len(lines) and (count is None or len(modules) < count):
        first = at
        while at < len(lines) and lines[at]:
            at += 1
        modules.append(read_module(path, first + 1, lines[first:at]))
        at += 1
    # CellProfiler numbers modules from 1. Where modules were deleted by hand, the last one keeps its number.
    last = modules[-1].attributes.get("module_num") if modules else 0
    if (count is None and not modules) or (count is not None and len(modules) < count != last):
        raise InputError(
            f"{path} is cut off: its header gives {'no number of' if count is None else count} modules, and "
            f"it has {len(modules)}. Save the pipeline again; if you deleted modules with a text editor, "
            "correct ModuleCount."
        )
    return modules


def read_project(path):
    """Return the text of the pipeline in a project (.cpproj), or in the measurements of a run (.h5).

    A file may hold several runs; CellProfiler takes the last.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            runs = file["Measurements"]
            text = runs[max(runs)]["Experiment"]["Pipeline_Pipeline"]["data"][-1]
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"{path} is an HDF5 file without a CellProfiler pipeline ({error}). Name a project (.cpproj), or "
            "export the pipeline from CellProfiler (.cppipe)."
        ) from None
    text = decode(text) if isinstance(text, bytes) else str(text)
    # CellProfiler 2 and 3 write line breaks and backslashes as escapes.
    return text if "\n" in text else text.encode().decode("unicode_escape")


def read_json(path, data):
    """Return the modules of a pipeline that CellProfiler saved as .json; nothing in it is evaluated."""
    try:
        modules = [
            PipelineModule(
                str(module["attributes"]["module_name"]),
                0,
                {name: module["attributes"][name] for name in KEPT if name in module["attributes"]},
                tuple(
                    # A name with a colon would be cut there when it is written as text.
                    (str(setting["text"]).replace(":", ""), str(setting["value"]))
                    for setting in module["settings"]
                ),
            )
            for module in json.loads(decode(data))["modules"]
        ]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path} is not a CellProfiler pipeline in JSON ({type(error).__name__}: {error}). Export the "
            "pipeline from CellProfiler again."
        ) from None
    for number, module in enumerate(modules, start=1):
        texts = "".join(text for setting in module.settings for text in setting)
        if not re.fullmatch(r"[A-Za-z]\w*", module.name) or re.search(r"[\r\n]", texts):
            raise InputError(
                f"{path}: module {number}, {cut(module.name)}, has a name or a setting that no pipeline has."
            )
    return modules


def decode(data):
    """Return the text of a file's bytes, in the encoding in which CellProfiler reads it."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("unicode_escape", errors="replace")


def split_lines(text):
    """Return the stripped lines of a text, without the empty ones at its end."""
    # Not splitlines(): that also breaks a line at characters at which CellProfiler does not.
    lines = [line.strip() for line in re.split("\r\n|\r|\n", text)]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def read_module(path, number, lines):
    """Return the module of some lines, of which the first is line `number` of the file."""
    name, colon, attributes = lines[0].partition(":") if lines else ("", "", "")
    if not colon or not re.fullmatch(r"[A-Za-z]\w*", name.strip()) or not re.fullmatch(r"\[.*\]", attributes):
        raise InputError(
            f"{path}, line {number}: this is not the first line of a module: {cut(''.join(lines[:1]))}"
        )
    settings = []
    for at, line in enumerate(lines[1:], start=number + 1):
        text, colon, value = line.partition(":")
        if not colon:
            raise InputError(f"{path}, line {at}: this is not a setting (`name:value`): {cut(line)}")
        settings.append((text, value))
    found = {}
    for attribute in split_attributes(attributes):
        key, value = read_attribute(path, number, name, attribute)
        found[key] = value
    return PipelineModule(name.strip(), number, found, tuple(settings))


def split_attributes(text):
    """Return the attributes between a module line's brackets, cut as in CellProfiler's setup_module."""
    text = text.replace("dtype='|S", "dtype='S")
    around_notes = re.split(r"(?P<note>\|notes:\[.*?\]\|)", text)
    if len(around_notes) == 3:
        before, notes, after = around_notes
        return [*before[1:].split("|"), notes[1:-1], *after[:-1].split("|")]
    return text[1:-1].split("|")


def read_attribute(path, number, module, text):
    """Return name and value of an attribute of a module.

    Parameters
    ----------
    path
        The pipeline, for messages.
    number
        The line of the module in the pipeline.
    module
        The module's name.
    text
        The attribute as it is written: `name:value`.

    Returns
    -------
    tuple
        The name and the value; the value is None for an array.

    Raises
    ------
    InputError
        If the attribute cannot be read, or its value is not a literal.
    """
    try:
        text = text.encode("utf-8").decode("unicode_escape") if text.isascii() else text.replace("\\", "")
    except UnicodeDecodeError:
        raise InputError(
            f"{path}, line {number}: {module} has an attribute that cannot be read: {cut(text)}"
        ) from None
    name, _, value = text.partition(":")
    value = value.strip()
    try:
        if is_array(value):
            return name, None
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        # CellProfiler takes notes that are not valid Python as text. Validity differs between versions
        # of Python, but without a call nothing runs.
        if name == "notes" and "(" not in value and not is_expression(value):
            return name, [value]
        raise InputError(
            f"{path}, line {number}: the attribute {name} of {module} is not a literal but {cut(value)}. "
            "CellProfiler would run it as a program, so the pipeline is refused. If you trust it, open it in "
            "CellProfiler, delete the module's notes, and export the pipeline again."
        ) from None


def is_array(text):
    """Return whether a text is `array(literal, dtype=...)`, which CellProfiler saves of its last batch."""
    call = ast.parse(text, mode="eval").body
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id != "array":
        return False
    for value in [*call.args, *(keyword.value for keyword in call.keywords)]:
        if not isinstance(value, ast.Name):
            ast.literal_eval(value)
    return True


def is_expression(text):
    """Return whether a text is valid Python (an expression)."""
    try:
        compile(text, "attribute", "eval", flags=ast.PyCF_ONLY_AST)
    except SyntaxError:
        return False
    except (ValueError, MemoryError, RecursionError):
        return True
    return True


def cut(text, length=80):
    """Shorten a text to at most `length` characters, for a message."""
    return repr(text if len(text) <= length else text[:length] + "...")


def write_pipeline(modules, path):
    """Write modules as a .cppipe file, without notes, windows and lists of files."""
    lines = [
        FIRST_LINE,
        "Version:5",
        "DateRevision:428",
        "GitHash:",
        f"ModuleCount:{len(modules)}",
        "HasImagePlaneDetails:False",
    ]
    for number, module in enumerate(modules, start=1):
        attributes = {**module.attributes, "module_num": number}
        kept = [f"{name}:{attributes[name]!r}" for name in KEPT if name in attributes]
        lines += ["", f"{module.name}:[{'|'.join(kept)}|show_window:False|notes:[]]"]
        lines += [f"    {text}:{value}" for text, value in module.settings]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
