"""Prepare the network that finds nuclei or cells, once per experiment, before any plate.

The model is a file, or one that the authors of Cellpose, InstanSeg or StarDist distribute, which is
downloaded here. It is loaded once, so that a wrong file stops the run before anything is measured. The output
folder contains network.json and a copy of the model, so that the jobs of the plates need no network
connection.
"""

import argparse
import json
import logging
import shutil
from importlib import metadata
from pathlib import Path

from lib.code import digest_of
from lib.errors import InputError
from lib.files import write_whole_folder
from lib.logs import log_to
from lib.segmentation_networks import ABOUT, FINDERS, MODEL, PACKAGES, USUAL_MODELS, load_network

logger = logging.getLogger("platewise")


def main(options: argparse.Namespace) -> None:
    """Find the model, load it, and write it with its description."""
    name = options.model or USUAL_MODELS[options.method]
    file = Path(name) if "/" in name else FINDERS[options.method](name)
    if not file.is_file():
        raise InputError(f"network.model: {file} does not exist.")
    load_network(options.method, file, "cpu", name)
    about = {
        "method": options.method,
        "version": metadata.version(PACKAGES[options.method]),
        "model": name,
        "digest": digest_of([file]),
    }
    with write_whole_folder(Path(options.output)) as folder:
        shutil.copyfile(file, folder / MODEL)
        (folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n")
    logger.info("%s %s with the model %s (%s)", *about.values())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", required=True, choices=sorted(FINDERS))
    parser.add_argument("--model", default="", help="name or file; by default the usual one")
    parser.add_argument("--log", required=True)
    parser.add_argument("--output", required=True)
    arguments = parser.parse_args()
    with log_to(arguments.log):
        main(arguments)
