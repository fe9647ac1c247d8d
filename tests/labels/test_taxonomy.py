"""What the labels of data sets mean to models of finer, coarser and other classes."""

import pytest

from nucwsi.errors import DataError
from nucwsi.labels.taxonomy import KINDS, LABELS, UNTABLED, class_sets, kinds

CLASSES = ("epithelial", "inflammatory", "spindle", "other")
CONIC = tuple(LABELS["conic"].values())
PANNUKE = tuple(LABELS["pannuke"].values())
MONUSAC = tuple(LABELS["monusac"].values())
INFLAMMATORY = ("neutrophil", "lymphocyte", "plasma", "eosinophil")

MEANINGS = [
    (UNTABLED["consep"], CLASSES, ["other", "inflammatory", "epithelial", "spindle"]),
    (UNTABLED["pannuke"], CLASSES, ["epithelial", ""]),
    (UNTABLED["nucls"], CLASSES, ["inflammatory spindle other", "epithelial"]),
    (UNTABLED["brca-m2c"], CLASSES, ["inflammatory", "epithelial", "spindle"]),
    (
        LABELS["consep"],
        CLASSES,
        ["other", "inflammatory", "epithelial", "epithelial", "spindle", "spindle", "spindle"],
    ),
    (
        LABELS["conic"],
        CLASSES,
        ["inflammatory", "epithelial", *["inflammatory"] * 3, "spindle"],
    ),
    (LABELS["pannuke"], CLASSES, ["epithelial", "inflammatory", "spindle", "other", "epithelial"]),
    (LABELS["monusac"], CLASSES, ["epithelial", *["inflammatory"] * 3]),
    (LABELS["conic"], CONIC, list(CONIC)),
    (LABELS["pannuke"], PANNUKE, list(PANNUKE)),
    (LABELS["monusac"], MONUSAC, list(MONUSAC)),
    (
        LABELS["pannuke"],
        CONIC,
        ["epithelial", " ".join(INFLAMMATORY), "connective", "", "epithelial"],
    ),
    (
        LABELS["conic"],
        PANNUKE,
        ["inflammatory", "neoplastic epithelial", *["inflammatory"] * 3, "connective"],
    ),
    (LABELS["monusac"], CONIC, ["epithelial", "lymphocyte", "neutrophil", ""]),
    (UNTABLED["pannuke"], PANNUKE, ["neoplastic", "inflammatory connective dead epithelial"]),
]


@pytest.mark.parametrize(("labels", "classes", "expected"), MEANINGS)
def test_labels_mean_sets_of_classes(labels, classes, expected):
    sets = class_sets(labels, classes)
    assert [" ".join(sets[code]) for code in sorted(labels)] == expected


def test_labels_can_be_joined():
    labels = {1: "lymphocyte|plasma", 2: "other"}
    assert class_sets(labels, CONIC)[1] == ("lymphocyte", "plasma")
    assert "lymphocyte" not in class_sets(labels, CONIC)[2]


def test_every_name_of_a_list_keeps_a_kind_of_its_own():
    for labels in (*LABELS.values(), *UNTABLED.values(), dict(enumerate(CLASSES))):
        meant = kinds(list(labels.values()))
        assert all(meant.values())
        assert sum(map(len, meant.values())) == len(frozenset().union(*meant.values()))
    assert all(KINDS.values())


def test_a_narrower_name_takes_its_kinds_from_a_wider_one():
    assert kinds(["epithelial"])["epithelial"] == {"benign epithelium", "malignant epithelium"}
    assert kinds(["epithelial", "neoplastic"])["epithelial"] == {"benign epithelium"}


def test_a_name_that_is_not_known_is_refused_with_those_that_are():
    with pytest.raises(DataError, match=r"'tumor' is not known; expected one of .*tumour"):
        class_sets({1: "lymphocyte|tumor"}, CLASSES)
