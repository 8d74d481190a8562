"""CellProfiler's own LoadData, in which a damaged image causes an error that names it.

Images in object storage are fetched when their site is measured. The module has its own folder, for runs of
CellProfiler's built-in modules.
"""

import sys
from pathlib import Path

import cellprofiler_core.modules.loaddata as builtin

sys.path.append(str(Path(__file__).resolve().parents[1] / "cellprofiler_plugins"))

from platewise_kernels.checked_image import CheckedImage, get_rescaling, make_checked_provider
from platewise_kernels.fetched_image import FetchedImage, get_address
from platewise_kernels.referenced_image import ReferencedImage, is_reference


class LoadData(builtin.LoadData):
    """CellProfiler's LoadData that also reads s3:// folders."""

    def fetch_provider(self, name, measurements, is_image_name=True):
        """Return the provider of the image `name` of the current site."""
        provider = super().fetch_provider(name, measurements, is_image_name)
        if is_reference(provider.get_filename()):
            return make_checked_provider(provider, name, measurements, ReferencedImage)
        address = get_address(provider.get_pathname())
        if address:
            provider.rescale = get_rescaling(provider, measurements)
            return FetchedImage(provider, address, CheckedImage)
        if not is_image_name:
            return provider
        return make_checked_provider(provider, name, measurements, CheckedImage)
