"""LoadData, with CellProfiler's settings and pixel values, without Java where that is safe.

Plain 8- and 16-bit TIFF and PNG files are read by `platewise_kernels.image_files`; everything else
by Bio-Formats, as ever. Images in object storage are fetched when their site is measured.
"""

import hashlib
from pathlib import Path

import cellprofiler_core.modules.loaddata as builtin
import numpy
from cellprofiler_core.image import FileImage, Image

from platewise_kernels.fetched_image import FetchedImage, address_of
from platewise_kernels.image_files import may_be_plain, read_plane


class LoadData(builtin.LoadData):
    """CellProfiler's LoadData with a faster reader."""

    def fetch_provider(self, name, measurements, is_image_name=True):
        """What gives the image `name` of the current site."""
        provider = super().fetch_provider(name, measurements, is_image_name)
        address = address_of(provider.get_pathname())
        if address:
            return FetchedImage(provider, address, PlainImage)
        return PlainImage(
            name,
            provider.get_pathname(),
            provider.get_filename(),
            rescale=provider.rescale,
            series=provider.series,
            index=provider.index,
        )


#: MD5 digest of files that are not plain images, by path, time and size.
_digests = {}


class PlainImage(FileImage):
    """An image file that is read once, without Java if it is plain."""

    #: The file's own numbers and the value to scale by; None if Bio-Formats has to read the file.
    _plane = None
    _digest = None
    _is_read = False

    def _path(self):
        return Path(self.get_pathname(), self.get_filename())

    def _read(self, path):
        """Read a file as a whole, for its pixels and for its digest."""
        self._is_read = True
        if self.series or self.rescale not in (True, False) or not may_be_plain(path):
            return
        data = path.read_bytes()
        self._plane = read_plane(path, self.index, data)
        if self._plane is not None:
            self._digest = hashlib.md5(data).hexdigest()

    def provide_image(self, image_set):
        """The image, scaled as Bio-Formats scales it; a new copy each time, as CellProfiler's own."""
        path = self._path()
        if not self._is_read and path.is_file():
            self._read(path)
        if self._plane is None:
            return super().provide_image(image_set)
        pixels, self.scale = self._plane
        pixels = pixels.astype(numpy.float32) / float(self.scale) if self.rescale else pixels.copy()
        return Image(pixels, path_name=self.get_pathname(), file_name=self.get_filename(), scale=self.scale)

    def release_memory(self):
        """Forget what was read."""
        self._plane = self._digest = None
        self._is_read = False
        super().release_memory()

    def get_md5_hash(self, measurements):
        """The file's MD5 digest; a file that many sites share is read once for it."""
        if self._digest is not None:
            return self._digest
        path = self._path()
        if not path.is_file():
            return super().get_md5_hash(measurements)
        state = path.stat()
        state = path, state.st_mtime_ns, state.st_size
        if state not in _digests:
            digest = hashlib.md5()
            with path.open("rb") as file:
                for block in iter(lambda: file.read(1 << 20), b""):
                    digest.update(block)
            _digests[state] = digest.hexdigest()
        return _digests[state]
