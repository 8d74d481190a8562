"""Write the page of one plate, for an experiment whose plates do not fit on one page.

It looks like the report, which links to it, and has the plate's wells with their pictures and features.
"""

from lib.logs import log_to
from lib.places import place
from report import write_page

if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        write_page(
            dict(snakemake.params.options),
            snakemake.output.page,
            place("report_digests"),
            place("report_history"),
        )
