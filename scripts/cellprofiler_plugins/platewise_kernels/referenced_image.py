"""An image that a reference names: planes of a stack, a channel of a file, a field of an OME-Zarr plate."""

import hashlib

import numpy

from .checked_image import CheckedImage
from .fetched_image import get_address

from lib.errors import InputError  # isort: skip
from lib.image_references import is_reference  # isort: skip
from lib.plane_reader import read_image  # isort: skip

__all__ = ["ReferencedImage", "is_reference"]


class ReferencedImage(CheckedImage):
    """CellProfiler's provider of an image that Snakemake's Python reads and projects."""

    _digest = None

    def provide_image(self, image_set):
        """Return the image, gray and scaled as that of a single file."""
        address = get_address(self.get_pathname())
        path = f"{address}/{self.get_filename()}" if address else str(self._path())
        try:
            pixels, _, self.scale = read_image(path)
        except InputError as error:
            self.refuse(f"cannot be read: {error}")
        self._digest = hashlib.md5(pixels.tobytes()).hexdigest()
        if self.rescale:
            largest = self.rescale if isinstance(self.rescale, float) else float(self.scale)
            pixels = pixels.astype(numpy.float32) / largest
            if pixels.size and pixels.max() > 1 and not isinstance(self.rescale, float):
                self.refuse(
                    "has a sum above the largest number of its type", "Set images.maximum in the config"
                )
        return self.as_image(pixels, self.scale)

    def get_md5_hash(self, measurements):
        """Return the MD5 digest of the pixels."""
        if self._digest is None:
            self.provide_image(None)
        return self._digest
