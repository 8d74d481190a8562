"""Resize images of many kinds with CellProfiler's own Resize and with the accelerated one.

It runs in CellProfiler's Python: `python plugins_resize.py PLUGINS`, and prints one JSON object per case:
whether pixels, type, mask, spacing and parent are the same, and whether the fast code was used.
"""

import json
import sys
import warnings

import cellprofiler_core.preferences

cellprofiler_core.preferences.set_headless()

import numpy as np  # noqa: E402
from cellprofiler_core.image import Image, ImageSetList  # noqa: E402
from cellprofiler_core.measurement import Measurements  # noqa: E402
from cellprofiler_core.object import ObjectSet  # noqa: E402
from cellprofiler_core.pipeline import Pipeline  # noqa: E402
from cellprofiler_core.workspace import Workspace  # noqa: E402


def cases():
    """Yield name, image, settings (factor, or height and width) and interpolation."""
    random = np.random.RandomState(0)
    textured = random.rand(216, 180).astype(np.float32)
    mask = random.rand(216, 180) > 0.1
    for name, pixels in (
        ("single", textured),
        ("double", textured.astype(float)),
        ("odd", textured[:201, :173]),
        ("constant", np.full((64, 48), 0.3, np.float32)),
        ("small", textured[:7, :5]),
        ("not contiguous", textured.T),
    ):
        for size in (0.2, 0.25, 0.3, 0.5, 1.0, 2.0, 5.0, (43, 61), (400, 90)):
            yield f"{name}, {size}", Image(pixels.copy(order="K")), size, "Bilinear"
    yield "masked", Image(textured, mask=mask), 0.2, "Bilinear"
    yield "colors", Image(random.rand(60, 50, 3)), 0.2, "Bilinear"
    yield "binary", Image(mask), 0.5, "Bilinear"
    yield "nearest", Image(textured), 0.2, "Nearest Neighbor"
    yield "cubic", Image(textured), 0.2, "Bicubic"


def resized(module, image, size, interpolation):
    """Return the output of a Resize module, or its error."""
    images = ImageSetList()
    image_set = images.get_image_set(0)
    image_set.add("In", image)
    module.x_name.value, module.y_name.value = "In", "Out"
    module.interpolation.value = interpolation
    if isinstance(size, tuple):
        module.size_method.value = "Resize by specifying desired final dimensions"
        module.specific_height.value, module.specific_width.value = size
    else:
        module.size_method.value = "Resize by a fraction or multiple of the original size"
        module.resizing_factor_x.value = module.resizing_factor_y.value = size
    module.show_window = False
    measurements = Measurements(mode="memory")
    workspace = Workspace(Pipeline(), module, image_set, ObjectSet(), measurements, images)
    try:
        module.run(workspace)
        return image_set.get_image("Out")
    except Exception as error:
        return type(error).__name__


def main(plugins):
    """Compare all cases."""
    warnings.simplefilter("ignore")
    from cellprofiler.modules.resize import Resize as BuiltIn

    sys.path.insert(0, plugins)
    from platewise_kernels import resizing
    from resize import Resize

    taken = []
    fast = resizing.resize

    def noting(*arguments):
        found = fast(*arguments)
        taken.append(found is not None)
        return found

    resizing.resize = noting
    for name, image, size, interpolation in cases():
        taken.clear()
        expected, found = (resized(kind(), image, size, interpolation) for kind in (BuiltIn, Resize))
        if isinstance(expected, str) or isinstance(found, str):
            same = isinstance(expected, str) and expected == found
        else:
            same = (
                expected.pixel_data.dtype == found.pixel_data.dtype
                and np.array_equal(expected.pixel_data, found.pixel_data)
                and np.array_equal(expected.mask, found.mask)
                and expected.has_mask == found.has_mask
                and list(expected.spacing) == list(found.spacing)
                and expected.parent_image is found.parent_image
            )
        print(json.dumps({"case": name, "same": bool(same), "fast": any(taken)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
