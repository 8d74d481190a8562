"""The benchmark's tables and figures: nothing lost, every number drawn stands in a table."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from benchmark_figures import (
    add_published,
    condition_labels,
    main,
    matching_figure,
    panels,
    read_scores,
    replicating_figure,
)
from benchmark_table import gather
from benchmark_table import main as make_table
from lib.errors import InputError

PREFIXES = ("", "position_aware_")


def scored(conditions: list[dict], names: list[str]) -> pd.DataFrame:
    """A benchmark table with made-up scores."""
    table = pd.DataFrame(conditions).assign(feature_set="selected")
    for i, name in enumerate(f"{prefix}{name}" for prefix in PREFIXES for name in names):
        value = 10.0 + 3 * i + np.arange(len(table))
        table = table.assign(**{name: value, f"{name}_low": value - 1, f"{name}_high": value + 2})
    return table.assign(percentile=95.0)


@pytest.fixture
def replicating(tmp_path):
    conditions = [
        {"perturbation": kind, "cell_line": line, "timepoint": time}
        for line in ("A549", "U2OS")
        for kind, time in (("compound", "24"), ("orf", "96"))
    ]
    scored(conditions, ["percent_replicating"]).assign(tail="right").to_csv(tmp_path / "r.csv", index=False)
    return tmp_path / "r.csv"


@pytest.fixture
def matching(tmp_path):
    conditions = [
        {
            "perturbation_a": "compound",
            "cell_line_a": line,
            "timepoint_a": "24",
            "perturbation_b": kind,
            "cell_line_b": line,
            "timepoint_b": "96",
        }
        for line in ("A549", "U2OS")
        for kind in ("crispr", "orf")
    ]
    names = [f"percent_matching_{tail}" for tail in ("right", "left", "both")]
    scored(conditions, names).to_csv(tmp_path / "m.csv", index=False)
    return tmp_path / "m.csv"


def drawn(figure):
    """All texts of a figure and the x of all single points in it."""
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    points = [line.get_xdata() for axes in figure.axes for line in axes.lines]
    return texts, {round(float(x[0]), 6) for x in points if len(x) == 1}


def test_both_figures_and_their_numbers_are_written(replicating, matching, tmp_path):
    outputs = [
        tmp_path / f"{metric}.{kind}"
        for metric in ("percent_replicating", "percent_matching")
        for kind in ("png", "svg", "csv")
    ]
    main({"percent_replicating": replicating, "percent_matching": matching}, {}, outputs)
    assert all(path.stat().st_size > 200 for path in outputs)
    assert outputs[0].read_bytes().startswith(b"\x89PNG")
    assert "compound 24 h × orf 96 h" in outputs[4].read_text()
    numbers = pd.read_csv(outputs[5])
    assert numbers["percent_matching_right"].tolist() == [10, 11, 12, 13]
    assert not [path.name for path in tmp_path.glob(".*")]
    first = outputs[1].read_bytes()
    main({"percent_replicating": replicating}, {}, outputs[:3])
    assert outputs[1].read_bytes() == first


def test_every_score_is_drawn_with_its_interval(replicating, matching):
    table = read_scores(replicating).assign(published=[1.5, np.nan, 2.5, np.nan])
    texts, points = drawn(replicating_figure(table))
    assert [f"{x:.1f} ({x - 1:.1f}–{x + 2:.1f})" for x in (10, 11, 12, 13)] == texts
    expected = {*table["percent_replicating"], *table["position_aware_percent_replicating"], 1.5, 2.5}
    assert expected <= points
    table = read_scores(matching).assign(published=np.nan)
    texts, points = drawn(matching_figure(table))
    assert len(texts) == 8
    for prefix in PREFIXES:
        for tail in ("right", "left"):
            assert set(table[f"{prefix}percent_matching_{tail}"]) <= points
    matplotlib.pyplot.close("all")


def test_a_condition_without_a_score_is_an_empty_row(replicating):
    table = read_scores(replicating).assign(published=np.nan)
    table.loc[1, [name for name in table if "percent_replicating" in name]] = np.nan
    texts, _ = drawn(replicating_figure(table))
    assert len(texts) == 3
    matplotlib.pyplot.close("all")


def test_the_cell_line_of_both_sides_becomes_one_column(matching):
    table = read_scores(matching)
    assert "cell_line" in table
    assert "cell_line_a" not in table
    assert [name for name, _ in panels(table)] == ["A549", "U2OS"]
    assert condition_labels(table)[:2] == ["compound 24 h × crispr 96 h", "compound 24 h × orf 96 h"]


def test_published_values_are_found_by_condition(replicating, tmp_path):
    published = tmp_path / "published.csv"
    published.write_text(
        "perturbation,cell_line,timepoint,feature_set,percent_replicating\n"
        "Compound,U2OS,24,selected,77.8\ncompound,A549,24,other,1\n"
    )
    found = add_published(read_scores(replicating), published, "percent_replicating")["published"]
    assert found.isna().tolist() == [True, True, False, True]
    assert found[2] == 77.8
    published.write_text("dose,value\n1,2\n")
    with pytest.raises(InputError, match="needs a column percent_replicating"):
        add_published(read_scores(replicating), published, "percent_replicating")


def test_the_table_is_gathered_sorted_and_unchanged(tmp_path):
    paths = []
    for time in (96, 24, 144):
        paths.append(tmp_path / f"{time}.csv")
        row = {
            "perturbation": "crispr",
            "timepoint": time,
            "feature_set": "s",
            "score": "0.10",
            "message": "",
        }
        pd.DataFrame([row]).to_csv(paths[-1], index=False)
    make_table([str(path) for path in paths], str(tmp_path / "table.csv"))
    lines = (tmp_path / "table.csv").read_text().splitlines()
    assert lines == [
        "perturbation,timepoint,feature_set,score,message",
        "crispr,24,s,0.10,",
        "crispr,96,s,0.10,",
        "crispr,144,s,0.10,",
    ]


def test_nothing_to_gather_is_answered():
    with pytest.raises(InputError, match="no score to gather"):
        gather([])
