"""Every command and every line of Python on the pages of the documentation runs."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from commands import succeeded
from conftest import ROOT
from foreign_made import hovernet, qupath_cells
from shapely import Point
from stores import cells_of, write_maps
from tables_made import write_result

from nucwsi.io.csv_table import write_csv
from nucwsi.phantom import Phantom

#: The pages show how to use this package; nucwsi does not depend on it.
_OPTIONAL = "spatialdata"


@pytest.fixture
def folder(tmp_path, small_slide):
    """A folder with a slide, its results and a file of regions."""
    write_result(tmp_path / "results" / "phantom", 500, origin=(0.0, 0.0))
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "phantom.tiff").symlink_to(small_slide)
    maps = Phantom((600, 700)).maps()
    tissue = cells_of(np.ones(maps[0].shape, bool))
    (tmp_path / "results" / "phantom" / "maps").mkdir()
    write_maps(tmp_path / "results" / "phantom" / "maps" / "1-of-1.zarr.zip", maps, tissue, 256)
    square = [[100, 100], [6000, 100], [6000, 5000], [100, 5000], [100, 100]]
    shape = {"type": "Polygon", "coordinates": [square]}
    feature = {"type": "Feature", "geometry": shape, "properties": {"name": "mine"}}
    (tmp_path / "new.geojson").write_text(json.dumps([feature]))
    (tmp_path / "slide.svs").symlink_to(small_slide)
    (tmp_path / "results" / "slide").mkdir()
    circles = [Point(300 + 40 * n, 400).buffer(12) for n in range(5)]
    qupath_cells(tmp_path / "cells.geojson", circles, ["Tumor"] * 5)
    hovernet(tmp_path / "hovernet.json", circles, [1, 2, 1, 2, 1])
    return tmp_path


@pytest.mark.parametrize("page", ["counting.md", "outputs.md"])
def test_every_block_of_a_page_runs(folder, page, monkeypatch, capsys):
    text = (ROOT / "docs" / page).read_text("utf-8")
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert blocks
    monkeypatch.chdir(folder)
    for language, block in blocks:
        if _OPTIONAL in block and importlib.util.find_spec(_OPTIONAL) is None:
            continue
        if language == "python":
            exec(compile(block, page, "exec"), {})  # noqa: S102 (as the reader does)
            assert capsys.readouterr().out, block
            continue
        assert language == "sh"
        for line in block.splitlines():
            program, *words = shlex.split(line)
            if program == "nucwsi":
                succeeded(*words)
            else:
                assert program == "python"
                subprocess.run([sys.executable, *words], check=True, capture_output=True)


def test_the_tables_have_the_columns_that_are_documented(folder):
    text = (ROOT / "docs" / "counting.md").read_text("utf-8")
    part = text.partition("**`composition.csv`**")[2].partition("**`morphometry.csv`**")[0]
    named = re.findall(r"`([\w<>]+)`", "\n".join(re.findall(r"^\| (.*?) \|", part, re.MULTILINE)))
    output = folder / "composition.csv"
    succeeded("compose", folder / "results" / "phantom" / "nuclei.parquet", "-o", output)
    header = output.read_text("utf-8").partition("\n")[0].split(",")
    classes = [name.removeprefix("frac_") for name in header if name.startswith("frac_")]
    expected = [
        column.replace("<class>", name)
        for column in named
        for name in (classes if "<class>" in column else [""])
    ]
    assert sorted(expected) == sorted(header)


def test_pandas_reads_every_name_by_the_line_that_is_documented(tmp_path, monkeypatch):
    text = (ROOT / "docs" / "outputs.md").read_text("utf-8").partition("## Names in tables")[2]
    block = text.partition("```python\n")[2].partition("```")[0]
    names = ["NA", "NaN", "TRUE", "1e5", "007", "", "null", "=1+1", "-1", "'=1", "'s", "None"]
    columns = {
        **{name: np.array(names, object) for name in ("slide", "region_name", "region_class")},
        "n_nuclei": np.arange(len(names)),
        "area_mm2": np.full(len(names), np.nan),
    }
    write_csv(tmp_path / "composition.csv", columns)
    monkeypatch.chdir(tmp_path)
    read = {}
    exec(compile(block, "outputs.md", "exec"), read)  # noqa: S102 (as the reader does)
    for column in ("slide", "region_name", "region_class"):
        assert read["table"][column].tolist() == names
    assert read["table"]["area_mm2"].isna().all()
