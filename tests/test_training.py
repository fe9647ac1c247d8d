"""Training: losses that are least at the truth, runs that repeat, members and their scores."""

import csv
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from layouts import write_csv
from PIL import Image
from samples_made import TINY, perfect, sample

from bench import trained
from nucwsi.calibration import best_temperature, reliability, tempered
from nucwsi.cli import main
from nucwsi.config import TrainSettings
from nucwsi.errors import ConfigError
from nucwsi.grid import Window
from nucwsi.metrics import panoptic
from nucwsi.models.checkpoint import load_network, read_card, read_cards
from nucwsi.models.predict import Ensemble
from nucwsi.models.training.augment import whole
from nucwsi.models.training.loop import class_weights, sample_weights, taught, train
from nucwsi.models.training.losses import (
    gradient,
    hv_loss,
    np_loss,
    teacher_loss,
    total_loss,
    tp_loss,
)
from nucwsi.models.training.teachers import asked, teaching
from nucwsi.models.unet import Maps, UNet
from nucwsi.nuclei import in_pixels
from nucwsi.phantom import CLASSES, Phantom
from nucwsi.postprocessing import PostProcessing
from nucwsi.steps.pictures import found
from nucwsi.steps.samples import load_samples
from nucwsi.targets import hv_targets


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
    teacher = Maps(batch.cover[:, None], batch.hv_map, torch.full((1, 4, 96, 96), 0.25))
    same = Maps(
        torch.logit(teacher.np_map.clamp(1e-4, 1 - 1e-4)),
        torch.atanh(teacher.hv_map.clamp(-0.999, 0.999)),
        torch.zeros(1, 4, 96, 96),
    )
    other = Maps(same.np_map + 1, -same.hv_map, same.tp_map + torch.arange(4.0).view(1, 4, 1, 1))
    assert teacher_loss(same, teacher, TINY) < teacher_loss(other, teacher, TINY) - 1


def test_the_class_loss_weighs_what_the_settings_say():
    batch = whole(sample(), 2)
    shape = batch.cover.shape[1:]
    raw = Maps(torch.zeros(1, 1, *shape), torch.zeros(1, 2, *shape), torch.zeros(1, 4, *shape))
    teacher = Maps(batch.cover[:, None], batch.hv_map, torch.full((1, 4, *shape), 0.25))
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


@pytest.mark.parametrize(("scale", "size"), [(1.0, (64, 96)), (1.25, (80, 120)), (0.5, (32, 48))])
def test_a_teacher_is_asked_at_its_own_resolution(scale, size):
    """Its answer comes back on the pixels of the crop, in its place."""

    class Echo:
        members = (UNet((4, 8, 8, 8), 1),)

        def mean_maps(self, rgb):
            assert rgb.shape == (1, 3, *size)
            seen = torch.from_numpy(rgb).float() / 255
            return Maps(seen[:, :1], seen[:, 1:], seen)

    row, column = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 96), indexing="ij")
    image = torch.stack([row, column, row * column])[None]
    answer = asked(Echo(), image, scale)
    assert torch.allclose(answer.tp_map, image, atol=0.02)
    assert torch.equal(answer.tp_map[:, :1], answer.np_map)


def test_teachers_are_asked_by_turns():
    """Whichever step a resumed run begins with, it has the same teacher."""
    cpu, cards = torch.device("cpu"), read_cards(("bold", "vivid"))
    teach = teaching(cards, TrainSettings(mpp=0.5), cpu)
    image = torch.rand((1, 3, 64, 64), generator=torch.Generator().manual_seed(1))
    alone = [asked(Ensemble.load((card,), cpu, 1), image, 1.25) for card in cards]
    for step in (3, 0, 2):
        assert torch.equal(teach(image, step).np_map, alone[step % 2].np_map)
    assert not torch.equal(alone[0].np_map, alone[1].np_map)
    assert teaching((), TrainSettings(), cpu) is None
    with pytest.raises(ConfigError, match="expected those of `classes`: nucleus"):
        teaching(cards, TrainSettings(classes=("nucleus",)), cpu)


@pytest.fixture
def labelled(tmp_path):
    """A folder of phantom pictures in our own form."""
    folder = tmp_path / "data"
    (folder / "phantom").mkdir(parents=True)
    rows = [("dataset", "name", "split", "mpp", "patient")]
    phantom = Phantom((400, 900), 0.5, seed=2)
    for number, split in enumerate(("train", "train", "val", "test")):
        window = Window(100, 150 + 110 * number, 128, 100)
        instances, nuclei = phantom.labels(window)
        ids = np.unique(instances[instances > 0])
        codes = [CLASSES.index(nuclei[index - 1].class_name) + 1 for index in ids]
        stem = folder / "phantom" / f"p{number}"
        Image.fromarray(phantom.paint(window)).save(stem.with_suffix(".png"))
        np.savez(stem.with_suffix(".npz"), instances=instances, ids=ids, classes=codes)
        rows.append(("phantom", stem.name, split, 0.5, f"patient {number}"))
    write_csv(folder / "manifest.csv", *rows)
    names = [("phantom", code, name) for code, name in enumerate(CLASSES, start=1)]
    write_csv(folder / "labels.csv", ("dataset", "code", "name"), *names)
    return folder


def invoke(*words):
    return CliRunner().invoke(main, list(map(str, words)), catch_exceptions=False)


def test_from_images_to_a_member_and_its_scores(labelled, tmp_path):
    member = tmp_path / "tiny.safetensors"
    tiny = ["--widths", "4,6", "--steps", 4, "--crop-px", 64, "--validate-every", 2]
    ran = invoke("train", labelled, "-o", member, *tiny, "--batch-size", 2)
    assert ran.exit_code == 0, ran.output
    card = read_card(str(member))
    assert (card.name, card.widths, card.classes) == ("tiny", (4, 6), CLASSES)
    assert card.about["settings"]["steps"] == 4
    assert "PQ phantom" in card.about["validation"]
    load_network(card)
    assert "# tiny" in member.with_suffix(".md").read_text()
    assert member.with_suffix(".curves.csv").read_text().count("\n") == 3
    assert not list(tmp_path.glob(".*")), "the work folder is gone"

    scores = tmp_path / "scores"
    ran = invoke(
        "evaluate", labelled, "-o", scores, "--member", member, "--split", "test", "--views", 2
    )
    assert ran.exit_code == 0, ran.output
    with (scores / "summary.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert row["dataset"] == "phantom"
    assert 0 <= float(row["dice"]) <= 1
    known = [name for name in CLASSES if f"f1_{name}" in row]
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

    again = invoke("evaluate", labelled, "-o", scores, "--member", member, "--split", "test")
    assert again.exit_code != 0
    assert f"{scores}: exists already" in again.output


def test_a_run_of_the_ablation_has_scores(labelled, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    found = trained.scores(labelled, TINY)
    assert set(found) == {"pq_phantom", "class_accuracy", "pq", "aji", "dice"}
    assert all(0 <= value <= 1 for value in found.values())


def test_the_workflow_trains_every_member(labelled, snakemake):
    sheet = snakemake.folder / "config" / "ensemble.yaml"
    tiny = "crop_px: 64, batch_size: 2, steps: 2"

    def write(seed):
        members = f"members:\n  a: {{widths: [4, 6], {tiny}}}\n  b: {{seed: {seed}, {tiny}}}\n"
        sheet.write_text(f"data: [{labelled}]\n{members}")

    write(1)
    snakemake("ensemble")
    cards = [read_card(str(snakemake.folder / "ensemble" / f"{name}.safetensors")) for name in "ab"]
    assert [card.name for card in cards] == ["a", "b"]
    assert cards[0].widths == (4, 6) != cards[1].widths
    assert "Nothing to be done" in snakemake("ensemble", "-n").text
    write(2)
    planned = snakemake("ensemble", "-n").text
    assert "member=b" in planned
    assert "member=a" not in planned
    sheet.write_text("members: {a: {step: 5}}")
    ran = snakemake("ensemble", "-n", check=False)
    assert "config/ensemble.yaml: unknown setting `members.a.step`" in ran.text


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
    assert best_temperature(loud, nucleus, truth) == pytest.approx(2, rel=0.1)
    assert best_temperature(loud[:0], nucleus[:0], truth[:0]) == 1
    calm = tempered(loud, nucleus, 4000, 2.0)
    np.testing.assert_allclose(calm, shares, atol=1e-9)
    assert reliability(calm, truth).error < 0.03 < reliability(loud, truth).error
    assert reliability(calm, truth).nuclei.sum() == 4000
