"""Write the page of one plate, for an experiment whose plates do not fit on one page.

It looks like the report, which links to it, and has the plate's wells with their pictures and features.
"""

from typing import Any

from lib.logs import log_to
from lib.places import place
from report import write_page


def main(options: dict[str, Any], page: str) -> None:
    """Write the page."""
    write_page(options, page, place("report_digests"), place("report_history"))


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(dict(snakemake.params.options), snakemake.output.page)
