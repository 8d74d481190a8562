"""The smallest config that the schema accepts."""

ASSAY = {
    "channels": [{"name": "DNA", "image": "1"}, {"name": "RNA", "image": "2"}],
    "nuclei": {"channel": "DNA"},
    "cells": {"channel": "RNA"},
}
SMALL = {"results": "results", "plates": "plates.tsv", "assay": ASSAY}
