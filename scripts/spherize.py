"""Sphere a plate's profiles by the negative controls of its condition: the level `_spherized`.

Afterwards the controls' features are uncorrelated and of unit variance (`lib.sphering`), so that the effects
of plates and positions on every well have less weight in the similarity of profiles. The controls are then
uncorrelated by construction, regardless of their position: they can no longer represent wells without effect
in a null.
"""

import logging
from collections.abc import Mapping
from typing import Any

import pandas as pd

from lib.files import write_whole
from lib.gaps import get_incomplete_wells
from lib.logs import log_to
from lib.provenance import add_left_out
from lib.replicates import read_wells
from lib.sphering import Sphering
from lib.tables import get_provenance, write_profiles


def main(
    profiles: str,
    sphering: str,
    outputs: Mapping[str, str],
    options: Mapping[str, Any],
    controls: Mapping[str, str] | None = None,
) -> None:
    """Sphere the profiles of a plate; write them, the features that are left out and the incomplete wells.

    Parameters
    ----------
    profiles : the plate's file.
    sphering : the file of the fitted sphering.
    outputs : the files to write: `profiles`, `dropped`, `incomplete`.
    options : the sphering's parameters, for the provenance.
    controls : the column that marks controls and its value, or None.
    """
    transform = Sphering.read(sphering)
    wells = read_wells([profiles], controls)
    incomplete = get_incomplete_wells(wells.metadata, wells.values)
    for _, well, why in incomplete.itertuples(index=False):
        logging.warning("well %s %s", well, why)
    with write_whole(outputs["dropped"]) as part:
        pd.DataFrame(transform.left_out.items(), columns=["feature", "reason"]).to_csv(part, index=False)
    with write_whole(outputs["incomplete"]) as part:
        incomplete.to_csv(part, index=False)
    made_by = get_provenance({**options, "features_left_out": transform.left_out}, [profiles, sphering])
    exploding = {name: why for name, why in transform.left_out.items() if why.startswith("exploded")}
    named = dict(zip(incomplete["Metadata_Well"], incomplete["reason"], strict=True))
    made_by = add_left_out(made_by, profiles, exploding, named)
    write_profiles(transform.of(wells), outputs["profiles"], made_by)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            snakemake.input.profiles,
            snakemake.input.sphering,
            {name: snakemake.output[name] for name in ("profiles", "dropped", "incomplete")},
            dict(snakemake.params.options),
            dict(snakemake.params.controls),
        )
