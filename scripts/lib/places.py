"""Where each result is, relative to the results folder: the layout of the Cell Painting Gallery.

This is the one place that knows a result's path. A pattern has wildcards in braces, as Snakemake's rules take
them; `place` fills in those that are known.
"""

from typing import Any

QUALITY = "workspace/quality_control/{batch}/{plate}"
CHECK = "workspace/segmentation_check/{batch}/{plate}"
PROFILES = "workspace/profiles/{batch}/{plate}/{plate}"
CONDITION_FIGURES = "benchmark/figures/{feature_set}/{condition}"

PLACES = {
    # images
    "images": "images/{batch}/images/{plate}",
    "simulated_truth": "images/{batch}/truth/{plate}.csv",
    "load_data": "workspace/load_data_csv/{batch}/{plate}/load_data.csv",
    "load_data_with_illum": "workspace/load_data_csv/{batch}/{plate}/load_data_with_illum.csv",
    "image_digests": "workspace/load_data_csv/{batch}/{plate}/image_digests.csv",
    "images_seen": "workspace/load_data_csv/{batch}/{plate}/.images_seen.json",
    "dropped_sites": f"{QUALITY}/dropped_sites.csv",
    "illumination_folder": "images/{batch}/illum/{plate}",
    "illumination": "images/{batch}/illum/{plate}/{plate}_Illum{channel}.npy",
    "label_images": "images/{batch}/labels/{plate}",
    "segmentation_network": "workspace/segmentation_network/{objects}",
    "segmented": "images/{batch}/segmented/{plate}/{objects}/chunk_{chunk}",
    "label_relations": f"{QUALITY}/label_images.csv",
    "label_digests": "workspace/load_data_csv/{batch}/{plate}/{objects}_label_digests.csv",
    "labels_seen": "workspace/load_data_csv/{batch}/{plate}/.{objects}_labels_seen.json",
    "pipeline": "workspace/pipelines/{pipeline}.cppipe",
    "chunk": "workspace/analysis/{batch}/{plate}/analysis/chunk_{chunk}",
    "cellprofiler_differences": "workspace/quality_control/cellprofiler_comparison/differences.csv",
    "cellprofiler_times": "workspace/quality_control/cellprofiler_comparison/times.csv",
    # fetched files
    "fetched": "workspace/fetched/{name}",
    "fetched_tables": "workspace/fetched_tables/{batch}/{plate}",
    # cells
    "single_cells": "workspace/backend/{batch}/{plate}/{plate}.parquet",
    "image_table": "workspace/backend/{batch}/{plate}/{plate}_Image.parquet",
    "normalized_cells": "workspace/single_cells/{batch}/{plate}/{plate}.parquet",
    "normalized_cells_dropped": "workspace/single_cells/{batch}/{plate}/{plate}_dropped.csv",
    "exported_cells": "workspace/single_cells/{batch}/{plate}/{plate}.{kind}",
    "sampled_cells": "workspace/single_cells/sample.h5ad",
    "crops": "workspace/crops/{batch}/{plate}",
    "network": "workspace/network",
    "embedded_cells": "workspace/embeddings/{batch}/{plate}/{plate}.parquet",
    # quality control
    "sites": f"{QUALITY}/sites.csv",
    "site_quality": f"{QUALITY}/site_quality.parquet",
    "well_quality": f"{QUALITY}/well_quality.csv",
    "flags": f"{QUALITY}/flags.csv",
    "cell_flags": f"{QUALITY}/cell_flags.parquet",
    "cell_flag_counts": f"{QUALITY}/cell_flags.csv",
    "flagged_cells": f"{QUALITY}/pictures/flagged_cells.png",
    "quality_summary": f"{QUALITY}/summary.csv",
    "illumination_shading": f"{QUALITY}/illumination_shading.csv",
    "montage_wells": f"{QUALITY}/montage_wells.csv",
    "picture": f"{QUALITY}/pictures/{{picture}}.png",
    "thumbnails": f"{QUALITY}/thumbnails/{{picture}}.webp",
    "thumbnail_wells": f"{QUALITY}/thumbnails/wells.csv",
    "contact_sheet": f"{QUALITY}/contact_sheet.png",
    "segmentation_load_data": f"{CHECK}/load_data_with_illum.csv",
    "segmentation_wells": f"{CHECK}/wells.csv",
    "segmentation_labels": f"{CHECK}/labels",
    "segmentation_segmented": f"{CHECK}/segmented/{{objects}}",
    "segmentation_relations": f"{CHECK}/label_images.csv",
    "segmentation_objects": f"{CHECK}/objects",
    "segmentation_montage": f"{QUALITY}/pictures/segmentation/montage.png",
    "segmentation_pictures": f"{QUALITY}/pictures/segmentation/wells",
    "segmentation_counts": f"{QUALITY}/pictures/segmentation/objects.csv",
    # profiles
    "profiles": f"{PROFILES}{{suffix}}.parquet",
    "site_profiles": f"{PROFILES}_sites.parquet",
    "exported": f"{PROFILES}{{suffix}}.{{kind}}",
    "dropped": f"{PROFILES}{{suffix}}_dropped.csv",
    "dropped_of_batch": "workspace/profiles/{batch}/{batch}{suffix}_dropped.csv",
    "incomplete_wells": f"{PROFILES}{{suffix}}_incomplete_wells.csv",
    "chain_wells": "workspace/profiles/chains/{level}/{group}.parquet",
    "chain_dropped": "workspace/profiles/chains/{level}/{group}_dropped.csv",
    "unmatched_wells": f"{PROFILES}{{suffix}}_unmatched_wells.csv",
    # the upload to the Cell Painting Gallery
    "gallery_load_data": "gallery/workspace/load_data_csv/{batch}/{plate}",
    "gallery_analysis": "gallery/workspace/analysis/{batch}/{plate}",
    "gallery_profiles": "gallery/workspace/profiles/{batch}/{plate}",
    "gallery_illum": "gallery/images/{batch}/illum/{plate}",
    "gallery_metadata": "gallery/workspace/metadata/platemaps/{batch}",
    "gallery_embeddings": "gallery/workspace_dl/embeddings/{network}/{batch}/{plate}",
    "gallery_embedded_profiles": "gallery/workspace_dl/profiles/{network}/{batch}/{plate}",
    "gallery_uploads": "gallery/uploads.csv",
    # benchmark
    "sphering": "benchmark/sphering/{level}/{condition}.npz",
    "judged_score": "benchmark/judged/{feature_set}/{condition}_score.csv",
    "judged_perturbations": "benchmark/judged/{feature_set}/{condition}_perturbations.parquet",
    "judged_chains": "benchmark/judged_chains.csv",
    "consensus": "benchmark/consensus/{feature_set}/{condition}_{operation}.parquet",
    "left_out": "benchmark/left_out.csv",
    "split": "benchmark/splits/{split}.csv",
    "score": "benchmark/{metric}/{feature_set}/{name}_score.csv",
    "score_table": "benchmark/{metric}.csv",
    "perturbations": "benchmark/{metric}/{feature_set}/{name}_perturbations.parquet",
    "pairs": "benchmark/{metric}/{feature_set}/{name}_pairs.parquet",
    "hits_of_condition": "benchmark/hits/{feature_set}/{condition}.csv",
    "hits": "benchmark/hits.csv",
    "clusters_of_condition": "benchmark/clusters/{feature_set}/{condition}.csv",
    "clusters": "benchmark/clusters.csv",
    "ranking_score": "benchmark/rankings/{feature_set}/{condition}_{ranking}_score.csv",
    "ranking_groups": "benchmark/rankings/{feature_set}/{condition}_{ranking}_groups.parquet",
    "rankings": "benchmark/rankings.csv",
    "known_pairs_of_condition": "benchmark/known_pairs/{feature_set}/{condition}.csv",
    "known_pairs": "benchmark/known_pairs.csv",
    "doses_of_condition": "benchmark/dose_response/{feature_set}/{condition}_compounds.csv",
    "dose_curves": "benchmark/dose_response/{feature_set}/{condition}_curves.csv",
    "dose_wells": "benchmark/dose_response/{feature_set}/{condition}_wells.csv",
    "doses": "benchmark/dose_response.csv",
    "null": "benchmark/{metric}/{feature_set}/{name}_null.parquet",
    "figure": "benchmark/figures/{figure}.{kind}",
    "condition_figure": f"{CONDITION_FIGURES}/{{figure}}.{{kind}}",
    # report
    "report": "report/report.html",
    "plate_page": "report/plate_{number}.html",
    "report_digests": "report/input_digests.csv",
    "report_history": "report/history.json",
    "draft": "report/draft.html",
    "draft_digests": "report/draft_input_digests.csv",
}


def place(result: str, **known: Any) -> str:
    """Return where a result is; wildcards that are not given stay in braces."""
    path = PLACES[result]
    for name, value in known.items():
        path = path.replace(f"{{{name}}}", str(value))
    return path
