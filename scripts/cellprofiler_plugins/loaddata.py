"""LoadData, with CellProfiler's settings and pixel values, without Java where that is safe.

Plain 8- and 16-bit TIFF and PNG files are read by `platewise_kernels.image_files`; everything else
by Bio-Formats, as usual. A damaged file causes an error that names it. Images in object storage are fetched
when their site is measured. Stacks, channels of a file and OME-Zarr images are read by `lib.plane_reader`.
Of the image table, only the rows of the run are converted and stored (`platewise_kernels.image_table`).
"""

import hashlib
import io
from contextlib import contextmanager

import cellprofiler_core.modules.loaddata as builtin
import numpy
from cellprofiler_core.constants.measurement import (
    GROUP_INDEX,
    GROUP_LENGTH,
    GROUP_NUMBER,
    IMAGE,
    IMAGE_NUMBER,
)

from platewise_kernels.checked_image import CheckedImage, get_rescaling, make_checked_provider
from platewise_kernels.fetched_image import FetchedImage, get_address
from platewise_kernels.image_files import may_be_plain, read_plane
from platewise_kernels.image_table import number_rows, read_table, summarize, write_text
from platewise_kernels.referenced_image import ReferencedImage, is_reference


class LoadData(builtin.LoadData):
    """CellProfiler's LoadData with a faster reader.

    `rows`: first and last ImageNumber of the run, if no module looks at other rows; None for all rows.
    """

    rows = None
    _text = None

    def open_csv(self, do_not_cache=False):
        """Return the open image table, or what is read in its place."""
        return super().open_csv(do_not_cache) if self._text is None else io.StringIO(self._text)

    @contextmanager
    def _instead(self, text):
        """Let CellProfiler read a text in place of the image table."""
        self._text = text
        try:
            yield
        finally:
            self._text = None

    def get_measurement_columns(self, pipeline):
        """Return names and types of the columns, which depend on all rows of the image table."""
        known = "measurement_columns" in self.get_cache_info()
        table = None if known else read_table(self.csv_path)
        with self._instead(self._text if table is None else summarize(*table)):
            return super().get_measurement_columns(pipeline)

    def prepare_run(self, workspace):
        """Store the rows of the run, with the numbers and groups that they have in the whole table."""
        numbering = self._number_rows(workspace)
        if numbering is None:
            return super().prepare_run(workspace)
        header, found = numbering
        first, last = self.rows
        part = slice(first - 1, last)
        measurements = workspace.measurements
        numbers = numpy.arange(first, first + len(found.rows[part]))
        measurements.hdf5_dict.add_all(IMAGE, IMAGE_NUMBER, numbers, numbers)
        with self._instead(write_text(header, found.rows[part])):
            prepared = super().prepare_run(workspace)
        for feature, values in (
            (GROUP_NUMBER, found.numbers),
            (GROUP_INDEX, found.indexes),
            (GROUP_LENGTH, found.lengths),
        ):
            measurements.add_all_measurements(IMAGE, feature, values[part])
        return prepared

    def _number_rows(self, workspace):
        """Return the image table's header and numbered rows; None if all rows have to be stored."""
        if self.rows is None or self.wants_rows.value or workspace.measurements.image_set_count:
            return None
        table = read_table(self.csv_path)
        if table is None:
            return None
        types = {name: kind for _, name, kind, *_ in self.get_measurement_columns(workspace.pipeline)}
        grouped = self.wants_images.value and self.wants_image_groupings.value
        keys = [f"Metadata_{name}" for name in self.metadata_fields.selections] if grouped else []
        numbering = number_rows(*table, keys, types)
        return None if numbering is None else (table[0], numbering)

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
