"""`features`: one row for each nucleus, and the same whoever asks for how many at once."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
from shown import phantom_nuclei, write_results

from nucwsi.errors import StoreError
from nucwsi.features import network, nucleus, surroundings
from nucwsi.grid import Frame
from nucwsi.io.nuclei import parquet
from nucwsi.io.nuclei.stored_columns import read_columns
from nucwsi.steps import features as module
from nucwsi.steps.features import feature_frame, features, measuring, read_nuclei


@pytest.fixture(scope="module")
def results(small_slide, tmp_path_factory):
    folder = tmp_path_factory.mktemp("features") / "small"
    return write_results(small_slide, folder, phantom_nuclei())


@pytest.fixture(scope="module")
def table(small_slide, results):
    features(small_slide, results / "nuclei.parquet", results / "features.parquet")
    return pd.read_parquet(results / "features.parquet")


def test_each_nucleus_has_a_row_in_the_order_of_the_table(results, table):
    nuclei = read_columns(results / "nuclei.parquet", ["id", "area_um2", "p_epithelial"])
    np.testing.assert_array_equal(table["id"], nuclei["id"])
    np.testing.assert_allclose(table["area_um2"], nuclei["area_um2"], rtol=1e-3)
    logarithm = np.log(np.maximum(nuclei["p_epithelial"], 0.005))
    np.testing.assert_allclose(table["network_epithelial"], logarithm, rtol=1e-5)
    kinds = (nucleus.NAMES, surroundings.NAMES, network.names(("a",)))
    assert len(table.columns) > sum(map(len, kinds))
    assert np.isfinite(table.to_numpy(float)).all()


def test_nuclei_are_darker_than_what_is_around_them(table):
    inside, around = table["haematoxylin_mean"], table["haematoxylin_around"]
    assert (inside > around).mean() > 0.85


@pytest.mark.parametrize(("at_once", "square", "threads"), [(37, 1024, 1), (8192, 200, 3)])
def test_neither_batches_nor_squares_nor_threads_change_a_digit(
    small_slide, results, table, monkeypatch, tmp_path, at_once, square, threads
):
    monkeypatch.setattr(parquet, "AT_ONCE", at_once)
    monkeypatch.setattr(module, "_SQUARE_PX", square)
    output = tmp_path / "f.parquet"
    features(small_slide, results / "nuclei.parquet", output, threads=threads)
    pd.testing.assert_frame_equal(pd.read_parquet(output), table)


def test_some_nuclei_have_the_features_that_they_have_among_all(small_slide, results, table):
    nuclei = read_nuclei(results / "nuclei.parquet")
    wanted = np.zeros(len(table), bool)
    wanted[[3, 50, 51, 170]] = True
    with measuring(small_slide, nuclei) as measure:
        found = list(measure(wanted))
    values = np.concatenate([some.values for some in found])
    np.testing.assert_array_equal(values, table[wanted][list(nuclei.names)].to_numpy(np.float32))


def test_a_slide_without_nuclei_has_a_table(small_slide, tmp_path):
    folder = write_results(small_slide, tmp_path / "none", phantom_nuclei(keep=0))
    features(small_slide, folder / "nuclei.parquet", tmp_path / "f.parquet")
    assert len(pd.read_parquet(tmp_path / "f.parquet")) == 0


def test_another_slide_is_refused_before_anything_is_written(small_slide, results, tmp_path):
    other = tmp_path / "other.tiff"
    other.write_bytes(small_slide.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError, match="was not made from"):
        features(other, results / "nuclei.parquet", tmp_path / "f.parquet")
    assert not (tmp_path / "f.parquet").exists()


@pytest.mark.parametrize("place", [1e300, -1e20, float("inf")])
def test_an_outline_that_no_slide_holds_is_refused(place):
    """Damage at random (seed 5, case 7218): numpy's warnings, and other numbers."""
    outlines = np.array([shapely.box(0, 0, 9, 9), shapely.Polygon([(0, 0), (place, 9), (9, 9)])])
    module._check_outlines(outlines[:1], Path("n.parquet"))
    with pytest.raises(StoreError, match=r"n\.parquet: a nucleus has an outline"):
        module._check_outlines(outlines, Path("n.parquet"))


@pytest.mark.parametrize("mpp", [0.25, 0.35, 0.5, 1.0])
def test_features_are_measured_at_one_resolution_whatever_that_of_the_network(mpp):
    frame = Frame((1000, 1401), mpp, (0.25, 0.26), (40.0, 7.0), (9000, 9000))
    found = feature_frame(frame)
    assert found.mpp == nucleus.MPP
    assert found.origin_px == frame.origin_px
    low = found.to_level0(np.array([found.shape]))
    assert (low >= frame.to_level0(np.array([frame.shape])) - 1e-3).all()
