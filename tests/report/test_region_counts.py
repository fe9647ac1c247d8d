"""The nuclei of a region, from its row of the table."""

from nucwsi.report.region_counts import region_counts

ROW = {
    "region_source": "user",
    "region_name": "Core 1",
    "region_class": "Tumor",
    "tissue_area_mm2": "0.5",
    "n_nuclei": "40",
    "n_a": "10",
    "a_low": "8",
    "a_high": "14.0",
    "a_per_mm2": "20.0",
    "n_b": "30",
    "b_low": "24",
    "b_high": "44",
    "b_per_mm2": "60.0",
}


def test_counts_become_shares_of_all_nuclei():
    counts = region_counts(ROW, ("a", "b"))
    assert (counts.name, counts.n, counts.tissue) == ("Core 1", 40, "0.5")
    a, b = counts.parts
    assert a.percent == (25, 20, 35)
    assert (a.n, a.low, a.high) == (10, 8, 14)
    assert b.percent == (75, 60, 100), "the true count may exceed what was found, a share cannot"
    assert b.high == 44
    assert b.per_mm2 == "60.0"


def test_the_row_of_the_slide_is_called_so():
    assert region_counts({**ROW, "region_source": "slide"}, ()).name == "Whole slide"


def test_a_region_without_nuclei_has_no_shares():
    empty = {**ROW, "n_nuclei": "0", "n_a": "0", "a_low": "0", "a_high": "2"}
    [part] = region_counts(empty, ("a",)).parts
    assert part.percent == (0, 0, 0)
