"""Let a user's ExportToSpreadsheet write the tables that the workflow reads, under the expected names."""


def name_tables(module, report):
    """Let a module write each table into a file of its own, with the name of its objects.

    Parameters
    ----------
    module
        An ExportToSpreadsheet.
    report
        A function that writes a change of this module to the log.
    """
    if module.wants_everything.value:
        return
    for group in module.object_groups:
        name, file = group.name.value, group.file_name.value
        if group.previous_file.value:
            group.previous_file.value = "No"
            report(f"writes a table of {name} of its own")
        if not group.wants_automatic_file_name.value and file != f"{name}.csv":
            group.wants_automatic_file_name.value = "Yes"
            report(f"names the table of {name} {name}.csv, not {file}")


def add_missing_tables(modules, objects, changes):
    """Let the last ExportToSpreadsheet write the tables of images and objects that none of them writes.

    Parameters
    ----------
    modules
        The pipeline's ExportToSpreadsheet modules, at least one.
    objects
        The objects whose tables the workflow reads.
    changes
        The log of the changes.
    """
    if any(module.wants_everything.value for module in modules):
        return
    written = {group.name.value for module in modules for group in module.object_groups}
    last = modules[-1]
    for name in [name for name in ("Image", *objects) if name not in written]:
        last.add_object_group()
        last.object_groups[-1].name.value = name
        last.object_groups[-1].wants_automatic_file_name.value = "Yes"
        changes.add(f"ExportToSpreadsheet (module {last.module_num})", f"also writes the table of {name}")
