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
    assert a.per_mm2 == (20, 16, 28)
    assert b.per_mm2 == (60, 48, 88)
    assert counts.part("b") == b
    assert counts.part("c") is None


def test_unions_stand_beside_the_classes():
    counts = region_counts(ROW, ("a",), ("b",))
    assert [part.name for part in counts.parts] == ["a"]
    assert [part.name for part in counts.unions] == ["b"]
    assert counts.unions[0].high == 44


def test_the_row_of_the_slide_is_called_so():
    assert region_counts({**ROW, "region_source": "slide"}, ()).name == "Whole slide"


def test_a_region_without_nuclei_has_no_shares():
    empty = {**ROW, "n_nuclei": "0", "n_a": "0", "a_low": "0", "a_high": "2"}
    [part] = region_counts(empty, ("a",)).parts
    assert part.percent == (0, 0, 0)


def test_a_region_without_tissue_has_no_densities():
    for tissue in ("", "0"):
        bare = {**ROW, "tissue_area_mm2": tissue, "a_per_mm2": ""}
        assert region_counts(bare, ("a",)).parts[0].per_mm2 is None
