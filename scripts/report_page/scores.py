"""The scores of the summary, with the published values and those of the previous report."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib.scores import BOUNDARY, get_condition_columns, get_condition_label, parse_scores, read_scores
from lib.tables import write_whole
from report_page.pictures import link_to
from report_page.results import Results
from report_page.tables import Table, make_table

# The scores of the summary: table, the column that is shown, its name, and its unit.
SCORES = (
    ("percent_replicating", "percent_replicating", "Percent Replicating", "%"),
    ("percent_matching", "percent_matching_right", "Percent Matching, alike", "%"),
    ("percent_matching", "percent_matching_left", "Percent Matching, opposite", "%"),
    ("mean_average_precision", "mean_average_precision", "Mean average precision", ""),
    ("mean_average_precision_matching", "mean_average_precision", "Mean average precision, matching", ""),
)
PUBLISHED = {"percent_replicating": "percent_replicating", "percent_matching": "percent_matching_right"}
# The score tables of the last report that differed from this one, and those of this one.
PREVIOUS, LATEST = "previous", "latest"


def order_feature_sets(rows: pd.DataFrame, feature_sets: Sequence[str]) -> pd.DataFrame:
    """Return rows of scores with the feature sets of each condition in the order of the config."""
    if "feature set" not in rows:
        return rows
    place = {name: number for number, name in enumerate(feature_sets)}
    condition = pd.factorize(rows["condition"])[0]
    order = rows["feature set"].map(lambda name: place.get(name, len(place)))
    return rows.iloc[np.lexsort((order, condition))].reset_index(drop=True)


def score_tables(
    results: Results, tables: Mapping[str, str], history: str, feature_sets: Sequence[str] = ()
) -> list[Table]:
    """Return the summary's table of each score.

    Parameters
    ----------
    results
        The results folder.
    tables
        The file of each metric.
    history
        The path of the earlier score tables in the results.
    feature_sets
        The feature sets in their order.
    """
    found = []
    for metric, value, title, unit in SCORES:
        if not results.has(tables.get(metric, "")):
            continue
        previous = get_previous(results, tables[metric], history)
        rows = order_feature_sets(score_rows(results.path(tables[metric]), value, previous), feature_sets)
        if rows.empty:
            continue
        for name in rows.select_dtypes("number"):
            rows[name] = rows[name].round(1 if unit else 3)
        notes = score_notes(results.path(tables[metric])) if value in (metric, PUBLISHED.get(metric)) else []
        heading = f"{title} ({unit})" if unit else title
        link = link_to(tables[metric])
        found.append(replace(make_table(rows, f"score-{metric}-{value}", heading, link), notes=notes))
    return found


def collect_drawn_scores(
    results: Results, tables: Mapping[str, str], history: str, feature_sets: Sequence[str] = ()
) -> dict[str, list[dict[str, Any]]]:
    """Return the scores that the first screen draws, by metric: title, unit, chance, and all numbers.

    Parameters
    ----------
    results, tables, history, feature_sets
        Those of `score_tables`.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for metric, value, title, unit in SCORES:
        if metric not in PUBLISHED or not results.has(tables.get(metric, "")):
            continue
        file = results.path(tables[metric])
        rows = score_rows(file, value, get_previous(results, tables[metric], history))
        rows = order_feature_sets(rows, feature_sets)
        if rows.empty or rows["score"].isna().all():
            continue
        percentile = read_scores(file).get("percentile", pd.Series(dtype=float)).dropna()
        known = [
            {name: format_short(number) for name, number in row.items() if pd.notna(number)}
            for row in rows.to_dict("records")
        ]
        chance = format_short(100 - float(percentile.iloc[0])) if len(percentile) else None
        found.setdefault(metric, []).append({"title": title, "unit": unit, "chance": chance, "rows": known})
    return found


def format_short(value: Any) -> Any:
    """Return a number with four significant digits; other values as text."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(f"{value:.4g}") if is_number else str(value)


def score_rows(file: Path, value: str, former: str | None) -> pd.DataFrame:
    """Return a metric's scores (condition, score, interval, position-aware, published, previous) or None.

    `file` is the metric's table, `former` the text of that of the previous report.
    """
    table = read_scores(file)
    names = get_condition_columns(table)
    if value not in table:
        return pd.DataFrame()
    rows = pd.DataFrame({"condition": [get_condition_label(row, names) for _, row in table.iterrows()]})
    if table[BOUNDARY].nunique() > 1:
        rows["feature set"] = table[BOUNDARY]
    rows["score"] = table[value]
    ends = {"": "", "_sampling": "sampling "}
    named = {
        f"{value}{kind}_{end}": f"{words}{end}" for kind, words in ends.items() for end in ("low", "high")
    }
    for column, name in named.items():
        if column in table:
            rows[name] = table[column]
    aware = table.get(f"position_aware_{value}")
    if aware is not None and aware.notna().any():
        rows["position-aware null"] = aware
    beside = file.parent / "figures" / file.name
    if PUBLISHED.get(file.stem) == value and beside.is_file():
        drawn = pd.read_csv(beside)
        if "published" in drawn and len(drawn) == len(rows) and drawn["published"].notna().any():
            rows["published"] = drawn["published"].to_numpy()
            rows["difference"] = rows["score"] - rows["published"]
    if former is not None:
        old = parse_scores(former)
        if set(names) <= set(old) and value in old:
            kept = old.drop_duplicates(names)[[*names, value]].rename(columns={value: "previous"})
            rows["previous"] = table[names].merge(kept, on=names, how="left")["previous"].to_numpy()
            rows["change"] = rows["score"] - rows["previous"]
    return rows


# The columns of the table of judged steps in the page; the file has all of them.
JUDGED = (
    "chain",
    "step",
    "verdict",
    "percent_replicating",
    "position_aware_percent_replicating",
    "mean_average_precision_negcon",
    "mean_average_precision_others",
    "ilisi",
    "kbet",
    "silhouette_batch",
    "silhouette_perturbation",
    "graph_connectivity",
    "verdict_since_start",
)


def make_judged_table(results: Results, file: str) -> Table | None:
    """Return the table of all steps of all chains, with what each changed in words; None without chains."""
    if not results.has(file):
        return None
    table = read_scores(results.path(file))
    names = get_condition_columns(table)
    labels = [get_condition_label(row, names) for row in table.to_dict("records")]
    judged = table[[name for name in JUDGED if name in table]].copy()
    for name in judged.select_dtypes("number"):
        judged[name] = judged[name].round(1 if "percent" in name else 3)
    if len(set(labels)) > 1:
        judged.insert(0, "condition", labels)
    found = make_table(judged, "judged-chains", "Steps of all chains", link_to(file))
    return replace(found, notes=score_notes(results.path(file)))


def score_notes(file: Path) -> list[str]:
    """Return what a reader of a metric's scores must know: each message with its conditions."""
    table = read_scores(file)
    names = get_condition_columns(table)
    if "message" not in table:
        return []
    with_message = table.dropna(subset=["message"])
    labels = pd.Series(
        [get_condition_label(row, names) for _, row in with_message.iterrows()],
        index=with_message.index,
        dtype=str,
    )
    by_message = labels.groupby(with_message["message"], sort=False)
    return [f"{', '.join(dict.fromkeys(of_message))}: {message}." for message, of_message in by_message]


def write_history(results: Results, tables: Mapping[str, str], history: str) -> None:
    """Keep a copy of the score tables; the tables before the last change become the previous ones."""
    file = results.path(history)
    kept = read_history(file)
    now = {
        Path(table).name: results.path(table).read_text(encoding="utf-8")
        for table in results.existing(tables.values())
    }
    if file.is_file() and now == kept[LATEST]:
        return
    previous = kept[LATEST] or kept[PREVIOUS]
    with write_whole(file) as part:
        part.write_text(json.dumps({PREVIOUS: previous, LATEST: now}), encoding="utf-8")


def read_history(file: Path) -> dict[str, dict[str, str]]:
    """Read the score tables of the last reports as text; there are none before the first report."""
    if not file.is_file():
        return {PREVIOUS: {}, LATEST: {}}
    return json.loads(file.read_text(encoding="utf-8"))


def get_previous(results: Results, table: str, history: str) -> str | None:
    """Return the previous report's table of a score as text; None without one."""
    return read_history(results.path(history))[PREVIOUS].get(Path(table).name)
