"""The thumbnail: tissue and regions are drawn where they lie."""

import numpy as np
import pytest
import shapely

from nucwsi.composition.regions import Region
from nucwsi.grid import Frame
from nucwsi.report.overview import rows_of_regions, thumbnail


def region(name, box, region_class="Tumor", source="user"):
    return Region(name, name, region_class, source, shapely.box(*box))


def row(name, region_class="Tumor", source="user"):
    return {"region_name": name, "region_class": region_class, "region_source": source}


WHOLE = row("small", "Slide", "slide")


def test_a_region_without_area_is_skipped():
    """It has a row, but no outline. Of two regions of one name, each has its own row."""
    rows = [WHOLE, row("a"), row("empty"), row("b"), row("b")]
    regions = [region(name, (0, 0, 1, 1)) for name in ("a", "b", "b")]
    assert rows_of_regions(regions, rows) == [1, 3, 4]


def test_a_region_that_the_table_lacks_is_taken_for_the_slide():
    assert rows_of_regions([region("b", (0, 0, 1, 1))], [WHOLE, row("a")]) == [0]


@pytest.mark.parametrize("level0_mpp", [(0.25, 0.25), (0.25, 0.5)])
def test_outlines_start_at_the_origin_of_the_canvas(level0_mpp):
    """Ten units to the pixel of the image, of 1 µm; x before y."""
    frame = Frame((100, 200), 0.5, level0_mpp, (40.0, 60.0), (300, 500))
    regions = [
        region("small", (60, 40, 460, 240), "Slide", "slide"),
        region("a", (68, 44, 88, 84)),
    ]
    image = np.zeros((50, 100, 3), np.uint8)
    tissue = np.array([shapely.box(60, 40, 100, 80)], object)
    drawn = thumbnail(image, 1.0, tissue, regions, [WHOLE, row("a")], frame, 80)
    assert drawn.size == (100, 50)
    assert [(outline.row, outline.source) for outline in drawn.regions] == [(1, "user")]
    across = 10 * level0_mpp[1]
    left, right = round(8 * across), round(28 * across)
    assert f"{right} 10" in drawn.regions[0].d or f"{left} 10" in drawn.regions[0].d
    width, height = round(20 * across), 100
    steps = drawn.regions[0].d.partition("l")[2].rstrip("z").split()
    assert {abs(int(step)) for step in steps} == {0, width, height}
    assert drawn.tissue.startswith("M")
