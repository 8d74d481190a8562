"""The columns of published profiles: features that may be a laboratory's own columns."""

import pytest

from lib.profile_columns import describe_single_features

pytestmark = pytest.mark.unit

FEATURES = [f"feat{at:02d}" for at in range(48)]


def test_features_whose_first_word_is_their_own_are_named():
    sentence = describe_single_features([*FEATURES, "viability", "Passage_number"])
    assert sentence.startswith("viability, Passage_number are among the 50 features, and no other")
    assert "exclude_features" in sentence
    assert "Metadata_" in sentence
    one = describe_single_features(["passage", *(f"dna_emb_{at}" for at in range(10))])
    assert one.startswith("passage is among the 11 features")


@pytest.mark.parametrize(
    "features",
    [
        [],
        ["f1"],
        FEATURES,
        [str(at) for at in range(20)],
        [f"{channel}_emb_{at}" for channel in ("dna", "er", "Agp") for at in range(12)],
        ["dna_emb_0", *(f"er_emb_{at}" for at in range(12)), "dna_emb_1"],
        ["area", "roundness", "intensity", "texture"],
        [*FEATURES[:9], "viability"],
        [*(f"Cells_Texture_Contrast_DNA_{at}" for at in range(12)), "Nuclei_AreaShape_Area", "Image_X"],
        [*(f"Nuclei - Intensity {at}" for at in range(12)), "Nuclei - Area"],
        [*FEATURES[:10], *(f"{letter * 3}" for letter in "abcdeghijk")],
    ],
)
def test_clean_sets_of_features_are_not_named(features):
    assert describe_single_features(features) == ""
