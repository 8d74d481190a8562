"""The configuration: strict, all problems at once, every key described."""

import copy
from typing import Any

import pytest
import yaml

import config_keys
from lib.conditions import get_comparisons, get_conditions
from lib.config import complete_config, get_named_columns
from lib.errors import InputError
from lib.schema import read_schema, read_values, walk
from small_config import ASSAY, SMALL
from workflow import PROJECT

pytestmark = pytest.mark.unit


def message(config: dict[str, Any]) -> str:
    with pytest.raises(InputError) as error:
        complete_config(config, "config.yaml")
    return str(error.value)


def test_defaults_are_filled_in_at_every_depth():
    config = complete_config(SMALL, "config.yaml")
    assert config["feature_select"]["correlation"] == 0.9
    assert config["assay"]["nuclei"]["diameter"] == [10, 75]
    assert config["assay"]["channels"][0]["measure"] is True
    assert config["assay"]["measurements"]["texture"]["scales"] == [3, 5, 10]


def test_defaults_do_not_leak_between_experiments():
    complete_config(SMALL, "a")["aggregate"]["exclude_features"].clear()
    assert complete_config(SMALL, "b")["aggregate"]["exclude_features"]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({**SMALL, "asay": {}}, "unknown key `asay`; did you mean `assay`?"),
        ({**SMALL, "normalize": {"two": ["all"]}}, "normalize: unknown key `two`; did you mean `to`?"),
        ({**SMALL, "normalize": {"to": ["dmso"]}}, "normalize.to.0: 'dmso' is not one of"),
        ({**SMALL, "cellprofiler": {"chunks": 0}}, "cellprofiler.chunks: 0 is less than the minimum"),
        ({"plates": "p.tsv"}, "'results' is a required property"),
        ({**SMALL, "images": {"pattern": "harmony"}}, "it has none. Layouts with a name are phenix"),
        (
            {**SMALL, "assay": {**ASSAY, "nuclei": {"channel": "DAPI"}}},
            "nuclei: channel DAPI is unknown; the channels are DNA, RNA",
        ),
    ],
)
def test_a_wrong_key_or_value_is_answered(config, expected):
    assert expected in message(config)


def test_true_and_false_may_be_words_of_the_command_line():
    words = {**SMALL, "fetch": "true", "cellprofiler": {"accelerate": "false"}}
    config = complete_config(words, "config.yaml")
    assert config["fetch"] is True
    assert config["cellprofiler"]["accelerate"] is False
    assert "fetch: 'maybe' is not of type 'boolean'" in message({**SMALL, "fetch": "maybe"})


def test_numbers_may_be_words_of_the_command_line():
    words = {"cellprofiler": {"compare_sites": "2"}, "benchmark": {"percentile": "97.5"}, "only": "0012"}
    config = complete_config({**SMALL, **words}, "config.yaml")
    assert config["cellprofiler"]["compare_sites"] == 2
    assert config["benchmark"]["percentile"] == 97.5
    assert config["only"] == "0012"
    assert "'few' is not of type 'integer'" in message({**SMALL, "cellprofiler": {"compare_sites": "few"}})


@pytest.mark.parametrize(
    ("keys", "word", "expected"),
    [
        (("benchmark", "null_size"), "4", 4),
        (("benchmark", "null_size"), "matched", "matched"),
        (("embeddings", "box"), "96", 96),
        (("embeddings", "box"), "cell", "cell"),
        (("assay", "measurements", "neighbors", "cells"), ["5", "Adjacent"], [5, "Adjacent"]),
        (("assay", "nuclei", "threshold", "correction"), "1.5", 1.5),
        (("splits", "s", "fractions", "train"), "0.6", 0.6),
    ],
)
def test_a_number_beside_a_word_may_be_a_word_of_the_command_line(keys, word, expected):
    values = {**SMALL, "splits": {"s": {}}, "embeddings": {"weights": "random"}}
    values = copy.deepcopy(values)
    block = values
    for key in keys[:-1]:
        block = block.setdefault(key, {})
    block[keys[-1]] = word
    complete = read_values(values, read_schema())
    for key in keys:
        complete = complete[key]
    assert complete == expected


def test_what_yaml_takes_for_something_else_is_to_be_quoted():
    where = yaml.safe_load("where: {benchmark: yes, batch: 2020-11-04}")
    answer = message({**SMALL, "benchmark": where})
    assert "benchmark.where.benchmark: without quotes, YAML reads this value as true" in answer
    assert (
        "benchmark.where.batch: without quotes, YAML reads this value as the date 2020-11-04. Quote" in answer
    )
    assert 'Quote the text, as in "yes"' in answer


def test_numbers_of_the_file_may_be_names():
    channels = [{"name": "DNA", "image": 5}, {"name": "RNA", "image": "3"}]
    words = {"assay": {**ASSAY, "channels": channels}, "controls": {"negcon": -1}}
    config = complete_config({**SMALL, **words, "benchmark": {"where": {"timepoint": 48}}}, "config.yaml")
    assert config["assay"]["channels"][0]["image"] == "5"
    assert config["controls"]["negcon"] == "-1"
    assert config["benchmark"]["where"] == {"timepoint": "48"}


def test_columns_of_profiles_are_named_with_and_without_their_prefix():
    words = {"group": ["JCP2022", "Metadata_dose"], "gene": {"compound": "target"}, "different": "pert_iname"}
    config = complete_config(
        {**SMALL, "benchmark": words, "controls": {"column": "Metadata_pert_type"}}, "config.yaml"
    )
    assert config["benchmark"]["group"] == ["Metadata_JCP2022", "Metadata_dose"]
    assert config["benchmark"]["gene"] == {"compound": "Metadata_target"}
    assert config["benchmark"]["different"] == "Metadata_pert_iname"
    assert config["controls"]["column"] == "pert_type"


def test_the_columns_that_describe_wells_are_found_in_the_config():
    config = {
        **SMALL,
        "controls": {"column": "Role"},
        "plate_maps": {"sample": ["Drug", "Compound"]},
        "benchmark": {
            "group": ["Treatment", "Metadata_conc"],
            "gene": {"compound": "target", "crispr": "gene"},
            "rankings": {
                "r": {"positives": {"same": ["Site"]}, "negatives": {"different": ["Metadata_Line"]}}
            },
        },
        "dose_response": {"dose": "conc"},
    }
    names = (
        "Role",
        "Drug",
        "Compound",
        "Treatment",
        "conc",
        "target",
        "gene",
        "clinical_phase",
        "Site",
        "Line",
    )
    assert get_named_columns(complete_config(config, "c.yaml")) == sorted(names)
    default = get_named_columns(complete_config(SMALL, "c.yaml"))
    assert default == ["broad_sample", "clinical_phase", "control_type", "gene"]


def test_all_problems_are_reported_at_once():
    output = message({**SMALL, "asay": {}, "images": {"bad_sites": "ignore"}})
    assert "asay" in output
    assert "images.bad_sites" in output
    assert "config.yaml has errors" in output


def test_every_key_has_a_description():
    assert [key for key, value in walk(read_schema()) if not value.get("description")] == []


def test_the_readme_lists_every_key():
    text = config_keys.README.read_text()
    assert config_keys.with_table(text) == text, "run: python tests/support/config_keys.py"


@pytest.mark.parametrize(
    "path",
    sorted([*PROJECT.glob("config/**/config.yaml"), *PROJECT.glob("tests/configs/*/config.yaml")]),
    ids=str,
)
def test_configs_of_the_project_are_right(path):
    assert complete_config(yaml.safe_load(path.read_text()), path)


def plate(name, perturbation, cell_line, timepoint, **more):
    return {
        "batch": "B",
        "plate": name,
        "perturbation": perturbation,
        "cell_line": cell_line,
        "timepoint": timepoint,
        **more,
    }


PLATES = [
    plate("1", "compound", "A549", "24", benchmark="yes"),
    plate("2", "compound", "A549", "24", benchmark="yes"),
    plate("3", "compound", "U2OS", "24", benchmark="yes"),
    plate("4", "crispr", "A549", "96", benchmark="yes"),
    plate("5", "crispr", "A549", "96", benchmark="no"),
    plate("6", "orf", "U2OS", "48", benchmark="yes"),
]


def test_conditions_and_comparisons():
    config = complete_config({**SMALL, "benchmark": {"where": {"benchmark": "yes"}}}, "c")
    grouped = get_conditions(PLATES, config)
    assert {name: [p["plate"] for p in plates] for name, plates in grouped.items()} == {
        "compound_A549_24": ["1", "2"],
        "compound_U2OS_24": ["3"],
        "crispr_A549_96": ["4"],
        "orf_U2OS_48": ["6"],
    }
    assert set(get_comparisons(grouped, config).values()) == {
        ("compound_A549_24", "crispr_A549_96"),
        ("compound_U2OS_24", "orf_U2OS_48"),
    }


def test_a_condition_column_that_the_sheet_lacks():
    config = complete_config({**SMALL, "benchmark": {"condition": ["density"]}}, "c")
    with pytest.raises(InputError, match="the sample sheet has no column density"):
        get_conditions(PLATES, config)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (
            20201104,
            "YAML reads 2020_11_04 without quotes as 20201104: quote it, as in batch",
        ),
        (10, 'quote it, as in batch: "0012"'),
        ("other", "The sheet's values of batch are 2020_11_04, 0012."),
    ],
)
def test_a_where_that_fits_no_plate_is_answered(where, expected):
    plates = [plate("1", "compound", "A549", "24") | {"batch": name} for name in ("2020_11_04", "0012")]
    config = complete_config({**SMALL, "benchmark": {"where": {"batch": where}}}, "c")
    with pytest.raises(
        InputError, match=r"benchmark\.where: no plate of the sample sheet has batch"
    ) as error:
        get_conditions(plates, config)
    assert expected in str(error.value)


def test_a_where_finds_a_number_however_it_is_written():
    plates = [plate("1", "compound", "A549", "24") | {"batch": "1.0e+5"}]
    config = complete_config({**SMALL, "benchmark": yaml.safe_load("where: {batch: 1.0e+5}")}, "c")
    assert list(get_conditions(plates, config).values()) == [plates]


@pytest.mark.parametrize(
    ("images", "channel"),
    [({"project": "max"}, {}), ({"pattern": "ome-zarr"}, {}), ({}, {"scale": 2})],
)
def test_the_container_cannot_read_stacks(images, channel):
    config = {
        "results": "r",
        "plates": "plates.tsv",
        "images": images,
        "cellprofiler": {"environment": "container"},
        "assay": {"channels": [{"name": "DNA", "image": "1", **channel}], "nuclei": {"channel": "DNA"}},
    }
    with pytest.raises(InputError, match="CellProfiler's container cannot read such images"):
        complete_config(config, "config.yaml")
    complete_config({**config, "cellprofiler": {}}, "config.yaml")


def test_the_dose_is_not_part_of_the_compound():
    doses = {"dose_response": {"dose": "dose_uM"}}
    group = ["broad_sample", "dose_uM"]
    config = complete_config({**SMALL, **doses, "benchmark": {"group": group}}, "config.yaml")
    assert config["dose_response"]["compound"] == ["Metadata_broad_sample"]
    # two doses of a compound are not a pair of compounds
    assert config["benchmark"]["different"] == ["Metadata_broad_sample"]
    named = complete_config(
        {**SMALL, **doses, "benchmark": {"group": group, "different": "pert_iname"}}, "config.yaml"
    )
    assert named["benchmark"]["different"] == "Metadata_pert_iname"
    single = complete_config({**SMALL, **doses}, "config.yaml")
    assert single["dose_response"]["compound"] == ["Metadata_broad_sample"]
    assert single["benchmark"]["different"] is None
    both = {"dose_response": {"dose": "dose_uM", "compound": group}}
    assert "dose_uM is the dose, so it cannot be part of the compound" in message({**SMALL, **both})


@pytest.mark.unit
def test_a_range_of_intensities_is_checked():
    assay = {"channels": [{"name": "DNA", "image": "1"}], "nuclei": {"channel": "DNA"}}
    config = {"results": "r", "plates": "p.tsv", "assay": assay, "embeddings": {"percentiles": [99, 1]}}
    with pytest.raises(
        InputError, match=r"embeddings: percentiles: \[99, 1\] is not a range; write the lower end"
    ):
        complete_config(config, "config.yaml")


@pytest.mark.unit
def test_weights_name_their_network():
    assay = {"channels": [{"name": "DNA", "image": "1"}], "nuclei": {"channel": "DNA"}}

    def complete(**block):
        config = {"results": "r", "plates": "p.tsv", "assay": assay, "embeddings": block}
        return complete_config(config, "config.yaml")["embeddings"]["model"]

    assert complete() == "efficientnet_b0"
    assert complete(weights="packaged") == complete(weights="packaged", model="tf_efficientnet_lite0")
    assert complete(weights="packaged") == "tf_efficientnet_lite0"
    assert complete(weights="random", model="resnet18") == "resnet18"
    with pytest.raises(InputError, match=r"resnet18 has no packaged weights; leave out embeddings\.model"):
        complete(weights="packaged", model="resnet18")


def test_names_of_columns_are_written_as_in_tables():
    config = complete_config(
        {
            "results": "r",
            "plates": "p.tsv",
            "plate_maps": {"sample": "Compound\u2011Name"},
            "annotation": {"compound": {"table": "a.tsv", "gene": "Target\u00a0genes"}},
            "benchmark": {"group": "dose\u200b"},
        },
        "c.yaml",
    )
    assert config["plate_maps"]["sample"] == ["Compound-Name"]
    assert config["annotation"]["compound"]["gene"] == "Target genes"
    assert config["benchmark"]["group"] == "Metadata_dose"
