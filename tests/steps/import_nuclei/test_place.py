"""Nuclei of others that lie on a slide by chance are refused, or said to do so."""

import json

import geopandas
import numpy as np
import pytest
import shapely
from commands import refused, succeeded
from foreign_made import cellvit

from nucwsi.io.nuclei.parquet import read_facts
from nucwsi.io.slides.phantom import write_phantom
from nucwsi.phantom import Phantom

PHANTOM = Phantom((1600, 2100), seed=5)


@pytest.fixture(scope="module")
def truth():
    shapes = np.array([PHANTOM.polygon(nucleus) for nucleus in PHANTOM.nuclei()])
    return shapes[[shape.geom_type == "Polygon" and shape.area > 9 for shape in shapes]]


@pytest.fixture
def doubts(small_slide, tmp_path):
    def _doubts(outlines, *words):
        geopandas.GeoDataFrame(geometry=list(outlines)).to_parquet(tmp_path / "a.parquet")
        out = tmp_path / "nuclei.parquet"
        succeeded("import", tmp_path / "a.parquet", "--slide", small_slide, "-o", out, *words)
        warnings = read_facts(out).warnings
        return [line for line in warnings if "--nuclei-mpp (column `nuclei_mpp`" in line]

    return _doubts


def test_nuclei_in_place_are_not_doubted(truth, doubts):
    assert doubts(truth) == []


def test_outlines_of_another_resolution_are_told_by_what_they_hold_and_by_the_tissue(truth, doubts):
    half = shapely.transform(truth, lambda xy: xy / 2)
    said = "\n".join(doubts(half))
    assert "imported nuclei are no darker than what is around them" in said
    assert "around the imported nuclei is" in said
    assert doubts(half, "--nuclei-mpp", 0.5) == []


def test_nuclei_beside_the_tissue_are_counted(truth, doubts, tmp_path):
    mask = tmp_path / "mask.geojson"
    area = json.loads(shapely.to_geojson(shapely.box(0, 0, 2100, 400)))
    mask.write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": area}))
    said = "\n".join(doubts(truth, "--tissue", mask))
    assert "% of the imported nuclei lie on glass" in said
    corner = [shape for shape in truth if max(shape.bounds) < 500]
    assert "% of the tissue; densities of the slide count" in "\n".join(doubts(corner))
    assert doubts(corner, "--tissue", "all") == []


def test_nuclei_of_an_implausible_size_are_refused_until_the_user_states_the_resolution(
    truth, doubts, small_slide, tmp_path
):
    tiny = shapely.transform(truth, lambda xy: xy / 8)
    cellvit(tmp_path / "tiny.json", tiny, [1] * len(tiny))
    line = refused(
        "import", tmp_path / "tiny.json", "--slide", small_slide, "-o", tmp_path / "x.parquet"
    )
    assert "tiny.json: half of the imported nuclei have 0." in line
    assert "state the µm per pixel that it counts in: --nuclei-mpp" in line
    assert not (tmp_path / "x.parquet").exists()
    assert doubts(tiny, "--nuclei-mpp", 2) == []
    assert any(
        "a median of 4 to 400 µm² was expected" in s for s in doubts(tiny, "--nuclei-mpp", 0.25)
    )


def test_a_label_image_of_a_part_is_refused_or_doubted(tmp_path):
    slide, out = tmp_path / "a.tiff", tmp_path / "nuclei.parquet"
    write_phantom(slide, Phantom((600, 800), seed=3))
    labels = np.zeros((600, 800), np.int32)
    for n in range(12):
        labels[40 + 20 * n : 55 + 20 * n, 50:65] = n + 1
    for part, words, said in (
        (labels[:300, :500], (), None),
        (labels[:450, :600], (), "at an odd 0.3333 µm per pixel"),
        (labels[:300, :500], ("--nuclei-mpp", 0.25), ""),
        (labels[::2, ::2], (), ""),
    ):
        np.save(tmp_path / "l.npy", part)
        command = ("import", tmp_path / "l.npy", "--slide", slide, "-o", out, *words)
        if said is None:
            line = refused(*command)
            assert "300 x 500 px, but the slide 600 x 800; expected the same proportions" in line
            continue
        succeeded(*command)
        odd = [line for line in read_facts(out).warnings if "label image is taken to show" in line]
        assert [said in line for line in odd] == ([True] if said else [])
