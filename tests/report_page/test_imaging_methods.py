"""The Methods on images: how objects were found."""

import re

import pytest

from lib.config import complete_config
from lib.schema import read_schema, walk
from report_page import imaging_methods
from report_page.imaging_methods import describe_cells, describe_illumination, describe_nuclei

pytestmark = pytest.mark.unit


def test_networks_are_described_with_their_settings(tmp_path):
    nuclei = {"channel": "DNA", "method": "cellpose", "network": {"diameter": 30, "cell_probability": -1}}
    channels = [{"name": "DNA", "image": "1"}, {"name": "RNA", "image": "2"}]

    def describe(**cells) -> list[str]:
        assay = {"channels": channels, "nuclei": nuclei, "cells": {"channel": "RNA", **cells}}
        config = {"results": "results", "plates": "plates.tsv", "assay": assay}
        complete = complete_config(config, tmp_path / "config.yaml")["assay"]
        return [re.sub("<.*?>", "", str(part(complete))) for part in (describe_nuclei, describe_cells)]

    first, second = describe(method="instanseg", network={"model": "models/mine", "smallest": 100})
    assert first == (
        "Nuclei were segmented in the DNA channel with Cellpose (default model, diameter 30 pixels, cell "
        "probability above -1, flow error at most 0.4; objects of fewer than 15 pixels discarded)."
    )
    assert second.startswith(
        "Cells were segmented in the RNA channel and the channel of the nuclei with InstanSeg (model "
        "models/mine; objects of fewer than 100 pixels discarded)"
    )
    assert "flow error" not in describe(method="cellpose", network={"flow_error": 0})[1]


def test_each_method_of_cells_is_described_with_its_own_settings(tmp_path):
    def describe(**cells) -> str:
        assay = {"channels": [{"name": "DNA", "image": "1"}, {"name": "RNA", "image": "2"}]}
        assay |= {"nuclei": {"channel": "DNA"}, "cells": cells}
        config = {"results": "results", "plates": "plates.tsv", "assay": assay}
        complete = complete_config(config, tmp_path / "config.yaml")["assay"]
        return re.sub("<.*?>", "", str(describe_cells(complete)))

    end = "; the cytoplasm was defined as the cell without its nucleus."
    assert describe(method="Distance - N", distance=7) == (
        "Cells were defined by expanding each nucleus by up to 7 pixels (IdentifySecondaryObjects; "
        f"Distance - N){end}"
    )
    begin = "Cells were identified in the RNA channel with the nuclei as seeds (IdentifySecondaryObjects; "
    threshold = "global minimum cross-entropy threshold, correction factor 1, bounds 0.005\N{EN DASH}0.014"
    for method, settings, words in (
        ("Distance - B", {"distance": 7}, "up to 7 pixels from the nucleus; "),
        ("Propagation", {"regularization": 0.1}, "regularization factor 0.1; "),
        ("Watershed - Image", {"distance": 7}, ""),
    ):
        found = describe(channel="RNA", method=method, **settings)
        assert found == f"{begin}{method}; {words}{threshold}){end}"


def test_illumination_correction_is_described_with_every_setting():
    settings = {"apply": "Divide", "calculate": "Regular", "downsample": 5, "smoothing": "Median Filter"}
    settings |= {"filter_size": 20, "rescale": "Minimum"}

    def describe(**changed) -> str:
        return re.sub("<.*?>", "", str(describe_illumination({"illumination": settings | changed})))

    assert describe() == (
        "For each plate and channel, an illumination function was calculated from the mean of all images "
        "(CorrectIlluminationCalculate; images downsampled by a factor of 5), smoothed with a median filter "
        "of 20 pixels, and rescaled to its robust minimum; each image was divided by it."
    )
    assert describe(apply="Subtract", rescale="None", smoothing="Fit Polynomial").endswith(
        "by a factor of 5) and smoothed with a fitted polynomial; it was subtracted from each image."
    )
    choices = {key: value.get("enum", []) for key, value in walk(read_schema())}
    assert {*choices["assay.illumination.smoothing"]} == {*imaging_methods.SMOOTHING}
    assert {*choices["assay.illumination.calculate"]} == {*imaging_methods.SOURCES}
    assert {*choices["assay.illumination.rescale"]} == {*imaging_methods.RESCALING, "None"}
