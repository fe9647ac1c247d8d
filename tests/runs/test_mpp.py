"""Members at different mpp: the same nuclei, in every column, whatever the core and the parts."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from networks_made import write_sharp_member
from slides_made import write_slide

from nucwsi.config import PredictSettings, SegmentSettings, StitchSettings, TileSettings
from nucwsi.io.nuclei.parquet import iter_tables
from nucwsi.models import ensemble
from nucwsi.nuclei.table import NucleusTable
from nucwsi.steps.predict import predict
from nucwsi.steps.segment import segment
from nucwsi.steps.stitch import stitch
from nucwsi.steps.tile import tile


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    """Blots of a few µm, on a slide of 0.25 µm per pixel."""
    blots = np.random.default_rng(3).integers(0, 256, (58, 71, 3), np.uint8)
    folder = tmp_path_factory.mktemp("slide")
    image = blots.repeat(20, 0).repeat(20, 1)
    near = np.ascontiguousarray(image[::2, ::2][:480, :640].transpose(2, 0, 1))
    far = np.ascontiguousarray(image[::3, ::3][:352, :448].transpose(2, 0, 1))
    members = (
        write_sharp_member(folder / "far.safetensors", far, (4, 6, 8), 48, mpp=0.7),
        write_sharp_member(folder / "near.safetensors", near, (4, 6, 8), 32),
    )
    return write_slide(folder / "slide.tif", image), members


def analysed(slide, members, folder, core_px, parts=1):
    tiles, output = folder / "tiles.zarr.zip", folder / "nuclei.parquet"
    how = TileSettings(core_px=core_px, tissue="all")
    tile(slide, tiles, folder / "tissue.geojson", how, name="s", members=members)
    maps = [folder / f"maps{part}.zarr.zip" for part in range(1, parts + 1)]
    nuclei = [folder / f"nuclei{part}.parquet" for part in range(1, parts + 1)]
    for part, path in enumerate(maps, start=1):
        settings = PredictSettings(device="cpu")
        predict(tiles, path, settings, members=members, part=part, parts=parts)
    for part, path in enumerate(nuclei, start=1):
        segment(maps, path, SegmentSettings(), part=part, parts=parts)
    stitch(nuclei, output, folder / "seams.json", StitchSettings())
    table = NucleusTable.concatenated(list(iter_tables(output)))
    return table.take(np.argsort(table.id))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_members_at_different_mpp_find_the_same_nuclei_for_every_core(
    tmp_path, slide, precision, monkeypatch
):
    monkeypatch.setattr(ensemble, "choose_precision", lambda device: precision)
    tables = []
    for core_px, parts in ((1024, 1), (256, 1), (512, 2)):
        folder = tmp_path / f"{core_px}"
        folder.mkdir()
        tables.append(analysed(*slide, folder, core_px, parts))
    reference, *others = tables
    assert len(reference) > 50
    assert np.abs(reference.contrasts).max() > 0.01
    for found in others:
        for field in fields(NucleusTable):
            mine, expected = getattr(found, field.name), getattr(reference, field.name)
            np.testing.assert_array_equal(mine, expected, err_msg=field.name)
