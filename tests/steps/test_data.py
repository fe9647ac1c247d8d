"""`data import`: the documented form, whole or not at all."""

import csv

import numpy as np
import pytest
from click.testing import CliRunner
from layouts import LAYOUTS, NUCLEI, SIDE_PX, write_csv, write_manifest

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


def test_a_patient_in_two_splits_is_refused_by_import_and_by_training(tmp_path):
    leaky = write_manifest(
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
    folder = write_manifest(tmp_path / "one", *rows)
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
    folder = write_manifest(tmp_path / "source", row)
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
