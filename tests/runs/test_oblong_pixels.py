"""A slide whose pixels are not square, from the file to the CSV: every µm has its own axis."""

import csv
import json

import geopandas
import numpy as np
import pytest
import shapely
import tifffile
from golden import run, write_phantom_slide

from nucwsi.io.nuclei.parquet import read_facts

#: µm per level-0 pixel down and across: square, and 1.5 % from square either way.
SIDES_UM = [(0.25, 0.25), (0.25, 0.25375), (0.25375, 0.25)]


@pytest.fixture(scope="module", params=SIDES_UM, ids=lambda sides: "{} x {}".format(*sides))
def analysed(request, tmp_path_factory):
    """The phantom's pixels in a file that states such a size; its results and the size."""
    folder = tmp_path_factory.mktemp("oblong")
    down, across = request.param
    painted = tifffile.imread(write_phantom_slide(folder))
    slide = folder / "oblong.tif"
    tifffile.imwrite(
        slide,
        painted,
        photometric="rgb",
        tile=(256, 256),
        resolution=(1e4 / across, 1e4 / down),
        resolutionunit="CENTIMETER",
    )
    return run(slide, folder), (down, across), painted.shape


def whole_slide(folder):
    with (folder / "composition.csv").open(encoding="utf-8", newline="") as stream:
        return next(row for row in csv.DictReader(stream) if row["region_id"] == "slide")


def test_the_canvas_covers_the_slide_in_um(analysed):
    folder, sides, shape = analysed
    frame = read_facts(folder / "nuclei.parquet").frame
    assert frame.level0_mpp == pytest.approx(sides, rel=1e-4)
    for canvas_px, level0_px, side_um in zip(frame.shape, shape[:2], sides, strict=True):
        assert canvas_px == int(np.ceil(level0_px * side_um / frame.mpp - 1e-3))


def test_areas_are_those_of_the_outlines(analysed):
    folder, (down, across), _ = analysed
    nuclei = geopandas.read_parquet(folder / "nuclei.parquet")
    assert len(nuclei) > 500
    # Outlines are rounded to 0.01 px, areas are not.
    np.testing.assert_allclose(nuclei.area_um2, nuclei.area * down * across, rtol=5e-3)
    assert nuclei.area_um2.sum() == pytest.approx(nuclei.area.sum() * down * across, rel=5e-4)
    turned = shapely.transform(nuclei.geometry.to_numpy(), lambda xy: xy * (across, down))
    np.testing.assert_allclose(nuclei.perimeter_um, shapely.length(turned), rtol=0.02)


def test_the_table_counts_per_mm2_of_tissue(analysed):
    folder, (down, across), shape = analysed
    row = whole_slide(folder)
    assert (float(row["mpp_y"]), float(row["mpp_x"])) == pytest.approx((down, across), rel=1e-4)
    assert float(row["area_mm2"]) == pytest.approx(
        shape[0] * down * shape[1] * across / 1e6, rel=1e-3
    )
    pieces = json.loads((folder / "tissue.geojson").read_text())["features"]
    level0_px = sum(shapely.geometry.shape(piece["geometry"]).area for piece in pieces)
    tissue_mm2 = level0_px * down * across / 1e6
    assert float(row["tissue_area_mm2"]) == pytest.approx(tissue_mm2, rel=1e-3)
    for name in ("epithelial", "spindle"):
        density = int(row[f"n_{name}"]) / tissue_mm2
        assert float(row[f"{name}_per_mm2"]) == pytest.approx(density, rel=1e-3)


def test_neighbours_are_so_many_um_apart(analysed):
    folder, (down, across), _ = analysed
    nuclei = geopandas.read_parquet(folder / "nuclei.parquet")
    points = np.column_stack([nuclei.row * down, nuclei.column * across])
    pairs = shapely.STRtree(shapely.points(points)).query(
        shapely.points(points), predicate="dwithin", distance=20.0
    )
    n_pairs = int((pairs[0] < pairs[1]).sum())
    with (folder / "neighbours.csv").open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["region_id"] == "slide"]
    assert sum(int(row["n_pairs"]) for row in rows) == n_pairs
