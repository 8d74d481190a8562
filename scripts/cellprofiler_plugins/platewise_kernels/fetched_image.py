"""An image in object storage (s3://), fetched when its site is measured and never kept on disk."""

import hashlib
import sys
import tempfile
from pathlib import Path

from cellprofiler_core.image.abstract_image import AbstractImage

# The rest of the workflow's code is two folders up; CellProfiler puts only its plugins' folder on the path.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from lib.image_files import properties
from lib.object_storage import ADDRESS, fetch_content


def get_address(folder):
    """Return the s3:// address of an image's folder, which may follow a local path, or None."""
    found = ADDRESS.search(str(folder))
    return found and "s3://{bucket}/{key}".format(**found.groupdict()).rstrip("/")


class FetchedImage(AbstractImage):
    """A provider of one image of the current site.

    `provider`: CellProfiler's own provider of the image, whose folder is the address `folder`;
    `kind(name, folder, filename, ...)`: the class that reads the copy on disk, which exists only during
    the reading. The pixels are kept as long as the provider, that is for one site.
    """

    def __init__(self, provider, folder, kind):
        self._provider, self._folder, self._kind = provider, folder, kind
        self._image = self._digest = None

    def get_name(self):
        """Return the image's name in the pipeline."""
        return self._provider.get_name()

    def get_pathname(self):
        """Return the address of the image's folder."""
        return self._folder

    def get_filename(self):
        """Return the image's file name."""
        return self._provider.get_filename()

    def _fetch(self):
        address = f"{self._folder}/{self.get_filename()}"
        held = fetch_content(address)
        self._digest = hashlib.md5(held).hexdigest()
        with tempfile.TemporaryDirectory(prefix="platewise-") as folder:
            copy = Path(folder, self.get_filename())
            copy.write_bytes(held)
            found = properties(copy)
            if isinstance(found, str):
                raise ValueError(f"{address} {found}. Replace it, or leave its site out of the plate.")
            reader = self._kind(
                self.get_name(),
                folder,
                self.get_filename(),
                rescale=self._provider.rescale,
                series=self._provider.series,
                index=self._provider.index,
            )
            self._image = reader.provide_image(None)
            reader.release_memory()

    def provide_image(self, image_set):
        """Return the image, fetched once."""
        if self._image is None:
            self._fetch()
        return self._image

    def get_md5_hash(self, measurements):
        """Return the MD5 digest of the object."""
        if self._digest is None:
            self._fetch()
        return self._digest

    def release_memory(self):
        """Release the pixels."""
        self._image = None
