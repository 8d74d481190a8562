"""Extract a plate's wells from the file of a chain's step that processed several plates together."""

from lib.errors import InputError
from lib.logs import log_to
from lib.tables import get_provenance, read_profiles, read_provenance, write_profiles


def main(together: str, output: str, batch: str, plate: str) -> None:
    """Write the profiles of one plate.

    Parameters
    ----------
    together
        The file with the wells of all plates that a step processed together.
    output
        The file of the plate's profiles.
    batch, plate
        The names of the plate and its batch.
    """
    profiles = read_profiles(together)
    own = (profiles["Metadata_Plate"] == plate) & (profiles["Metadata_Batch"] == batch)
    if not own.any():
        raise InputError(f"{together} has no well of plate {plate} of batch {batch}.")
    before = read_provenance(together)
    made_by = get_provenance(before["parameters"], [together])
    made_by |= {"left_out": before["left_out"]} if "left_out" in before else {}
    write_profiles(profiles[own].reset_index(drop=True), output, made_by)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        (together,) = snakemake.input.profiles
        main(together, snakemake.output.profiles, snakemake.wildcards.batch, snakemake.wildcards.plate)
