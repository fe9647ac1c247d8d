"""What training is shown: crops without a seam, mosaics of one data set, colours that come back."""

import itertools
from dataclasses import replace

import numpy as np
from samples_made import TINY, sample, whole_image

from nucwsi.training import augment
from nucwsi.training.augment import draw_batch, draw_crop


def test_beyond_the_image_nothing_is_known():
    one = sample(side=40)
    batch = draw_crop(one, TINY.model_copy(update={"zoom": 1.0}), np.random.default_rng(0), 64)
    known = batch.outlined[0].numpy()
    assert 0.25 < known.mean() < 0.55, "40 of 64 pixels each way"
    assert (batch.class_set[0].numpy()[~known] == 0).all()
    points = draw_crop(sample(outlined=False), TINY, np.random.default_rng(0), 64)
    assert not points.outlined.any()
    assert points.class_set.any()


def test_a_mosaic_shows_four_small_images():
    plain = {"zoom": 1.0, "stretch": 1.0, "warp": 0.0, "batch_size": 1}
    small = [sample(seed, side=32) for seed in range(3)]
    chances = np.array([1.0, 0.0, 0.0])
    how = TINY.model_copy(update=plain)
    batch, names = draw_batch(small, chances, how, np.random.default_rng(0))
    assert batch.known.all(), "four of 32 px fill 64 px"
    assert names[0] == "set/0"
    assert len(names) == 4
    assert len(set(names)) > 1
    how = how.model_copy(update={"mosaic": False})
    batch, names = draw_batch(small, chances, how, np.random.default_rng(0))
    assert batch.known.float().mean() == 0.25
    assert names == ["set/0"]
    # An image of the other set is never beside it.
    others = [small[0], *(replace(s, name=f"setting/{s.name}") for s in small[1:])]
    how = TINY.model_copy(update=plain)
    assert set(draw_batch(others, chances, how, np.random.default_rng(0))[1]) == {"set/0"}


def test_a_stain_that_does_not_change_leaves_the_image(monkeypatch):
    rng = np.random.default_rng(0)
    image = rng.uniform(0.01, 1, (8, 8, 3)).astype(np.float32)
    for name in ("_HED_SCALE", "_HED_SHIFT", "_BRIGHTNESS", "_CONTRAST", "_SATURATION"):
        monkeypatch.setattr(augment, name, 0.0)
    seen = [augment.change_colours(image, 1.0, rng) for _ in range(8)]
    for one in seen:
        np.testing.assert_allclose(one, image, atol=1e-3)


def test_without_tricks_a_crop_is_a_piece_of_the_image():
    plain = TINY.model_copy(
        update={"zoom": 1.0, "stretch": 1.0, "warp": 0.0, "views": False, "degrade": 0.0}
    )
    plain = plain.model_copy(update={"colour": 0.0})
    one = sample()
    picture = draw_crop(one, plain, np.random.default_rng(1), 64).cover[0].numpy()
    full = whole_image(one).cover[0].numpy()
    found = [
        (row, column)
        for row, column in itertools.product(range(33), range(33))
        if np.abs(full[row : row + 64, column : column + 64] - picture).mean() < 0.05
    ]
    assert found


def test_strength_zero_changes_no_colour_and_degrades_nothing():
    rng = np.random.default_rng(0)
    image = rng.uniform(0.01, 1, (8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(augment.change_colours(image, 0.0, rng), image, atol=1e-6)
    np.testing.assert_array_equal(augment.degrade(image, 0.0, rng), image)


def test_one_generator_draws_one_batch():
    samples = [sample(seed) for seed in range(3)]
    chances = np.full(3, 1 / 3)
    one, other, third = (
        draw_batch(samples, chances, TINY, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert one[1] == other[1]
    assert (one[0].image == other[0].image).all()
    assert (one[0].image != third[0].image).any()


def test_colours_that_are_taken_over_are_those_of_the_other_and_from_itself_its_own():
    rng = np.random.default_rng(0)
    image, other = (rng.uniform(low, 0.9, (24, 24, 3)).astype(np.float32) for low in (0.1, 0.5))
    np.testing.assert_allclose(augment.take_colours(image, image), image, atol=1e-3)
    taken = augment._densities(augment.take_colours(image, other))
    wanted = augment._densities(other)
    for share in (np.mean, np.std):
        np.testing.assert_allclose(share(taken, (0, 1)), share(wanted, (0, 1)), atol=2e-3)
    blank = np.ones((24, 24, 3), np.float32)
    assert np.isfinite(augment.take_colours(blank, other)).all()


def test_a_crop_with_other_colours_has_the_labels_of_its_own():
    samples = [sample(seed) for seed in range(3)]
    samples[2] = replace(samples[2], image=samples[2].image // 2)
    chances = np.array([1.0, 0.0, 0.0])
    how = TINY.model_copy(update={"batch_size": 1, "colour": 0.0, "degrade": 0.0, "mosaic": False})
    own, others = (
        draw_batch(samples, chances, how.model_copy(update=update), np.random.default_rng(5))[0]
        for update in ({}, {"stain_matching": 1.0})
    )
    assert not np.allclose(own.image, others.image, atol=0.05)
    # A teacher sees the crop as it is.
    crops = [
        draw_crop(samples[0], how, np.random.default_rng(1), 64, look)
        for look in (None, samples[2])
    ]
    np.testing.assert_array_equal(crops[0].plain, crops[1].plain)
    np.testing.assert_array_equal(crops[0].class_set, crops[1].class_set)
    assert crops[1].image.mean() < crops[0].image.mean()
