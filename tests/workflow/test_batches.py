"""Batches: every slide is in one, marks follow the results, and what affects results is known."""

from dataclasses import replace
from pathlib import Path

import pytest

from nucwsi.config import Config
from nucwsi.errors import ConfigError
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.workflow.batches import WITHIN, Batches, batch_fingerprint, within_batch

NAMES = list("abcdefg")
ENTRY = SlideEntry("a", Path("a.svs"))


@pytest.mark.parametrize("size", [2, 3, 7, 100])
def test_every_slide_is_in_one_batch_in_the_order_of_the_sheet(size):
    batches = Batches(Config(batch=size), NAMES)
    assert [name for key in batches for name in batches[key]] == NAMES
    assert max(map(len, batches.values())) == min(size, len(NAMES))
    for key, names in batches.items():
        assert {batches.stamp_of(name) for name in names} == {batches.stamp(key)}


def test_there_are_no_batches_of_one_nor_within_a_batch(monkeypatch):
    assert not Batches(Config(), NAMES)
    assert not Batches(Config(batch=3), [])
    slides = {name: replace(ENTRY, name=name) for name in NAMES}
    assert list(within_batch(slides)) == NAMES
    monkeypatch.setenv(WITHIN, "c a")
    assert not Batches(Config(batch=3), NAMES)
    assert list(within_batch(slides)) == ["a", "c"]
    monkeypatch.setenv(WITHIN, "c x")
    with pytest.raises(ConfigError, match="no longer names 'x'"):
        within_batch(slides)


def test_a_slide_that_lacks_a_result_loses_its_mark_and_its_batch_its_stamp(tmp_path):
    batches = Batches(Config(batch=2, output=str(tmp_path)), ["a", "b", "c"])
    results = {name: [str(tmp_path / name / "x.csv")] for name in ("a", "b", "c")}
    for name in results:
        (tmp_path / name).mkdir()
        Path(results[name][0]).touch()
        Path(batches.mark(name)).touch()
    (tmp_path / ".batches").mkdir()
    for key in batches:
        Path(batches.stamp(key)).touch()
    Path(results["b"][0]).unlink()
    batches.forget_incomplete(results)
    assert [Path(batches.mark(name)).exists() for name in results] == [True, False, True]
    assert [Path(batches.stamp(key)).exists() for key in batches] == [False, True]


@pytest.mark.parametrize(
    "change",
    [
        {"members": ("other",)},
        {"tile": {"core_px": 256}},
        {"predict": {"views": 8}},
        {"compose": {"grid_um": 0}},
        {"render": {"quality": 50}},
        {"features": True},
        {"classifier": "c.json"},
        {"parts": 2},
        {"viewer": False},
    ],
)
def test_what_affects_results_changes_the_fingerprint(change):
    assert batch_fingerprint(Config(**change), ENTRY) != batch_fingerprint(Config(), ENTRY)


def test_what_the_sheet_and_the_files_say_changes_it_and_the_speed_does_not():
    usual = batch_fingerprint(Config(), ENTRY, "key")
    fast = Config(batch=9, stage=True, predict={"batch_size": 3}, stitch={"row_group": 2048})
    assert batch_fingerprint(fast, ENTRY, "key") == usual
    others = [replace(ENTRY, mpp=0.5), replace(ENTRY, further={"group": "x"})]
    changed = {batch_fingerprint(Config(), entry, "key") for entry in others}
    assert len({usual, batch_fingerprint(Config(), ENTRY, "other"), *changed}) == 4
