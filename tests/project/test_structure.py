"""The code keeps to its own rules: short files, one form of entry, and imports of names that exist."""

import ast
import re

import pytest

from workflow import PROJECT

pytestmark = pytest.mark.unit

SCRIPTS = PROJECT / "scripts"
LINES_OF_SCRIPT, LINES_OF_RULES, LINES_OF_TESTS = 400, 300, 400
# Where modules are imported from: the scripts, and CellProfiler's folder of plugins.
FOLDERS = (SCRIPTS, SCRIPTS / "cellprofiler_plugins")
MOST_ARGUMENTS = 3  # of a function that needs no sections in its docstring
# Functions without sections, in files that the sections would make longer than a script may be.
WITHOUT_SECTIONS = {
    "lib/precision_nulls.py: choose",
    "lib/replicates.py: join_wells",
}


def run_by_a_rule():
    """The scripts that a rule runs with `script:`."""
    rules = "".join(path.read_text() for path in (PROJECT / "rules").glob("*.smk"))
    return sorted(set(re.findall(r'script:\s*"\.\./scripts/(\w+\.py)"', rules)))


def get_names(path):
    """The names that a module defines or imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def find_functions(body, prefix=""):
    """The public functions and methods of a module or class, by name; `run` is CellProfiler's own method."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from find_functions(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.name != "run":
            yield prefix + node.name, node


def get_arguments(function):
    """The names of a function's arguments, except `self` and `cls`, as a docstring has them."""
    found = function.args
    names = [argument.arg for argument in (*found.posonlyargs, *found.args, *found.kwonlyargs)]
    names += [f"*{found.vararg.arg}"] if found.vararg else []
    names += [f"**{found.kwarg.arg}"] if found.kwarg else []
    return [name for name in names if name not in ("self", "cls")]


def get_parameters(docstring):
    """The names in the section Parameters: `x`, `x, y` or `x : int`, each on a line that is not indented."""
    section = re.search(r"^Parameters\n-{10}\n((?:.+\n?)*)", docstring or "", re.MULTILINE)
    lines = section[1].splitlines() if section else []
    return {
        name for line in lines if not line.startswith(" ") for name in line.partition(" : ")[0].split(", ")
    }


def find_module(name):
    """The file of a module of the workflow; None for one of a library."""
    files = [folder.joinpath(*name.split(".")).with_suffix(".py") for folder in FOLDERS]
    return next((file for file in files if file.exists()), None)


def test_no_file_outgrows_its_limit():
    limits = dict.fromkeys(SCRIPTS.rglob("*.py"), LINES_OF_SCRIPT)
    limits |= dict.fromkeys([PROJECT / "Snakefile", *(PROJECT / "rules").glob("*.smk")], LINES_OF_RULES)
    limits |= dict.fromkeys((PROJECT / "tests").rglob("*.py"), LINES_OF_TESTS)
    lines = {path: len(path.read_text().splitlines()) for path in limits}
    assert len(limits) > 400
    assert {path.name: number for path, number in lines.items() if number > limits[path]} == {}


@pytest.mark.parametrize("script", run_by_a_rule())
def test_every_script_has_the_same_entry(script):
    tree = ast.parse((SCRIPTS / script).read_text())
    assert ast.get_docstring(tree)
    main = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main")
    assert main.args.args or main.args.kwonlyargs, "`main` gets what it works on as arguments"
    entry = tree.body[-1]
    assert isinstance(entry, ast.If)
    assert ast.unparse(entry.test) == "__name__ == '__main__'"
    [block] = entry.body
    assert ast.unparse(block.items[0].context_expr) == "log_to(snakemake.log[0])"
    assert any(
        getattr(call.func, "id", "") == "main" for call in ast.walk(block) if isinstance(call, ast.Call)
    )
    # Only the entry knows that Snakemake runs the script.
    for node in ast.walk(ast.Module(body=tree.body[:-1], type_ignores=[])):
        assert not (isinstance(node, ast.Name) and node.id == "snakemake"), f"line {node.lineno}"


def test_what_is_imported_exists():
    names, missing, seen = {}, [], 0
    for path in SCRIPTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            module = find_module(node.module) if isinstance(node, ast.ImportFrom) and node.module else None
            if module is None:
                continue
            if module not in names:
                names[module] = get_names(module)
            seen += len(node.names)
            missing += [
                f"{path.relative_to(SCRIPTS)}: {node.module}.{alias.name}"
                for alias in node.names
                if alias.name not in names[module]
            ]
    assert seen > 1000
    assert missing == []


def test_the_index_of_the_shared_modules_lists_each_once():
    index = re.findall(r"^    (\w+) +\S", (SCRIPTS / "lib" / "__init__.py").read_text(), re.MULTILINE)
    modules = [path.stem for path in (SCRIPTS / "lib").glob("*.py") if path.stem != "__init__"]
    assert len(modules) > 100
    assert sorted(index) == sorted(modules)


def test_functions_with_many_arguments_describe_each():
    lacking, seen = {}, 0
    for path in SCRIPTS.rglob("*.py"):
        for name, function in find_functions(ast.parse(path.read_text()).body):
            arguments = get_arguments(function)
            if len(arguments) > MOST_ARGUMENTS:
                seen += 1
                if left := set(arguments) - get_parameters(ast.get_docstring(function)):
                    lacking[f"{path.relative_to(SCRIPTS).as_posix()}: {name}"] = left
    assert seen > 300
    assert {name: left for name, left in lacking.items() if name not in WITHOUT_SECTIONS} == {}
    assert set(lacking) >= WITHOUT_SECTIONS, "an exception that is not one any more"
