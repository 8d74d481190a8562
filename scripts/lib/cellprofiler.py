"""Run CellProfiler and find what it needs on the machine that the job runs on.

This module uses only Python 3.8 and its standard library, since scripts that import it also run in
CellProfiler's container.
"""

from __future__ import annotations

import argparse
import csv
import errno
import os
import shlex
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lib.cellprofiler_logs import read_last_lines
from lib.errors import InputError, explain_storage_error
from lib.pipeline_files import read_pipeline
from lib.sites import PLATE_VARIABLE, find_plate

JDK_HELP = (
    "Install one: Debian/Ubuntu `sudo apt-get install default-jdk-headless`, "
    "Fedora `sudo dnf install java-17-openjdk-devel`, conda `conda install -c conda-forge openjdk`, "
    "macOS `brew install openjdk@17`; or set JAVA_HOME to the JDK you have."
)
ENGINES = ("platewise", "stock")
# Bytes. A disk with less free space counts as full.
LITTLE_SPACE = 1 << 20
RUNNER = Path(__file__).resolve().parents[1] / "run_cellprofiler.py"
# CellProfiler passes names through Python sets when it upgrades older modules. Python orders a set of names
# by a hash that differs from process to process unless this seed is set, and with it the columns' names.
HASH_SEED = {"PYTHONHASHSEED": "0"}
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def find_java_home(environment=None):
    """Return the folder of a Java that `environment` (os.environ) names or has on its PATH, or None.

    JAVA_HOME comes first if it holds a Java; then the true location of `javac`, then of `java`, then the
    answer of macOS. A command that does not run (a version manager's empty shim) is skipped. One in a
    Java's own folder is not started, since a Java takes 0.3 CPU seconds to tell where it is.
    """
    environment = os.environ if environment is None else environment
    named = environment.get("JAVA_HOME")
    if named and (Path(named) / "bin" / "java").exists():
        return named
    for tool in ("javac", "java"):
        found = shutil.which(tool, path=environment.get("PATH", ""))
        if found is None:
            continue
        home = Path(os.path.realpath(found)).parent.parent
        if holds_java(home):
            return str(home)
        properties = get_output([found, "-J-XshowSettings:properties", "-version"], environment)
        if tool == "java" or properties is None:
            properties = get_output([found, "-XshowSettings:properties", "-version"], environment)
        for line in (properties or "").splitlines():
            if line.strip().startswith("java.home = "):
                return line.split(" = ", 1)[1].strip()
        if properties is not None and (home / "bin" / "java").exists():
            return str(home)
    if Path("/usr/libexec/java_home").exists():
        return (get_output(["/usr/libexec/java_home"], environment) or "").strip() or None
    return None


def holds_java(home):
    """Return whether a folder is a Java's own: it has the command and the library of a virtual machine."""
    libraries = ("lib/server/libjvm.so", "lib/server/libjvm.dylib", "jre/lib/*/server/libjvm.so")
    return (home / "bin" / "java").exists() and any(any(home.glob(library)) for library in libraries)


def get_output(command, environment):
    """Return what a command writes to stdout and stderr, or None if it does not run."""
    try:
        done = subprocess.run(
            command,
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def split_words(command):
    """Split a command line into words; a path with spaces is one word."""
    return [command] if shutil.which(command) else shlex.split(command)


def find_python(command):
    """Return the Python that a `cellprofiler` command belongs to, as arguments to start it.

    It is named in the command's first line (`#!`), or is beside it. Raises InputError otherwise.
    """
    words = split_words(command)
    found = shutil.which(words[0]) if words else None
    if found is None:
        raise InputError(
            f"There is no command {command!r} to run CellProfiler with; correct the config's key, "
            "or remove it so that the workflow builds CellProfiler itself."
        )
    with Path(found).open("rb") as file:
        first = file.readline(1024)
    if first.startswith(b"#!") and b"python" in first:
        return shlex.split(first[2:].decode().strip())
    beside = Path(found).with_name("python")
    if beside.exists():
        return [str(beside)]
    raise InputError(
        f"{found} does not say which Python CellProfiler is installed in. Name the `cellprofiler` "
        "command of a Python environment (its bin/cellprofiler)."
    )


def get_environment(threads):
    """Return the environment of a CellProfiler process: its Java, no display, `threads` threads.

    The hash seed is among them, since Python reads it only at startup.
    """
    environment = dict(os.environ)
    home = find_java_home(environment)
    if home is not None:
        environment["JAVA_HOME"] = home
    environment.update(HASH_SEED)
    environment["MPLBACKEND"] = "Agg"
    environment.update({name: str(threads) for name in THREAD_VARIABLES})
    # The workflow's own Python must not leak into CellProfiler's.
    for name in ("PYTHONPATH", "PYTHONHOME", "DISPLAY", "WAYLAND_DISPLAY"):
        environment.pop(name, None)
    return environment


def choose_engine(command, engine, log):
    """Return the engine to use: `stock` if CellProfiler's Python cannot run the workflow's runner."""
    if engine == "stock":
        return engine
    code = "from importlib.util import find_spec; print(*[p for p in {} if find_spec(p) is None])"
    needed = ["cellprofiler_core", "pyarrow"]
    missing = get_output([*find_python(command), "-c", code.format(needed)], get_environment(1))
    if missing is None or missing.strip():
        lack = f"has no package {missing.strip()}" if missing else "does not start"
        log.write(
            f"The Python of {command} {lack}: CellProfiler's command line runs instead of the runner.\n"
        )
        return "stock"
    return engine


@contextmanager
def write_table_with_functions(load_data, functions, labels=None):
    """Yield the image table, or a copy of it that names the folders of illumination functions and labels.

    The copy is needed for results that were moved, or that are in object storage: they are no longer where
    they were when the table was written. A folder that is None stays as in the table.
    """
    load_data = Path(load_data).resolve()
    with load_data.open(newline="") as file:
        header, *rows = list(csv.reader(file))
    folders = {"PathName_Illum": functions, "PathName_Labels": labels}
    here = {
        at: str(Path(folder).resolve())
        for start, folder in folders.items()
        for at, name in enumerate(header)
        if folder and name.startswith(start)
    }
    if all(row[at] == folder for row in rows for at, folder in here.items()):
        yield load_data
        return
    with tempfile.TemporaryDirectory(prefix="cellprofiler-") as temporary:
        copy = Path(temporary, load_data.name)
        with copy.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            for row in rows:
                writer.writerow([here.get(at, value) for at, value in enumerate(row)])
        yield copy


def join_plugins(folders, target):
    """Fill a new folder with links to the modules in some folders; a later folder's replace an earlier one's.

    CellProfiler takes one folder of plugins.
    """
    target.mkdir()
    for folder in folders:
        for path in sorted(Path(folder).resolve().iterdir()):
            if path.name.startswith((".", "__pycache__")):
                continue
            link = target / path.name
            if link.is_symlink():
                link.unlink()
            link.symlink_to(path)
    return target


@dataclass(frozen=True)
class CellProfiler:
    """How a pipeline is run.

    `command`: CellProfiler's command line; `engine`: `stock` (that command line) or `platewise`
    (run_cellprofiler.py in the same Python); `plugins`: a folder of modules; `timeout`: seconds;
    `own_plugins`: the user's folder of modules, which replace others of the same name.
    """

    command: str
    pipeline: str
    engine: str = "stock"
    plugins: str | None = None
    timeout: float | None = None
    threads: int = 1
    own_plugins: str | None = None

    @classmethod
    def of(cls, options):
        """Create it from the options of `define_run_options`."""
        return cls(
            options.cellprofiler,
            options.pipeline,
            options.engine,
            options.plugins,
            options.timeout,
            options.threads,
            options.own_plugins,
        )

    def arguments(self, engine, load_data, output, done, temporary, progress, rows):
        """Return the command and its arguments for one run.

        Parameters
        ----------
        engine
            `stock` for CellProfiler's own command line; otherwise the workflow's runner is used.
        load_data
            The image table.
        output
            The folder of the results.
        done
            CellProfiler's done-file.
        temporary
            The folder for temporary files.
        progress
            The file in which the runner names the site that it is processing.
        rows
            First and last row, from 1; None for all rows.
        """
        modules = self.plugins
        if self.own_plugins:
            folders = [folder for folder in (self.plugins, self.own_plugins) if folder]
            modules = join_plugins(folders, Path(temporary, "plugins"))
        pipeline = str(Path(self.pipeline).resolve())
        if engine == "stock":
            arguments = [
                *split_words(self.command),
                "-c",
                "-r",
                "-p",
                pipeline,
                "--data-file",
                str(load_data),
            ]
            arguments += ["-o", str(output), "-d", str(done), "-t", temporary]
            first, last, plugins = "-f", "-l", "--plugins-directory"
        else:
            arguments = [*find_python(self.command), str(RUNNER), "--pipeline", pipeline]
            arguments += ["--data-file", str(load_data), "--output", str(output), "--done", str(done)]
            arguments += ["--temporary", temporary, "--progress", str(progress)]
            first, last, plugins = "--first", "--last", "--plugins"
        if rows is not None:
            arguments += [first, str(rows[0]), last, str(rows[1])]
        if modules:
            arguments += [plugins, str(modules)]
        return arguments

    def run(self, load_data, output, log, about, rows=None):
        """Run the pipeline over the rows of an image table, and check that it ran to its end.

        Parameters
        ----------
        load_data
            The image table.
        output
            The folder of the results.
        log
            An open text file for CellProfiler's output; the file `.progress.json` beside it names the site
            that the runner is processing.
        about
            The plate and sites, for messages.
        rows
            First and last row, from 1; None for all rows.

        Raises
        ------
        InputError
            With CellProfiler's last lines, unless its done-file is `Complete`: the exit status of its command
            line alone is 0 even after a failure.
        """
        # CellProfiler executes a pipeline as code, so it is first checked as text.
        read_pipeline(self.pipeline)
        load_data, progress = (
            Path(load_data).resolve(),
            Path(log.name).with_suffix(".progress.json").resolve(),
        )
        # Inside the output, so that the files of a killed run are removed with it when the job is run again.
        with tempfile.TemporaryDirectory(prefix="cellprofiler-", dir=str(output)) as temporary:
            done = Path(temporary) / "done"
            engine = choose_engine(self.command, self.engine, log)
            arguments = self.arguments(engine, load_data, output, done, temporary, progress, rows)
            log.write(" ".join(shlex.quote(argument) for argument in arguments) + "\n")
            log.flush()
            try:
                status = subprocess.run(
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**get_environment(self.threads), PLATE_VARIABLE: find_plate(load_data)},
                    timeout=self.timeout,
                    check=False,
                ).returncode
            except OSError as error:
                raise InputError(f"{about}: {arguments[0]} does not run: {error}.") from error
            except subprocess.TimeoutExpired as error:
                raise InputError(
                    f"{about}: CellProfiler was stopped after {self.timeout} s. The last lines of "
                    f"{log.name}:\n{read_last_lines(log.name)}\nGive it more time in the config "
                    "(cellprofiler.timeout), or more chunks."
                ) from error
            done_state = done.read_text().strip() if done.exists() else "nothing"
            full = explain_full_disk(output, log.name) if status != 0 or done_state != "Complete" else None
        if full:
            raise InputError(f"{about}: {full}")
        if status != 0 or done_state != "Complete":
            raise InputError(
                f"{about}: CellProfiler did not finish (exit status {status}, done-file: {done_state}). "
                f"The last lines of {log.name}:\n{read_last_lines(log.name)}"
            )


def explain_full_disk(output, log):
    """Return a message if the disk of a failed run is full, else None.

    A program whose files find no space may end in any way, even by a signal without a message (SIGSEGV or
    SIGBUS of a mapped file), so the free space is measured before the run's files are removed.
    """
    words = read_last_lines(log, 100)
    free = shutil.disk_usage(output).free
    if free >= LITTLE_SPACE and "No space left on device" not in words and "Errno 28" not in words:
        return None
    error = OSError(errno.ENOSPC, "", str(output))
    return f"CellProfiler did not finish ({free:,} bytes were left). {explain_storage_error(error, output)}"


def define_run_options(description):
    """Return the parser of a script that runs CellProfiler over an image table; the script extends it."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--cellprofiler", required=True, help="CellProfiler's command")
    parser.add_argument("--pipeline", required=True, help="a .cppipe that starts with LoadData")
    parser.add_argument("--load-data", required=True, help="the plate's image table")
    parser.add_argument("--engine", choices=ENGINES, default="stock", help="what drives CellProfiler")
    parser.add_argument("--plugins", help="a folder of CellProfiler modules")
    parser.add_argument("--own-plugins", help="the user's own folder of CellProfiler modules")
    parser.add_argument("--timeout", type=float, help="seconds")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--log", required=True)
    parser.add_argument("--output", required=True, help="the folder that gets the results")
    return parser


def add_folders(parser):
    """Add the options of `write_table_with_functions` to a parser: folders that may have been moved."""
    for name, files in (("--functions", "illumination functions"), ("--labels", "label images")):
        parser.add_argument(name, help=f"folder of the {files}, if not the one in the image table")
