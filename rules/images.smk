# From a plate's images to the table of images that CellProfiler reads.


def get_image_source(
    wildcards,
):
    """Return the sample sheet's `images` of a plate; for simulated ones, their address in the storage."""
    plate = {name: get_plate(wildcards).get(name, "") for name in ("batch", "plate", "images")}
    if IN_STORAGE and "simulate" in CONFIG:
        prefix = workflow.storage_settings.default_storage_prefix.rstrip("/")
        plate["images"] = f"{prefix}/{get_images(wildcards)}"
    return plate


def get_image_location(
    location,
):
    """Return where images are: a folder is watched by its time, an image table by its content."""
    return get_location(location) if is_image_table(location) else locate(location)


def get_images(
    wildcards,
):
    """Return the folder of a plate's images or its load_data.csv; no file for images in object storage."""
    location = get_plate(wildcards)["images"]
    if IN_STORAGE and "simulate" in CONFIG:
        return place("images", batch=wildcards.batch, plate=wildcards.plate)
    return [] if is_address(location) and not is_image_table(location) else get_image_location(location)


def get_image_table_digest(
    wildcards,
):
    """Return the digest of a user's image table; "" for a folder of images."""
    location = get_plate(wildcards)["images"]
    return get_digest(location) if is_image_table(location) else ""


rule load_data:
    input:
        images=get_images,
    output:
        load_data=PLACES["load_data"],
        with_illum=PLACES["load_data_with_illum"],
        dropped=PLACES["dropped_sites"],
        digests=PLACES["image_digests"],
    log:
        "logs/load_data/{batch}/{plate}.log",
    benchmark:
        "benchmarks/load_data/{batch}/{plate}.tsv"
    group:
        get_job_group(IMAGES)
    conda:
        "../envs/platewise.yaml"
    threads: 2
    resources:
        mem_mb=memory(1000),
        runtime=minutes(60),
    params:
        plate=get_image_source,
        digest=get_image_table_digest,
        channels={channel["image"]: channel["name"] for channel in EXPERIMENT.assay.get("channels", [])},
        pattern=keep_braces(CONFIG["images"]["pattern"]),
        bad_sites=CONFIG["images"]["bad_sites"],
        maximum=CONFIG["images"]["maximum"],
        decode=CONFIG["images"]["decode"],
        reading={
            **{name: CONFIG["images"][name] for name in ("project", "timepoint", "channels_in")},
            "decoding": not EXPERIMENT.in_container,
            "scales": {
                channel["name"]: channel["scale"] for channel in EXPERIMENT.assay.get("channels", [])
            },
        },
        reading_code=code_digest("read_planes.py") if find_reading_keys(CONFIG) else "",
        contents=get_image_contents,
        illumination=PLACES["illumination_folder"],
        labels=get_label_settings,
        labeled=EXPERIMENT.labeled,
        label_images=PLACES["label_images"],
        fetch=may_fetch,
        code=code_digest("load_data.py"),
    message:
        "{wildcards.plate}: listing and checking images"
    script:
        "../scripts/load_data.py"
