"""Compare the settings of a generated pipeline with a list of those of a published one."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

Settings = list[tuple[str, str]]
Modules = list[tuple[str, Settings]]

# Settings that CellProfiler 4.2.8 no longer has, or that these values do not use.
UNUSED = {
    "Display accepted local maxima?",
    "Select maxima color",
    "Threshold setting version",
    "Select colormap",
    "Resizing factor",
}


def read_cppipe(path: Path) -> Modules:
    """Return a pipeline's modules as (name, [(setting, value), ...])."""
    modules = []
    for line in path.read_text().splitlines():
        if re.match(r"\w+:\[module_num:", line):
            modules.append((line.split(":")[0], []))
        elif line.startswith("    "):
            text, _, value = line.strip().partition(":")
            modules[-1][1].append((text, value))
    return modules


def published_modules(path: Path, pipeline: str) -> Modules:
    """Return the listed modules of a published pipeline as (name, [(setting, value), ...])."""
    modules = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["pipeline"] == pipeline:
                _, settings = modules.setdefault(int(row["module_number"]), (row["module"], []))
                settings.append((row["setting"], row["value"]))
    return [modules[number] for number in sorted(modules)]


def canonical(name: str, settings: Settings, rename: Callable[[str, str], str]) -> tuple[str, Settings]:
    """Return the settings that matter, in one spelling: a sorted list of (setting, value)."""
    given = dict(settings)
    kept = []
    methods = 0
    for text, value in settings:
        if text in UNUSED or "averaged image" in text or "dilated image" in text:
            continue
        if text == "Thresholding method":
            methods += 1
            if methods == (1 if given["Threshold strategy"] == "Adaptive" else 2):
                continue
        value = rename(text, value)
        if re.fullmatch(r"[\d.]+", value):
            value = str(float(value))
        elif re.fullmatch(r"[\d.]+,[\d.]+", value):
            value = str([float(part) for part in value.split(",")])
        elif ", " in value:
            value = ", ".join(sorted(value.split(", ")))
        kept.append((text, value))
    return name, sorted(kept)


def comparable(
    modules: Modules, left_out: set[str], shrinking: float, rename: Callable[[str, str], str]
) -> Modules:
    """Return the modules of a listing in the form of `canonical`.

    A generated pipeline resizes to the image's own size where the listing has a factor: this is the same for
    a size that is a multiple of the factor, and correct for other sizes.
    """
    found = []
    for name, settings in modules:
        given = dict(settings)
        if name in left_out:
            continue
        if name == "Resize":
            factor = given.get("Resizing factor", given.get("X Resizing factor"))
            shrinks = given["Select the input image"].startswith("Orig")
            assert not shrinks or float(factor) == shrinking
            settings = [
                (text, given[text])
                for text in ("Select the input image", "Name the output image", "Interpolation method")
            ]
        found.append(canonical(name, settings, rename))
    return sorted(found)
