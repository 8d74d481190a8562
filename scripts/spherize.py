"""Sphere a plate's profiles by the negative controls of its condition: `_spherized`, a level of its own.

Afterwards the controls' features are uncorrelated and of unit variance (`lib.sphering`), so that what plates
and positions do to every well weighs less in the similarity of profiles. The controls then are uncorrelated
by construction, whatever their position: they can no longer stand for wells without effect in a null.
"""

from collections.abc import Mapping
from typing import Any

from lib.logs import logged
from lib.replicates import read_wells
from lib.sphering import Sphering
from lib.tables import provenance, write_profiles


def main(
    profiles: str,
    sphering: str,
    output: str,
    options: Mapping[str, Any],
    controls: Mapping[str, str] | None = None,
) -> None:
    """Sphere the profiles of a plate and write them."""
    fitted = Sphering.read(sphering)
    made_by = provenance({**options, "features_left_out": fitted.left_out}, [profiles, sphering])
    write_profiles(fitted.of(read_wells([profiles], controls)), output, made_by)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main(
            snakemake.input.profiles,
            snakemake.input.sphering,
            snakemake.output.profiles,
            dict(snakemake.params.options),
            dict(snakemake.params.controls),
        )
