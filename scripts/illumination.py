"""Calculate a plate's illumination functions with CellProfiler, one per channel.

The pipeline (illumination.cppipe) runs over all images of the plate. As published for CPJUMP1
(Chandrasekaran et al., Nature Methods 2024): the mean image, shrunk, smoothed by a median filter.

The script uses only Python 3.8 and its standard library, since it also runs in CellProfiler's container.
"""

import array
import ast
import math
import sys
from pathlib import Path

from lib.cellprofiler import CellProfiler, define_run_options
from lib.cellprofiler_logs import open_log
from lib.errors import InputError, join_names
from lib.files import make_fresh_folder
from lib.pipeline_files import simplify_name

NUMBERS = {"<f4": "f", "<f8": "d", "<u1": "B", "|u1": "B", "<u2": "H"}


def read_npy(path):
    """Return the shape and the values (C order) of a .npy file of little-endian numbers.

    Raises ValueError if the file is truncated or has other content (NumPy's format, version 1-3).
    """
    with path.open("rb") as file:
        magic = file.read(8)
        if magic[:6] != b"\x93NUMPY":
            raise ValueError("it is not a .npy file")
        length = int.from_bytes(file.read(2 if magic[6] == 1 else 4), "little")
        header = ast.literal_eval(file.read(length).decode("latin1"))
        if header["descr"] not in NUMBERS:
            raise ValueError(f"it holds {header['descr']!r} instead of numbers")
        values = array.array(NUMBERS[header["descr"]])
        values.frombytes(file.read())
    if sys.byteorder == "big":
        values.byteswap()
    if len(values) != math.prod(header["shape"]):
        raise ValueError("it is cut off")
    return tuple(header["shape"]), values


def find_function(channel, folder):
    """Return the file that the pipeline wrote for a channel: `Illum{channel}.npy`, with any prefix.

    Capitals and underscores do not count, as in the names of images: `Illum_Brightfield_H` is the function
    of BrightfieldH.
    """
    written = sorted(folder.rglob("*.npy"))
    found = [path for path in written if simplify_name(path.stem).endswith(simplify_name(f"Illum{channel}"))]
    if len(found) != 1:
        raise InputError(
            f"The illumination pipeline wrote {len(found)} files Illum{channel}.npy for channel "
            f"{channel}; it must write one. It wrote: {join_names(path.name for path in written)}."
        )
    return found[0]


def check_functions(channels, folder, plate, apply):
    """Return the file of each channel's illumination function, after a check of its shape and numbers.

    Parameters
    ----------
    channels
        The channels' names.
    folder
        The folder of the functions.
    plate
        The plate's name, for messages.
    apply
        How the functions are applied, `Divide` or another word of CellProfiler's; `own` if a user's pipeline
        applies them, in which case only a function of zeros is known to be useless.

    Raises
    ------
    InputError
        If a function cannot be read, is not one gray image of finite numbers, or cannot be applied; or if the
        functions differ in shape.
    """
    files = {channel: find_function(channel, folder) for channel in channels}
    shapes = {}
    for channel, path in files.items():
        try:
            shapes[channel], values = read_npy(path)
        except ValueError as error:
            raise InputError(f"Plate {plate}: the function of channel {channel}: {error}.") from error
        if len(shapes[channel]) != 2:
            raise InputError(
                f"Plate {plate}: the function of channel {channel} has shape {shapes[channel]}: its "
                "images are not gray. Give the workflow one gray image per channel."
            )
        # A sum is not finite as soon as one of its terms is not.
        if not math.isfinite(sum(values)):
            raise InputError(
                f"Plate {plate}: the function of channel {channel} holds numbers that are not finite. "
                "Are all its images black?"
            )
        zeros = sum(1 for value in values if value <= 0)
        if (zeros and apply == "Divide") or (zeros == len(values) and apply == "own"):
            raise InputError(
                f"Plate {plate}: {zeros:,} of {len(values):,} pixels of the illumination function of channel "
                f"{channel} are 0 or less, and images are divided by it. This happens if pixels are black in "
                "every image (a channel without light, a black frame around the image). Replace the images "
                "of this channel, or remove it from assay.channels in the config; or set "
                "assay.illumination.apply to None."
            )
    if len(set(shapes.values())) > 1:
        raise InputError(f"Plate {plate}: the functions differ in shape: {shapes}.")
    return files


def main(arguments, log):
    """Run the pipeline beside the output and move the functions there, all or none."""
    output = Path(arguments.output).resolve()
    with make_fresh_folder(output / ".part") as part:
        about = f"Plate {arguments.plate}, illumination"
        CellProfiler.of(arguments).run(arguments.load_data, part, log, about)
        for channel, path in check_functions(
            arguments.channels, part, arguments.plate, arguments.apply
        ).items():
            path.replace(output / f"{arguments.plate}_Illum{channel}.npy")


if __name__ == "__main__":
    parser = define_run_options(__doc__)
    parser.add_argument("--plate", required=True)
    parser.add_argument("--channels", required=True, nargs="+")
    parser.add_argument("--apply", default="Divide", help="how the functions are applied to the images")
    options = parser.parse_args()
    with open_log(options.log) as log_file:
        main(options, log_file)
