"""Draw how the position on the plate affects the wells of one condition.

The first principal component of the profiles, minus its plate's median, is averaged over the plates at
each position, row and column: with treatments at the same position on every plate, position and
treatment cannot be distinguished, so the negative controls are drawn separately. They also give a direct
answer: without position effects, negative controls of two plates would correlate as much at the same position
as at different positions.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.drawing import COLORS, draw_nothing, save_png, use_style
from lib.logs import log_to
from lib.replicates import NEGATIVE_CONTROL, Wells, correlate_rows, read_wells, split_wells
from lib.tables import EMPTY_IS_MISSING, write_whole
from lib.wells import get_row_name, get_row_number, get_well_place

MOST_CONTROLS = 3000  # wells whose pairs are correlated


def get_places(wells: Iterable[str]) -> pd.DataFrame:
    """Return row and column, counted from 1, of each well."""
    return pd.DataFrame([get_well_place(well) for well in wells], columns=["row", "column"])


def average_by_position(coordinates: pd.DataFrame) -> pd.DataFrame:
    """Return means of PC1, minus its plate's median, at each position, in each row and in each column.

    Returns
    -------
    Columns by (position, row, column), wells (all, negcon), name, mean, sd, number.
    """
    table = coordinates.reset_index(drop=True)
    table = pd.concat([table, get_places(table["Metadata_Well"])], axis=1)
    table["value"] = table["PC1"] - table.groupby("Metadata_Plate")["PC1"].transform("median")
    table["row"] = [get_row_name(number) for number in table["row"]]
    negative = table["Metadata_control_type"] == NEGATIVE_CONTROL
    parts = []
    for kind, of_kind in (("all", table), ("negcon", table[negative])):
        for by, column in (("position", "Metadata_Well"), ("row", "row"), ("column", "column")):
            found = of_kind.groupby(column, sort=False)["value"].agg(["mean", "std", "size"]).reset_index()
            found.columns = ["name", "mean", "sd", "number"]
            parts.append(found.assign(by=by, wells=kind))
    return pd.concat(parts, ignore_index=True)[["by", "wells", "name", "mean", "sd", "number"]]


def sample_plates(controls: Wells, most: int = MOST_CONTROLS) -> Wells:
    """Return the controls of as many plates, drawn at random but two at least, as have `most` together.

    The correlations of all pairs would not fit into memory for hundreds of plates.
    """
    plate = controls.metadata["Metadata_Plate"].to_numpy(str)
    names, sizes = np.unique(plate, return_counts=True)
    if len(controls) <= most or len(names) <= 2:
        return controls
    order = np.random.default_rng(0).permutation(len(names))
    number = max(2, int(np.searchsorted(np.cumsum(sizes[order]), most, side="right")))
    return controls.where(np.isin(plate, names[order[:number]]))


def correlate_controls(controls: Wells) -> pd.DataFrame:
    """Return correlations of negative controls on two plates, at the same and at different positions.

    Returns
    -------
    Columns same_position, correlation; one row per pair of wells of different plates.
    """
    if len(controls) < 2:
        return pd.DataFrame({"same_position": [], "correlation": []})
    correlations = correlate_rows(controls.values)
    first, second = np.triu_indices(len(controls), 1)
    plate = controls.metadata["Metadata_Plate"].to_numpy(str)
    well = controls.metadata["Metadata_Well"].to_numpy(str)
    between = plate[first] != plate[second]
    first, second = first[between], second[between]
    return pd.DataFrame(
        {"same_position": well[first] == well[second], "correlation": correlations[first, second]}
    )


def draw_plate(axes: Axes, means: pd.DataFrame) -> None:
    """Draw the mean at each position of the plate."""
    found = means[(means["by"] == "position") & (means["wells"] == "all")]
    at = get_places(found["name"])
    grid = np.full((at["row"].max(), at["column"].max()), np.nan)
    grid[at["row"] - 1, at["column"] - 1] = found["mean"]
    limit = max(float(np.nanquantile(np.abs(grid), 0.98)), 1e-9)
    image = axes.imshow(grid, cmap="PuOr_r", vmin=-limit, vmax=limit, aspect="equal")
    step = 1 if grid.shape[0] <= 16 else 2
    axes.set_yticks(
        range(0, grid.shape[0], step), [get_row_name(i + 1) for i in range(0, grid.shape[0], step)]
    )
    every = max(1, grid.shape[1] // 8)
    axes.set_xticks(range(0, grid.shape[1], every), range(1, grid.shape[1] + 1, every))
    axes.set_title("PC1 at each position")
    axes.figure.colorbar(image, ax=axes, orientation="horizontal", shrink=0.7, extend="both", pad=0.02)


def draw_means(axes: Axes, means: pd.DataFrame, by: str) -> None:
    """Draw the mean of each row or column, with two standard errors."""
    for shift, (kind, mark, color, label) in enumerate(
        (("all", "o", COLORS[0], "all wells"), ("negcon", "s", COLORS[1], "negative controls"))
    ):
        found = means[(means["by"] == by) & (means["wells"] == kind)]
        names = found["name"].astype(str)
        at = np.array([get_row_number(name) if by == "row" else int(name) for name in names], dtype=float)
        error = 2 * found["sd"].fillna(0) / np.sqrt(found["number"])
        axes.errorbar(
            at + 0.15 * shift,
            found["mean"],
            error,
            fmt=mark,
            color=color,
            markersize=4,
            linewidth=1,
            label=label,
        )
    axes.axhline(0, color="0.5", linewidth=0.8)
    if by == "row":
        rows = range(1, int(means.loc[means["by"] == "row", "name"].map(get_row_number).max()) + 1)
        axes.set_xticks(rows, [get_row_name(row) for row in rows], fontsize=8 if len(rows) <= 16 else 6)
    axes.set_xlabel(by)
    axes.set_ylabel("mean of PC1")


def draw_controls(axes: Axes, pairs: pd.DataFrame, suffix: str = "") -> None:
    """Draw how negative controls of two plates correlate, at the same and at different positions."""
    kinds = (
        ("same position", pairs[pairs["same_position"]]),
        ("other positions", pairs[~pairs["same_position"]]),
    )
    kinds = tuple((name, found) for name, found in kinds if len(found))
    axes.set_title(f"Negative controls of two plates{suffix}")
    if not kinds:
        axes.text(0.5, 0.5, "needs negative controls\non two plates", ha="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    axes.boxplot(
        [found["correlation"] for _, found in kinds],
        orientation="horizontal",
        widths=0.5,
        showfliers=False,
        medianprops={"color": COLORS[1], "linewidth": 2},
        tick_labels=[
            f"{name}\n{len(found)} pairs, median {found['correlation'].median():.2f}" for name, found in kinds
        ],
    )
    axes.axvline(0, color="0.5", linewidth=0.8)
    axes.set_xlabel("Pearson's r")


def draw_positions(means: pd.DataFrame, pairs: pd.DataFrame, title: str, suffix: str = "") -> Figure:
    """Draw the plate, its rows and columns, and the negative controls of two plates.

    Parameters
    ----------
    means
        As `average_by_position` returns them.
    pairs
        As `correlate_controls` returns them.
    title
        The condition.
    suffix
        Of the title of the pairs: from how many plates they are, if not from all.
    """
    if means.empty:
        return draw_nothing("No principal component: fewer than three wells with values.")
    figure, grid = plt.subplots(2, 2, figsize=(10.5, 6.6), layout="constrained")
    draw_plate(grid[0, 0], means)
    draw_controls(grid[0, 1], pairs, suffix)
    draw_means(grid[1, 0], means, "row")
    draw_means(grid[1, 1], means, "column")
    grid[1, 1].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    figure.suptitle(f"{title}: position effects", fontsize=11, x=0.01, ha="left")
    return figure


def main(
    profiles: Sequence[str], coordinates: str, outputs: Mapping[str, str], options: Mapping[str, object]
) -> None:
    """Draw the position effects of a condition and write their numbers.

    Parameters
    ----------
    profiles
        The files of the condition's plates.
    coordinates
        The table of the wells' coordinates in the profile maps.
    outputs
        The files to write: `figure` and `numbers`.
    options
        `title`, `group`, and `controls` (`column` and `negcon`).
    """
    use_style()
    mapped = pd.read_csv(coordinates, dtype={"Metadata_Plate": str, "Metadata_Well": str}, **EMPTY_IS_MISSING)
    means = average_by_position(mapped) if "PC1" in mapped else pd.DataFrame()
    _, controls = split_wells(read_wells(profiles, options["controls"]), options["group"])
    drawn = sample_plates(controls)
    numbers = [each.metadata["Metadata_Plate"].nunique() for each in (drawn, controls)]
    sample = f" ({numbers[0]} of {numbers[1]} plates)" if numbers[0] < numbers[1] else ""
    if sample:
        logging.info("correlations of negative controls: a random sample of the plates%s", sample)
    pairs = correlate_controls(drawn)
    pairs["same_position"] = pairs["same_position"].astype(bool)
    save_png(draw_positions(means, pairs, str(options["title"]), sample), outputs["figure"])
    summary = [
        {
            "by": f"negative controls of two plates{sample}",
            "wells": "negcon",
            "name": name,
            "mean": found["correlation"].mean(),
            "sd": found["correlation"].std(),
            "number": len(found),
        }
        for name, found in (
            ("same position", pairs[pairs["same_position"]]),
            ("other positions", pairs[~pairs["same_position"]]),
        )
    ]
    with write_whole(outputs["numbers"]) as part:
        pd.concat([means, pd.DataFrame(summary)]).to_csv(part, index=False, float_format="%.6g")


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            list(snakemake.input.profiles),
            snakemake.input.coordinates,
            {name: snakemake.output[name] for name in ("figure", "numbers")},
            dict(snakemake.params.options),
        )
