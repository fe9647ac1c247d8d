"""Rare classes weigh more and are shown more often; settings leave out what they name."""

from dataclasses import replace

import numpy as np
import pytest
from samples_made import TINY, sample

from nucwsi.errors import ConfigError
from nucwsi.labels.targets import published_hv_targets
from nucwsi.training.sampling import (
    by_turns,
    class_weights,
    read_source_weights,
    sample_weights,
    select_supervision,
)


def test_rare_classes_weigh_more_and_are_shown_more_often():
    samples = [sample(seed) for seed in range(4)]
    rare = replace(samples[0], allowed=np.full_like(samples[0].allowed, 8))
    common = [replace(s, allowed=np.ones_like(s.allowed)) for s in samples[1:]]
    weights = class_weights([rare, *common], 4)
    assert weights[3] > weights[0]
    chances = sample_weights([rare, *common], weights)
    assert chances.sum() == pytest.approx(1)
    assert chances[0] > chances[1:].max()
    unknown = replace(rare, allowed=np.full_like(rare.allowed, 3))
    assert (class_weights([unknown], 4) == 1).all()
    dense = [*samples[1:], replace(samples[0], allowed=samples[0].allowed[:1])]
    by_nuclei, by_area = sample_weights(dense, weights), sample_weights(dense, None)
    assert by_nuclei[-1] < by_area[-1] == by_area[0]


def test_settings_leave_out_the_labels_that_they_name():
    samples = [sample(seed) for seed in range(4)]
    points = [sample(0, outlined=False)]
    points = [replace(s, known=np.ones_like(s.known)) for s in points]
    assert select_supervision(points, TINY)[0].known.all()
    assert not select_supervision(points, TINY.model_copy(update={"point_cover": False}))[
        0
    ].known.any()
    single = select_supervision(samples, TINY.model_copy(update={"label_sets": False}))
    assert set(np.unique(single[0].class_set)) <= {0, 1, 2, 4, 8}
    assert 0b110 in samples[0].class_set
    published = select_supervision(samples, TINY.model_copy(update={"published_targets": True}))
    np.testing.assert_array_equal(published[1].hv_map, published_hv_targets(samples[1].instances))
    assert select_supervision(samples, TINY) is samples


def test_weights_by_hand():
    """Of nuclei 1, 4 and 16 the median is 4; the class that occurs nowhere keeps its weight."""
    allowed = np.repeat(np.array([1, 2, 8, 3], np.uint8), [1, 4, 16, 5])
    weights = class_weights([replace(sample(), allowed=allowed)], 4)
    assert weights.tolist() == [2.0, 1.0, 1.0, 0.5]


def test_a_data_set_has_a_share_by_the_root_of_its_nuclei():
    one = replace(sample(), name="small/0", allowed=np.full(4, 3, np.uint8))
    others = [replace(one, name=f"large/{k}", allowed=np.full(50, 3, np.uint8)) for k in (0, 1)]
    chances = sample_weights([one, *others], np.ones(4))
    assert chances.tolist() == pytest.approx([2 / 12, 5 / 12, 5 / 12])


def test_a_data_set_is_drawn_as_often_as_its_weight_says():
    one = replace(sample(), name="small/0", allowed=np.full(4, 3, np.uint8))
    others = [replace(one, name=f"large/{k}", allowed=np.full(50, 3, np.uint8)) for k in (0, 1)]
    samples = [one, *others]
    weights = read_source_weights(["small = 2.5", "large=0.5"], samples)
    assert weights == {"small": 2.5, "large": 0.5}
    chances = sample_weights(samples, None, weights)
    assert chances.tolist() == pytest.approx([0.5, 0.25, 0.25])
    assert sample_weights(samples, None, {"large": 0.0}).tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["mall = 2"], "'mall'; expected data sets that have images to learn from: large, small"),
        (["small = 2", "small = 3"], "'small' twice"),
        (["small = 0", "large = 0.0"], "0 for every data set"),
    ],
)
def test_weights_of_data_sets_that_say_nothing_are_refused(lines, message):
    samples = [replace(sample(), name=name) for name in ("small/0", "large/0")]
    with pytest.raises(ConfigError, match=message):
        read_source_weights(lines, samples)


def test_the_first_images_by_turns_stand_for_all_sources_and_all_of_each():
    sources = ["a"] * 100 + ["b"] * 5
    order = by_turns(sources)
    assert sorted(order) == list(range(105))
    assert {sources[place] for place in order[:2]} == {"a", "b"}
    of_a = [place for place in order[:25] if place < 100]
    assert len(of_a) == 20
    assert np.diff(sorted([*of_a, 100])).max() <= 10
    assert by_turns([]) == []
