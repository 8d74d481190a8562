"""Read an image file as CellProfiler reads it, unless it is damaged.

Bio-Formats fills in the missing part of a truncated file. Here such a file causes an error that names it.
Three equal colors are one gray image, and `images.maximum` of the config is the value that becomes 1.
"""

import sys
from pathlib import Path

import numpy
from cellprofiler_core.image import FileImage, Image

# The rest of the workflow's code is two folders up; CellProfiler puts only its plugins' folder on the path.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from lib.image_damage import DamagedImageError, damage, find_undecodable
from lib.image_files import MAXIMUM, in_color
from lib.sites import get_barcode

#: The suffixes of files that can be damaged without an error by Bio-Formats.
CHECKED = (".tif", ".tiff", ".png", ".stk", ".lsm", ".flex", ".bmp", ".jpg", ".jpeg")
#: Files of numbers that are not camera intensities (illumination functions).
NUMBERS = (".npy", ".npz", ".mat")
#: How the names of label images begin, which hold the numbers of objects.
LABELS = "Labels"


class CheckedImage(FileImage):
    """CellProfiler's provider of an image file, whose bytes are checked before Bio-Formats reads them.

    `place` names its well, site and image in messages.
    """

    place = ""

    def _path(self):
        return Path(self.get_pathname(), self.get_filename())

    def _bytes(self):
        """Return all bytes of the file, checked; None if it is not a file on disk."""
        path = self._path()
        if not path.is_file():
            return None
        data = path.read_bytes()
        problem = damage(data)
        if problem:
            self.refuse(problem)
        return data

    def refuse(self, problem, remedy="Replace the image, or take it away and set images.bad_sites to drop"):
        """Raise DamagedImageError with the file's name."""
        place = f" ({self.place})" if self.place else ""
        raise DamagedImageError(f"{self._path()}{place} {problem}. {remedy}; then start again.")

    def provide_image(self, image_set):
        """Return the image, gray and scaled."""
        if self._path().suffix.lower() in CHECKED:
            problem = find_undecodable(self._bytes() or b"")
            if problem:
                self.refuse(problem)
        try:
            image = super().provide_image(image_set)
        except Exception as error:
            # Bio-Formats' errors do not name the file.
            self.refuse(
                f"is corrupt, or of a kind that CellProfiler cannot read ({type(error).__name__}: {error})"
            )
        pixels = image.pixel_data
        if pixels.ndim == 3 and pixels.shape[-1] in (3, 4) and not in_color(pixels):
            return self.as_image(pixels[..., 0], image.scale)
        self.refuse_above_maximum(pixels)
        return image

    def as_image(self, pixels, scale):
        """Return CellProfiler's image of pixels that are already scaled."""
        self.refuse_above_maximum(pixels)
        # Modules may write into the pixels; and a view of one of three colors would make them slow.
        as_it_is = pixels.dtype == numpy.float32 and pixels.flags.c_contiguous and pixels.flags.writeable
        return Image(
            pixels,
            convert=not as_it_is,
            path_name=self.get_pathname(),
            file_name=self.get_filename(),
            scale=scale,
        )

    def refuse_above_maximum(self, pixels):
        """Raise DamagedImageError for values above 1 if the config gives the value that becomes 1."""
        if isinstance(self.rescale, float) and pixels.size and pixels.max() > 1:
            self.refuse(f"holds values above images.maximum ({self.rescale:g})", "Raise it in the config")


def place_of(name, measurements):
    """Return well, site and image of the current site as text, as far as its metadata give them."""
    words = []
    for tag in ("Plate", "Well", "Site"):
        feature = f"Metadata_{tag}"
        if measurements.has_feature("Image", feature):
            value = measurements.get_measurement("Image", feature)
            words.append(f"{tag.lower()} {get_barcode(value) if tag == 'Plate' else value}")
    return ", ".join([*words, f"image {name}"])


def get_rescaling(provider, measurements):
    """Return how a provider's image is scaled: by the config's `images.maximum`, or as in CellProfiler."""
    numbers = provider.get_filename().lower().endswith(NUMBERS) or provider.get_name().startswith(LABELS)
    if provider.rescale is True and not numbers and measurements.has_feature("Image", MAXIMUM):
        return float(measurements.get_measurement("Image", MAXIMUM))
    return provider.rescale


def make_checked_provider(provider, name, measurements, kind):
    """Return a provider of class `kind` that replaces CellProfiler's `provider` of the image `name`.

    Parameters
    ----------
    provider
        CellProfiler's provider of the image.
    name
        Name of the image.
    measurements
        CellProfiler's measurements, which know the current site.
    kind
        The class of the new provider.
    """
    found = kind(
        name,
        provider.get_pathname(),
        provider.get_filename(),
        rescale=get_rescaling(provider, measurements),
        series=provider.series,
        index=provider.index,
    )
    found.place = place_of(name, measurements)
    return found
