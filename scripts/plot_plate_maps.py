"""Draw the plate maps by control type, and the clinical phases of the compounds (the paper's Figure 1).

Plates with the same plate map in the sample sheet share a panel, as do plates without a plate map and with
the same reagents in the same wells. A well's content comes from the annotated profiles, so that the figure
shows what the benchmark sees. Color and shape show a well's control type. If the annotation has a
clinical phase, the perturbations of each phase are counted below. Every number is in the table beside
the figure, every well in a second one.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.controls import find_control_kinds
from lib.drawing import BLUES, REDS, save, use_style
from lib.errors import number_of
from lib.logs import log_to
from lib.replicates import label_wells
from lib.tables import read_metadata, write_whole
from lib.wells import get_plate_format, get_row_name, get_well_order, get_well_place

TREATMENT, EMPTY = "treatment", "empty"
WIDTH = {True: 5.2, False: 3.5}  # width in inches of a plate with more than 12 columns, and of a smaller one
ACROSS = {True: 2, False: 3}  # number of them in a row, more if there are many
MOST_MAPS, MOST_PHASES = 60, 30  # plate maps and clinical phases that are drawn; the tables have all
# Color and shape of a kind of well; further control types use the remaining ones.
NEGATIVE = (BLUES[0], "s")
TREATED = ("#BBBBBB", "o")
NOTHING = ("white", "o")
CONTROLS = ((REDS[0], "^"), (BLUES[2], "D"), (REDS[1], "v"), (REDS[2], "P"), (BLUES[1], "X"), ("black", "*"))
# Development phases in order; others follow, sorted by name.
PHASES = (
    "preclinical",
    "phase 1",
    "phase 1/phase 2",
    "phase 2",
    "phase 2/phase 3",
    "phase 3",
    "launched",
    "withdrawn",
)
NOT_ANNOTATED = "not annotated"
COLUMNS = [
    "plate_map",
    "perturbation_type",
    "plates",
    "control_type",
    "clinical_phase",
    "wells",
    "perturbations",
]


def get_wells_of_plate(
    metadata: pd.DataFrame, plate: Mapping[str, str], controls: Mapping[str, str], group: str
) -> pd.DataFrame:
    """Return the wells of one plate: well, control_type, perturbation.

    `control_type` is that of the column `controls["column"]`, else treatment, or empty without a
    perturbation.

    Parameters
    ----------
    metadata
        The metadata of the plate's profiles, one row per well.
    plate
        The plate's row of the sample sheet.
    controls
        The `column` that marks controls, and its value `negcon` for negative controls.
    group
        The column whose equal values define replicates.
    """
    perturbation = label_wells(metadata, group)
    column = f"Metadata_{controls['column']}"
    control = metadata[column] if column in metadata else pd.Series("", index=metadata.index)
    control = find_control_kinds(control, controls["negcon"]).replace("", pd.NA)
    kind = perturbation.notna().map({True: TREATMENT, False: EMPTY})
    return pd.DataFrame(
        {
            "perturbation_type": plate["perturbation"],
            "Metadata_Well": metadata["Metadata_Well"],
            "control_type": control.fillna(kind),
            "perturbation": perturbation,
        }
    )


def find_layouts(parts: Sequence[tuple[Mapping[str, str], pd.DataFrame]]) -> pd.DataFrame:
    """Return the wells of every layout: plate_map, plates (number), then as in `get_wells_of_plate`.

    `parts` holds each plate's row of the sample sheet and its wells. A layout has every well that one of its
    plates has. Plates with the same plate map share a layout unless a well has different content on them, as
    one table may hold the maps of many plates.
    """
    found: dict[tuple[Any, int], list[pd.DataFrame]] = {}
    contents: dict[Any, list[dict[str, tuple[str, ...]]]] = {}
    for plate, wells in parts:
        known = wells.sort_values("Metadata_Well").astype("str").fillna("")
        content = tuple(known.itertuples(index=False, name=None))
        key, held = plate["plate_map"] or content, {row[1]: row for row in content}
        of_key = contents.setdefault(key, [])
        fitting = (
            i for i, other in enumerate(of_key) if all(other.get(w, row) == row for w, row in held.items())
        )
        number = next(fitting, len(of_key))
        if number == len(of_key):
            of_key.append({})
        of_key[number] |= held
        found.setdefault((key, number), []).append(wells)
    tables = []
    stems = Counter(Path(key).stem for key in contents if isinstance(key, str))
    for place, ((key, number), of_key) in enumerate(found.items(), start=1):
        name = f"layout {place}"
        if isinstance(key, str):
            name = Path(key).stem if stems[Path(key).stem] == 1 else key
            name = f"{name}, layout {number + 1}" if len(contents[key]) > 1 else name
        wells = pd.concat(of_key).drop_duplicates("Metadata_Well")
        wells = wells.sort_values("Metadata_Well", key=lambda column: column.map(get_well_order))
        wells.insert(0, "plate_map", name)
        wells.insert(1, "plates", len(of_key))
        tables.append(wells)
    return pd.concat(tables, ignore_index=True)


def limit_control_types(wells: pd.DataFrame, negcon: str) -> pd.DataFrame:
    """Return `wells` with at most as many control types as there are markers.

    A column with more values (the compounds' names, of which one is the negative control) only shows which
    wells are negative controls.
    """
    others = set(wells["control_type"]) - {TREATMENT, negcon, EMPTY}
    if len(others) <= len(CONTROLS):
        return wells
    return wells.assign(
        control_type=wells["control_type"].mask(wells["control_type"].isin(others), TREATMENT)
    )


def count_phases(
    parts: Sequence[tuple[Mapping[str, str], pd.DataFrame, pd.DataFrame]], column: str, negcon: str
) -> pd.DataFrame:
    """Count the perturbations in each clinical phase: one row per perturbation type and phase.

    Only types whose metadata have `column` count. Negative controls are left out; a perturbation without a
    phase is `not annotated`. `parts` holds plate, wells and metadata of each plate.
    """
    known = []
    for plate, wells, metadata in parts:
        if column in metadata and metadata[column].notna().any():
            of_plate = wells.assign(clinical_phase=metadata[column], type=plate["perturbation"])
            known.append(of_plate[wells["perturbation"].notna() & (wells["control_type"] != negcon)])
    if not known:
        return pd.DataFrame(columns=["perturbation_type", "clinical_phase", "perturbations"])
    first = pd.concat(known).groupby(["type", "perturbation"], sort=True)["clinical_phase"].first()
    counted = first.fillna(NOT_ANNOTATED).groupby(level="type").value_counts().rename("perturbations")
    table = counted.reset_index().rename(columns={"type": "perturbation_type"})
    return table.sort_values(
        ["perturbation_type", "clinical_phase"],
        key=lambda values: values.map(get_phase_order) if values.name == "clinical_phase" else values,
        ignore_index=True,
    )


def get_phase_order(phase: str) -> tuple[int, str]:
    """Return the sort key of a phase: by development, others by name, `not annotated` last."""
    if phase == NOT_ANNOTATED:
        return len(PHASES) + 1, phase
    known = phase.lower()
    return (PHASES.index(known) if known in PHASES else len(PHASES)), phase


def count_wells(wells: pd.DataFrame, negcon: str) -> pd.DataFrame:
    """Count wells and perturbations of each control type on each plate map, in the order of the legend."""
    keys = ["plate_map", "perturbation_type", "plates", "control_type"]
    table = wells.groupby(keys, sort=False).agg(
        wells=("Metadata_Well", "size"), perturbations=("perturbation", "nunique")
    )
    order = list_kinds(wells["control_type"], negcon)
    maps = list(dict.fromkeys(wells["plate_map"]))
    table = table.reset_index()
    rank = [(maps.index(row.plate_map), order.index(row.control_type)) for row in table.itertuples()]
    return table.iloc[sorted(range(len(table)), key=rank.__getitem__)].reset_index(drop=True)


def list_kinds(control_types: pd.Series, negcon: str) -> list[str]:
    """Return the kinds of wells that occur: treatments, negative controls, others by name, empty wells."""
    others = sorted(set(control_types) - {TREATMENT, negcon, EMPTY})
    return [kind for kind in (TREATMENT, negcon, *others, EMPTY) if kind in set(control_types)]


def choose_looks(order: Sequence[str], negcon: str) -> dict[str, tuple[str, str]]:
    """Return color and shape of each kind of well."""
    found = {TREATMENT: TREATED, negcon: NEGATIVE, EMPTY: NOTHING}
    others = [kind for kind in order if kind not in found]
    return found | dict(zip(others, CONTROLS, strict=False))


def draw_plate(
    axes: Axes, wells: pd.DataFrame, table: pd.DataFrame, look: Mapping[str, Any], width: float
) -> None:
    """Draw one plate map: wells at their positions, lettered rows, numbered columns, counts in the legend.

    Parameters
    ----------
    axes
        The panel.
    wells
        The wells of one layout.
    table
        The layout's numbers of wells and perturbations, one row per type of control.
    look
        Color and marker of each type of control.
    width
        The width of a panel, in inches.
    """
    rows, columns = get_plate_format(wells["Metadata_Well"])
    cell = min(72 * width / columns, 24)
    for row in table.itertuples():
        color, shape = look[row.control_type]
        of_kind = wells.loc[wells["control_type"] == row.control_type, "Metadata_Well"]
        label = f"{row.control_type}: {row.wells} well{'s' if row.wells > 1 else ''}"
        if row.control_type == TREATMENT or row.perturbations > 1:
            label += f", {row.perturbations} perturbations"
        axes.scatter(
            [get_well_place(well)[1] for well in of_kind],
            [get_well_place(well)[0] for well in of_kind],
            s=(0.62 * cell) ** 2,
            marker=shape,
            color=color,
            edgecolor="0.55" if color == "white" else "none",
            linewidth=0.6,
            label=label,
        )
    axes.set_xlim(0.4, columns + 0.6)
    axes.set_ylim(rows + 0.6, 0.4)
    axes.set_aspect("equal")
    every = 1 if columns <= 24 else 2
    small = 7 if columns <= 24 else 6
    axes.set_xticks(range(1, columns + 1, every), range(1, columns + 1, every), fontsize=small)
    axes.set_yticks(range(1, rows + 1), [get_row_name(row) for row in range(1, rows + 1)], fontsize=small)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color("0.7")
    number = int(wells["plates"].iloc[0])
    kind = wells["perturbation_type"].iloc[0]
    title = f"{wells['plate_map'].iloc[0]} ({kind}, {number_of(number, 'plate')})"
    axes.set_title(title, loc="left", fontsize=9.5)
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(0, -0.01),
        ncols=2 if columns > 12 else 1,
        frameon=False,
        fontsize=7.5,
        handletextpad=0.3,
        columnspacing=1.2,
        scatterpoints=1,
        markerscale=min(1.0, 9 / (0.62 * cell)),
    )


def sum_up_phases(table: pd.DataFrame) -> pd.DataFrame:
    """Return the phases of one perturbation type; of a column with very many values, the rest in one row."""
    if len(table) <= MOST_PHASES:
        return table
    rest = table.iloc[MOST_PHASES - 1 :]
    last = rest.head(1).assign(
        clinical_phase=f"{len(rest):,} others", perturbations=rest["perturbations"].sum()
    )
    return pd.concat([table.head(MOST_PHASES - 1), last], ignore_index=True)


def draw_phases(axes: Axes, table: pd.DataFrame) -> None:
    """Draw bars of the number of perturbations of one type in each clinical phase."""
    table = sum_up_phases(table)
    places = range(len(table))
    shades = ["0.4" if phase == NOT_ANNOTATED else BLUES[0] for phase in table["clinical_phase"]]
    axes.barh(places, table["perturbations"], height=0.7, color=shades, alpha=0.75)
    for place, number in zip(places, table["perturbations"], strict=True):
        axes.annotate(
            str(number), (number, place), (3, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.set_yticks(places, table["clinical_phase"])
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.set_xlim(0, 1.1 * table["perturbations"].max())
    axes.tick_params(axis="y", length=0)
    kind = table["perturbation_type"].iloc[0]
    axes.set_title(f"Clinical phase ({kind})", loc="left", fontsize=9.5)
    axes.set_xlabel("perturbations")


def draw(wells: pd.DataFrame, clinical: pd.DataFrame, negcon: str) -> Figure:
    """Draw the figure: one panel per plate map, then one per perturbation type with clinical phases.

    Of many plate maps, the first are drawn.
    """
    table = count_wells(wells, negcon)
    look = choose_looks(list_kinds(wells["control_type"], negcon), negcon)
    every = [part for _, part in wells.groupby("plate_map", sort=False)]
    maps = every[:MOST_MAPS]
    title = f"Plate maps: {len(maps)} of {len(every)}" if len(maps) < len(every) else "Plate maps"
    bars = [part for _, part in clinical.groupby("perturbation_type", sort=False)]
    sizes = [get_plate_format(part["Metadata_Well"]) for part in maps]
    large = max(columns for _, columns in sizes) > 12
    width = WIDTH[large]
    # about as wide as tall, however many maps there are
    across = min(max(ACROSS[large], math.ceil(math.sqrt(len(maps)))), len(maps))
    heights = []
    for start in range(0, len(maps), across):
        tallest = max(width * rows / columns for rows, columns in sizes[start : start + across])
        lines = max(
            math.ceil(len(set(part["control_type"])) / (2 if columns > 12 else 1))
            for part, (_, columns) in zip(
                maps[start : start + across], sizes[start : start + across], strict=True
            )
        )
        heights.append(tallest + 0.75 + 0.17 * lines)
    below = [0.9 + 0.24 * max(min(len(part), MOST_PHASES) for part in bars)] if bars else []
    figure = plt.figure(
        figsize=((width + 0.5) * across, 0.3 + sum(heights) + sum(below)), layout="constrained"
    )
    figure.suptitle(title, fontsize=11, fontweight="bold", x=0.01, ha="left")
    # separate subfigures, since the names of the phases would narrow the plates
    upper, *lower = figure.subfigures(1 + len(below), 1, height_ratios=[sum(heights), *below], squeeze=False)[
        :, 0
    ]
    grid = upper.add_gridspec(len(heights), across, height_ratios=heights)
    for i, part in enumerate(maps):
        axes = upper.add_subplot(grid[i // across, i % across])
        draw_plate(axes, part, table[table["plate_map"] == part["plate_map"].iloc[0]], look, width)
    for i, part in enumerate(bars):
        draw_phases(lower[0].add_subplot(1, max(2, len(bars)), i + 1), part)
    return figure


def main(
    profiles: Sequence[str],
    plates: Sequence[Mapping[str, str]],
    outputs: Mapping[str, str],
    controls: Mapping[str, str],
    group: str,
    clinical_phase: str,
) -> None:
    """Draw the plates' maps.

    Parameters
    ----------
    profiles
        The plates' files of profiles.
    plates
        Each plate's row of the sample sheet, in the order of `profiles`.
    outputs
        The files to write: `png`, `svg`, and the tables `csv` and `wells`.
    controls
        The `column` that marks controls, and its value `negcon` for negative controls.
    group
        The column whose equal values define replicates.
    clinical_phase
        The column of the compounds' clinical phases.
    """
    use_style()
    parts = []
    for path, plate in zip(profiles, plates, strict=True):
        metadata = read_metadata(path)
        parts.append((plate, get_wells_of_plate(metadata, plate, controls, group), metadata))
    wells = find_layouts([(plate, of_plate) for plate, of_plate, _ in parts])
    wells = limit_control_types(wells, controls["negcon"])
    clinical = count_phases(parts, clinical_phase, controls["negcon"])
    save(draw(wells, clinical, controls["negcon"]), [outputs["png"], outputs["svg"]])
    numbers = pd.concat([count_wells(wells, controls["negcon"]), clinical], ignore_index=True)[COLUMNS]
    for name, table in (("csv", numbers), ("wells", wells)):
        with write_whole(outputs[name]) as part:
            whole_numbers = table.select_dtypes("number").columns
            table.astype(dict.fromkeys(whole_numbers, "Int64")).to_csv(part, index=False)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            list(snakemake.input.profiles),
            list(snakemake.params.plates),
            {name: snakemake.output[name] for name in ("png", "svg", "csv", "wells")},
            dict(snakemake.params.controls),
            snakemake.params.group,
            snakemake.params.clinical_phase,
        )
