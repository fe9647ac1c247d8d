"""Forecasts grow with the slide, add up, and are corrected by what was measured."""

import math

import pytest

from nucwsi.io.benchmarks import read_costs
from nucwsi.runtime.forecast import (
    Extent,
    Machine,
    forecast,
    memory_cap_mb,
    refined,
    time_cap_min,
    total,
)

HERE = Machine("here", {"predict": 2, "tile": 2, "segment": 2, "assess": 2, "render": 2}, 1)

#: What check saw of slides, and what a run on two idle cores took: seconds, MB of disk.
MEASURED = {
    "lung-scc": (Extent(3.86, 227.3, 162.5), 35.9, 68.5),
    "CMU-1-Small-Region": (Extent(0.637, 52.1, 13.4), 10.3, 11.9),
    "phantom": (Extent(0.462, 35.5, 6.1), 8.4, 10.9),
}


@pytest.mark.parametrize("slide", MEASURED)
def test_time_and_disk_of_our_slides_are_forecast_within_a_factor_of_1_5(slide):
    extent, seconds, kept_mb = MEASURED[slide]
    said = forecast(extent, read_costs(), HERE)
    assert 1 / 1.5 < said.wall_s / seconds < 1.5
    assert 1 / 1.5 < said.kept_mb / kept_mb < 1.5


def test_a_larger_slide_never_costs_less():
    sizes = [Extent(x, 60 * x, 50 * x) for x in (0.0, 0.01, 0.5, 4, 400)]
    said = [forecast(one, read_costs(), HERE) for one in sizes]
    for verb in said[0].seconds:
        assert [one.seconds[verb] for one in said] == sorted(one.seconds[verb] for one in said)
        assert [one.memory_mb[verb] for one in said] == sorted(one.memory_mb[verb] for one in said)
    assert all(math.isfinite(one.peak_mb) and one.peak_mb > 0 for one in said)


def test_results_of_all_slides_stay_but_only_the_stores_of_those_at_work():
    said = [forecast(Extent(x, 60 * x, 50 * x), read_costs(), HERE) for x in (1, 3, 2)]
    seconds, peak, kept, temporary = total(said, HERE)
    assert seconds == pytest.approx(sum(one.wall_s for one in said))
    assert kept == pytest.approx(sum(one.kept_mb for one in said))
    assert (peak, temporary) == (said[1].peak_mb, said[1].temporary_mb)
    at_once = HERE._replace(slides_at_once=100.0)
    seconds, _, _, temporary = total(said, at_once)
    assert seconds == said[1].wall_s
    assert temporary == pytest.approx(sum(one.temporary_mb for one in said))
    assert total([], HERE) == (0, 0, 0, 0)


def test_one_job_corrects_half_and_many_nearly_all():
    assert refined([]) == refined([(0.0, 5.0)]) == 1.0
    assert refined([(40.0, 10.0)]) == pytest.approx(2.0)
    assert refined([(40.0, 10.0)] * 99 + [(1e6, 1.0)]) == pytest.approx(4.0, rel=0.03)


def test_a_cap_leaves_room_for_an_error_of_1_5():
    assert memory_cap_mb(1000) == 1800
    assert time_cap_min(0) == 30
    assert time_cap_min(3600) == 360
