"""Outlines of ImageScope become instances, pixel for pixel."""

import logging

import numpy as np
import pytest
from layouts import imagescope, write_text

from nucwsi.errors import DataError
from nucwsi.io.datasets.imagescope import Outline, label_outlines, pairs, read_outlines


def test_a_pixel_belongs_to_the_first_outline_around_its_centre(caplog):
    square = np.array([(0.4, 0.4), (0.4, 2.6), (2.6, 2.6), (2.6, 0.4)])
    outlines = [Outline("", square), Outline("", square + 2), Outline("", square[:2] + 5)]
    with caplog.at_level(logging.INFO):
        instances, painted = label_outlines("x.xml", outlines, (5, 6))
    expected = np.zeros((5, 6), int)
    expected[2:5, 2:5] = 2
    expected[0:3, 0:3] = 1
    np.testing.assert_array_equal(instances, expected)
    assert painted.tolist() == [0, 1]
    assert "x.xml: 1 outlines have no pixel" in caplog.text


def test_outlines_are_rows_and_columns_with_the_name_of_their_layer(tmp_path):
    write_text(tmp_path / "a.xml", imagescope([("Epithelial", [(3, 10, 5, 9)])]))
    [outline] = read_outlines(tmp_path / "a.xml")
    assert outline.name == "epithelial"
    assert outline.vertices.tolist() == [[3, 10], [3, 19], [8, 19], [8, 10]]


def test_a_file_without_outlines_is_refused(tmp_path):
    write_text(tmp_path / "a.xml", imagescope([]))
    with pytest.raises(DataError, match=r"a\.xml: holds no outlines; expected ImageScope's"):
        read_outlines(tmp_path / "a.xml")


def test_each_file_of_outlines_has_its_preferred_image(tmp_path):
    for name in ("a.xml", "a.tif", "a.svs", "Testing/b.xml", "images/b.tif"):
        write_text(tmp_path / name, "")
    a, b = sorted(pairs(tmp_path, (".svs", ".tif"), "a layout"))
    assert (a.name, a.image.name, a.outlines.name) == ("a", "a.svs", "a.xml")
    assert (b.image, b.part) == (tmp_path / "images" / "b.tif", "test")
    write_text(tmp_path / "c.xml", "")
    message = r"c\.xml: has no image c\.svs or c\.tif; expected a layout"
    with pytest.raises(DataError, match=message):
        pairs(tmp_path, (".svs", ".tif"), "a layout")


def test_the_part_is_told_by_folders_not_by_file_names(tmp_path):
    folder = tmp_path / "training"
    for name in ("test_1.xml", "test_1.tif"):
        write_text(folder / name, "")
    assert [pair.part for pair in pairs(folder, (".tif",), "a layout")] == ["train"]
