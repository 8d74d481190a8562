"""The profiles of clusters and clouds, as far as possible without one, and the resources of jobs."""

import importlib.util
import io
import os
import stat
import subprocess
import sys
import time
import types
from pathlib import Path

import boto3
import pyarrow.parquet as pq
import pytest

import resources_report
from object_storage import KEYS, objects, s3, s3_server
from small_experiment import write_experiment
from workflow import PROJECT, project_without_results

pytestmark = pytest.mark.run

GRID = PROJECT / "profiles" / "grid" / "bin"
PLUGINS = ("slurm", "cluster_generic", "aws_batch", "kubernetes")
CLOUD = ["--default-storage-prefix", "s3://results/test", "--container-image", "registry.example/platewise"]
DRY_RUN = ["--dry-run", "--forceall", "--quiet", "rules"]
BATCH = ["--aws-batch-region", "us-east-1", "--aws-batch-job-queue", "queue", "--aws-batch-job-role", "role"]


@pytest.fixture(scope="module")
def cluster_python(tmp_path_factory) -> Path:
    """A Python with the executor plugins: this one, or one of the lock's group `cluster`, made here."""
    if all(importlib.util.find_spec(f"snakemake_executor_plugin_{name}") for name in PLUGINS):
        return Path(sys.executable)
    folder = tmp_path_factory.mktemp("cluster") / "venv"
    command = [sys.executable, "-m", "uv", "sync", "--frozen", "--quiet", "--no-dev", "--group", "cluster"]
    # A few dry runs take less time than compiling all of it.
    command.append("--no-compile-bytecode")
    made = subprocess.run(
        command,
        cwd=PROJECT,
        env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder)},
        capture_output=True,
        text=True,
    )
    if made.returncode:
        pytest.skip(f"the executor plugins cannot be installed: {made.stderr[-300:]}")
    return folder / "bin" / "python"


@pytest.mark.plan
@pytest.mark.parametrize(
    ("profile", "arguments"),
    [
        ("workstation", ["--resources", "mem_mb=16000"]),
        ("slurm", ["--slurm-partition-config", "profiles/slurm/partitions.yaml"]),
        ("grid", []),
        ("htcondor", []),
        ("aws-batch", CLOUD + BATCH),
        ("kubernetes", CLOUD),
    ],
)
def test_a_profile_is_understood_and_plans_the_default_experiment(cluster_python, profile, arguments):
    command = [cluster_python, "-m", "snakemake", "--profile", f"profiles/{profile}"]
    with s3_server() as server:
        done = subprocess.run(
            [*command, *arguments, *DRY_RUN],
            cwd=project_without_results(),
            env={**os.environ, **KEYS, "AWS_ENDPOINT_URL": server},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    assert done.returncode == 0, done.stdout
    assert "features" in done.stdout
    assert "This was a dry-run" in done.stdout


@pytest.mark.unit
def test_aws_batch_takes_the_memory_that_is_asked_for(monkeypatch):
    """The plugin silently gives the smallest memory where a number is none that it knows."""
    builder = pytest.importorskip("snakemake_executor_plugin_aws_batch.batch_job_builder")
    from snakemake_executor_plugin_aws_batch.batch_client import BatchClient

    with s3_server() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server)
        for name, value in KEYS.items():
            monkeypatch.setenv(name, value)
        client = BatchClient(region_name="us-east-1")
        for threads, megabytes in ((1, 2048), (1, 3072), (2, 4096), (2, 9216)):
            job = types.SimpleNamespace(name="features", resources={"_cores": threads, "mem_mb": megabytes})
            settings = types.SimpleNamespace(
                job_role="arn:aws:iam::123456789012:role/jobs",
                tags=None,
                task_timeout=86400,
                job_queue="queue",
            )
            made = builder.BatchJobBuilder(
                types.SimpleNamespace(warning=pytest.fail), job, {}, "image", settings, "true", client
            )
            definition, _ = made.build_job_definition()
            found = boto3.client("batch", region_name="us-east-1").describe_job_definitions(
                jobDefinitionName=definition["jobDefinitionName"]
            )["jobDefinitions"][0]
            asked = {
                need["type"]: need["value"] for need in found["containerProperties"]["resourceRequirements"]
            }
            assert asked == {"VCPU": str(threads), "MEMORY": str(megabytes)}
            assert found["timeout"] == {"attemptDurationSeconds": 86400}


# --- SGE, LSF and PBS ---------------------------------------------------------------------------

# What a scheduler's commands do, with processes of this machine: a job's number is its process group.
RUN = """
setsid sh -c 'export {variable}=$$; echo $$ >{state}/number; exec sh "$0"' "$script" >/dev/null 2>&1 &
while [ ! -s {state}/number ]; do sleep 0.05; done
number=$(cat {state}/number); rm {state}/number
"""
ALIVE = "kill -0 -$1 2>/dev/null"
SHIMS = {
    "sge": {
        "qsub": 'for script; do :; done\necho "$@" >{state}/asked\n' + RUN + 'echo "$number.1-1:1"',
        "qstat": "for g in $(ps -eo pgid=); do echo $g 0.5 features user r; done",
        "qdel": 'for job; do kill -KILL -"$job"; done',
        "qconf": "true",
    },
    "lsf": {
        "bsub": 'script={state}/script; cat >$script\necho "$@" >{state}/asked\n'
        + RUN
        + 'echo "Job <$number> is submitted to queue <normal>."',
        "bjobs": "for job; do :; done\nset -- $job; if " + ALIVE + "; then echo RUN; else echo EXIT; fi",
        "bkill": 'for job; do kill -KILL -"$job"; done',
    },
    "pbs": {
        "qsub": 'for script; do :; done\necho "$@" >{state}/asked\n' + RUN + "echo $number",
        "qstat": "if " + ALIVE + "; then echo $1 features user 00:00 R batch; fi",
        "qdel": 'for job; do kill -KILL -"$job"; done',
    },
}
VARIABLES = {"sge": "JOB_ID", "lsf": "LSB_JOBID", "pbs": "PBS_JOBID"}


@pytest.fixture(params=SHIMS)
def grid(request, tmp_path, monkeypatch):
    """A scheduler of this machine; gives `call(command, *arguments)` and the scheduler's name."""
    state, commands = tmp_path / "state", tmp_path / "commands"
    state.mkdir()
    commands.mkdir()
    for name, body in SHIMS[request.param].items():
        shim = commands / name
        text = body.replace("{state}", str(state)).replace("{variable}", VARIABLES[request.param])
        shim.write_text(f"#!/bin/sh\n{text}\n")
        shim.chmod(shim.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{commands}:{GRID}:{os.environ['PATH']}")
    monkeypatch.setenv("PLATEWISE_GRID_STATE", str(state))
    monkeypatch.setenv("PLATEWISE_GRID_PAUSE", "0.1")

    def call(*command: object) -> str:
        return subprocess.run(
            list(map(str, command)), capture_output=True, text=True, check=True
        ).stdout.strip()

    return types.SimpleNamespace(call=call, name=request.param, asked=lambda: (state / "asked").read_text())


def ended(grid, number: str) -> str:
    """A job's state when it runs no more."""
    for _ in range(2400):
        state = grid.call("platewise-status", number)
        if state != "running":
            return state
        time.sleep(0.05)
    return state


def script(folder: Path, text: str) -> Path:
    path = folder / "a job's script.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    return path


def submit(grid, path: Path) -> str:
    number = grid.call("platewise-submit", "features", 2, 5120, 90, path)
    assert number.isdigit(), number
    return number


def test_a_grid_job_asks_for_what_its_rule_does(grid, tmp_path):
    submit(grid, script(tmp_path, "true"))
    expected = {
        "sge": "-pe smp 2 -l h_vmem=2560M -l h_rt=5400",
        "lsf": "-n 2 -R span[hosts=1] rusage[mem=5120] -M 5120 -W 90",
        "pbs": "-l nodes=1:ppn=2,mem=5120mb,walltime=5400",
    }
    assert expected[grid.name] in grid.asked()


def test_a_grid_job_that_ends_well_or_badly(grid, tmp_path):
    assert ended(grid, submit(grid, script(tmp_path, f"touch {tmp_path}/done"))) == "success"
    assert (tmp_path / "done").exists()
    assert ended(grid, submit(grid, script(tmp_path, "exit 3"))) == "failed"


def test_a_grid_job_that_is_cancelled(grid, tmp_path):
    number = submit(grid, script(tmp_path, "sleep 60"))
    assert grid.call("platewise-status", number) == "running"
    grid.call("platewise-cancel", number)
    assert ended(grid, number) == "failed"


# --- what the schedulers print -------------------------------------------------------------------

SGE_TABLE = "job-ID prior name user state submit\n-----\n42 0.555 features me {} 11/29/2026 20:00:00 all.q 1"
PBS_TABLE = "Job id Name User Time Use S Queue\n------\n42.pbs01 features me 00:00:10 {} workq"
PRINTED = {
    "sge": ("qstat", SGE_TABLE, "42"),
    "pbs": ("qstat", PBS_TABLE, "42.pbs01"),
    "lsf": ("bjobs", "{}", "42"),
}
SILENT = {
    "sge": "error: commlib error: got select error (Connection refused)",
    "pbs": "qstat: cannot connect to server pbs01 (errno=111)",
    "lsf": "LSF is down. Please wait ...",
}
UNKNOWN = {
    "sge": (0, ""),
    "pbs": (153, "qstat: Unknown Job Id 42.pbs01"),
    "lsf": (255, "Job <42> is not found"),
}
STATES = {
    "sge": {"running": "r qw hqw Rr t s S T dr", "failed": "Eqw hEqw"},
    "pbs": {"running": "Q R H E S T W B U M", "failed": "C F X"},
    "lsf": {
        "running": "PEND RUN PSUSP USUSP SSUSP PROV WAIT UNKWN FWD_PEND",
        "failed": "EXIT ZOMBI",
        "success": "DONE",
    },
}


@pytest.fixture
def say(tmp_path, monkeypatch):
    """Gives what `platewise-status` says when a scheduler prints a text and ends with a status."""
    monkeypatch.setenv("PLATEWISE_GRID_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PLATEWISE_GRID_PAUSE", "0")

    def say(scheduler: str, text: str, status: int = 0, seconds: int = 0) -> str:
        commands = tmp_path / scheduler
        commands.mkdir(exist_ok=True)
        name, _, number = PRINTED[scheduler]
        body = f"sleep {seconds}\ncat >&{2 if status else 1} <<'END'\n{text}\nEND\nexit {status}"
        for command, lines in ((name, body), *([("qconf", "true")] if scheduler == "sge" else [])):
            (commands / command).write_text(f"#!/bin/sh\n{lines}\n")
            (commands / command).chmod(0o755)
        environment = {**os.environ, "PATH": f"{commands}:/usr/bin:/bin"}
        # The limit ends a command that hangs, and no command of a busy machine.
        environment["PLATEWISE_GRID_TIMEOUT"] = "1" if seconds else "60"
        done = subprocess.run(
            [GRID / "platewise-status", number], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    return say


@pytest.mark.parametrize("scheduler", SILENT)
def test_a_scheduler_that_does_not_answer_says_nothing_of_the_job(say, scheduler):
    assert say(scheduler, SILENT[scheduler], 1) == "running"
    assert say(scheduler, SILENT[scheduler], 255) == "running"
    assert say(scheduler, "", seconds=5) == "running"


@pytest.mark.parametrize("scheduler", UNKNOWN)
def test_a_job_that_the_scheduler_does_not_know_has_failed(say, scheduler):
    status, text = UNKNOWN[scheduler]
    assert say(scheduler, text, status) == "failed"


@pytest.mark.parametrize("scheduler", STATES)
def test_every_state_that_a_scheduler_prints(say, scheduler):
    _, table, _ = PRINTED[scheduler]
    found = {
        answer: " ".join(state for state in states.split() if say(scheduler, table.format(state)) == answer)
        for answer, states in STATES[scheduler].items()
    }
    assert found == STATES[scheduler]


def test_a_job_that_was_lost_while_the_scheduler_was_silent_left_its_exit_status(say, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "42").write_text("0\n")
    assert say("sge", SILENT["sge"], 1) == "success"


# --- memory and time ----------------------------------------------------------------------------


def benchmark(folder: Path, job: str, *measured: tuple[str, str]) -> Path:
    path = folder / "benchmarks" / f"{job}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("s\tmax_rss\n" + "".join(f"{seconds}\t{memory}\n" for seconds, memory in measured))
    return path


@pytest.mark.unit
def test_what_jobs_took_stands_against_what_they_ask_for(tmp_path):
    files = [
        benchmark(tmp_path, "features/B/P1/chunk_0", ("50", "9000"), ("70", "8000")),
        benchmark(tmp_path, "features/B/P1/chunk_1", ("8000", "100")),
        benchmark(tmp_path, "aggregate/B/P1", ("3", "NA")),
        benchmark(tmp_path, "other/x", ("3", "5")),
    ]
    asked = {
        "features": {"mem_mb": 8192, "runtime": 7200},
        "aggregate": {"mem_mb": 4096, "runtime": 1800},
    }
    first, second, third, other = resources_report.collect_rows(files, asked)
    assert (first["job"], first["max_rss_mb"], first["s"]) == ("B/P1/chunk_0", 9000, 70)
    assert (first["memory"], first["time"]) == ("too little", "too much")
    assert (second["memory"], second["time"]) == ("too much", "too little")
    assert (third["max_rss_mb"], third["memory"], third["time"]) == (None, "", "")
    assert (other["requested_mb"], other["memory"]) == (None, "")


# --- a machine without a shared disk ------------------------------------------------------------

ELSEWHERE = """#!/bin/bash
# Runs a job script in an empty folder, as a cloud's machine would; prints its process group.
folder=$(mktemp -d {state}/machine.XXXX)
cd "$folder"
setsid bash -c 'bash "$0"; echo $? >"$1/status.$$"' "$1" {state} >"$folder.log" 2>&1 &
echo $!
"""
ELSEWHERE_STATUS = """#!/bin/bash
if [ ! -s {state}/status.$1 ]; then echo running
elif [ "$(cat {state}/status.$1)" = 0 ]; then echo success
else echo failed; fi
"""


def test_a_job_on_a_machine_without_a_shared_disk(cluster_python, tmp_path):
    """What the clouds' executors do: sources and inputs come from S3, the output goes there."""
    project, state = tmp_path / "project", tmp_path / "state"
    subprocess.run(["git", "clone", "--quiet", PROJECT, project], check=True)
    write_experiment(project / "experiment")
    subprocess.run(["git", "add", "experiment"], cwd=project, check=True)
    state.mkdir()
    for name, text in (("elsewhere", ELSEWHERE), ("elsewhere-status", ELSEWHERE_STATUS)):
        (tmp_path / name).write_text(text.replace("{state}", str(state)))
        (tmp_path / name).chmod(0o755)
    profiles = "workspace/profiles/B/P1/P1.parquet"
    with s3_server() as server:
        path = f"{tmp_path}:{cluster_python.parent}:{os.environ['PATH']}"
        command = [
            cluster_python,
            "-m",
            "snakemake",
            profiles,
            "--executor",
            "cluster-generic",
            "--jobs",
            "2",
        ]
        command += ["--cluster-generic-submit-cmd", "elsewhere"]
        command += ["--cluster-generic-status-cmd", "elsewhere-status"]
        command += ["--shared-fs-usage", "none", "--job-deploy-sources", "--default-storage-provider", "s3"]
        command += ["--default-storage-prefix", "s3://results/run", "--configfile", "experiment/config.yaml"]
        done = subprocess.run(
            command,
            cwd=project,
            env={**os.environ, **KEYS, "AWS_ENDPOINT_URL": server, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=3000,
        )
        logs = "\n".join(log.read_text() for log in state.glob("*.log"))
        assert done.returncode == 0, done.stdout + logs
        found = objects(s3(server), "s3://results/run")
    # Joining the tables, which lie on this disk, ran here; the next job ran elsewhere.
    assert done.stdout.count("Submitted job") == 1
    table = pq.read_table(io.BytesIO(found[profiles]))
    assert table.num_rows == 16
    assert not (project / "workspace").exists()
