"""MoNuSAC: one layer of outlines a class, and areas that are not scored."""

import numpy as np
import pytest
import tifffile
from layouts import LAYOUTS, NUCLEI, SIDE_PX, check_reading, imagescope, picture, write_text

from nucwsi.errors import DataError, SlideError
from nucwsi.io.datasets.monusac import read


@pytest.fixture
def folder(tmp_path):
    return LAYOUTS["monusac"](tmp_path / "source")


def test_crops_are_listed_and_their_nuclei_are_in_place(folder):
    contents = {
        f"{patient}-01Z-00-DX1_{index}": (part, part, patient)
        for patient, part in (
            ("TCGA-2Z-A9JG", "test"),
            ("TCGA-5P-A9K0", "train"),
            ("TCGA-69-7760", "train"),
        )
        for index in (1, 2)
    }
    check_reading(read(folder), "monusac", contents, 0.25)


def test_ambiguous_areas_are_ignored_and_are_no_nuclei(folder):
    entries = {e.name: e for e in read(folder).entries}
    ignored = entries["TCGA-2Z-A9JG-01Z-00-DX1_1"].read().ignored
    expected = np.zeros((SIDE_PX, SIDE_PX), bool)
    expected[100:120, 100:130] = True
    np.testing.assert_array_equal(ignored, expected)
    assert entries["TCGA-5P-A9K0-01Z-00-DX1_1"].read().ignored is None


def test_the_scan_is_preferred_to_its_copy(folder):
    stem = next(folder.rglob("TCGA-5P-A9K0-01Z-00-DX1_1.tif")).with_suffix("")
    tifffile.imwrite(stem.with_suffix(".svs"), picture(77), tile=(256, 256))
    stem.with_suffix(".tif").write_text("damaged")
    entries = {e.name: e for e in read(folder).entries}
    np.testing.assert_array_equal(entries[stem.name].read().image, picture(77))
    stem.with_suffix(".svs").write_text("damaged too")
    with pytest.raises(SlideError, match=r"DX1_1\.svs"):
        entries[stem.name].read()


def test_a_layer_of_an_unknown_class_is_refused(folder):
    path = next(folder.rglob("TCGA-5P-A9K0-01Z-00-DX1_1.xml"))
    write_text(path, imagescope([("Plasma", [NUCLEI[0][:4]])]))
    message = r"DX1_1\.xml: has a layer 'plasma'; expected epithelial, lymphocyte, neutrophil"
    with pytest.raises(DataError, match=message):
        [entry.read() for entry in read(folder).entries]
