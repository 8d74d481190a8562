"""Assemble a CellProfiler pipeline through CellProfiler's own API, inside its Python."""

import importlib

from lib.files import write_whole


class Assembly:
    """A CellProfiler pipeline under construction."""

    def __init__(self):
        from cellprofiler_core.pipeline import Pipeline

        self.pipeline = Pipeline()

    def add(self, name, settings, grow=()):
        """Append module `name` with the settings [(text, value), ...]; the others keep their default.

        A text that the module holds several times (once for each image, say) takes its values in
        order. `grow` names the module's methods that add an image, an object, ... to it, or has
        functions that take the module.
        """
        package = "cellprofiler_core.modules" if name == "LoadData" else "cellprofiler.modules"
        module = getattr(importlib.import_module(f"{package}.{name.lower()}"), name)()
        for method in grow:
            method(module) if callable(method) else getattr(module, method)()
        free = list(module.settings())
        for text, value in settings:
            setting = next((setting for setting in free if setting.text == text), None)
            if setting is None:
                raise KeyError(f"{name} has no (further) setting {text!r}")
            free.remove(setting)
            setting.value = format_setting(value)
        module.set_module_num(len(self.pipeline.modules()) + 1)
        module.show_window = False
        self.pipeline.add_module(module)

    def append(self, modules):
        """Append modules that another pipeline was loaded with."""
        for module in modules:
            module.set_module_num(len(self.pipeline.modules()) + 1)
            module.show_window = False
            self.pipeline.add_module(module)

    def write(self, path):
        """Write the pipeline, completely or not at all."""
        with write_whole(path) as part, part.open("w") as file:
            self.pipeline.dump(file)


def format_setting(value):
    """Return a setting's value as CellProfiler writes it."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    return str(value)
