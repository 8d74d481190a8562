"""Run a CellProfiler pipeline over some rows of an image table through CellProfiler's own Pipeline.

It does what CellProfiler's command line does, with the same modules, settings and numbers, except that

* it starts with what the pipeline needs (`cellprofiler_runner.starting`),
* it writes the tables of ExportToSpreadsheet as Arrow tables, site by site, and releases what it has
  written (`cellprofiler_runner.tables`), so that memory does not grow with the number of sites,
* it reports the current site (`cellprofiler_runner.progress`),
* and an error in a module or in the pipeline ends it, with the module, plate, well and site.

ImageNumber is the row of the image table or, where the pipeline groups images by their metadata, the position
in the order of the groups (the order of text). The done-file says `Complete` only at the end of a run without
an error. It runs in CellProfiler's Python (3.9), with pyarrow beside it.
"""

import argparse
import gc
import logging
import os
import sys
import traceback
from pathlib import Path

from cellprofiler_runner import starting
from cellprofiler_runner.loading import load
from cellprofiler_runner.morphology import MorphologyFinder
from cellprofiler_runner.progress import Progress
from cellprofiler_runner.rows import limit_rows
from lib.errors import InputError
from lib.sites import get_barcode

HERE = Path(__file__).resolve().parent
REMEDY = "With `engine: stock` in the config's `cellprofiler` block, CellProfiler's command line runs it."


class RunError(Exception):
    """Why the run ended early."""


def run(pipeline, first, last, output, progress):
    """Run a pipeline over rows `first` to `last` (from 1) and write its tables to a folder.

    Raises
    ------
    RunError
        When a module fails, before, during or after the sites.
    """
    from cellprofiler_runner.tables import Tables, can_write_early

    tables = Tables(pipeline, output)
    if tables.obstacle:
        logging.info("%s: the tables are written as CSV at the end.", tables.obstacle)
    objects_go, images_go = (
        can_write_early(pipeline) if tables.modules and not tables.obstacle else (False, False)
    )
    if not tables.obstacle:
        replace_exports(tables, objects_go)
    limit_rows(pipeline, first, last)
    problems = collect_problems(pipeline, progress)

    def begin(module, _, __, sites):
        # Pipelines are saved with their windows open. A job has none: no module collects data to show there.
        # (The pipeline's text, which is among the measurements, is unchanged.)
        module.show_window = False
        progress.in_module(module.module_name, sites)

    measurements = create_measurements(first, tables, objects_go, images_go, progress)
    steps = pipeline.run_with_yield(
        image_set_start=first,
        image_set_end=last,
        run_in_background=False,
        status_callback=begin,
        initial_measurements=measurements,
    )
    for _ in steps:
        pass
    if problems:
        raise RunError("\n".join(problems))
    status = get_exit_status(measurements)
    if status != "Complete":
        raise RunError(
            f"CellProfiler ended at {progress} without an error, but did not finish ({status}). {REMEDY}"
        )
    measurements.close()
    progress.finish_site()


def create_measurements(first, tables, objects_go, images_go, progress):
    """Create CellProfiler's measurements of a run, of which each site's are moved to the tables.

    Parameters
    ----------
    first
        The first row of the image table, from 1.
    tables
        The tables that are written.
    objects_go, images_go
        Whether the measurements of a site's objects, and of its images, are dropped once they are written.
    progress
        Where the run is.
    """
    from platewise_kernels.measurement_store import HeldMeasurements

    class SiteMeasurements(HeldMeasurements):
        """CellProfiler's measurements; those of a site are moved to the tables when the next one starts."""

        at = None

        def next_image_set(self, explicit_image_set_number=None):
            self.write_site()
            super().next_image_set(explicit_image_set_number)
            self.at = self.image_set_number
            progress.site(self.at, place_of(self, self.at))

        def write_site(self):
            if objects_go and self.at is not None:
                tables.write(self, self.at)
                self.hdf5_dict.drop(self.at, images=images_go)
            self.at = None

    measurements = SiteMeasurements(image_set_start=first)
    measurements.is_first_image = True
    return measurements


def replace_exports(tables, written_early):
    """Let the modules that export tables write what is left, and close the tables, at the end of the run."""

    def post_run(module):
        def export(workspace):
            if module is tables.modules[0]:
                workspace.measurements.write_site()
                if not written_early:
                    for number in workspace.measurements.get_image_numbers():
                        tables.write(workspace.measurements, number)
                tables.close()
            tables.export_others(module, workspace)

        return export

    for module in tables.modules:
        module.post_run = post_run(module)


def collect_problems(pipeline, progress):
    """Return the list to which the pipeline's errors are added while it runs."""
    from cellprofiler_core.pipeline import (
        PostRunException,
        PrepareRunError,
        PrepareRunException,
        RunException,
    )

    problems = []

    def listen(_, event):
        module = getattr(event, "module", None)
        name = "CellProfiler" if module is None else f"{module.module_name} (module {module.module_num})"
        if isinstance(event, PrepareRunError):
            problems.append(f"{name}: {event.message}")
        elif isinstance(event, RunException):
            when = f"at {progress}"
            if isinstance(event, PrepareRunException):
                when = "before the first site"
            elif isinstance(event, PostRunException):
                when = "after the last site"
            problems.append(f"{name} failed {when}: {type(event.error).__name__}: {event.error}")

    pipeline.add_listener(listen)
    return problems


def get_exit_status(measurements):
    """Return the status with which CellProfiler ended the run."""
    from cellprofiler_core.constants.measurement import EXPERIMENT
    from cellprofiler_core.constants.pipeline import EXIT_STATUS

    if measurements.has_feature(EXPERIMENT, EXIT_STATUS):
        return measurements.get_experiment_measurement(EXIT_STATUS)
    return "Failure"


def place_of(measurements, number):
    """Return plate, well and site of an image set, if the image table has them."""
    place = {}
    for name in ("Plate", "Well", "Site"):
        if measurements.has_feature("Image", f"Metadata_{name}"):
            value = measurements.get_measurement("Image", f"Metadata_{name}", number)
            place[name.lower()] = get_barcode(value) if name == "Plate" else str(value)
    return place


def main(arguments):
    """Run the pipeline, write the done-file, and return the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    sys.path.append(str(HERE / "cellprofiler_plugins"))
    progress = Progress(arguments.progress)
    progress.in_module("starting", None)
    # The imports leave no garbage; collecting it takes a tenth of the start.
    gc.disable()
    try:
        starting.keep_freed_memory()
        starting.start(arguments.plugins, arguments.temporary, arguments.output, arguments.data_file)
        from platewise_kernels import library, measurement_store

        sys.meta_path.insert(0, MorphologyFinder(library.get_folders()))
        measurement_store.install()
        pipeline = load(arguments.pipeline)
        gc.freeze()
        gc.enable()
        run(pipeline, arguments.first, arguments.last, arguments.output, progress)
        outcome = "Complete"
    except (RunError, InputError) as error:
        outcome = str(error)
    except Exception as error:  # any error is also written to the done-file
        traceback.print_exc(file=sys.stdout)
        outcome = f"{type(error).__name__} at {progress}: {error}"
    print(outcome, flush=True)
    progress.write("complete" if outcome == "Complete" else "failed")
    Path(arguments.done).write_text(outcome + "\n")
    return 0 if outcome == "Complete" else 1


def make_absolute(path):
    """Return a path that does not depend on the current folder."""
    return Path(path).resolve()


def define_options():
    """Define the script's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--pipeline", required=True, type=make_absolute, help="a .cppipe that starts with LoadData"
    )
    parser.add_argument("--data-file", required=True, type=make_absolute, help="the image table")
    parser.add_argument("--first", type=int, default=1, help="the first row, from 1")
    parser.add_argument("--last", type=int, help="the last row; all if not given")
    parser.add_argument("--output", required=True, type=make_absolute, help="the folder of the tables")
    parser.add_argument("--temporary", required=True, type=make_absolute, help="a folder for temporary files")
    parser.add_argument("--plugins", type=make_absolute, help="a folder of CellProfiler modules")
    parser.add_argument("--progress", type=make_absolute, help="the file that says where the run is")
    parser.add_argument(
        "--done", required=True, type=make_absolute, help="the file that says how the run ended"
    )
    return parser


if __name__ == "__main__":
    status = main(define_options().parse_args())
    starting.stop()
    sys.stdout.flush()
    # What CellProfiler left running (threads of Java) must not keep the job alive.
    os._exit(status)
