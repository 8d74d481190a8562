"""How large the report of many plates is, how long it takes to write, and how fast a browser opens it.

    python tests/benchmarks/benchmark_report.py [PLATES]      51 plates: about five minutes

The results are drawn (`tests/support/synthetic_report.py`): profiles with their provenance, 40 flags and nine
pictures of 900 x 700 pixels per plate, grainy, so that they pack no better than real ones, and 12 conditions.
Opening is measured by headless Chromium: the time from the start of loading to the end of the load event, and
to the moment when the page has drawn its plots and its tables can be sorted.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from browser import Browser
from pages import CHROMIUM, Page
from synthetic_report import write_report, write_results

OPENINGS = 3


def open_page(page: Path) -> tuple[float, float]:
    """Return the seconds until Chromium has loaded a page, and until the page has drawn its plots."""
    with Browser() as browser:
        browser.open(page)
        drawn = browser.run("performance.now()")
        loaded = browser.run("performance.getEntriesByType('navigation')[0].loadEventEnd")
    return loaded / 1000, drawn / 1000


def main(plates: int) -> None:
    """Write the report of a number of plates; print its size and its times."""
    with tempfile.TemporaryDirectory() as folder:
        options = write_results(Path(folder), plates, pixels=(900, 700))
        wall, cpu = time.perf_counter(), time.process_time()
        page = write_report(Path(folder), options)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        pictures = Page(page.read_text()).images
        print(f"{plates} plates, {pictures} pictures: {page.stat().st_size / 1e6:.1f} MB")
        print(f"written in {wall:.0f} s ({cpu:.0f} CPU seconds)")
        if CHROMIUM:
            for words, times in zip(
                ("loaded", "plots drawn"),
                zip(*(open_page(page) for _ in range(OPENINGS)), strict=True),
                strict=True,
            ):
                least, middle, most = sorted(times)
                print(f"{words} in {middle:.2f} s (median of {OPENINGS}, {least:.2f} to {most:.2f})")
        else:
            print("no Chromium here: opening was not measured")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 51)
