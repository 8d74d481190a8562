"""List everything that an experiment leaves out: sites, wells, features, values, perturbations, plates.

The notices of published profiles are listed, too: values and columns that were read differently from how they
are written. Each stage writes what it leaves out into a separate table. Here they are collected in one table
with one row for each stage, place and reason: the number left out, why, from which stage on, their names, and
the table that has all of them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import pandas as pd

from lib.errors import join_names
from lib.gaps import find_few_cells
from lib.logs import log_to
from lib.provenance import get_left_out, read_provenance
from lib.scores import get_condition_columns, read_scores
from lib.tables import EMPTY_IS_MISSING, read_metadata, write_whole

# The stages in the order in which they run.
STAGES = (
    "sample sheet",
    "import_profiles",
    "load_data",
    "single_cells",
    "quality",
    "cell_quality",
    "aggregate",
    "annotate",
    "normalize",
    "feature_select",
    "spherize",
    "chains",
    "consensus",
    "benchmark",
)
# The parts that differ between similar reasons: numbers, and names of files.
VARIES = re.compile(r"\S*[/\\]\S+|\w\S*\.[A-Za-z]\w*|-?\d+([.,]\d+)?(e[+-]?\d+)?")
# Names in a row: enough for all wells that a person would inspect. The stage's table has the other features.
MOST_NAMES = 50
# Columns of the scores that count what a condition lacks, what they count, and the reason.
OF_SCORES = {
    "wells_without_perturbation": ("well", "no perturbation: empty, or not in the plate map"),
    "wells_without_values": ("well", "no value in any feature"),
    "wells_incomplete": ("well", "more than a tenth of the features is missing"),
    "wells_constant": ("well", "all features are equal"),
    "features_not_common": ("feature", "not on every plate of the condition"),
    "features_missing": ("feature", "missing in a well that is scored"),
    "perturbations_without_gene": ("perturbation", "no gene: it matches nothing"),
}
# A well among the features that a step of a chain leaves out: its plate and name, and the reason.
WELL_OF_CHAIN = re.compile(r"^(?:lacks \d|fewer cells)")
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


def group_by_reason(names: Iterable[str], reasons: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Group names by reason, ignoring the numbers and files in the reason."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, reason in zip(names, reasons, strict=True):
        key = VARIES.sub("...", str(reason))
        groups.setdefault(key, []).append((str(name), str(reason)))
    for key, members in groups.items():
        written = {reason for _, reason in members}
        yield (written.pop() if len(written) == 1 else key), [name for name, _ in members]


def read_table(root: Path, file: str, what: str, stage: str, **place: str) -> Iterator[LeftOut]:
    """Return what a stage's table of left-out sites, wells or features lists.

    Parameters
    ----------
    root
        The folder of the results.
    file
        The table's path in the results.
    what
        What the table lists: `site`, `well` or `feature`.
    stage
        The stage that wrote the table.
    **place
        Further attributes of `LeftOut`, such as the batch and the plate.
    """
    table = pd.read_csv(root / file, dtype=str, keep_default_na=False)
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
    for why, members in group_by_reason(names, reasons):
        yield LeftOut(
            what, len(members), stage, why=why, names=join_names(members, MOST_NAMES), table=file, **place
        )


def read_plate_table(root: Path, file: str) -> Iterator[LeftOut]:
    """Return what a table of one plate (or batch) lists; its path names the plate."""
    path = Path(file)
    if path.parts[:2] == ("workspace", "quality_control"):
        if path.stem == "cell_flags":
            yield from read_cell_flags(root, file, path.parts[2], path.parts[3])
            return
        stage = {"dropped_sites": "load_data", "sites": "single_cells", "flags": "quality"}[path.stem]
        place = {"batch": path.parts[2], "plate": path.parts[3]}
        yield from read_table(root, file, "site", stage, **place)
        if stage == "single_cells":
            sites = pd.read_csv(root / file, dtype={"Metadata_Site": str}, **EMPTY_IS_MISSING)
            if unpaired := int(sites.get("unpaired_objects", pd.Series(dtype=float)).sum()):
                yield LeftOut("object", unpaired, stage, why="not part of a cell", table=file, **place)
        return
    place = get_place_of_profiles(file)
    level = place.pop("level")
    for ending, what in (("_dropped", "feature"), ("_incomplete_wells", "well"), ("unmatched_wells", "well")):
        if level.endswith(ending):
            level = level.removesuffix(ending).removesuffix("_")
            stage = next(
                (stage for stage in ("feature_select", "spherize") if stage[:8] in level), "normalize"
            )
            stage = "annotate" if ending == "unmatched_wells" else stage
            yield from read_table(root, file, what, stage, level=level, **place)


def get_place_of_profiles(file: str) -> dict[str, str]:
    """Return batch, plate and level of a file of profiles, from its path; a file of a batch has no plate."""
    path = Path(file)
    batch, plate = path.parts[2], path.parts[3] if len(path.parts) == 5 else ""
    level = path.name.removeprefix(plate or batch).partition(".")[0].removeprefix("_")
    return {"batch": batch, "plate": plate, "level": level}


def find_in_first_profiles(root: Path, file: str) -> Iterator[LeftOut]:
    """Return the wells without cells, excluded features, and notices of a plate's first level."""
    place = get_place_of_profiles(file)
    metadata = read_metadata(root / file)
    if {"Metadata_Count_Cells", "Metadata_Count_Sites"} <= set(metadata):
        no_cells = (metadata["Metadata_Count_Cells"] == 0) & (metadata["Metadata_Count_Sites"] != 0)
        flagged = metadata.get("Metadata_Count_Cells_Flagged", pd.Series(0, metadata.index)) > 0
        for chosen, why in ((no_cells & ~flagged, "no cells"), (no_cells & flagged, "all cells are flagged")):
            wells = metadata.loc[chosen, "Metadata_Well"].tolist()
            yield from make_rows("well", wells, "aggregate", why, file, place)
    made_by = read_provenance(root / file)
    for notice in made_by.get("notices", []):
        yield LeftOut("notice", 1, "import_profiles", why=notice, table=file, **place)
    for key, names in made_by.get("excluded_features", {}).items():
        yield from make_rows("feature", names, "aggregate", f"{key} in the config", file, place)


def find_in_annotated(root: Path, file: str) -> Iterator[LeftOut]:
    """Return the wells that annotated profiles mark as having too few cells."""
    metadata = read_metadata(root / file)
    wells = metadata.loc[find_few_cells(metadata), "Metadata_Well"].tolist()
    why = "fewer cells than minimum_cells"
    yield from make_rows("well", wells, "annotate", why, file, get_place_of_profiles(file))


def find_lone_values(root: Path, file: str) -> Iterator[LeftOut]:
    """Return the values that normalization, or the selection of published profiles, takes as missing."""
    place = get_place_of_profiles(file)
    stage = "feature_select" if "feature_select" in place["level"] else "normalize"
    values = [f"{name} ({value})" for name, value in get_left_out(root / file).get("values", {}).items()]
    yield from make_rows("value", values, stage, "far beyond all others of the feature", file, place)


def read_chain_table(root: Path, file: str) -> Iterator[LeftOut]:
    """Return what a step of a chain leaves out: features and wells, of one plate or of several together."""
    path = Path(file)
    if path.parts[2] == "chains":
        place = {"condition": path.stem.removesuffix("_dropped"), "level": path.parts[3]}
    else:
        place = get_place_of_profiles(file)
        place["level"] = place["level"].removesuffix("_dropped")
    table = pd.read_csv(root / file, dtype=str, keep_default_na=False)
    is_well = table["reason"].str.contains(WELL_OF_CHAIN)
    for what, part in (("well", table[is_well]), ("feature", table[~is_well])):
        for why, names in group_by_reason(part["feature"], part["reason"]):
            yield from make_rows(what, names, "chains", why, file, place)


def find_in_consensus(root: Path, file: str) -> Iterator[LeftOut]:
    """Return the wells and features that consensus profiles do without; the path names the condition."""
    path = Path(file)
    place = {"level": path.parts[2], "condition": path.stem}
    for kind, reasons in get_left_out(root / file).items():
        for why, names in group_by_reason(reasons, reasons.values()):
            yield from make_rows(kind.removesuffix("s"), names, "consensus", why, file, place)


def make_rows(
    what: str, names: Sequence[str], stage: str, why: str, table: str, place: Mapping[str, str]
) -> Iterator[LeftOut]:
    """Return one row of named wells, features or values; none if there are no names.

    Parameters
    ----------
    what
        What was left out: `well`, `feature` or another word.
    names
        The names of what was left out.
    stage
        The stage that left it out.
    why
        The reason.
    table
        The table that has all names.
    place
        Further attributes of `LeftOut`, such as the batch and the plate.
    """
    if names:
        names_text = join_names(names, MOST_NAMES)
        yield LeftOut(what, len(names), stage, why=why, names=names_text, table=table, **place)


def read_cell_flags(root: Path, file: str, batch: str, plate: str) -> Iterator[LeftOut]:
    """Return the cells of a plate that quality control flagged, with the numbers of each rule.

    Parameters
    ----------
    root
        The folder of the results.
    file
        The path of the table of flagged cells in the results.
    batch, plate
        The batch and the plate.
    """
    table = pd.read_csv(root / file, dtype={"Metadata_Well": str}, **EMPTY_IS_MISSING)
    if number := int(table["flagged"].sum()):
        rules = table.columns[table.columns.get_loc("flagged") + 1 :]
        why = "flagged by " + ", ".join(f"{name} ({table[name].sum()})" for name in rules)
        wells = table.groupby("Metadata_Well", sort=False)["flagged"].sum()
        names = join_names((f"{well} ({cells})" for well, cells in wells[wells > 0].items()), MOST_NAMES)
        yield LeftOut("cell", number, "cell_quality", batch, plate, why=why, names=names, table=file)


def find_in_scores(root: Path, file: str) -> Iterator[LeftOut]:
    """Return what the conditions of a table of scores lack."""
    scores = read_scores(root / file)
    columns = [name for name in get_condition_columns(scores) if name != "feature_set"]
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


# The function that reads the files of each kind (`lib.targets.get_left_out_files`): each gets the folder of
# the results, and the path of a file in it, which names the plate.
READERS: Mapping[str, Callable[[Path, str], Iterator[LeftOut]]] = {
    "tables": read_plate_table,
    "first": find_in_first_profiles,
    "annotated": find_in_annotated,
    "scaled": find_lone_values,
    "chains": read_chain_table,
    "consensus": find_in_consensus,
    "scores": find_in_scores,
}


def gather(
    root: Path, files: Mapping[str, Sequence[str]], not_scored: Sequence[Mapping[str, str]]
) -> pd.DataFrame:
    """Return the table of all that was left out, stage by stage.

    Parameters
    ----------
    root
        The folder of the results.
    files
        The results that record what was left out, by kind (`READERS`), by their paths in the results.
    not_scored
        The plates (batch, plate, why) that the benchmark does not score.
    """
    found = [LeftOut("plate", 1, "sample sheet", **plate) for plate in not_scored]
    for kind, paths in files.items():
        for path in paths:
            found += READERS[kind](root, path)
    names = [field.name for field in fields(LeftOut)]
    table = pd.DataFrame([astuple(row) for row in found], columns=names)
    order = table["stage"].map(STAGES.index)
    return table.assign(order=order).sort_values("order", kind="stable").drop(columns="order")


def main(files: Mapping[str, Sequence[str]], not_scored: Sequence[Mapping[str, str]], output: str) -> None:
    """Write the table.

    It names the files as they lie in the results, also where a storage keeps the results and each job has
    copies of them elsewhere.
    """
    root = Path(output).parents[1]
    named = {kind: [str(Path(path).relative_to(root)) for path in paths] for kind, paths in files.items()}
    with write_whole(output) as part:
        gather(root, named, not_scored).to_csv(part, index=False)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            {kind: list(snakemake.input[kind]) for kind in READERS},
            list(snakemake.params.not_scored),
            snakemake.output.table,
        )
