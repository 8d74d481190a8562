"""An open image file of any format: its channels, planes and scenes, and a function that reads its pixels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

AXES = "TCZ"


class UnsuitableImageError(ValueError):
    """A file that opens, but does not hold the requested image; the message continues its name."""


@dataclass(frozen=True)
class OpenImage:
    """An open image file.

    Attributes
    ----------
    sizes
        Numbers of time points (T), channels (C) and planes (Z).
    shape, kind
        Rows and columns, and the type, of a plane.
    read
        Reads a plane: scene, time point, channel and plane, from 0.
    channels
        Names of the channels; may be empty.
    scenes
        Names of the scenes.
    scale
        The number that stands for 1, if the file says so.
    pixel_size
        Width of a pixel in micrometers, if the file says so.
    unnamed
        Number of pages of a TIFF that does not say what they are.
    differing
        Why a scene (from 0) cannot be read as the first one is: its size, or its number of planes, differs.
    find_gap
        Returns what is missing of a plane (time point, channel, plane) in the file; "" if nothing is.
    """

    sizes: dict[str, int]
    shape: tuple[int, int]
    kind: str
    read: Callable[[int, int, int, int], np.ndarray]
    channels: Sequence[str] = ()
    scenes: Sequence[str] = ("",)
    scale: float | None = None
    pixel_size: float | None = None
    unnamed: int = 1
    differing: Mapping[int, str] = field(default_factory=dict)
    find_gap: Callable[[int, int, int], str] = lambda *_: ""


def find_differing(dimensions: Sequence[object], scenes: Sequence[str]) -> dict[int, str]:
    """Return which scenes of a file have other dimensions than the first one, and which these are."""
    return {
        at: f"has an image {at + 1}"
        + (f" ({scenes[at]})" if scenes[at] else "")
        + f" with the dimensions {each}, unlike its first one with {dimensions[0]}"
        for at, each in enumerate(dimensions)
        if each != dimensions[0]
    }
