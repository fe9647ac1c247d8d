"""Artefacts are whole or absent; a killed job goes on where it was."""

import errno
import fcntl
import os
import re
import shutil
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from nucwsi.errors import StoreError
from nucwsi.io.stores.publish import (
    file_checksum,
    fingerprint,
    is_taken,
    published,
    workspace,
)


def folder_of(path, text):
    path.mkdir()
    (path / "part").write_text(text)


def test_nothing_is_published_after_an_error(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")

    def fails():
        with published(target) as aside:
            aside.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_a_full_disk_is_told_with_the_file_and_the_way_out(tmp_path):
    message = r"table\.csv: cannot be written: .*; make room or choose"
    with pytest.raises(StoreError, match=message), published(tmp_path / "table.csv"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/share/in.svs", r"^/share/in.svs: Permission denied$"),
        ("out.csv", r"out.csv: cannot be written: Permission denied; "),
        (".out.csv.1.tmp/x", r"out.csv: cannot be written: Permission denied; "),
        (".", r"out.csv: cannot be written: Permission denied; "),
    ],
)
def test_an_input_that_cannot_be_read_is_not_taken_for_the_output(tmp_path, name, message):
    with pytest.raises(StoreError, match=message), published(tmp_path / "out.csv"):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / name))


def test_a_job_of_the_same_facts_goes_on_and_another_begins_anew(tmp_path):
    seen = []

    def killed(facts):
        with workspace(tmp_path / "a.zip", facts) as place:
            seen.append(set(place.done))
            place.mark("one")
            raise KeyboardInterrupt

    for threshold in (1, 1, 2):
        with pytest.raises(KeyboardInterrupt):
            killed({"threshold": threshold})
    assert seen == [set(), {"one"}, set()]
    with workspace(tmp_path / "a.zip", {"threshold": 2}) as place:
        assert place.done == {"one": ""}
    assert not list(tmp_path.iterdir()), "a finished job leaves no folder"


def test_notes_of_finished_work_come_back(tmp_path):
    output = tmp_path / "out"
    with suppress(KeyboardInterrupt), workspace(output, {"a": 1}) as place:
        place.mark("0,0", "3 4 5")
        place.mark("bad 1 2 3 4")
        raise KeyboardInterrupt
    with workspace(output, {"a": 1}) as place:
        assert place.done == {"0,0": "3 4 5", "bad 1 2 3 4": ""}


def test_a_job_that_starts_again_knows_of_nothing(tmp_path):
    def killed(restarts):
        with workspace(tmp_path / "a", {}) as place:
            known = dict(place.done)
            place.mark("one")
            for _ in range(restarts):
                place.restart()
                assert place.done == {}
            place.mark("two")
            raise ValueError(known)

    for restarts, known in ((0, {}), (2, {"one": "", "two": ""}), (1, {"two": ""})):
        with pytest.raises(ValueError, match=re.escape(str(known))):
            killed(restarts)


def test_a_line_that_was_cut_off_is_not_taken_for_work_done(tmp_path):
    def killed():
        with workspace(tmp_path / "a.zip", {}) as place:
            place.mark("0,1")
            with (place.folder / "done").open("a") as stream:
                stream.write("0,1")  # of "0,12"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    with workspace(tmp_path / "a.zip", {}) as place:
        assert place.done == {"0,1": ""}
        place.mark("0,2")
        assert (place.folder / "done").read_text() == "0,1\n0,2\n"


def test_a_forerunner_that_ends_just_now_takes_no_folder_away(tmp_path, monkeypatch):
    honest, calls = fcntl.flock, []

    def flock(lock, operation):
        if not calls:
            shutil.rmtree(tmp_path / ".a.zip.work")
        calls.append(operation)
        honest(lock, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with workspace(tmp_path / "a.zip", {}) as place:
        place.mark("one")
        assert sorted(path.name for path in place.folder.iterdir()) == [
            *("done", "fingerprint", "lock")
        ]
    assert len(calls) == 2
    assert not list(tmp_path.iterdir())


def test_a_file_system_without_locks_will_do(tmp_path, monkeypatch):
    def flock(lock, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with workspace(tmp_path / "a.zip", {}) as place:
        place.mark("one")


def test_two_jobs_do_not_work_on_one_artefact(tmp_path):
    second = workspace(tmp_path / "a.zip", {})
    with workspace(tmp_path / "a.zip", {}), pytest.raises(StoreError, match="another process"):
        second.__enter__()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "left",
    [
        (".a.csv.0123456789ab.tmp", ".a.csv.0123456789ab.tmp.fgb"),
        (f".a.csv.{os.getpid()}.tmp",),
        (".a.csv.lock",),
    ],
)
@pytest.mark.parametrize("made", [Path.write_text, folder_of])
def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path, left, made):
    """Also where both have the same number, as the first processes of two containers have."""
    others = {".a.csv", ".a.csv.b.0123456789ab.tmp", ".ab.csv.0123456789ab.tmp", "a.csv.tmp"}
    for name in {*left, *others}:
        if name != ".a.csv.lock" or made is Path.write_text:
            made(tmp_path / name, "half")
    with published(tmp_path / "a.csv") as aside:
        aside.write_text("whole")
    assert (tmp_path / "a.csv").read_text() == "whole"
    assert set(names(tmp_path)) == {"a.csv", *others}


def test_a_work_folder_that_a_killed_process_did_not_remove_is_removed_by_the_next(tmp_path):
    """Where nothing of its name is published, nobody else would."""
    left = tmp_path / ".a.import.0123456789ab.tmp"
    left.mkdir()
    (left / "part").touch()
    with workspace(tmp_path / "a.import", {"a": 1}) as place:
        assert place.folder.is_dir()
        assert not left.exists()
    assert not list(tmp_path.iterdir())


def test_one_at_a_time_writes_a_file(tmp_path):
    second = published(tmp_path / "a.csv")
    with published(tmp_path / "a.csv") as aside:
        aside.write_text("first")
        with pytest.raises(StoreError, match=r"a\.csv: another process is working on it; wait"):
            second.__enter__()
        assert aside.exists(), "the other one's file was not touched"
    assert names(tmp_path) == ["a.csv"]


def test_a_folder_replaces_the_one_before_it(tmp_path):
    for content in ("old", "new"):
        with published(tmp_path / "viewer") as aside:
            aside.mkdir()
            (aside / content).write_text(content)
    assert names(tmp_path) == ["viewer"]
    assert names(tmp_path / "viewer") == ["new"]


def test_a_name_that_is_taken_is_freed_of_what_a_killed_run_left_beside_it(tmp_path):
    assert not is_taken(tmp_path / "scores")
    (tmp_path / "scores").mkdir()
    (tmp_path / ".scores.lock").write_text("")
    folder_of(tmp_path / ".scores.0123456789ab.tmp", "half")
    assert is_taken(tmp_path / "scores")
    assert names(tmp_path) == ["scores"]


def test_where_another_process_takes_files_away_it_is_told(tmp_path):
    """Possible only where there are no locks, or where they are not those of the whole cluster."""
    target = tmp_path / "a.csv"

    def write():
        with published(target) as aside:
            aside.write_text("whole")
            aside.unlink()

    def work():
        with workspace(target, {}) as place:
            shutil.rmtree(place.folder)
            place.mark("one")

    for job in (write, work):
        with pytest.raises(StoreError, match=r"another process has removed its temporary files"):
            job()


def test_two_threads_that_publish_at_once_leave_one_whole_file(tmp_path):
    told = []

    def write(text):
        for _ in range(30):
            try:
                with published(tmp_path / "a.txt") as aside:
                    aside.write_text(text * 1000)
            except StoreError as error:
                told.append(str(error))

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("another process is working on it" in line for line in told)
    assert (tmp_path / "a.txt").read_text() in {letter * 1000 for letter in "abc"}
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("place", [0, (4 << 20) - 1, -1, -(4 << 20)])
def test_a_large_file_is_known_by_its_ends_and_its_size(tmp_path, place):
    path, content = tmp_path / "slide.svs", bytearray(9 << 20)
    path.write_bytes(content)
    before = file_checksum(path)
    content[place] = 1
    path.write_bytes(content)
    assert file_checksum(path) != before
    path.write_bytes(bytes((9 << 20) + 1))
    assert file_checksum(path) != before


def test_a_small_file_is_known_by_all_of_it(tmp_path):
    path = tmp_path / "small"
    path.write_bytes(bytes(8 << 20))
    before = file_checksum(path)
    path.write_bytes(bytes(4 << 20) + b"x" + bytes((4 << 20) - 1))
    assert file_checksum(path) != before


def test_a_fingerprint_does_not_depend_on_the_order_of_facts():
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint({"a": 1, "b": [2]}) != fingerprint({"a": 1, "b": [3]})
