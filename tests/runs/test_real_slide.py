"""Tiled = untiled on a real slide, with the shipped network and all steps."""

import numpy as np
import pytest
from commands import succeeded

from nucwsi.config import (
    AssessSettings,
    PredictSettings,
    SegmentSettings,
    StitchSettings,
    TileSettings,
)
from nucwsi.io.nuclei.parquet import iter_tables, read_facts
from nucwsi.nuclei.table import NucleusTable
from nucwsi.report.assessment import Assessment
from nucwsi.steps.assess import assess
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
    return in_order(output)


def in_order(nuclei):
    table = NucleusTable.concatenated(list(iter_tables(nuclei)))
    return table.take(np.argsort(table.id))


@pytest.fixture(scope="module")
def reference_file(shared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    analysed(shared / "slides" / "CMU-1-Small-Region.svs", folder, 1024)
    return folder / "nuclei.parquet"


@pytest.fixture(scope="module")
def reference(reference_file):
    return in_order(reference_file)


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


def test_no_tissue_of_a_clean_slide_is_unknown(shared, reference_file, tmp_path):
    folder = reference_file.parent
    words = ("--geojson", folder / "real.regions.geojson", "--morphometry")
    succeeded(
        *("compose", reference_file, "-o", folder / "composition.csv"),
        *(*words, folder / "morphometry.csv"),
    )
    output = tmp_path / "assessment.json"
    assess(shared / "slides" / "CMU-1-Small-Region.svs", reference_file, output, AssessSettings())
    assert read_facts(reference_file).domain is not None
    assert Assessment.from_json(output.read_bytes()).marks == ()
