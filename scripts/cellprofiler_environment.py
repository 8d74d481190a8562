"""Build CellProfiler's own Python environment from the locks in envs/.

CellProfiler's pins cannot share an environment with pycytominer, so it gets a separate one, without
its window (wxPython) and its database client (mysqlclient). Python 3.9, a JDK and a C compiler are
needed: python-javabridge is compiled against them. An environment cannot be moved, so it is built
in place; the file complete.json is written last and marks it as complete.
"""

import json
import os
import shutil
import sys
from glob import escape, glob
from pathlib import Path

from lib.cellprofiler import JDK_HELP, find_java_home, get_output
from lib.compilers import find_compiler
from lib.environments import LOCKS, MARKER, build_as_script, clean_variables, delete_old_environment, run_step
from lib.errors import InputError

VERSION = "4.2.8.1"
PYTHON = "3.9"
ABOUT = "CellProfiler's environment"


def find_jdk(environment):
    """Return the folder of a JDK (a Java with javac and C headers), or raise an InputError with help."""
    home = find_java_home(environment)
    if home is None:
        raise InputError(f"CellProfiler needs a JDK and there is none on this machine. {JDK_HELP}")
    if not (Path(home) / "include" / "jni.h").exists():
        raise InputError(
            f"CellProfiler needs a JDK, and {home} is a Java without the headers to compile against "
            f"(include/jni.h). {JDK_HELP}"
        )
    return home


def find_python(environment):
    """Return the path of a Python 3.9 that really runs, or "3.9", which lets uv fetch one.

    It is searched for on the PATH and among pyenv's versions, whose shim on the PATH may be empty.
    """
    candidates = [shutil.which(f"python{PYTHON}", path=environment.get("PATH", ""))]
    roots = [
        environment.get("PYENV_ROOT"),
        (get_output(["pyenv", "root"], environment) or "").strip(),
        str(Path(environment.get("HOME", "~")).expanduser() / ".pyenv"),
    ]
    for root in dict.fromkeys(root for root in roots if root):
        # Unlike pathlib's, this glob skips what may not be read, such as another user's home.
        candidates += sorted(glob(f"{escape(root)}/versions/{PYTHON}*/bin/python{PYTHON}"))  # noqa: PTH207
    for candidate in candidates:
        if candidate and runs_as(candidate, environment):
            return candidate
    return PYTHON


def runs_as(python, environment):
    """Return whether a Python runs and is the version that CellProfiler needs."""
    answer = get_output([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], environment)
    return (answer or "").strip() == PYTHON


def build(folder, log):
    """Build the environment in `folder`, deleting its content first, and mark it complete."""
    environment = clean_variables()
    environment["JAVA_HOME"] = find_jdk(environment)
    compiler = find_compiler(environment)
    environment.setdefault("CC", compiler)
    source = find_python(environment)
    delete_old_environment(folder)
    uv = [sys.executable, "-m", "uv"]
    install = [*uv, "pip", "install", "--python", str(folder / "bin" / "python"), "--no-deps"]
    # Compiled now; otherwise each job compiles 1,800 files if Python may not write its cache.
    install += ["--require-hashes", "--no-build-isolation", "--compile-bytecode"]
    run_step(ABOUT, [*uv, "venv", "--python", source, str(folder)], environment, log)
    # numpy 1 and Cython must be installed before javabridge and centrosome are compiled against them.
    run_step(ABOUT, [*install, "-r", str(LOCKS / "cellprofiler-build.txt")], environment, log)
    environment["PATH"] = f"{folder / 'bin'}{os.pathsep}{environment['PATH']}"
    run_step(ABOUT, [*install, "-r", str(LOCKS / "cellprofiler.txt")], environment, log)
    command = folder / "bin" / "cellprofiler"
    answer = get_output([str(command), "--version"], environment) or "it does not start"
    if answer.strip().splitlines()[-1:] != [VERSION]:
        raise InputError(f"CellProfiler was installed, but `{command} --version` says: {answer}")
    made_of = {
        "cellprofiler": VERSION,
        "command": str(command),
        "python": (get_output([str(folder / "bin" / "python"), "--version"], environment) or "").strip(),
        "java_home": environment["JAVA_HOME"],
        "compiler": compiler,
    }
    (folder / MARKER).write_text(json.dumps(made_of, indent=1) + "\n")


if __name__ == "__main__":
    build_as_script(__doc__, build)
