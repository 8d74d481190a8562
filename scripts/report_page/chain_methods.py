"""Describe the chains that the config composes, from the metadata of their files: one paragraph per chain."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from lib.errors import join_names
from report_page.sentences import Provenances, format_value, get_nested, write_sentence

OVER = {
    "plate": "on each plate",
    "batch": "within each batch",
    "condition": "within each condition",
    "experiment": "over all plates",
}
WELLS = {"negcon": "the negative controls", "all": "all wells"}
SENTENCES: Mapping[str, str] = {
    "drop_missing_wells": "Wells that lack more than a fraction of {share} of the features were dropped "
    "(unless there were more than {most}).",
    "variance": "Features were kept if, on every plate, their median absolute deviation in {reference} is "
    "not 0 and exceeds a fraction of {variation} of the absolute median.",
    "normalize": "Features were normalized {over} with {method}{scaling}, relative to "
    "{reference}{floored}{kept}.",
    "well_position": "The mean of each feature at a well's position, taken {over}, was subtracted.",
    "cell_count": "Each feature was replaced by the residual of its least-squares line on the number of "
    "cells, fitted {over}.",
    "drop_outliers": "Features whose absolute value exceeds {cutoff} at the quantile {quantile} were "
    "dropped.",
    "rank_int": "Features were transformed to a normal distribution by their ranks {over} (Blom's inverse "
    "normal transform; ties in random order, seed {seed}).",
    "feature_select": "Features were selected {over} with {operations} of pycytominer, {manner}, by "
    "{reference}{settings}.",
    "sphere": "Profiles were sphered {over} ({method}, ε = {epsilon}) with a transformation fitted on "
    "{reference}{chosen}.",
    "harmony": "Profiles that differ in {batch} were aligned with Harmony ({clusters} clusters, at most "
    "{iterations} iterations).",
    "tvn": "Typical variation normalization was applied {over}: principal components of "
    "{reference}, whose covariance was then aligned (CORAL) between the values of {batch}.",
    "combat": "The location and the scale of each feature were aligned between the values of {batch} with "
    "ComBat {over}.",
    "pca": "Profiles were reduced to the principal components that hold a fraction of {variance} of the "
    "variance {over}.",
    "arm_correction": "The mean profile of unexpressed genes (zFPKM below {threshold}) on the same "
    "chromosome arm was subtracted where an arm has more than {fewest_genes} of them.",
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
# What the first step takes out, by the key of the chain that says so.
LEFT_OUT = {
    "untreated_wells": "Wells without a perturbation that are not negative controls were left out.",
    "incomplete_wells": "Wells that lack more than a tenth of the features were left out.",
    "image_features": "Features of entire images were left out.",
}


def describe_floor(step: Mapping[str, Any]) -> Markup:
    """Describe the lower bound of the spread, if there is one."""
    if step.get("floor") is None:
        return Markup("")
    text = "; spreads below a fraction of {floor} of the median spread were raised to it"
    return write_sentence(text, "normalize", lambda key: get_nested(step, key))


def describe_selection(step: Mapping[str, Any]) -> Markup:
    """Describe the options of the operations that a feature selection applied."""
    used = [option for name in step.get("operations", ()) for option in OF_OPERATIONS.get(name, ())]
    options = ", ".join(f"{option} = {{{option}}}" for option in used)
    parts = [f" ({options})"] if options else []
    if isinstance(step.get("blocklist"), list) and "blocklist" in step.get("operations", ()):
        parts.append(f"; the blocklist was a list of {len(step['blocklist'])} names of its own")
    return write_sentence("".join(parts), "feature_select", lambda key: get_nested(step, key))


def describe_chains(levels: Mapping[str, Provenances]) -> list[Markup]:
    """Return the paragraphs of all chains, each a list of sentences."""
    sentences: list[Markup] = []
    for made in levels.values():
        if not made or not (chain := get_nested(made[0], "parameters.chain")):
            continue
        steps = get_nested(made[0], "parameters.steps")
        sentences.append(write_sentence("The chain {name} has these steps.", name=str(chain)))
        sentences += [Markup(text) for key, text in LEFT_OUT.items() if steps[0].get(key) is False]
        sentences += [describe_step(step) for step in steps]
    return sentences


def describe_step(step: Mapping[str, Any]) -> Markup:
    """Describe one step with its options, as recorded in the metadata of a file."""
    words = {
        "over": OVER.get(step.get("over", ""), ""),
        "reference": WELLS.get(step.get("reference", ""), f"the wells with {step.get('reference')}"),
        "operations": format_value(step.get("operations", [])),
        "batch": str(step.get("batch", "")).removeprefix("Metadata_"),
    }
    given = {
        "scaling": "" if step.get("scaled", True) else ", without the factor 1.4826",
        "manner": "each on all features" if step.get("together") else "one after the other",
        "chosen": "",
        "floored": describe_floor(step),
        "kept": "; features without spread were kept" if step.get("keep_flat") else "",
        "settings": describe_selection(step),
    }
    if isinstance(step.get("epsilon"), Mapping):
        words["epsilon"] = f"{step['chosen_epsilon']:.6g}"
        given["chosen"] = f"; ε is the best of {step['epsilon']['draws']} draws by mean average precision"
    if step.get("epsilon") == "shrink":
        words["epsilon"] = "by shrinkage"
        given["chosen"] = "; their covariance was shrunk toward its mean variance (Ledoit and Wolf 2004)"
    name = step["step"]
    if name not in SENTENCES:
        return Markup(f"The step {join_names([name])} was applied.")
    return write_sentence(SENTENCES[name], name, lambda key: get_nested(step, key), words, **given)
