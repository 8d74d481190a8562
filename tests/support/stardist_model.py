"""Write a small model of StarDist with seeded random weights. It runs in StarDist's environment.

python stardist_model.py FILE.zip

The model is not trained: its objects have no meaning, but they are the same in every run.
"""

import json
import sys
import tempfile
import zipfile
from pathlib import Path

import keras
from stardist.models import Config2D, StarDist2D


def write_model(path: Path) -> None:
    """Write the model as StarDist's authors distribute theirs: a folder as .zip."""
    keras.utils.set_random_seed(0)
    config = Config2D(
        n_rays=8,
        grid=(1, 1),
        unet_n_depth=1,
        unet_n_filter_base=4,
        net_conv_after_unet=8,
        train_patch_size=(32, 32),
    )
    with tempfile.TemporaryDirectory() as folder:
        model = StarDist2D(config, name="model", basedir=folder)
        # Rays of a few pixels: without training, they have hardly any length.
        distances = next(layer for layer in model.keras_model.layers if layer.name == "dist")
        kernel, bias = distances.get_weights()
        distances.set_weights([kernel, bias + 5])
        model.keras_model.save_weights(str(Path(folder, "model", "weights_best.h5")))
        Path(folder, "model", "thresholds.json").write_text(json.dumps({"prob": 0.5, "nms": 0.3}))
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(Path(folder, "model").iterdir()):
                if file.is_file():
                    archive.write(file, file.name)


if __name__ == "__main__":
    write_model(Path(sys.argv[1]))
