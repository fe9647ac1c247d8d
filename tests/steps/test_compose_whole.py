"""`compose` writes all of its files or none."""

import pyarrow as pa
import pytest
from commands import refused, succeeded
from pyarrow import parquet
from tables_made import write_result


@pytest.fixture
def outputs(tmp_path):
    """The options for all outputs, in a folder of their own."""
    folder = tmp_path / "out"
    return (
        *("-o", folder / "composition.csv", "--geojson", folder / "regions.geojson"),
        *("--morphometry", folder / "morphometry.csv", "--neighbours", folder / "neighbours.csv"),
    )


@pytest.mark.parametrize("column", ["circularity", "major_axis_um"])
def test_damage_that_shows_late_leaves_no_output(tmp_path, outputs, column):
    """Features are read last, for one table alone."""
    nuclei, _, _ = write_result(tmp_path, 300)
    with parquet.ParquetFile(nuclei) as file:
        table, noted = file.read(), file.metadata.metadata
    field = table.schema.field(column).with_nullable(True)
    values = pa.array([*table[column].to_pylist()[:-1], None], field.type)
    damaged = table.set_column(table.column_names.index(column), field, values)
    about = {key: noted[key] for key in (b"geo", b"nucwsi")}
    parquet.write_table(damaged.replace_schema_metadata(about), nuclei)
    line = refused("compose", nuclei, *outputs)
    assert f"a value of its column `{column}` is missing" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("taken", ["p50", "n_plasma", "status"])
def test_a_column_that_one_of_the_tables_has_leaves_no_output(tmp_path, outputs, taken):
    nuclei, _, _ = write_result(tmp_path, 300)
    line = refused("compose", nuclei, *outputs, "--further", taken, "a", code=2)
    assert f"has a column {taken!r} of its own" in line
    assert not (tmp_path / "out").exists()
    succeeded("compose", nuclei, *outputs, "--further", "group", "a")
    assert len(list((tmp_path / "out").iterdir())) == 4
