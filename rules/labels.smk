# Label images of other programs, or of a deep network, in place of CellProfiler's segmentation.

# Whether the label images of each kind of object are black and white; None for those of a network.
MASKS = {name: get_labels(EXPERIMENT.assay).get(name, {}).get("mask") for name in EXPERIMENT.labeled}


def get_label_settings(
    wildcards,
):
    """Return the settings of a plate's label images by objects, folders as seen from the results folder."""
    settings = EXPERIMENT.get_label_settings(get_plate(wildcards))
    return {
        name: {**each, "folder": each["folder"] and str(get_relative_path(each["folder"]))}
        for name, each in settings.items()
    }


def get_label_sources(
    wildcards,
):
    """Return the folder and the file names of a plate's label images, for each kind of object."""
    location = get_plate(wildcards)["images"]
    beside = "" if is_address(location) else str(get_images(wildcards))
    beside = str(Path(beside).parent) if is_image_table(location) else beside
    return [
        {"folder": settings["folder"] or beside, "pattern": get_listing_pattern(settings["pattern"])}
        for settings in get_label_settings(wildcards).values()
        if settings["folder"] or beside
    ]


def get_label_contents(
    wildcards,
):
    """Return a word that changes with the label images of a plate; "" if they are in storage."""
    if IN_STORAGE or not workflow.is_main_process:
        return ""
    known = {"batch": wildcards.batch, "plate": wildcards.plate}
    words = []
    for name, source in zip(get_labels(EXPERIMENT.assay), get_label_sources(wildcards), strict=False):
        files = [Path(place(kind, objects=name, **known)) for kind in ("label_digests", "labels_seen")]
        words.append(run_check(get_contents, Path(source["folder"]), source["pattern"], *files))
    return " ".join(words)


def get_labels_option(
    wildcards,
    input,
):
    """Return the option of the scripts that run CellProfiler for the folder of label images."""
    return f"--labels {shlex.quote(str(input.labels))}" if input.labels else ""


def get_segmented_chunks(
    wildcards,
):
    """Return the folders of a plate's label images that a network made, chunk by chunk."""
    chunks = range(CONFIG["cellprofiler"]["chunks"])
    return [
        EXPERIMENT.get_place(get_plate(wildcards), "segmented", objects=name, chunk=chunk)
        for name in EXPERIMENT.segmented
        for chunk in chunks
    ]


rule label_images:
    input:
        load_data=PLACES["load_data"],
        chosen=[],
        segmented=get_segmented_chunks,
    output:
        labels=directory(PLACES["label_images"]),
        relations=PLACES["label_relations"],
        digests=[place("label_digests", objects=name) for name in get_labels(EXPERIMENT.assay)],
    log:
        "logs/label_images/{batch}/{plate}.log",
    benchmark:
        "benchmarks/label_images/{batch}/{plate}.tsv"
    conda:
        "../envs/platewise.yaml"
    threads: 2
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10 + SITES / 60),
    params:
        plate="{plate}",
        masks=MASKS,
        cytoplasm="Cytoplasm" in EXPERIMENT.objects,
        sources=get_label_sources,
        contents=get_label_contents,
        code=code_digest("label_images.py"),
    message:
        "{wildcards.plate}: numbering the objects of label images"
    script:
        "../scripts/label_images.py"


rule segmentation_labels:
    input:
        load_data=PLACES["load_data"],
        chosen=PLACES["segmentation_load_data"],
        segmented=[place("segmentation_segmented", objects=name) for name in EXPERIMENT.segmented],
    output:
        labels=directory(PLACES["segmentation_labels"]),
        relations=PLACES["segmentation_relations"],
    log:
        "logs/segmentation_labels/{batch}/{plate}.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        plate="{plate}",
        masks=rules.label_images.params.masks,
        cytoplasm=rules.label_images.params.cytoplasm,
        sources=[],
        contents=get_label_contents,
        code=code_digest("label_images.py"),
    message:
        "{wildcards.plate}: label images for the segmentation check"
    script:
        "../scripts/label_images.py"
