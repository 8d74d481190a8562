"""Draw what changed: for the most changed perturbations of one condition, which groups of features.

A feature's name gives its group: the compartment, the family of measurements, and the channel
(Cells_Texture_Entropy_ER_...). The value of a group is the median over its features of |z|, where z is
the median over a perturbation's replicates of the normalized feature. For comparison, the same value is
drawn for sets of negative controls, with as many wells as a perturbation has replicates.

Features whose names give no groups (components, columns of other programs) are drawn one by one. Of more
perturbations, compartments or columns than can be read, those with the largest values are drawn, and the
title tells of how many; the table beside the figure has all groups.
"""

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.drawing import draw_nothing, save_png, shorten_label, use_style
from lib.feature_groups import NO_CHANNEL, Group, group_features, tells_groups
from lib.feature_names import get_channels
from lib.logs import log_to
from lib.perturbation_names import name_perturbations
from lib.replicates import group_members, read_wells, split_wells
from lib.tables import write_whole

CONTROL_SETS = 50
# The most panels, columns, and rows of all panels together that can be read.
MOST_PANELS, MOST_COLUMNS, MOST_ROWS = 6, 60, 240
ONE_BY_ONE = "features"  # the panel of features that are not grouped
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


def choose_drawn_columns(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the columns that are drawn, and how many of how many compartments and columns these are.

    Features that are a group of their own share one panel. Of too many panels and columns, those with the
    largest value of any perturbation are chosen; nothing is returned for what is complete.
    """
    keys = [(ONE_BY_ONE, name, channel) if family == "" else (name, family, channel)
            for name, family, channel in table.columns]  # fmt: skip
    table = table.set_axis(pd.MultiIndex.from_tuples(keys), axis=1)
    shares = []
    for part, most, words in (
        (slice(0, 1), MOST_PANELS, "compartments"),
        (slice(1, 3), MOST_COLUMNS, "columns"),
    ):
        members = [key[part] for key in table.columns]
        largest: dict[tuple[str, ...], float] = {}
        for member, value in zip(members, table.max(), strict=True):
            largest[member] = max(value, largest.get(member, value))
        if len(largest) > most:
            kept = sorted(largest, key=largest.__getitem__, reverse=True)[:most]
            table = table.loc[:, [member in kept for member in members]]
            shares.append(f"{most} of {len(largest):,} {words}")
    return table, shares


def choose_drawn_rows(table: pd.DataFrame, number: int, has_reference: bool) -> pd.DataFrame:
    """Return the first rows, at most `number`, and the last one if it is that of the negative controls."""
    first = table.iloc[: len(table) - has_reference].head(number)
    return pd.concat([first, table.iloc[len(table) - has_reference :]])


def draw_changes(
    table: pd.DataFrame,
    channels: Sequence[str],
    title: str,
    has_reference: bool = True,
    perturbations: int | None = None,
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
    perturbations
        The number of perturbations of the condition, of which the table has the most changed; by default,
        the table has all of them.
    """
    if table.empty:
        return draw_nothing("No perturbation with two replicates: no change to draw.")
    every = perturbations or len(table) - has_reference
    table, shares = choose_drawn_columns(table)
    compartments = list(dict.fromkeys(table.columns.get_level_values(0)))
    table = choose_drawn_rows(table, MOST_ROWS // len(compartments), has_reference)
    number_drawn = len(table) - has_reference
    if number_drawn < every:
        shares.insert(0, f"the {number_drawn} most changed of {every:,} perturbations")
    families = list(dict.fromkeys(table.columns.get_level_values(1)))
    order = {channel: number for number, channel in enumerate([*channels, NO_CHANNEL])}
    columns = sorted(
        {(family, channel) for _, family, channel in table.columns},
        key=lambda pair: (families.index(pair[0]), order[pair[1]]),
    )
    width = max(2.6 + 0.2 * len(columns), 5)
    figure, grid = plt.subplots(
        len(compartments),
        1,
        figsize=(width, 1.6 + len(compartments) * (0.35 + 0.17 * len(table))),
        squeeze=False,
        sharex=True,
        layout="constrained",
    )
    limit = max(2.0, float(np.nanquantile(table.to_numpy(), 0.98)))
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
        if has_reference:
            axes.axhline(len(table) - 1.5, color="white", linewidth=2)
    label_columns(grid[:, 0], columns)
    figure.colorbar(image, ax=grid[:, 0].tolist(), shrink=0.5, label="median |z|", extend="max")
    heading = f"{title}: what changed" + (f" ({', '.join(shares)})" if shares else "")
    figure.suptitle(textwrap.fill(heading, int(11 * width)), fontsize=11, x=0.01, ha="left")
    return figure


def label_columns(panels: Sequence[Axes], columns: Sequence[tuple[str, str]]) -> None:
    """Label columns (family, channel): channels below the last panel, families above the first one.

    A family with a single column that has no channel is named below, in place of the channel.
    """
    at: dict[str, list[int]] = {}
    for number, (family, _) in enumerate(columns):
        at.setdefault(family, []).append(number)
    alone = {
        family for family, inside in at.items() if len(inside) == 1 and columns[inside[0]][1] == NO_CHANNEL
    }
    labels = [shorten_label(family if family in alone else channel, 30) for family, channel in columns]
    panels[-1].set_xticks(range(len(columns)), labels, rotation=90, fontsize=7)
    for family, inside in at.items():
        if inside[0] > 0 and not {family, columns[inside[0] - 1][0]} <= alone:
            for axes in panels:
                axes.axvline(inside[0] - 0.5, color="white", linewidth=2)
        if family not in alone:
            centered = len(inside) > 3
            panels[0].annotate(
                shorten_label(family),
                (np.mean(inside), 1.0),
                (0, 16),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="center" if centered else "left",
                fontsize=7.5,
                rotation=0 if centered else 35,
            )


def draw_control_sets(controls: int, size: int, seed: int) -> dict[str, np.ndarray]:
    """Return random sets of `size` negative controls (row numbers); none if there are fewer controls."""
    if controls < size:
        return {}
    generator = np.random.default_rng(seed)
    return {str(i): generator.choice(controls, size, replace=False) for i in range(CONTROL_SETS)}


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
    table = table.loc[table.median(axis=1).sort_values(ascending=False, kind="stable").index]
    size = int(np.median([len(rows) for rows in sets.values()])) if sets else 0
    reference = draw_control_sets(len(controls), size, int(options["seed"])) if size else {}

    def add_reference(changes: pd.DataFrame, groups: Mapping[Group, np.ndarray]) -> pd.DataFrame:
        if reference:
            changes.loc[f"negcon ({size} wells)"] = compute_changes(controls.values, reference, groups).mean()
        return changes

    chosen = list(table.index[: int(options["perturbations"])])
    if len(table):
        table = add_reference(table, groups)
    drawn = choose_drawn_rows(table, len(chosen), bool(reference))
    if chosen and not tells_groups(list(groups)):
        single = {(ONE_BY_ONE, name, NO_CHANNEL): np.array([i]) for i, name in enumerate(scored.features)}
        sets_drawn = {name: sets[name] for name in chosen}
        drawn = add_reference(compute_changes(scored.values, sets_drawn, single), single)
    drawn = drawn.rename(index=name_perturbations(scored.metadata))
    figure = draw_changes(drawn, channels, str(options["title"]), bool(reference), len(sets))
    save_png(figure, outputs["figure"])
    with write_whole(outputs["numbers"]) as part:
        write_numbers(table, groups, part)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            list(snakemake.input.profiles),
            {name: snakemake.output[name] for name in ("figure", "numbers")},
            dict(snakemake.params.options),
        )
