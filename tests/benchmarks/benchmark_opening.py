"""Measure how a browser opens a report: CPU time of its main thread, elements, memory of the scripts.

    python tests/benchmarks/benchmark_opening.py PAGE [PAGE ...]      a few seconds per page

Pages are opened in turn, three times each, and the median is printed, so that an old and a new page can be
compared side by side on a busy machine.
"""

import sys
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from browser import Browser

MEASURES = {"TaskDuration": "CPU seconds", "Nodes": "elements", "JSHeapUsedSize": "bytes of the scripts"}
OPENED = "performance.getEntriesByType('navigation')[0].loadEventEnd"
PAINTED = "performance.getEntriesByType('paint').map((paint) => paint.startTime)[0]"
TRIES = 3


def open_page(page: Path) -> dict[str, float]:
    """Open a page in a new browser. Return what it took."""
    with Browser(width=1400, height=900) as browser:
        browser.call("Performance.enable", timeDomain="threadTicks")
        browser.open(page)
        metrics = {each["name"]: each["value"] for each in browser.call("Performance.getMetrics")["metrics"]}
        found = {words: metrics[name] for name, words in MEASURES.items()}
        return found | {"ms to first paint": browser.run(PAINTED), "ms to load": browser.run(OPENED)}


def main(pages: list[Path]) -> None:
    """Print the median of each measure for each page."""
    tries = [[open_page(page) for page in pages] for _ in range(TRIES)]
    for number, page in enumerate(pages):
        medians = {name: median(each[number][name] for each in tries) for name in tries[0][number]}
        print(f"{page} ({page.stat().st_size / 1e6:.1f} MB)")
        print("  " + ", ".join(f"{name} {value:,.4g}" for name, value in medians.items()))


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
