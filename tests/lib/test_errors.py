"""Lists in messages, and the message about a disk that cannot be written."""

import errno

import pytest

from lib.errors import explain_storage_error, join_names, number_of

pytestmark = pytest.mark.unit


def test_long_lists_end_with_their_number():
    assert join_names([1, 2]) == "1, 2"
    assert join_names(range(5), 3) == "0, 1, 2 and 2 more"
    assert join_names([]) == ""


def test_numbers_have_the_right_form():
    assert number_of(1, "plate") == "1 plate"
    assert number_of(0, "plate") == "0 plates"
    assert number_of(27648, "image") == "27,648 images"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space", "results/a.parquet"), "results/a.parquet: the disk is full"),
        (OSError(errno.EDQUOT, "Quota"), "work: your disk quota is used up"),
        (OSError(errno.EACCES, "Denied"), "work: you have no permission"),
        # as polars reports it
        (OSError("No space left on device (os error 28)"), "work: the disk is full"),
    ],
)
def test_a_disk_that_cannot_be_written_is_named(error, words):
    assert explain_storage_error(error, "work").startswith(words)


def test_other_errors_are_not_about_the_disk():
    assert explain_storage_error(FileNotFoundError(errno.ENOENT, "No such file", "x"), "work") is None
    assert explain_storage_error(OSError("something else"), "work") is None
