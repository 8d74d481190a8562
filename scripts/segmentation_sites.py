"""Choose the wells of a segmentation check, and list the images of one site of each.

Half of the wells are negative controls, the others are treated wells with different perturbations, chosen at
random; or they are the wells that the config names.
"""

from collections.abc import Mapping
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

from lib.controls import find_control_kinds
from lib.logs import log_to
from lib.perturbation_names import name_content
from lib.pictures import choose_wells
from lib.plate_contents import read_known_wells
from lib.tables import write_whole
from lib.values import MissingValues
from lib.wells import get_well_name


def find_candidates(images: pd.DataFrame, known: pd.DataFrame, column: str, negcon: str) -> pd.DataFrame:
    """Find the wells with images: `well`, `kind` (control type, or ""), `sample`, `rank`, `name`.

    Parameters
    ----------
    images : one row per site with images.
    known : one row per well of the plate map, with annotation.
    column : the column that marks controls, without its `Metadata_`.
    negcon : its value for negative controls.
    """
    about = known.set_index("well").reindex(images["Metadata_Well"].unique())
    nothing = pd.Series("", index=about.index)
    texts = {name: about.get(name, nothing).fillna("") for name in (column, "broad_sample")}
    return pd.DataFrame(
        {
            "well": about.index,
            "kind": find_control_kinds(texts[column], negcon),
            "sample": texts["broad_sample"],
            "rank": 0,
            "name": [name_content(row) for row in about.to_dict("records")],
        }
    ).reset_index(drop=True)


def main(
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
    plate: str,
    parameters: Mapping[str, Any],
) -> None:
    """Write the image table and the contents of the chosen wells.

    Parameters
    ----------
    inputs
        Paths of `load_data`, the `plate_map`, and the `annotation` table ("" if there is none).
    outputs
        Paths of `load_data` and `wells` (csv).
    plate
        The plate's name.
    parameters
        `gene` (the column of the annotation that holds it, or None), `missing` (the config's keys of which
        `MissingValues` is made), `column` and `negcon` (how controls are marked), and `options`: the number
        of `wells`, those that are `named`, and the `seed`.
    """
    images = pd.read_csv(inputs["load_data"], dtype=str)
    known = read_known_wells(
        inputs["plate_map"],
        inputs["annotation"],
        parameters["gene"],
        plate,
        MissingValues.of_config(parameters["missing"]),
    )
    negcon, options = parameters["negcon"], parameters["options"]
    wells = find_candidates(images, known, parameters["column"], negcon)
    number = options["wells"]
    rng = np.random.default_rng([options["seed"], crc32(plate.encode())])
    named = [get_well_name(well) for well in options["named"]]
    controls = min(number - number // 2, int((wells["kind"] == negcon).sum()))
    of_controls = wells[wells["kind"].isin(["", negcon])]
    chosen = choose_wells(wells if named else of_controls, named, controls, number - controls, negcon, rng)
    # In plate order, in which CellProfiler numbers them.
    first = images[images["Metadata_Well"].isin(chosen)].drop_duplicates("Metadata_Well")
    for output, table in (
        (outputs["load_data"], first),
        (outputs["wells"], wells.set_index("well").loc[chosen].reset_index()),
    ):
        with write_whole(output) as part:
            table.to_csv(part, index=False)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            {name: snakemake.input[name] or "" for name in ("load_data", "plate_map", "annotation")},
            {name: snakemake.output[name] for name in ("load_data", "wells")},
            snakemake.params.plate,
            {name: snakemake.params[name] for name in ("gene", "missing", "column", "negcon", "options")},
        )
