"""Stores are always the same bytes, and hold nothing that was left half-written."""

import zipfile

import numpy as np
import pytest
import zarr

from nucwsi.io.stores.arrays import create_array, create_group, pack, write_chunk


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


VALUES = np.random.default_rng(0).integers(0, 200, (3, 64, 64), np.uint8)


def written(folder):
    """Write a store as a step does; return the function that ends it."""
    group = create_group(folder, {"kind": "tiles"})
    arrays = [create_array(group, name, VALUES.shape, (3, 32, 32), "u1", 7) for name in "01"]
    for array in arrays:
        for at in np.ndindex(2, 2):
            rows, columns = (slice(32 * place, 32 * place + 32) for place in at)
            write_chunk(array, *at, VALUES[:, rows, columns])
    group.attrs["kind"] = "tiles, complete"


@pytest.mark.parametrize("name", [".zattrs", ".zgroup", "0/.zarray", "0/0/1/1"])
@pytest.mark.parametrize("left", ["empty", "half", "partial"])
def test_a_resumed_store_is_that_of_an_uninterrupted_run(tmp_path, name, left):
    """Whatever was being written when the first run was killed: a chunk or what describes it."""
    for folder in ("whole", "resumed"):
        written(tmp_path / folder)
    path = tmp_path / "resumed" / name
    if left == "partial":
        path.with_suffix(".0123456789abcdef.partial").write_bytes(path.read_bytes()[:9])
        (tmp_path / "resumed" / "1" / "0.partial").write_text("")
    else:
        path.write_bytes(b"" if left == "empty" else path.read_bytes()[:9])
    written(tmp_path / "resumed")
    for folder in ("whole", "resumed"):
        pack(tmp_path / folder, tmp_path / f"{folder}.zarr.zip")
    assert (tmp_path / "whole.zarr.zip").read_bytes() == (
        tmp_path / "resumed.zarr.zip"
    ).read_bytes()


def test_what_zarr_is_still_writing_does_not_get_into_a_zip(tmp_path):
    written(tmp_path / "store")
    (tmp_path / "store" / "0" / "0.0123.partial").write_text("half")
    pack(tmp_path / "store", tmp_path / "store.zarr.zip")
    with zipfile.ZipFile(tmp_path / "store.zarr.zip") as archive:
        assert not [name for name in archive.namelist() if "partial" in name]
