"""MoNuSeg: outlines without classes."""

import pytest
from layouts import LAYOUTS, NUCLEI, check_reading, imagescope, write_text

from nucwsi.errors import DataError
from nucwsi.io.datasets.monuseg import read


@pytest.fixture
def folder(tmp_path):
    return LAYOUTS["monuseg"](tmp_path / "source")


def test_tiles_are_listed_and_their_nuclei_are_in_place(folder):
    contents = {
        "TCGA-18-5592-01Z-00-DX1": ("train", "train", "TCGA-18-5592"),
        "TCGA-38-6178-01Z-00-DX1": ("train", "train", "TCGA-38-6178"),
        "TCGA-2Z-A9J9-01A-01-TS1": ("test", "test", "TCGA-2Z-A9J9"),
    }
    dataset = read(folder)
    check_reading(dataset, "monuseg", contents, 0.25, classified=False)
    assert dataset.labels == {"monuseg": {}}
    assert dataset.entries[0].read().codes is None


def test_one_half_keeps_its_split(folder):
    assert {e.split for e in read(folder / "MoNuSegTestData").entries} == {"test"}


def test_a_missing_image_is_named(folder):
    (folder / "MoNuSegTestData" / "TCGA-2Z-A9J9-01A-01-TS1.tif").unlink()
    with pytest.raises(DataError, match=r"TS1\.xml: has no image TCGA-2Z"):
        read(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<Annot", "is not readable XML"),
        ("<Annotations/>", "holds no outlines"),
        (
            imagescope([("", [NUCLEI[0][:4]])]).replace('X="', 'x="'),
            "a Vertex lacks X or Y",
        ),
        (
            '<!DOCTYPE a [<!ENTITY b "c">]><Annotations>&b;</Annotations>',
            "is not readable XML.*Entities",
        ),
    ],
)
def test_damaged_outlines_are_named(folder, text, message):
    write_text(next(folder.rglob("TCGA-18-5592-01Z-00-DX1.xml")), text)
    with pytest.raises(DataError, match=rf"DX1\.xml: {message}"):
        [entry.read() for entry in read(folder).entries]
