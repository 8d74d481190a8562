"""Embeddings are planned where the config asks for them, and a wrong block is refused."""

import pytest

from workflow import planned

pytestmark = pytest.mark.plan


@pytest.mark.plan
def test_without_the_block_nothing_is_planned():
    assert not {"network", "embeddings", "plot_contact_sheet"} & set(planned("--forceall"))


@pytest.mark.plan
@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("{weights: nowhere.safetensors}", "nowhere.safetensors does not exist. Copy the file there"),
        ("{weights: random, channels: [DNA, Actin]}", "the assay has no channel Actin"),
        ("{weights: random, box: nucleus}", "embeddings.box: 'cell' was expected"),
        ("{weigths: random}", "unknown key `weigths`; did you mean `weights`?"),
    ],
)
def test_a_wrong_block_is_answered_before_anything_runs(block, message):
    with pytest.raises(AssertionError) as error:
        planned("--config", f"embeddings={block}")
    assert message in str(error.value)
    assert "Traceback" not in str(error.value)
