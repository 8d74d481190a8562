"""A script's messages go to its log; how it ends depends on who can correct the error."""

import errno
import logging
import warnings

import pytest

from lib.errors import InputError
from lib.logs import log_to

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def logging_as_before():
    """Leave the logging of the tests themselves as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    # `log_to` closes the handlers that it finds: those of pytest must not be among them.
    root.handlers = []
    yield
    logging.captureWarnings(False)
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level = handlers, level


def test_what_is_reported_is_in_the_log_warnings_too(tmp_path):
    path = tmp_path / "logs" / "step.log"
    with log_to(path) as log:
        log.info("%d wells", 3)
        warnings.warn("an odd value", stacklevel=1)
    text = path.read_text()
    assert "INFO 3 wells" in text
    assert "an odd value" in text


def test_a_log_begins_anew(tmp_path):
    path = tmp_path / "step.log"
    path.write_text("of an earlier run\n")
    with log_to(path) as log:
        log.info("now")
    assert "earlier" not in path.read_text()


def test_an_input_error_is_reported_to_the_user_without_a_traceback(tmp_path):
    with pytest.raises(SystemExit) as end, log_to(tmp_path / "step.log"):
        raise InputError("Plate P1, well A99: not a well of this plate.")
    assert str(end.value).strip() == "Plate P1, well A99: not a well of this plate."
    text = (tmp_path / "step.log").read_text()
    assert "ERROR Plate P1, well A99" in text
    assert "Traceback" not in text


def test_a_full_disk_is_reported_to_the_user(tmp_path):
    with pytest.raises(SystemExit, match="the disk is full"), log_to(tmp_path / "step.log"):
        raise OSError(errno.ENOSPC, "No space left on device", "results/P1.parquet")


def test_any_other_failure_leaves_its_traceback_in_the_log(tmp_path):
    with pytest.raises(ZeroDivisionError), log_to(tmp_path / "step.log"):
        _ = 1 / 0
    text = (tmp_path / "step.log").read_text()
    assert "Traceback" in text
    assert "ZeroDivisionError" in text
