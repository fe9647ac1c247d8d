"""Label images: each number is one nucleus, whatever holds the pixels."""

import logging

import numpy as np
import pytest
import shapely
import tifffile
import zarr
from foreign_made import squares

from nucwsi.errors import DataError
from nucwsi.io.foreign.label_image import is_label_image, read_label_image


def saved(folder, form, labels):
    path = folder / f"a{form}"
    if form == ".npy":
        np.save(path, labels)
    elif form == ".tif":
        tifffile.imwrite(path, labels.astype(np.uint16))
    else:
        group = zarr.open_group(path, mode="w")
        group.attrs["multiscales"] = [{"version": "0.4", "datasets": [{"path": "0"}]}]
        group.create_array("0", data=labels[None, None])
    return path


@pytest.mark.parametrize("form", [".npy", ".tif", ".zarr"])
def test_every_label_is_one_outline(tmp_path, form):
    path = saved(tmp_path, form, squares(11))
    assert is_label_image(path)
    found = read_label_image(path)
    assert found.size_px == (60, 90)
    assert shapely.area(found.polygons).tolist() == [16] * 11
    assert found.polygons[0].bounds == (5, 5, 9, 9)
    assert found.polygons[8].bounds == (5, 14, 9, 18)


def test_of_a_label_in_pieces_the_largest_counts(tmp_path, caplog):
    labels = squares(2)
    labels[40:42, 40:43] = 7
    labels[50, 50] = 14
    with caplog.at_level(logging.WARNING):
        found = read_label_image(saved(tmp_path, ".npy", labels))
    assert shapely.area(found.polygons).tolist() == [16, 16]
    assert "2 pieces beside the largest of their nucleus are left out" in caplog.text
    # Labels that touch are two nuclei.
    touching = np.array([[0, 0, 0, 0], [0, 3, 9, 0], [0, 3, 9, 0], [0, 0, 0, 0]])
    assert len(read_label_image(saved(tmp_path, ".npy", touching)).polygons) == 2


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((4, 4)), r"array of float64 of shape \(4, 4\); expected \(H, W\) whole numbers"),
        (np.zeros((4, 4, 3), np.uint8), r"of shape \(4, 4, 3\)"),
        (np.array([{}], object), "cannot be read as a label image"),
        (squares(3) - 1, "holds -1, expected 0 for the background"),
        ((squares(3) > 0).astype(np.uint8), "the same number in 3 places; expected one number for"),
    ],
)
def test_what_is_no_label_image_is_named(tmp_path, pixels, message):
    np.save(tmp_path / "a.npy", pixels, allow_pickle=True)
    with pytest.raises(DataError, match=message):
        read_label_image(tmp_path / "a.npy")
    (tmp_path / "b.tif").write_bytes(b"II*\0")
    with pytest.raises(DataError, match=r"b\.tif: cannot be read"):
        read_label_image(tmp_path / "b.tif")


@pytest.mark.parametrize(
    ("was", "now"),
    [
        # Damage at random (seed 4, case 64), and more of its kind.
        (b"'descr': '<i4'", b"'descr': 99999"),
        (b"'descr': '<i4'", b"'descr': (((("),
        (b"'fortran_order'", b'"""rtran_order\''),
        (b"(60, 90)", b"(60, 1j)"),
        (b"(60, 90)", b"(6**9**)"),
    ],
)
def test_a_damaged_header_is_one_line(tmp_path, was, now):
    path = tmp_path / "a.npy"
    np.save(path, squares(3))
    content = path.read_bytes()
    assert was in content
    path.write_bytes(content.replace(was, now))
    with pytest.raises(DataError, match=r"a\.npy: cannot be read as a label image"):
        read_label_image(path)


def test_a_damaged_chunk_is_one_line(tmp_path):
    path = saved(tmp_path, ".zarr", squares(3))
    for chunk in path.rglob("*"):
        if chunk.is_file() and chunk.suffix != ".json":
            chunk.write_bytes(b"x" * 20)
    with pytest.raises(DataError, match=r"\.zarr: cannot be read as a label image"):
        read_label_image(path)


def test_an_empty_picture_holds_no_nucleus(tmp_path):
    assert not len(read_label_image(saved(tmp_path, ".npy", np.zeros((0, 5), int))).polygons)


def test_a_tile_that_is_half_there_is_refused(tmp_path):
    """Damage at random (seed 4, case 102): tifffile fills it with zeros, which are no nuclei."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, squares(11), tile=(16, 16), compression="deflate")
    with tifffile.TiffFile(path, mode="r+b") as file:
        tag = file.pages[0].tags["TileOffsets"]
        tag.overwrite([*tag.value[:4], 0, *tag.value[5:]])
    with pytest.raises(DataError, match=r"a\.tif: 1 of its tiles have a place or a size only"):
        read_label_image(path)
