"""What a run shows at its end, however few of Snakemake's own messages the user wants to see."""

import pytest

from small_experiment import write_experiment
from workflow import snakemake

pytestmark = pytest.mark.run

# `--quiet` alone is quiet about the progress and the rules. These three keep the errors from Snakemake's log.
VERBOSITIES = (["--quiet"], ["--quiet", "rules"], ["--quiet", "all"])


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """An experiment of which one plate's tables end in the middle of a row."""
    folder = tmp_path_factory.mktemp("end_of_run")
    config = write_experiment(folder)
    table = next(folder.rglob("P2/A01-1/Cells.csv"))
    table.write_text(table.read_text()[:-20])
    return config


@pytest.mark.parametrize("verbosity", VERBOSITIES, ids=" ".join)
def test_a_failure_has_its_plate_step_and_log_in_each_verbosity(config, verbosity):
    arguments = ("--configfile", config, "--config", "only=P2", "--until", "single_cells", *verbosity)
    result = snakemake(*arguments, check=False)
    assert result.returncode == 1
    log = config.parent / "results/logs/single_cells/B/P2.log"
    end = result.stdout[result.stdout.index("Plates complete: ") :]
    assert "Plates complete: 0 of 1\n  B/P2  not begun, failed at single_cells\n" in end
    assert f"Failed (open the log beside each):\n  single_cells  {log}\n" in end
    assert "Cells.csv" in end, "the reason"


def test_a_run_with_nothing_to_do_ends_with_the_progress_of_each_plate(config):
    arguments = ("workspace/backend/B/P1/P1.parquet", "--configfile", config)
    snakemake(*arguments)
    output = snakemake(*arguments).stdout
    assert "Nothing to be done" in output
    assert output.count("Plates complete: 0 of 3\n  B/P1  reached ") == 1
    assert "Plates complete" not in snakemake("--dry-run", *arguments).stdout
