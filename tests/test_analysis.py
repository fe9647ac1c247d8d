"""`nucwsi.analyse`: one call gives the nuclei that the command line gives, and leaves no files."""

import tempfile

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
import torch
from commands import succeeded
from PIL import Image

import nucwsi
from nucwsi.errors import ConfigError, SlideError
from nucwsi.phantom import Phantom


@pytest.fixture(scope="module")
def picture():
    return Phantom(shape=(420, 560), seed=4).paint()


@pytest.fixture(scope="module")
def by_verbs(picture, tmp_path_factory):
    """The nuclei of the same picture by the steps of the command line."""
    folder = tmp_path_factory.mktemp("verbs")
    slide, tiles, maps, part, nuclei = (
        folder / name for name in ("a.png", "t.zip", "m.zip", "p.parquet", "nuclei.parquet")
    )
    Image.fromarray(picture).save(slide)
    succeeded(
        *("tile", slide, "-o", tiles, "--tissue-output", folder / "tissue.geojson"),
        *("--mpp", 0.25, "--core-px", 256),
    )
    succeeded("predict", tiles, "-o", maps, "--views", 2)
    succeeded("segment", maps, "-o", part)
    succeeded("stitch", part, "-o", nuclei, "--seams", folder / "seams.json")
    return geopandas.read_parquet(nuclei).drop(columns="qupath_id")


@pytest.mark.parametrize("form", [np.asarray, Image.fromarray])
def test_an_array_or_a_picture_has_the_nuclei_of_the_command_line(
    picture, by_verbs, form, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    torch.set_num_threads(1)
    found = nucwsi.analyse(form(picture), mpp=0.25, views=2, members="default", threads=2)
    assert torch.get_num_threads() == 1
    assert len(found) > 20
    pd.testing.assert_frame_equal(pd.DataFrame(found), pd.DataFrame(by_verbs))
    assert not list(tmp_path.iterdir())
    whole = geopandas.GeoDataFrame(geometry=[shapely.box(0, 0, 560, 420)])
    table = nucwsi.compose(found, whole).composition
    assert table["n_nuclei"].tolist() == [len(found)]


def test_a_setting_that_differs_is_the_workflows(picture, by_verbs):
    fewer = nucwsi.analyse(picture, mpp=0.25, views=2, segment={"min_area_um2": 40})
    assert 0 < len(fewer) == (by_verbs["area_um2"] >= 40).sum() < len(by_verbs)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.zeros((9, 9)), {"mpp": 1}, r"`image` is an array of float64 of shape \(9, 9\)"),
        (np.zeros((9, 9, 4), np.uint8), {"mpp": 1}, r"of shape \(9, 9, 4\); expected red, green"),
        (np.zeros((9, 9, 3), np.uint8), {}, "`mpp` is not given, .* e.g. mpp=0.25"),
        (np.zeros((9, 9, 3), np.uint8), {"mpp": 1, "views": 3}, "analyse: `views`: .*got 3"),
        (
            np.zeros((9, 9, 3), np.uint8),
            {"mpp": 1, "tile": {"core": 9}},
            "`tile`: unknown setting `core`; known here: core_px",
        ),
    ],
)
def test_wrong_arguments_are_named(image, options, message):
    with pytest.raises(ConfigError, match=message):
        nucwsi.analyse(image, **options)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SlideError, match=r"none\.svs"):
        nucwsi.analyse(tmp_path / "none.svs")
