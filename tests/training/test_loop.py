"""The loop: runs that repeat, also after a kill; the best state on validation is kept."""

import csv
import itertools

import pytest
import torch
from samples_made import TINY, sample

from nucwsi.errors import ConfigError
from nucwsi.models.ensemble import Ensemble
from nucwsi.models.network import NetworkMaps
from nucwsi.training.loop import learning_seconds, train
from nucwsi.training.teachers import Answer, ask

#: Teacher and student know the same four classes.
ALIKE = torch.eye(4, dtype=torch.bool)


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


def test_the_seconds_of_all_steps_are_added_up(tmp_path):
    path = tmp_path / "curves.csv"
    path.write_text("step,loss,seconds_per_step\n100,1,0.5\n250,1,0.25\n260,1,2\n")
    assert learning_seconds(path) == pytest.approx(50 + 37.5 + 20)


def test_the_best_on_validation_is_kept(tmp_path):
    samples = [sample(seed) for seed in range(3)]
    scores = iter([1.0, 5.0, 2.0])
    seen = []

    def validate(network):
        seen.append(weights_of(network).clone())
        return {"score": next(scores)}

    best = train(samples, TINY, tmp_path, torch.device("cpu"), validate)
    assert torch.equal(weights_of(best), seen[1])


def test_the_published_weights_are_mixed_with_those_of_the_start(tmp_path):
    start = run(tmp_path / "start")
    other = TINY.model_copy(update={"seed": 9})
    learnt = run(tmp_path / "learnt", other, start=start)
    mixed, whole = (
        run(tmp_path / f"{share}", other.model_copy(update={"start_share": share}), start=start)
        for share in (0.25, 1.0)
    )
    for name, value in start.state_dict().items():
        if value.is_floating_point():
            expected = 0.25 * value + 0.75 * learnt.state_dict()[name]
            torch.testing.assert_close(mixed.state_dict()[name], expected)
            assert torch.equal(whole.state_dict()[name], value)
    with pytest.raises(ConfigError, match=r"`start_share` is 0\.5 but `start` is ''"):
        run(tmp_path / "none", TINY.model_copy(update={"start_share": 0.5}))
    fresh = TINY.model_copy(update={"start_share": 0.5, "fresh_classes": True})
    with pytest.raises(ConfigError, match="`fresh_classes` begins with a random class head"):
        run(tmp_path / "fresh", fresh, start=start)
    alone = fresh.model_copy(update={"start_share": 1, "head_steps": 1, "frozen_norm": True})
    for name, value in run(tmp_path / "alone", alone, start=start).state_dict().items():
        if value.is_floating_point():
            assert torch.equal(value, start.state_dict()[name]) != name.startswith("heads.")


def test_a_loss_that_is_no_number_stops_and_names_the_images(tmp_path):
    wild = TINY.model_copy(update={"learning_rate": 1e30, "warmup_steps": 0})
    with pytest.raises(ConfigError, match=r"the loss at step \d is nan, on crops of set/"):
        run(tmp_path, wild)


def test_a_teacher_is_learnt_from(tmp_path):
    teacher = Ensemble((run(tmp_path / "a").folded(),), torch.device("cpu"), torch.float32, 2)
    steps = []

    def teach(image, step):
        steps.append(step)
        return Answer(ask(teacher, image, 1.0), ALIKE)

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
            maps = NetworkMaps(image[:, :1], image[:, 1:], image.repeat(1, 2, 1, 1)[:, :4])
            return Answer(maps, ALIKE)

        run(tmp_path / str(len(list(tmp_path.iterdir()))), how, teach=teach)
        return images[0]

    assert torch.equal(seen(vivid)[:1], seen(plain)[:1])
    shown = seen(vivid.model_copy(update={"teacher_colour": True}))
    assert not torch.allclose(shown[:1], seen(plain)[:1], atol=0.05)
