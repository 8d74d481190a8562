# The results in the form of the Cell Painting Gallery: snakemake gallery

import hashlib

# The network's folder: its model, its weights, and a digest of how it sees cells.
NETWORK_FOLDER = ""
if EXPERIMENT.embeddings:
    NETWORK_FOLDER = "_".join(
        [
            CONFIG["embeddings"]["model"],
            re.sub(r"[^A-Za-z0-9]+", "_", Path(CONFIG["embeddings"]["weights"]).stem),
            hashlib.sha256(
                json.dumps(CONFIG["embeddings"], sort_keys=True, default=str).encode()
            ).hexdigest()[:7],
        ]
    )


def get_gallery_prefix(
    wildcards,
):
    """Return the dataset's address, which the config must name."""
    prefix = CONFIG["gallery"]["prefix"]
    if not prefix:
        raise WorkflowError(
            "The target gallery needs the dataset's address: set gallery.prefix in the config, for example to "
            "s3://cellpainting-gallery/cpg0000-jump-pilot/source_4."
        )
    return prefix.rstrip("/")


def get_gallery_profiles(
    features,
    wildcards,
):
    """Return the profiles of a plate, of CellProfiler's features or of a network's, one file per level."""
    plate = get_plate(wildcards)
    levels = EXPERIMENT.get_levels(plate).values()
    ours = [
        level for level in levels if (level.features == NETWORK) == (features == NETWORK) and not level.chain
    ]
    return [EXPERIMENT.get_profiles(plate, level) for level in ours]


def get_plates_of_gallery(
    batch,
):
    """Return the plates of a batch that start with images."""
    return [plate for plate in EXPERIMENT.batches[batch] if source(plate) == "images"]


def get_plate_images_folder(
    wildcards,
    plate=None,
):
    """Return the folder of a plate's images as an absolute path, or its image table."""
    plate = plate or get_plate(wildcards)
    if "simulate" in CONFIG:
        return os.path.abspath(EXPERIMENT.get_place(plate, "images"))
    return os.path.normpath(CONFIG_FILE.parent / plate["images"])


def get_gallery_folders(
    wildcards,
):
    """Return every folder of the upload."""
    of_plates = ["gallery_load_data"]
    of_plates += ["gallery_embeddings"] if EXPERIMENT.embeddings else []
    folders = [
        EXPERIMENT.get_place(plate, name, network=NETWORK_FOLDER)
        for plate in EXPERIMENT.plates_with_images
        for name in of_plates
    ]
    batches = dict.fromkeys(plate["batch"] for plate in EXPERIMENT.plates_with_images)
    return folders + [place("gallery_metadata", batch=batch) for batch in batches]


rule gallery_plate:
    input:
        load_data=PLACES["load_data"],
        with_illum=PLACES["load_data_with_illum"],
        tables=get_tables,
        functions=FUNCTIONS,
        profiles=partial(get_gallery_profiles, ""),
    output:
        load_data=directory(PLACES["gallery_load_data"]),
        analysis=directory(PLACES["gallery_analysis"]),
        profiles=directory(PLACES["gallery_profiles"]),
        illum=directory(PLACES["gallery_illum"]),
    log:
        "logs/gallery_plate/{batch}/{plate}.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(120),
    params:
        plate=lambda wildcards: {name: get_plate(wildcards)[name] for name in ("batch", "plate")},
        prefix=get_gallery_prefix,
        images=lambda wildcards: get_plate_images_folder(wildcards),
        code=code_digest("gallery.py"),
    message:
        "{wildcards.plate}: tables and profiles for the Gallery"
    script:
        "../scripts/gallery.py"


rule gallery_metadata:
    input:
        maps=lambda wildcards: [
            get_location(plate["plate_map"]) for plate in get_plates_of_gallery(wildcards.batch)
        ],
    output:
        metadata=directory(PLACES["gallery_metadata"]),
    log:
        "logs/gallery_metadata/{batch}.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        plates=lambda wildcards: [
            {"plate": plate["plate"]} for plate in get_plates_of_gallery(wildcards.batch)
        ],
        # Snakemake lists a file once that two plates share.
        maps=lambda wildcards: [
            str(get_location(plate["plate_map"])) for plate in get_plates_of_gallery(wildcards.batch)
        ],
        code=code_digest("gallery_metadata.py"),
    message:
        "{wildcards.batch}: plate maps for the Gallery"
    script:
        "../scripts/gallery_metadata.py"


if EXPERIMENT.embeddings:

    rule gallery_embeddings:
        input:
            cells=PLACES["embedded_cells"],
            profiles=partial(get_gallery_profiles, NETWORK),
        output:
            embeddings=directory(PLACES["gallery_embeddings"]),
            profiles=directory(PLACES["gallery_embedded_profiles"]),
        log:
            "logs/gallery_embeddings/{network}/{batch}/{plate}.log",
        conda:
            "../envs/platewise.yaml"
        threads: 1
        resources:
            mem_mb=memory(4000),
            runtime=minutes(60),
        params:
            code=code_digest("gallery_embeddings.py"),
        message:
            "{wildcards.plate}: deep-network features for the Gallery"
        script:
            "../scripts/gallery_embeddings.py"


rule gallery:
    input:
        folders=get_gallery_folders,
    output:
        uploads=PLACES["gallery_uploads"],
    log:
        "logs/gallery/gallery.log",
    conda:
        "../envs/platewise.yaml"
    threads: 1
    resources:
        mem_mb=memory(500),
        runtime=minutes(5),
    params:
        prefix=get_gallery_prefix,
        plates=[
            {name: plate[name] for name in ("batch", "plate", "images")}
            for plate in EXPERIMENT.plates_with_images
        ],
        folders=lambda wildcards: [
            str(get_plate_images_folder(wildcards, plate)) for plate in EXPERIMENT.plates_with_images
        ],
        code=code_digest("gallery_uploads.py"),
    message:
        "List of folders to upload to the Gallery"
    script:
        "../scripts/gallery_uploads.py"
