"""Fit the sphering of a set of replicate plates on the negative controls of all of them together.

The set consists of the plates of a condition, as for the deep features of CPJUMP1. `spherize.py` applies it
to each.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lib.logs import log_to
from lib.replicates import read_wells
from lib.sphering import fit_on_controls
from lib.tables import get_provenance


def main(
    profiles: Sequence[str],
    output: str,
    options: Mapping[str, Any],
    controls: Mapping[str, str] | None = None,
) -> None:
    """Fit the sphering of these plates and write it.

    Parameters
    ----------
    profiles : the files of the plates.
    output : the file to write.
    options : the parameters of `fit_on_controls`.
    controls : the column that marks controls and its value, or None.
    """
    sphering = fit_on_controls(read_wells(profiles, controls), **options)
    sphering.write(output, get_provenance(options, profiles))


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            list(snakemake.input.profiles),
            snakemake.output.sphering,
            dict(snakemake.params.options),
            dict(snakemake.params.controls),
        )
