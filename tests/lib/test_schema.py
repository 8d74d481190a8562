"""The walk through the config's schema, and values converted to its types."""

import pytest

from lib.schema import read_schema, read_values, walk

pytestmark = pytest.mark.unit
SCHEMA = {
    "type": "object",
    "properties": {
        "number": {"type": "integer", "default": 3},
        "word_or_number": {"oneOf": [{"const": "all"}, {"type": "number"}]},
        "name": {"type": "string"},
        "switch": {"type": "boolean"},
        "list": {"type": "array", "items": {"type": "object", "properties": {"image": {"type": "string"}}}},
        "chosen": {"type": "object", "additionalProperties": {"type": "number"}},
    },
}


def test_every_key_is_walked_through_once():
    assert [key for key, _ in walk(SCHEMA)] == [
        *("number", "word_or_number", "name", "switch", "list", "list[].image", "chosen"),
    ]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"number": "4"}, {"number": 4}),
        ({"number": "four"}, {"number": "four"}),
        ({"word_or_number": "all"}, {"word_or_number": "all"}),
        ({"word_or_number": "0.5"}, {"word_or_number": 0.5}),
        ({"name": 5}, {"name": "5"}),
        ({"switch": "True"}, {"switch": True}),
        ({"switch": "yes"}, {"switch": "yes"}),
        ({"list": [{"image": 1}]}, {"list": [{"image": "1"}]}),
        ({"chosen": {"x": "1e3"}}, {"chosen": {"x": 1000.0}}),
        ({"unknown": "5"}, {"unknown": "5"}),
    ],
)
def test_values_get_the_types_of_the_schema(given, read):
    assert read_values(given, SCHEMA) == read


def test_defaults_are_copies():
    assert read_values({}, SCHEMA, defaults=True) == {"number": 3}
    assert read_values({"number": 5}, SCHEMA, defaults=True) == {"number": 5}


def test_the_keys_of_the_config_have_descriptions():
    keys = dict(walk(read_schema()))
    assert "assay.nuclei.channel" in keys
    assert [key for key, described in keys.items() if "properties" not in described and not described] == []
