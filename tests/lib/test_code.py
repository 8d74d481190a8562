"""Which code a step depends on: its script and every helper that the script imports."""

import ast

import pytest

from lib.code import SCRIPTS, code_digest, helpers

pytestmark = pytest.mark.unit


def test_a_helper_is_part_of_a_scripts_code(monkeypatch, tmp_path):
    import lib.code

    (tmp_path / "lib").mkdir()
    (tmp_path / "step.py").write_text("from lib.helper import f\n")
    (tmp_path / "lib" / "helper.py").write_text("import lib.deeper\nf = 1\n")
    (tmp_path / "lib" / "deeper.py").write_text("x = 1\n")
    (tmp_path / "lib" / "other.py").write_text("x = 1\n")
    monkeypatch.setattr(lib.code, "SCRIPTS", tmp_path)

    def digest():
        lib.code.helpers.cache_clear()
        code_digest.cache_clear()
        return code_digest("step.py")

    before = digest()
    (tmp_path / "lib" / "other.py").write_text("x = 2\n")
    assert digest() == before
    (tmp_path / "lib" / "deeper.py").write_text("x = 2\n")
    assert digest() != before


def test_the_imports_that_are_read_are_those_that_python_finds():
    modules = {
        ".".join(file.relative_to(SCRIPTS).with_suffix("").parts): file for file in SCRIPTS.rglob("*.py")
    }
    for file in modules.values():
        named = set()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                named |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        assert {modules[name] for name in named & set(modules)} <= helpers(file), file
