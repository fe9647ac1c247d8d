"""`classify`: nuclei get the classes that were taught, and keep all else."""

from dataclasses import replace

import geopandas
import numpy as np
import pandas as pd
import pytest
from shown import phantom_nuclei, write_results
from taught import a_classifier, figures

from nucwsi.config import ExportSettings
from nucwsi.errors import CheckpointError, ConfigError, StoreError
from nucwsi.io.classifier import write_classifier
from nucwsi.io.nuclei.parquet import read_facts
from nucwsi.io.regions.check import check_geojson
from nucwsi.phantom import CLASSES
from nucwsi.steps.classify import classify
from nucwsi.steps.export import export
from nucwsi.steps.features import features


@pytest.fixture(scope="module")
def results(small_slide, tmp_path_factory):
    folder = tmp_path_factory.mktemp("classify") / "small"
    write_results(small_slide, folder, phantom_nuclei())
    features(small_slide, folder / "nuclei.parquet", folder / "features.parquet")
    return folder


@pytest.fixture(scope="module")
def nuclei(results):
    return geopandas.read_parquet(results / "nuclei.parquet")


def by_size(frame):
    return np.where(frame["area_um2"] > frame["area_um2"].median(), "giant", "Small one")


def model_of(nuclei, **changed):
    """A classifier that knows the area alone."""
    values = {
        "name": "sizes",
        "classes": ("Small one", "giant"),
        "features": ("area_um2", "circularity", "network_epithelial"),
        "mean": (float(nuclei["area_um2"].median()), 0.0, 0.0),
        "scale": (1.0, 1.0, 1.0),
        "weights": ((-3.0, 0.0, 0.0), (3.0, 0.0, 0.0)),
        "confusion": {"giant": 0.8},
        "figures": figures(("Small one", "giant")),
        "warnings": ("29 answers are few",),
    }
    return a_classifier(**{**values, **changed})


@pytest.fixture(scope="module")
def sizes(nuclei, tmp_path_factory):
    path = tmp_path_factory.mktemp("sizes") / "sizes.classifier"
    write_classifier(path, model_of(nuclei), "")
    return path


@pytest.fixture(scope="module")
def classified(sizes, small_slide, results):
    output = results.with_name("classified") / "nuclei.parquet"
    output.parent.mkdir()
    classify(small_slide, results / "nuclei.parquet", sizes, output)
    return output


def test_nuclei_get_the_taught_classes_and_keep_all_else(classified, nuclei):
    found = geopandas.read_parquet(classified)
    assert (found["class"] == by_size(found)).mean() > 0.85
    np.testing.assert_allclose(found["p_giant"] + found["p_Small one"], 1, rtol=1e-5)
    most = found[["p_Small one", "p_giant"]].to_numpy().argmax(axis=1)
    assert (found["class"] == np.array(["Small one", "giant"])[most]).all()
    np.testing.assert_array_equal(found["network_class"].astype(str), nuclei["class"].astype(str))
    for name in CLASSES:
        np.testing.assert_array_equal(found[f"network_p_{name}"], nuclei[f"p_{name}"])
    same = ["id", "row", "column", "area_um2", "np_mean"]
    pd.testing.assert_frame_equal(pd.DataFrame(found[same]), pd.DataFrame(nuclei[same]))
    assert found.geometry.geom_equals(nuclei.geometry).all()


def test_what_classified_them_stands_in_the_facts(classified):
    facts = read_facts(classified)
    assert facts.classes == ("Small one", "giant")
    assert facts.network_classes == CLASSES
    assert facts.taught.name == "sizes"
    assert facts.taught.warnings == ("29 answers are few",)
    assert facts.miscount.confusion["giant"] > 0


def test_measured_or_read_features_give_the_same(classified, sizes, small_slide, results, tmp_path):
    output, table = tmp_path / "n.parquet", results / "features.parquet"
    classify(tmp_path / "gone.svs", results / "nuclei.parquet", sizes, output, features=table)
    assert output.read_bytes() == classified.read_bytes()


def test_to_classify_again_is_to_classify_once(classified, sizes, small_slide, tmp_path):
    classify(small_slide, classified, sizes, tmp_path / "n.parquet")
    first, second = (geopandas.read_parquet(p) for p in (classified, tmp_path / "n.parquet"))
    pd.testing.assert_frame_equal(first, second)


def test_qupath_shows_the_taught_classes_in_colours_of_their_own(classified, tmp_path):
    export(classified, tmp_path / "s.nuclei.qupath.zip", ExportSettings())
    assert check_geojson(tmp_path / "s.nuclei.qupath.zip").n_faults == 0


def test_a_class_is_added_and_all_other_nuclei_keep_theirs(small_slide, results, nuclei, tmp_path):
    large = float(nuclei["area_um2"].quantile(0.8))
    added = model_of(
        nuclei,
        classes=("Mitosis",),
        extends=True,
        mean=(large, 0.0, 0.0),
        weights=((3.0, 0.0, 0.0), (-3.0, 0.0, 0.0)),
        confusion={"Mitosis": 0.5},
        figures=figures(("Mitosis", "(network)")),
    )
    write_classifier(tmp_path / "mitosis", added, "")
    output = tmp_path / "n.parquet"
    classify(small_slide, results / "nuclei.parquet", tmp_path / "mitosis", output)
    found = geopandas.read_parquet(output)
    assert read_facts(output).classes == (*CLASSES, "Mitosis")
    kept = found[found["class"] != "Mitosis"]
    assert (kept["class"].astype(str) == kept["network_class"].astype(str)).all()
    assert 0.1 < (found["class"] == "Mitosis").mean() < 0.3
    shares = found[[f"p_{name}" for name in (*CLASSES, "Mitosis")]].to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)


def test_where_networks_disagreed_they_do_so_less_where_they_have_less_say(small_slide, tmp_path):
    table = phantom_nuclei(keep=40)
    contrasts = np.random.default_rng(0).normal(size=(40, 2 * len(CLASSES))).astype(np.float32)
    folder = write_results(
        small_slide, tmp_path / "small", replace(table, contrasts=contrasts), contrasts=2
    )
    frame = geopandas.read_parquet(folder / "nuclei.parquet")
    added = model_of(
        frame,
        classes=("Mitosis",),
        extends=True,
        weights=((3.0, 0.0, 0.0), (-3.0, 0.0, 0.0)),
        confusion={},
        figures=figures(("Mitosis", "(network)")),
    )
    write_classifier(tmp_path / "mitosis", added, "")
    classify(small_slide, folder / "nuclei.parquet", tmp_path / "mitosis", tmp_path / "n.parquet")
    found = geopandas.read_parquet(tmp_path / "n.parquet")
    for name in CLASSES:
        expected = frame[f"contrast2_{name}"] * (1 - found["p_Mitosis"])
        np.testing.assert_allclose(found[f"contrast2_{name}"], expected, atol=1e-6)
    assert (found["contrast1_Mitosis"] == 0).all()


def test_a_classifier_of_another_network_is_refused(small_slide, results, nuclei, tmp_path):
    strange = model_of(nuclei, features=("area_um2", "circularity", "network_plasma"))
    write_classifier(tmp_path / "c", strange, "")
    with pytest.raises(ConfigError, match=r"network_plasma.*--no-network"):
        classify(small_slide, results / "nuclei.parquet", tmp_path / "c", tmp_path / "n.parquet")


def test_a_wrong_classifier_or_wrong_features_leave_nothing_behind(
    sizes, small_slide, results, tmp_path
):
    output = tmp_path / "n.parquet"
    (tmp_path / "c").write_text("{}")
    with pytest.raises(CheckpointError, match="c: is not a classifier"):
        classify(small_slide, results / "nuclei.parquet", tmp_path / "c", output)
    other = write_results(small_slide, tmp_path / "other", phantom_nuclei(keep=50))
    with pytest.raises(StoreError, match="is of other nuclei"):
        classify(
            small_slide,
            other / "nuclei.parquet",
            sizes,
            output,
            features=results / "features.parquet",
        )
    assert not output.exists()
