"""CorrectIlluminationCalculate, with CellProfiler's settings and functions, in one pass for all channels.

A function that is calculated before the first cycle ("All: First cycle") makes the built-in module load
all images of the group, of all channels, and once for each module. Here one pass serves all modules.
The background's blocks and the Gaussian filter are those of `platewise_kernels.smoothing`. Volumes,
colors and masked images are left to the built-in module.
"""

import cellprofiler.modules.correctilluminationcalculate as builtin
from cellprofiler_core.image import Image

from platewise_kernels import smoothing
from platewise_kernels.inputs import plain_pixels

#: Key, in a module's dictionary of the run, for the image sets that another module's pass has averaged for
#: it.
AVERAGED = "averaged"


class CorrectIlluminationCalculate(builtin.CorrectIlluminationCalculate):
    """CellProfiler's CorrectIlluminationCalculate that shares the reading of images, and smooths faster."""

    def preprocess_image_for_averaging(self, orig_image):
        """Return the image itself, or the smallest pixel of each of its blocks."""
        as_it_is = self.intensity_choice == builtin.IC_REGULAR or self.smoothing_method == builtin.SM_SPLINES
        pixels = None if as_it_is else plain_pixels(orig_image)
        if pixels is None:
            return super().preprocess_image_for_averaging(orig_image)
        blocks = smoothing.background(pixels, [self.block_size.value] * 2)
        return Image(blocks, parent_image=orig_image)

    def smooth_plane(self, pixel_data, mask):
        """Smooth one plane of an image."""
        gaussian = self.smoothing_method == builtin.SM_GAUSSIAN_FILTER
        if not gaussian or not smoothing.is_plain(pixel_data) or mask.shape != pixel_data.shape:
            return super().smooth_plane(pixel_data, mask)
        sigma = self.smoothing_filter_size(pixel_data.shape) / 2.35
        return smoothing.gaussian_inside(pixel_data, mask, sigma)

    def prepare_group(self, workspace, grouping, image_numbers):
        """Average the group's images before its first cycle, if the module is set to do so."""
        if self.each_or_all != builtin.EA_ALL_FIRST or len(image_numbers) == 0:
            return super().prepare_group(workspace, grouping, image_numbers)
        numbers = [int(number) for number in image_numbers]
        if self.get_dictionary(workspace.image_set_list).pop(AVERAGED, None) == numbers:
            return True
        modules = list(workspace.pipeline.modules())
        together = [
            module
            for module in modules
            if isinstance(module, CorrectIlluminationCalculate)
            and module.each_or_all == builtin.EA_ALL_FIRST
            and module.module_num >= self.module_num
        ]
        stop = max(modules.index(module._source(workspace.pipeline)) for module in together) + 1
        providers = [
            builtin.CorrectIlluminationImageProvider(module.illumination_image_name.value, module)
            for module in together
        ]
        title = f"#{self.module_num}: CorrectIlluminationCalculate for {len(together)} images"
        message = f"CorrectIlluminationCalculate is averaging {len(image_numbers)} images"
        for cycle in workspace.pipeline.run_group_with_yield(
            workspace, grouping, image_numbers, modules[stop], title, message
        ):
            for module, provider in zip(together, providers):
                provider.add_image(cycle.image_set.get_image(module.image_name.value, cache=False))
            cycle.image_set.clear_cache()
        for module, provider in zip(together, providers):
            of_run = module.get_dictionary(workspace.image_set_list)
            of_run[builtin.OUTPUT_IMAGE] = {}
            provider.serialize(of_run[builtin.OUTPUT_IMAGE])
            if module is not self:
                of_run[AVERAGED] = numbers
        return True

    def _source(self, pipeline):
        """Return the module that provides the image."""
        providers = pipeline.get_provider_dictionary(self.image_name.group, self)
        return providers[self.image_name.value][-1][0]
