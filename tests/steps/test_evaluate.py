"""`evaluate`: one row an image, one row a data set, and pictures of the best and the worst."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from commands import refused, succeeded
from samples_made import FIXED, perfect, sample, write_labelled
from scipy import ndimage
from stores import write_member

from nucwsi.classes import COLOURS
from nucwsi.phantom import CLASSES
from nucwsi.steps import evaluate as step
from nucwsi.training.labelled_nuclei import find_nuclei
from nucwsi.training.scores import score_image


@pytest.fixture
def labelled(tmp_path):
    return write_labelled(tmp_path / "data")


def test_scores_of_every_image_and_data_set(labelled, tmp_path):
    scores = tmp_path / "scores"
    member = write_member(tmp_path / "m.safetensors", sure=20)
    words = ("evaluate", labelled, "-o", scores, "--member", member, "--split", "test")
    succeeded(*words, "--views", 2)
    with (scores / "summary.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert row["dataset"] == "phantom"
    assert 0 <= float(row["dice"]) <= 1
    known = [name for name in CLASSES if f"f1_hovernet_{name}" in row]
    assert known
    assert all(0 <= float(row[f"detection_{name}"]) <= 1 for name in known)
    coverage = [float(value) for name, value in row.items() if name.startswith("coverage_")]
    assert coverage
    assert all(0 <= share <= 1 for share in coverage)
    with (scores / "images.csv").open() as stream:
        for image in csv.DictReader(stream):
            for end, total in (("_truth", "n_truth"), ("", "n_found")):
                counts = [int(image[f"n_{name}{end}"]) for name in CLASSES]
                assert sum(counts) == float(image[total])
    assert (scores / "summary.md").read_text().startswith("| dataset | images |")
    assert len(list((scores / "pictures").glob("phantom.*.png"))) == 3
    assert refused(*words) == (
        f"nucwsi evaluate: {scores}: exists already; remove it or name another folder"
    )


def scored(one):
    return score_image(one, find_nuclei(perfect(one), FIXED, one), len(CLASSES), 0.5)


def test_cells_that_are_lacking_are_empty_and_undefined_scores_are_named():
    rows = [{"dataset": "a", "images": 2, "pq": 0.5}, {"dataset": "b", "f1": float("nan")}]
    assert step._table(rows) == "dataset,images,pq,f1\na,2,0.5,\nb,,,n/a\n"
    assert step._markdown(rows).splitlines() == [
        "| dataset | images | pq | f1 |",
        "| --- | --- | --- | --- |",
        "| a | 2 | 0.5 |  |",
        "| b |  |  | n/a |",
    ]


def test_images_are_ranked_by_pq_and_one_without_a_score_is_neither_best_nor_worst():
    images = [scored(sample(seed)) for seed in range(4)]
    worse = [
        replace(one, values={**one.values, "pq": pq})
        for one, pq in zip(images, (0.5, 0.9, float("nan"), 0.1), strict=True)
    ]
    ranked = step._ranked(worse)
    assert [worse.index(ranked[name]) for name in ("worst", "median", "best")] == [3, 0, 1]
    alone = step._ranked(worse[2:3])
    assert set(map(id, alone.values())) == {id(worse[2])}


def test_points_are_ranked_by_f1():
    images = [scored(sample(seed, outlined=False)) for seed in range(3)]
    images = [
        replace(one, values={**one.values, "f1_most_pairs": f1})
        for one, f1 in zip(images, (0.2, 0.1, 0.3), strict=True)
    ]
    ranked = step._ranked(images)
    assert [images.index(ranked[name]) for name in ("worst", "median", "best")] == [1, 0, 2]


def test_a_picture_shows_the_truth_beside_what_was_found():
    one = scored(sample())
    picture = np.asarray(step._picture(one, CLASSES))
    assert picture.shape == (96, 192, 3)
    truth, answer = picture[:, :96], picture[:, 96:]
    assert step._TRUTH_COLOUR not in COLOURS.values()
    green = (truth == step._TRUTH_COLOUR).all(axis=2)
    assert green.any()
    for half, outlines in ((truth, [step._TRUTH_COLOUR]), (answer, [COLOURS[n] for n in CLASSES])):
        drawn = (half[..., None, :] == np.array(outlines)).all(axis=3).any(axis=2)
        dark = (half == (one.sample.image * 0.45).astype(np.uint8)).all(axis=2)
        assert drawn.any()
        assert (drawn | dark | (half == one.sample.image).all(axis=2)).all()
        beside = ndimage.binary_dilation(drawn) & ~drawn
        assert dark[beside].mean() > 0.5, "an outline is cased in dark pixels"
