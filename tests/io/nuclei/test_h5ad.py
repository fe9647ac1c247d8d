"""AnnData: as scanpy and squidpy read it, with the nuclei of the table in its order."""

import json
import sys
import warnings

import anndata
import numpy as np
import pytest
from shown import phantom_nuclei, write_results
from stores import frame_of, nucleus_facts

from nucwsi.classes import colours
from nucwsi.config import ExportSettings
from nucwsi.errors import ConfigError
from nucwsi.features import nucleus
from nucwsi.io.nuclei.h5ad import write_h5ad
from nucwsi.io.nuclei.parquet import write_nuclei
from nucwsi.io.nuclei.stored_columns import read_columns
from nucwsi.phantom import CLASSES
from nucwsi.steps.export import export
from nucwsi.steps.features import features


@pytest.fixture(scope="module")
def results(small_slide, tmp_path_factory):
    folder = tmp_path_factory.mktemp("h5ad") / "small"
    write_results(small_slide, folder, phantom_nuclei(keep=80))
    features(small_slide, folder / "nuclei.parquet", folder / "features.parquet")
    return folder


def read(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return anndata.read_h5ad(path)


@pytest.fixture(scope="module")
def held(results):
    write_h5ad(
        results / "small.nuclei.h5ad", results / "nuclei.parquet", results / "features.parquet"
    )
    return read(results / "small.nuclei.h5ad")


def test_a_row_is_a_nucleus_in_the_order_of_the_table(results, held):
    table = read_columns(results / "nuclei.parquet", ["id", "row", "column", "p_spindle"])
    assert held.obs_names.tolist() == [str(ident) for ident in table["id"]]
    np.testing.assert_array_equal(held.obs["id"], table["id"])
    np.testing.assert_allclose(held.obs["p_spindle"], table["p_spindle"])


def test_places_are_x_and_y_in_micrometres_and_in_pixels(results, held):
    table = read_columns(results / "nuclei.parquet", ["row", "column"])
    xy = np.column_stack([table["column"], table["row"]])
    np.testing.assert_allclose(held.obsm["spatial_px"], xy)
    np.testing.assert_allclose(held.obsm["spatial"], xy * 0.25)
    assert held.uns["nucwsi"]["spatial_unit"] == "µm"


def test_classes_are_categories_with_their_colours_in_order(held):
    assert list(held.obs["class"].cat.categories) == list(CLASSES)
    expected = ["#{:02x}{:02x}{:02x}".format(*colours(CLASSES)[name]) for name in CLASSES]
    assert list(held.uns["class_colors"]) == expected


def test_variables_are_the_features_with_their_units(held):
    assert held.X.dtype == np.float32
    assert set(nucleus.NAMES) <= set(held.var_names)
    assert held.var.loc["area_um2", "unit"] == "µm²"
    assert held.var.loc["nearest_um", "unit"] == "µm"
    assert held.var.loc["haematoxylin_mean", "unit"] == ""


def test_facts_and_the_link_to_shapes_are_there(held):
    assert json.loads(held.uns["nucwsi"]["facts"])["slide"] == "small"
    link = held.uns["spatialdata_attrs"]
    assert (held.obs[link["region_key"]] == link["region"]).all()
    assert link["instance_key"] in held.obs


def test_without_features_size_and_form_are_the_variables(results, tmp_path):
    export(
        results / "nuclei.parquet",
        tmp_path / "s.nuclei.qupath.zip",
        ExportSettings(anndata=True),
    )
    found = read(tmp_path / "s.nuclei.h5ad")
    assert list(found.var_names)[:2] == ["area_um2", "perimeter_um"]
    area = read_columns(results / "nuclei.parquet", ["area_um2"])["area_um2"]
    np.testing.assert_array_equal(found.X[:, 0], area)


def test_a_slide_without_nuclei_is_a_table_too(small_slide, tmp_path):
    folder = write_results(small_slide, tmp_path / "none", phantom_nuclei(keep=0))
    write_h5ad(tmp_path / "n.h5ad", folder / "nuclei.parquet")
    assert read(tmp_path / "n.h5ad").shape == (0, 6)


def test_names_of_any_kind_are_written(tmp_path):
    names = ("a/b", "=1+1", 'quo"ted', "plain")[: len(CLASSES)]
    facts = nucleus_facts(frame_of((900, 900)), classes=names)
    write_nuclei(tmp_path / "nuclei.parquet", [phantom_nuclei(keep=9)], facts, 100)
    write_h5ad(tmp_path / "n.h5ad", tmp_path / "nuclei.parquet")
    found = read(tmp_path / "n.h5ad")
    assert list(found.obs["class"].cat.categories) == list(names)
    assert "p_a|b" in found.obs


def test_where_anndata_is_not_installed_the_way_out_is_named(results, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "anndata", None)
    with pytest.raises(ConfigError, match=r"pip install 'nucwsi\[anndata\]'"):
        write_h5ad(tmp_path / "n.h5ad", results / "nuclei.parquet")
    assert not (tmp_path / "n.h5ad").exists()
