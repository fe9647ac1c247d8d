"""A worklist is what QuPath opens, and keeps the record of its draw."""

import json

import pytest
import shapely
from draws_made import made

from nucwsi.errors import AnswerError, StoreError
from nucwsi.io.regions.check import check_geojson
from nucwsi.io.review.worklist import (
    drawn_in,
    is_unanswered,
    read_draws,
    write_draw,
    write_worklist,
)

OUTLINES = {
    7: shapely.to_wkb(shapely.box(10, 20, 16, 26)),
    9: shapely.to_wkb(shapely.box(1, 1, 1.2, 1.2)),
}


def written(tmp_path, draw):
    path = tmp_path / "w.geojson"
    write_worklist(path, draw, OUTLINES, {7: "plasma", 9: "plasma"}, (20.0, 10.0))
    return path, json.loads(path.read_text())


def test_qupath_opens_it_and_a_speck_has_an_area(tmp_path):
    path, document = written(tmp_path, made())
    verdict = check_geojson(path)
    assert (verdict.n_faults, verdict.n_features) == (0, 3 + 1 + 2)
    square, speck = (shapely.geometry.shape(one["geometry"]) for one in document["features"][-2:])
    assert square.bounds == (0, 0, 6, 6)
    assert speck.area > 1


def test_the_draw_comes_back_and_an_untouched_worklist_is_no_answer(tmp_path):
    for draw in (made(), made(blind=True)):
        path, document = written(tmp_path, draw)
        assert drawn_in(document, path) == draw
        assert is_unanswered(document, draw, ["plasma", "plasma"])
        document["features"][-1]["properties"]["classification"] = {"name": "Mitosis"}
        assert not is_unanswered(document, draw, ["plasma", "plasma"])
        del document["features"][-1]
        assert not is_unanswered(document, draw, ["plasma", "plasma"])


@pytest.mark.parametrize(
    "feature",
    # Damage at random (seed 4, case 1567), and more of its kind.
    ["\ud800", None, [], {"properties": None}, {"properties": ["x"]}, {"id": "a", "properties": 1}],
)
def test_a_worklist_with_a_damaged_object_is_not_as_it_was_written(tmp_path, feature):
    _, document = written(tmp_path, made())
    document["features"][-1] = feature
    assert not is_unanswered(document, made(), ["plasma", "plasma"])


def test_an_object_without_a_readable_name_is_none_of_the_draw(tmp_path):
    _, document = written(tmp_path, made())
    document["features"][0]["id"] = ["x"]
    assert is_unanswered(document, made(), ["plasma", "plasma"])
    assert not is_unanswered(document, made(), []), "its nuclei are gone"


def test_other_files_are_no_worklist_and_damage_is_named(tmp_path):
    assert drawn_in([], tmp_path) is None
    assert drawn_in({"nucwsi": {}}, tmp_path) is None
    with pytest.raises(AnswerError, match="damaged"):
        drawn_in({"nucwsi": {"draw": {"kind": "draw"}}}, tmp_path / "w.geojson")


def test_records_are_kept_in_the_order_of_their_writing(tmp_path):
    assert read_draws(tmp_path) == []
    draws = [made(), made(key="aaaaaaaaaaaaaaaa")]
    for draw in draws:
        write_draw(tmp_path, draw)
    assert read_draws(tmp_path) == draws
    (tmp_path / "review" / "bad.json").write_text("{}")
    with pytest.raises(StoreError, match=r"bad\.json"):
        read_draws(tmp_path)
