"""`data import --from review`: crops on which a member can be trained."""

import json
import logging

import numpy as np
import pandas as pd
import pytest
from commands import run
from shown import phantom_nuclei, write_results

from nucwsi.config import ImportSettings, ReviewSettings
from nucwsi.errors import AnswerError, ConfigError, DataError
from nucwsi.io.datasets.manifest import read
from nucwsi.io.nuclei.stored_columns import read_columns
from nucwsi.steps.data import import_data
from nucwsi.steps.review import review
from nucwsi.training.load_samples import load_samples


@pytest.fixture(scope="module")
def results(small_slide, tmp_path_factory):
    folder = tmp_path_factory.mktemp("review data") / "results" / "small"
    write_results(small_slide, folder, phantom_nuclei())
    (folder / "provenance.json").write_text(json.dumps({"slide": {"path": str(small_slide)}}))
    return folder


def csv(path, ids, labels):
    pd.DataFrame({"id": ids, "class": labels}).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def imported(results, tmp_path_factory):
    """Crops of eighty answers; also the answers."""
    folder = tmp_path_factory.mktemp("imported")
    ids = read_columns(results / "nuclei.parquet", ["id"])["id"][::10][:80]
    labels = np.resize(["Lymphocyte", "tumour", "not a nucleus", "neoplastic"], len(ids))
    answers = csv(folder / "a.csv", ids, labels)
    settings = ImportSettings(val_share=0)
    import_data("review", results, folder / "made", settings, answers=[answers])
    return folder / "made", labels


def test_every_answer_is_a_nucleus_of_its_class_and_all_else_is_ignored(imported):
    folder, labels = imported
    listing = read(folder)
    names = listing.labels["review"]
    found = []
    for entry in listing.entries:
        one = entry.read()
        assert one.ignored is not None
        inside = (one.instances > 0) | ~one.ignored
        assert inside.mean() < 0.5
        found += [names[code] for code in one.codes.tolist()]
    for name in ("lymphocyte", "tumour", "neoplastic"):
        # One at the border of two crops is in both.
        wanted = sum(label.lower() == name for label in labels)
        assert wanted <= found.count(name) <= 1.5 * wanted


def test_a_member_can_be_trained_on_them(imported):
    classes = ("epithelial", "inflammatory", "spindle", "other")
    samples = load_samples([imported[0]], "train", classes, 0.5)
    supervised = sum((sample.class_set > 0).sum() for sample in samples)
    assert supervised > 0
    assert all((sample.known | (sample.class_set == 0)).all() for sample in samples)


def test_the_slide_takes_the_place_of_the_patient(imported):
    assert {entry.patient for entry in read(imported[0]).entries} == {"small"}


def test_frames_that_were_looked_through_are_known_as_a_whole(results, tmp_path):
    worklist = tmp_path / "w.geojson"
    review(results, worklist, ReviewSettings(labels=10, frames=4))
    document = json.loads(worklist.read_text())
    for feature in document["features"]:
        if feature["properties"]["name"].isdigit():
            feature["properties"]["classification"] = {"name": "Lymphocyte"}
    worklist.write_text(json.dumps(document))
    import_data(
        "review", results, tmp_path / "made", ImportSettings(val_share=0), answers=[worklist]
    )
    entries = read(tmp_path / "made").entries
    frames = [entry for entry in entries if "all nuclei are known" in entry.note]
    assert len(frames) == 4
    for entry in frames:
        one = entry.read()
        assert one.ignored is None
        assert entry.mpp == 0.25
        assert one.image.shape[:2] == (160, 160)


def test_a_class_that_training_does_not_know_is_outlined_without_a_class(results, tmp_path, caplog):
    ids = read_columns(results / "nuclei.parquet", ["id"])["id"][:12]
    answers = csv(tmp_path / "a.csv", ids, ["Mitosis", "tumour"] * 6)
    with caplog.at_level(logging.WARNING):
        import_data(
            "review", results, tmp_path / "made", ImportSettings(val_share=0), answers=[answers]
        )
    assert "Mitosis: no label that training knows" in caplog.text
    codes = np.concatenate([entry.read().codes for entry in read(tmp_path / "made").entries])
    assert (codes == 0).any()
    assert (codes > 0).any()


def test_the_command_line_takes_answers_and_slides(small_slide, results, tmp_path):
    ids = read_columns(results / "nuclei.parquet", ["id"])["id"][:4]
    answers = csv(tmp_path / "my answers.csv", ids, ["tumour"] * 4)
    words = ("data", "import", results, "--from", "review", "--answers", answers)
    said = run(*words, "--slide", small_slide, "-o", tmp_path / "made", "--val-share", 0)
    assert said.exit_code == 0, said.output
    assert (tmp_path / "made" / "manifest.csv").exists()


@pytest.mark.parametrize(
    ("layout", "answers", "changed", "said"),
    [
        ("review", [], {}, "needs --answers"),
        ("conic", ["a.csv"], {}, "has no answers"),
        ("review", ["a.csv"], {"mpp": 0.25}, "is that of the slides"),
    ],
)
def test_what_does_not_go_together_is_refused(results, tmp_path, layout, answers, changed, said):
    given = [csv(tmp_path / name, [1], ["a"]) for name in answers]
    with pytest.raises(ConfigError, match=said):
        import_data(layout, results, tmp_path / "made", ImportSettings(), answers=given, **changed)
    assert not (tmp_path / "made").exists()


def test_foreign_answers_and_a_missing_slide_leave_nothing_behind(small_slide, tmp_path):
    folder = write_results(small_slide, tmp_path / "small", phantom_nuclei(keep=20))
    ids = read_columns(folder / "nuclei.parquet", ["id"])["id"]
    for name, one, error, said in (
        ("a", 17, AnswerError, "17 of 1 answers"),
        ("b", ids[0], DataError, r"the slide of small is not where it was.*--slide"),
    ):
        answers = csv(tmp_path / f"{name}.csv", [one], ["tumour"])
        with pytest.raises(error, match=said):
            import_data("review", folder, tmp_path / "made", ImportSettings(), answers=[answers])
        assert not (tmp_path / "made").exists()
