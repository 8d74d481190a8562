"""How large the report of many plates is, how long it takes to write, and how fast a browser opens it.

    python tests/benchmarks/benchmark_report.py [PLATES]      51 plates: about five minutes

The results are drawn (`tests/support/synthetic_report.py`): profiles with their provenance, 40 flags and nine
pictures of 900 x 700 pixels a plate, grainy, so that they pack no better than real ones, and 12 conditions.
Opening is measured by the page itself, in headless Chromium: the time from the start of its loading to the
end of its load event, when every picture has arrived and the tables can be sorted.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from pages import CHROMIUM, FLAGS, Page
from synthetic_report import write_report, write_results

TIMED = """<script>addEventListener("load", () => setTimeout(() => {
  const [entry] = performance.getEntriesByType("navigation");
  console.log("opened in " + Math.round(entry.loadEventEnd) + " ms");
}))</script></body>"""


def opened(page: Path) -> float:
    """Seconds until Chromium has loaded a page, as the page's own clock tells."""
    timed = page.with_name("timed.html")
    text = page.read_text().replace("</body>", TIMED)
    timed.write_text(text)
    with tempfile.TemporaryDirectory() as folder:
        command = [
            CHROMIUM,
            *FLAGS,
            f"--user-data-dir={folder}",
            "--timeout=60000",
            "--dump-dom",
            timed.as_uri(),
        ]
        result = subprocess.run(command, text=True, capture_output=True, check=True)
    return int(re.search(r"opened in (\d+) ms", result.stderr)[1]) / 1000


def main(plates: int) -> None:
    """Write the report of so many plates; print its size and its times."""
    with tempfile.TemporaryDirectory() as folder:
        options = write_results(Path(folder), plates, pixels=(900, 700))
        wall, cpu = time.perf_counter(), time.process_time()
        page = write_report(Path(folder), options)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        pictures = Page(page.read_text()).images
        print(f"{plates} plates, {pictures} pictures: {page.stat().st_size / 1e6:.1f} MB")
        print(f"written in {wall:.0f} s ({cpu:.0f} CPU seconds)")
        if CHROMIUM:
            times = sorted(opened(page) for _ in range(3))
            print(f"opened in {times[1]:.2f} s (median of three, {times[0]:.2f} to {times[2]:.2f})")
        else:
            print("no Chromium here: opening was not measured")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 51)
