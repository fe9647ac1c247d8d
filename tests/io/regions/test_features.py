"""Objects of QuPath are read alike from every form."""

from pathlib import Path

import pytest

from nucwsi.errors import RegionError
from nucwsi.io.regions.features import class_of, features, json_of, kind_of, one_line, pairs_of


def test_children_follow_their_parents():
    tree = {"id": 1, "properties": {"childObjects": [{"id": 2}]}}
    assert [one["id"] for one in features([tree, {"id": 3}], Path("a"))] == [1, 2, 3]


def test_kinds_of_old_versions_have_the_names_of_today():
    assert kind_of({"id": "PathDetectionObject"}, {}) == "detection"
    assert kind_of({}, {"object_type": "tma_core"}) == "tmacore"


def test_derived_classes_are_joined_as_qupath_shows_them():
    assert class_of({"classification": {"names": ["a", "b"], "color": [1, 2, 3]}}) == (
        "a: b",
        (1, 2, 3),
    )


def test_nan_is_read_and_nonsense_refused():
    assert json_of(b'{"a": NaN}', Path("a"))["a"] != 0
    with pytest.raises(RegionError, match="UTF-8"):
        json_of(b"\xff\xfe\xfa", Path("a"))


def test_a_name_is_on_one_line():
    assert one_line(" a\n\tb\ud800 ") == "a b?"


@pytest.mark.parametrize(
    ("noted", "expected"),
    [
        ({"Area": 3, "Class": [[1]]}, {"Area": 3, "Class": [[1]]}),
        ([{"name": "Area", "value": 3}, {"name": "Class"}], {"Area": 3, "Class": None}),
        ([{"name": [[1]], "value": 3}, 7, {}], {"[[1]]": 3, "None": None}),
        ("Area", {}),
        (None, {}),
    ],
)
def test_what_is_noted_of_an_object_has_names(noted, expected):
    assert pairs_of({"measurements": noted}, "measurements") == expected
    assert pairs_of({}, "metadata") == {}
