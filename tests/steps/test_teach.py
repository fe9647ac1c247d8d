"""`teach`: classes that shape tells are learnt from answers, and it is said what they are worth."""

import json
import logging
from dataclasses import replace

import geopandas
import numpy as np
import pandas as pd
import pytest
from commands import run
from shown import phantom_nuclei, write_results

from nucwsi.config import TeachSettings
from nucwsi.errors import AnswerError, ConfigError
from nucwsi.io.classifier import read_classifier
from nucwsi.io.nuclei.parquet import read_facts, write_nuclei
from nucwsi.steps.features import features
from nucwsi.steps.teach import teach


@pytest.fixture(scope="module")
def results(small_slide, tmp_path_factory):
    folder = tmp_path_factory.mktemp("teach") / "results" / "small"
    write_results(small_slide, folder, phantom_nuclei())
    features(small_slide, folder / "nuclei.parquet", folder / "features.parquet")
    return folder


@pytest.fixture(scope="module")
def nuclei(results):
    return geopandas.read_parquet(results / "nuclei.parquet")


def by_size(frame, names=("Small one", "giant")):
    return np.where(frame["area_um2"] > frame["area_um2"].median(), *names[::-1])


def answered(path, frame, labels, **columns):
    pd.DataFrame({"id": frame["id"], "class": labels, **columns}).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def sizes(results, nuclei, tmp_path_factory):
    """A classifier of two sizes, and what `teach` said."""
    folder = tmp_path_factory.mktemp("sizes")
    some = nuclei.sample(100, random_state=1)
    answers = answered(folder / "my answers.csv", some, by_size(some))
    told = teach([results, answers], folder / "sizes.classifier", TeachSettings())
    return folder / "sizes.classifier", told


def test_a_class_that_shape_tells_is_learnt(sizes):
    path, told = sizes
    model, _ = read_classifier(path)
    assert model.classes == ("Small one", "giant")
    assert model.figures.accuracy > 0.85
    assert model.figures.accuracy > model.figures.network
    assert any("Right for" in line for line in told)
    assert "Taught with 100 answers on 1 slide" in path.with_name("sizes.classifier.md").read_text()


def test_neither_slide_nor_patient_is_in_the_file(sizes):
    assert "small.tiff" not in sizes[0].read_text()
    assert '"small"' not in sizes[0].read_text()


def test_the_same_answers_give_the_same_file(sizes, results, tmp_path):
    answers = sizes[0].with_name("my answers.csv")
    again = tmp_path / "sizes.classifier"
    teach([answers, results.parent], again, TeachSettings())
    assert again.read_bytes() == sizes[0].read_bytes()


def test_features_need_not_be_there_if_the_slide_is(sizes, small_slide, results, tmp_path):
    alone = tmp_path / "small"
    alone.mkdir()
    (alone / "nuclei.parquet").write_bytes((results / "nuclei.parquet").read_bytes())
    answers = sizes[0].with_name("my answers.csv")
    with pytest.raises(ConfigError, match=r"features\.parquet: does not exist.*--slide"):
        teach([alone, answers], tmp_path / "c", TeachSettings())
    again = tmp_path / "sizes.classifier"
    teach([alone, answers], again, TeachSettings(), slides=[small_slide])
    assert again.read_bytes() == sizes[0].read_bytes()
    noted = {"slide": {"path": str(small_slide)}}
    (alone / "provenance.json").write_text(json.dumps(noted))
    teach([alone, answers], again, TeachSettings())
    assert again.read_bytes() == sizes[0].read_bytes()


@pytest.fixture(scope="module")
def added(results, nuclei, tmp_path_factory):
    """A class added to those of the network: its answers name these, too."""
    folder = tmp_path_factory.mktemp("added")
    some = nuclei.sample(120, random_state=2)
    large = some["area_um2"] > some["area_um2"].quantile(0.8)
    labels = np.where(large, "Mitosis", some["class"].astype(str).str.upper())
    labels[:20] = np.where(large[:20], "mitosis", "not mitosis")
    answers = answered(folder / "a.csv", some, labels)
    settings = TeachSettings(extend=True, rest=("not mitosis",))
    teach([results, answers], folder / "mitosis", settings)
    return folder / "mitosis"


def test_the_network_never_finds_what_it_does_not_know(added):
    model, _ = read_classifier(added)
    assert model.figures.classes["Mitosis"].recall > 0.5
    assert model.figures.network_mean_recall == pytest.approx(0.5)


def test_a_class_of_few_answers_is_not_claimed_and_named(results, nuclei, tmp_path, caplog):
    some = nuclei.sample(60, random_state=3)
    labels = by_size(some)
    labels[:9] = "rare"
    with caplog.at_level(logging.WARNING):
        teach(
            [results, answered(tmp_path / "a.csv", some, labels)], tmp_path / "c", TeachSettings()
        )
    model, _ = read_classifier(tmp_path / "c")
    assert "rare" not in model.classes
    assert model.not_claimed == {"rare": 9}
    assert "rare has 9 answers and is not claimed" in caplog.text
    assert "Rare has 9 answers" in (tmp_path / "c.md").read_text()


def test_noise_is_said_to_be_no_better_than_the_network(results, nuclei, tmp_path, caplog):
    some = nuclei.sample(60, random_state=4)
    labels = np.random.default_rng(0).choice(["heads", "tails"], 60)
    teach([results, answered(tmp_path / "a.csv", some, labels)], tmp_path / "c", TeachSettings())
    assert "worse than the network" in caplog.text or "not shown to be better" in caplog.text


def test_it_can_do_without_the_answers_of_the_network(results, nuclei, tmp_path):
    some = nuclei.sample(60, random_state=5)
    answers = answered(tmp_path / "a.csv", some, by_size(some))
    teach([results, answers], tmp_path / "c", TeachSettings(network=False))
    assert not any(n.startswith("network_") for n in read_classifier(tmp_path / "c")[0].features)


@pytest.mark.parametrize(
    ("n", "labels", "settings", "said"),
    [
        (12, by_size, {}, "two classes with at least 10 answers each"),
        (60, lambda f: ["one"] * len(f), {}, "two classes with at least 10"),
        (60, by_size, {"extend": True}, "and 10 for nuclei of the network's classes"),
        (60, lambda f: f["class"].astype(str), {"extend": True}, "10 answers for it"),
    ],
)
def test_too_few_answers_are_refused_and_nothing_is_written(
    results, nuclei, tmp_path, n, labels, settings, said
):
    some = nuclei.sample(n, random_state=6)
    answers = answered(tmp_path / "a.csv", some, labels(some))
    with pytest.raises(AnswerError, match=said):
        teach([results, answers], tmp_path / "c", TeachSettings(**settings))
    assert not (tmp_path / "c").exists()


def test_results_and_answers_must_both_be_named(results, tmp_path):
    with pytest.raises(ConfigError, match="names no answers"):
        teach([results], tmp_path / "c", TeachSettings())
    (tmp_path / "a.csv").write_text("id,class\n")
    with pytest.raises(ConfigError, match="names no results"):
        teach([tmp_path / "a.csv"], tmp_path / "c", TeachSettings())


def test_the_command_line_says_what_came_out(results, nuclei, tmp_path):
    some = nuclei.sample(80, random_state=7)
    answers = answered(tmp_path / "a.csv", some, by_size(some))
    said = run("teach", results, answers, "-o", tmp_path / "c", "--no-network")
    assert said.exit_code == 0, said.output
    assert "Tells Small one, giant apart." in said.output
    missing = run("teach", results, tmp_path / "none.csv", "-o", tmp_path / "d")
    assert missing.exit_code != 0


def test_what_means_none_of_the_classes_is_for_classes_that_are_added(results, tmp_path):
    (tmp_path / "a.csv").write_text("id,class\n")
    with pytest.raises(ConfigError, match="`rest` needs `extend`"):
        teach([results, tmp_path / "a.csv"], tmp_path / "c", TeachSettings(rest=("x",)))


def test_nuclei_that_others_found_without_classes_are_taught_some(small_slide, tmp_path):
    found = phantom_nuclei()
    certain = replace(
        found,
        class_code=np.zeros(len(found), np.uint8),
        class_probabilities=np.ones((len(found), 1), np.float32),
        contrasts=np.empty((len(found), 0), np.float32),
    )
    folder = write_results(small_slide, tmp_path / "small", phantom_nuclei(keep=3))
    facts = read_facts(folder / "nuclei.parquet")
    constants = replace(facts.constants, min_area_um2={"without class": 0.0})
    facts = facts.with_(classes=("without class",), post_processing=constants, n_dropped={})
    write_nuclei(folder / "nuclei.parquet", [certain], facts, 1000)
    frame = geopandas.read_parquet(folder / "nuclei.parquet")
    some = frame.sample(90, random_state=8)
    answers = answered(tmp_path / "a.csv", some, by_size(some))
    teach([folder, answers], tmp_path / "c", TeachSettings(), slides=[small_slide])
    model, _ = read_classifier(tmp_path / "c")
    assert model.figures.accuracy > 0.8
    assert not any(name.startswith("network_") for name in model.features)


def test_results_of_different_networks_are_taught_together_without_their_answers(
    results, small_slide, tmp_path
):
    table = phantom_nuclei()
    other = write_results(small_slide, tmp_path / "other", phantom_nuclei(keep=3))
    facts = read_facts(other / "nuclei.parquet")
    classes = (*facts.classes[:-1], "plasma")
    areas = dict.fromkeys(classes, 1.0)
    facts = facts.with_(
        slide="other",
        classes=classes,
        post_processing=replace(facts.constants, min_area_um2=areas),
        n_dropped={},
    )
    write_nuclei(other / "nuclei.parquet", [table], facts, 1000)
    features(small_slide, other / "nuclei.parquet", other / "features.parquet")
    frame = geopandas.read_parquet(results / "nuclei.parquet")
    some = frame.sample(80, random_state=9)
    slide = np.where(np.arange(80) % 2, "small", "other")
    answers = answered(tmp_path / "a.csv", some, by_size(some), slide=slide)
    with pytest.raises(ConfigError, match="networks with different classes"):
        teach([results, other, answers], tmp_path / "c", TeachSettings())
    teach([results, other, answers], tmp_path / "c", TeachSettings(network=False))
    model, _ = read_classifier(tmp_path / "c")
    assert model.figures.n_slides == 2
    assert "plasma" in model.network_classes
