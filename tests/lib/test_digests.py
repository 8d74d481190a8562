"""Digests of inputs: of the content, read once, kept for files that are gone."""

import os
from pathlib import Path

import pytest

from lib.digests import Digests

pytestmark = pytest.mark.unit


def test_a_content_has_one_digest_whatever_its_time(tmp_path):
    file = tmp_path / "map.txt"
    digests = Digests(tmp_path / "kept.json", tmp_path)
    file.write_text("A01 x")
    first = digests.get("map.txt")
    os.utime(file, (1, 1))
    assert digests.get("map.txt") == first
    file.write_text("A01 y")
    os.utime(file, (1, 1))
    assert digests.get("map.txt") != first, "the same size and time, another content"


def test_a_file_is_read_once_and_kept_when_it_is_gone(tmp_path, monkeypatch):
    (tmp_path / "map.txt").write_text("A01 x")
    digests = Digests(tmp_path / "kept.json", tmp_path)
    first = digests.get("map.txt")
    digests.write()
    again = Digests(tmp_path / "kept.json", tmp_path)
    monkeypatch.setattr("lib.digests.hashlib.file_digest", None)
    assert again.get("map.txt") == first
    Path(tmp_path / "map.txt").unlink()
    assert again.get("map.txt") == first
    assert again.get("never.txt") == ""


def test_a_damaged_file_of_digests_is_made_anew(tmp_path):
    (tmp_path / "kept.json").write_text("{")
    (tmp_path / "map.txt").write_text("A01 x")
    assert len(Digests(tmp_path / "kept.json", tmp_path).get("map.txt")) == 16
