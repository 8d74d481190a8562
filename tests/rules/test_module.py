"""Another workflow uses this one as a module, from a clone, and builds on its results."""

import subprocess
import sys

import pytest
import yaml

from small_experiment import write_experiment
from workflow import PROJECT

pytestmark = pytest.mark.run

SNAKEFILE = """
configfile: "config.yaml"


rule everything:
    input:
        "counted/P1.txt",


module platewise:
    snakefile:
        "{snakefile}"
    config:
        config["platewise"]


use rule * from platewise as platewise_*


rule count_bytes:
    input:
        profiles="workspace/profiles/B/{{plate}}/{{plate}}.parquet",
    output:
        counted="counted/{{plate}}.txt",
    shell:
        "wc -c < {{input.profiles}} > {{output.counted}}"
"""


def test_a_workflow_adds_a_rule_behind_aggregate(tmp_path):
    config = write_experiment(tmp_path)
    config.write_text(yaml.safe_dump({"platewise": yaml.safe_load(config.read_text())}))
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(snakefile=PROJECT / "Snakefile"))
    result = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2"],
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert result.returncode == 0, result.stdout
    profiles = tmp_path / "workspace/profiles/B/P1/P1.parquet"
    assert int((tmp_path / "counted/P1.txt").read_text()) == profiles.stat().st_size
    assert "platewise_aggregate" in result.stdout
    assert not (tmp_path / "results").exists(), "the working directory is the importing workflow's"
