"""The cells that coSMicQC 1.1.2 flags among seeded ones, for `tests/lib/test_cell_quality.py`.

coSMicQC needs an environment of its own (pandas 2, and VTK among 145 packages):

    uv run --no-project --with cosmicqc==1.1.2 python tests/support/cosmicqc_flags.py [TABLE.csv]

With a table of CellProfiler's nuclei as the argument, it prints the cells that are flagged in it.
"""

import sys

import numpy as np
import pandas as pd

SETS = ("small_and_low_formfactor_nuclei", "elongated_nuclei", "large_nuclei")


def get_seeded_cells(number: int = 300) -> pd.DataFrame:
    """Return nuclei, some of which are small and ragged, elongated, or large and ragged."""
    generator = np.random.default_rng(5)
    area = generator.lognormal(6, 0.4, number)
    ragged = generator.random(number) < 0.1
    return pd.DataFrame(
        {
            "Nuclei_AreaShape_Area": np.where(ragged, area * generator.choice([0.3, 3], number), area),
            "Nuclei_AreaShape_FormFactor": generator.beta(20, 3, number) * np.where(ragged, 0.5, 1),
            "Nuclei_AreaShape_Eccentricity": generator.beta(4, 5, number),
        }
    )


if __name__ == "__main__":
    from cosmicqc.analyze import identify_outliers

    cells = get_seeded_cells()
    if len(sys.argv) > 1:
        cells = pd.read_csv(sys.argv[1]).add_prefix("Nuclei_")
    for name in SETS:
        flagged = identify_outliers(cells, name).to_numpy()
        print(f"{name!r}: {np.flatnonzero(flagged).tolist()},")
