"""Import centrosome's morphology with the tables that it works out anew at each import.

`centrosome.cpmorphology` labels and compares all patterns of 3 x 3 pixels when it is imported, which takes
0.1 CPU seconds. The bytecode of a copy, in which the tables are written down, is made once
(compile_kernels.py), beside the library of kernels. Its name contains a digest of the module.
"""

import ast
import hashlib
import importlib.machinery
import importlib.util
import py_compile
import sys
import tempfile
from pathlib import Path

from lib.files import write_whole

NAME = "centrosome.cpmorphology"
#: The number of patterns of 3 x 3 pixels, of which each has a value in a table.
PATTERNS = 512


class MorphologyFinder(importlib.machinery.PathFinder):
    """Finds the copy of `NAME`, if there is one."""

    def __init__(self, folders):
        self.folders = folders

    def find_spec(self, name, path, target=None):
        """Return the specification of the copy."""
        if name != NAME:
            return None
        found = importlib.machinery.PathFinder.find_spec(name, path)
        for file in get_files(found.origin, self.folders):
            if file.is_file():
                loader = importlib.machinery.SourcelessFileLoader(name, str(file))
                return importlib.util.spec_from_file_location(name, file, loader=loader)
        return None


def get_files(source, folders):
    """Return the files in which the copy of a source may be."""
    content = Path(source).read_bytes() + sys.version.encode()
    return [Path(folder, f"morphology_{hashlib.sha256(content).hexdigest()[:16]}.pyc") for folder in folders]


def write_copy(folders):
    """Write the copy into the first of the folders that can be written; return its file, or None."""
    import centrosome.cpmorphology as module
    import numpy

    # The first call works out further tables.
    module.binary_shrink(numpy.eye(3, dtype=bool))
    tables = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, numpy.ndarray) and value.shape == (PATTERNS,)
    }
    text = write_down(Path(module.__file__).read_text(), tables)
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary, "cpmorphology.py")
        source.write_text(text)
        for file in get_files(module.__file__, folders):
            try:
                with write_whole(file) as part:
                    py_compile.compile(str(source), str(part), module.__file__, doraise=True)
            except OSError:
                continue
            return file
    return None


def write_down(source, tables):
    """Return the text of a module in which the values of some variables (`tables`) are constants."""
    tree = ast.parse(source)
    for statement in tree.body:
        name = statement.targets[0].id if is_plain_assignment(statement) else None
        if name in tables:
            content, kind = tables[name].tobytes(), tables[name].dtype.str
            constant = f"np.frombuffer({content!r}, {kind!r}).copy()"
            statement.value = ast.parse(constant, mode="eval").body
    return ast.unparse(tree)


def is_plain_assignment(statement):
    """Return whether a statement of a module gives one variable a value."""
    return isinstance(statement, ast.Assign) and [type(target) for target in statement.targets] == [ast.Name]
