"""Another attempt is made where it can help: after a lack of memory or time."""

import errno
import os
import time

import pytest
from click.testing import CliRunner

from nucwsi.cli.options import Commands
from nucwsi.io.slides.slide import open_slide
from nucwsi.io.stores.publish import explained, workspace
from nucwsi.workflow import is_hopeless
from nucwsi.workflow.retries import error_in

HOPELESS = "nucwsi tile: a.svs: is empty; copy it again\n"


@pytest.fixture
def log(tmp_path):
    return tmp_path / "tile.log"


@pytest.mark.parametrize(
    "told",
    [
        "",
        "12:00:00 predict: 3 of 9 tiles\n",
        "Traceback (most recent call last):\nKeyError: 1\n",
        "nucwsi predict: not enough memory; allow more\n",
        f"nucwsi tile: a.svs: {os.strerror(errno.EIO)}\n",
        f"{HOPELESS}12:00:00 resuming: 3 of 9 tiles are done\n",
    ],
    ids=["silent", "killed", "a bug", "memory", "file server", "an error that is not the end"],
)
def test_what_may_pass_is_tried_again(log, told):
    log.write_text(told)
    assert not is_hopeless([str(log)], since=0)


def test_input_that_cannot_be_analysed_is_not_tried_again(log):
    log.write_text(f"12:00:00 reading\n{HOPELESS}")
    assert error_in(log) == HOPELESS.strip()
    assert is_hopeless([str(log.with_name("other.log")), str(log)], since=time.time() - 60)


def test_a_log_of_an_earlier_run_decides_nothing(log):
    log.write_text(HOPELESS)
    os.utime(log, (1000, 1000))
    assert not is_hopeless([str(log)], since=1001)
    assert not is_hopeless([], since=0)


def lock_is_held(folder):
    with workspace(folder / "a", {}), workspace(folder / "a", {}):
        pass


def disk_is_full(folder):
    with explained(folder / "a"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "a"))


def memory_is_short(_):
    raise MemoryError


def slide_is_empty(folder):
    (folder / "empty.svs").touch()
    open_slide(folder / "empty.svs")


@pytest.mark.parametrize(
    ("failing", "hopeless"),
    [
        *((lock_is_held, False), (disk_is_full, False), (memory_is_short, False)),
        (slide_is_empty, True),
    ],
)
def test_the_command_line_words_its_errors_so(log, tmp_path, failing, hopeless):
    group = Commands()
    group.command("fail")(lambda: failing(tmp_path))
    log.write_text(CliRunner().invoke(group, ["fail"]).output)
    assert error_in(log).startswith("nucwsi fail: ")
    assert is_hopeless([str(log)], since=0) == hopeless
