"""Levels: how far each is reduced, whatever the scanner rounded; and which scene is meant."""

from pathlib import Path

import pytest

from nucwsi.errors import SlideError
from nucwsi.io.slides.slide_reader import chosen_scene, level_of


def chosen(names, scene):
    return chosen_scene(Path("a.tif"), names, [f"{name} (9 x 9 px)" for name in names], scene)


def test_a_scene_is_chosen_by_number_or_by_name():
    assert chosen(["only"], None) == 0
    assert [chosen(["a", "b", "a"], scene) for scene in ("1", "2", "3", "b")] == [0, 1, 2, 1]
    # A name that looks like a number is reached by its number.
    assert chosen(["2", "1"], "2") == 1


@pytest.mark.parametrize(
    ("scene", "message"),
    [
        (None, r"a\.tif: holds 3 scenes \(1: a \(9 x 9 px\), 2: b \(9 x 9 px\), 3: a"),
        ("a", "has several scenes 'a' but 1: a"),
        ("4", "has no scene '4' but 1: a"),
        ("0000000015", "has no scene '0000000015' but 1: a"),
        ("9" * 400, "has no scene"),
        ("", "has no scene ''"),
    ],
)
def test_what_is_no_choice_is_refused_with_all_names(scene, message):
    with pytest.raises(SlideError, match=message):
        chosen(["a", "b", "a"], scene)


def test_of_many_scenes_the_first_are_named():
    with pytest.raises(SlideError, match=r"12: s \(9 x 9 px\) and 88 more\)"):
        chosen(["s"] * 100, None)


@pytest.mark.parametrize(
    ("shape", "full", "expected"),
    [
        ((275, 325), (1100, 1300), (4.0, 4.0)),
        # 1101 / 275 is 4.0036, and 1103 / 276 is 3.996: rounded down and up.
        ((275, 276), (1101, 1103), (4.0, 4.0)),
        ((274, 325), (1100, 1300), (1100 / 274, 4.0)),
        ((1100, 1300), (1100, 1300), (1.0, 1.0)),
        ((1, 1), (3, 2), (3.0, 2.0)),
        ((400, 650), (1000, 1300), (2.5, 2.0)),
    ],
)
def test_a_downsample_is_whole_where_rounding_explains_the_size(shape, full, expected):
    level = level_of(shape, full, True, (256, 256))
    assert level.downsample == expected
    assert (level.shape, level.exact, level.tile_shape) == (shape, True, (256, 256))
