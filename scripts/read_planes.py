"""Read stacks, channels of a file and OME-Zarr images for CellProfiler's process, and for the deep networks'.

Each line of the standard input is a question: `{"read": PATH}` or `{"properties": PATH}`, where the path ends
with a reference (`lib.image_references`). The answer is a line of JSON, followed by the pixels' bytes.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import InputError
from lib.planes import get_properties, read_planes


def answer(question: dict[str, str]) -> tuple[dict[str, Any], bytes]:
    """Return the answer to a question, and the bytes that follow it."""
    if "properties" in question:
        found = get_properties(Path(question["properties"]))
        if isinstance(found, str):
            return {"fault": found}, b""
        return {"fault": None, "shape": found[0], "kind": found[1]}, b""
    plane = read_planes(Path(question["read"]))
    pixels = np.ascontiguousarray(plane.pixels)
    pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    header = {"shape": pixels.shape, "dtype": pixels.dtype.str, "kind": plane.kind, "scale": plane.scale}
    return {**header, "bytes": pixels.nbytes}, pixels.tobytes()


def main() -> None:
    """Answer questions until the input ends."""
    # Libraries that print would mix their words into the answers.
    output, sys.stdout = sys.stdout.buffer, sys.stderr
    for line in sys.stdin:
        try:
            header, data = answer(json.loads(line))
        except InputError as error:
            header, data = {"error": str(error)}, b""
        except Exception as error:
            header, data = {"error": f"{line.strip()}: {type(error).__name__}: {error}"}, b""
        output.write(json.dumps(header).encode() + b"\n" + data)
        output.flush()


if __name__ == "__main__":
    main()
