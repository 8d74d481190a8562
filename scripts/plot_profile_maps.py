"""Draw the wells of one condition on two axes: principal components always, UMAP if requested.

Each map is drawn three times: colored by control type, by plate and by perturbation. There are hundreds
of perturbations and seven colors, so those whose replicates correlate best are colored. UMAP is umap-learn's,
on the correlation of the profiles, which is how the benchmark compares replicates, and seeded.
"""

import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.drawing import COLORS, GRAY, MARKS, draw_nothing, save_png, shorten_label, use_style
from lib.logs import log_to
from lib.perturbation_names import name_perturbations
from lib.replicates import Wells, get_control_type, label_wells, read_wells
from lib.tables import write_whole

COMPONENTS = 5
FEWEST_FOR_UMAP = 10
# A point of more wells is smaller than a pixel, and UMAP of 600,000 wells takes hours.
MOST_WELLS = 20_000
# A few wells (debris, nearly no cells) reach thousands of MADs and would otherwise dominate the map.
LIMIT = 20.0


def sample_wells(wells: Wells, seed: int, most: int = MOST_WELLS) -> Wells:
    """Return the wells, or `most` of them drawn at random, in their order."""
    if len(wells) <= most:
        return wells
    kept = np.zeros(len(wells), dtype=bool)
    kept[np.random.default_rng([seed, 20]).permutation(len(wells))[:most]] = True
    return wells.where(kept)


def prepare_wells(wells: Wells) -> Wells:
    """Return the wells with values; missing ones become the feature's median, all are clipped to +-LIMIT."""
    finite = np.isfinite(wells.values)
    kept = wells.where(finite.any(axis=1))
    values = np.where(np.isfinite(kept.values), kept.values, np.nan)
    known = ~np.isnan(values).all(axis=0)
    values = values[:, known]
    if len(values):
        values = np.where(np.isnan(values), np.nanmedian(values, axis=0), values)
    features = [name for name, good in zip(kept.features, known, strict=True) if good]
    return Wells(kept.metadata, np.clip(values, -LIMIT, LIMIT), features, kept.dropped)


def compute_principal_components(
    values: np.ndarray, number: int = COMPONENTS
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first principal components of wells x features, and the share of variance of each.

    The sign makes the largest loading positive, so that it does not depend on the library. There are fewer
    components if wells or features are fewer.
    """
    centered = values - values.mean(axis=0)
    wide = centered.shape[1] > centered.shape[0]
    product = centered @ centered.T if wide else centered.T @ centered
    variances, vectors = np.linalg.eigh(product)
    order = np.argsort(variances)[::-1][: min(number, *centered.shape)]
    total = max(float(variances.clip(0).sum()), np.finfo(float).tiny)
    loadings = centered.T @ vectors[:, order] if wide else vectors[:, order]
    lengths = np.linalg.norm(loadings, axis=0)
    loadings = loadings / np.where(lengths > 0, lengths, 1)
    largest = loadings[np.abs(loadings).argmax(axis=0), np.arange(loadings.shape[1])]
    scores = centered @ loadings * np.where(largest < 0, -1, 1)
    return scores, variances[order].clip(0) / total


def keep_compiled(packages: Sequence[str]) -> None:
    """Let numba store what it compiles of some packages, so that only the first condition waits for it.

    umap-learn does not ask numba for that, and compiling it takes 15 seconds in each process. What is stored
    lies beside the package, or in numba's folder of the user; it is specific to the processor.
    """
    from numba.core.dispatcher import Dispatcher

    modules = [module for name, module in sys.modules.items() if name.split(".")[0] in packages]
    functions = [
        found for module in modules for found in vars(module).values() if isinstance(found, Dispatcher)
    ]
    for function in functions:
        # Without a folder that can be written, every process compiles.
        with suppress(RuntimeError):
            function.enable_caching()


def compute_umap(values: np.ndarray, neighbors: int, minimum_distance: float, seed: int) -> np.ndarray:
    """Return the UMAP of wells on the correlation of their profiles.

    Parameters
    ----------
    values
        Profiles, (wells, features).
    neighbors
        The number of neighbors of a well; fewer if there are fewer wells.
    minimum_distance
        UMAP's smallest distance between points.
    seed
        The seed of the map.

    Returns
    -------
    numpy.ndarray
        The coordinates, (wells, 2).
    """
    # Imported here because the import takes seconds and UMAP is optional.
    import umap

    keep_compiled(("umap", "pynndescent"))
    model = umap.UMAP(
        n_neighbors=min(neighbors, len(values) - 1),
        min_dist=minimum_distance,
        metric="correlation",
        random_state=seed,
        n_jobs=1,
    )
    return model.fit_transform(values)


def get_classes(
    wells: Wells, group: str | Sequence[str], table: pd.DataFrame
) -> dict[str, tuple[pd.Series, list[str]]]:
    """Return what the maps are colored by: for each, one class per well ('' is gray) and the classes."""
    control = get_control_type(wells.metadata)
    perturbation = label_wells(wells.metadata, group)
    kind = control.where(control != "", np.where(perturbation.isna(), "no perturbation", "treatment"))
    plate = wells.metadata["Metadata_Plate"].astype(str)
    best = table.dropna(subset=["median_correlation"]).sort_values(
        "median_correlation", ascending=False, kind="stable"
    )["perturbation"]
    best = best.head(len(COLORS)).tolist()
    known = name_perturbations(wells.metadata.assign(perturbation=perturbation))
    kinds = sorted(kind.unique(), key=lambda name: (name == "treatment", name))
    return {
        "control type": (kind.mask(kind == "treatment", ""), [k for k in kinds if k != "treatment"]),
        "plate": (plate, sorted(plate.unique())),
        "perturbation": (
            perturbation.where(perturbation.isin(best), "").fillna("").replace(known),
            [known.get(name, name) for name in best],
        ),
    }


def scatter(axes: Axes, points: np.ndarray, of_well: pd.Series, names: Sequence[str], other: str) -> None:
    """Draw the wells: one color and marker per class, all others in gray below.

    Parameters
    ----------
    axes
        The panel.
    points
        The coordinates of the wells, (wells, 2).
    of_well
        The class of each well; empty for wells of no class.
    names
        The classes in their order.
    other
        The legend's name of wells of no class.
    """
    size = float(np.clip(3000 / max(len(points), 1), 6, 26))
    rest = (of_well == "").to_numpy()
    if rest.any():
        axes.scatter(*points[rest].T, s=size, c=GRAY, linewidths=0, label=other)
    many = len(names) > len(COLORS)
    shades = plt.get_cmap("cividis")(np.linspace(0, 1, max(len(names), 2)))
    for number, name in enumerate(names):
        mine = (of_well == name).to_numpy()
        axes.scatter(
            *points[mine].T,
            s=size,
            color=shades[number] if many else COLORS[number],
            marker="o" if many else MARKS[number],
            linewidths=0,
            alpha=0.85,
            label=shorten_label(name, 22) if not many or number in (0, len(names) - 1) else None,
        )
    axes.set_xticks([])
    axes.set_yticks([])


def draw_maps(
    maps: Mapping[str, tuple[np.ndarray, Sequence[str]]], colored: Mapping, title: str, sampled: str = ""
) -> Figure:
    """Draw one row per map and one column per coloring.

    Parameters
    ----------
    maps
        For each map, its points, (wells, 2), and the names of its axes.
    colored
        For each coloring, the class of each well and the classes in their order.
    title
        The condition.
    sampled
        Which wells are drawn, if these are not all.
    """
    if not maps:
        return draw_nothing("Fewer than three wells with values: no map to draw.")
    figure, grid = plt.subplots(
        len(maps), 3, figsize=(10.5, 3.6 * len(maps) + 0.9), squeeze=False, layout="constrained"
    )
    for row, (points, names) in zip(grid, maps.values(), strict=True):
        for axes, (what, (of_well, order)) in zip(row, colored.items(), strict=True):
            scatter(axes, points, of_well, order, "treatment" if what == "control type" else "others")
            axes.set_xlabel(names[0])
            axes.set_ylabel(names[1])
    for axes, what in zip(grid[0], colored, strict=True):
        axes.set_title(f"colored by {what}")
    for axes in grid[-1]:
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.1), ncols=2, markerscale=1.3)
    figure.suptitle(f"{title}: each point is a well{sampled}", fontsize=11, x=0.01, ha="left")
    return figure


def main(
    profiles: Sequence[str], perturbations: str, outputs: Mapping[str, str], options: Mapping[str, object]
) -> None:
    """Draw the maps of a condition and write the coordinates of its wells.

    Parameters
    ----------
    profiles
        The files of the condition's plates.
    perturbations
        The table of perturbations of Percent Replicating.
    outputs
        The files to write: `maps` and `coordinates`.
    options
        `title`, `group`, `controls`, `seed`, `umap` (whether it is drawn), and its `neighbors` and
        `minimum_distance`.
    """
    use_style()
    every = read_wells(profiles, options["controls"])
    wells = prepare_wells(sample_wells(every, int(options["seed"])))
    sampled = f" ({MOST_WELLS:,} of {len(every):,}, drawn at random)" if len(every) > MOST_WELLS else ""
    group = options["group"]
    columns = {
        "Metadata_Plate": wells.metadata["Metadata_Plate"],
        "Metadata_Well": wells.metadata["Metadata_Well"],
        "Metadata_perturbation": label_wells(wells.metadata, group),
        "Metadata_control_type": get_control_type(wells.metadata),
    }
    maps: dict[str, tuple[np.ndarray, Sequence[str]]] = {}
    if len(wells) >= 3:
        scores, shares = compute_principal_components(wells.values)
        columns |= {f"PC{i + 1}": scores[:, i] for i in range(scores.shape[1])}
        columns |= {f"PC{i + 1}_share_of_variance": share for i, share in enumerate(shares)}
        if scores.shape[1] > 1:
            axes = [f"PC{i + 1} ({share:.1%})" for i, share in enumerate(shares[:2])]
            maps["pca"] = (scores[:, :2], axes)
    if options["umap"] and len(wells) >= FEWEST_FOR_UMAP:
        points = compute_umap(
            wells.values, options["neighbors"], options["minimum_distance"], options["seed"]
        )
        columns |= {"UMAP1": points[:, 0], "UMAP2": points[:, 1]}
        maps["umap"] = (points, ("UMAP 1", "UMAP 2"))
    logging.info("%d wells, %d features, maps: %s", len(wells), len(wells.features), ", ".join(maps))
    colored = get_classes(wells, group, pd.read_parquet(perturbations))
    save_png(draw_maps(maps, colored, str(options["title"]), sampled), outputs["maps"])
    with write_whole(outputs["coordinates"]) as part:
        pd.DataFrame(columns).to_csv(part, index=False, float_format="%.6g")


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            list(snakemake.input.profiles),
            snakemake.input.perturbations,
            {name: snakemake.output[name] for name in ("maps", "coordinates")},
            dict(snakemake.params.options),
        )
