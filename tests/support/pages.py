"""Checks of a page for the tests of the report: it is valid by itself, and a browser displays it.

python tests/pages.py PAGE.html PICTURE.png [WIDTH]     a picture of the page from a headless Chromium
"""

import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Headless, and without Chromium's own requests.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
)


class Page(HTMLParser):
    """The elements of a page, and its errors."""

    def __init__(self, text: str):
        super().__init__()
        self.problems: list[str] = []
        self.open: list[str] = []
        self.ids: Counter[str] = Counter()
        self.headings: list[int] = []
        self.addresses: list[tuple[str, str]] = []
        self.references: list[str] = []
        self.data: list[dict[str, str | None]] = []
        self.images = 0
        self.feed(text)
        self.close()
        if self.open:
            self.problems.append(f"never closed: {self.open}")
        self.problems += [
            f"id {name} stands there {count} times" for name, count in self.ids.items() if count > 1
        ]
        self.problems += [f"no element has the id {name}" for name in self.references if name not in self.ids]
        for before, after in zip(self.headings, self.headings[1:], strict=False):
            if after > before + 1:
                self.problems.append(f"a heading of level {after} follows one of level {before}")

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in attributes:
            self.ids[attributes["id"]] += 1
        for name in ("aria-labelledby", "aria-controls"):
            self.references += (attributes.get(name) or "").split()
        if (attributes.get("href") or "").startswith("#"):
            self.references.append(attributes["href"][1:])
        self.addresses += [
            (tag, attributes[name]) for name in ("src", "href", "srcset") if attributes.get(name)
        ]
        if tag[0] == "h" and tag[1:].isdigit():
            self.headings.append(int(tag[1]))
        if tag == "data":
            self.data.append(attributes)
        if tag == "img":
            self.images += 1
            if not (attributes.get("alt") or "").strip():
                self.problems.append(f"an image without alt text: {str(attributes)[:200]}")
        if any(name.startswith("on") for name in attributes):
            self.problems.append(f"{tag} has a script in an attribute")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes nothing, line {self.getpos()[0]}")

    @property
    def outside(self) -> list[str]:
        """Return what the page requests or links to outside of itself and its folder, except DOIs."""
        return [
            address
            for tag, address in self.addresses
            if not (tag == "a" and address.startswith("https://doi.org/"))
            and not address.startswith(("#", "data:", "../"))
        ]


def render(page: Path, picture: Path | None = None, width: int = 1400, height: int = 3000) -> tuple[str, str]:
    """Return a page as Chromium renders it: its elements after the scripts ran, and its console messages.

    The page's own policy forbids requests, so that any request would be an error in the console.
    """
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            [
                CHROMIUM,
                *FLAGS,
                f"--user-data-dir={folder}",
                f"--window-size={width},{height}",
                "--virtual-time-budget=10000",
                f"--screenshot={picture}" if picture else "--dump-dom",
                page.resolve().as_uri(),
            ],
            text=True,
            capture_output=True,
            timeout=900,
            check=True,
        )
    return result.stdout, "\n".join(line for line in result.stderr.splitlines() if "CONSOLE" in line)


if __name__ == "__main__":
    print(render(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))[1])
