"""Readers: each published layout on a tiny copy, and what they say of damaged ones."""

import csv

import numpy as np
import pytest
import tifffile
from layouts import LAYOUTS, NUCLEI, SIDE_PX, imagescope, picture, save, write_csv, write_text
from PIL import Image

from nucwsi.cli.commands import _LAYOUTS
from nucwsi.errors import DataError, SlideError
from nucwsi.io.datasets import READERS
from nucwsi.io.datasets.imagescope import Outline, paint
from nucwsi.labels.labelled_image import majority

#: name: (part, split, patient) of each image, in order.
CONTENTS = {
    "conic": {
        "consep_1-0000": ("", "", "consep_1"),
        "consep_1-0001": ("", "", "consep_1"),
        "glas_2-0000": ("", "", "glas_2"),
    },
    "consep": {
        "test_1": ("Test", "test", ""),
        "train_1": ("Train", "train", ""),
        "train_2": ("Train", "train", ""),
        "train_3": ("Train", "train", ""),
    },
    "lizard": {
        "consep_1": ("split1", "train", "consep_1"),
        "dpath_3": ("split3", "test", "dpath_3"),
        "glas_2": ("split2", "val", "glas_2"),
    },
    "monusac": {
        "TCGA-2Z-A9JG-01Z-00-DX1_1": ("test", "test", "TCGA-2Z-A9JG"),
        "TCGA-2Z-A9JG-01Z-00-DX1_2": ("test", "test", "TCGA-2Z-A9JG"),
        "TCGA-5P-A9K0-01Z-00-DX1_1": ("train", "train", "TCGA-5P-A9K0"),
        "TCGA-5P-A9K0-01Z-00-DX1_2": ("train", "train", "TCGA-5P-A9K0"),
        "TCGA-69-7760-01Z-00-DX1_1": ("train", "train", "TCGA-69-7760"),
        "TCGA-69-7760-01Z-00-DX1_2": ("train", "train", "TCGA-69-7760"),
    },
    "monuseg": {
        "TCGA-18-5592-01Z-00-DX1": ("train", "train", "TCGA-18-5592"),
        "TCGA-38-6178-01Z-00-DX1": ("train", "train", "TCGA-38-6178"),
        "TCGA-2Z-A9J9-01A-01-TS1": ("test", "test", "TCGA-2Z-A9J9"),
    },
    "pannuke": {
        f"fold{fold}_0000{index}": (f"fold{fold}", split, "")
        for fold, split in ((1, "train"), (2, "val"), (3, "test"))
        for index in (0, 1)
    },
}


def made(layout, tmp_path):
    return LAYOUTS[layout](tmp_path / "source")


def nuclei_of(labelled):
    """Return corner, size and code of each nucleus."""
    found = []
    for index, number in enumerate(labelled.ids):
        rows, columns = np.nonzero(labelled.instances == number)
        code = 0 if labelled.codes is None else int(labelled.codes[index])
        size = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
        assert rows.size == size[0] * size[1]
        found.append((int(rows.min()), int(columns.min()), *size, code))
    return sorted(found)


def test_every_reader_is_offered_by_the_command_line():
    assert tuple(READERS) == _LAYOUTS


@pytest.mark.parametrize("layout", LAYOUTS)
def test_images_parts_and_patients_are_found(layout, tmp_path):
    found = READERS[layout](made(layout, tmp_path))
    contents = {e.name: (e.part, e.split, e.patient) for e in found.entries}
    assert contents == CONTENTS[layout]
    assert {e.mpp for e in found.entries} == {0.5 if layout in {"conic", "lizard"} else 0.25}
    assert {e.dataset for e in found.entries} == {layout} == set(found.labels)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nuclei_are_where_they_are_and_of_their_class(layout, tmp_path):
    source = made(layout, tmp_path)
    truth = sorted((*place, 0 if layout == "monuseg" else code) for *place, code in NUCLEI)
    for entry in READERS[layout](source).entries:
        labelled = entry.read()
        assert nuclei_of(labelled) == truth
        assert labelled.image.dtype == np.uint8
        assert labelled.instances.dtype == np.int32


@pytest.mark.parametrize(
    ("layout", "name", "seed"), [("pannuke", "fold2_00001", 21), ("conic", "consep_1-0001", 1)]
)
def test_pictures_belong_to_their_labels(layout, name, seed, tmp_path):
    entries = {e.name: e for e in READERS[layout](made(layout, tmp_path)).entries}
    assert np.array_equal(entries[name].read().image, picture(seed))
    assert entries[name].note == ("Breast" if layout == "pannuke" else "")


def test_a_nucleus_has_the_class_of_most_of_its_pixels_but_background():
    instances = np.array([[4, 4, 4, 4, 9, 9, 0]])
    classes = np.array([[0, 0, 0, 3, 0, 0, 5]])
    ids, codes = majority(instances, classes)
    assert ids.tolist() == [4, 9]
    assert codes.tolist() == [3, 0]
    assert [part.size for part in majority(instances * 0, classes)] == [0, 0]


@pytest.mark.parametrize("layout", ["conic", "pannuke"])
def test_large_arrays_are_mapped_not_read(layout, tmp_path, monkeypatch):
    source = made(layout, tmp_path)
    modes = []
    load = np.load
    monkeypatch.setattr(
        np, "load", lambda *args, **more: modes.append(more["mmap_mode"]) or load(*args, **more)
    )
    READERS[layout](source).entries[0].read()
    assert set(modes) == {"r"}


def test_overlaps_in_pannuke_go_to_the_later_class(tmp_path):
    source = LAYOUTS["pannuke"](tmp_path / "source", folds=(1,), patches=1)
    path = source / "Fold 1" / "masks" / "fold1" / "masks.npy"
    masks = np.load(path)
    masks[0, 3:6, 10:19, 4] = 8
    np.save(path, masks)
    labelled = READERS["pannuke"](source).entries[0].read()
    assert (3, 10, 3, 9, 5) in nuclei_of(labelled)
    assert (6, 10, 2, 9, 2) in nuclei_of(labelled)


def test_conic_without_sources_has_no_patients(tmp_path):
    source = made("conic", tmp_path)
    (source / "patch_info.csv").unlink()
    entries = READERS["conic"](source).entries
    assert [(e.name, e.patient) for e in entries] == [("0000", ""), ("0001", ""), ("0002", "")]


def test_a_half_of_consep_or_monuseg_keeps_its_split(tmp_path):
    consep = READERS["consep"](LAYOUTS["consep"](tmp_path / "c") / "Test")
    monuseg = READERS["monuseg"](LAYOUTS["monuseg"](tmp_path / "m") / "MoNuSegTestData")
    assert {e.split for e in consep.entries + monuseg.entries} == {"test"}


def test_ambiguous_areas_of_monusac_are_ignored_not_nuclei(tmp_path):
    entries = {e.name: e for e in READERS["monusac"](made("monusac", tmp_path)).entries}
    ignored = entries["TCGA-2Z-A9JG-01Z-00-DX1_1"].read().ignored
    expected = np.zeros((SIDE_PX, SIDE_PX), bool)
    expected[100:120, 100:130] = True
    assert np.array_equal(ignored, expected)
    assert entries["TCGA-5P-A9K0-01Z-00-DX1_1"].read().ignored is None


def test_monusac_prefers_the_scan_to_its_copy(tmp_path):
    source = made("monusac", tmp_path)
    stem = next(source.rglob("TCGA-5P-A9K0-01Z-00-DX1_1.tif")).with_suffix("")
    tifffile.imwrite(stem.with_suffix(".svs"), picture(77), tile=(256, 256))
    stem.with_suffix(".tif").write_text("damaged")
    entries = {e.name: e for e in READERS["monusac"](source).entries}
    assert np.array_equal(entries[stem.name].read().image, picture(77))
    stem.with_suffix(".svs").write_text("damaged too")
    with pytest.raises(SlideError, match=r"DX1_1\.svs"):
        entries[stem.name].read()


def test_a_pixel_belongs_to_the_first_outline_around_its_middle():
    square = np.array([(0.4, 0.4), (0.4, 2.6), (2.6, 2.6), (2.6, 0.4)])
    outlines = [Outline("", square), Outline("", square + 2), Outline("", square[:2] + 5)]
    instances, painted = paint("x.xml", outlines, (5, 6))
    expected = np.zeros((5, 6), int)
    expected[2:5, 2:5] = 2
    expected[0:3, 0:3] = 1
    assert np.array_equal(instances, expected)
    assert painted.tolist() == [0, 1]


def put(array, where, value):
    array = array.astype(np.float64) if isinstance(value, float) else array
    array[where] = value
    return array


CONIC_FAULTS = [
    ("images.npy", lambda a: a[:, :255], r"images\.npy: is an array of 3 x 255.*N x 256 x 256 x 3"),
    ("labels.npy", lambda a: a[:2], r"labels\.npy: has 2 patches; expected 3"),
    ("labels.npy", lambda a: a[..., :1], r"labels\.npy: is an array of 3 x 256 x 256 x 1"),
    ("labels.npy", lambda a: np.moveaxis(a, -1, 1), r"labels\.npy: is an array of 3 x 2 x 256"),
    (
        "labels.npy",
        lambda a: put(a, np.s_[1, 4, 12, 0], 1.5),
        r"labels\.npy, patch 1: the instances must be integers.*got 1\.5",
    ),
    (
        "labels.npy",
        lambda a: put(a, np.s_[2, 0, 0, 1], float("nan")),
        r"labels\.npy, patch 2: the classes must be integers.*got nan",
    ),
    ("images.npy", lambda a: a.astype(np.int16) * 2, r"image of 0 to 255, got values up to 510"),
    ("images.npy", lambda a: a.astype(str), r"the values of the image are of type <U3"),
]


@pytest.mark.parametrize(("name", "change", "message"), CONIC_FAULTS)
def test_a_damaged_array_is_named(name, change, message, tmp_path):
    source = made("conic", tmp_path)
    np.save(source / name, change(np.load(source / name)))
    with pytest.raises(DataError, match=message):
        [entry.read() for entry in READERS["conic"](source).entries]


MISSING = [
    ("conic", "images.npy", r"images\.npy: does not exist; expected the array of N x 256 x 256"),
    ("conic", "counts.csv", r"counts\.csv: does not exist"),
    ("lizard", "Lizard_Images2/glas_2.png", r"glas_2\.mat: has no image glas_2\.png"),
    ("pannuke", "Fold 2/masks/fold2/masks.npy", r"fold2/masks\.npy: does not exist"),
    ("consep", "Train/Images/train_2.png", r"train_2\.mat: has no image .*train_2\.png"),
    ("monuseg", "MoNuSegTestData/TCGA-2Z-A9J9-01A-01-TS1.tif", r"TS1\.xml: has no image TCGA-2Z"),
]


@pytest.mark.parametrize(("layout", "name", "message"), MISSING)
def test_a_missing_file_is_named(layout, name, message, tmp_path):
    source = made(layout, tmp_path)
    (source / name).unlink()
    with pytest.raises(DataError, match=message):
        READERS[layout](source)


@pytest.mark.parametrize("layout", READERS)
def test_another_layout_is_refused_with_what_was_expected(layout, tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "readme.txt").write_text("no data")
    for source in (tmp_path / "source", tmp_path / "nowhere"):
        with pytest.raises(DataError, match=rf"{source.name}.*; (expected|make it)"):
            READERS[layout](source)


TEXT_FAULTS = [
    (
        "lizard",
        "consep_1.mat",
        "no MATLAB",
        r"consep_1\.mat: is no readable MATLAB file.*truncated",
    ),
    ("lizard", "info.csv", "Name,Fold\na,1\n", r"info\.csv: expected the columns Filename"),
    ("consep", "train_1.png", "no picture", r"train_1\.png: is no readable picture"),
    ("conic", "images.npy", "no array", r"images\.npy: is no readable array"),
    ("conic", "counts.csv", "neutrophil\n1\n", r"counts\.csv: has 1 patches; expected 3"),
    ("monuseg", "TCGA-18-5592-01Z-00-DX1.xml", "<Annot", r"DX1\.xml: is no readable XML"),
    ("monuseg", "TCGA-18-5592-01Z-00-DX1.xml", "<Annotations/>", r"DX1\.xml: holds no outlines"),
    (
        "monuseg",
        "TCGA-18-5592-01Z-00-DX1.xml",
        imagescope([("", [NUCLEI[0][:4]])]).replace('X="', 'x="'),
        r"DX1\.xml: a Vertex lacks X or Y",
    ),
    (
        "monuseg",
        "TCGA-18-5592-01Z-00-DX1.xml",
        '<!DOCTYPE a [<!ENTITY b "c">]><Annotations>&b;</Annotations>',
        r"DX1\.xml: is no readable XML.*Entities",
    ),
    (
        "monusac",
        "TCGA-5P-A9K0-01Z-00-DX1_1.xml",
        imagescope([("Plasma", [NUCLEI[0][:4]])]),
        r"DX1_1\.xml: has a layer 'plasma'; expected epithelial, lymphocyte, neutrophil",
    ),
]


@pytest.mark.parametrize(("layout", "name", "text", "message"), TEXT_FAULTS)
def test_a_damaged_file_is_named(layout, name, text, message, tmp_path):
    source = made(layout, tmp_path)
    write_text(next(source.rglob(name)), text)
    with pytest.raises(DataError, match=message):
        [entry.read() for entry in READERS[layout](source).entries]


MAT_FAULTS = [
    ({"id": None}, r"has no 'id' \(but class, inst_map\); expected inst_map, id, class"),
    ({"id": np.array([[7], [2]]), "class": np.array([[1], [1]])}, r"instance 9 has no class"),
    ({"id": np.array([[7], [2], [9], [9]])}, r"instance 9 has two classes"),
    ({"id": np.array([[7], [2], [9]])}, r"3 instances but 4 classes"),
    ({"inst_map": np.zeros((SIDE_PX, SIDE_PX + 10))}, r"image has 266 x 256 px.*256 x 266"),
    ({"class": np.array([[1.0], [2.0], [0.5], [1.0]])}, r"the classes must be integers.*got 0\.5"),
]


@pytest.mark.parametrize(("changes", "message"), MAT_FAULTS)
def test_labels_that_contradict_themselves_are_refused(changes, message, tmp_path):
    source = LAYOUTS["lizard"](tmp_path / "source", names=("glas_2",))
    path = source / "Lizard_Labels" / "Labels" / "glas_2.mat"
    instances = np.zeros((SIDE_PX + 10, SIDE_PX))
    instances[1, 1], instances[5, 5], instances[9, 9] = 7, 2, 9
    ids, codes = np.array([[9], [4], [2], [7]]), np.array([[1], [2], [3], [4]])
    held = {"class": codes, "inst_map": instances, "id": ids} | changes
    save(path, {key: values for key, values in held.items() if values is not None})
    with pytest.raises(DataError, match=rf"glas_2\.mat: .*{message}"):
        READERS["lizard"](source).entries[0].read()


def manifest_of(folder, **columns):
    row = {"dataset": "nucls", "name": "a.b", "split": "train", "mpp": "0.25", **columns}
    write_csv(folder / "manifest.csv", list(row), list(row.values()))
    save(folder / "nucls" / "a.b.webp", picture())
    return folder


def test_a_manifest_of_points_and_of_outlines(tmp_path):
    folder = manifest_of(tmp_path)
    archive = folder / "nucls" / "a.b.npz"
    np.savez(archive, points=np.array([[3.5, 200.25]], np.float32), classes=np.array([2]))
    labelled = READERS["manifest"](folder).entries[0].read()
    assert labelled.points.tolist() == [[3.5, 200.25]]
    assert labelled.instances is None
    np.savez(archive, instances=np.eye(SIDE_PX, dtype=np.uint16) * 9, ids=[9], classes=[2])
    labelled = READERS["manifest"](folder / "manifest.csv").entries[0].read()
    assert labelled.ids.tolist() == [9]
    assert labelled.codes.tolist() == [2]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"split": "training"}, r"a\.b is of split 'training'; expected train, val, test"),
        ({"mpp": "40x"}, r"a\.b has mpp '40x'"),
        ({"mpp": "0"}, r"a\.b has mpp 0; expected µm above 0"),
        ({"name": "c"}, r"nucls/c: .*c\.png does not exist"),
    ],
)
def test_a_faulty_manifest_is_refused(columns, message, tmp_path):
    with pytest.raises(DataError, match=rf"manifest\.csv: .*{message}"):
        READERS["manifest"](manifest_of(tmp_path, **columns))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"ids": [1]}, r"holds ids; expected instances"),
        ({"instances": np.eye(SIDE_PX), "classes": [1]}, r"holds instances, classes; expected"),
        ({"instances": np.eye(9)}, r"image has 256 x 256 px, but its labels 9 x 9"),
        ({"instances": np.eye(SIDE_PX) / 2}, r"instances must be integers.*got 0\.5"),
        ({"instances": -np.eye(SIDE_PX)}, r"instances must be integers from 0 on, got -1"),
        ({"points": [[1, 2]], "classes": [1, 2]}, r"points of 1 x 2 and 2 classes"),
        ({"points": [[2, 300]], "classes": [1]}, r"row 2, column 300 lies outside"),
        ({"points": [[1, 2]], "classes": [256]}, r"class 256; expected 0 to 255"),
    ],
)
def test_a_faulty_archive_is_refused(arrays, message, tmp_path):
    folder = manifest_of(tmp_path)
    np.savez(folder / "nucls" / "a.b.npz", **{k: np.array(v) for k, v in arrays.items()})
    with pytest.raises(DataError, match=rf"a\.b\.npz: .*{message}"):
        READERS["manifest"](folder).entries[0].read()


def test_classes_without_names_are_refused(tmp_path):
    folder = manifest_of(tmp_path, dataset="mine")
    (folder / "nucls").rename(folder / "mine")
    np.savez(folder / "mine" / "a.b.npz", points=np.ones((1, 2)), classes=np.array([1]))
    with pytest.raises(DataError, match=r"has classes, but labels\.csv does not name them"):
        READERS["manifest"](folder).entries[0].read()
    write_csv(folder / "labels.csv", ["dataset", "code", "name"], ["mine", "1", " Plasma "])
    found = READERS["manifest"](folder)
    assert found.labels == {"mine": {1: "plasma"}}
    assert found.entries[0].read().codes.tolist() == [1]


def test_transparent_pixels_are_white(tmp_path):
    source = LAYOUTS["consep"](tmp_path / "source")
    rgba = np.zeros((SIDE_PX, SIDE_PX, 4), np.uint8)
    Image.fromarray(rgba).save(source / "Train" / "Images" / "train_1.png")
    entry = next(e for e in READERS["consep"](source).entries if e.name == "train_1")
    assert (entry.read().image == 255).all()


def test_the_shared_manifest_is_read_as_it_is_described(shared):
    path = shared / "nuclei" / "manifest.csv"
    entries = READERS["manifest"](shared / "nuclei").entries
    with path.open(newline="") as stream:
        rows = {(row["dataset"], row["name"]): row for row in csv.DictReader(stream)}
    assert len(entries) == len(rows)
    seen = set()
    for entry in entries:
        if entry.dataset in seen:
            continue
        seen.add(entry.dataset)
        row, labelled = rows[entry.dataset, entry.name], entry.read()
        assert labelled.image.shape[:2] == (int(row["height"]), int(row["width"]))
        assert len(labelled.ids) == int(row["nuclei"])
        assert (labelled.codes is not None) == (row["classified"] != "no")
