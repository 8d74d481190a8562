"""Remove the features that feature selection dropped from a plate's profiles."""

import pandas as pd

from lib.logs import logged
from lib.provenance import with_left_out
from lib.selection import OUTLIERS
from lib.tables import provenance, read_profiles, write_profiles


def main() -> None:
    """Write the plate's profiles with the selected features."""
    profiles = read_profiles(snakemake.input.profiles)
    table = pd.read_csv(snakemake.input.dropped, dtype=str)
    dropped = set(table["feature"])
    selected = profiles[[name for name in profiles.columns if name not in dropped]]
    exploding = table[table["operation"] == OUTLIERS].set_index("feature")["reason"].to_dict()
    made_by = provenance(
        {"feature_select": snakemake.params.settings, "over": snakemake.params.over},
        [snakemake.input.profiles, snakemake.input.dropped],
    )
    made_by = with_left_out(made_by, snakemake.input.profiles, exploding)
    write_profiles(selected, snakemake.output.profiles, made_by)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
