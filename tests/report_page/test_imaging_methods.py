"""The Methods on images: how objects were found."""

import re

import pytest

from lib.config import complete_config
from report_page.imaging_methods import describe_cells, describe_nuclei

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
        "Nuclei were found in the channel DNA by cellpose (its usual model, diameter 30 pixels, cell "
        "probability above -1, flow error at most 0.4; objects below 15 pixels discarded)."
    )
    assert second.startswith(
        "Cells were found in the channel RNA and that of the nuclei by instanseg (the model models/mine; "
        "objects below 100 pixels discarded)"
    )
    assert "flow error" not in describe(method="cellpose", network={"flow_error": 0})[1]
