"""Published deep-network features are scored beside published profiles."""

import pandas as pd
import pytest
import yaml

from workflow import snakemake

pytestmark = pytest.mark.run

SPHERIZED = "embeddings_spherized"
CELLPROFILER = "normalized_feature_select_negcon_plate"


def test_published_embeddings_stand_beside_published_profiles(tmp_path):
    """Two rows of each plate, in two batches: one figure with both feature sets."""
    from simulated_profiles import plates

    rows = [["batch", "plate", "plate_map", "perturbation", "cell_line", "timepoint", "profiles", "level"]]
    for batch, level, features, seed in (("C", CELLPROFILER, 12, 1), ("D", "embeddings_augmented", 20, 2)):
        for name, table in plates(12, 3, effect=3, controls=8, features=features, seed=seed).items():
            table["Metadata_Well"] = [f"A{int(well[1:]) + 1:02d}" for well in table["Metadata_Well"]]
            if batch == "D":
                table.columns = [column.replace("Cells_F", "Embedding_DNA_") for column in table]
            plate = name.split(".")[0]
            table.to_csv(tmp_path / f"{batch}_{plate}.csv", index=False)
            rows.append([batch, table["Metadata_Plate"].iloc[0], "", "compound", "U2OS", "48"])
            rows[-1] += [f"{batch}_{plate}.csv", level]
    (tmp_path / "plates.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    config = {"results": "results", "plates": "plates.tsv"}
    config["benchmark"] = {"feature_sets": [CELLPROFILER, SPHERIZED], "draws": 500}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    figures = "benchmark/figures/percent_replicating.csv"
    snakemake("--configfile", tmp_path / "config.yaml", "--", figures)
    scores = pd.read_csv(tmp_path / "results/benchmark/percent_replicating.csv")
    assert set(scores["feature_set"]) == {CELLPROFILER, SPHERIZED}
    assert scores["percent_replicating"].notna().all()
    figure = pd.read_csv(tmp_path / "results/benchmark/figures/percent_replicating.csv")
    assert set(figure["feature_set"]) == {CELLPROFILER, SPHERIZED}
