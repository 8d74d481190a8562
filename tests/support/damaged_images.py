"""Read each image of a folder as CellProfiler's jobs do: `python damaged_images.py FOLDER`, in its Python.

Writes one JSON object to the standard output: by file name, the error, or the shape and sum of the pixels, of
the faster reader and of CellProfiler's own.
"""

import json
import os
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path[:0] = [str(SCRIPTS / "cellprofiler_plugins"), str(SCRIPTS)]

from cellprofiler_runner import starting  # noqa: E402

starting.start(None, sys.argv[1], sys.argv[1], None)

import loaddata  # noqa: E402
from platewise_kernels.checked_image import CheckedImage  # noqa: E402


def read(kind, path):
    """Return the result of the provider `kind` for an image file."""
    provider = kind("DNA", str(path.parent), path.name, rescale=True)
    provider.place = "plate P1, well B02, site 1, image OrigDNA"
    try:
        pixels = provider.provide_image(None).pixel_data
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return [list(pixels.shape), float(pixels.sum())]


found = {
    path.name: [read(kind, path) for kind in (loaddata.PlainImage, CheckedImage)]
    for path in sorted(Path(sys.argv[1]).iterdir())
    if path.is_file()
}
print(json.dumps(found), flush=True)
os._exit(0)
