"""Files and folders that appear complete or not at all."""

import threading
import time

import pytest

from lib.files import make_fresh_folder, wait_for_other_runs, write_whole, write_whole_folder

pytestmark = pytest.mark.unit


class StepError(Exception):
    """A step fails in the middle."""


def fail_after(write, *arguments):
    write(*arguments)
    raise StepError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_the_block_has_succeeded(tmp_path):
    path = tmp_path / "new" / "table.csv"
    with write_whole(path) as part:
        part.write_text("a")
        assert not path.exists()
        assert part.parent == path.parent, "on the same disk, so that it can be renamed"
    assert path.read_text() == "a"
    assert names(path.parent) == ["table.csv"]


def test_a_block_that_fails_leaves_the_older_file_and_no_part(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("older")
    with pytest.raises(StepError), write_whole(path) as part:
        fail_after(part.write_text, "half")
    assert path.read_text() == "older"
    assert names(tmp_path) == ["table.csv"]


def test_a_block_that_fails_before_it_writes_raises_its_own_error(tmp_path):
    with pytest.raises(StepError), write_whole(tmp_path / "table.csv"):
        raise StepError
    assert names(tmp_path) == []


def test_a_fresh_folder_is_empty_and_goes_away(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "of an earlier run").touch()
    with make_fresh_folder(folder):
        assert names(folder) == []
    assert not folder.exists()
    with pytest.raises(StepError), make_fresh_folder(folder):
        fail_after((folder / "file").touch)
    assert not folder.exists()


def test_a_whole_folder_replaces_the_older_one_when_the_block_has_succeeded(tmp_path):
    folder = tmp_path / "chunk_0"
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(StepError), write_whole_folder(folder) as part:
        fail_after((part / "half").touch)
    assert names(folder) == ["old"]
    with write_whole_folder(folder) as part:
        (part / "new").touch()
        assert names(folder) == ["old"]
    assert names(folder) == ["new"]
    assert names(tmp_path) == ["chunk_0"]


def test_the_second_of_two_runs_finds_what_the_first_one_made(tmp_path):
    path, made = tmp_path / "new" / "kernels.json", []

    def make() -> None:
        with wait_for_other_runs(path):
            if not path.exists():
                with write_whole(path) as part:
                    part.write_text("{}")
                    time.sleep(0.2)
                made.append(path)

    runs = [threading.Thread(target=make) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert made == [path]
