"""Errors of an assay description that its schema cannot detect."""

import copy

import pytest

from lib.assay import find_assay_problems, get_compartments
from lib.config import complete_config

pytestmark = pytest.mark.unit
THRESHOLD = {
    "method": "Otsu",
    "strategy": "Global",
    "bounds": [0, 1],
    "lower_outliers": 0.05,
    "upper_outliers": 0.05,
}
ASSAY = {
    "channels": [
        {"name": "DNA", "image": "1", "measure": True},
        {"name": "RNA", "image": "2", "measure": True},
    ],
    "nuclei": {"channel": "DNA", "diameter": [15, 60], "threshold": THRESHOLD, "labels": None},
    "cells": {"channel": "RNA", "method": "Propagation", "threshold": THRESHOLD, "labels": None},
    "cytoplasm": True,
    "measurements": {"mitochondria": None},
}


def changed(change):
    assay = copy.deepcopy(ASSAY)
    change(assay)
    return assay


def test_a_complete_description_has_no_problem():
    assert find_assay_problems(ASSAY) == []


def test_compartments_follow_from_the_description():
    assert get_compartments(ASSAY) == ["Nuclei", "Cells", "Cytoplasm"]
    assert get_compartments({**ASSAY, "cytoplasm": False}) == ["Nuclei", "Cells"]
    assert get_compartments(changed(lambda assay: assay.pop("cells"))) == ["Nuclei"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a["channels"][1].update(name="DNA"), "the name DNA is a duplicate"),
        (lambda a: a["channels"][1].update(image="1"), "the image 1 is a duplicate"),
        (lambda a: [c.update(measure=False) for c in a["channels"]], "at least one channel must have"),
        (lambda a: a["nuclei"].update(channel="ER"), "nuclei: channel ER is unknown"),
        (lambda a: a["cells"].update(channel="ER"), "cells: channel ER is unknown"),
        (lambda a: a["cells"].pop("channel"), "the method Propagation needs `channel`"),
        (lambda a: a["nuclei"].update(diameter=[60, 15]), "is not a range"),
        (lambda a: a["nuclei"]["threshold"].update(method="Sauvola"), "needs `strategy: Adaptive`"),
        (
            lambda a: a["cells"]["threshold"].update(method="Manual", strategy="Adaptive"),
            "needs `strategy: Global`",
        ),
        (lambda a: a["cells"]["threshold"].update(bounds=[1, 0]), "write the lower one first"),
        (lambda a: a["cells"]["threshold"].update(lower_outliers=0.95), "leave no pixel"),
    ],
)
def test_each_error_is_one_sentence(change, words):
    problems = find_assay_problems(changed(change))
    assert any(words in problem for problem in problems), problems
    assert all(problem.endswith(".") for problem in problems)


def test_growing_nuclei_needs_no_channel():
    assay = changed(lambda a: a["cells"].update(method="Distance - N"))
    del assay["cells"]["channel"]
    assert find_assay_problems(assay) == []


def test_a_channel_may_not_be_called_as_a_pair_of_others():
    """`Correlation_DNA_RNA` would be a feature of one channel, and of two."""
    named = changed(
        lambda assay: assay["channels"].append({"name": "DNA_RNA", "image": "3", "measure": True})
    )
    (problem,) = find_assay_problems(named)
    assert "the name DNA_RNA is that of the pair DNA and RNA" in problem
    other = changed(lambda assay: assay["channels"].append({"name": "DNA_2", "image": "3", "measure": True}))
    assert find_assay_problems(other) == []


def test_the_preset_of_the_pilot_is_the_default_and_that_of_the_production_another():
    def complete(**preset):
        assay = {"channels": [{"name": name, "image": name} for name in ("DNA", "RNA", "Mito")]}
        assay |= {"nuclei": {"channel": "DNA"}, "cells": {"channel": "RNA"}, **preset}
        return complete_config({"results": "r", "plates": "p.tsv", "assay": assay}, "config.yaml")["assay"]

    pilot = complete(preset="cpjump1_pilot")
    assert pilot == complete()
    production = complete(preset="jump_production")
    assert production["nuclei"]["diameter"] == [15, 90] != pilot["nuclei"]["diameter"]
    assert pilot["nuclei"]["diameter"] == [10, 75]
