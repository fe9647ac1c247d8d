"""Files of data sets: found without litter, refused by name."""

import zlib

import numpy as np
import pytest
from layouts import picture, save, write_text
from PIL import Image
from scipy.io import savemat

from nucwsi.errors import DataError
from nucwsi.io.datasets import read_files
from nucwsi.io.datasets.read_files import (
    by_stem,
    find_files,
    list_files,
    open_array,
    read_image,
    read_item,
    read_mat,
    readable,
)


def test_what_macos_adds_is_not_listed(tmp_path):
    for name in ("b/2.png", "a/1.png", "a/._1.png", "__MACOSX/a/1.png", "a/1.txt"):
        write_text(tmp_path / name, "x")
    listed = [path.relative_to(tmp_path).as_posix() for path in list_files(tmp_path, "*.png")]
    assert listed == ["a/1.png", "b/2.png"]


def test_files_that_must_be_there_are_missed_by_name(tmp_path):
    with pytest.raises(DataError, match=r"gone: is not a folder; expected this layout"):
        find_files(tmp_path / "gone", "*.png", "this layout")
    with pytest.raises(DataError, match=r"holds no \*\.png; expected this layout"):
        find_files(tmp_path, "*.png", "this layout")


def test_one_name_stands_for_one_file(tmp_path):
    paths = [tmp_path / "a" / "1.png", tmp_path / "b" / "1.png"]
    assert by_stem(paths[:1], "image") == {"1": paths[0]}
    with pytest.raises(DataError, match=r"b/1\.png: .*a/1\.png is the same image"):
        by_stem(paths, "image")


def test_any_error_of_a_library_names_the_file(tmp_path):
    message = r"a\.mat: is not a readable picture: odd; copy"
    with pytest.raises(DataError, match=message), readable(tmp_path / "a.mat", "picture"):
        raise SyntaxError("odd")


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_pictures_of_all_modes_come_as_rgb(tmp_path, mode):
    pixels = picture(shape=(4, 6))
    expected = Image.fromarray(pixels).convert(mode)
    expected.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected.convert("RGB"))


def test_transparency_lies_on_white(tmp_path):
    save(tmp_path / "a.png", np.array([[[9, 9, 9, 255], [9, 9, 9, 0]]], np.uint8))
    assert read_image(tmp_path / "a.png").tolist() == [[[9, 9, 9], [255, 255, 255]]]


def test_an_array_must_have_the_expected_shape(tmp_path):
    values = np.arange(24).reshape(2, 3, 4)
    save(tmp_path / "a.npy", values)
    assert open_array(tmp_path / "a.npy", (None, 3, 4)).shape == (2, 3, 4)
    item = read_item(tmp_path / "a.npy", 1)
    np.testing.assert_array_equal(item, values[1])
    assert item.flags.owndata
    for shape in ((None, 3), (None, 3, 5), (3, None, None)):
        with pytest.raises(DataError, match="is an array of 2 x 3 x 4; expected"):
            open_array(tmp_path / "a.npy", shape)


def test_arrays_of_matlab_come_in_the_order_that_is_asked_for(tmp_path):
    save(tmp_path / "a.mat", {"x": np.eye(2), "y": np.arange(3)})
    y, x = read_mat(tmp_path / "a.mat", ("y", "x"))
    assert (y.tolist(), x.tolist()) == ([[0, 1, 2]], [[1, 0], [0, 1]])
    with pytest.raises(DataError, match=r"has no 'z' \(but x, y\); expected x, z"):
        read_mat(tmp_path / "a.mat", ("x", "z"))


def test_arrays_that_would_fill_the_memory_are_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "large.mat"
    savemat(path, {"map": np.zeros((1000, 1000), np.int32)}, do_compression=True)
    assert path.stat().st_size < 20_000
    assert read_mat(path, ("map",))[0].shape == (1000, 1000)
    monkeypatch.setattr(read_files, "_LARGEST_MAT", 3_000_000)
    with pytest.raises(
        DataError, match=r"large\.mat: .*its arrays take 0\.0 GB, which no labelled"
    ):
        read_mat(path, ("map",))


def test_a_picture_that_claims_to_be_huge_is_refused_unread(tmp_path):
    path = tmp_path / "huge.png"
    Image.new("RGB", (16, 16)).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = (60000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"huge\.png: .*3600000000 pixels"):
        read_image(path)
