"""Further columns of the slide sheet in the tables and in the GeoJSON of `compose`."""

import json
import shlex

from commands import refused, succeeded
from tables_made import write_result

from nucwsi.classes import CONIC, column_names
from nucwsi.io.csv_table import NUMBERS, TEXTS, read_csv
from nucwsi.io.regions.check import check_geojson
from nucwsi.workflow import pair_flags

#: Further columns as sheets have them: blanks, formulas, quotes, markup, emoji, 200 letters.
FURTHER = {
    "patient": "007",
    "stain batch": "=1+1",
    'note\'s "1"': "<img src=x onerror='window.hacked = 1'>, {braces} $HOME `x` \\n %s",
    "-o": "--further",
    "🔬": "",
    "x" * 200: "é" * 200,
}


def test_further_columns_are_in_every_table_and_in_qupath(tmp_path):
    nuclei, _, _ = write_result(tmp_path, 300)
    names = ("composition", "morphometry", "neighbours")
    tables = {name: tmp_path / f"{name}.csv" for name in names}
    geojson = tmp_path / "made.regions.geojson"
    succeeded(
        *("compose", nuclei, "-o", tables["composition"], "--geojson", geojson),
        *("--morphometry", tables["morphometry"], "--neighbours", tables["neighbours"]),
        *shlex.split(pair_flags("--further", FURTHER)),
    )
    for path in tables.values():
        rows = read_csv(path, texts=TEXTS)
        assert len(rows) > 1
        for row in rows:
            assert list(row)[: len(FURTHER) + 2] == ["slide", *FURTHER, "region_id"]
            assert {name: row[name] for name in FURTHER} == FURTHER
    assert check_geojson(geojson).faults == []
    features = json.loads(geojson.read_text("utf-8"))["features"]
    whole = [one["properties"] for one in features if "metadata" in one["properties"]]
    assert [(one["name"], one["metadata"]) for one in whole] == [("slide", FURTHER)]


def test_columns_of_all_tables_are_known(tmp_path):
    """The slide sheet may not have one of the same name; nothing else changes by further ones."""
    nuclei, _, _ = write_result(tmp_path, 300)
    names = ("composition", "morphometry", "neighbours")
    more = [word for name in names[1:] for word in (f"--{name}", tmp_path / f"{name}.csv")]
    succeeded("compose", nuclei, "-o", tmp_path / "composition.csv", *more)
    found = {column for name in names for column in read_csv(tmp_path / f"{name}.csv")[0]}
    assert found <= TEXTS | NUMBERS | set(column_names(CONIC))
    again = tmp_path / "again.csv"
    succeeded("compose", nuclei, "-o", again, "--further", "group", "a")
    plain = read_csv(tmp_path / "composition.csv")
    assert [{k: v for k, v in row.items() if k != "group"} for row in read_csv(again)] == plain
    taken = ("--further", "n_plasma", "a")
    line = refused("compose", nuclei, "-o", tmp_path / "no.csv", *taken, code=2)
    assert "has a column 'n_plasma' of its own; rename that of the slide sheet" in line
    assert not (tmp_path / "no.csv").exists()
