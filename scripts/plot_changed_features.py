"""Draw what changed: for the most changed perturbations of one condition, which groups of features.

A feature's name gives its group: the compartment, the family of measurements, and the channel
(Cells_Texture_Entropy_ER_...). The value of a group is the median over its features of |z|, where z is
the median over a perturbation's replicates of the normalized feature. For comparison, the same value is
drawn for sets of negative controls, with as many wells as a perturbation has replicates.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.drawing import draw_nothing, save_png, shorten_label, use_style
from lib.feature_groups import NO_CHANNEL, Group, group_features
from lib.feature_names import get_channels
from lib.logs import log_to
from lib.perturbation_names import name_perturbations
from lib.replicates import group_members, read_wells, split_wells
from lib.tables import write_whole

CONTROL_SETS = 50
ROWS = 2000  # perturbations that are written at once


def group_values(z: np.ndarray, groups: Mapping[Group, np.ndarray]) -> np.ndarray:
    """Return the median |z| of each group of features, for each row of `z`: rows x groups."""
    size = np.abs(z)
    return np.column_stack([np.nanmedian(size[:, columns], axis=1) for columns in groups.values()])


def compute_changes(
    values: np.ndarray, sets: Mapping[str, np.ndarray], groups: Mapping[Group, np.ndarray]
) -> pd.DataFrame:
    """Return the median |z| of each group (column) for each set of wells (row numbers of `values`)."""
    rows = list(sets.values())
    parts = [
        group_values(np.array([np.median(values[of], axis=0) for of in rows[start : start + ROWS]]), groups)
        for start in range(0, len(rows), ROWS)
    ]
    return pd.DataFrame(np.vstack(parts), index=list(sets), columns=pd.MultiIndex.from_tuples(groups))


def draw_changes(
    table: pd.DataFrame, channels: Sequence[str], title: str, has_reference: bool = True
) -> Figure:
    """Draw one panel per compartment; rows are perturbations, columns families by channel.

    Parameters
    ----------
    table
        Medians of |z|: one row per perturbation, columns (compartment, family, channel).
    channels
        The channels in their order.
    title
        The condition.
    has_reference
        Whether the last row is that of the negative controls, which a line separates.
    """
    if table.empty:
        return draw_nothing("No perturbation with two replicates: no change to draw.")
    compartments = list(dict.fromkeys(table.columns.get_level_values(0)))
    families = list(dict.fromkeys(table.columns.get_level_values(1)))
    order = {channel: number for number, channel in enumerate([*channels, NO_CHANNEL])}
    columns = sorted(
        {(family, channel) for _, family, channel in table.columns},
        key=lambda pair: (families.index(pair[0]), order[pair[1]]),
    )
    limit = max(2.0, float(np.nanquantile(table.to_numpy(), 0.98)))
    width = 2.6 + 0.2 * len(columns)
    height = 1.3 + len(compartments) * (0.35 + 0.17 * len(table))
    figure, grid = plt.subplots(
        len(compartments),
        1,
        figsize=(max(width, 5), height),
        squeeze=False,
        sharex=True,
        layout="constrained",
    )
    for axes, compartment in zip(grid[:, 0], compartments, strict=True):
        wanted = pd.MultiIndex.from_tuples([(compartment, *pair) for pair in columns])
        image = axes.imshow(
            table.reindex(columns=wanted).to_numpy(float),
            cmap="cividis",
            vmin=0,
            vmax=limit,
            aspect="auto",
            interpolation="nearest",
        )
        axes.set_facecolor("white")
        axes.set_yticks(range(len(table)), [shorten_label(name) for name in table.index], fontsize=7)
        axes.set_title(compartment, fontsize=9)
        for number in range(1, len(columns)):
            if columns[number][0] != columns[number - 1][0]:
                axes.axvline(number - 0.5, color="white", linewidth=2)
        if has_reference:
            axes.axhline(len(table) - 1.5, color="white", linewidth=2)
    last = grid[-1, 0]
    last.set_xticks(range(len(columns)), [channel for _, channel in columns], rotation=90, fontsize=7)
    for family in families:
        inside = [number for number, (name, _) in enumerate(columns) if name == family]
        if inside:
            grid[0, 0].annotate(
                family,
                (np.mean(inside), 1.0),
                (0, 16),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="center" if len(inside) > 3 else "left",
                fontsize=7.5,
                rotation=0 if len(inside) > 3 else 35,
            )
    figure.colorbar(image, ax=grid[:, 0].tolist(), shrink=0.5, label="median |z|", extend="max")
    figure.suptitle(f"{title}: what changed", fontsize=11, x=0.01, ha="left")
    return figure


def write_numbers(table: pd.DataFrame, groups: Mapping[Group, np.ndarray], path: str) -> None:
    """Write one row per perturbation and group of features; of many perturbations, some after the other."""
    columns = ["perturbation", "compartment", "family", "channel", "features", "median_absolute_z"]
    pd.DataFrame(columns=columns).to_csv(path, index=False)
    names = pd.DataFrame([(*group, len(groups[group])) for group in table.columns], columns=columns[1:5])
    for start in range(0, len(table), ROWS):
        rows = table.iloc[start : start + ROWS]
        part = pd.concat([names] * len(rows), ignore_index=True)
        part.insert(0, columns[0], rows.index.repeat(len(names)))
        part[columns[5]] = rows.to_numpy().ravel()
        part.to_csv(path, mode="a", header=False, index=False, float_format="%.6g")


def main(profiles: Sequence[str], outputs: Mapping[str, str], options: Mapping[str, object]) -> None:
    """Draw the most changed perturbations of a condition; write all of them."""
    use_style()
    scored, controls = split_wells(read_wells(profiles, options["controls"]), options["group"])
    sets = {
        name: rows for name, rows in group_members(scored.metadata["perturbation"]).items() if len(rows) > 1
    }
    channels = get_channels(scored.features, list(options["channels"]))
    groups = group_features(scored.features, channels)
    table = compute_changes(scored.values, sets, groups) if sets and groups else pd.DataFrame()
    if len(table):
        table = table.loc[table.median(axis=1).sort_values(ascending=False, kind="stable").index]
        size = int(np.median([len(rows) for rows in sets.values()]))
        if len(controls) >= size:
            generator = np.random.default_rng(int(options["seed"]))
            drawn = {
                str(i): generator.choice(len(controls), size, replace=False) for i in range(CONTROL_SETS)
            }
            reference = compute_changes(controls.values, drawn, groups).mean()
            table.loc[f"negcon ({size} wells)"] = reference
    number_drawn = int(options["perturbations"])
    has_reference = len(table) > len(sets)
    drawn_rows = pd.concat([table.iloc[: len(sets)].head(number_drawn), table.iloc[len(sets) :]])
    drawn_rows = drawn_rows if has_reference else table.head(number_drawn)
    drawn_rows = drawn_rows.rename(index=name_perturbations(scored.metadata))
    save_png(draw_changes(drawn_rows, channels, str(options["title"]), has_reference), outputs["figure"])
    with write_whole(outputs["numbers"]) as part:
        write_numbers(table, groups, part)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            list(snakemake.input.profiles),
            {name: snakemake.output[name] for name in ("figure", "numbers")},
            dict(snakemake.params.options),
        )
