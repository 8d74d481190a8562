"""Run the script of the step `harmony` in its environment, which the workflow builds on first use."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lib.chains import KEYS
from lib.code import digest_of
from workflow import PROJECT


def get_harmony_python() -> Path:
    """Return the Python that the step `harmony` runs in; the environment is built if it is missing."""
    digest = digest_of([PROJECT / "envs" / "harmony.txt"])
    folder = PROJECT / ".environments" / f"harmony-{digest}"
    if not (folder / "complete.json").exists():
        script = PROJECT / "scripts" / "harmony_environment.py"
        log = folder.with_suffix(".log")
        subprocess.run([sys.executable, script, "--output", folder, "--log", log], check=True)
    return folder / "bin" / "python"


def run_harmony(
    paths: Sequence[Path],
    options: Mapping[str, Any],
    output: Path,
    log: Path,
    group: str = "Metadata_broad_sample",
    **changed: Any,
) -> None:
    """Run `harmony.py` on files of profiles, as the first step of a chain; `changed` are other settings."""
    settings = {"step": "harmony", "options": options, "first": True, "chain": "c", **KEYS}
    settings |= {"condition": [], "group": group, **changed}
    controls = {"column": "control_type", "negcon": "negcon"}
    command = [get_harmony_python(), PROJECT / "scripts" / "harmony.py", "--profiles", *paths]
    command += ["--settings", json.dumps(settings), "--log", log, "--output", output]
    command += ["--controls", json.dumps(controls), "--dropped", output.with_suffix(".csv")]
    subprocess.run(command, check=True)
