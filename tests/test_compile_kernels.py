"""All kernels are compiled before the first job, and jobs call them without numba."""

import subprocess

import pytest

from lib.cellprofiler import get_environment as environment_variables
from workflow import PROJECT

pytestmark = pytest.mark.oracle

START = """
import importlib, os, pathlib, pickle, sys
sys.path.insert(0, "scripts")
import compile_kernels
import cellprofiler_core.preferences
cellprofiler_core.preferences.set_headless()
sys.path.insert(0, str(compile_kernels.PLUGINS))
from platewise_kernels import library
from platewise_kernels.compiled import Kernel

def run_modules():
    images, labels = compile_kernels.draw_images()
    compile_kernels.read_image()
    for name, settings in compile_kernels.RUNS:
        compile_kernels.run_module(name, settings, images, labels)
"""

EACH = """
with open(sys.argv[2], "w") as log:
    compile_kernels.main(sys.argv[1], log)
for path in sorted(library.FOLDER.glob("*.py")):
    if path.stem == "__init__":
        continue
    module = importlib.import_module("platewise_kernels." + path.stem)
    found = {name: kernel for name, kernel in vars(module).items() if isinstance(kernel, Kernel)}
    # Those that only other kernels call are compiled with these.
    called = {name for kernel in found.values() for name in kernel.__wrapped__.__code__.co_names}
    for name, kernel in found.items():
        if name not in called and not kernel.dispatcher.signatures:
            print("not compiled:", path.stem, name)
print("looked")
"""

WITHOUT_NUMBA = """
run_modules()
print("numba" in sys.modules, len(library.get_functions()) > 100)
"""

# Each call of a kernel, by the library and by numba on a copy of the arguments.
BOTH = """
import numpy
compared = different = 0
find = Kernel.find

def to_bytes(value):
    if isinstance(value, tuple):
        return [to_bytes(part) for part in value]
    return type(value), numpy.asarray(value).dtype, numpy.shape(value), numpy.asarray(value).tobytes()

def find_both(self, kinds):
    function, dispatcher = find(self, kinds), self.dispatcher

    def call(*arguments):
        global compared, different
        copies = pickle.loads(pickle.dumps(arguments))
        answers = function(*arguments), dispatcher(*copies)
        compared += function is not dispatcher
        different += to_bytes((answers[0], arguments)) != to_bytes((answers[1], copies))
        return answers[0]

    return call

Kernel.find = find_both
run_modules()
print(compared, different)
"""

# A processor without one of the abilities that the library may use.
ELSEWHERE = """
import numpy
from platewise_kernels import ranking
identify = library.identify_processor
library.identify_processor = lambda: identify().replace(" sse4_2", "")
print(ranking.inverse_order(numpy.array([2, 0, 1], numpy.int32)).tolist())
print("numba" in sys.modules, len(library.get_functions()))
"""


# The library's names of arguments, for which numba has a type.
NAMES = """
import numba, numpy
from platewise_kernels import linking
from platewise_kernels.compiled import find_kind, name_kind
square = numpy.arange(12.0).reshape(3, 4)
shapes = [square, square.T, square[::2, 1:], square[:, 1], square[1], square[:0], square[:1, :1]]
shapes += [square.ravel(), numpy.array(3.0), numpy.zeros((2, 3, 4)), numpy.zeros((2, 3, 4)).T]
kinds = (bool, "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "c8", "c16")
arrays = [shape.astype(kind, order="K") for shape in shapes for kind in kinds]
arrays += [view for array in arrays for view in (array[..., ::2] if array.ndim else array,)]
for array in arrays[::3]:
    array.flags.writeable = False
packed = numpy.zeros(5, numpy.dtype([("a", "i1"), ("b", "f4")]))["b"]
values = [*arrays, packed, numpy.zeros(3, "f2"), numpy.zeros(2, "datetime64[s]")]
values += [0, -1, 2**31, 2**62, 2**63 - 1, 2**63, -(2**63), 1.5, True, False, None, 1j, (1, 2), "text"]
values += [numpy.dtype(kind).type(1) for kind in ("i1", "u2", "i8", "u8", "f4", "f8")]
values += [numpy.bool_(True), numpy.longlong(3), numpy.intc(2), numpy.zeros(3, numpy.longlong)]
named = [(name_kind(find_kind(value)), linking.name_type(numba.typeof(value))) for value in values]
named = [pair for pair in named if pair[0] is not None]
print(len(values), len(named), [pair for pair in named if pair[0] != pair[1]])
swapped = numpy.zeros(3, ">f4"), numpy.zeros(3).view(numpy.recarray), numpy.ma.zeros(3), 2**64
print(*[name_kind(find_kind(value)) for value in swapped])
"""


@pytest.fixture(scope="module")
def run(cellprofiler_environment, tmp_path_factory):
    """Run code in CellProfiler's Python after the kernels were compiled; the lines that it prints."""
    folder = tmp_path_factory.mktemp("compiled")

    def run(code, *arguments):
        done = subprocess.run(
            [cellprofiler_environment / "bin" / "python", "-c", START + code, *arguments],
            cwd=PROJECT,
            env=environment_variables(1),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()

    lines = run(EACH, folder / "ready.json", folder / "log")
    assert "Library: " in (folder / "log").read_text()
    assert [line for line in lines if line.startswith("not compiled")] == []
    assert lines[-1] == "looked"
    return run


def test_each_kernel_is_compiled_and_no_module_needs_numba(run):
    assert run(WITHOUT_NUMBA)[-1] == "False True"


def test_the_library_gives_numbas_bytes(run):
    compared, different = map(int, run(BOTH)[-1].split())
    assert compared > 500
    assert different == 0


def test_another_processor_compiles_for_itself(run):
    assert run(ELSEWHERE)[-2:] == ["[1, 2, 0]", "True 0"]


def test_arguments_have_numbas_types(run):
    counts, others = run(NAMES)[-2:]
    values, named, wrong = counts.split(" ", 2)
    assert int(named) > 200
    assert int(named) < int(values)
    assert wrong == "[]"
    assert others == "None None None None"
