"""Link the kernels that numba has compiled into one library, an extension module that does not need numba.

What numba made of each kernel and each set of types, after its optimization, is translated once more to code
that a library may hold: for the same processor, with the same operations in the same order. What this code
calls is compiled from the C sources that numba has for its own libraries (pycc, which cannot take over a
function's options).
"""

import pickle
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

import llvmlite.binding as llvm
import numba
import numpy
from numba.core import types
from numba.core.registry import cpu_target

from .compiled import Kernel
from .library import NAME, name_function

SOURCES = Path(numba.__file__).resolve().parent
ENTRY = """
#define PYCC_MODULE_NAME {name}
#define PYCC_USE_NRT 1
#include "{sources}/pycc/modulemixin.c"

{declarations}

static PyMethodDef methods[] = {{
{methods}
    {{NULL, NULL, 0, NULL}}
}};
static env_def_t environments[] = {{
{environments}
}};
static env_gv_t places[] = {{
{places}
}};
static struct PyModuleDef definition = {{PyModuleDef_HEAD_INIT, "{name}", NULL, -1, methods}};

PyMODINIT_FUNC PyInit_{name}(void) {{
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && pycc_init_{name}(module, methods, environments, places)) {{
        Py_DECREF(module);
        return NULL;
    }}
    return module;
}}
"""


def find_kernels(modules):
    """Return the kernels of some modules, each once."""
    found = {}
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Kernel) and "dispatcher" in vars(value):
                found[value.name] = value
    return found


def name_type(kind):
    """Return the name of numba's type of an argument as `compiled.name_kind` gives it, or None."""
    if isinstance(kind, types.Array):
        if not kind.aligned:
            return None
        name = f"array({kind.dtype}, {kind.ndim}d, {kind.layout})"
        return name if kind.mutable else f"readonly {name}"
    return str(kind) if isinstance(kind, (types.Number, types.Boolean)) else None


def link(kernels, output, compiler):
    """Write the library of all that `kernels` were compiled for in this process.

    Parameters
    ----------
    kernels
        By name.
    output
        The library's file, which appears whole or not at all.
    compiler
        The C compiler's command.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source, built = folder / "entry.c", folder / "library.so"
        functions = list_functions(kernels)
        source.write_text(write_entry(functions))
        sources = [source, *sorted((SOURCES / "cext").glob("*.c")), SOURCES / "core/runtime/nrt.cpp"]
        build(compiler, [*sources, *translate(functions, folder)], built)
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        part = Path(output).with_name(f".{Path(output).name}.part")
        shutil.copyfile(built, part)
        part.replace(output)


def list_functions(kernels):
    """Return (name in the library, numba's result of compiling) of all that kernels were compiled for."""
    functions = []
    for name, kernel in sorted(kernels.items()):
        for arguments, found in kernel.dispatcher.overloads.items():
            names = [name_type(kind) for kind in arguments]
            if None not in names and not found.library.has_dynamic_globals:
                functions.append((name_function(name, names), found))
    return functions


def translate(functions, folder):
    """Write the machine code of functions to files in a folder; return the files."""
    machine = get_target_machine()
    files = []
    for _, found in functions:
        module = llvm.parse_bitcode(found.library._final_module.as_bitcode())
        files.append(folder / f"{len(files)}.o")
        files[-1].write_bytes(machine.emit_object(module))
    return files


def get_target_machine():
    """Return the translator to code of this processor that may be loaded at any address."""
    codegen = cpu_target.target_context.codegen()
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=codegen._get_host_cpu_name(),
        features=codegen._get_host_cpu_features(),
        opt=numba.config.OPT,
        reloc="pic",
        codemodel="default",
    )


def write_entry(functions):
    """Return the C source of a module with some functions (name, numba's result of compiling)."""
    declarations, methods, environments, places = [], [], [], []
    for at, (name, found) in enumerate(functions):
        wrapper, place = found.fndesc.llvm_cpython_wrapper_name, found.fndesc.env_name
        constants = pickle.dumps(found.environment.consts)
        numbers = ",".join(map(str, constants))
        declarations += [
            f'extern PyObject *wrapper_{at}(PyObject *, PyObject *, PyObject *) __asm__("{wrapper}");',
            f'extern void *place_{at} __asm__("{place}");',
            f"static const unsigned char constants_{at}[] = {{{numbers}}};",
        ]
        methods.append(
            f'    {{"{name}", (PyCFunction)(void *)wrapper_{at}, METH_VARARGS | METH_KEYWORDS, NULL}},'
        )
        environments.append(f"    {{(const char *)constants_{at}, {len(constants)}, NULL, NULL, 0}},")
        places.append(f"    &place_{at},")
    return ENTRY.format(
        name=NAME,
        sources=SOURCES,
        declarations="\n".join(declarations),
        methods="\n".join(methods),
        environments="\n".join(environments),
        places="\n".join(places),
    )


def build(compiler, sources, output):
    """Compile sources and link them, and objects among them, to a library."""
    include = [sysconfig.get_paths()["include"], numpy.get_include(), SOURCES, SOURCES / "core/runtime"]
    command = [compiler, "-O2", "-w", "-shared", "-fPIC", "-fvisibility=hidden", "-pthread"]
    command += [f"-I{folder}" for folder in include]
    command += [*map(str, sources), "-lm", "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:6])} ...: {done.stderr[-2000:]}")
