"""Pictures of cells: reading images as CellProfiler does, contrast, colors, the choice of wells."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

import plot_montages
import plot_segmentation
import segmentation_sites
from lib.errors import InputError
from lib.illumination import correct
from lib.pictures import (
    Montage,
    Tile,
    choose_colors,
    choose_wells,
    compose,
    draw_montage,
    find_contrast,
    read_image,
    resize_lines,
    resize_to_tile,
    round_length,
    stretch,
)
from lib.schema import read_schema, walk
from plot_illumination import (
    LOCAL,
    average_strips,
    find_cells_in_functions,
    find_problem,
    measure_shading,
    suggest_remedy,
)

pytestmark = pytest.mark.unit


def test_images_are_read_from_0_to_1(tmp_path):
    values = np.array([[0, 51], [102, 255]], dtype=np.uint8)
    tifffile.imwrite(tmp_path / "8.tif", values)
    tifffile.imwrite(tmp_path / "16.tiff", values.astype(np.uint16) * 257)
    Image.fromarray(values).save(tmp_path / "8.png")
    Image.fromarray(np.repeat(values[..., None], 3, axis=-1)).save(tmp_path / "rgb.png")
    palette = Image.fromarray(values, mode="P")
    palette.putpalette([level for level in range(256) for _ in range(3)])
    palette.save(tmp_path / "palette.tif")
    for name in ("8.tif", "16.tiff", "8.png", "rgb.png", "palette.tif"):
        image = read_image(tmp_path / name)
        assert image.dtype == np.float32
        np.testing.assert_allclose(image, [[0, 0.2], [0.4, 1]], err_msg=name, atol=1e-6)
    (tmp_path / "no.tif").write_text("no image")
    with pytest.raises(InputError, match=r"no\.tif cannot be read as an image"):
        read_image(tmp_path / "no.tif")


def test_correction_contrast_and_size_by_hand():
    image, function = np.array([[0.2, 0.8]]), np.array([[2.0, 0.5]])
    assert correct(image, function, "Divide")[0].tolist() == pytest.approx([0.1, 1])
    assert correct(image, function, "Subtract")[0].tolist() == pytest.approx([0, 0.3])
    assert correct(image, None, "None") is image
    assert stretch(np.array([0.1, 0.2, 0.4]), (0.1, 0.3)).tolist() == pytest.approx([0, 0.5, 1])
    assert find_contrast([np.full((4, 4), 0.2), np.full((4, 4), 0.2), np.ones((4, 4))], 5, 75) == (0.2, 1)
    assert find_contrast([np.zeros((4, 4))]) == (0, 1e-6)
    assert resize_to_tile(np.ones((100, 50)), 20).shape == (20, 10)
    assert resize_to_tile(np.eye(2), 5).tolist() == np.eye(2).repeat(2, 0).repeat(2, 1).tolist()
    lines = np.zeros((100, 100), dtype=bool)
    lines[37] = True
    assert resize_lines(lines, (10, 10)).sum(axis=1).tolist() == [0, 0, 0, 10, 0, 0, 0, 0, 0, 0]
    assert [round_length(length) for length in (9.9, 27, 51, 0.3)] == [5, 20, 50, 0.2]


def channel(name, stain="", **more):
    return {"name": name, "stain": stain, **more}


def test_colors_of_channels():
    painting = [channel(name, "a dye") for name in ("DNA", "ER", "RNA", "AGP", "Mito")]
    chosen = choose_colors([*painting, channel("Brightfield", "none"), channel("HighZBF", "none")])
    assert list(chosen) == ["DNA", "ER", "RNA", "AGP", "Mito"]
    assert len(set(chosen.values())) == 5
    assert list(choose_colors([channel("Phase", "phase contrast")])) == ["Phase"]
    own = choose_colors([channel("DNA"), channel("GFP", color="#00FF00"), channel("Dead", color="none")])
    assert own == {"DNA": "#3366FF", "GFP": "#00FF00"}
    assert len(set(choose_colors([channel("DNA"), channel("GFP"), channel("Cy5")]).values())) == 3


def test_a_composite_keeps_its_hue_where_it_is_bright():
    images = {"A": np.array([[1.0, 0.5]]), "B": np.array([[1.0, 0.0]])}
    picture = compose(images, {"A": "#FF8000", "B": "#FF0000"})
    assert picture[0, 0].tolist() == pytest.approx([1, 128 / 255 / 2, 0])
    assert picture[0, 1].tolist() == pytest.approx([0.5, 64 / 255, 0])


def test_wells_are_chosen_controls_first_then_the_strongest():
    wells = pd.DataFrame(
        {
            "well": ["A01", "A02", "A03", "B01", "B02", "B03", "B04"],
            "kind": ["negcon", "negcon", "poscon", "", "", "", ""],
            "sample": ["DMSO", "DMSO", "P", "X", "X", "Y", "Z"],
            "rank": [0, 0, 0, -3.0, -2.5, -2.0, -1.0],
        }
    )
    rng = np.random.default_rng(0)
    chosen = choose_wells(wells, [], 1, 3, "negcon", rng)
    assert chosen[0] in ("A01", "A02")
    assert chosen[1:] == ["A03", "B01", "B03", "B04"]
    assert choose_wells(wells, [], 0, 9, "negcon", rng) == ["B01", "B03", "B04", "B02"]
    assert choose_wells(wells, ["B02", "A01"], 1, 1, "negcon", rng) == ["B02", "A01"]
    with pytest.raises(InputError, match="The wells C09, which the config names, have no image"):
        choose_wells(wells, ["C09"], 1, 1, "negcon", rng)


def test_the_segmentation_check_names_what_is_in_its_wells():
    images = pd.DataFrame({"Metadata_Well": ["A01", "A02", "A02", "C03"]})
    known = pd.DataFrame(
        {
            "well": ["A01", "A02", "A03"],
            "broad_sample": ["DMSO", "X", "Y"],
            "control_type": ["negcon", None, None],
            "pert_iname": ["DMSO", "aspirin", "b"],
        }
    )
    wells = segmentation_sites.find_candidates(images, known, "control_type", "negcon")
    assert wells["well"].tolist() == ["A01", "A02", "C03"]
    assert wells["kind"].tolist() == ["negcon", "", ""]
    assert wells["name"].tolist() == ["DMSO", "aspirin", ""]


def experiment(tmp_path, channels, size, dtype):
    """Images and functions of wells A01 and A02, one site each."""
    generator = np.random.default_rng(0)
    rows, functions = [], {}
    for well in ("A01", "A02"):
        row = {"Metadata_Plate": "P", "Metadata_Well": well, "Metadata_Site": "1"}
        for name in channels:
            image = generator.integers(0, np.iinfo(dtype).max, size).astype(dtype)
            tifffile.imwrite(tmp_path / f"{well}_{name}.tif", image)
            row |= {f"FileName_Orig{name}": f"{well}_{name}.tif", f"PathName_Orig{name}": str(tmp_path)}
        rows.append(row)
    for name in channels:
        functions[name] = tmp_path / f"{name}.npy"
        np.save(functions[name], np.linspace(1, 2, size[1])[None].repeat(size[0], 0))
    return pd.DataFrame(rows), functions


@pytest.mark.parametrize(("number", "size", "dtype"), [(1, (64, 80), "uint8"), (8, (1100, 1000), "uint16")])
def test_montages_of_one_to_eight_channels(tmp_path, number, size, dtype):
    names = [f"C{at}" for at in range(number)]
    images, functions = experiment(tmp_path, names, size, dtype)
    wells = pd.DataFrame(
        {
            "well": ["A01", "A02"],
            "kind": ["negcon", ""],
            "name": ["DMSO", "a name " * 30],
            "sample": ["D", "X"],
        }
    )
    shown = plot_montages.choose_sites(
        images, pd.DataFrame({"Metadata_Well": ["A01"], "Metadata_Site": ["1"]}), ["A01", "A02"]
    )
    outputs = {name: tmp_path / f"montage_{name}.png" for name in ("composite", *names)}
    options = {"apply": "Divide", "pixel_size": 0.5}
    plot_montages.main(images, wells, shown, [channel(name) for name in names], functions, outputs, options)
    for path in outputs.values():
        with Image.open(path) as picture:
            assert picture.mode == "RGB"
            assert picture.width > 600
    assert plot_montages.write_labels(shown, wells)[0] == ["A01 site 1", "DMSO (negcon)"]


def test_a_site_without_a_flag_is_shown_where_there_is_one():
    images = pd.DataFrame({"Metadata_Well": ["A01", "A01", "B01"], "Metadata_Site": ["1", "2", "1"]})
    flags = pd.DataFrame({"Metadata_Well": ["A01", "B01", np.nan], "Metadata_Site": ["1", "1", np.nan]})
    shown = plot_montages.choose_sites(images, flags, ["A01", "B01"])
    assert [row["Metadata_Site"] for row in shown] == ["2", "1"]


def test_treated_wells_are_ranked_by_their_profiles_and_faulty_ones_come_last():
    profiles = pd.DataFrame(
        {
            "Metadata_Well": ["A01", "A02", "A03", "A04"],
            "Metadata_broad_sample": ["X", "Y", "Z", "W"],
            "Metadata_control_type": [np.nan, np.nan, np.nan, np.nan],
            "Metadata_Count_Cells": [9, 9, 9, 0],
            "Cells_F": [1.0, -100.0, 8.0, np.nan],
            "Cells_G": [1.0, 0.0, 8.0, np.nan],
        }
    )
    images = pd.DataFrame({"Metadata_Well": ["A01", "A02", "A03", "A04"]})
    flags = pd.DataFrame({"Metadata_Well": ["A03"], "Metadata_Site": ["1"]})
    wells = plot_montages.find_candidates(profiles, images, flags, "control_type", "negcon").set_index("well")
    assert wells["strength"].to_dict() == {"A01": 1, "A02": 5, "A03": 8}
    assert wells["rank"].sort_values().index.tolist() == ["A02", "A01", "A03"]


def test_shading_is_removed(tmp_path):
    """Images that are as bright as the function says are even after the correction."""
    light = np.linspace(1, 2, 100)[None].repeat(80, 0)
    tifffile.imwrite(tmp_path / "i.tif", np.round(light * 10000).astype(np.uint16))
    row = {"Metadata_Plate": "P", "FileName_OrigDNA": "i.tif", "PathName_OrigDNA": str(tmp_path)}
    table = measure_shading(pd.DataFrame([row]), {"DNA": light}, "Divide", 5)
    across = table[table["direction"] == "across"]
    assert across["before"].iloc[-1] / across["before"].iloc[0] == pytest.approx(1.95 / 1.05, rel=0.02)
    assert across["after"].tolist() == pytest.approx([1] * 10, abs=1e-3)
    assert table.loc[table["direction"] == "down", "before"].tolist() == pytest.approx([1] * 10, abs=1e-3)
    assert average_strips(np.array([[1.0, 3.0]]), "across").tolist() == [0.5, 1.5]


def test_outlines_lie_over_the_image_and_nuclei_on_top(tmp_path):
    (tmp_path / "A01_s01--nuclei_outlines.png").touch()
    (tmp_path / "A01_s01--cell_outlines.png").touch()
    (tmp_path / "other.png").touch()
    found = plot_segmentation.find_outlines(tmp_path)
    assert set(found) == {("A01", "1", "nuclei"), ("A01", "1", "cell")}
    lines = {"nuclei": np.array([[True, False, False]]), "cell": np.array([[True, True, False]])}
    picture = plot_segmentation.draw_outlines(np.full((1, 3), 0.5), lines)
    assert (picture[0] * 255).round().astype(int).tolist()[:2] == [[230, 159, 0], [86, 180, 233]]
    assert picture[0, 2].tolist() == [0.5, 0.5, 0.5]


def test_a_montage_has_a_label_above_and_a_scale_bar_in_each_tile():
    tiles = [Tile(np.zeros((300, 400)), ["A01", "a"]), Tile(np.zeros((300, 400, 3)), ["A02"])]
    picture = np.asarray(draw_montage(Montage("P", tiles, 4, 0.5, key=[("DNA", "#3366FF")])))
    # 400 pixels are 200 µm: the bar is 50 µm, 100 pixels long.
    in_first_tile = (picture[:, 8:408] == 255).all(axis=-1).sum(axis=1)
    assert (in_first_tile == 100).sum() == 4
    assert (picture == (0x33, 0x66, 0xFF)).all(axis=-1).sum() > 100


def test_a_function_that_shows_cells_is_reported():
    light, cells = np.linspace(1, 2.5, 9).reshape(3, 3), np.linspace(1, 10, 9).reshape(3, 3)
    assert find_cells_in_functions({"DNA": light, "RNA": cells}) == ["RNA"]
    assert "RNA: the function varies by a factor of more than 3 over" in suggest_remedy(["RNA"], 12)


def test_a_function_of_few_images_is_reported():
    light, cells = np.linspace(1, 2.5, 9).reshape(3, 3), np.linspace(1, 10, 9).reshape(3, 3)
    sentence = find_problem({"DNA": light}, 12, "Divide", "Median Filter")
    assert sentence.startswith("The functions are the mean of 12 images (Median Filter), so they may show")
    for images, apply, smoothing in (
        (30, "Divide", "Median Filter"),
        (12, "None", "Median Filter"),
        (12, "Divide", "Fit Polynomial"),
        (12, "Divide", ""),  # the functions of a custom pipeline
    ):
        assert find_problem({"DNA": light}, images, apply, smoothing) == ""
    assert "RNA: the function varies" in find_problem({"RNA": cells}, 400, "Divide", "Fit Polynomial")
    assert find_problem({"RNA": cells}, 4, "None", "Median Filter") == ""
    choices = {key: value.get("enum", []) for key, value in walk(read_schema())}
    assert {*LOCAL} < {*choices["assay.illumination.smoothing"]}
