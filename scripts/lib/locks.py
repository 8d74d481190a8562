"""Remove the lock that a killed run left, but not that of a live run.

Snakemake writes the names of the files that it works on into `.snakemake/locks`, and a run that is killed
leaves them there. Every Snakemake process of an experiment also holds a shared lock of the operating system
on one file, which ends with the process. A process that can lock that file exclusively knows that no other
process is alive.
"""

import fcntl
import os
import shlex
import socket
from pathlib import Path
from typing import IO

from lib.errors import InputError

HERE, ELSEWHERE = "here", "elsewhere"


def hold(results: str | Path, arguments: list[str]) -> IO[str]:
    """Hold the experiment's lock, and remove the locks that a killed run left.

    Parameters
    ----------
    results : str or Path
        The results folder.
    arguments : list of str
        The command line of this process, for the line that a user has to type if it is unknown whether
        another process is alive.

    Returns
    -------
    The open file; the lock is held until it is closed.

    Raises
    ------
    InputError
        If jobs of the killed run are alive, or may be alive on another machine.
    """
    folder = Path(results) / ".snakemake"
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / "platewise_run").open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # Another process is alive; Snakemake decides by their files whether both may run.
        fcntl.flock(file, fcntl.LOCK_SH)
        return file
    except OSError:
        return file  # a file system without such locks: as without this module
    try:
        if left := sorted(folder.glob("locks/*.lock")):
            remove_locks(left, file, Path(results), arguments)
    finally:
        fcntl.flock(file, fcntl.LOCK_SH)
    return file


def remove_locks(left: list[Path], file: IO[str], results: Path, arguments: list[str]) -> None:
    """Remove the locks of a run that was killed, unless some of its jobs may be alive.

    Parameters
    ----------
    left
        Snakemake's lock files.
    file
        The open file whose lock this process holds.
    results
        The results folder.
    arguments
        The command line of this process, for the line that a user has to type.

    Raises
    ------
    InputError
        If jobs of the killed run are alive, or may be alive on another machine.
    """
    file.seek(0)
    if file.read().split() != [socket.gethostname(), HERE]:
        raise InputError(
            f"A run that was killed left its lock in {results}, and this machine cannot see whether its jobs "
            "are still running on another one. Once none of them is, type:\n  "
            + shlex.join([*arguments, "--unlock"])
        )
    if alive := find_processes(results):
        raise InputError(
            f"Jobs of a killed run are still running in {results}. Wait until they end, or stop them "
            f"with\n  kill {' '.join(map(str, alive))}"
        )
    for lock in left:
        lock.unlink(missing_ok=True)


def write_run(file: IO[str], local: bool) -> None:
    """Record where the jobs of this run are: on this machine, or elsewhere."""
    file.truncate(0)
    file.write(f"{socket.gethostname()} {HERE if local else ELSEWHERE}\n")
    file.flush()


def find_processes(results: Path) -> list[int]:
    """Return other processes of this machine that work in a results folder: jobs of a killed run."""
    found, own = [], {os.getpid(), os.getppid()}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int(process.name) not in own and (process / "cwd").resolve() == results.resolve():
                command = (process / "cmdline").read_bytes()
                found += [int(process.name)] if b"snakemake" in command or b"scripts/" in command else []
        except OSError:
            continue  # it has ended, or is another user's
    return found
