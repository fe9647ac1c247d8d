"""FlatGeobuf and CSV hold the columns of the table of nuclei."""

import geopandas
import pandas as pd
import pytest
from tables_made import write_result

from nucwsi.errors import StoreError
from nucwsi.io.nuclei.flat_tables import write_flatgeobuf, write_nuclei_csv


@pytest.fixture(scope="module")
def nuclei(tmp_path_factory):
    return write_result(tmp_path_factory.mktemp("made"), 60)[0]


def test_csv_is_the_table_without_outlines(nuclei, tmp_path):
    write_nuclei_csv(tmp_path / "n.csv", nuclei)
    table = geopandas.read_parquet(nuclei).drop(columns=["geometry", "bbox"], errors="ignore")
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "n.csv"),
        pd.DataFrame(table).astype({"class": object}),
        check_dtype=False,
        rtol=1e-6,
    )


def test_flatgeobuf_holds_the_outlines_and_leaves_nothing_aside(nuclei, tmp_path):
    write_flatgeobuf(tmp_path / "n.fgb", nuclei)
    kept = geopandas.read_file(tmp_path / "n.fgb").set_index("id").sort_index()
    table = geopandas.read_parquet(nuclei).set_index("id").sort_index()
    assert kept.geometry.geom_equals(table.geometry).all()
    assert [path.name for path in tmp_path.iterdir()] == ["n.fgb"]


def test_a_table_that_is_missing_leaves_no_file(tmp_path):
    for write, name in ((write_nuclei_csv, "n.csv"), (write_flatgeobuf, "n.fgb")):
        with pytest.raises(StoreError, match=r"absent\.parquet: does not exist"):
            write(tmp_path / name, tmp_path / "absent.parquet")
    assert not list(tmp_path.iterdir())
