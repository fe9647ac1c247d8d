"""Jobs ask for memory and time by the forecast of their slide, and more with each attempt."""

from types import SimpleNamespace

import pytest

from nucwsi.config import Config
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.runtime.forecast import Extent, Machine, forecast
from nucwsi.workflow.batches import BESIDE_MB, OWN_MB
from nucwsi.workflow.caps import Caps
from nucwsi.workflow.forecasts import costs_of, keep_forecasts

JOB = SimpleNamespace(slide="a")
HERE = Machine("here", {}, 1)


@pytest.fixture
def caps(tmp_path):
    """Return caps of one slide, whose file is missing, with its extent if it was looked at."""

    def made(extent=None):
        config = Config(output=str(tmp_path))
        if extent:
            keep_forecasts(tmp_path, {"a": forecast(extent, costs_of(True, HERE), HERE)})
        return Caps(config, {"a": SlideEntry("a", tmp_path / "a.svs")})

    return made


def test_a_slide_that_was_never_looked_at_has_the_usual_limits(caps):
    assert caps().memory("tile")(JOB, 1) == 2000
    assert caps().runtime("predict")(JOB, 3) == 720


def test_a_small_slide_asks_for_little_and_a_large_one_for_much(caps):
    small = caps(Extent(0.5, 40, 10))
    assert small.memory("tile")(JOB, 1) < 1000
    assert small.memory("predict")(JOB, 1) == 4000, "a driver of a GPU may need it"
    assert small.runtime("predict")(JOB, 2) == 60
    large = caps(Extent(2000.0, 120000, 100000))
    assert large.memory("compose")(JOB, 1) > small.memory("compose")(JOB, 1)
    assert large.memory("compose")(JOB, 2) == 2 * large.memory("compose")(JOB, 1)
    assert large.runtime("predict")(JOB, 1) > 1000


def test_verbs_that_were_not_measured_have_the_usual_limits(caps):
    assert caps(Extent(0.5, 40, 10)).memory("features")(JOB, 1) == 2000


def test_a_batch_asks_for_its_largest_step_and_for_the_time_and_disk_of_all(tmp_path):
    names, extents = ["small", "large", "unseen"], [Extent(0.5, 40, 10), Extent(2000, 120000, 9000)]
    known = {
        n: forecast(e, costs_of(True, HERE), HERE) for n, e in zip(names, extents, strict=False)
    }
    keep_forecasts(tmp_path, known)
    entries = {name: SlideEntry(name, tmp_path / "none.svs") for name in names}
    caps = Caps(Config(output=str(tmp_path)), entries)
    batches = {"1": names[:1], "2": names[:2], "3": names}
    memory, minutes, disk = (
        [ask(batches)(SimpleNamespace(batch=key), *rest) for key in batches]
        for ask, rest in (
            (caps.batch_memory, [1]),
            (caps.batch_runtime, [1]),
            (caps.batch_disk, []),
        )
    )
    verbs = known["large"].memory_mb.keys() - {"provenance"}
    largest = max(caps.memory(verb)(SimpleNamespace(slide="large"), 1) for verb in verbs)
    assert memory[0] <= memory[1] == memory[2] == largest + BESIDE_MB + OWN_MB
    assert minutes[0] == 30
    assert minutes[1] == pytest.approx(sum(one.wall_s for one in known.values()) / 10, abs=1)
    assert minutes[2] == minutes[1] + 240, "one that was not looked at, and whose file is not here"
    assert disk[1] == disk[2] > disk[0] == 1000
    second = caps.batch_memory(batches)(SimpleNamespace(batch="2"), 2)
    assert second == 2 * (memory[1] - OWN_MB) + OWN_MB


def test_a_large_file_raises_the_usual_limits(tmp_path):
    path = tmp_path / "a.svs"
    with path.open("wb") as stream:
        stream.truncate(20_000_000_000)  # a file with holes takes no disk
    caps = Caps(Config(output=str(tmp_path / "r")), {"a": SlideEntry("a", path)})
    assert caps.memory("compose")(JOB, 1) == 3000, "never less than usual"
    assert caps.runtime("predict")(JOB, 1) > 240
