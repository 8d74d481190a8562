"""The environment of CellProfiler: what it is built with, and what is missing."""

import sys

import pytest

import cellprofiler_environment
from lib.cellprofiler import find_java_home, find_python
from lib.environments import build_as_script
from lib.errors import InputError

pytestmark = pytest.mark.unit


@pytest.mark.run
def test_missing_jdk_and_compiler_name_the_package(tmp_path):
    nothing = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    with pytest.raises(InputError, match=r"JDK.*default-jdk-headless"):
        cellprofiler_environment.find_jdk(nothing)
    with pytest.raises(InputError, match=r"C compiler.*build-essential"):
        cellprofiler_environment.find_compiler(nothing)
    assert cellprofiler_environment.find_python(nothing) == "3.9"


def executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_java_without_headers_is_not_a_jdk(tmp_path):
    executable(tmp_path / "jre" / "bin" / "java", "exit 0")
    environment = {"PATH": "", "JAVA_HOME": str(tmp_path / "jre")}
    assert find_java_home(environment) == str(tmp_path / "jre")
    with pytest.raises(InputError, match=r"jni\.h.*default-jdk-headless"):
        cellprofiler_environment.find_jdk(environment)


@pytest.mark.run
def test_java_home_follows_javac_and_passes_over_broken_commands(tmp_path):
    executable(tmp_path / "jdk" / "bin" / "java", "exit 0")
    executable(tmp_path / "jdk" / "bin" / "javac", "echo javac 17")
    path = tmp_path / "path"
    path.mkdir()
    (path / "javac").symlink_to(tmp_path / "jdk" / "bin" / "javac")
    environment = {"PATH": str(path), "JAVA_HOME": str(tmp_path / "gone")}
    assert find_java_home(environment) == str(tmp_path / "jdk")
    executable(tmp_path / "jdk" / "bin" / "javac", "exit 127")
    assert find_java_home(environment) is None


def test_java_that_lies_in_its_own_folder_is_not_started(tmp_path):
    for library in ("lib/server/libjvm.so", "jre/lib/amd64/server/libjvm.so"):
        home = tmp_path / library.replace("/", "_")
        executable(home / "bin" / "java", f"touch {tmp_path}/started")
        executable(home / "bin" / "javac", f"touch {tmp_path}/started")
        (home / library).parent.mkdir(parents=True)
        (home / library).touch()
        path = home / "path"
        path.mkdir()
        (path / "javac").symlink_to(home / "bin" / "javac")
        assert find_java_home({"PATH": str(path)}) == str(home)
    assert not (tmp_path / "started").exists()


@pytest.mark.run
def test_broken_python_shim_is_passed_over(tmp_path):
    shim = executable(tmp_path / "shims" / "python3.9", "echo command not found; exit 127")
    real = tmp_path / ".pyenv" / "versions" / "3.9.18" / "bin" / "python3.9"
    executable(real, "echo 3.9")
    environment = {"PATH": str(shim.parent), "HOME": str(tmp_path)}
    assert cellprofiler_environment.find_python(environment) == str(real)
    executable(shim, "echo 3.9")
    assert cellprofiler_environment.find_python(environment) == str(shim)


def test_python_of_a_command(tmp_path):
    command = executable(tmp_path / "cellprofiler", "")
    with pytest.raises(InputError, match="does not say which Python"):
        find_python(str(command))
    # A long path or one with spaces: the first line is a shell's, the Python lies beside.
    executable(tmp_path / "python", "")
    assert find_python(str(command)) == [str(tmp_path / "python")]
    command.write_text("#!/usr/bin/env python3\n")
    assert find_python(str(command)) == ["/usr/bin/env", "python3"]
    with pytest.raises(InputError, match="no command 'nowhere -x'"):
        find_python("nowhere -x")


def test_an_environment_does_not_depend_on_the_results_folder(tmp_path, monkeypatch):
    """Its commands begin with its path, which must lead there when the experiment's results are deleted."""
    folders = []
    asked = ["build", "--log", str(tmp_path / "log"), "--output", "results/../.environments/made"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", asked)
    build_as_script("Builds.", lambda folder, log: folders.append(folder))
    assert folders == [tmp_path / ".environments" / "made"]
