"""Check that the channels of files which hold several are those that the config means.

A channel is given by its name or by its number in the file. Two names of one channel would give two equal
images of each site, and a number is another channel in a file with another order of channels.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lib.image_checks import Fault, Found, get_location_of_image, make_fault, sample_stored
from lib.image_formats import open_image
from lib.image_references import read_reference
from lib.planes import find_channel

# A file and one of its scenes; and the images that are read from it, by the channel as the config gives it.
Source = tuple[str, str]
Images = Mapping[str, Found]
# The names of a file's channels, and the position of each channel that the config gives.
Channels = tuple[list[str], Mapping[str, int]]


def find_channel_faults(found: Sequence[Found], threads: int) -> list[Fault]:
    """Find images that are the same channel of a file as others, or another channel than in most files.

    Parameters
    ----------
    found
        The images of the plate; of those in object storage, a few are examined. Only files with several
        channels are, and only if a channel is given by its number, or two names differ only in
        capitalization.
    threads
        How many files are opened at once.
    """
    sources: dict[Source, dict[str, Found]] = defaultdict(dict)
    on_disk = [image for image in found if isinstance(image.path, Path)]
    for image in (*on_disk, *sample_stored(found)):
        files, options = read_reference(image.path.name)
        if "channel" in options:
            place = str(Path(get_location_of_image(image)).parent / files[0])
            sources[place, options.get("scene", "")][options["channel"]] = image
    labels = {label for images in sources.values() for label in images}
    if not any(label.isdigit() for label in labels) and len({name.casefold() for name in labels}) == len(
        labels
    ):
        return []
    # The scenes of a file have the same channels.
    in_file: dict[str, dict[str, None]] = defaultdict(dict)
    for (place, _), images in sources.items():
        in_file[place] |= dict.fromkeys(images)
    with ThreadPoolExecutor(threads) as pool:
        of_file = dict(zip(in_file, pool.map(find_channels, in_file, in_file.values()), strict=True))
    channels = []
    for (place, _), images in sources.items():
        names, positions = of_file[place]
        channels.append((names, {label: at for label, at in positions.items() if label in images}))
    faults = find_equal_channels(sources.values(), channels)
    return faults + find_other_orders(sources.values(), channels)


def find_channels(file: str, labels: Iterable[str]) -> Channels:
    """Return the names of a file's channels, and the position of each channel that the config gives."""
    positions = {}
    try:
        with open_image(Path(file), "C") as opened:
            for label in labels:
                positions[label] = find_channel(opened, label)
            return list(opened.channels), positions
    except Exception:
        # The file's check, which opens it as well, reports what is wrong with it.
        return [], {}


def find_equal_channels(sources: Sequence[Images], channels: Sequence[Channels]) -> list[Fault]:
    """Return the faults of images that are the same channel of their file as another one."""
    faults = []
    for images, (_, positions) in zip(sources, channels, strict=True):
        for label, position in positions.items():
            other = next((each for each, at in positions.items() if at == position and each != label), None)
            if other is not None:
                faults.append(
                    make_fault(
                        images[label],
                        f"is channel {position + 1} of its file, as is the image of channel "
                        f"{images[other].channel}: correct `image` ({label}, {other}) in assay.channels",
                    )
                )
    return faults


def find_other_orders(sources: Sequence[Images], channels: Sequence[Channels]) -> list[Fault]:
    """Return the faults of images whose number means another channel in their file than in most files."""
    names: dict[str, Counter[str]] = defaultdict(Counter)
    for of_file, positions in channels:
        for label, at in positions.items():
            if label.isdigit() and at < len(of_file):
                names[label][of_file[at]] += 1
    faults = []
    for images, (of_file, positions) in zip(sources, channels, strict=True):
        for label, at in positions.items():
            if label not in names or at >= len(of_file):
                continue
            usual = names[label].most_common(1)[0][0]
            if usual and of_file[at] != usual and usual in of_file:
                faults.append(
                    make_fault(
                        images[label],
                        f"is called {of_file[at]} in its file, where channel {label} of most files is "
                        f"{usual}: give the names of the channels as `image` in assay.channels, instead of "
                        "numbers",
                    )
                )
    return faults
