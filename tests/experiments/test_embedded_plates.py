"""Two plates with deep-network features, from images to the figure."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from embedded_plates import CELLPROFILER, PLATES, SHEET, SPHERIZED, TARGETS, read_features
from lib.crops import PlateImages, Settings, cut_crops, cut_square, read_cells
from lib.tables import get_features, read_profiles, read_provenance
from workflow import PROJECT, planned, snakemake

pytestmark = pytest.mark.oracle


def test_one_row_a_cell_with_6400_named_features(embedded_results):
    for plate in PLATES:
        path = embedded_results / f"workspace/embeddings/simulated/{plate}/{plate}.parquet"
        ours = pq.read_table(path)
        theirs = pq.read_table(embedded_results / f"workspace/backend/simulated/{plate}/{plate}.parquet")
        keys = [name for name in theirs.column_names if name.startswith("Metadata_")]
        assert ours.select(keys).equals(theirs.select(keys).cast(ours.select(keys).schema))
        names = [name for name in ours.column_names if name not in keys]
        assert len(names) == 6400
        assert (names[0], names[1279], names[-1]) == (
            "Embedding_Mito_0001",
            "Embedding_Mito_1280",
            "Embedding_DNA_1280",
        )
        values = read_features(path)
        assert np.isfinite(values).all()
        assert (values.std(axis=0) > 0).all()


def test_the_table_says_which_network_made_it(embedded_results):
    made_by = read_provenance(embedded_results / "workspace/embeddings/simulated/COMPOUND2/COMPOUND2.parquet")
    network = made_by["parameters"]["network"]
    assert network["model"] == "efficientnet_b0"
    assert network["weights"] == "random initialization, seed 1 (not trained on anything)"
    assert len(network["digest"]) == 64
    assert made_by["parameters"]["device"] == "cpu"
    assert {"torch", "timm", "onnxruntime"} <= set(made_by["libraries"])


def test_wells_are_means_of_their_cells(embedded_results):
    cells = pq.read_table(
        embedded_results / "workspace/embeddings/simulated/COMPOUND2/COMPOUND2.parquet"
    ).to_pandas()
    wells = read_profiles(
        embedded_results / "workspace/profiles/simulated/COMPOUND2/COMPOUND2_embeddings.parquet"
    )
    names = get_features(wells)
    means = cells.groupby("Metadata_Well")[names].mean().reindex(wells["Metadata_Well"])
    np.testing.assert_allclose(wells[names].to_numpy(), means.to_numpy(), rtol=1e-5)
    augmented = "workspace/profiles/simulated/COMPOUND2/COMPOUND2{}_augmented.parquet"
    ours = read_profiles(embedded_results / augmented.format("_embeddings"))
    theirs = read_profiles(embedded_results / augmented.format(""))
    metadata = [name for name in theirs if name.startswith("Metadata_")]
    pd.testing.assert_frame_equal(ours[metadata], theirs[metadata])


def test_figure_2_has_both_feature_sets(embedded_results):
    table = pd.read_csv(embedded_results / "benchmark/figures/percent_replicating.csv")
    counted = table.groupby("feature_set").size().to_dict()
    assert counted == {CELLPROFILER: 1, SPHERIZED: 1}
    assert table["percent_replicating"].between(0, 100).all()


def test_random_weights_tell_strong_effects_from_none(embedded_results):
    truth = pd.concat(map(pd.read_csv, sorted((embedded_results / "images/simulated/truth").glob("*.csv"))))
    effects = truth.drop_duplicates("broad_sample").set_index("broad_sample")["effect"]
    files = sorted(
        (embedded_results / f"benchmark/percent_replicating/{SPHERIZED}").glob("*_perturbations.parquet")
    )
    table = pd.concat(map(pd.read_parquet, files))
    # Seven perturbations make a null too coarse for Percent Replicating; their order is tested instead.
    correlation = table.set_index("perturbation")["median_correlation"]
    assert correlation.idxmax() == "SIMCPD-POS"
    of_effect = correlation.groupby(effects).mean()
    assert of_effect["strong"] > of_effect["none"] + 0.05


def test_contact_sheet(embedded_results):
    assert (embedded_results / SHEET).stat().st_size > 50_000


def test_nothing_more_to_do_and_another_network_runs_what_stands_on_it(embedded_results):
    config = embedded_results.parent / "config.yaml"
    assert not planned("--configfile", config, *TARGETS)
    jobs = planned("--configfile", config, "--config", "embeddings={seed: 2}", *TARGETS)
    assert (jobs["network"], jobs["embeddings"]) == (1, 2)
    assert (jobs["aggregate"], jobs["annotate"], jobs["sphering"], jobs["spherize"]) == (2, 2, 1, 2)
    assert not {"features", "single_cells", "feature_select", "embeddings_environment"} & set(jobs)


def test_masks_come_from_the_generated_pipeline(embedded_results, tmp_path):
    """Two sites with label images; what lies outside of a cell is black in its crop."""
    table = pd.read_csv(
        embedded_results / "workspace/load_data_csv/simulated/COMPOUND1/load_data.csv", dtype=str
    )
    table.head(2).to_csv(tmp_path / "load_data.csv", index=False)
    config = yaml.safe_load((PROJECT / "config" / "config.yaml").read_text())
    config = {"results": "results", "plates": "plates.tsv", "assay": config["assay"]}
    config["cellprofiler"] = {"chunks": 1}
    config["embeddings"] = {"weights": "random", "mask": True, "channels": ["DNA", "RNA"]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    columns = ["batch", "plate", "plate_map", "perturbation", "cell_line", "timepoint", "images"]
    row = ["B", "COMPOUND1", "map.txt", "compound", "SIM", "48", "load_data.csv"]
    (tmp_path / "plates.tsv").write_text("\t".join(columns) + "\n" + "\t".join(row) + "\n")
    wells = [f"{well}\tDMSO\n" for well in table["Metadata_Well"].head(2)]
    (tmp_path / "map.txt").write_text("well_position\tbroad_sample\n" + "".join(wells))
    snakemake("--configfile", tmp_path / "config.yaml", "--until", "embeddings")
    results = tmp_path / "results"
    settings = Settings(channels=["DNA", "RNA"], mask=True)
    functions = {n: results / f"images/B/illum/COMPOUND1/COMPOUND1_Illum{n}.npy" for n in settings.channels}
    load_data = results / "workspace/load_data_csv/B/COMPOUND1/load_data_with_illum.csv"
    chunk = results / "workspace/analysis/B/COMPOUND1/analysis/chunk_0"
    images = PlateImages(load_data, functions, settings, [chunk])
    cells = list(read_cells(results / "workspace/backend/B/COMPOUND1/COMPOUND1.parquet", settings))
    assert len(cells) == 2
    for site in cells:
        image, labels = images.site(site)
        assert set(site.numbers) <= set(np.unique(labels))
        for at, crop in enumerate(cut_crops(image, labels, site, range(len(site)), 224)):
            own = cut_square(labels, site.top[at], site.left[at], 224) == site.numbers[at]
            assert own[112, 112], "a nucleus lies in its own cell"
            assert (crop[:, ~own] == 0).all()
            assert (crop[:, own] > 0).any()
    found = pq.read_table(results / "workspace/embeddings/B/COMPOUND1/COMPOUND1.parquet")
    assert found.num_rows == sum(map(len, cells))
    assert read_provenance(results / "workspace/embeddings/B/COMPOUND1/COMPOUND1.parquet")["parameters"][
        "crops"
    ]["mask"]
