"""Write the tables of config/README.md from the schemas: `python tests/support/config_keys.py`."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "scripts"))

from lib.schema import read_schema, walk  # noqa: E402

README = PROJECT / "config" / "README.md"
START, END = "<!-- keys -->\n", "<!-- /keys -->"


def rows(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Return each key with its default and description, those of nested blocks after their block."""
    for key, value in walk(schema):
        default = f"`{value['default']}`" if value.get("default") not in (None, {}, []) else ""
        about = " ".join(value.get("description", "").split()).replace("|", "\\|")
        yield f"`{key}`", default.replace("|", "\\|"), about


def table() -> str:
    """Return the table of all keys in Markdown."""
    lines = ["| key | default | |", "|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in dict.fromkeys(rows(read_schema()))]
    return "\n" + "\n".join(lines) + "\n\n"


def with_table(text: str) -> str:
    """Return the README's text with an updated table."""
    return text[: text.index(START) + len(START)] + table() + text[text.index(END) :]


if __name__ == "__main__":
    README.write_text(with_table(README.read_text()))
