"""The label image: each nucleus its own number where its outline is, on every level."""

import zipfile

import numpy as np
import pytest
import shapely
import zarr
from stores import nucleus_facts
from tables_made import nuclei_at

from nucwsi.grid import Frame
from nucwsi.io.nuclei import labels as module
from nucwsi.io.nuclei.labels import write_labels

CLASSES = ("epithelial", "spindle")
#: Pixels of a canvas that begins in the middle of the slide, and are not square on level 0.
FRAME = Frame((90, 120), 0.5, (0.25, 0.2), (40.0, 60.0), (600, 800))


@pytest.fixture
def painted(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_PX", 32)
    centres = np.array([[85.0, 60.0], [200.0, 100.0], [240.0, 180.0]])  # x, y on level 0
    table = nuclei_at(centres, CLASSES, np.array([[0.9, 0.1], [0.2, 0.8], [0.9, 0.1]]))
    write_labels(
        tmp_path / "s.ome.zarr.zip", [table], nucleus_facts(FRAME, classes=CLASSES), {"a": 1}
    )
    with zipfile.ZipFile(tmp_path / "s.ome.zarr.zip") as archive:
        archive.extractall(tmp_path / "s")
    return table, zarr.open_group(tmp_path / "s", mode="r")


def test_a_pixel_is_the_nucleus_whose_outline_holds_its_middle(painted):
    table, group = painted
    outlines = shapely.from_wkb(table.geometry)
    rows, columns = np.mgrid[:90, :120] + 0.5
    level0 = FRAME.to_level0(np.column_stack([rows.ravel(), columns.ravel()]))
    expected = np.zeros(rows.size, int)
    for number, outline in enumerate(outlines, start=1):
        expected[shapely.contains_xy(outline, level0[:, 1], level0[:, 0])] = number
    np.testing.assert_array_equal(group["labels/nuclei/0"][:], expected.reshape(90, 120))


def test_classes_and_colours_follow_the_numbers(painted):
    table, group = painted
    numbers = group["labels/nuclei/0"][:]
    codes = np.concatenate([[0], table.class_code + 1])
    np.testing.assert_array_equal(group["labels/class/0"][:], codes[numbers])
    assert (group["0"][:][:, numbers == 0] == 255).all()
    assert len(np.unique(group["0"][:].reshape(3, -1), axis=1).T) == 3


def test_a_coarser_level_is_every_second_pixel(painted):
    _, group = painted
    for name in ("labels/nuclei", "labels/class"):
        np.testing.assert_array_equal(group[f"{name}/1"][:], group[f"{name}/0"][::2, ::2])
    assert "2" in group["labels/nuclei"]


def test_the_scale_and_the_place_on_the_slide_are_told(painted):
    _, group = painted
    scale, shift = group.attrs["multiscales"][0]["datasets"][1]["coordinateTransformations"]
    assert scale["scale"] == [1.0, 1.0, 1.0]
    assert shift["translation"] == [0.0, 40.0 * 0.25, 60.0 * 0.2]
