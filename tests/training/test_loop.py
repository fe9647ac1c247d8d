"""Training: losses that are least at the truth, runs that repeat, calibrated classes."""

import csv
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from samples_made import TINY, perfect, sample

from nucwsi.composition.calibration import fit_temperature, reliability, temperature_scaled
from nucwsi.config import TrainSettings
from nucwsi.errors import ConfigError
from nucwsi.labels.targets import hv_targets
from nucwsi.metrics import panoptic
from nucwsi.models.card import read_cards
from nucwsi.models.ensemble import Ensemble
from nucwsi.models.network import NetworkMaps
from nucwsi.models.unet import UNet
from nucwsi.nuclei.constants import PostProcessing
from nucwsi.nuclei.window import in_pixels
from nucwsi.phantom import CLASSES, Phantom
from nucwsi.training.augment import whole
from nucwsi.training.labelled_nuclei import found
from nucwsi.training.load_samples import load_samples
from nucwsi.training.loop import class_weights, sample_weights, taught, train
from nucwsi.training.losses import (
    gradient,
    hv_loss,
    np_loss,
    teacher_loss,
    total_loss,
    tp_loss,
)
from nucwsi.training.teachers import asked, teaching


def test_losses_are_least_at_the_truth_and_blind_where_nothing_is_known():
    batch = whole(sample(), 2)
    known = batch.outlined.float()
    good = torch.logit(batch.cover[:, None].clamp(1e-4, 1 - 1e-4))
    assert np_loss(good, batch.cover, known) < 0.02 < np_loss(-good, batch.cover, known)
    inside = batch.inside.float()
    assert hv_loss(batch.hv_map, batch.hv_map, inside, 1 - inside, TINY) == 0
    assert hv_loss(-batch.hv_map, batch.hv_map, inside, 1 - inside, TINY) > 1
    assert np_loss(good, 1 - batch.cover, 0 * known) < 1e-3
    logits = torch.zeros(1, 4, *batch.cover.shape[1:])
    even = (batch.share, torch.ones(4), 2.0)
    assert tp_loss(logits, 0 * batch.class_set, *even) == 0
    allowed = torch.stack([(batch.class_set >> c) & 1 for c in range(4)], 1).float()
    # Any class of the set will do.
    sure = tp_loss(20 * allowed, batch.class_set, *even)
    assert sure < 1e-3 < tp_loss(20 * (1 - allowed), batch.class_set, *even)


def test_a_student_that_says_the_same_loses_nothing_more():
    batch = whole(sample(), 2)
    teacher = NetworkMaps(batch.cover[:, None], batch.hv_map, torch.full((1, 4, 96, 96), 0.25))
    same = NetworkMaps(
        torch.logit(teacher.np_map.clamp(1e-4, 1 - 1e-4)),
        torch.atanh(teacher.hv_map.clamp(-0.999, 0.999)),
        torch.zeros(1, 4, 96, 96),
    )
    other = NetworkMaps(
        same.np_map + 1, -same.hv_map, same.tp_map + torch.arange(4.0).view(1, 4, 1, 1)
    )
    assert teacher_loss(same, teacher, TINY) < teacher_loss(other, teacher, TINY) - 1


def test_the_class_loss_weighs_what_the_settings_say():
    batch = whole(sample(), 2)
    shape = batch.cover.shape[1:]
    raw = NetworkMaps(
        torch.zeros(1, 1, *shape), torch.zeros(1, 2, *shape), torch.zeros(1, 4, *shape)
    )
    teacher = NetworkMaps(batch.cover[:, None], batch.hv_map, torch.full((1, 4, *shape), 0.25))
    alone = tp_loss(raw.tp_map, batch.class_set, batch.share, torch.ones(4), TINY.focal_gamma)

    def losses(tp_weight):
        how = TINY.model_copy(update={"tp_weight": tp_weight})
        return total_loss(raw, batch, torch.ones(4), how), teacher_loss(raw, teacher, how)

    (never, untaught), (labels, taught_too) = losses(0.0), losses(0.25)
    torch.testing.assert_close(labels - never, alone / 4)
    assert taught_too > untaught + 0.1


def test_the_gradient_is_taken_along_the_axis_of_its_map():
    ramp = torch.arange(16.0) / 8
    hv_map = torch.stack([ramp.expand(16, 16), ramp[:, None].expand(16, 16)])[None]
    inner = np.s_[..., 4:-4, 4:-4]
    np.testing.assert_allclose(gradient(hv_map)[inner], 1 / 8, atol=1e-6)
    np.testing.assert_allclose(gradient(hv_map, swapped=True)[inner], 0, atol=1e-6)


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
    points = [sample(0, outlined=False)]
    points = [replace(s, known=np.ones_like(s.known)) for s in points]
    assert taught(points, TINY)[0].known.all()
    assert not taught(points, TINY.model_copy(update={"point_cover": False}))[0].known.any()
    single = taught(samples, TINY.model_copy(update={"label_sets": False}))
    assert set(np.unique(single[0].class_set)) <= {0, 1, 2, 4, 8}
    assert 0b110 in samples[0].class_set


def run(folder, how=TINY, **more):
    samples = [sample(seed) for seed in range(3)]
    return train(samples, how, folder, torch.device("cpu"), lambda _: {"score": 0.0}, **more)


def weights_of(network):
    return torch.cat([value.float().ravel() for value in network.state_dict().values()])


def test_one_seed_gives_one_network_also_after_a_kill(tmp_path):
    whole_run = weights_of(run(tmp_path / "a"))
    assert torch.equal(whole_run, weights_of(run(tmp_path / "b")))

    class KilledError(Exception):
        pass

    done = itertools.count(1)

    def killer(_):
        if next(done) == 5:
            raise KilledError

    with pytest.raises(KilledError):
        run(tmp_path / "c", advance=killer)
    assert torch.equal(whole_run, weights_of(run(tmp_path / "c")))
    with (tmp_path / "c" / "curves.csv").open() as stream:
        assert [row["step"] for row in csv.DictReader(stream)] == ["2", "4", "6"]
    with pytest.raises(ConfigError, match="belongs to other settings"):
        run(tmp_path / "c", TINY.model_copy(update={"seed": 9}))
    other = run(tmp_path / "d", TINY.model_copy(update={"seed": 9}))
    assert not torch.equal(whole_run, weights_of(other))


def test_the_best_on_validation_is_kept(tmp_path):
    samples = [sample(seed) for seed in range(3)]
    scores = iter([1.0, 5.0, 2.0])
    seen = []

    def validate(network):
        seen.append(weights_of(network).clone())
        return {"score": next(scores)}

    best = train(samples, TINY, tmp_path, torch.device("cpu"), validate)
    assert torch.equal(weights_of(best), seen[1])


def test_a_loss_that_is_no_number_stops_and_names_the_images(tmp_path):
    wild = TINY.model_copy(update={"learning_rate": 1e30, "warmup_steps": 0})
    with pytest.raises(ConfigError, match=r"the loss at step \d is nan, on crops of set/"):
        run(tmp_path, wild)


def test_a_start_of_another_shape_is_refused(tmp_path):
    first = run(tmp_path / "a")
    assert run(tmp_path / "b", start=first) is not None
    with pytest.raises(ConfigError, match="`start` is a network of another shape"):
        run(tmp_path / "c", TINY.model_copy(update={"widths": (4, 8)}), start=first)


def test_a_crop_must_fit_the_network(tmp_path):
    deep = TINY.model_copy(update={"widths": (4,) * 7, "crop_px": 96})
    with pytest.raises(ConfigError, match="`crop_px` is 96; expected a multiple of 64"):
        run(tmp_path, deep)


def test_frozen_normalisations_keep_the_statistics_they_began_with(tmp_path):
    def statistics(network):
        state = network.state_dict()
        return torch.cat([state[name] for name in state if "running" in name])

    first = run(tmp_path / "a")
    frozen = TINY.model_copy(update={"frozen_norm": True})
    went_on = run(tmp_path / "b", frozen, start=first)
    assert torch.equal(statistics(went_on), statistics(first))
    assert not torch.equal(weights_of(went_on), weights_of(first))
    assert not torch.equal(statistics(run(tmp_path / "c", start=first)), statistics(first))
    with pytest.raises(ConfigError, match="`frozen_norm` needs a `start`"):
        run(tmp_path / "d", frozen)


def test_a_teacher_is_learnt_from(tmp_path):
    teacher = Ensemble((run(tmp_path / "a").folded(),), torch.device("cpu"), torch.float32, 2)
    steps = []

    def teach(image, step):
        steps.append(step)
        return asked(teacher, image, 1.0)

    taught_run = weights_of(run(tmp_path / "b", teach=teach))
    assert steps == list(range(TINY.steps))
    assert not torch.equal(taught_run, weights_of(run(tmp_path / "c")))
    assert torch.equal(taught_run, weights_of(run(tmp_path / "d", teach=teach)))


def test_a_teacher_sees_the_crop_before_its_colours_change(tmp_path):
    # Without views the draw of the crop is the same, whatever is drawn for its colours.
    vivid = TINY.model_copy(update={"colour": 3.0, "views": False, "mosaic": False})
    plain = vivid.model_copy(update={"colour": 0.0, "degrade": 0.0})

    def seen(how):
        images = []

        def teach(image, _):
            images.append(image)
            return NetworkMaps(image[:, :1], image[:, 1:], image.repeat(1, 2, 1, 1)[:, :4])

        run(tmp_path / str(len(list(tmp_path.iterdir()))), how, teach=teach)
        return images[0]

    assert torch.equal(seen(vivid)[:1], seen(plain)[:1])
    shown = seen(vivid.model_copy(update={"teacher_colour": True}))
    assert not torch.allclose(shown[:1], seen(plain)[:1], atol=0.05)


@pytest.mark.parametrize(("scale", "size"), [(1.0, (64, 96)), (1.25, (80, 120)), (0.5, (32, 48))])
def test_a_teacher_is_asked_at_its_own_resolution(scale, size):
    """Its answer comes back on the pixels of the crop, in its place."""

    class Echo:
        members = (UNet((4, 8, 8, 8), 1),)

        def mean_maps(self, rgb):
            assert rgb.shape == (1, 3, *size)
            seen = torch.from_numpy(rgb).float() / 255
            return NetworkMaps(seen[:, :1], seen[:, 1:], seen)

    row, column = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 96), indexing="ij")
    image = torch.stack([row, column, row * column])[None]
    answer = asked(Echo(), image, scale)
    assert torch.allclose(answer.tp_map, image, atol=0.02)
    assert torch.equal(answer.tp_map[:, :1], answer.np_map)


def test_teachers_are_asked_by_turns():
    """Whichever step a resumed run begins with, it has the same teacher."""
    cpu, cards = torch.device("cpu"), read_cards(("steady", "clear"))
    teach = teaching(cards, TrainSettings(mpp=0.4375), cpu)
    image = torch.rand((1, 3, 64, 64), generator=torch.Generator().manual_seed(1))
    alone = [asked(Ensemble.load((card,), cpu, 1), image, 1.25) for card in cards]
    for step in (3, 0, 2):
        assert torch.equal(teach(image, step).np_map, alone[step % 2].np_map)
    assert not torch.equal(alone[0].np_map, alone[1].np_map)
    assert teaching((), TrainSettings(), cpu) is None
    with pytest.raises(ConfigError, match="expected those of `classes`: nucleus"):
        teaching(cards, TrainSettings(classes=("nucleus",)), cpu)


#: Post-processing that drops next to nothing.
FIXED = in_pixels(PostProcessing(0.5, 0.08, 1.0, dict.fromkeys(CLASSES, 1.0)), CLASSES, 0.5)


def oracle_pq(instances):
    """Score what post-processing makes of maps without a fault."""
    known = np.ones(instances.shape, bool)
    one = replace(sample(), instances=instances, hv_map=hv_targets(instances), known=known)
    return panoptic(instances, found(perfect(one), FIXED, one).labels).pq


def test_what_lies_where_nothing_is_known_is_not_counted():
    one = sample()
    maps = perfect(one)
    every = found(maps, FIXED, one)
    known = one.known.copy()
    known[:48] = False
    some = found(maps, FIXED, replace(one, known=known))
    lower = [
        (np.nonzero(every.labels == k)[0] >= 48).mean() for k in range(1, every.labels.max() + 1)
    ]
    assert (
        0 < len(some.centroids) == np.count_nonzero(np.array(lower) >= 0.5) < len(every.centroids)
    )
    assert set(np.unique(some.labels)) == {*range(len(some.centroids) + 1)}
    assert len(some.class_code) == len(some.centroids) == len(some.class_probabilities)
    assert len(found(maps, FIXED, replace(one, known=known, outlined=False)).centroids) == len(
        lower
    )


def test_perfect_maps_score_nearly_one():
    """What post-processing alone costs, chains of touching nuclei included."""
    instances, _ = Phantom((600, 800), 0.5, seed=4).labels()
    assert oracle_pq(instances) > 0.98


def test_perfect_maps_of_real_images_score_nearly_one(shared):
    images = load_samples([shared / "nuclei"], "val", CLASSES, 0.5)
    for one in (image for image in images if image.outlined):
        at = [
            ((np.arange(int(side / one.scale)) + 0.5) * one.scale).astype(int)
            for side in one.instances.shape
        ]
        assert oracle_pq(one.instances[np.ix_(*at)]) > 0.98, one.name


def test_temperature_undoes_overconfidence():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (4000, 3))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = np.array([rng.choice(3, p=p) for p in shares])
    loud = np.exp(2 * logits) / np.exp(2 * logits).sum(1, keepdims=True)
    nucleus = np.arange(4000)
    assert fit_temperature(loud, nucleus, truth) == pytest.approx(2, rel=0.1)
    assert fit_temperature(loud[:0], nucleus[:0], truth[:0]) == 1
    calm = temperature_scaled(loud, nucleus, 4000, 2.0)
    np.testing.assert_allclose(calm, shares, atol=1e-9)
    assert reliability(calm, truth).error < 0.03 < reliability(loud, truth).error
    assert reliability(calm, truth).n_nuclei.sum() == 4000
