"""Networks of other groups by name: what `embeddings.preset` sets, and the channels that each network sees.

The table is `config/presets/networks.yaml`.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lib.errors import join_names
from lib.stains import NUCLEI, PAINTING

TABLE = Path(__file__).resolve().parents[2] / "config" / "presets" / "networks.yaml"
STAINS = {"DNA": NUCLEI, **PAINTING}


@cache
def read_network_presets() -> dict[str, dict[str, Any]]:
    """Read the table of presets."""
    return yaml.safe_load(TABLE.read_text())


def add_network_preset(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config whose block `embeddings` has the settings of its preset, unless it gives its own."""
    embeddings, assay = config.get("embeddings"), config.get("assay")
    preset = read_network_presets().get(str((embeddings or {}).get("preset")))
    if not preset:
        return dict(config)
    settings = {"model": embeddings["preset"], **preset["settings"]}
    if preset.get("planes") and isinstance(assay, Mapping):
        found = find_stains(preset["planes"], assay.get("channels") or [])
        if None not in found.values():
            settings["channels"] = list(found.values())
    return {**config, "embeddings": {**settings, **embeddings}}


def find_stains(stains: list[str], channels: list[Mapping[str, Any]]) -> dict[str, str | None]:
    """Find the channel of each stain: the one of that name, or the only one with such a stain.

    Parameters
    ----------
    stains
        Stains of Cell Painting: DNA, RNA, ER, AGP or Mito.
    channels
        The channels of the assay, each with its `name` and perhaps its `stain`.

    Returns
    -------
    The channel by stain; None for a stain that no channel, or several, have.
    """
    names = [str(channel.get("name")) for channel in channels]
    found: dict[str, str | None] = {}
    for stain in stains:
        exact = [name for name in names if name.casefold() == stain.casefold()]
        alike = exact or [
            str(channel.get("name"))
            for channel in channels
            if STAINS[stain].search(str(channel.get("stain") or channel.get("name")))
        ]
        found[stain] = alike[0] if len(alike) == 1 else None
    return found


def find_preset_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Return, as sentences, why a complete config cannot use its preset."""
    embeddings = config.get("embeddings") or {}
    preset = read_network_presets().get(str(embeddings.get("preset")))
    if not preset:
        return
    if not embeddings["weights"].lower().endswith(".onnx"):
        yield (
            f"embeddings: weights: the preset {embeddings['preset']} needs the network as an ONNX file. Its "
            f"weights are at {preset['weights']} (license: {preset['license']}); export them, and set "
            "embeddings.weights to the file."
        )
    if preset.get("planes") and not embeddings["channels"]:
        found = find_stains(preset["planes"], config["assay"]["channels"])
        missing = [stain for stain, channel in found.items() if channel is None]
        yield (
            f"embeddings: channels: the preset {embeddings['preset']} needs the stains "
            f"{join_names(preset['planes'])}, and of {join_names(missing)} the assay has no channel, or "
            "several. Give each channel its `stain`, or name the channels in this order in "
            "embeddings.channels."
        )
