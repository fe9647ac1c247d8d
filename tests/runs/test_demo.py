"""The demo as a newcomer runs it, scored against what was painted."""

import geopandas
import numpy as np
import pytest
import shapely

from nucwsi.metrics import match_centroids
from nucwsi.phantom import Phantom


@pytest.fixture(scope="module")
def truth():
    phantom = Phantom(scene="tissue")
    nuclei = list(phantom.nuclei())
    return nuclei, np.array([phantom.polygon(nucleus) for nucleus in nuclei])


def test_the_shipped_network_finds_the_painted_nuclei(snakemake, truth):
    ran = snakemake()
    assert "drag this onto it" in ran.text
    found = geopandas.read_parquet(snakemake.folder / "results" / "phantom" / "nuclei.parquet")
    nuclei, outlines = truth
    centres = shapely.get_coordinates(shapely.centroid(outlines))[:, ::-1]
    pairs = match_centroids(centres, found[["row", "column"]].to_numpy(), 12.0)
    here, there = pairs.T
    hit = np.zeros(len(nuclei), bool)
    hit[here] = True
    kinds = np.array([nucleus.kind for nucleus in nuclei])
    assert len(pairs) > 0.95 * len(found)
    assert hit.mean() > 0.95
    for kind in ("seam", "interior"):
        assert hit[kinds == kind].mean() > 0.97, kind
    for kind in ("chain", "edge"):  # a few dozen each
        assert hit[kinds == kind].mean() > 0.9, kind
    # The dense sheet tests the seams and is packed like no tissue.
    assert hit[kinds == "sheet"].mean() > 0.5

    mine, theirs = outlines[here], found.geometry.to_numpy()[there]
    overlap = shapely.area(shapely.intersection(mine, theirs)) / shapely.area(
        shapely.union(mine, theirs)
    )
    assert np.median(overlap) > 0.8
    painted = np.array([nucleus.class_name for nucleus in nuclei])[here]
    assert (painted == found["class"].to_numpy()[there]).mean() > 0.65
