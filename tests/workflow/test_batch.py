"""How the job of a batch ends: its last line decides whether another attempt can help."""

import time

import pytest

from nucwsi.errors import ConfigError, NucwsiError
from nucwsi.workflow import batch as module
from nucwsi.workflow.batch import Batch, run_batch
from nucwsi.workflow.retries import is_hopeless


@pytest.fixture
def ended(tmp_path, monkeypatch):
    """Return what a batch of two slides says whose steps have left these logs."""

    def run(logs):
        paths = []
        for name, text in logs.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            paths.append(path)
        monkeypatch.setattr(module, "_snakemake", lambda *_: (int(bool(logs)), paths))
        monkeypatch.setenv(module.WITHIN, "")
        run_batch(Batch(("a", "b"), "{}", 1, 4000, 0, ()), print)

    return run


def hopeless(tmp_path, error):
    log = tmp_path / "batch.log"
    log.write_text(f"nucwsi batch: {error}\n")
    return is_hopeless([str(log)], time.time() - 60)


def test_a_batch_that_made_everything_says_nothing(ended):
    ended({})


def test_slides_that_are_damaged_are_not_tried_again(ended, tmp_path):
    with pytest.raises(NucwsiError, match=r"1 of 2 slides failed: nucwsi tile: a\.svs: ") as told:
        ended({"a/tile.log": "nucwsi tile: a.svs: is damaged\n"})
    assert hopeless(tmp_path, told.value)


def test_one_step_that_may_succeed_later_has_the_batch_tried_again(ended, tmp_path):
    logs = {f"a/{n}.log": f"nucwsi tile: {n}.svs: is damaged\n" for n in range(5)}
    with pytest.raises(NucwsiError, match="2 of 2 slides failed") as told:
        ended({**logs, "b/segment.log": "nucwsi segment: not enough memory; allow more\n"})
    assert "; and 3 more" in str(told.value)
    assert not hopeless(tmp_path, told.value)


def test_a_step_that_was_killed_has_the_batch_tried_again(ended):
    with pytest.raises(SystemExit) as end:
        ended({"a/tile.log": "nucwsi tile: a.svs: is damaged\n", "b/tile.log": "12:00 reading\n"})
    assert end.value.code == 1


@pytest.mark.parametrize("text", ["{", "[1]", ""])
def test_a_configuration_that_is_none(text):
    with pytest.raises(ConfigError, match="--configuration: is "):
        run_batch(Batch(("a",), text, 1, 4000, 0, ()), print)
