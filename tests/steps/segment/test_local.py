"""Local networks: stages of jobs whose nuclei are counted and told from giants."""

import numpy as np
import pytest
from instances_made import discs, perfect_hv
from stores import cells_of, write_maps

from nucwsi.io.stores.maps import open_maps
from nucwsi.nuclei import giants
from nucwsi.nuclei.constants import PixelConstants
from nucwsi.nuclei.instances import slope_limit
from nucwsi.nuclei.table import NucleusTable
from nucwsi.steps.segment.local import LocalSegmenter


@pytest.fixture
def maps(tmp_path):
    """Three cores: two nuclei in the first, one across its border, no tissue in the third."""
    labels = discs((200, 700), [(50, 50), (120, 60), (90, 255)], 8)
    np_map = np.where(labels > 0, 255, 0).astype(np.uint8)
    tissue = cells_of(np.arange(700)[None, :].repeat(200, 0) < 500)
    layers = np_map, perfect_hv(labels), np.stack([np_map] * 4)
    with open_maps([write_maps(tmp_path / "m.zarr.zip", layers, tissue, 256)]) as opened:
        yield opened


def segmenter(maps, min_area_px=1):
    smallest = np.full(4, min_area_px)
    return LocalSegmenter(maps, PixelConstants(128, slope_limit(0.1), 4, smallest, 0, True, 0.25))


def nuclei_of(stages):
    tables = [table for jobs in stages for job in jobs for table in job()]
    return NucleusTable.concatenated(tables)


def test_there_is_one_job_a_core_with_tissue(maps):
    (jobs,) = segmenter(maps).stages(range(1))
    assert [len(list(job())) for job in jobs] == [1, 0]
    (table,) = jobs[0]()
    assert len(table) == 3, "the core of the first pixel owns a nucleus across the border"
    assert not table.escalated.any()


def test_what_is_dropped_is_counted_by_class(maps):
    chosen = segmenter(maps, min_area_px=1000)
    for jobs in chosen.stages(range(1)):
        assert not any(list(job()) for job in jobs)
    assert chosen.dropped.tolist() == [3, 0, 0, 0]


def test_giants_come_in_a_stage_of_their_own(maps, tmp_path, monkeypatch):
    monkeypatch.setattr(giants, "GIANT_PX", 300)
    np_map = np.zeros((200, 700), np.uint8)
    np_map[100:110, 20:400] = np_map[20:30, 20:30] = 255
    layers = np_map, np.zeros((2, 200, 700), np.int8), np.stack([np_map] * 4)
    tissue = cells_of(np.ones((200, 700), bool))
    with open_maps([write_maps(tmp_path / "g.zarr.zip", layers, tissue, 256)]) as opened:
        cores, blocks = [nuclei_of([jobs]) for jobs in segmenter(opened).stages(range(1))]
    assert (len(cores), cores.escalated.tolist()) == (1, [False])
    assert (len(blocks), blocks.escalated.tolist()) == (1, [True])
