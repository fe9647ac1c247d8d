"""Tiled = untiled on a real slide, with the shipped network and all steps."""

import numpy as np
import pytest

from nucwsi.config import PredictSettings, SegmentSettings, StitchSettings, TileSettings
from nucwsi.io.nuclei.parquet import iter_tables
from nucwsi.nuclei.table import NucleusTable
from nucwsi.steps.predict import predict
from nucwsi.steps.segment import segment
from nucwsi.steps.stitch import stitch
from nucwsi.steps.tile import tile


def analysed(slide, folder, core_px, parts=1):
    tiles = folder / "tiles.zarr.zip"
    tile(
        slide,
        tiles,
        folder / "tissue.geojson",
        TileSettings(core_px=core_px),
        name="real",
        members=("default",),
        threads=2,
    )
    maps = [folder / f"maps{part}.zarr.zip" for part in range(1, parts + 1)]
    nuclei = [folder / f"nuclei{part}.parquet" for part in range(1, parts + 1)]
    for part in range(parts, 0, -1):
        settings = PredictSettings(device="cpu")
        members = ("default",)
        predict(tiles, maps[part - 1], settings, members=members, part=part, parts=parts, threads=2)
    for part in range(1, parts + 1):
        segment(maps, nuclei[part - 1], SegmentSettings(), part=part, parts=parts)
    output = folder / "nuclei.parquet"
    stitch(nuclei, output, folder / "seams.json", StitchSettings())
    table = NucleusTable.concatenated(list(iter_tables(output)))
    return table.take(np.argsort(table.id))


@pytest.fixture(scope="module")
def reference(shared, tmp_path_factory):
    slide = shared / "slides" / "CMU-1-Small-Region.svs"
    return analysed(slide, tmp_path_factory.mktemp("reference"), 1024)


@pytest.mark.parametrize(("core_px", "parts"), [(256, 1), (512, 3)])
def test_the_same_nuclei_for_every_core_and_every_number_of_parts(
    shared, tmp_path, reference, core_px, parts
):
    slide = shared / "slides" / "CMU-1-Small-Region.svs"
    found = analysed(slide, tmp_path, core_px, parts)
    assert len(found) > 2000
    np.testing.assert_array_equal(found.id, reference.id)
    np.testing.assert_array_equal(found.geometry, reference.geometry)
    np.testing.assert_array_equal(found.class_probabilities, reference.class_probabilities)
