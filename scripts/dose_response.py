"""Fit dose-response curves of the compounds of one condition, and find their benchmark doses.

The response of a well is its Mahalanobis distance to the solvent wells (negative controls) of its plate, in
the space of principal components (`lib/distances.py`), for all features and for each group of them; and its
cell count, as a percentage of that of the solvent wells of its plate.

The benchmark dose is the dose at which the curve departs from the solvent (`lib/dose_curves.py`): by two
standard deviations of the solvent wells, as OASIS does, or by one median absolute deviation, as CompTox does.
The point of departure is the smallest benchmark dose of all distances whose interval is not too wide: its
ends differ by a factor of at most 40, the limit of the National Toxicology Program (2018, Research Report 5).
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.cell_counts import get_counts
from lib.distances import ALL_FEATURES, get_distances, get_responses
from lib.dose_curves import FEWEST_DOSES, Curve, Grid, find_logarithms, fit_curve, read_doses, read_unit
from lib.drawing import COLORS, GRAY, draw_nothing, save_png, shorten_label, use_style
from lib.errors import InputError, join_names, number_of
from lib.feature_groups import group_features
from lib.feature_names import get_channels
from lib.logs import log_to
from lib.perturbation_names import name_perturbations
from lib.replicates import (
    NEGATIVE_CONTROL,
    Wells,
    get_control_type,
    get_wells_to_score,
    label_wells,
    read_wells,
)
from lib.scores import BOUNDARY, write_condition_tables

CELL_COUNT = "cell count"
WIDEST = 40  # factor between the ends of the interval of a benchmark dose that may be a point of departure
DRAWN = 12  # compounds in the figure, those with the smallest points of departure
CURVE_COLUMNS = (
    *("compound", "response", "doses", "wells", "solvent_wells", "features", "components"),
    *("bottom", "top", "ec50", "slope", "residual_sd", "solvent_sd", "p_value", "counts"),
    *("benchmark_dose", "benchmark_dose_low", "benchmark_dose_high", "message"),
)


class NoDosesError(InputError):
    """A condition has no dose response: other conditions of the experiment may have one."""


@dataclass(frozen=True)
class Series:
    """Wells with a dose: plate, well, compound, dose (0 for the solvent) and responses; and their unit.

    `responses` holds for each response the values (wells,), the number of features and of components;
    `names` has the names that people know, by compound.
    """

    wells: pd.DataFrame
    responses: dict[str, tuple[np.ndarray, int, int]]
    unit: str
    names: Mapping[str, str] = field(default_factory=dict)


def get_series(
    wells: Wells, dose: str, compound: str | Sequence[str], channels: Sequence[str], positive_controls: bool
) -> Series:
    """Return the wells of all compounds and of the solvent with their responses.

    Parameters
    ----------
    wells
        The wells of the condition.
    dose
        The metadata column of the doses.
    compound
        The column, or columns, whose equal values define a compound.
    channels
        The names of the channels in the features.
    positive_controls
        Whether positive controls are included.

    Raises
    ------
    NoDosesError
        If no well is a negative control, the profiles have no column of doses, or no well has a dose.
    InputError
        If doses are logarithms.
    """
    if not (get_control_type(wells.metadata) == NEGATIVE_CONTROL).any():
        raise NoDosesError(
            "dose_response: no well is a negative control, to which doses are compared. Name the solvent in "
            "controls.column and controls.negcon."
        )
    if dose not in wells.metadata:
        known = join_names(name for name in wells.metadata if name.startswith("Metadata_"))
        raise NoDosesError(
            f"The profiles have no column {dose}, which dose_response.dose names. Their columns are {known}: "
            "name the one with the doses, add it to the plate maps, or remove the block dose_response."
        )
    both, number = get_wells_to_score(wells, compound, positive_controls)
    negative = np.arange(len(both)) >= number
    doses, unit = read_doses(both.metadata[dose].tolist())
    unit = unit or read_unit(dose.removeprefix("Metadata_"))
    doses[negative] = 0
    if logarithms := find_logarithms(both.metadata.loc[~negative, dose].dropna().tolist()):
        raise InputError(
            f"{dose} has negative doses ({join_names(logarithms, 5)}). If they are logarithms, write the "
            "doses themselves: 0 would be the solvent, and negative doses would be left out."
        )
    if not (doses[~negative] > 0).any():
        examples = join_names(both.metadata.loc[~negative, dose].dropna().unique(), 5)
        raise NoDosesError(
            f"{dose}: no well has a dose above 0 (values: {examples or 'none'}). A dose is a number, with a "
            "unit or without (10, 0.3 uM)."
        )
    kept = ~np.isnan(doses)
    if not kept.all():
        values = both.metadata[dose].astype("str").fillna("(empty)")[~kept]
        logging.warning(
            "%s without a dose that can be read are left out (%s: %s)",
            number_of(int((~kept).sum()), "well"), dose, join_names(values.unique(), 5),
        )  # fmt: skip
    both, doses, negative = both.where(kept), doses[kept], negative[kept]
    name = label_wells(both.metadata, compound).mask(negative, "")
    # a well of a compound at dose 0 has solvent only
    solvent = doses == 0
    treatment = np.where(solvent, "", name.astype("str") + "\n" + pd.Series(doses).astype("str").to_numpy())
    plates = both.metadata["Metadata_Plate"].to_numpy()
    groups = get_responses(
        both.features, group_features(both.features, get_channels(both.features, channels))
    )
    responses: dict[str, tuple[np.ndarray, int, int]] = {}
    for response, columns in groups.items():
        distances, components = get_distances(
            np.asarray(both.values[:, columns], dtype=float), treatment, plates, solvent
        )
        responses[response] = distances, len(columns), components
    counts = get_counts(both.metadata)
    usual = pd.Series(np.where(solvent, counts, np.nan)).groupby(plates).transform("mean").to_numpy()
    if not np.isnan(counts).all():
        responses[CELL_COUNT] = 100 * counts / np.where(usual > 0, usual, np.nan), 0, 0
    about = both.metadata[["Metadata_Plate", "Metadata_Well"]].assign(
        compound=np.where(solvent & negative, "", name.astype("str")), dose=doses
    )
    return Series(about, responses, unit, name_perturbations(both.metadata.assign(perturbation=name)))


def fit_series(series: Series, limit: str, seed: int) -> pd.DataFrame:
    """Fit the curve of every compound and response: one row each.

    The solvent wells of a compound are those of the plates on which it is.
    """
    table = series.wells
    plates, doses = table["Metadata_Plate"].to_numpy(), table["dose"].to_numpy(float)
    solvent = doses == 0
    rows = []
    for name, wells in table[table["compound"] != ""].groupby("compound").groups.items():
        wells = np.asarray(wells)
        treated = wells[doses[wells] > 0]
        used = np.concatenate([treated, np.flatnonzero(solvent & np.isin(plates, np.unique(plates[wells])))])
        different = np.unique(doses[treated])
        for response, (values, features, components) in series.responses.items():
            known = used[~np.isnan(values[used])]
            enough = len(different) >= FEWEST_DOSES and (doses[known] > 0).any()
            grid = Grid.of_doses(doses[known]) if enough else None
            curve = fit_curve(doses[known], values[known], limit, seed, grid)
            rows.append(
                {
                    "compound": name,
                    "response": response,
                    "doses": len(different),
                    "wells": int((doses[known] > 0).sum()),
                    "solvent_wells": int((doses[known] == 0).sum()),
                    "features": features,
                    "components": components,
                    **asdict(curve),
                }
            )
    return pd.DataFrame(rows, columns=list(CURVE_COLUMNS))


def summarize_compounds(curves: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Return one row per compound: its point of departure, and the benchmark doses beside each other."""
    rows = []
    for name, of_compound in curves.groupby("compound", sort=True):
        by_response = of_compound.set_index("response")
        distances = by_response.drop(index=CELL_COUNT, errors="ignore")
        narrow = distances["benchmark_dose_high"] <= WIDEST * distances["benchmark_dose_low"]
        found = distances.loc[narrow, "benchmark_dose"].dropna()
        row: dict[str, Any] = {
            "compound": name,
            "doses": int(of_compound["doses"].iloc[0]),
            "unit": unit,
            "point_of_departure": found.min() if len(found) else np.nan,
            "most_sensitive": found.idxmin() if len(found) else "",
        }
        for prefix, response in (("", ALL_FEATURES), ("cell_count_", CELL_COUNT)):
            for column in ("benchmark_dose", "benchmark_dose_low", "benchmark_dose_high", "ec50", "top"):
                # the parameters of a curve that does not count mean nothing
                counts = response in by_response.index and by_response.loc[response, "counts"]
                row[f"{prefix}{column}"] = by_response.loc[response, column] if counts else np.nan
        messages = [by_response.loc[ALL_FEATURES, "message"]]
        if len(found) and row["most_sensitive"] != ALL_FEATURES:
            departure = by_response.loc[row["most_sensitive"], "message"]
            messages.append(f"point of departure: {departure}" if departure else "")
        row["message"] = "; ".join(filter(None, messages))
        rows.append(row)
    table = pd.DataFrame(rows)
    if len(table):
        table = table.sort_values(["point_of_departure", "compound"], na_position="last", ignore_index=True)
    return table


def draw_figure(series: Series, curves: pd.DataFrame, compounds: pd.DataFrame, title: str) -> Figure:
    """Draw the distances of all features and the cell counts of the most potent compounds.

    Parameters
    ----------
    series
        The wells with their doses and responses.
    curves
        The fitted curves, one row per compound and response.
    compounds
        One row per compound, the most potent first.
    title
        The condition.
    """
    names = compounds["compound"].head(DRAWN).tolist() if len(compounds) else []
    if not names:
        return draw_nothing("No compound has a dose: there is no curve to draw.")
    responses = [name for name in (ALL_FEATURES, CELL_COUNT) if name in series.responses]
    figure, grid = plt.subplots(
        len(names),
        len(responses),
        figsize=(4.6 * len(responses), 2.3 * len(names) + 0.6),
        squeeze=False,
        layout="constrained",
    )
    by_name = curves.set_index(["compound", "response"])
    doses = series.wells["dose"].to_numpy(float)
    for line, name in zip(grid, names, strict=True):
        treated = ((series.wells["compound"] == name) & (doses > 0)).to_numpy()
        plates = series.wells.loc[treated, "Metadata_Plate"].unique()
        solvent = (doses == 0) & series.wells["Metadata_Plate"].isin(plates).to_numpy()
        for number, (axes, response) in enumerate(zip(line, responses, strict=True)):
            values = series.responses[response][0]
            low, high = doses[treated].min(), doses[treated].max()
            zero = low / 3
            axes.scatter(np.full(solvent.sum(), zero), values[solvent], s=12, color=GRAY, label="solvent")
            axes.scatter(doses[treated], values[treated], s=14, color=COLORS[number], linewidths=0)
            found = by_name.loc[(name, response)]
            if not np.isnan(found["bottom"]):
                at = np.geomspace(low, high, 100)
                curve = Curve(found["bottom"], found["top"], found["ec50"], found["slope"])
                axes.plot(at, curve.at(at), color=COLORS[number], linestyle="-" if found["counts"] else ":")
            if not np.isnan(found["benchmark_dose"]):
                axes.axvline(found["benchmark_dose"], color="black", linewidth=1)
                ends = np.clip([found["benchmark_dose_low"], found["benchmark_dose_high"]], zero, high * 3)
                axes.axvspan(*ends, color="black", alpha=0.1, linewidth=0)
            if found["message"]:
                at = {"transform": axes.transAxes, "va": "bottom", "ha": "right"}
                axes.text(1, 1, found["message"], fontsize=7, color="0.4", **at)
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.set_title(f"{shorten_label(series.names.get(name, name))}: {response}")
            axes.set_ylabel("distance" if number == 0 else "% of the solvent")
    for axes in grid[-1]:
        axes.set_xlabel(f"dose{f' ({series.unit})' if series.unit else ''}; gray: solvent")
    figure.suptitle(f"{title}: dose response", fontsize=11, x=0.01, ha="left")
    return figure


def main(
    profiles: Sequence[str],
    outputs: Mapping[str, str],
    head: Mapping[str, Any],
    options: Mapping[str, Any],
    controls: Mapping[str, str],
) -> None:
    """Write the curves, the compounds, the responses of the wells, and the figure.

    Parameters
    ----------
    profiles
        The files of the condition's plates.
    outputs
        The files to write: `curves`, `compounds`, `wells` and `figure`.
    head
        Columns that name the condition and feature set, with their values; they come first in each table.
    options
        The parameters of `get_series`, the `limit` and `seed` of `fit_series`, and the figure's `title`.
    controls
        The `column` that marks controls, and its value `negcon` for negative controls.
    """
    use_style()
    wells = read_wells(profiles, controls)
    names = ("dose", "compound", "channels", "positive_controls")
    try:
        series = get_series(wells, **{name: options[name] for name in names})
    except NoDosesError as reason:
        # The report must not wait for a condition of other perturbations.
        logging.warning("%s", reason)
        save_png(draw_nothing(f"No dose response. {reason}"), outputs["figure"])
        write_condition_tables(make_empty_tables(str(reason)), outputs, head)
        return
    curves = fit_series(series, options["limit"], options["seed"])
    compounds = summarize_compounds(curves, series.unit)
    save_png(draw_figure(series, curves, compounds, options["title"]), outputs["figure"])
    responses = {name.replace(" ", "_"): values for name, (values, _, _) in series.responses.items()}
    tables = {"curves": curves, "compounds": compounds, "wells": series.wells.assign(**responses)}
    write_condition_tables(tables, outputs, head)


def make_empty_tables(message: str) -> dict[str, pd.DataFrame]:
    """Return the tables of a condition without doses; the one of compounds has a row with the reason."""
    return {
        "curves": pd.DataFrame(columns=list(CURVE_COLUMNS)),
        "compounds": pd.DataFrame([{"compound": "", "doses": 0, "unit": "", "message": message}]),
        "wells": pd.DataFrame(columns=["Metadata_Plate", "Metadata_Well", "compound", "dose"]),
    }


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            list(snakemake.input.profiles),
            {name: snakemake.output[name] for name in ("compounds", "curves", "wells", "figure")},
            {**snakemake.params.condition, BOUNDARY: snakemake.params.feature_set},
            dict(snakemake.params.options),
            dict(snakemake.params.controls),
        )
