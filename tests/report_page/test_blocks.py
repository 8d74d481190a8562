"""Data in the page: no text ends a block, packed numbers are unchanged, the most common features stay."""

import base64
import json

import numpy as np
import pytest

from report_page.blocks import LARGEST_HALF, choose_features, encode_text, format_block, pack, round_numbers

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "name",
    [
        "</script><script>alert(1)</script>",
        "<!--",
        "\"'&\\",
        "细胞 コンパウンド 화합물",
        "\u2028\u2029\0",
        "x" * 5000,
    ],
)
def test_a_name_ends_no_block_and_comes_back_as_it_was(name):
    block = format_block({name: [name]})
    assert "<" not in block
    assert json.loads(block) == {name: [name]}


def test_numbers_without_a_value_are_missing():
    assert round_numbers([1.23456, None, float("nan"), float("inf"), "7", "x", 0]) == [
        1.235,
        None,
        None,
        None,
        7.0,
        None,
        0.0,
    ]
    with pytest.raises(ValueError, match="not JSON compliant"):
        format_block(float("nan"))


def test_text_is_encoded_by_its_values():
    assert encode_text(["b", None, "a", "b"]) == {"values": ["a", "b"], "codes": [1, -1, 0, 1]}
    assert encode_text([None, None]) == {"values": [], "codes": [-1, -1]}


def test_packed_numbers_keep_three_digits_and_their_order():
    table = np.array([[1.0, -2.345, np.nan], [1e9, -1e9, 0.001]])
    found = np.frombuffer(base64.b64decode(pack(table)), dtype="<f2").reshape(table.shape).astype(float)
    assert found[0, :2] == pytest.approx(table[0, :2], rel=1e-3)
    assert np.isnan(found[0, 2])
    assert found[1].tolist() == pytest.approx([LARGEST_HALF, -LARGEST_HALF, 0.001], rel=1e-3)


def test_features_that_most_plates_select_have_priority():
    tables = [["a", "b", "c", "d"], ["a", "b", "c"]]
    selected = [["d", "b"], ["b", "c"]]
    assert choose_features(tables, selected, 3) == ["b", "c", "d"]
    assert choose_features(tables, selected, 99) == ["a", "b", "c", "d"]
    assert choose_features([], [], 5) == []
    assert choose_features([["a"]], [["of_another_level"]], 5) == ["a"]
