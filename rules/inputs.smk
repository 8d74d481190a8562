# Which files a job takes: the functions that the rules ask for their inputs.


def plate_of(wildcards):
    """The sample sheet's row of a job's plate."""
    return BY_NAME[wildcards.batch, wildcards.plate]


def plate_map(wildcards):
    """The plate map of a job's plate, or where it is fetched to."""
    return place_of(plate_of(wildcards)["plate_map"])


def annotation(wildcards):
    """The annotation table of a job's perturbation type; none when the config names none."""
    described = CONFIG["annotation"].get(plate_of(wildcards)["perturbation"])
    return place_of(described["table"]) if described else []


def gene_column(wildcards):
    """The column of that table that holds the gene; None when the config names none."""
    return CONFIG["annotation"].get(plate_of(wildcards)["perturbation"], {}).get("gene")


def cells_results(plate):
    """The single cells of one plate."""
    batch, name = plate["batch"], plate["plate"]
    parts = [] if source(plate) == "profiles" else ["backend"]
    if source(plate) == "images" and EMBEDDINGS:
        parts.append("embeddings")
    return [f"workspace/{part}/{batch}/{name}/{name}.parquet" for part in parts]


def wells_results(plate):
    """The files of one plate beside its single cells; while it waits, its segmentation check."""
    if WAITING and source(plate) == "images":
        return segmentation_montages([plate])
    sheet = f"workspace/quality_control/{plate['batch']}/{plate['plate']}/contact_sheet.png"
    sheets = [sheet] if source(plate) == "images" and EMBEDDINGS else []
    levels = [level for level in levels_of(plate, CONFIG) if level in PLATE_LEVELS]
    return (
        sheets + quality_results(plate) + [file for level in levels for file in profile_files(plate, level)]
    )


def plate_results(plate):
    """The files of one plate that stand on that plate alone; while it waits, its segmentation check."""
    waits = WAITING and source(plate) == "images"
    return wells_results(plate) + ([] if waits else cells_results(plate))


def picture(name, caption=None):
    """A plate's picture with its caption, for the report and for `snakemake --report`."""
    return report(
        f"{QUALITY}/pictures/{name}.png",
        caption=f"captions/{caption or name}.rst",
        category="Plates",
        subcategory="{batch} {plate}",
        labels={"plate": "{plate}", "picture": Path(name).name.replace("_", " ")},
    )


def segmentation_montages(plates):
    """The pictures of the segmentation check of those plates that start with images."""
    return [
        f"workspace/quality_control/{plate['batch']}/{plate['plate']}/pictures/segmentation/montage.png"
        for plate in plates
        if source(plate) == "images"
    ]


def segmentation_approved():
    """Nothing, once a person has approved of the segmentation, where the config asks for it; else an error."""
    if WAITING:
        raise WorkflowError(approval_needed())
    return []


def approval_needed():
    """What to look at, and what to set, for the workflow to go on after the segmentation check."""
    pictures = "\n  ".join(f"{RESULTS}/{montage}" for montage in segmentation_montages(CHOSEN))
    return (
        "The segmentation waits for your approval. Make its pictures with the target `segmentation_check`, "
        f"look at them:\n  {pictures}\nIf nuclei and cells are found as they should be, set\n"
        "  segmentation: {wait_for_approval: true, approved: true}\n"
        f"in {CONFIG_FILE} and run again; if not, correct `assay` there and look again."
    )


def quality_results(plate):
    """Quality control's tables and pictures of a plate; nothing where it starts with profiles."""
    if source(plate) == "profiles":
        return []
    batch, name = plate["batch"], plate["plate"]
    folder = f"workspace/quality_control/{batch}/{name}"
    tables, pictures = ["flags", "summary"], ["heatmaps"]
    if source(plate) == "images":
        tables.append("dropped_sites")
        pictures += ["illumination", *(f"montage_{shown}" for shown in ("composite", *CHANNELS))]
    return [
        *(f"{folder}/{table}.csv" for table in tables),
        f"workspace/profiles/{batch}/{name}/{name}_unmatched_wells.csv",
        *(f"{folder}/pictures/{picture}.png" for picture in pictures),
    ]


def batch_results():
    """The plates' profiles that stand on several plates: selected over the batch, or sphered."""
    return [
        file
        for plate in PLATES
        for level in levels_of(plate, CONFIG)
        if level not in PLATE_LEVELS
        for file in profile_files(plate, level)
    ]


def profile_files(plate, level):
    """The profile of a plate at a level, and the formats that it is exported to."""
    profiles = file_of(plate, level)
    formats = CONFIG["export"] if level in EXPORTED else []
    return [profiles] + [f"{profiles.removesuffix('.parquet')}.{kind}" for kind in formats]


def place_of(location):
    """A file of the experiment as the rules see it: where it lies, or where it is fetched to."""
    return f"workspace/fetched/{location.split('://', 1)[1]}" if is_address(location) else located(location)


def fetch_is_on(wildcards, output):
    """Whether the config says `fetch: true`; asking for `output` keeps it out of what reruns a job."""
    return CONFIG["fetch"]


def image_source(wildcards):
    """What the sample sheet says of a plate's images; simulated ones are addressed in the results' storage."""
    plate = {name: plate_of(wildcards).get(name, "") for name in ("batch", "plate", "images")}
    if IN_STORAGE and "simulate" in CONFIG:
        prefix = workflow.storage_settings.default_storage_prefix.rstrip("/")
        plate["images"] = f"{prefix}/{images_of(wildcards)}"
    return plate


def images_of(wildcards):
    """The folder of a plate's images, or its load_data.csv; nothing where images lie in object storage."""
    location = plate_of(wildcards)["images"]
    if IN_STORAGE and "simulate" in CONFIG:
        return f"images/{wildcards.batch}/images/{wildcards.plate}"
    return [] if is_address(location) and not is_image_table(location) else place_of(location)


def tables_of(wildcards):
    """CellProfiler's tables of a plate: its chunks, or the folder of published output."""
    plate = plate_of(wildcards)
    if source(plate) == "cellprofiler":
        location = plate["cellprofiler"]
        fetched = f"workspace/fetched_tables/{wildcards.batch}/{wildcards.plate}"
        return fetched if is_address(location) else located(location)
    folder = f"workspace/analysis/{wildcards.batch}/{wildcards.plate}/analysis"
    return [f"{folder}/chunk_{chunk}" for chunk in range(CONFIG["cellprofiler"]["chunks"])]


def in_shell(word):
    """A word of the config as one word of a rule's shell line, its braces no placeholders."""
    return shlex.quote(word).replace("{", "{{").replace("}", "}}")


def flags_heeded(wildcards):
    """Quality control's table of flags, where flagged sites are left out of the profiles."""
    flags = f"workspace/quality_control/{wildcards.batch}/{wildcards.plate}/flags.csv"
    return flags if CONFIG["quality"]["exclude_flagged"] else []


def environment_ready(wildcards):
    """The mark of a built CellProfiler environment; nothing where the user brings CellProfiler."""
    return ancient(local(f"{ENVIRONMENT_FOLDER}/complete.json")) if ENVIRONMENT == "built" else []


def pipeline(name):
    """The pipeline that all jobs run: the generated one, or the user's own as CellProfiler loaded it once."""
    return f"workspace/pipelines/{name}.cppipe"


def own_pipeline(name):
    """The user's own pipeline, or nothing."""
    own = CONFIG["cellprofiler"][f"{name}_pipeline"]
    return located(own) if own else []


def own_option(name):
    """The option of pipelines.py for the user's own pipeline."""
    own = own_pipeline(name)
    return f"--own {shlex.quote(own)}" if own else ""


def compared_plate():
    """Batch and plate, as in paths, of the first plate that starts with images."""
    if not STARTS_WITH_IMAGES:
        raise WorkflowError("compare_cellprofiler needs a plate that starts with images; there is none.")
    return "{batch}/{plate}".format(**STARTS_WITH_IMAGES[0])


def functions_compared():
    """The illumination functions of the plate whose sites are compared."""
    batch, plate = compared_plate().split("/")
    return expand(rules.illumination.output.functions, batch=batch, plate=plate)


def weights_file(embeddings):
    """The file of a network's weights, checked to be there; InputError says how to get one."""
    path = CONFIG_FILE.parent / embeddings["weights"]
    if not path.is_file():
        raise InputError(
            f"embeddings.weights: {path} does not exist. Copy the file there (those of timm are at "
            f"https://huggingface.co/timm: model.safetensors of {embeddings['model']}), or set "
            "embeddings.weights to `pretrained` where there is a network."
        )
    return located(embeddings["weights"])


def level_named(kind, level):
    """A level of CellProfiler's features (kind "") or of embeddings (kind "_embeddings")."""
    return f"embeddings_{level}" if kind else level


def cells_of(wildcards):
    """The table of a plate's cells that is aggregated: CellProfiler's, or their embeddings."""
    folder = "embeddings" if wildcards.kind else "backend"
    return f"workspace/{folder}/{wildcards.batch}/{wildcards.plate}/{wildcards.plate}.parquet"


def population(wildcards):
    """The plates whose wells give a plate's median and MAD: itself, or its whole batch."""
    plates = BATCHES[wildcards.batch] if CONFIG["normalize"]["over"] == "batch" else [plate_of(wildcards)]
    level = level_named(wildcards.kind, "augmented")
    return [file_of(plate, level) for plate in plates_with(level, plates)]


def of_batch(wildcards, threads, attempt):
    """Memory for the profiles of a batch."""
    return of_profiles(len(BATCHES[wildcards.batch]))(wildcards, threads, attempt)


def selected_profiles(wildcards):
    """The profiles of a plate that a feature selection starts from.

    Published profiles whose features were selected over the batch are selected further on the plate.
    """
    plate = plate_of(wildcards)
    over_batch = f"normalized_feature_select{wildcards.infix}_batch"
    return file_of(plate, over_batch if plate.get("level") == over_batch else f"normalized{wildcards.infix}")


def dropped_by_selection(wildcards):
    """The table of the features that a selection on the plate, or over its batch, drops."""
    batch, plate = wildcards.batch, wildcards.plate
    folder = f"{batch}/{plate}/{plate}" if wildcards.scope == "plate" else f"{batch}/{batch}"
    level = f"normalized_feature_select{wildcards.infix}_{wildcards.scope}"
    return f"workspace/profiles/{folder}_{level}_dropped.csv"


def replicate_set(wildcards):
    """The profiles that are sphered together: those of the plates of a condition."""
    level = spherized_from(CONFIG, wildcards.level)
    plates = CONDITIONS[wildcards.condition]
    return [file_of(plate, level) for plate in plates if level in levels_of(plate, CONFIG)]


def of_replicate_set(wildcards, threads, attempt):
    """Memory for the profiles of a condition."""
    return of_profiles(len(CONDITIONS[wildcards.condition]))(wildcards, threads, attempt)


def unsphered_profiles(wildcards):
    """The profiles of a plate that become `spherized`, or `embeddings_spherized`."""
    return file_of(plate_of(wildcards), spherized_from(CONFIG, level_named(wildcards.kind, "spherized")))


def sphering_of_plate(wildcards):
    """The sphering that was fitted on the plates of a plate's condition."""
    condition = CONDITION_OF[wildcards.batch, wildcards.plate]
    return f"benchmark/sphering/{level_named(wildcards.kind, 'spherized')}/{condition}.npz"


def published_profiles(wildcards):
    """The file of a plate's published profiles, or where it is fetched to."""
    return place_of(plate_of(wildcards)["profiles"])


def plates_of_profiles(wildcards):
    """The plates that the sample sheet takes from the file of a job's published profiles."""
    file = plate_of(wildcards)["profiles"]
    return [plate["plate"] for plate in PLATES if plate.get("profiles") == file]


def annotation_of_published(wildcards):
    """The annotation table for published profiles that are past the level where wells are annotated."""
    return [] if plate_of(wildcards)["level"] in UNANNOTATED else annotation(wildcards)


def profiles_of(condition, feature_set):
    """The profiles of a condition's plates, those that have such profiles."""
    return [file_of(plate, feature_set) for plate in plates_with(feature_set, CONDITIONS[condition])]


def of_condition(wildcards, threads, attempt):
    """Memory for scoring a condition."""
    return memory(of_wells(len(CONDITIONS[wildcards.condition])))(wildcards, threads, attempt)


def of_comparison(wildcards, threads, attempt):
    """Memory for scoring a comparison of two conditions."""
    plates = sum(len(CONDITIONS[side]) for side in COMPARISONS[wildcards.comparison])
    return memory(of_wells(plates))(wildcards, threads, attempt)


def described(condition, suffix=""):
    """A condition's columns, for its row of a table."""
    return {f"{column}{suffix}": CONDITIONS[condition][0][column] for column in BENCHMARK["condition"]}


def sides_described(wildcards):
    """The columns of both conditions of a comparison."""
    a, b = COMPARISONS[wildcards.comparison]
    return {**described(a, "_a"), **described(b, "_b")}


def genes_of(comparison):
    """The columns that hold the genes of both sides of a comparison."""
    gene = BENCHMARK["gene"]
    types = [CONDITIONS[side][0]["perturbation"] for side in COMPARISONS[comparison]]
    return [gene if isinstance(gene, str) else gene.get(kind, "Metadata_gene") for kind in types]


def scores(wildcards):
    """The scores of every condition (or comparison) in every feature set."""
    names = COMPARISONS if wildcards.metric.endswith("_matching") else CONDITIONS
    return [
        f"benchmark/{wildcards.metric}/{feature_set}/{name}_score.csv"
        for feature_set in FEATURE_SETS
        for name in names
    ]


def benchmark_results():
    """The benchmark's tables and figures, and what else stands on the plates of a condition."""
    tables = [f"benchmark/{metric}.csv" for metric in SCORED + PRECISION]
    figures = [f"benchmark/figures/{metric}.{kind}" for metric in SCORED + PRECISION for kind in FIGURE_FILES]
    figures += [*rules.plate_maps.output]
    consensus = [
        f"benchmark/consensus/{feature_set}/{condition}_{operation}.parquet"
        for operation in CONFIG["consensus"]
        for feature_set in FEATURE_SETS
        for condition in CONDITIONS
    ]
    return tables + figures + consensus + [f"benchmark/splits/{name}.csv" for name in SPLITS]


def split_rule(wildcards):
    """What a recommended split goes by: the values of a column, or random units and their fractions."""
    asked = CONFIG["splits"][wildcards.split]
    keys = ("column", "train", "validate", "test") if "column" in asked else ("fractions", "together")
    return {key: asked[key] for key in keys if key in asked}


def shown(picture):
    """A picture with its caption, for the report and for `snakemake --report`."""
    name = Path(picture).stem
    of_condition = {"condition": "{condition}", "feature set": "{feature_set}"} if "{" in picture else {}
    return report(
        picture,
        caption=f"captions/{name}.rst",
        category="Conditions" if of_condition else "Experiment",
        labels={**of_condition, "figure": name.replace("_", " ")},
    )


def words_of(columns):
    """A condition in words, from its columns: compound U2OS 48 h."""
    written = {column: value for column, value in columns.items() if value}
    return " ".join(f"{value} h" if column == "timepoint" else value for column, value in written.items())


def title_of(wildcards):
    """What the figures of a condition are headed with."""
    said = words_of(described(wildcards.condition))
    return said if len(FEATURE_SETS) == 1 else f"{said}, {wildcards.feature_set}"


def unselected_profiles(wildcards):
    """The normalized profiles, all features, that a feature set was selected from; or the feature set."""
    level = wildcards.feature_set
    if "_feature_select" in level:
        level = selected_from(level)
    elif level == "spherized":
        level = spherized_from(CONFIG)
    elif is_embedding(level):
        level = f"embeddings_{selected_from(plate_level(CONFIG))}"
    plates = plates_with(wildcards.feature_set, CONDITIONS[wildcards.condition])
    made = all(level in levels_of(plate, CONFIG) for plate in plates)
    return [file_of(plate, level if made else wildcards.feature_set) for plate in plates]


def selections():
    """Each selection of a plate's features that is made here: the plate, over what, and its files."""
    found = []
    for plate in PLATES:
        levels = levels_of(plate, CONFIG)
        for level in (plate_level(CONFIG), batch_level(CONFIG)):
            if level not in levels or plate.get("level") == level:
                continue
            over = level.rsplit("_", 1)[1]
            folder, batch = f"workspace/profiles/{plate['batch']}", plate["batch"]
            name = plate["plate"]
            start = selected_from(level)
            of_selection = f"{name}/{name}" if over == "plate" else batch
            # Published profiles came normalized: what was dropped on their way is not known here.
            normalized = start in levels and plate.get("level") != start
            found.append(
                {
                    "plate": name,
                    "selection": over,
                    "profiles": file_of(plate, level),
                    "dropped": f"{folder}/{of_selection}_{level}_dropped.csv",
                    "normalized": f"{folder}/{name}/{name}_{start}_dropped.csv" if normalized else "",
                }
            )
    return found


def figure_results():
    """The figures of profiles, and the figure of dropped features where features are selected here."""
    names = (
        "replicate_correlations",
        "replicate_null",
        "changed_features",
        "profile_maps",
        "position_effects",
    )
    figures = [
        f"benchmark/figures/{feature_set}/{condition}/{name}.png"
        for feature_set in FEATURE_SETS
        for condition in CONDITIONS
        for name in names
    ]
    return figures + (["benchmark/figures/dropped_features.png"] if selections() else [])


def cellprofiler_version():
    """What the Methods paragraph calls CellProfiler: its version where the workflow brings it."""
    if ENVIRONMENT not in ("built", "conda", "container"):
        return "CellProfiler (an installation of our own)"
    lock = (Path(workflow.basedir) / "envs" / "cellprofiler.txt").read_text()
    return f"CellProfiler {re.search(r'^cellprofiler==([0-9.]+)', lock, re.M)[1]}"
