"""The pairs of perturbations that match across two conditions, as the cards of the page show them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from report_page.blocks import round_numbers
from report_page.chosen import MOST_PAIRS, count_rows_of, share_out
from report_page.pictures import link_to
from report_page.results import Results


def get_matches(results: Results, files: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Return the pairs of one gene across two conditions, with their correlation and q-value.

    Of more pairs than the page may have, those with the highest correlation; `total` then counts all.
    """
    existing = [file for file in files if results.has(file["pairs"])]
    sizes = [count_rows_of(results, file["pairs"], "median_correlation") for file in existing]
    found = []
    for file, most, total in zip(existing, share_out(sizes, MOST_PAIRS), sizes, strict=True):
        table = pd.read_parquet(results.path(file["pairs"]))
        if most < total:
            table = table.loc[table["median_correlation"].nlargest(most).index].sort_index()
        q_values = table.get("q_value_right", pd.Series(np.nan, index=table.index))
        found.append(
            {
                "label": file["label"],
                **({"total": total, "link": link_to(file["pairs"])} if most < total else {}),
                "a": table["perturbation_a"].astype(str).tolist(),
                "b": table["perturbation_b"].astype(str).tolist(),
                "genes": table["genes"].map(format_genes).tolist(),
                "correlation": round_numbers(table["median_correlation"], 3),
                "q": round_numbers(q_values, 3),
            }
        )
    return found


def format_genes(genes: Any) -> str:
    """Return the genes of a pair as text."""
    return genes if isinstance(genes, str) else ", ".join(map(str, genes))
