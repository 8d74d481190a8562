"""The experiment: the content of its config and its sample sheet, read once.

The rules, the checks, the report and the final summary use this object: it knows which plates and conditions
there are, which levels of profiles each plate has, and where each result is. Nothing here depends on
Snakemake, and no method opens a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lib.assay import get_compartments, get_labels, get_segmented
from lib.chains import get_all_levels, order_plates
from lib.conditions import get_comparisons, get_conditions, get_plates_of_split, is_judged
from lib.errors import InputError, join_names
from lib.levels import (
    NETWORK,
    Level,
    explain_missing_level,
    get_exported_levels,
    get_level_of_cells,
    is_selection_requested,
)
from lib.places import place
from lib.plates import Plate, get_chosen_plates, read_plates, source
from lib.values import MissingValues


@dataclass(frozen=True)
class Experiment:
    """An experiment's complete config, and its plates in the order of the sample sheet."""

    config: Mapping[str, Any]
    config_file: Path
    plates: tuple[Plate, ...]
    chosen: tuple[Plate, ...]

    @classmethod
    def read(cls, config: Mapping[str, Any], config_file: Path) -> Experiment:
        """Read the sample sheet of a complete config, and check that both are consistent.

        Raises
        ------
        InputError
            Naming the file and its errors.
        """
        sheet = config_file.parent / config["plates"]
        plates = read_plates(sheet, get_all_levels(config), MissingValues.of_config(config))
        only = None if config["only"] is None else str(config["only"]).split(",")
        experiment = cls(config, config_file, tuple(plates), tuple(get_chosen_plates(plates, only)))
        if experiment.plates_with_images and not experiment.assay:
            raise InputError(f"{config_file} has no `assay`: plates that start with images need one.")
        # Errors in these are reported when the experiment is read.
        _ = (
            experiment.exported_levels,
            experiment.feature_sets,
            experiment.splits,
            experiment.levels_of_cells,
        )
        return experiment

    # --- plates and their contents -------------------------------------------------------------------

    @cached_property
    def by_name(self) -> dict[tuple[str, str], Plate]:
        """Return each plate by its batch and its name."""
        return {(plate["batch"], plate["plate"]): plate for plate in self.plates}

    @cached_property
    def batches(self) -> dict[str, list[Plate]]:
        """Return the plates of each batch."""
        found: dict[str, list[Plate]] = {}
        for plate in self.plates:
            found.setdefault(plate["batch"], []).append(plate)
        return found

    @cached_property
    def plates_with_images(self) -> list[Plate]:
        """Return the plates that start with images."""
        return [plate for plate in self.plates if source(plate) == "images"]

    @property
    def only_some(self) -> bool:
        """Return whether the config chooses some of the plates (`only`)."""
        return self.config["only"] is not None

    @cached_property
    def assay(self) -> Mapping[str, Any]:
        """Return the assay; empty for an experiment that has only profiles."""
        return self.config.get("assay", {})

    @cached_property
    def channels(self) -> list[str]:
        """Return the names of the channels, in their order."""
        return [channel["name"] for channel in self.assay.get("channels", [])]

    @cached_property
    def objects(self) -> list[str]:
        """Return the objects that CellProfiler measures; one table each."""
        return get_compartments(self.assay) if self.assay else []

    @cached_property
    def labeled(self) -> list[str]:
        """Return the objects that are not found by CellProfiler but come from label images.

        The label images are files that the config names, or those of a deep network.
        """
        elsewhere = {**get_labels(self.assay), **get_segmented(self.assay)}
        return [name for name in ("Nuclei", "Cells") if name in elsewhere]

    @cached_property
    def segmented(self) -> dict[str, dict[str, Any]]:
        """Return the settings of the networks that find objects, by the objects' names."""
        return get_segmented(self.assay) if self.plates_with_images else {}

    def get_label_settings(self, plate: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """Return the settings of a plate's label images by objects; the folder None is that of its images."""
        found = {}
        for name, settings in get_labels(self.assay).items():
            folder = settings["folder"] and settings["folder"].replace("{batch}", plate["batch"])
            folder = folder and str(self.config_file.parent / folder.replace("{plate}", plate["plate"]))
            channel = self.assay[name.lower()].get("channel", self.assay["nuclei"]["channel"])
            found[name] = {**settings, "folder": folder, "channel": channel}
        return found

    @cached_property
    def embeddings(self) -> Mapping[str, Any] | None:
        """Return the config of deep-network features; None if no plate gets any."""
        return self.config.get("embeddings") if self.plates_with_images else None

    @cached_property
    def crops(self) -> Mapping[str, Any] | None:
        """Return the config of crops that are written; None if no plate gets any."""
        return self.config.get("crops") if self.plates_with_images else None

    @cached_property
    def embedded_channels(self) -> list[str]:
        """Return the channels that a deep network sees, in their order."""
        measured = [channel["name"] for channel in self.assay["channels"] if channel["measure"]]
        return self.config["embeddings"]["channels"] or measured

    @cached_property
    def flags_cells(self) -> bool:
        """Return whether quality control flags single cells."""
        settings = self.config["cell_quality"]
        return bool(settings["sets"] or settings["rules"])

    # --- how CellProfiler runs ------------------------------------------------------------------------

    @cached_property
    def in_container(self) -> bool:
        """Return whether CellProfiler runs in its published container, without numba and pyarrow."""
        return self.config["cellprofiler"]["environment"] == "container"

    @cached_property
    def accelerated(self) -> bool:
        """Return whether CellProfiler's slow modules are replaced by faster ones, compiled with numba."""
        return self.config["cellprofiler"]["accelerate"] and not self.in_container

    @cached_property
    def engine(self) -> str:
        """Return what runs CellProfiler's pipelines: `platewise` (writes tables with pyarrow) or `stock`."""
        return "stock" if self.in_container else self.config["cellprofiler"]["engine"]

    @cached_property
    def waiting(self) -> bool:
        """Return whether the segmentation still has to be approved before cells are measured."""
        segmentation = self.config["segmentation"]
        waits = segmentation["wait_for_approval"] and not segmentation["approved"]
        return bool(self.plates_with_images) and waits

    # --- levels of profiles ---------------------------------------------------------------------------

    @cached_property
    def levels(self) -> dict[str, Level]:
        """Return every level of profiles by name, in the order in which they are made."""
        return get_all_levels(self.config)

    @cached_property
    def by_suffix(self) -> dict[str, Level]:
        """Return every level of profiles by its suffix in a file's name."""
        return {level.suffix: level for level in self.levels.values()}

    @cached_property
    def exported_levels(self) -> list[str]:
        """Return the levels of profiles that are exported to the formats of `export`."""
        return get_exported_levels(self.config, self.levels)

    @cached_property
    def _levels_of_plates(self) -> dict[tuple[str, str], dict[str, Level]]:
        return {name: self._find_levels(plate) for name, plate in self.by_name.items()}

    def get_levels(self, plate: Mapping[str, str]) -> dict[str, Level]:
        """Return the levels that a plate has or gets, by name, in the order in which they are made."""
        return self._levels_of_plates[plate["batch"], plate["plate"]]

    def _find_levels(self, plate: Mapping[str, str]) -> dict[str, Level]:
        start = plate["level"] if source(plate) == "profiles" else ""
        found: dict[str, Level] = {}
        for name, level in self.levels.items():
            further = bool(start) and level.made_from_published == start
            if name == start or (further and is_selection_requested(level, self.config)):
                found[name] = level
            elif not level.made_from:
                # Made from cells: those measured by CellProfiler, or those whose images a network processes.
                if not start and (level.features != NETWORK or self.get_cells(plate, NETWORK)):
                    found[name] = level
            elif level.requested and level.made_from in found and self._has_scope(plate, level):
                found[name] = level
        return {start: found[start], **found} if start else found

    def _has_scope(self, plate: Mapping[str, str], level: Level) -> bool:
        takes_condition = "condition" in (level.scope, level.options.get("over"))
        return not takes_condition or is_judged(plate, self.config)

    def get_group(self, plate: Mapping[str, str], level: Level) -> str:
        """Return the plates that a step processes together with a plate: its batch, its condition, or all."""
        key = plate["batch"], plate["plate"]
        names = {"batch": plate["batch"], "experiment": "all"}
        return names[level.scope] if level.scope in names else self.get_condition_of[key]

    @cached_property
    def _groups(self) -> dict[tuple[str, str], list[Plate]]:
        found: dict[tuple[str, str], list[Plate]] = {}
        for plate in self.plates:
            for level in self.get_levels(plate).values():
                if level.chain and level.scope != "plate":
                    found.setdefault((level.name, self.get_group(plate, level)), []).append(plate)
        return order_plates(found, self.levels, self.config["chains"])

    def get_plates_of_group(self, level: str, group: str) -> list[Plate]:
        """Return the plates that a step of a chain processes together."""
        return self._groups[level, group]

    def get_chain_files(self, level: Level, plates: Iterable[Plate]) -> list[str]:
        """Return the files with the wells of some plates at a level, one per plate or group of plates."""
        if not level.chain or level.scope == "plate":
            return [self.get_profiles(plate, level) for plate in plates]
        groups = dict.fromkeys(self.get_group(plate, level) for plate in plates)
        return [place("chain_wells", level=level.name, group=group) for group in groups]

    def get_source_level(self, plate: Mapping[str, str], level: Level) -> Level:
        """Return the level of a plate's profiles that another one is made from."""
        published = level.made_from_published
        return self.levels[published if published and plate.get("level") == published else level.made_from]

    def get_annotated_level(self, plate: Mapping[str, str]) -> Level:
        """Return the first level of a plate's profiles that has the contents of its wells."""
        return next(level for level in self.get_levels(plate).values() if level.annotated)

    # --- where results are ----------------------------------------------------------------------------

    def get_profiles(self, plate: Mapping[str, str], level: Level | str) -> str:
        """Return the file of a plate's profiles at a level."""
        row = self.levels[level] if isinstance(level, str) else level
        return place("profiles", batch=plate["batch"], plate=plate["plate"], suffix=row.suffix)

    def get_place(self, plate: Mapping[str, str], result: str, **known: Any) -> str:
        """Return where a result of a plate is; see `lib.places`."""
        return place(result, batch=plate["batch"], plate=plate["plate"], **known)

    def get_cells(self, plate: Mapping[str, str], features: str) -> str:
        """Return the table of a plate's cells with features of one kind; empty if there is none."""
        if source(plate) == "profiles" or (features == NETWORK and source(plate) != "images"):
            return ""
        if features == NETWORK:
            return self.get_place(plate, "embedded_cells") if self.embeddings else ""
        return self.get_place(plate, "single_cells")

    @cached_property
    def levels_of_cells(self) -> dict[tuple[str, str], Level | None]:
        """Return the plates with normalized cells, with the level that has their features; None for all."""
        if "normalized_cells" not in self.config:
            return {}
        wanted = self.config["normalized_cells"]["features"]
        return {
            key: get_level_of_cells(wanted, self.get_levels(plate), plate["plate"])
            for key, plate in self.by_name.items()
            if source(plate) != "profiles"
        }

    def get_stages(self, plate: Mapping[str, str]) -> dict[str, str]:
        """Return the stages that a plate passes individually, each with the file or folder that it writes."""
        stages = {}
        if source(plate) == "images":
            stages["load_data"] = self.get_place(plate, "load_data")
            stages["illumination"] = self.get_place(plate, "illumination_folder")
        if source(plate) != "profiles":
            stages["single_cells"] = self.get_place(plate, "single_cells")
        for name, level in self.get_levels(plate).items():
            if level.scope == "plate" and level.is_last:
                stages[name] = self.get_profiles(plate, level)
        return stages

    # --- the benchmark --------------------------------------------------------------------------------

    @cached_property
    def conditions(self) -> dict[str, list[Plate]]:
        """Return the conditions of the benchmark by name, each with its plates."""
        return get_conditions(self.plates, self.config)

    @cached_property
    def get_condition_of(self) -> dict[tuple[str, str], str]:
        """Return the condition of each plate that belongs to one, by batch and plate."""
        return {
            (plate["batch"], plate["plate"]): name
            for name, plates in self.conditions.items()
            for plate in plates
        }

    @cached_property
    def comparisons(self) -> dict[str, tuple[str, str]]:
        """Return the pairs of conditions that Percent Matching compares, by the comparison's name."""
        return get_comparisons(self.conditions, self.config)

    @cached_property
    def scores(self) -> list[str]:
        """Return Percent Replicating, and Percent Matching if there are comparisons."""
        return ["percent_replicating"] + (["percent_matching"] if self.comparisons else [])

    @cached_property
    def metrics(self) -> list[str]:
        """Return all metrics of the benchmark: the scores, and mean average precision if requested."""
        precision = ["mean_average_precision"]
        precision += ["mean_average_precision_matching"] if self.comparisons else []
        return self.scores + (precision if self.config["benchmark"]["mean_average_precision"] else [])

    @cached_property
    def splits(self) -> dict[str, list[Plate]]:
        """Return the recommended splits by name, each with the plates that it divides."""
        return {name: get_plates_of_split(name, self.plates, self.config) for name in self.config["splits"]}

    def get_plates_with(self, feature_set: str, plates: Iterable[Plate]) -> list[Plate]:
        """Return the plates on which a feature set is scored.

        Published embeddings and published CellProfiler profiles of one plate are two rows of the sample
        sheet (in two batches); each is scored only on the feature sets of the same kind.
        """
        features = self.levels[feature_set].features
        return [
            plate
            for plate in plates
            if source(plate) != "profiles" or self.levels[plate["level"]].features == features
        ]

    @cached_property
    def feature_sets(self) -> list[str]:
        """Return the benchmark's feature sets, after checking that every plate that is scored on one has it.

        Raises
        ------
        InputError
            Naming the feature set and the plates that do not have it.
        """
        judged = [plate for plates in self.conditions.values() for plate in plates]
        for name in self.config["benchmark"]["feature_sets"]:
            if name not in self.levels:
                raise InputError(
                    f"benchmark.feature_sets: there is no level {name}; the levels are "
                    f"{join_names(self.levels, 40)}."
                )
            having = self.get_plates_with(name, judged) or judged
            lacking = [plate["plate"] for plate in having if name not in self.get_levels(plate)]
            if lacking:
                raise InputError(
                    f"benchmark.feature_sets: {name} is not made for plate {join_names(lacking)}; "
                    f"available levels: {join_names(self.get_levels(having[0]), 40)}."
                    + explain_missing_level(self.levels[name], self.config)
                )
        return self.config["benchmark"]["feature_sets"]

    def get_condition_profiles(self, condition: str, feature_set: str) -> list[str]:
        """Return the profiles of a condition's plates in a feature set."""
        plates = self.get_plates_with(feature_set, self.conditions[condition])
        return [self.get_profiles(plate, feature_set) for plate in plates]

    def get_condition_columns(self, condition: str, ending: str = "") -> dict[str, str]:
        """Return a condition's values in the columns of the sample sheet that define it."""
        first = self.conditions[condition][0]
        return {f"{column}{ending}": first[column] for column in self.config["benchmark"]["condition"]}

    def get_condition_label(self, condition: str) -> str:
        """Return a condition as text: compound U2OS 48 h."""
        columns = {name: value for name, value in self.get_condition_columns(condition).items() if value}
        return " ".join(f"{value} h" if name == "timepoint" else value for name, value in columns.items())

    def get_gene_columns(self, comparison: str) -> list[str]:
        """Return the columns that hold the genes of both sides of a comparison."""
        return [self.get_gene_column(condition) for condition in self.comparisons[comparison]]

    def get_gene_column(self, condition: str) -> str:
        """Return the column that holds the genes (targets, mechanisms) of a condition's perturbations."""
        gene = self.config["benchmark"]["gene"]
        kind = self.conditions[condition][0]["perturbation"]
        return gene if isinstance(gene, str) else gene.get(kind, "Metadata_gene")
