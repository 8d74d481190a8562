"""What was left out of an experiment's results, as sentences for the summary."""

import pandas as pd

from report_page.results import Results

PLACE = ["batch", "plate", "condition"]
MOST_REASONS = 4  # reasons per stage; `left_out.csv` has all of them


def get_totals(results: Results, file: str) -> list[str]:
    """Count what was left out: one sentence per stage and kind, with the reasons; none if nothing was.

    What several levels of the same profiles lack is counted once. Only what lies on one plate is added up:
    the features of plates have the same names, and conditions share their wells with comparisons.
    """
    if not results.has(file):
        return []
    table = pd.read_csv(results.path(file), keep_default_na=False)
    lines = []
    for (stage, what), rows in table.groupby(["stage", "what"], sort=False):
        # Levels of one place share what they lack.
        places = rows.groupby([*PLACE, "level", "why"], sort=False)["number"].sum()
        places = places.groupby([*PLACE, "why"], sort=False).max().reset_index()
        reasons = places.groupby("why", sort=False)["number"].agg(["sum", "min", "max", "size"])
        reasons = reasons.sort_values("sum", ascending=False, kind="stable")
        added = what != "feature" and bool((rows["plate"] != "").all())
        sentences = [
            describe_reason(str(why), str(what), added, *numbers) for why, *numbers in reasons.itertuples()
        ]
        more = len(sentences) - MOST_REASONS
        if more > 1:
            sentences[MOST_REASONS:] = [f"{more} more reasons"]
        lines.append(f"{stage}: {'; '.join(sentences)}")
    return lines


def describe_reason(why: str, what: str, added: bool, total: int, least: int, most: int, places: int) -> str:
    """Describe how many things were left out for a reason.

    Parameters
    ----------
    why
        The reason; may be empty.
    what
        What was left out: `well`, `feature`, ...
    added
        Whether the total is given, rather than the least and the most.
    total, least, most
        Their number over all places, and the least and the most of one place.
    places
        In how many places (plates, conditions or comparisons).
    """
    number, each = f"{total:,}", ""
    if not added and places > 1:
        number = f"{most:,}" if least == most else f"{least:,} to {most:,}"
        each = f" in each of {places:,} tables"
    plural = "" if number == "1" else "s"
    # A single word is an operation of feature selection; underscores in sentences are in the names of keys.
    words = why.replace("_", " ") if why.isidentifier() else why
    reason = f" ({words})" if why else ""
    return f"{number} {what}{plural}{reason}{each}"
