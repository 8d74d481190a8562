"""Draw how many features each plate keeps, and why the others were dropped.

The numbers are those of the tables of dropped features that normalization and feature selection write.
A feature that several operations would drop counts for the first of them, so that the parts of a bar
add up to the features that were measured. Of many plates, those that keep the fewest features are drawn.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from lib.drawing import draw_nothing, save_png, use_style
from lib.logs import log_to
from lib.tables import read_feature_names, write_whole

MOST_BARS = 80
KEPT = "kept"
# Each operation with its label and its color: Okabe and Ito's, from dark to light.
OPERATIONS = {
    KEPT: ("kept", "#0072B2"),
    "normalize": ("no spread in the reference wells, or not measured on all plates", "#000000"),
    "drop_outliers": ("exploded", "#F0E442"),
    "frequency_threshold": ("few different values", "#D55E00"),
    "correlation_threshold": ("correlated with another feature", "#E69F00"),
    "drop_na_columns": ("missing values", "#CC79A7"),
    "blocklist": ("on the field's blocklist", "#009E73"),
    "common_features": ("not on every plate", "#56B4E9"),
}


def count_reasons(normalized: pd.DataFrame | None, selected: pd.DataFrame, kept: int) -> dict[str, int]:
    """Count the features of a plate that each operation dropped, and those that were kept.

    Parameters
    ----------
    normalized
        What normalization dropped (feature, reason); None for profiles that were already normalized.
    selected
        What feature selection dropped (feature, operation, reason).
    kept
        Number of features of the selected profiles.
    """
    first = selected.drop_duplicates("feature")["operation"].value_counts()
    before = pd.DataFrame(columns=["feature", "reason"], dtype="str") if normalized is None else normalized
    exploding = int(before["reason"].str.startswith("exploded").sum())
    counts = {KEPT: kept, "normalize": before["feature"].nunique() - exploding}
    counts |= {str(operation): int(number) for operation, number in first.items()}
    if exploding:
        counts["drop_outliers"] = counts.get("drop_outliers", 0) + exploding
    return counts


def plot_dropped_features(table: pd.DataFrame) -> Figure:
    """Draw one bar per plate and selection, whose parts are the operations.

    A barcode that occurs in several batches is drawn once for each.
    """
    if table.empty:
        return draw_nothing("No plate's features were selected here.")
    wide = table.pivot_table(
        index=["selection", "batch", "plate"],
        columns="operation",
        values="features",
        sort=False,
        fill_value=0,
    )
    title = "Features that each plate keeps, and why others were dropped"
    if len(wide) > MOST_BARS:
        title = f"{title}\n(the {MOST_BARS} of {len(wide):,} selections with the fewest features)"
        wide = wide.loc[wide[KEPT].rank(method="first") <= MOST_BARS]
    height = 1.6 + 0.17 * len(wide)
    figure, axes = plt.subplots(figsize=(9, height), layout="constrained")
    left = pd.Series(0.0, index=wide.index)
    for operation in [name for name in OPERATIONS if name in wide] + [n for n in wide if n not in OPERATIONS]:
        words, color = OPERATIONS.get(operation, (operation, "0.6"))
        axes.barh(
            range(len(wide)),
            wide[operation],
            left=left,
            color=color,
            label=words,
            edgecolor="white",
            linewidth=0.5,
        )
        left += wide[operation]
    batches = table.groupby("plate")["batch"].nunique()
    names = [
        f"{batch} {plate} ({selection})" if batches[plate] > 1 else f"{plate} ({selection})"
        for selection, batch, plate in wide.index
    ]
    axes.set_yticks(range(len(wide)), names, fontsize=7)
    axes.set_ylim(len(wide) - 0.4, -0.6)
    axes.set_xlabel("features")
    axes.set_title(title)
    figure.legend(loc="outside lower left", ncols=2)
    return figure


def main(bars: Sequence[Mapping[str, str]], outputs: Mapping[str, str]) -> None:
    """Draw the figure of all plates; `bars`: plate, selection, profiles, dropped, normalized.

    The files of `bars` are in the results: the working directory, or the local copy of a storage.
    """
    use_style()
    results = Path(outputs["figure"]).parents[2]
    rows = []
    for bar in bars:
        kept = len(read_feature_names(results / bar["profiles"]))
        batch = Path(bar["profiles"]).parts[2]  # workspace/profiles/{batch}/...
        normalized = pd.read_csv(results / bar["normalized"]) if bar["normalized"] else None
        for operation, number in count_reasons(
            normalized, pd.read_csv(results / bar["dropped"]), kept
        ).items():
            rows.append((batch, bar["plate"], bar["selection"], operation, number))
    table = pd.DataFrame(rows, columns=["batch", "plate", "selection", "operation", "features"])
    save_png(plot_dropped_features(table), outputs["figure"])
    with write_whole(outputs["numbers"]) as part:
        table.to_csv(part, index=False)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            list(snakemake.params.bars),
            {name: snakemake.output[name] for name in ("figure", "numbers")},
        )
