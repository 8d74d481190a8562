"""Sentences of the Methods, with the parameters in them marked up.

Each parameter stands in a `<data>` element that names its step and key, so that a test, or a reader, can
compare it with its source.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

REFERENCES = {
    "cellpainting": ("Bray et al., Nature Protocols 2016", "10.1038/nprot.2016.105"),
    "cellprofiler": ("Stirling et al., BMC Bioinformatics 2021", "10.1186/s12859-021-04344-9"),
    "pycytominer": ("Serrano et al., Nature Methods 2025", "10.1038/s41592-025-02611-8"),
    "cpjump1": ("Chandrasekaran et al., Nature Methods 2024", "10.1038/s41592-024-02241-6"),
    "map": ("Kalinin et al., Nature Communications 2025", "10.1038/s41467-025-60306-2"),
    "snakemake": ("Mölder et al., F1000Research 2021", "10.12688/f1000research.29032.1"),
}
Provenances = Sequence[Mapping[str, Any]]


def at(mapping: Any, key: str) -> Any:
    """The value of a dotted key (`nuclei.channel`) in nested mappings; None where there is none."""
    for part in key.split("."):
        mapping = mapping.get(part) if isinstance(mapping, Mapping) else None
    return mapping


def value_of(provenances: Provenances, key: str) -> Any:
    """The value of a parameter (`feature_select.correlation` for a nested one); a list where they differ."""
    found = []
    for made_by in provenances:
        value = at(made_by.get("parameters", {}), key)
        if value is not None and value not in found:
            found.append(value)
    return found[0] if len(found) == 1 else found


def parameter(step: str, key: str, value: Any, words: str | None = None) -> Markup:
    """A parameter in the text, with its step, key and exact value beside the words for it."""
    shown = words if words is not None else in_words(value)
    return Markup('<data data-step="{}" data-key="{}" value="{}">{}</data>').format(
        step, key, json.dumps(value, ensure_ascii=False), shown
    )


def in_words(value: Any) -> str:
    """A value as a paper would write it; what stands in a list twice is written once."""
    if isinstance(value, list):
        words = list(dict.fromkeys(in_words(part) for part in value))
        return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else "".join(words)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def in_range(ends: Sequence[float]) -> str:
    """Two ends as a range."""
    return "–".join(map(str, ends))


def reference(name: str) -> Markup:
    """A reference, linked by its DOI."""
    words, doi = REFERENCES[name]
    return Markup('(<a href="https://doi.org/{0}">{1}</a>)').format(doi, words)


def sentence(
    text: str,
    step: str = "",
    values: Callable[[str], Any] | Provenances = (),
    words: Mapping[str, str] | None = None,
    **given: str | Markup,
) -> Markup:
    """A sentence of the text; what stands in braces is filled in.

    `{@cpjump1}` is a reference; `{name}` of `given` is that text, escaped unless it is markup; any other
    `{key}` is a parameter of `step`, its value from `values` (a function, or provenances), written as
    `words` say or as a paper would.
    """
    look_up = values if callable(values) else lambda key: value_of(values, key)

    def filled(field: str) -> str | Markup:
        if field.startswith("@"):
            return reference(field[1:])
        if field in given:
            return given[field]
        return parameter(step, field, look_up(field), (words or {}).get(field))

    plain_and_fields = re.split(r"\{([^{}]+)\}", text)
    return Markup("").join(
        filled(part) if number % 2 else part for number, part in enumerate(plain_and_fields)
    )
