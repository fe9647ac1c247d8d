"""Label images: each number is one nucleus, whatever holds the pixels."""

import json
import logging
import zipfile

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


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        # Damage at random (seed 4, case 479), and more of its kind.
        ({"ImageLength": (1 << 31) - 1}, "has 2147483647 x 90 px, more than fits into memory"),
        ({"ImageLength": 1_000_000}, "lists 24 tiles of 16 x 16 px where 375000 are needed"),
        ({"TileWidth": 1 << 28}, "states tiles of 16 x 268435456 px, larger than any"),
        ({"TileLength": 1 << 20}, "lists 24 tiles of 1048576 x 16 px where 6 are needed"),
    ],
)
def test_what_a_tiff_states_of_its_size_is_not_believed(tmp_path, damage, message):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, squares(11), tile=(16, 16), compression="deflate")
    with tifffile.TiffFile(path, mode="r+b") as file:
        for name, value in damage.items():
            file.pages[0].tags[name].overwrite(value, dtype="I")
    with pytest.raises(DataError, match=rf"a\.tif: {message}"):
        read_label_image(path)


@pytest.mark.parametrize("key", ["shape", "chunks"])
@pytest.mark.parametrize("packed", [False, True])
def test_what_zarr_states_of_its_size_is_not_believed(tmp_path, key, packed):
    kept = zarr.open_array(tmp_path / "a.zarr", mode="w", shape=(60, 90), dtype="i4", zarr_format=2)
    kept[:] = squares(11)
    about = tmp_path / "a.zarr" / ".zarray"
    stated = json.loads(about.read_text())
    about.write_text(json.dumps({**stated, key: [30_000, 30_000]}))
    path = tmp_path / "a.zarr"
    if packed:
        with zipfile.ZipFile(path := tmp_path / "b.zarr.zip", "w") as archive:
            for part in sorted((tmp_path / "a.zarr").iterdir()):
                archive.write(part, part.name)
    with pytest.raises(DataError, match=r"states an array of 30000 x 30000, 3\.6 GB, in"):
        read_label_image(path)


def test_an_npy_holds_what_it_states(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, squares(3))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"(60, 90), }    ", b"(30000, 30000)}"))
    assert path.read_bytes() != content
    with pytest.raises(DataError, match=r"a\.npy: cannot be read as a label image"):
        read_label_image(path)
