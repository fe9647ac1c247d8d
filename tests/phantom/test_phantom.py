"""The phantom's labels and maps are those of its polygons, in any window."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi.grid import Window
from nucwsi.labels.targets import hv_targets
from nucwsi.phantom import CLASSES, Phantom

SHAPE = (700, 900)
SMALL = Phantom(SHAPE, seed=3)


@st.composite
def windows(draw: st.DrawFn, shape: tuple[int, int]) -> Window:
    row, column = (draw(st.integers(0, side - 2)) for side in shape)
    height = draw(st.integers(1, min(200, shape[0] - row)))
    return Window(row, column, height, draw(st.integers(1, min(200, shape[1] - column))))


@settings(max_examples=15, deadline=None)
@given(window=windows((350, 450)))
def test_maps_of_a_window_are_those_of_the_whole(window: Window) -> None:
    for part, canvas in zip(SMALL.maps(window), SMALL.maps(), strict=True):
        np.testing.assert_array_equal(part, canvas[..., *window.slices])


def test_the_seed_decides() -> None:
    at = Window(300, 300, 100, 100)
    np.testing.assert_array_equal(Phantom(SHAPE, seed=3).paint(at), SMALL.paint(at))
    assert (Phantom(SHAPE, seed=4).paint(at) != SMALL.paint(at)).any()


def test_labels_are_the_polygons() -> None:
    demo = Phantom()
    window = Window(400, 500, 200, 200)
    instances, nuclei = demo.labels(window)
    rows, columns = np.mgrid[window.row : window.row_stop, window.column : window.column_stop]
    for label in range(1, len(nuclei) + 1, 15):
        polygon = demo.polygon(nuclei[label - 1])
        inside = shapely.contains_xy(polygon, 2 * columns + 1, 2 * rows + 1)
        assert (inside != (instances == label)).sum() <= 1


def test_maps_say_where_and_what() -> None:
    instances, nuclei = SMALL.labels()
    np_map, hv_map, tp_map = SMALL.maps()
    np.testing.assert_array_equal(np_map == 255, instances > 0)
    np.testing.assert_array_equal(hv_map, np.rint(127 * hv_targets(instances)))
    np.testing.assert_array_equal(tp_map.sum(0, dtype=int), np_map)
    label = int(instances[instances > 0][0])
    code = CLASSES.index(nuclei[label - 1].class_name)
    assert (tp_map[code][instances == label] == 255).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (10, 5000)}, r"at least 64 x 64 px, got \(10, 5000\)"),
        ({"mpp": 0}, "mpp and working_mpp must be 0.05 to 5 µm, got 0, 0.5"),
        ({"density": 4}, "density 0 to 3, got 1 and 4"),
        ({"seed": -1}, "seed >= 0"),
        ({"scene": "bone"}, "scene 'bone' is unknown; expected seams or tissue"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Phantom(**arguments)
