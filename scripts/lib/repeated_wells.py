"""Find wells that have the values of another well (one was copied), and plates that have another's name."""

import numpy as np
import pandas as pd

from lib.errors import join_names

FEWEST_TO_COMPARE = 10  # features; with fewer, values may be equal by chance


def describe_repeated(metadata: pd.DataFrame, values: np.ndarray) -> list[str]:
    """Return the sentence that names wells with the same values as another one; none if there are none.

    Two wells never have the same values in all features: one was copied, or is there under two names.
    """
    if values.shape[1] < FEWEST_TO_COMPARE:
        return []
    # A sum is compared first, since few of the wells that differ have the same one.
    total = values.sum(axis=1)
    _, codes, counts = np.unique(total, return_inverse=True, return_counts=True)
    groups: dict[bytes, list[int]] = {}
    for row in np.flatnonzero((counts > 1)[codes]):
        if (values[row] != values[row, 0]).any():
            groups.setdefault(values[row].tobytes(), []).append(int(row))
    repeated = [group for group in groups.values() if len(group) > 1]
    if not repeated:
        return []
    names = (metadata["Metadata_Plate"] + " " + metadata["Metadata_Well"]).to_numpy()
    pairs = join_names((" = ".join(names[group[:3]]) for group in repeated), 3)
    number = sum(map(len, repeated))
    return [f"{number} wells have exactly the values of another well, as if one was copied: {pairs}"]


def name_with_batch(plate: str, batch: str) -> str:
    """Return the name of a plate that has its name in several batches."""
    return f"{plate} (batch {batch})"


def tell_plates_apart(metadata: pd.DataFrame) -> pd.DataFrame:
    """Return the wells with the batch beside the name of each plate that has its name in several batches."""
    if "Metadata_Batch" not in metadata:
        return metadata
    plates = metadata[["Metadata_Batch", "Metadata_Plate"]].drop_duplicates()["Metadata_Plate"]
    same = metadata["Metadata_Plate"].isin(plates[plates.duplicated()])
    if not same.any():
        return metadata
    keys = metadata[["Metadata_Plate", "Metadata_Batch"]].astype("str").to_numpy()
    names = pd.Series([name_with_batch(*key) for key in keys], index=metadata.index)
    return metadata.assign(Metadata_Plate=metadata["Metadata_Plate"].mask(same, names))
