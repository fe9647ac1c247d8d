"""Artefacts are whole or absent and always the same bytes; a killed job goes on where it was."""

import errno
import fcntl
import os
import shutil
import zipfile

import numpy as np
import pytest
import zarr

from nucwsi.errors import StoreError
from nucwsi.io.stores.publish import (
    create_array,
    create_group,
    file_checksum,
    fingerprint,
    pack,
    published,
    workspace,
    write_chunk,
)


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
        assert place.done == {"one"}
    assert not list(tmp_path.iterdir()), "a finished job leaves no folder"


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
        assert place.done == {"0,1"}
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


def test_chunks_are_those_that_zarr_writes_and_blank_ones_take_no_room(tmp_path):
    values = np.random.default_rng(0).integers(0, 255, (3, 50, 70), np.uint8)
    values[:, :32, 32:64] = 7
    for name in ("ours", "zarrs"):
        group = create_group(tmp_path / name, {})
        array = create_array(group, "0", values.shape, (3, 32, 32), "u1", 7)
        if name == "zarrs":
            array[:] = values
            continue
        for row in range(2):
            for column in range(3):
                rows, columns = slice(32 * row, 32 * row + 32), slice(32 * column, 32 * column + 32)
                write_chunk(array, row, column, values[:, rows, columns])
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "ours", mode="r")["0"][:], values)
    ours, theirs = (
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("0/0/*/*")}
        for name in ("ours", "zarrs")
    )
    assert ours == theirs
    assert len(ours) == 5


def test_a_store_is_the_same_bytes_every_time(tmp_path):
    for name in ("one", "two"):
        group = create_group(tmp_path / name, {"kind": "tiles"})
        create_array(group, "0", (64, 64), (32, 32), "u1", 0)[:] = 5
        pack(tmp_path / name, tmp_path / f"{name}.zarr.zip")
    assert (tmp_path / "one.zarr.zip").read_bytes() == (tmp_path / "two.zarr.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zarr.zip") as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


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
