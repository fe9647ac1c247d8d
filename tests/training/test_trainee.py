"""A network in training: how its step begins, what is averaged, kept, saved and refused."""

import math

import numpy as np
import pytest
import torch
from samples_made import TINY

from nucwsi.errors import ConfigError
from nucwsi.training.trainee import Trainee, first_network, learning_rate

CPU = torch.device("cpu")


def weights_of(network):
    return torch.cat([value.float().ravel() for value in network.state_dict().values()])


def stepped(how=TINY, steps=3, start=None):
    """A trainee after some steps towards an answer of zero."""
    trainee = Trainee(how, CPU, start)
    for seed in range(steps):
        image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
        trainee.learn(torch.cat(trainee.network(image), dim=1).square().mean())
    return trainee


def test_the_rate_rises_and_falls_along_a_cosine():
    how = TINY.model_copy(update={"steps": 110, "warmup_steps": 10, "learning_rate": 0.4})
    rates = [learning_rate(step, how) for step in range(111)]
    assert rates[0] == pytest.approx(0.04)
    assert rates[9] == rates[10] == pytest.approx(0.4)
    assert rates[60] == pytest.approx(0.2)
    assert rates[110] == pytest.approx(0, abs=1e-12)
    assert (np.diff(rates[10:]) < 0).all()


def test_the_seed_decides_the_first_weights():
    one, other = first_network(TINY, None), first_network(TINY, None)
    assert torch.equal(weights_of(one), weights_of(other))
    third = first_network(TINY.model_copy(update={"seed": 9}), None)
    assert not torch.equal(weights_of(one), weights_of(third))


def test_without_memory_the_average_is_the_network():
    trainee = stepped(TINY.model_copy(update={"ema_decay": 0.0}))
    assert torch.equal(weights_of(trainee.averaged), weights_of(trainee.network))
    lagging = stepped()
    assert not torch.equal(weights_of(lagging.averaged), weights_of(lagging.network))


def test_the_best_state_is_kept_and_the_later_of_equals():
    trainee = stepped()
    kept = []
    for score in (1.0, 0.5, 1.0):
        before = trainee.best_weights
        trainee.keep_best(score)
        kept.append(trainee.best_weights is not before)
    assert kept == [True, False, True]
    assert trainee.best == 1.0


def test_a_saved_state_goes_on_as_if_nothing_had_happened(tmp_path):
    trainee = stepped(steps=2)
    trainee.keep_best(0.5)
    trainee.save(tmp_path / "state.pt")
    resumed = Trainee(TINY, CPU, None)
    assert resumed.best == -math.inf
    resumed.resume(tmp_path / "state.pt")
    assert (resumed.step, resumed.best) == (2, 0.5)
    image = torch.rand(2, 3, 64, 64)
    for one in (trainee, resumed):
        one.learn(torch.cat(one.network(image), dim=1).square().mean())
    assert torch.equal(weights_of(trainee.network), weights_of(resumed.network))
    assert torch.equal(weights_of(trainee.averaged), weights_of(resumed.averaged))
    other = Trainee(TINY.model_copy(update={"seed": 9}), CPU, None)
    with pytest.raises(ConfigError, match="belongs to other settings"):
        other.resume(tmp_path / "state.pt")


def test_a_damaged_state_is_refused_without_advice_to_run_what_is_in_it(tmp_path):
    path = tmp_path / "state.pt"
    torch.save({"settings": tmp_path}, path)
    with pytest.raises(ConfigError, match=r"state\.pt: cannot be read \(Unpickling") as caught:
        Trainee(TINY, CPU, None).resume(path)
    assert "weights_only" not in str(caught.value)


def test_a_start_of_another_shape_is_refused():
    start = first_network(TINY, None)
    assert torch.equal(weights_of(first_network(TINY, start)), weights_of(start))
    narrower = TINY.model_copy(update={"widths": (2, 2)})
    with pytest.raises(ConfigError, match=r"`start` cannot begin a unet of `widths` \(2, 2\)"):
        first_network(narrower, start)


def test_a_crop_must_fit_the_network():
    deep = TINY.model_copy(update={"widths": (4,) * 7, "crop_px": 96})
    with pytest.raises(ConfigError, match="`crop_px` is 96; expected a multiple of 64"):
        first_network(deep, None)


def test_frozen_normalisations_keep_the_statistics_they_began_with():
    def statistics(trainee):
        state = trainee.network.state_dict()
        return torch.cat([state[name] for name in state if "running" in name])

    frozen = TINY.model_copy(update={"frozen_norm": True})
    start = stepped()
    went_on = stepped(frozen, start=start.network)
    assert torch.equal(statistics(went_on), statistics(start))
    assert not torch.equal(weights_of(went_on.network), weights_of(start.network))
    assert not torch.equal(statistics(stepped(start=start.network)), statistics(start))
    with pytest.raises(ConfigError, match="`frozen_norm` is True but `start` is ''"):
        first_network(frozen, None)


def test_the_heads_learn_alone_at_first_and_what_they_learnt_is_where_the_rest_begins(tmp_path):
    start = first_network(TINY.model_copy(update={"seed": 5}), None)
    how = TINY.model_copy(update={"head_steps": 2, "fresh_classes": True})
    trainee = stepped(how, steps=2, start=start)
    for name, value in trainee.network.named_parameters():
        assert torch.equal(value, start.state_dict()[name]) != name.startswith("heads.")
    begun = {name: value.clone() for name, value in trainee.averaged.state_dict().items()}
    trainee.save(tmp_path / "state.pt")
    resumed = Trainee(how, CPU, start)
    resumed.resume(tmp_path / "state.pt")
    image = torch.rand(2, 3, 64, 64)
    for one in (trainee, resumed):
        one.learn(torch.cat(one.network(image), dim=1).square().mean())
        assert all(torch.equal(one.begun[name], value) for name, value in begun.items())
        assert not any(
            torch.equal(value, start.state_dict()[name])
            for name, value in one.network.named_parameters()
            if name.endswith("weight")
        )
    assert torch.equal(weights_of(trainee.network), weights_of(resumed.network))


def test_the_rate_of_learning_is_that_of_the_heads_and_then_as_if_training_began():
    plain, with_heads = (
        TINY.model_copy(update={"steps": n + 40, "warmup_steps": 10, "head_steps": n})
        for n in (0, 7)
    )
    assert learning_rate(6, with_heads) == 10 * with_heads.learning_rate
    for step in range(41):
        assert learning_rate(step + 7, with_heads) == learning_rate(step, plain)


def test_a_fresh_class_head_is_random_and_all_else_is_that_of_the_start():
    start = first_network(TINY.model_copy(update={"seed": 5}), None)
    how = TINY.model_copy(update={"seed": 6, "fresh_classes": True})
    untouched = first_network(TINY.model_copy(update={"seed": 6}), None)
    begun = first_network(how, start)
    for name, value in start.state_dict().items():
        own, random = begun.state_dict()[name], untouched.state_dict()[name]
        if name.startswith("heads."):
            assert torch.equal(own[:3], value[:3])
            assert torch.equal(own[3:], random[3:])
            assert not torch.equal(own[3:], value[3:])
        else:
            assert torch.equal(own, value)
    with pytest.raises(ConfigError, match="`fresh_classes` is True but `start` is ''"):
        first_network(how, None)
