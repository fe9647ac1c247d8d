"""`data import`: the documented form, whole or not at all; and what training makes of it."""

import csv
import logging

import numpy as np
import pytest
from click.testing import CliRunner
from layouts import LAYOUTS, NUCLEI, SIDE_PX, picture, save, write_csv

from nucwsi.cli.commands import main
from nucwsi.config import ImportSettings
from nucwsi.errors import ConfigError, DataError, StoreError
from nucwsi.io.datasets import READERS
from nucwsi.labels.taxonomy import LABELS
from nucwsi.steps.data import import_data
from nucwsi.training.load_samples import load_samples

CLASSES = ("epithelial", "inflammatory", "spindle", "other")


def rows_of(folder):
    with (folder / "manifest.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def splits_of(folder):
    return {row["name"]: row["split"] for row in rows_of(folder)}


def imported(layout, tmp_path, name="made", **settings):
    source = tmp_path / layout
    if not source.exists():
        LAYOUTS[layout](source)
    given = {key: settings.pop(key) for key in ("mpp", "parts") if key in settings}
    import_data(layout, source, tmp_path / name, ImportSettings(**settings), **given)
    return tmp_path / name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_keeps_its_pixels_and_labels(layout, tmp_path):
    folder = imported(layout, tmp_path)
    before = {e.name: e for e in READERS[layout](tmp_path / layout).entries}
    after = READERS["manifest"](folder)
    assert {e.name for e in after.entries} == set(before)
    assert after.labels == {layout: LABELS[layout]}
    for entry in after.entries:
        one, other = before[entry.name].read(), entry.read()
        assert entry.mpp == before[entry.name].mpp
        assert entry.patient == before[entry.name].patient
        for field in ("image", "instances", "ids", "codes", "ignored"):
            assert np.array_equal(getattr(one, field), getattr(other, field)), field
    for row in rows_of(folder):
        assert int(row["nuclei"]) == len(NUCLEI)
        assert row["classified"] == ("no" if layout == "monuseg" else "yes")
        assert int(row["width"]) == SIDE_PX


def test_the_documented_form_is_imported_again_unchanged(tmp_path):
    folder = imported("monusac", tmp_path)
    import_data("manifest", folder, tmp_path / "again", ImportSettings())
    assert rows_of(folder) == rows_of(tmp_path / "again")
    for path in sorted(folder.rglob("*.png")):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(folder)).read_bytes()


def test_published_splits_are_kept_and_missing_ones_drawn_by_patient(tmp_path):
    assert set(splits_of(imported("pannuke", tmp_path)).values()) == {"train", "val", "test"}
    splits = splits_of(imported("monusac", tmp_path, "monusac_made"))
    assert splits["TCGA-2Z-A9JG-01Z-00-DX1_1"] == "test"
    by_patient = {}
    for name, split in splits.items():
        by_patient.setdefault(name[:12], set()).add(split)
    assert sorted(map(sorted, by_patient.values())) == [["test"], ["train"], ["val"]]


def test_a_draw_is_the_seeds(tmp_path):
    source = LAYOUTS["conic"](tmp_path / "conic", [f"glas_{i}-0000" for i in range(12)])
    drawn = []
    for index, seed in enumerate((1, 1, 2)):
        settings = ImportSettings(val_share=0.25, test_share=0.25, seed=seed)
        import_data("conic", source, tmp_path / str(index), settings)
        drawn.append(splits_of(tmp_path / str(index)))
    assert drawn[0] == drawn[1] != drawn[2]
    assert sorted(drawn[0].values()) == ["test"] * 3 + ["train"] * 6 + ["val"] * 3


def test_parts_and_mpp_can_be_set(tmp_path):
    parts = {"fold1": "val", "fold2": "train"}
    folder = imported("pannuke", tmp_path, parts=parts, mpp=0.5)
    assert splits_of(folder)["fold1_00000"] == "val"
    assert splits_of(folder)["fold2_00000"] == "train"
    assert {row["mpp"] for row in rows_of(folder)} == {"0.5"}


def test_images_of_unknown_patients_are_drawn_with_a_warning(tmp_path, caplog):
    folder = imported("consep", tmp_path, val_share=0.4)
    assert sorted(splits_of(folder).values()) == ["test", "train", "train", "val"]
    assert "patients are not known" in caplog.text


def alter(source, name, change):
    path = next(source.rglob(name))
    np.save(path, change(np.load(path)))


def with_value(where, value):
    def change(array):
        array[where] = value
        return array

    return change


BAD = [
    ("labels.npy", with_value(np.s_[2, ..., 1], 7), r"glas_2-0000: class 7 is out of range"),
    ("labels.npy", lambda a: a * 0, r"none of 3 images has a nucleus"),
    ("labels.npy", lambda a: a / 4, r"patch 0: the instances must be integers"),
    ("labels.npy", lambda a: a[:0], r"has 0 patches; expected 3"),
]


@pytest.mark.parametrize(("name", "change", "message"), BAD)
def test_bad_data_leave_nothing_behind(name, change, message, tmp_path):
    source = LAYOUTS["conic"](tmp_path / "source")
    alter(source, name, change)
    with pytest.raises(DataError, match=message):
        import_data("conic", source, tmp_path / "made", ImportSettings(val_share=0))
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_an_empty_set_is_refused(tmp_path):
    source = tmp_path / "source"
    columns = ["dataset", "name", "split", "mpp"]
    write_csv(source / "manifest.csv", columns)
    with pytest.raises(DataError, match="holds no image"):
        import_data("manifest", source, tmp_path / "made", ImportSettings())


def manifest(folder, *rows, labels=(("mine", 1, "plasma"),), codes=(1,)):
    columns = ["dataset", "name", "split", "mpp", "patient"]
    write_csv(folder / "manifest.csv", columns, *rows)
    write_csv(folder / "labels.csv", ["dataset", "code", "name"], *labels)
    for dataset, name, *_ in rows:
        save(folder / dataset / f"{name}.png", picture())
        instances = np.zeros((SIDE_PX, SIDE_PX), np.uint16)
        instances[5:9, 5:9] = 1
        archive = folder / dataset / f"{name}.npz"
        np.savez(archive, instances=instances, ids=[1], classes=np.array(codes))
    return folder


def test_a_patient_in_two_splits_is_refused_by_import_and_by_training(tmp_path):
    leaky = manifest(
        tmp_path / "leaky", ["mine", "a", "train", 0.5, "p1"], ["mine", "b", "val", 0.5, "p1"]
    )
    message = "mine: patient p1 is in train and in val"
    with pytest.raises(DataError, match=message):
        import_data("manifest", leaky, tmp_path / "made", ImportSettings())
    assert not (tmp_path / "made").exists()
    with pytest.raises(DataError, match=message):
        load_samples([leaky], "train", CLASSES, 0.5)


def test_a_part_that_tears_a_patient_apart_is_refused(tmp_path):
    rows = [["mine", "a", "train", 0.5, "p1"], ["mine", "b", "train", 0.5, "p1"]]
    folder = manifest(tmp_path / "one", *rows)
    with pytest.raises(DataError, match="too few"):
        import_data("manifest", folder, tmp_path / "made", ImportSettings())
    with pytest.raises(ConfigError, match="part 'fold1' is not in the data set; it has train"):
        import_data("manifest", folder, tmp_path / "made", ImportSettings(), parts={"fold1": "val"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"parts": {"fold1": "valid"}}, "part 'fold1' is to be 'valid'; expected train, val, test"),
        ({"mpp": 40.0}, "`mpp` is 40 µm; expected 0.05 to 5"),
    ],
)
def test_wrong_options_are_refused(given, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        imported("pannuke", tmp_path, **given)


def test_names_that_lead_out_of_the_folder_are_refused(tmp_path):
    row = ["mine", "../a", "train", 0.5, ""]
    (tmp_path / "source" / "mine").mkdir(parents=True)
    folder = manifest(tmp_path / "source", row)
    with pytest.raises(DataError, match=r"mine/\.\./a cannot name a file"):
        import_data("manifest", folder, tmp_path / "made", ImportSettings())


def test_an_existing_folder_is_not_touched(tmp_path):
    (tmp_path / "made").mkdir()
    with pytest.raises(StoreError, match="made: exists already"):
        imported("conic", tmp_path)
    assert list((tmp_path / "made").iterdir()) == []


def test_the_command_line(tmp_path):
    source = LAYOUTS["pannuke"](tmp_path / "source")

    def run(*words):
        return CliRunner().invoke(main, ["data", "import", *map(str, words)])

    made = tmp_path / "made"
    result = run("--from", "pannuke", source, "-o", made, "--part", "fold3=val", "--mpp", "0.3")
    assert result.exit_code == 0, result.output
    assert splits_of(made)["fold3_00001"] == "val"
    assert rows_of(made)[0]["mpp"] == "0.3"
    refused = run("--from", "conic", source, "-o", tmp_path / "other")
    assert refused.exit_code == 1
    assert refused.output.count("\n") == 1
    assert "images.npy: does not exist" in refused.output


def test_training_reads_what_import_wrote(tmp_path):
    folder = imported("monusac", tmp_path)
    samples = load_samples([folder], "train", CLASSES, 0.5)
    assert {s.name.split("/")[0] for s in samples} == {"monusac"}
    for sample in samples:
        assert sample.scale == 2
        assert sample.outlined
        for row, column, height, width, code in NUCLEI:
            inside = sample.class_set[row : row + height, column : column + width]
            assert (inside == (1 if code == 1 else 2)).all()
        assert (sample.class_set > 0).sum() == (sample.instances > 0).sum()


def test_points_supervise_the_class_around_them_only(tmp_path):
    folder = manifest(tmp_path / "a", ["mine", "a", "train", 0.5, ""], codes=(1,))
    points = np.array([[20.0, 100.0], [0.0, 255.0]])
    np.savez(folder / "mine" / "a.npz", points=points, classes=np.array([1, 0]))
    (sample,) = load_samples([folder], "train", CLASSES, 0.5)
    assert not sample.outlined
    assert not sample.instances.any()
    rows, columns = np.nonzero(sample.class_set)
    assert np.hypot(rows - 20, columns - 100).max() <= 3
    assert sample.class_set[20, 103] == 2
    # Of the rim between the middle of a nucleus and what lies far from all nothing is known.
    for column, nucleus, known in ((102, True, True), (103, False, False), (116, False, False)):
        assert (sample.nucleus[20, column], sample.known[20, column]) == (nucleus, known)
    assert sample.known[20, 117]
    np.savez(folder / "mine" / "a.npz", points=np.zeros((0, 2)), classes=np.zeros(0, int))
    (sample,) = load_samples([folder], "train", CLASSES, 0.5)
    assert not sample.class_set.any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codes": (2,)}, r"mine/a: class 2 is out of range; expected 1, or 0"),
        ({"labels": (("mine", 1, "plasmatic"),)}, r"'plasmatic' is not known; expected one of"),
        ({"labels": (("mine", 300, "plasma"),)}, r"labels\.csv: code '300'; expected 1 to 255"),
    ],
)
def test_bad_labels_stop_training_before_it_starts(changes, message, tmp_path):
    folder = manifest(tmp_path / "a", ["mine", "a", "train", 0.5, ""], **changes)
    with pytest.raises(DataError, match=message):
        load_samples([folder], "train", CLASSES, 0.5)


def test_a_size_that_does_not_fit_stops_training(tmp_path):
    folder = manifest(tmp_path / "a", ["mine", "a", "train", 0.5, ""])
    save(folder / "mine" / "a.png", picture(shape=(SIDE_PX, SIDE_PX - 1)))
    with pytest.raises(DataError, match=r"a\.npz: the image has 256 x 255 px, but its labels 256"):
        load_samples([folder], "train", CLASSES, 0.5)


def test_a_split_without_images_stops_training(tmp_path):
    folder = manifest(tmp_path / "a", ["mine", "a", "train", 0.5, ""])
    with pytest.raises(DataError, match="no image of split 'val'"):
        load_samples([folder], "val", CLASSES, 0.5)
    with pytest.raises(ConfigError, match="9 names; expected at most 8"):
        load_samples([folder], "train", tuple("abcdefghi"), 0.5)


def test_patients_that_another_set_tests_on_are_not_trained_on(tmp_path, caplog):
    one = manifest(
        tmp_path / "one",
        ["mine", "a", "train", 0.5, "TCGA-18-5592"],
        ["mine", "b", "train", 0.5, "01"],
        ["mine", "c", "train", 0.5, ""],
    )
    two = manifest(
        tmp_path / "two",
        ["yours", "a", "test", 0.5, "TCGA-18-5592"],
        ["yours", "b", "test", 0.5, "01"],
        ["yours", "c", "test", 0.5, ""],
        labels=(("yours", 1, "plasma"),),
    )
    caplog.set_level(logging.INFO)
    samples = load_samples([one, two], "train", CLASSES, 0.5)
    assert [s.name for s in samples] == ["mine/b", "mine/c"]
    assert "1 images of split train are left out" in caplog.text
    assert "mine/a" in caplog.text
    assert len(load_samples([one, two], "test", CLASSES, 0.5)) == 3
