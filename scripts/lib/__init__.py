"""Modules that several of the workflow's scripts share; code for a single script is in that script.

The experiment, as the rules see it
    config               read and check the config
    schema               the config's schema, and a walk through it
    assay                objects of an assay, and errors in its description
    plates               the sample sheet
    plate_columns        columns that name the plate of each row, or its number of cells
    conditions           conditions of the benchmark, comparisons, and plates of splits
    levels               the levels of profiles
    chain_options        options of the steps of chains, and their valid values
    chains               chains of steps, and the levels that they make
    judging              the levels that are judged side by side
    experiment           plates, levels, stages and files of an experiment
    places               the path of each result
    targets              the files that `all` requests
    manifest             the files that the report shows

Checks before anything runs
    checks               errors that stop the run
    forced_rules         rules of --forcerun that have no job
    early_warnings       warnings about what will stop plates later
    column_warnings      warnings about columns that chains need and no plate has
    plate_map_warnings   the same, for plate maps, annotation and controls
    shared_inputs        plates that start from the same wells
    starting_points      local files that a plate starts from
    imaged_wells         wells that have images
    image_changes        plates whose images have changed
    digests              digests of input files, which decide what runs again

The run
    code                 digests of a step's code
    environments         separate Python environments
    compilers            the C compiler of the machine
    locks                the lock of a killed run
    scheduling           Snakemake's scheduler
    groups               steps that a cluster runs as one job
    job_lines            one line per finished job
    failures             failed jobs, and runs with nothing to do
    summary              the end of a run
    logs                 the log of a script
    errors               the error that is meant for the user

Files and tables
    files                files and folders that appear complete or not at all
    tables               tables with their provenance
    provenance           versions, parameters and digests of the inputs
    values               words for missing values, and numbers
    units                units of concentration
    look_alikes          characters that look like others, or cannot be seen
    text_files           compression, encoding and formats of text files
    swallowed_rows       quotation marks in text that swallow rows
    object_storage       objects in S3 storage

Images
    name_patterns        guesses of how image files are named
    name_parts           what the parts of such a name are
    folder_patterns      the same from the folders above the files, if names are not enough
    image_names          file names of images
    image_finding        a plate's images, if their names are not enough
    image_tables         a user's image table
    image_table_columns  names of its columns, and a quick way to read a few
    image_columns        columns that the workflow adds to the image table
    image_references     images that are more or less than one file
    image_files          headers and pixels of image files
    open_image           an open image file of any format
    image_formats        image files of any format
    ome_tiff             what an OME-TIFF file itself holds
    image_checks         faults of a plate's images
    channel_checks       channels of files that hold several
    image_damage         truncated and corrupt files
    image_messages       faults as a message
    contrast             channels without contrast
    ome_zarr             OME-Zarr plates
    microscope_index     index files of microscopes (`microscopes`: one module per vendor)
    plane_reader         images that a reference names, in any environment
    planes               one image from a stack or from a file with several channels
    illumination         illumination correction
    stains               the stain of a channel, from its name
    channel_guess        guesses of what a channel shows
    drafts               the source of a draft: a folder or a dataset
    surveys              the content of a folder of images
    label_files          label images of a plate
    label_images         pixels of label images, and pairs of nuclei and cells
    working_ahead        threads that work ahead

CellProfiler, its pipelines and tables
    cellprofiler         running CellProfiler
    cellprofiler_logs    CellProfiler's log and errors
    cellprofiler_output  tables of a plate, and the sites in them
    pipeline_files       a pipeline as text
    chunk_tables         tables of a chunk of sites
    object_tables        table of one compartment
    thresholds           thresholds at a bound of the settings
    sites                names of sites
    segmentation_networks  Cellpose, InstanSeg and StarDist

Single cells
    cells                keys and features of the single-cell table
    cell_positions       position of a cell in its image
    cell_pairs           objects that belong to one cell
    cell_joining         compartments joined into cells
    cell_stream          cells of a plate, well by well
    cell_rules           rules that flag cells
    cell_quality         cells that meet a rule
    crops                crops of cells
    crop_shards          crops as a training set
    example_cells        example cells of a perturbation
    networks             networks that turn crops into features
    network_presets      networks of other groups

Wells and profiles
    wells                names of wells
    controls             control wells
    layouts              plate maps and tables of reagents
    suspects             values of these tables that a program changed
    plate_contents       plate map and annotation of each well
    perturbation_names   common names of perturbations
    aggregation          cells by well or by site
    well_summaries       statistics of the cells of a well
    cell_counts          cell counts, and the features that follow them
    image_features       image-level features of wells
    feature_names        names of features, and excluded features
    feature_groups       features by compartment, family and channel
    gaps                 missing values
    spread               spreads that are only rounding, and features that explode
    selection            feature selection
    sphering             sphering by the negative controls
    chain_wells          the wells of a chain's step (`steps`: one module per kind of step)
    profile_files        formats of profile files
    profile_columns      columns of published profiles
    published_profiles   profiles from other sources
    deep_profiles        published deep-network features
    repeated_wells       wells with the values of another well
    gallery_tables       tables in the Gallery's form
    gallery_datasets     datasets in the Gallery's form

Scores
    scores               layout of the score tables
    replicates           wells, perturbations and their correlations
    replicate_nulls      null distributions of Percent Replicating
    matching_nulls       null distributions of Percent Matching
    sides                the two sides of a comparison
    nulls                thresholds, p-values and intervals from a null distribution
    intervals            confidence intervals over perturbations
    average_precision    average precision of replicates among many negatives
    counting             similarities above thresholds
    symmetric_counting   the same, if profiles rank each other
    normalized_precision average precision on copairs' scale
    precision_nulls      p-values of average precision
    query_ranking        average precision of single queries
    rankings             average precision by columns, as in copairs
    baselines            scores from the cell count, and of shuffled labels
    clusters             neighbors and clusters
    mixing               batch mixing
    distances            Mahalanobis distances to the solvent wells
    dose_curves          dose-response curves

Figures
    drawing              style of the figures
    pictures             pictures of cells
"""
