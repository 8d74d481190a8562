"""All kernels are compiled before the first job."""

import subprocess

import pytest

from lib.cellprofiler import get_environment as environment_variables
from workflow import PROJECT

pytestmark = pytest.mark.oracle

CODE = """
import importlib, pathlib, sys
import numba
sys.path.insert(0, "scripts")
import compile_kernels
with open(sys.argv[2], "w") as log:
    compile_kernels.main(sys.argv[1], log)
kernels = pathlib.Path("scripts/cellprofiler_plugins/platewise_kernels")
for path in sorted(kernels.glob("*.py")):
    if path.stem == "__init__":
        continue
    module = importlib.import_module("platewise_kernels." + path.stem)
    found = {
        name: function
        for name, function in vars(module).items()
        if isinstance(function, numba.core.registry.CPUDispatcher)
    }
    # Those that only other kernels call are compiled with these.
    called = {name for function in found.values() for name in function.py_func.__code__.co_names}
    for name, function in found.items():
        if name not in called and not function.signatures:
            print("not compiled:", path.stem, name)
print("looked")
"""


def test_each_kernel_is_compiled(cellprofiler_environment, tmp_path):
    python = cellprofiler_environment / "bin" / "python"
    done = subprocess.run(
        [python, "-c", CODE, tmp_path / "ready.json", tmp_path / "log"],
        cwd=PROJECT,
        env=environment_variables(1),
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines[-1] == "looked"
    assert [line for line in lines if line.startswith("not compiled")] == []
