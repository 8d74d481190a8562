"""List everything that an experiment leaves out: sites, wells, features, perturbations and plates.

Each stage writes what it leaves out into a separate table. Here they are collected in one table with one row
for each stage, place and reason: the number left out, why, from which stage on, their names, and the table
that has all of them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import pandas as pd

from lib.errors import listed
from lib.logs import logged
from lib.scores import condition_columns, read_scores
from lib.tables import read_metadata, whole

# The stages in the order in which they run.
STAGES = (
    "sample sheet",
    "load_data",
    "single_cells",
    "quality",
    "cell_quality",
    "aggregate",
    "annotate",
    "normalize",
    "feature_select",
    "spherize",
    "benchmark",
)
# The parts that differ between similar reasons: numbers, and names of files.
VARIES = re.compile(r"\S*[/\\]\S+|\w\S*\.[A-Za-z]\w*|-?\d+([.,]\d+)?(e[+-]?\d+)?")
# Names in a row: enough for all wells that a person would inspect. The stage's table has the other features.
MOST_NAMES = 50
# Columns of the scores that count what a condition lacks, what they count, and the reason.
OF_SCORES = {
    "wells_without_perturbation": ("well", "no perturbation: empty, or not known to the plate map"),
    "wells_without_values": ("well", "no value in any feature"),
    "wells_incomplete": ("well", "more than a tenth of the features is missing"),
    "wells_constant": ("well", "all features are equal"),
    "features_not_common": ("feature", "not on every plate of the condition"),
    "features_missing": ("feature", "missing in a well that is scored"),
}
FEW_REPLICATES = "fewer replicates than benchmark.minimum_replicates"


@dataclass(frozen=True)
class LeftOut:
    """What one stage left out in one place for one reason.

    `level` is the part of the profiles' file name after the plate; `names` may be shortened, `table` has
    all of them.
    """

    what: str
    number: int
    stage: str
    batch: str = ""
    plate: str = ""
    condition: str = ""
    level: str = ""
    why: str = ""
    names: str = ""
    table: str = ""


def by_reason(names: Iterable[str], reasons: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Group names by reason, ignoring the numbers and files in the reason."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, reason in zip(names, reasons, strict=True):
        key = VARIES.sub("...", str(reason))
        groups.setdefault(key, []).append((str(name), str(reason)))
    for key, members in groups.items():
        written = {reason for _, reason in members}
        yield (written.pop() if len(written) == 1 else key), [name for name, _ in members]


def of_table(file: str, what: str, stage: str, **place: str) -> Iterator[LeftOut]:
    """Return what a stage's table of left-out sites, wells or features lists."""
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    if what == "site" and "excluded" in table:
        table = table[(table["excluded"] == "True") & (table["Metadata_Site"] != "")]
    if what == "site" and "status" in table:
        table = table[~table["status"].isin(["ok", "no cells"])]
    if table.empty:
        return
    if what == "feature":
        # One feature may be dropped by several operations: it is counted at the first.
        table = table.drop_duplicates("feature")
        names = table["feature"]
    elif what == "site":
        names = table["Metadata_Well"] + " site " + table["Metadata_Site"]
    else:
        names = table["Metadata_Well"]
    reasons = table[next(name for name in ("operation", "reason", "status") if name in table)]
    for why, members in by_reason(names, reasons):
        yield LeftOut(
            what, len(members), stage, why=why, names=listed(members, MOST_NAMES), table=file, **place
        )


def of_plate(file: str) -> Iterator[LeftOut]:
    """Return what a table of one plate (or batch) lists; its path names the plate."""
    path = Path(file)
    if path.parts[:2] == ("workspace", "quality_control"):
        if path.stem == "cell_flags":
            yield from of_cell_flags(file, path.parts[2], path.parts[3])
            return
        stage = {"dropped_sites": "load_data", "sites": "single_cells", "flags": "quality"}[path.stem]
        place = {"batch": path.parts[2], "plate": path.parts[3]}
        yield from of_table(file, "site", stage, **place)
        if stage == "single_cells":
            sites = pd.read_csv(file, dtype={"Metadata_Site": str})
            if unpaired := int(sites.get("unpaired_objects", pd.Series(dtype=float)).sum()):
                yield LeftOut("object", unpaired, stage, why="not part of a cell", table=file, **place)
        return
    batch, plate = path.parts[2], path.parts[3] if len(path.parts) == 5 else ""
    place = {"batch": batch, "plate": plate}
    level = path.name.removeprefix(plate or batch).partition(".")[0].removeprefix("_")
    for ending, what in (("_dropped", "feature"), ("_incomplete_wells", "well"), ("unmatched_wells", "well")):
        if level.endswith(ending):
            level = level.removesuffix(ending).removesuffix("_")
            stage = next(
                (stage for stage in ("feature_select", "spherize") if stage[:8] in level), "normalize"
            )
            stage = "annotate" if ending == "unmatched_wells" else stage
            yield from of_table(file, what, stage, level=level, **place)
            return
    metadata = read_metadata(file)
    if {"Metadata_Count_Cells", "Metadata_Count_Sites"} <= set(metadata):
        no_cells = (metadata["Metadata_Count_Cells"] == 0) & (metadata["Metadata_Count_Sites"] != 0)
        flagged = metadata.get("Metadata_Count_Cells_Flagged", pd.Series(0, metadata.index)) > 0
        for chosen, why in ((no_cells & ~flagged, "no cells"), (no_cells & flagged, "all cells are flagged")):
            wells = metadata.loc[chosen, "Metadata_Well"].tolist()
            if wells:
                names = listed(wells, MOST_NAMES)
                yield LeftOut(
                    "well", len(wells), "aggregate", why=why, names=names, table=file, level=level, **place
                )


def of_cell_flags(file: str, batch: str, plate: str) -> Iterator[LeftOut]:
    """Return the cells of a plate that quality control flagged, with the numbers of each rule."""
    table = pd.read_csv(file, dtype={"Metadata_Well": str})
    if number := int(table["flagged"].sum()):
        rules = table.columns[table.columns.get_loc("flagged") + 1 :]
        why = "flagged by " + ", ".join(f"{name} ({table[name].sum()})" for name in rules)
        wells = table.groupby("Metadata_Well", sort=False)["flagged"].sum()
        names = listed((f"{well} ({cells})" for well, cells in wells[wells > 0].items()), MOST_NAMES)
        yield LeftOut("cell", number, "cell_quality", batch, plate, why=why, names=names, table=file)


def of_scores(file: str) -> Iterator[LeftOut]:
    """Return what the conditions of a table of scores lack."""
    scores = read_scores(file)
    columns = [name for name in condition_columns(scores) if name != "feature_set"]
    for row in scores.to_dict("records"):
        condition = " ".join(str(row[name]) for name in columns if str(row[name]))
        place = {"condition": condition, "level": str(row["feature_set"]), "table": file}
        for column, (what, why) in OF_SCORES.items():
            number = row.get(column)
            if pd.notna(number) and int(number):
                yield LeftOut(what, int(number), "benchmark", why=why, **place)
        all_of_them, scored = row.get("perturbations"), row.get("perturbations_with_replicates")
        if pd.notna(all_of_them) and pd.notna(scored) and all_of_them > scored:
            yield LeftOut("perturbation", int(all_of_them - scored), "benchmark", why=FEW_REPLICATES, **place)


def gather(
    tables: Sequence[str], scores: Sequence[str], not_scored: Sequence[Mapping[str, str]]
) -> pd.DataFrame:
    """Return the table of all that was left out, stage by stage.

    Parameters
    ----------
    tables
        The stages' tables and the aggregated profiles of all plates, by their paths in the results.
    scores
        Tables of scores.
    not_scored
        The plates (batch, plate) that belong to no condition of the benchmark.
    """
    found = [
        LeftOut("plate", 1, "sample sheet", plate["batch"], plate["plate"], why="not in benchmark.where")
        for plate in not_scored
    ]
    for file in tables:
        found += of_plate(file)
    for file in scores:
        found += of_scores(file)
    names = [field.name for field in fields(LeftOut)]
    table = pd.DataFrame([astuple(row) for row in found], columns=names)
    order = table["stage"].map(STAGES.index)
    return table.assign(order=order).sort_values("order", kind="stable").drop(columns="order")


def main(
    tables: Sequence[str], scores: Sequence[str], not_scored: Sequence[Mapping[str, str]], output: str
) -> None:
    """Write the table."""
    with whole(output) as part:
        gather(tables, scores, not_scored).to_csv(part, index=False)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main(
            list(snakemake.input.tables),
            list(snakemake.input.scores),
            list(snakemake.params.not_scored),
            snakemake.output.table,
        )
