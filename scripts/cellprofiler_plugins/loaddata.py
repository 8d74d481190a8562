"""LoadData, with CellProfiler's settings and pixel values, without Java where that is safe.

Plain 8- and 16-bit TIFF and PNG files are read by `platewise_kernels.image_files`; everything else
by Bio-Formats, as usual. A damaged file causes an error that names it. Images in object storage are fetched
when their site is measured. Stacks, channels of a file and OME-Zarr images are read by `lib.plane_reader`.
"""

import hashlib

import cellprofiler_core.modules.loaddata as builtin
import numpy

from platewise_kernels.checked_image import CheckedImage, get_rescaling, make_checked_provider
from platewise_kernels.fetched_image import FetchedImage, get_address
from platewise_kernels.image_files import may_be_plain, read_plane
from platewise_kernels.referenced_image import ReferencedImage, is_reference


class LoadData(builtin.LoadData):
    """CellProfiler's LoadData with a faster reader."""

    def fetch_provider(self, name, measurements, is_image_name=True):
        """Return the provider of the image `name` of the current site."""
        provider = super().fetch_provider(name, measurements, is_image_name)
        if is_reference(provider.get_filename()):
            return make_checked_provider(provider, name, measurements, ReferencedImage)
        address = get_address(provider.get_pathname())
        if address:
            provider.rescale = get_rescaling(provider, measurements)
            return FetchedImage(provider, address, PlainImage)
        return make_checked_provider(provider, name, measurements, PlainImage)


#: MD5 digest of files that are not plain images, by path, time and size.
_digests = {}


class PlainImage(CheckedImage):
    """An image file that is read once per site, for pixels and digest, without Java if it is plain."""

    _digest = None

    def provide_image(self, image_set):
        """Return the image, scaled as Bio-Formats scales it."""
        path = self._path()
        if not may_be_plain(path) or self.series:
            return super().provide_image(image_set)
        data = self._bytes()
        try:
            plane = data and read_plane(path, self.index, data)
        except ValueError as error:
            self.refuse(str(error))
        if plane is None:
            return super().provide_image(image_set)
        self._digest = hashlib.md5(data).hexdigest()
        pixels, self.scale = plane
        if self.rescale:
            largest = self.rescale if isinstance(self.rescale, float) else float(self.scale)
            pixels = pixels.astype(numpy.float32) / largest
        return self.as_image(pixels, self.scale)

    def get_md5_hash(self, measurements):
        """Return the file's MD5 digest; a file that many sites share is read only once for it."""
        if self._digest is not None:
            return self._digest
        path = self._path()
        if not path.is_file():
            return super().get_md5_hash(measurements)
        state = path.stat()
        key = (path, state.st_mtime_ns, state.st_size)
        if key not in _digests:
            digest = hashlib.md5()
            with path.open("rb") as file:
                for block in iter(lambda: file.read(1 << 20), b""):
                    digest.update(block)
            _digests[key] = digest.hexdigest()
        return _digests[key]
