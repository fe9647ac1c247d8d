"""Which nucleus an answer is for: every form arrives, and what is of others is named."""

import json
import re
import uuid

import numpy as np
import pandas as pd
import pytest
import shapely
from shown import phantom_nuclei, write_results

from nucwsi.config import ReviewSettings
from nucwsi.errors import AnswerError, ConfigError
from nucwsi.io.nuclei.parquet import read_facts, write_nuclei
from nucwsi.io.nuclei.stored_columns import read_columns
from nucwsi.io.review.worklist import read_draws
from nucwsi.review.matching import nucleus_uuid
from nucwsi.steps.review import review
from nucwsi.steps.teach.labels import class_counts, read_labels


@pytest.fixture(scope="module")
def results(small_slide, tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels") / "results" / "small"
    return write_results(small_slide, folder, phantom_nuclei())


@pytest.fixture(scope="module")
def ids(results):
    return read_columns(results / "nuclei.parquet", ["id"])["id"]


def csv(path, ids, labels, **columns):
    pd.DataFrame({"id": ids, "class": labels, **columns}).to_csv(path, index=False)
    return path


def feature(ident, label, kind="annotation", **properties):
    made = {"objectType": kind, **properties}
    if label is not None:
        made["classification"] = {"name": label}
    square = shapely.geometry.mapping(shapely.box(10, 10, 20, 20))
    return {"type": "Feature", "id": ident, "geometry": square, "properties": made}


def geojson(path, features, bare=False):
    document = features if bare else {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(document))
    return path


def test_a_table_of_ids_and_classes(results, ids, tmp_path):
    (found,) = read_labels([results], [csv(tmp_path / "a.csv", ids[[5, 2]], ["a", "b"])])
    assert found.classes == {5: "a", 2: "b"}
    assert found.rows.tolist() == [2, 5]
    assert found.weight.tolist() == [1, 1]


@pytest.mark.parametrize("bare", [False, True])
def test_detections_of_qupaths_zip_whose_class_was_changed(results, ids, tmp_path, bare):
    made = [
        feature(nucleus_uuid("small", int(ids[3])), "Mitosis", "detection"),
        feature(nucleus_uuid("small", int(ids[4])).upper(), "Hepatocyte", "cell"),
        feature(nucleus_uuid("small", int(ids[5])), None, "detection"),
        feature(str(uuid.uuid4()), "Tumour region"),
    ]
    (found,) = read_labels([results], [geojson(tmp_path / "a.geojson", made, bare)])
    assert found.classes == {3: "Mitosis", 4: "Hepatocyte"}


def test_spellings_of_one_class_are_one_and_those_of_the_network_are_its(results, ids, tmp_path):
    labels = ["Plasma cell", "plasma_cell", "plasma  cell", "plasma cell", "EPITHELIAL", "Lobe"]
    (found,) = read_labels([results], [csv(tmp_path / "a.csv", ids[:6], labels)])
    names = list(found.classes.values())
    assert names[:4] == ["plasma cell"] * 4
    assert names[4:] == ["epithelial", "Lobe"]
    assert next(iter(class_counts([found]))) == ("plasma cell", 4)


def test_what_is_no_nucleus_or_is_ignored_is_not_taught(results, ids, tmp_path):
    labels = ["a", "Not a nucleus", "Ignore*", ""]
    (found,) = read_labels([results], [csv(tmp_path / "a.csv", ids[:4], labels)])
    assert found.classes == {0: "a"}
    assert found.none == {1}


@pytest.fixture
def worklist(results, tmp_path):
    """A worklist of some nuclei, and its draw."""
    path = tmp_path / "worklist.geojson"
    review(results, path, ReviewSettings(labels=20, frames=2))
    document = json.loads(path.read_text())
    key = document["nucwsi"]["draw"]["key"]
    (draw,) = [draw for draw in read_draws(results) if draw.key == key]
    return path, document, draw


def test_a_worklist_brings_its_probabilities(results, ids, worklist, tmp_path):
    path, document, draw = worklist
    nuclei = set(draw.nucleus_ids)
    for number, one in enumerate(f for f in document["features"] if f["id"] in nuclei):
        one["properties"]["classification"] = {"name": ("Here", "There")[number % 2]}
    (found,) = read_labels([results], [geojson(path, document["features"])])
    assert len(found.classes) == 20
    assert set(found.classes.values()) == {"Here", "There"}
    chance = {int(ids[row]): 1 / w for row, w in zip(found.rows, found.weight, strict=True)}
    for nucleus in draw.nuclei:
        assert chance[nucleus.id] == pytest.approx(nucleus.probability)


def test_beside_a_worklist_detections_are_what_the_network_said(results, ids, worklist, tmp_path):
    path, document, draw = worklist
    wanted = next(iter(draw.nucleus_ids))
    own = [f for f in document["features"] if f["id"] == wanted]
    own[0]["properties"]["classification"] = {"name": "Mitosis"}
    others = [feature(nucleus_uuid("small", int(i)), "Epithelial", "detection") for i in ids]
    (found,) = read_labels([results], [geojson(path, own + others)])
    assert list(found.classes.values()) == ["Mitosis"]


def test_a_worklist_without_answers_is_refused(results, worklist):
    with pytest.raises(AnswerError, match="is a worklist without answers"):
        read_labels([results], [worklist[0]])


def test_an_export_of_all_that_the_network_said_is_refused(results, tmp_path):
    table = read_columns(results / "nuclei.parquet", ["id", "p_epithelial", "p_inflammatory"])
    assert len(table["id"]) > 100
    from nucwsi.steps.teach.labels import _slide

    slide = _slide(results)
    made = [
        feature(nucleus_uuid("small", int(i)), name, "detection")
        for i, name in zip(slide.ids, slide.predicted, strict=True)
    ]
    with pytest.raises(AnswerError, match="export only those that you have answered"):
        read_labels([results], [geojson(tmp_path / "a.geojson", made)])


def test_two_answers_for_one_nucleus_are_refused_and_named(results, ids, tmp_path):
    one = csv(tmp_path / "a.csv", [ids[0]], ["a"])
    two = csv(tmp_path / "b.csv", [ids[0]], ["b"])
    said = rf"b\.csv: nucleus {ids[0]} of small has two answers, a and b"
    with pytest.raises(AnswerError, match=said):
        read_labels([results], [one, two])
    (found,) = read_labels([results], [one, csv(tmp_path / "c.csv", [ids[0]], ["A"])])
    assert list(found.classes) == [0]


def test_foreign_ids_are_named(results, ids, tmp_path):
    answers = csv(tmp_path / "a.csv", [ids[0], 17, 18, 19, 20], list("abcde"))
    with pytest.raises(AnswerError, match=r"a\.csv: 17, 18, 19 and 1 more of 5 answers"):
        read_labels([results], [answers])


def test_nothing_of_these_results_is_one_clear_line(results, tmp_path):
    made = [feature(str(uuid.uuid4()), "Region", "annotation")]
    with pytest.raises(AnswerError, match=r"^[^\n]*none of its 1 objects with a class[^\n]*$"):
        read_labels([results], [geojson(tmp_path / "a.geojson", made)])


@pytest.fixture
def cohort(small_slide, tmp_path):
    """Two slides whose nuclei have the same numbers."""
    for name in ("one", "two"):
        of_slide(name, tmp_path / "cohort" / name, small_slide)
    return tmp_path / "cohort"


def of_slide(name, folder, slide):
    """Results of sixty nuclei of a slide of any name."""
    table = phantom_nuclei(keep=60)
    facts = read_facts(write_results(slide, folder, table) / "nuclei.parquet")
    write_nuclei(folder / "nuclei.parquet", [table], facts.with_(slide=name), 100)
    return folder


def test_answers_of_a_cohort_need_their_slide(cohort, tmp_path):
    ids = read_columns(cohort / "one" / "nuclei.parquet", ["id"])["id"]
    with pytest.raises(AnswerError, match="of several of these slides; add a column `slide`"):
        read_labels([cohort], [csv(tmp_path / "a.csv", ids[:2], ["a", "b"])])
    named = csv(tmp_path / "b.csv", ids[:3], list("abc"), slide=["one", "two", "two"])
    found = read_labels([cohort], [named])
    assert [one.facts.slide for one in found] == ["one", "two"]
    assert [len(one.classes) for one in found] == [1, 2]


def test_a_slide_is_named_once(cohort, small_slide, tmp_path):
    again = of_slide("one", tmp_path / "again", small_slide)
    (tmp_path / "a.csv").write_text("id,class\n1,a\n")
    with pytest.raises(ConfigError, match=r"is of slide one, of which .*; name each slide once"):
        read_labels([cohort, again], [tmp_path / "a.csv"])


def test_missing_answers_are_named(results, tmp_path):
    with pytest.raises(AnswerError, match=re.escape(str(tmp_path / "no.csv"))):
        read_labels([results], [tmp_path / "no.csv"])


def test_weights_are_those_of_the_draw_only_if_all_were_drawn(results, ids, worklist, tmp_path):
    path, document, draw = worklist
    nuclei = set(draw.nucleus_ids)
    own = [f for f in document["features"] if f["id"] in nuclei]
    own[0]["properties"]["classification"] = {"name": "Mitosis"}
    drawn = {nucleus.id for nucleus in draw.nuclei}
    other = next(int(i) for i in ids if int(i) not in drawn)
    answers = [geojson(path, own), csv(tmp_path / "b.csv", [other], ["Mitosis"])]
    (found,) = read_labels([results], answers)
    np.testing.assert_array_equal(found.weight, 1)
