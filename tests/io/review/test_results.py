"""Results are found and read as a review needs them."""

import numpy as np
import pytest
import shapely
from reviewed import made_results
from tables_made import write_result

from nucwsi.errors import ConfigError, StoreError
from nucwsi.io.review.results import read_outlines, read_results, result_folders, tissue_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("results") / "all" / "made"
    made_results(made, n=300)
    return made


def test_slides_are_found_from_the_table_its_folder_and_the_cohort(folder):
    for path in (folder, folder / "nuclei.parquet", folder.parent):
        assert result_folders(path) == [folder]
    with pytest.raises(ConfigError, match=r"nuclei\.parquet"):
        result_folders(folder.parent.parent)


def test_rows_and_regions_belong_together(folder):
    results = read_results(folder)
    assert [r.name for r in results.regions] == [row["region_name"] for row in results.rows]
    assert results.regions[0].source == "slide"
    assert "grid" not in {region.source for region in results.regions}
    assert len(results.ids) == len(results.points) == 300
    assert tissue_of(folder).area == 4800 * 6000


def test_outlines_are_those_of_the_nuclei(folder):
    results = read_results(folder)
    found = read_outlines(folder, results.ids[[3, 250]].tolist())
    for at in (3, 250):
        outline = shapely.from_wkb(found[int(results.ids[at])])
        np.testing.assert_allclose(outline.centroid.coords[0], results.points[at], atol=0.01)


def test_the_fingerprint_is_that_of_the_nuclei_alone(folder, tmp_path):
    made_results(tmp_path / "same", n=300, regions=False)
    made_results(tmp_path / "other", n=300, seed=1, regions=False)
    mark = read_results(folder).fingerprint
    assert read_results(tmp_path / "same").fingerprint == mark
    assert read_results(tmp_path / "other").fingerprint != mark


def test_what_is_missing_is_named(tmp_path):
    write_result(tmp_path / "bare", n=20)
    with pytest.raises(StoreError, match=r"composition\.csv"):
        read_results(tmp_path / "bare")
