"""Write what ExportToSpreadsheet would write as Arrow tables, site by site.

Names, order and choice of columns are those that the pipeline's ExportToSpreadsheet modules are set to.
A table holds one row per object (or per site: Image), measurements as float64, as in CellProfiler, and
record batches of about `BATCH` rows, so that thousands of columns are written and read quickly.
"""

import base64
import logging
import sys
from pathlib import Path

import numpy

# Rows after which a table's rows are written: many, since each column of a batch costs some time.
BATCH = 1000
PLUGINS = Path(__file__).resolve().parents[1] / "cellprofiler_plugins"
IMAGE, EXPERIMENT, RELATIONSHIPS = "Image", "Experiment", "Object relationships"
IMAGE_NUMBER, OBJECT_NUMBER = "ImageNumber", "ObjectNumber"


def get_exporters(pipeline):
    """Return the pipeline's ExportToSpreadsheet modules."""
    return [module for module in pipeline.modules() if module.module_name == "ExportToSpreadsheet"]


def get_data_sets(module, objects):
    """Return what a module exports, as (name, settings group): all of `objects`, or those it lists."""
    if module.wants_everything.value:
        return [(name, None) for name in (IMAGE, EXPERIMENT, RELATIONSHIPS, *objects)]
    return [(group.name.value, group) for group in module.object_groups]


def find_obstacle(module, objects):
    """Return why a module's tables cannot be replaced by Arrow tables, or None."""
    if module.delimiter.value != 'Comma (",")':
        return "its delimiter is not a comma"
    if module.directory.dir_choice != "Default Output Folder":
        return "it writes to a separate folder"
    if module.wants_prefix.value:
        return "it puts a prefix before the names of its files"
    if module.wants_genepattern_file.value:
        return "it writes a GenePattern file"
    for at, (name, group) in enumerate(get_data_sets(module, objects)):
        if group is None:
            continue
        if not module.last_in_file(at):
            return f"it puts {name} and another object into one table"
        if not group.wants_automatic_file_name.value and group.file_name.value != f"{name}.csv":
            return f"it names the table of {name} {group.file_name.value}"
    return None


class Tables:
    """The Arrow tables of a run; `None` if a module's settings require other files."""

    def __init__(self, pipeline, folder):
        self.folder = Path(folder)
        self.modules = get_exporters(pipeline)
        columns = [column[:2] for column in pipeline.get_measurement_columns()]
        objects = sorted({name for name, _ in columns} - {IMAGE, EXPERIMENT, RELATIONSHIPS})
        self.obstacle = None
        self.image = None
        self.objects = {}
        for module in self.modules:
            reason = find_obstacle(module, objects)
            sets = get_data_sets(module, objects)
            twice = {name for name, _ in sets} & {*self.objects, *([IMAGE] if self.image else [])}
            if twice:
                reason = f"another one writes the table {sorted(twice)[0]}, too"
            if reason:
                self.obstacle = f"ExportToSpreadsheet (module {module.module_num}): {reason}"
                return
            for name, _ in sets:
                if name == IMAGE:
                    self.image = ImageTable(module)
                elif name not in (EXPERIMENT, RELATIONSHIPS):
                    self.objects[name] = ObjectTable(name, module, columns)

    def write(self, measurements, number):
        """Write the rows of a site."""
        for table in self.objects.values():
            table.add(measurements, number)
            if table.rows >= BATCH:
                table.flush(self.folder)
        if self.image is not None:
            self.image.add(measurements, number)

    def close(self):
        """Write the waiting rows and finish the files."""
        for table in self.objects.values():
            table.close(self.folder)
        if self.image is not None:
            self.image.close(self.folder)

    def export_others(self, module, workspace):
        """Write a module's output at the end of a run, without the tables that are written here."""
        for name, group in get_data_sets(module, ()):
            # Relationships are not a measurement type: they are exported if the module lists them.
            wanted = name == EXPERIMENT or (name == RELATIONSHIPS and group is not None)
            if wanted:
                module.run_objects([name], workspace, group)


class ObjectTable:
    """One object set's table."""

    def __init__(self, name, module, columns):
        self.name = name
        of_image = sorted(feature for owner, feature in columns if owner == IMAGE)
        self.repeated = [
            feature
            for wanted, start in (
                (module.add_metadata.value, ("Metadata_",)),
                (module.add_filepath.value, ("PathName_", "FileName_")),
            )
            for feature in of_image
            if wanted and feature.startswith(start)
        ]
        # Each once: a feature that two modules measure is a duplicate among the columns.
        self.features = sorted(
            set(module.filter_columns([feature for owner, feature in columns if owner == name], name))
        )
        self.infinite_is_missing = module.nan_representation.value == "Null"
        self.writer = None
        self.empty()

    def empty(self):
        """Release the rows that were written."""
        self.rows = 0
        self.sites = []
        self.vectors = []

    def add(self, measurements, number):
        """Add a site's objects."""
        feature = f"Count_{self.name}"
        # A site that FlagImage skips has none; if it is the first site, no site has one yet.
        known = measurements.has_feature(IMAGE, feature)
        count = measurements.get_measurement(IMAGE, feature, number) if known else None
        count = 0 if count is None or numpy.isnan(count) else int(count)
        if count == 0:
            return
        repeated = [
            format_measurement(measurements.get_measurement(IMAGE, name, number)) for name in self.repeated
        ]
        held = measurements.hdf5_dict.held
        vectors = []
        for feature in self.features:
            vector = held.get((self.name, feature), {}).get(number)
            if vector is None and measurements.has_feature(self.name, feature):
                vector = measurements.get_measurement(self.name, feature, number)
            if vector is None or len(vector) != count:
                column = numpy.full(count, numpy.nan)
                if vector is not None:
                    column[: len(vector)] = vector[:count]
                vector = column
            vectors.append(vector)
        self.sites.append((number, count, repeated))
        self.vectors.append(vectors)
        self.rows += count

    def flush(self, folder):
        """Write the waiting rows as one record batch."""
        import pyarrow

        counts = numpy.array([count for _, count, _ in self.sites], int)
        numbers = numpy.array([number for number, _, _ in self.sites], numpy.int64)
        columns = [
            pyarrow.array(numpy.repeat(numbers, counts)),
            pyarrow.array(numpy.concatenate([numpy.arange(1, count + 1) for count in [0, *counts]])),
        ]
        for at in range(len(self.repeated)):
            texts = [text[at] for _, count, text in self.sites for _ in range(count)]
            columns.append(pyarrow.array(texts, pyarrow.string()))
        for at in range(len(self.features)):
            parts = [vectors[at] for vectors in self.vectors]
            values = numpy.concatenate(parts).astype(float, copy=False) if parts else numpy.empty(0)
            if self.infinite_is_missing:
                values = numpy.where(numpy.isfinite(values), values, numpy.nan)
            columns.append(pyarrow.array(values))
        names = [IMAGE_NUMBER, OBJECT_NUMBER, *self.repeated, *self.features]
        batch = pyarrow.RecordBatch.from_arrays(columns, names)
        if self.writer is None:
            self.writer = pyarrow.ipc.new_file(str(folder / f"{self.name}.arrow"), batch.schema)
        self.writer.write_batch(batch)
        self.empty()

    def close(self, folder):
        """Write the rest and finish the file; a table without a row has its columns."""
        if self.rows or self.writer is None:
            self.flush(folder)
        self.writer.close()


class ImageTable:
    """The table of sites; written at the end, since a later site may be the first to have a column."""

    def __init__(self, module):
        self.module = module
        self.rows = []
        self.names = {}
        wanted = (
            ("Mean", module.wants_aggregate_means),
            ("Median", module.wants_aggregate_medians),
            ("StDev", module.wants_aggregate_std),
        )
        self.aggregates = [name for name, setting in wanted if setting.value]

    def add(self, measurements, number):
        """Add a site's measurements."""
        values = {IMAGE_NUMBER: int(number)}
        for name in measurements.get_feature_names(IMAGE):
            values[name] = measurements.get_measurement(IMAGE, name, number)
        values.update(measurements.compute_aggregate_measurements(number, self.aggregates))
        # The sites share one copy of their column names.
        names = self.names.setdefault(tuple(values), tuple(values))
        self.rows.append((names, list(values.values())))

    def close(self, folder):
        """Write the table."""
        import pyarrow

        names = {name for names, _ in self.rows for name in names}
        rows = [dict(zip(names, values)) for names, values in self.rows]
        columns = {}
        for name in self.module.filter_columns(sorted({IMAGE_NUMBER, *names}), IMAGE):
            columns[name] = make_image_column(name, [row.get(name) for row in rows])
        table = pyarrow.table({name: pyarrow.array(*column) for name, column in columns.items()})
        with pyarrow.ipc.new_file(str(folder / f"{IMAGE}.arrow"), table.schema) as writer:
            writer.write_table(table)


def make_image_column(name, values):
    """Return values and pyarrow type of a column of the Image table: numbers, or text as in CSV."""
    import pyarrow

    numbers = [value for value in values if value is not None]
    if name.startswith("Metadata_") or not all(is_number(value) for value in numbers):
        return [format_measurement(value) for value in values], pyarrow.string()
    if len(numbers) == len(values) and all(isinstance(value, (int, numpy.integer)) for value in numbers):
        return [int(value) for value in values], pyarrow.int64()
    return [numpy.nan if value is None else float(value) for value in values], pyarrow.float64()


def is_number(value):
    """Return whether a measurement of an image is a single number."""
    return numpy.isscalar(value) and not isinstance(value, (str, bytes))


def format_measurement(value):
    """Return a measurement of an image as ExportToSpreadsheet writes it."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, numpy.ndarray) and value.dtype == numpy.uint8:
        return base64.b64encode(value.data).decode()
    return str(value)


def can_write_early(pipeline):
    """Return whether a site's measurements can be written and dropped as soon as the next site starts.

    They cannot if a module looks back at earlier sites at the end of a group or of the run (tracking,
    statistics, databases), or may do so since it is not CellProfiler's. The result is (whether objects'
    measurements can be dropped, whether images' can).
    """
    from cellprofiler_core.module import Module

    # These look back at images, not at measurements, ...
    of_images = {
        "ExportToSpreadsheet",
        "CorrectIlluminationCalculate",
        "MakeProjection",
        "SaveImages",
        "Tile",
    }
    # ... and this one at measurements of images.
    of_image_measurements = {"MeasureImageQuality"}
    looking_back = set()
    for module in pipeline.modules():
        if not is_known(type(module)):
            logging.info("Measurements are kept to the end for the plugin %s", module.module_name)
            return False, False
        overrides = any(
            getattr(type(module), name) is not getattr(Module, name) for name in ("post_group", "post_run")
        )
        if overrides:
            looking_back.add(module.module_name)
    if looking_back - of_images - of_image_measurements:
        logging.info("Measurements are kept to the end for %s", ", ".join(sorted(looking_back - of_images)))
        return False, False
    return True, not looking_back & of_image_measurements


def is_known(kind):
    """Return whether a module is CellProfiler's or one of `PLUGINS`."""
    file = getattr(sys.modules[kind.__module__], "__file__", None) or "/"
    return kind.__module__.startswith(("cellprofiler.", "cellprofiler_core.")) or (
        Path(file).resolve().parent == PLUGINS
    )
