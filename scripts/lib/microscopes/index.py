"""What an index file of a microscope says, whichever vendor wrote it.

Names of XML elements are compared without their namespaces, which differ between versions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class IndexImage(NamedTuple):
    """One plane of an image that an index lists.

    `channel` is the channel's number and `name` its name (may be empty); `file` is the path below the index's
    folder; `fields` is what else the index says about it; `page` is its page (from 1) in a file of several
    images.
    """

    plate: str
    well: str
    site: str
    channel: str
    name: str
    plane: str
    timepoint: str
    file: str
    fields: Mapping[str, str]
    page: str = ""


@dataclass(frozen=True)
class Index:
    """The content of an index: its kind, its file, its images, and the rows and columns of each plate."""

    kind: str
    path: Path
    images: list[IndexImage]
    formats: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def plates(self) -> list[str]:
        """Return the names of the plates."""
        return list(dict.fromkeys([*self.formats, *(image.plate for image in self.images)]))

    @property
    def channels(self) -> dict[str, str]:
        """Return the name of each channel by its number."""
        names: dict[str, str] = {}
        for image in self.images:
            names.setdefault(image.channel, image.name)
        return names

    @property
    def pixel_size(self) -> float | None:
        """Return the width of a pixel in micrometers, if the index has it."""
        for image in self.images:
            if image.fields.get("ImageResolutionX"):
                return float(image.fields["ImageResolutionX"]) * 1e6
            if image.fields.get("HorizontalPixelDimension"):
                return float(image.fields["HorizontalPixelDimension"])
        return None


def remove_namespace(tag: str) -> str:
    """Return the name of an XML element or attribute without its namespace."""
    return tag.rpartition("}")[2]
