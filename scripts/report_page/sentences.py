"""Build the sentences of the Methods section, with their parameters marked up.

Each parameter is in a `<data>` element with its step, key and exact value, so that a test or a reader can
compare it with its source.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from lib.errors import number_of

REFERENCES = {
    "cellprofiler": ("Stirling et al., BMC Bioinformatics 2021", "10.1186/s12859-021-04344-9"),
    "pycytominer": ("Serrano et al., Nature Methods 2025", "10.1038/s41592-025-02611-8"),
    "leiden": ("Traag et al., Scientific Reports 2019", "10.1038/s41598-019-41695-z"),
    "cpjump1": ("Chandrasekaran et al., Nature Methods 2024", "10.1038/s41592-024-02241-6"),
    "map": ("Kalinin et al., Nature Communications 2025", "10.1038/s41467-025-60306-2"),
    "modz": ("Subramanian et al., Cell 2017", "10.1016/j.cell.2017.10.049"),
    "harmony": ("Korsunsky et al., Nature Methods 2019", "10.1038/s41592-019-0619-0"),
    "tvn": ("Ando et al., bioRxiv 2017", "10.1101/161422"),
    "coral": ("Sun et al., AAAI 2016", "10.1609/aaai.v30i1.10306"),
    "combat": ("Johnson et al., Biostatistics 2007", "10.1093/biostatistics/kxj037"),
    "shrinkage": (
        "Ledoit and Wolf, Journal of Multivariate Analysis 2004",
        "10.1016/S0047-259X(03)00096-4",
    ),
    "mixing": ("Luecken et al., Nature Methods 2022", "10.1038/s41592-021-01336-8"),
    "snakemake": ("Mölder et al., F1000Research 2021", "10.12688/f1000research.29032.1"),
}
NOTHING = Markup("")  # a sentence that does not apply
Provenances = Sequence[Mapping[str, Any]]


def get_nested(mapping: Any, key: str) -> Any:
    """Return the value of a dotted key (`nuclei.channel`) in nested mappings, or None if it is missing."""
    for part in key.split("."):
        mapping = mapping.get(part) if isinstance(mapping, Mapping) else None
    return mapping


def get_value(provenances: Provenances, key: str) -> Any:
    """Return a parameter's value (nested as in `feature_select.correlation`), or a list if values differ."""
    values = []
    for provenance in provenances:
        value = get_nested(provenance.get("parameters", {}), key)
        if value is not None and value not in values:
            values.append(value)
    return values[0] if len(values) == 1 else values


def mark_parameter(step: str, key: str, value: Any, words: str | None = None) -> Markup:
    """Return a parameter as text, marked up with its step, key and exact value.

    Parameters
    ----------
    step
        The step of the config.
    key
        The name of the parameter.
    value
        The exact value.
    words
        How the value is written in the text; None for the value itself.
    """
    text = words if words is not None else format_value(value)
    return Markup('<data data-step="{}" data-key="{}" value="{}">{}</data>').format(
        step, key, json.dumps(value, ensure_ascii=False), text
    )


def format_value(value: Any) -> str:
    """Return a value as a paper would print it; duplicates in a list are printed once."""
    if isinstance(value, list):
        words = list(dict.fromkeys(format_value(part) for part in value))
        return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else "".join(words)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def count_plates(number: int) -> str:
    """Return a number of plates as in a sentence: `one plate`, `6 plates`."""
    return "one plate" if number == 1 else number_of(number, "plate")


def format_range(ends: Sequence[float | str]) -> str:
    """Return two numbers as a range."""
    return "–".join(map(str, ends))


def format_ordinal(value: Any) -> str:
    """Return a number as an ordinal, or several numbers joined by `and`: `95th`, `90th and 97.5th`."""
    if isinstance(value, list):
        return " and ".join(map(format_ordinal, value))
    ending = "th"
    if isinstance(value, int) and value % 100 not in (11, 12, 13):
        ending = {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value}{ending}"


def cite(name: str) -> Markup:
    """Return a reference as a link to its DOI."""
    words, doi = REFERENCES[name]
    return Markup('(<a href="https://doi.org/{0}">{1}</a>)').format(doi, words)


def write_sentence(
    text: str,
    step: str = "",
    values: Callable[[str], Any] | Provenances = (),
    words: Mapping[str, str] | None = None,
    **given: str | Markup,
) -> Markup:
    """Fill in the fields in braces of a sentence.

    Parameters
    ----------
    text
        The sentence. `{@cpjump1}` is a reference, `{name}` is the text `given` under that name, and any other
        `{key}` is a parameter.
    step
        The step to which the parameters belong.
    values
        Where to look up parameters: a function of the key, or provenances.
    words
        How to print a parameter, by key; by default as `format_value` does.
    **given
        Texts for fields; escaped unless they are markup.

    Returns
    -------
    The sentence as markup.
    """
    look_up = values if callable(values) else lambda key: get_value(values, key)

    def fill(field: str) -> str | Markup:
        if field.startswith("@"):
            return cite(field[1:])
        if field in given:
            return given[field]
        return mark_parameter(step, field, look_up(field), (words or {}).get(field))

    texts_and_fields = re.split(r"\{([^{}]+)\}", text)
    return Markup("").join(fill(part) if number % 2 else part for number, part in enumerate(texts_and_fields))
