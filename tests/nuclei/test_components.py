"""Components that cross cores: each found whole and once, whatever the size of the cores."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nucwsi.grid import TileGrid
from nucwsi.nuclei.components import crossing_components
from nucwsi.nuclei.pixels import connected

masks = st.tuples(st.integers(5, 50), st.integers(5, 50), st.integers(3, 17), st.integers(0, 10**6))


@settings(max_examples=60, deadline=None)
@given(masks)
def test_crossing_components_are_found_whole_and_once(case):
    height, width, core_px, seed = case
    rng = np.random.default_rng(seed)
    mask = rng.random((height, width)) < rng.uniform(0.3, 0.7)
    grid = TileGrid((height, width), core_px)
    cores = ((at, mask[grid.core(*at).slices]) for at in grid.positions())
    found = list(crossing_components(grid, cores))

    pixels, count = connected(mask)
    labels = pixels.image()
    box, first = pixels.boxes(count), pixels.first(count)
    expected = {}
    for number in range(1, count + 1):
        rows, columns = np.nonzero(labels == number)
        if len(set(zip(rows // core_px, columns // core_px, strict=True))) > 1:
            expected[divmod(int(first[number - 1]), width)] = tuple(box[number - 1].tolist())
    seen = {}
    for component in found:
        b = component.box
        assert component.first not in seen, "reported twice"
        seen[component.first] = (b.row, b.column, b.row_stop, b.column_stop)
    # Pieces that touch a border without crossing it may be reported too; they must be right.
    assert {at: seen.get(at) for at in expected} == expected
    truth = {divmod(int(f), width): tuple(b) for f, b in zip(first, box.tolist(), strict=True)}
    assert all(truth[at] == b for at, b in seen.items())


def test_a_blank_row_of_cores_parts_what_lies_above_and_below():
    grid = TileGrid((9, 3), 3)
    mask = np.ones((3, 3), bool)
    assert list(crossing_components(grid, [((0, 0), mask), ((2, 0), mask)])) != []
    for component in crossing_components(grid, [((0, 0), mask), ((2, 0), mask)]):
        assert component.box.shape == (3, 3)
