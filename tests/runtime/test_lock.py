"""One process at a time holds a lock; it ends with the process, with and without locks."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from nucwsi.runtime import lock as module
from nucwsi.runtime.lock import locked

#: A process that says that it holds a lock, and holds it until it is killed.
HOLDER = """
import fcntl, sys, time
from pathlib import Path
from nucwsi.runtime.lock import locked
if sys.argv[2] == "lockless":
    def flock(*_):
        raise OSError(38, "Function not implemented")
    fcntl.flock = flock
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=["locks", "lockless"])
def system(request, monkeypatch):
    """A file system that has locks, and one that has none, whose processes are quickly missed."""
    if request.param == "lockless":

        def flock(*_):
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(module, "_BEAT_S", 0.05)
    monkeypatch.setattr(module, "_SILENT_S", 0.5)
    monkeypatch.setattr(module, "_LOOK_S", 0.02)
    return request.param


def test_a_lock_is_held_by_one(tmp_path, system):
    path = tmp_path / "new" / "lock"
    second = locked(path)
    with locked(path), pytest.raises(BlockingIOError):
        second.__enter__()
    assert list(path.parent.iterdir()) == [], "it leaves nothing"
    with locked(path):
        assert path.exists()


def test_who_waits_is_told_once_and_gets_it_next(tmp_path, system):
    path, told, order = tmp_path / "lock", [], []

    def wait():
        with locked(path, lambda: told.append("waiting")):
            order.append("second")

    with locked(path):
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.4)
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]
    assert told == ["waiting"]
    assert list(tmp_path.iterdir()) == []


def test_many_at_once_never_hold_it_together(tmp_path, system):
    inside, most, turns = 0, 0, []

    def work():
        nonlocal inside, most
        for _ in range(5):
            with locked(tmp_path / "lock", lambda: None):
                inside += 1
                most = max(most, inside)
                time.sleep(0.001)
                inside -= 1
                turns.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(turns) == 20
    assert most == 1


def test_the_lock_of_a_killed_process_is_free(tmp_path, system):
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "lock"), system]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGKILL)
    assert (tmp_path / "lock").exists(), "it had no chance to tidy up"
    with locked(tmp_path / "lock"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_lock_in_a_folder_that_was_moved_is_not_that_of_its_successor(tmp_path):
    folder = tmp_path / "work"
    with locked(folder / "lock"):
        folder.rename(tmp_path / "gone")
        successor = locked(folder / "lock")
        successor.__enter__()
    assert (folder / "lock").exists()
    successor.__exit__(None, None, None)
    assert not (folder / "lock").exists()


def test_a_folder_that_cannot_be_written_is_told_at_once(tmp_path, monkeypatch):
    honest = os.open

    def opening(path, flags, *rest):
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return honest(path, flags, *rest)

    monkeypatch.setattr(os, "open", opening)
    with pytest.raises(PermissionError), locked(tmp_path / "lock"):
        pass
    # What another user has left can be locked without writing to it.
    (tmp_path / "lock").write_text("")
    with locked(tmp_path / "lock"):
        pass


def test_other_errors_of_the_file_system_are_not_hidden(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)), locked(tmp_path / "lock"):
        pass
