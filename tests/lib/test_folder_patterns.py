"""Files whose wells, planes, time points or channels are in the names of the folders above them."""

from itertools import product
from pathlib import Path
from uuid import UUID

import pytest

from lib.folder_patterns import guess_pattern_of_paths
from lib.image_names import compile_pattern
from lib.name_patterns import read_key

pytestmark = pytest.mark.unit


def paths(form: str, **values: object) -> list[str]:
    """All paths of a form, over the product of the values; `{i}` is an identifier of MetaXpress."""
    every = product(("A", "B"), (1, 12), *values.values())
    return [
        form.format(r=r, c=c, i=UUID(int=7**9 + 7**33 * number), **dict(zip(values, rest, strict=True)))
        for number, (r, c, *rest) in enumerate(every)
    ]


@pytest.mark.parametrize(
    ("files", "path", "expected", "folders"),
    [
        # Micro-Manager 1.4 and 2.0.
        (
            paths("P/{r}{c}-Site_{s}/img_000000000_{w}_000.tif", s=(0, 1), w=("DAPI", "GFP")),
            "P/B12-Site_1/img_000000000_GFP_000.tif",
            ("", "B12", "1", "", "", "GFP"),
            1,
        ),
        (
            [
                f"P/{r}{c}-Site_{s}/img_channel00{w}_position{n:03d}_time000000000_z00{z}.tif"
                for n, (r, c, s) in enumerate(product("AB", (1, 12), (0, 1)))
                for w, z in product((0, 1), (0, 1))
            ],
            "P/B12-Site_1/img_channel001_position007_time000000000_z000.tif",
            ("", "B12", "1", "000", "", "001"),
            1,
        ),
        (
            paths("x/{r}{c:02d}/site{s}_{w}.tif", s=(1, 2), w=("DAPI", "GFP")),
            "x/B12/site2_GFP.tif",
            ("", "B12", "2", "", "", "GFP"),
            1,
        ),
        (
            paths("x/{r}{c:02d}/field_{s}/{w}.tif", s=(1, 2), w=("DAPI", "GFP")),
            "x/B12/field_2/GFP.tif",
            ("", "B12", "2", "", "", "GFP"),
            2,
        ),
        # MetaXpress without its index, with and without identifiers and projections.
        (
            paths("X/TimePoint_{t}/ZStep_{z}/X_{r}{c:02d}_s1_w{w}{i}.tif", t=(1, 2), z=(1, 2), w=(1, 2)),
            paths("X/TimePoint_{t}/ZStep_{z}/X_{r}{c:02d}_s1_w{w}{i}.tif", t=(1, 2), z=(1, 2), w=(1, 2))[-1],
            ("", "B12", "1", "2", "2", "2"),
            2,
        ),
        (
            paths("X/TimePoint_{t}/X_{r}{c:02d}_w{w}.TIF", t=(1, 2), w=(1, 2)),
            "X/TimePoint_2/X_B12_w1.TIF",
            ("", "B12", "", "", "2", "1"),
            1,
        ),
        (
            paths(
                "v1_images_z_{z:02d}/03212011_{r}{c:02d}_s{s}_w{w}{i}.tif", z=(0, 16, 33), s=(1, 2), w=(1, 2)
            ),
            paths(
                "v1_images_z_{z:02d}/03212011_{r}{c:02d}_s{s}_w{w}{i}.tif", z=(0, 16, 33), s=(1, 2), w=(1, 2)
            )[0],
            ("", "A01", "1", "00", "", "1"),
            1,
        ),
        # A folder per channel.
        (
            paths("P{p}/{w}/{r}{c:02d}.tif", p=(1, 2), w=("DAPI", "Alexa 488")),
            "P2/Alexa 488/B12.tif",
            ("", "B12", "", "", "", "Alexa 488"),
            1,
        ),
        (
            paths("24278-{w}/{r}{c}_s{s}.tif", w=("Hoechst", "Mito"), s=(1, 2)),
            "24278-Mito/B12_s2.tif",
            ("", "B12", "2", "", "", "Mito"),
            1,
        ),
        # Names that say everything, and plates in folders of their own.
        (
            paths("P{p}/{r}{c:02d}_w{w}.tif", p=(1, 2), w=(1, 2)),
            "P2/B12_w1.tif",
            ("", "B12", "", "", "", "1"),
            0,
        ),
        (
            paths("T{p}/{r}{c:02d}_{w}.tif", p=(1, 2), w=("DAPI", "GFP")),
            "T2/B12_GFP.tif",
            ("", "B12", "", "", "", "GFP"),
            0,
        ),
    ],
)
def test_folders_are_understood(files, path, expected, folders):
    found = guess_pattern_of_paths(files)
    assert (found.keys[path], found.folders) == (expected, folders)
    assert set(found.keys) == set(files)
    # As load_data reads them, below the folder of the plate.
    below = "/".join(Path(path).parts[-1 - folders :])
    assert read_key(compile_pattern(found.pattern, 2).search(below)) == expected


def test_projections_of_metaxpress_are_not_planes():
    form = "ZStep_{z}/X_{r}{c:02d}_w{w}.tif"
    planes = paths(form, z=(1, 2), w=(1, 2))
    assert set(guess_pattern_of_paths([*planes, *paths(form, z=(0,), w=(1, 2))]).keys) == set(planes)
    # A channel of which there is only the projection is kept.
    files = [*planes, *paths(form, z=(0,), w=(3,))]
    assert set(guess_pattern_of_paths(files).keys) == set(files)


@pytest.mark.parametrize(
    "files",
    [
        # Plates and batches, whose names look like wells.
        [f"P{p}/img_{s:03d}.tif" for p, s in product((1, 2), range(4))],
        [f"B{p}/{w}_{s}.tif" for p, s, w in product((1, 2), range(4), ("DAPI", "GFP"))],
        # A grid of positions of Micro-Manager, and scenes of Keyence.
        [
            f"Pos_{p:03d}_{s:03d}/img_channel000_position00{p}_time0_z0.tif"
            for p, s in product((0, 1), (0, 1))
        ],
        [f"XY{p:02d}/XY{p:02d}_0000{s}_CH1.tif" for p, s in product((1, 2), (1, 2))],
    ],
)
def test_no_well_is_invented(files):
    assert guess_pattern_of_paths(files) is None
