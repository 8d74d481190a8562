"""What was left out of an experiment's results, as sentences for the summary."""

import pandas as pd

from report_page.results import Results

PLACE = ["batch", "plate", "condition", "level"]


def get_totals(results: Results, file: str) -> list[str]:
    """Count what was left out: one sentence per stage and kind; none if nothing was.

    The same wells and features count in each level of profiles and feature set that lacks them.
    """
    if not results.has(file):
        return []
    table = pd.read_csv(results.path(file), keep_default_na=False)
    lines = []
    for (stage, what), rows in table.groupby(["stage", "what"], sort=False):
        total, places = int(rows["number"].sum()), len(rows[PLACE].drop_duplicates())
        number = f"{total:,} {what}{'' if total == 1 else 's'}"
        lines.append(f"{number} by the {stage}" if what == "plate" else f"{number} in {stage}")
        if places > 1 and what != "plate":
            lines[-1] += f" (of {places} tables)"
    return lines
