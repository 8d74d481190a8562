"""Write small models of the networks that find objects. It runs in the environment of these networks.

python segmentation_models.py instanseg|cellpose FILE

Neither is trained. The model of InstanSeg has no weights: each connected region of bright pixels is an
object, so that its labels are known. That of Cellpose is the real network with seeded random weights; each
tensor of its transformer's blocks holds one number, so that the file is small.
"""

import sys
from pathlib import Path

import torch


class Regions(torch.nn.Module):
    """Labels connected bright regions, with the attributes and the output of InstanSeg's models."""

    def __init__(self, pixel_size: float):
        super().__init__()
        self.pixel_size = pixel_size
        self.cells_and_nuclei = False

    def forward(self, x: torch.Tensor, target_segmentation: torch.Tensor = torch.tensor([1, 1])):  # noqa: B008
        """Return the labels (1, 1, rows, columns) of the regions of the first channel above 0.5."""
        bright = (x[:, :1] > 0.5).float()
        rows, columns = x.shape[2], x.shape[3]
        labels = torch.arange(1, rows * columns + 1, device=x.device).float().reshape(1, 1, rows, columns)
        labels = labels * bright
        for _ in range(rows + columns):
            labels = torch.nn.functional.max_pool2d(labels, 3, 1, 1) * bright
        return labels


def write_instanseg(path: Path, pixel_size: float = 0.5) -> None:
    """Write the model of InstanSeg."""
    torch.jit.script(Regions(pixel_size)).save(str(path))


def write_cellpose(path: Path) -> None:
    """Write the model of Cellpose."""
    from cellpose.vit import CPSAM

    torch.manual_seed(0)
    state = CPSAM().state_dict()
    state["encoder.pos_embed"] = torch.randn(state["encoder.pos_embed"].shape)
    # Large flows, so that pixels gather and make objects.
    state["out.weight"] = state["out.weight"] * 30
    for name, tensor in state.items():
        if name.startswith("encoder.blocks."):
            state[name] = tensor.flatten()[:1].clone().expand(tensor.shape)
    torch.save(state, path)


if __name__ == "__main__":
    {"instanseg": write_instanseg, "cellpose": write_cellpose}[sys.argv[1]](Path(sys.argv[2]))
