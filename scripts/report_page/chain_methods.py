"""Describe the chains that the config defines, from the metadata of their files: one paragraph per chain."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from lib.errors import join_names
from report_page.sentences import (
    Provenances,
    cite,
    format_range,
    format_value,
    get_nested,
    write_sentence,
)

OVER = {
    "plate": "on each plate",
    "batch": "within each batch",
    "condition": "within each condition",
    "experiment": "over all plates",
}
WELLS = {"negcon": "the negative controls", "all": "all wells"}
SENTENCES: Mapping[str, str] = {
    "drop_missing_wells": "Wells that lacked {share} of the features were dropped (unless there were more "
    "than {most} such wells).",
    "variance": "Features were kept if, on every plate, their median absolute deviation in {reference} was "
    "not 0 and exceeded a fraction of {variation} of their absolute median.",
    "normalize": "Features were normalized {over} with the method {method}{scaling} relative to "
    "{reference}{floored}{kept}{sorting}.",
    "well_position": "The mean of each feature at each well position, calculated {over}, was subtracted.",
    "cell_count": "Each feature with more than {fewest_values} different values was replaced by its residual "
    "from a least-squares regression line on the number of cells, fitted {over}{counted}.",
    "drop_outliers": "Features whose absolute values exceeded {cutoff} at the {quantile} quantile were "
    "dropped.",
    "rank_int": "Features were transformed {over} to a normal distribution by Blom's rank-based inverse "
    "normal transformation (ties in random order, seed {seed}).",
    "feature_select": "Features were selected {over} with pycytominer's {noun} {operations} "
    "{@pycytominer}{manner}, based on {reference}{settings}.",
    "sphere": "Profiles were sphered {over} ({method}, {regularization}{epsilon}) with a transformation "
    "fitted to {reference}{chosen}.",
    "harmony": "Differences between batches ({batch}) were corrected with Harmony {@harmony} ({clusters} "
    "clusters, at most {iterations} iterations).",
    "tvn": "Typical variation normalization {@tvn} was applied {over}: profiles were transformed to the "
    "principal components of {reference}, whose covariance was then aligned between batches ({batch}) with "
    "CORAL {@coral}.",
    "combat": "The location and scale of each feature were aligned {over} between batches ({batch}) with "
    "ComBat {@combat}.",
    "pca": "Profiles were reduced {over} to the principal components that explained a fraction of "
    "{variance} of the variance.",
    "arm_correction": "The mean profile of the unexpressed genes (zFPKM below {threshold}) on the same "
    "chromosome arm was subtracted if the arm had more than {fewest_genes} such genes.",
}

# The options of each operation of feature selection.
OF_OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "frequency_threshold": ("freq_cut", "unique_cut"),
    "variance_threshold": ("min_variance",),
    "correlation_threshold": ("corr_threshold", "corr_method"),
    "drop_na_columns": ("na_cutoff",),
    "drop_outliers": ("outlier_cutoff",),
    "noise_removal": ("noise_removal_stdev_cutoff",),
}
# What the first step leaves out, by the key of the chain.
LEFT_OUT = {
    "untreated_wells": "Wells without a perturbation were excluded, except for negative controls.",
    "incomplete_wells": "Wells that lacked more than a tenth of the features were excluded.",
    "image_features": "Image-level features were excluded.",
}


def describe_floor(step: Mapping[str, Any]) -> Markup:
    """Describe the lower bound of the spread, if there is one."""
    if step.get("floor") is None:
        return Markup("")
    text = "; spreads below a fraction of {floor} of the median spread were raised to that value"
    return write_sentence(text, "normalize", lambda key: get_nested(step, key))


def describe_counts(step: Mapping[str, Any]) -> str:
    """Describe what became of the number of cells, and of the wells without it."""
    kept = "; the number of cells was kept as a feature" if step.get("keep_count") else ""
    uncounted = {
        True: "; wells without that number kept their values",
        False: "; wells without that number were excluded",
        None: "",  # in files of before this option
    }[step.get("keep_uncounted")]
    return kept + uncounted


def describe_selection(step: Mapping[str, Any]) -> Markup:
    """Describe the options of the operations that a feature selection applied."""
    used = [option for name in step.get("operations", ()) for option in OF_OPERATIONS.get(name, ())]
    options = ", ".join(f"{option} = {{{option}}}" for option in used)
    parts = [f" ({options})"] if options else []
    if isinstance(step.get("blocklist"), list) and "blocklist" in step.get("operations", ()):
        parts.append(f"; the blocklist was a custom list of {len(step['blocklist'])} names")
    return write_sentence("".join(parts), "feature_select", lambda key: get_nested(step, key))


def describe_chains(levels: Mapping[str, Provenances]) -> list[list[Markup]]:
    """Return one paragraph per chain, each a list of sentences."""
    paragraphs: list[list[Markup]] = []
    for made in levels.values():
        if not made or not (chain := get_nested(made[0], "parameters.chain")):
            continue
        steps = combine_steps([get_nested(each, "parameters.steps") for each in made])
        text = "To obtain the profiles “{name}”, well-level profiles were processed as follows."
        first = write_sentence(text, name=str(chain))
        left_out = [Markup(text) for key, text in LEFT_OUT.items() if steps[0].get(key) is False]
        if steps[0].get("precision") == "float32":
            left_out.append(Markup("Values were kept in single precision between the steps."))
        paragraphs.append([first, *left_out, *(describe_step(step) for step in steps)])
    return paragraphs


def combine_steps(of_files: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return the steps of a chain; what a step found (such as an epsilon) is a list if files differ."""
    combined = []
    for same in zip(*of_files, strict=False):
        values = {key: [step[key] for step in same if key in step] for step in same for key in step}
        combined.append(
            {
                key: each[0] if all(value == each[0] for value in each) else flatten(each)
                for key, each in values.items()
            }
        )
    return combined


def flatten(values: Sequence[Any]) -> list[Any]:
    """Return the values of all files, of which some are lists."""
    return [part for value in values for part in (value if isinstance(value, list) else [value])]


def format_results(value: Any) -> str:
    """Return a number that a step found, or the range of the numbers of several groups of wells."""
    numbers = sorted(value) if isinstance(value, list) else [value]
    return format_range([f"{number:.6g}" for number in dict.fromkeys((numbers[0], numbers[-1]))])


def describe_step(step: Mapping[str, Any]) -> Markup:
    """Describe one step with its options, as recorded in the metadata of a file."""
    words = {
        "over": OVER.get(step.get("over", ""), ""),
        "reference": WELLS.get(step.get("reference", ""), f"the wells with {step.get('reference')}"),
        "operations": format_value(step.get("operations", [])),
        "batch": str(step.get("batch", "")).removeprefix("Metadata_"),
    }
    if isinstance(step.get("clusters"), list):
        words["clusters"] = format_results(step["clusters"])
    if (share := step.get("share")) is not None:
        words["share"] = f"more than a fraction of {share}" if share else "any"
    several = len(step.get("operations", [])) > 1
    together, in_turn = ", each applied to all features", ", applied one after the other"
    given = {
        "scaling": "" if step.get("scaled", True) else " (without the factor 1.4826)",
        "noun": "operations" if several else "operation",
        "manner": (together if step.get("together") else in_turn) if several else "",
        "regularization": "ε = ",
        "chosen": "",
        "floored": describe_floor(step),
        "kept": "; features without spread were kept" if step.get("keep_flat") else "",
        "sorting": "; the wells were sorted as in JUMP's recipe" if step.get("recipe_order") else "",
        "settings": describe_selection(step),
        "counted": describe_counts(step),
    }
    if isinstance(step.get("epsilon"), Mapping):
        words["epsilon"] = format_results(step["chosen_epsilon"])
        draws = step["epsilon"]["draws"]
        given["chosen"] = f"; ε was the best of {draws} random draws by mean average precision"
    if step.get("epsilon") == "shrink":
        words["epsilon"] = "shrinkage of the covariance"
        given["regularization"] = ""
        given["chosen"] = Markup("; the covariance was shrunk toward its mean variance ") + cite("shrinkage")
    name = step["step"]
    if name not in SENTENCES:
        return Markup(f"The step {join_names([name])} was applied.")
    return write_sentence(SENTENCES[name], name, lambda key: get_nested(step, key), words, **given)
