"""Find the objects of a site that are one cell: pairing by CellProfiler's parent columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lib.errors import InputError, join_names
from lib.object_tables import SiteError


def find_linking_compartment(headers: Mapping[str, Sequence[str]]) -> str:
    """Return the compartment whose parent columns name its partner in every other one."""
    for name in sorted(headers, key=lambda name: (name != "Cytoplasm", name != "Cells")):
        if all(f"Parent_{other}" in headers[name] for other in headers if other != name):
            return name
    raise InputError(
        f"No table among {join_names(headers)} has the parent columns of all others (as Cytoplasm has "
        "Parent_Cells and Parent_Nuclei, or Cells has Parent_Nuclei): these compartments cannot be "
        "joined. Relate them in the pipeline, or name fewer compartments."
    )


def pair_objects(
    objects: Mapping[str, np.ndarray],
    linker: str,
    parents: Mapping[str, np.ndarray],
    same_number: bool = False,
) -> tuple[dict[str, np.ndarray], dict[str, list[int]]]:
    """Find the cells: objects of all compartments that belong together, one of each.

    Parameters
    ----------
    objects
        The object numbers of each compartment's table, in its order.
    linker
        The compartment whose parents are known.
    parents
        For each other compartment, the object number that each object of `linker` names
        (0: none).
    same_number
        Whether objects that belong together have one number, as those of label images do. Of several objects
        that name one parent, the one with its number is then its partner.

    Returns
    -------
    For each compartment the positions of the cells' objects, all of one length; and the object
    numbers that are in no cell.

    Raises
    ------
    SiteError
        If an object number is a duplicate, a named parent does not exist, or two objects
        name the same parent.
    """
    for name, numbers in objects.items():
        if repeated := find_repeats(numbers):
            raise SiteError(f"{name} has the object numbers {join_names(repeated)} twice")
    positions = {linker: np.arange(len(objects[linker]))}
    paired = np.ones(len(objects[linker]), dtype=bool)
    for name, named in parents.items():
        order = np.argsort(objects[name])
        ranked = objects[name][order]
        at = np.searchsorted(ranked, named)
        found = np.zeros(len(named), dtype=bool)
        found[at < len(ranked)] = ranked[at[at < len(ranked)]] == named[at < len(ranked)]
        if missing := sorted(set(named[~found & (named > 0)].tolist())):
            raise SiteError(f"{linker} names {name} {join_names(missing)}, and the table lacks them")
        if same_number:
            twice = np.isin(named, find_repeats(named[found]))
            found &= ~twice | (named == objects[linker])
        if repeated := find_repeats(named[found]):
            raise SiteError(f"{name} {join_names(repeated)} belong to two {linker} each")
        positions[name] = np.where(found, order[np.minimum(at, len(order) - 1)] if len(order) else 0, -1)
        paired &= found
    positions = {name: at[paired] for name, at in positions.items()}
    alone = {name: sorted(np.delete(numbers, positions[name]).tolist()) for name, numbers in objects.items()}
    return positions, alone


def find_repeats(numbers: np.ndarray) -> list[int]:
    """Return the values that occur more than once."""
    values, times = np.unique(numbers, return_counts=True)
    return values[times > 1].tolist()


@dataclass
class Objects:
    """The tables' data on one site's objects, for each compartment: arrays with one entry per object.

    `parents` are those of the linking compartment, `children` the number of its objects that each
    object counts as its children.
    """

    numbers: dict[str, np.ndarray]
    parents: dict[str, np.ndarray]
    children: dict[str, np.ndarray]


def refuse_lost_children(objects: Objects, linker: str) -> None:
    """Raise a `SiteError` if objects count a child that `linker`'s table does not hold."""
    for name, children in objects.children.items():
        lost = set(objects.numbers[name][children > 0]) - set(objects.parents[name])
        if lost:
            raise SiteError(f"{linker} lacks the objects that belong to {name} {join_names(sorted(lost))}")
