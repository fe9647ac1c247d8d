"""A run that cannot fit on the disk is refused before its first job, and no other is."""

import pytest

from nucwsi.config import Config
from nucwsi.errors import StoreError
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.runtime.forecast import Extent, Machine, forecast
from nucwsi.workflow import disk
from nucwsi.workflow.disk import check_disk, refuse_full_disk, shown_mb
from nucwsi.workflow.forecasts import costs_of, keep_forecasts


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that checks a run of one slide of 10 MB for a number of free MB."""
    path = tmp_path / "a.svs"
    path.write_bytes(bytes(10_000_000))
    config = Config(output=str(tmp_path / "not" / "yet"))
    looked = []
    monkeypatch.setattr(disk, "_look", lambda *_: looked.append(True))

    def check(free, to_do=("a",)):
        monkeypatch.setattr(disk, "free_mb", lambda _: free)
        check_disk(config, {"a": SlideEntry("a", path)}, to_do)
        return bool(looked)

    check.results = tmp_path / "not" / "yet"
    return check


def test_where_there_is_room_no_slide_is_looked_at(run):
    assert not run(10_000)


def test_what_cannot_fit_is_refused_with_the_way_out(run):
    with pytest.raises(StoreError, match=r"needs \d+ MB of disk .* and 5 MB are free; make room"):
        run(5)


def test_what_may_not_fit_is_looked_at_first(run):
    assert run(100)


def test_what_was_forecast_decides(run):
    here = Machine("here", {}, 1)
    keep_forecasts(run.results, {"a": forecast(Extent(3.0, 180, 150), costs_of(True, here), here)})
    assert not run(150)
    with pytest.raises(StoreError):
        run(100)


def test_a_run_that_has_its_results_needs_no_room(run):
    assert not run(0, to_do=())


def test_the_free_room_of_a_folder_that_is_not_yet_there_is_known(tmp_path):
    assert disk.free_mb(tmp_path / "a" / "b") > 0
    refuse_full_disk(tmp_path / "a", 0, 0)


def test_sizes_are_shown_in_the_unit_that_people_use():
    assert [shown_mb(size) for size in (0.4, 999, 1000, 123456)] == [
        "0 MB",
        "999 MB",
        "1 GB",
        "123 GB",
    ]
