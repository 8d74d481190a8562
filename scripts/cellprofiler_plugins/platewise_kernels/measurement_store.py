"""Keep a run's numeric measurements in memory until they are needed on disk.

CellProfiler appends every feature of every site to an HDF5 file, about a millisecond
each, and rewrites the object numbers with each feature: for a field with 7,000 features, most of
the time. The store holds numbers of new features in memory, answers from there, and writes them to
the HDF5 file when they reach `LIMIT` bytes, when something else needs the file itself, or when a
permanent file is closed. What it does not hold (text, relationships, image lists) goes to the file
as usual.
"""

import weakref

import cellprofiler_core.measurement._measurements as measurements
import numpy
from cellprofiler_core.constants.measurement import EXPERIMENT, IMAGE, IMAGE_NUMBER, OBJECT_NUMBER
from cellprofiler_core.utilities.hdf5_dict import HDF5Dict

#: Bytes of numbers held before they are written out; keeps memory flat over a chunk's sites.
LIMIT = 256 << 20
#: Sites whose values of a feature are read from the file at once.
WINDOW = 256

_stores = weakref.WeakSet()


def install():
    """Make CellProfiler use this store for its measurements."""
    measurements.HDF5Dict = MeasurementStore


class HeldMeasurements(measurements.Measurements):
    """CellProfiler's measurements with a shortcut into the store for the numbers of one site."""

    def add_measurement(self, object_name, feature_name, data, image_set_number=None, data_type=None):
        """Add the measurement of a site (or of several).

        Parameters
        ----------
        object_name, feature_name
            The measurement.
        data
            A number, a text, or one value per object; of several sites a list of them.
        image_set_number
            The site, or the sites; by default the current one.
        data_type
            CellProfiler's type of the column.
        """
        number = self.image_set_number if image_set_number is None else image_set_number
        store = self.hdf5_dict
        if (
            data_type is not None
            or not isinstance(store, MeasurementStore)
            or not store.hold_numbers(object_name, feature_name, number, data)
        ):
            super().add_measurement(object_name, feature_name, data, image_set_number, data_type)


class MeasurementStore(HDF5Dict):
    """CellProfiler's measurement file with a memory cache in front of it."""

    def __init__(self, hdf5_filename, *arguments, copy=None, **options):
        self.features_in_file = {}
        self.held = {}
        self.held_bytes = 0
        self.types = {}
        self.written = set()
        self.windows = {}
        self.site = None
        for store in list(_stores):  # a copy starts from another store's file
            if copy is not None and store.holds_file(copy.file):
                store.write_out()
        super().__init__(hdf5_filename, *arguments, copy=copy, **options)
        _stores.add(self)

    def holds_file(self, hdf5_file):
        """Return whether `hdf5_file` (h5py) is this store's."""
        return hasattr(self, "hdf5_file") and self.hdf5_file == hdf5_file

    def __setitem__(self, key, values):
        object_name, feature_name, number = key[:3]
        vector = None
        if len(key) == 3 or key[3] is None:
            number, vector = _single(number, values)
        if vector is None or not self._takes((object_name, feature_name)):
            self.write_feature(object_name, feature_name)
            self._forget(object_name, feature_name)
            self.windows.pop((object_name, feature_name), None)
            super().__setitem__(key, values)
            self.features_in_file.pop(object_name, None)
            return
        self._hold((object_name, feature_name), number, vector)

    def hold_numbers(self, object_name, feature_name, number, data):
        """Hold a number of an image or the numbers of its objects, if nothing else is needed.

        This requires that the site and its objects are known, which their first measurements ensure. Return
        whether it was done; if not, CellProfiler's own method does it.

        Parameters
        ----------
        object_name, feature_name
            The measurement.
        number
            The site.
        data
            A number, or one per object.
        """
        if object_name == EXPERIMENT or feature_name in (IMAGE_NUMBER, OBJECT_NUMBER):
            return False
        if object_name != IMAGE:
            vector = data
        elif type(data) in (int, float) or isinstance(data, (numpy.integer, numpy.floating)):
            vector = numpy.array([data])
        else:
            return False
        if type(vector) is not numpy.ndarray or vector.ndim != 1 or vector.dtype.kind not in "iuf":
            return False
        if not isinstance(number, (int, numpy.integer)) or not self._is_site(number):
            return False
        if object_name != IMAGE:
            objects = self.held.get((object_name, OBJECT_NUMBER), {}).get(number)
            if objects is None or objects.size != vector.size:
                return False
        if not self._takes((object_name, feature_name)):
            return False
        self._hold((object_name, feature_name), int(number), vector.copy())
        return True

    def _is_site(self, number):
        """Return whether the number of a site is known; that of the current one is remembered."""
        if number != self.site:
            if number not in self.get_indices(IMAGE, IMAGE_NUMBER):
                return False
            self.site = number
        return True

    def _takes(self, name):
        """Return whether a feature's numbers are held here: it is new, or was held before."""
        return name in self.types or not self._in_file(*name)

    def _in_file(self, object_name, feature_name):
        if (object_name, feature_name) in self.types:
            return (object_name, feature_name) in self.written
        if (object_name, feature_name) in self.indices:
            return True
        if object_name not in self.features_in_file:
            known = super().second_level_names(object_name) if object_name in self.top_group else []
            self.features_in_file[object_name] = set(known)
        return feature_name in self.features_in_file[object_name]

    def _hold(self, name, number, vector):
        kind = self.types.get(name)
        if vector.size:
            # As in the file: the first numbers determine the type, and integers are replaced by other types.
            if kind is None or (kind.kind in "iu" and vector.dtype.kind == "f"):
                kind = self.types[name] = vector.dtype
            vector = vector.astype(kind, copy=False)
        else:
            self.types.setdefault(name, None)
        sites = self.held.setdefault(name, {})
        self.held_bytes += vector.nbytes - (sites[number].nbytes if number in sites else 0)
        sites[number] = vector
        if self.held_bytes > LIMIT:
            self.write_out()

    def __getitem__(self, key):
        object_name, feature_name, number = key
        sites = self.held.get((object_name, feature_name))
        if sites is not None:
            numbers = [number] if numpy.isscalar(number) else number
            if not self._in_file(object_name, feature_name) or all(n in sites for n in numbers):
                vectors = self._read((object_name, feature_name), sites, numbers)
                return vectors[0] if numpy.isscalar(number) else vectors
            self.write_feature(object_name, feature_name)
        if object_name == IMAGE and numpy.isscalar(number) and self._in_file(object_name, feature_name):
            values = self._read_window(object_name, feature_name, number)
            if values is not None:
                return values
        return super().__getitem__(key)

    def _read_window(self, object_name, feature_name, number):
        """Return a site's values from the file, read together with those of the next sites.

        The image table and the digests of files are text, which is read several times per site. None: the
        site has no value, and CellProfiler's own method says so.
        """
        name = (object_name, feature_name)
        with self.lock:
            place = super().get_indices(*name).get(number, (slice(0, 0), 0))[0]
            if place.start == place.stop:
                return None
            start, values = self.windows.get(name, (0, ()))
            if not (start <= place.start and place.stop <= start + len(values)):
                start = place.start
                values = super().get_dataset(*name)[start : max(place.stop, start + WINDOW)]
                self.windows[name] = start, values
            found = values[place.start - start : place.stop - start]
        return found.astype(str) if found.dtype == object else found.copy()

    def _read(self, name, sites, numbers):
        kind = self.types[name]
        if kind is None:  # nothing but empty vectors
            return [numpy.array([]) for _ in numbers]
        found = [sites.get(number) for number in numbers]
        return [None if vector is None or vector.size == 0 else vector.astype(kind) for vector in found]

    def __delitem__(self, key):
        self.write_feature(*key[:2])
        if len(key) == 2:
            self._forget(*key)
        self.windows.pop(key[:2], None)
        self.site = None
        super().__delitem__(key)
        self.features_in_file.pop(key[0], None)

    def _forget(self, object_name, feature_name):
        self.types.pop((object_name, feature_name), None)
        self.written.discard((object_name, feature_name))

    def write_feature(self, object_name, feature_name):
        """Write one feature's numbers to the file and release them."""
        sites = self.held.pop((object_name, feature_name), None)
        if not sites:
            return
        self.held_bytes -= sum(vector.nbytes for vector in sites.values())
        numbers = numpy.array(list(sites))
        self.windows.pop((object_name, feature_name), None)
        super().__setitem__((object_name, feature_name, numbers), list(sites.values()))
        self.written.add((object_name, feature_name))
        self.features_in_file.pop(object_name, None)

    def write_out(self):
        """Write all numbers to the file."""
        for name in list(self.held):
            self.write_feature(*name)

    def drop(self, number, images):
        """Release what is held of a site's objects (and images): it has been written elsewhere."""
        for (object_name, _), sites in self.held.items():
            if images or object_name != "Image":
                vector = sites.pop(number, None)
                self.held_bytes -= 0 if vector is None else vector.nbytes

    def add_all(self, object_name, feature_name, *arguments, **options):
        """Replace a feature for all sites (in the file).

        Parameters
        ----------
        object_name, feature_name
            The object and the feature.
        *arguments, **options
            Further arguments of CellProfiler's method: the values of each site, and others.
        """
        self.write_feature(object_name, feature_name)
        self._forget(object_name, feature_name)
        self.windows.pop((object_name, feature_name), None)
        self.site = None
        super().add_all(object_name, feature_name, *arguments, **options)
        self.features_in_file.pop(object_name, None)

    def add_feature(self, object_name, feature_name):
        """Register a feature without numbers."""
        if (object_name, feature_name) not in self.held:
            super().add_feature(object_name, feature_name)
            self.features_in_file.pop(object_name, None)

    def has_object(self, object_name):
        """Return whether an object has features."""
        return object_name in self.top_level_names()

    def has_feature(self, object_name, feature_name):
        """Return whether a feature exists."""
        name = (object_name, feature_name)
        return name in self.held or self._in_file(*name)

    def get_indices(self, object_name, feature_name):
        """Return the sites that have a feature, as the keys of a dictionary."""
        sites = self.held.get((object_name, feature_name))
        if sites is None:
            return super().get_indices(object_name, feature_name)
        if not self._in_file(object_name, feature_name):
            return sites
        return {**super().get_indices(object_name, feature_name), **sites}

    def get_dataset(self, object_name, feature_name):
        """Return a feature's numbers in the file."""
        self.write_feature(object_name, feature_name)
        return super().get_dataset(object_name, feature_name)

    def get_feature_dtype(self, object_name, feature_name):
        """Return a feature's type."""
        if (object_name, feature_name) in self.held:
            return numpy.dtype(self.types[object_name, feature_name] or int)
        return super().get_feature_dtype(object_name, feature_name)

    def top_level_names(self):
        """Return names of the objects, in the file's (alphabetical) order."""
        return sorted({*super().top_level_names(), *(name for name, _ in self.held)})

    def second_level_names(self, object_name):
        """Return names of an object's features, in the file's (alphabetical) order."""
        held = {feature for name, feature in self.held if name == object_name}
        in_file = super().second_level_names(object_name) if object_name in self.top_group else []
        return sorted({*in_file, *held})

    def reorder(self, object_name, feature_name, image_numbers):
        """Renumber the sites of a feature."""
        self.write_feature(object_name, feature_name)
        self.windows.pop((object_name, feature_name), None)
        self.site = None
        super().reorder(object_name, feature_name, image_numbers)
        self.features_in_file.pop(object_name, None)

    def clear(self):
        """Discard all measurements."""
        self.site = None
        self.held.clear()
        self.types.clear()
        self.written.clear()
        self.windows.clear()
        self.held_bytes = 0
        super().clear()
        self.features_in_file.clear()

    def flush(self):
        """Bring the file up to date, unless it is a temporary one that is never read."""
        if not self.is_temporary:
            self.write_out()
        super().flush()

    def file_contents(self):
        """Return the file's bytes."""
        self.write_out()
        return super().file_contents()

    def close(self):
        """Close the file; a temporary one is deleted with all that is held."""
        if hasattr(self, "hdf5_file") and not self.is_temporary and self.mode != "r":
            self.write_out()
        self.held = {}
        super().close()


def _single(number, values):
    """Return site number and vector of an assignment to a single site, else (number, None)."""
    if not numpy.isscalar(number):
        if len(number) != 1 or len(values) != 1:
            return number, None
        number, values = number[0], values[0]
    if values is None:
        values = []
    vector = numpy.atleast_1d(numpy.asarray(values))
    if vector.ndim != 1 or (vector.size and vector.dtype.kind not in "iuf"):
        return number, None
    return int(number), vector.copy()
