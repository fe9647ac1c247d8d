"""Size and shape of each class: the table's percentiles, and a histogram of all nuclei."""

import numpy as np

from nucwsi.report.class_shapes import AREA_BINS_UM2, class_shapes


def row(source, name, feature, p5="", p50="", p95=""):
    return {
        "region_source": source,
        "class": name,
        "feature": feature,
        "p5": p5,
        "p50": p50,
        "p95": p95,
    }


def test_a_class_has_the_percentiles_of_the_whole_slide():
    rows = [
        row("slide", "a", "area_um2", "1", "2", "3.5"),
        row("tissue", "a", "area_um2", "7", "8", "9"),
        row("slide", "b", "area_um2", "4", "5", "6"),
        row("slide", "a", "solidity"),
    ]
    a, b, c = class_shapes(rows, np.array([0, 0, 1], np.uint8), np.ones(3), ("a", "b", "c"))
    assert a.features == {"area_um2": (1, 2, 3.5)}, "none of the solidity, which was not measured"
    assert b.features == {"area_um2": (4, 5, 6)}
    assert [a.n, b.n, c.n] == [2, 1, 0]
    assert c.features == {}


def test_every_nucleus_falls_into_a_bin():
    """The last bin also holds what is larger; a bin begins at its lower edge."""
    areas = np.array([0.0, 1.99, 2.0, 99.0, 100.0, 5000.0])
    [shapes] = class_shapes([], np.zeros(6, np.uint8), areas, ("a",))
    assert len(shapes.areas) == len(AREA_BINS_UM2) - 1 == 50
    assert shapes.areas[:2] == (2, 1)
    assert shapes.areas[-1] == 3
    assert sum(shapes.areas) == 6
