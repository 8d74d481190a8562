"""Report a run's progress: one line in the log per site, and a small file that is always up to date."""

import json
import time
from pathlib import Path


class Progress:
    """The sites of a run.

    The file holds one JSON object: state (`running`, `complete` or `failed`), the site (n `of` N, its
    ImageNumber, plate, well, site), the current module, the seconds since the site and since the run
    began, and when it was written.
    """

    def __init__(self, path):
        self.path = None if path is None else Path(path)
        self.of = None
        self.number = 0
        self.at_site = False
        self.began = self.site_began = time.time()
        self.place = {}
        self.module = None

    def site(self, image_number, metadata):
        """Begin a site; `metadata`: its plate, well and site, as far as known."""
        self.finish_site()
        self.number += 1
        self.at_site = True
        self.site_began = time.time()
        self.place = {"image_number": int(image_number), **metadata}

    def finish_site(self):
        """Report that the current site is done."""
        if self.at_site:
            seconds = time.time() - self.site_began
            print(f"Done: {self} in {seconds:.1f} s", flush=True)
        self.at_site = False

    def in_module(self, name, sites):
        """Record the module that begins, in a run over `sites` sites."""
        self.module, self.of = name, sites
        self.write("running")

    def __str__(self):
        if not self.at_site:
            return "no site"
        named = [f"{name} {self.place[name]}" for name in ("plate", "well", "site") if name in self.place]
        number = f"ImageNumber {self.place['image_number']}, {self.number} of {self.of}"
        return f"{', '.join(named) or 'the site'} ({number})"

    def write(self, state):
        """Write the file, completely or not at all."""
        if self.path is None:
            return
        now = time.time()
        record = {
            "state": state,
            "number": self.number,
            "of": self.of,
            **self.place,
            "module": self.module,
            "seconds_at_site": round(now - self.site_began, 1),
            "seconds": round(now - self.began, 1),
            "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        }
        part = self.path.with_name(f".{self.path.name}.part")
        part.write_text(json.dumps(record) + "\n")
        part.replace(self.path)
