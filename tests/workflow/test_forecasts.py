"""Forecasts are told for a machine or a profile, learn from benchmarks, and are kept."""

import pytest

from nucwsi.config import Config
from nucwsi.errors import ConfigError
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.runtime.forecast import Extent, Machine, forecast
from nucwsi.workflow.forecasts import (
    by_size,
    costs_of,
    keep_forecasts,
    kept_forecasts,
    learnt,
    machine_of,
)

EXTENT = Extent(2.0, 120.0, 80.0)
HERE = Machine("here", {"predict": 2}, 1)
HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def write_benchmark(folder, name, seconds, peak):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"{HEADER}{seconds}\t0:00:01\t{peak}\t1\t1\t1\t1\t1\t1\t1\n")


def test_what_jobs_took_corrects_the_next_forecast(tmp_path):
    costs = costs_of(viewer=True, machine=HERE)
    before = forecast(EXTENT, costs, HERE)
    for name in "abcdefghi":
        folder = tmp_path / "benchmarks" / name
        write_benchmark(folder, "predict.1-of-2.tsv", 2 * before.seconds["predict"], 100)
        write_benchmark(folder, "predict.2-of-2.tsv", 2 * before.seconds["predict"], 9000)
    after_all = learnt(HERE, costs, dict.fromkeys("abcdefghi", EXTENT), tmp_path)
    after = forecast(EXTENT, costs, after_all)
    # Both parts of nine slides: four times the time, drawn a tenth towards what was said before.
    assert after.seconds["predict"] == pytest.approx(4**0.9 * before.seconds["predict"])
    assert after.memory_mb["predict"] > 5000
    assert after.seconds["tile"] == before.seconds["tile"]


def test_predict_with_other_networks_or_views_teaches_nothing(tmp_path):
    costs = costs_of(viewer=True, machine=HERE)
    write_benchmark(tmp_path / "benchmarks" / "a", "predict.1-of-1.tsv", 1e4, 100)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "provenance.json").write_text(
        '{"models": [{}, {}], "parameters": {"predict": {"views": 4}}}'
    )
    speeds = [learnt(HERE, costs, {"a": EXTENT}, tmp_path, n).speed["predict"] for n in (1, 8)]
    assert speeds[0] == 1 < speeds[1]


def test_what_cannot_be_read_teaches_nothing(tmp_path):
    costs = costs_of(viewer=True, machine=HERE)
    (tmp_path / "benchmarks" / "a").mkdir(parents=True)
    (tmp_path / "benchmarks" / "a" / "tile.tsv").write_bytes(b"\xff\xfe")
    (tmp_path / "benchmarks" / "a" / "predict.1-of-1.tsv").write_text("")
    after = learnt(HERE, costs, {"a": EXTENT}, tmp_path)
    assert forecast(EXTENT, costs, after) == forecast(EXTENT, costs, HERE)


def test_profiles_say_where_jobs_run(tmp_path):
    assert machine_of(None).name == "this machine"
    slurm = machine_of("slurm")
    assert slurm.gpu
    assert slurm.slides_at_once == 100
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "profile.yaml").write_text(
        "executor: slurm\njobs: unlimited\nset-threads: {predict: 32, tile: '2 * attempt'}\n"
        "set-resources: {predict: {gpu: 0}}\n"
    )
    own = machine_of(str(tmp_path / "own"))
    assert not own.gpu
    assert (own.threads["predict"], own.threads["tile"]) == (32, 2)
    with pytest.raises(ConfigError, match="there is no such profile"):
        machine_of("slrum")


def test_without_a_viewer_its_disk_is_not_counted():
    with_it, without = (
        forecast(EXTENT, costs_of(viewer=viewer, machine=HERE), HERE) for viewer in (True, False)
    )
    assert without.kept_mb < with_it.kept_mb
    assert "render" not in without.seconds


def test_forecasts_are_kept_beside_those_of_other_slides(tmp_path):
    said = forecast(EXTENT, costs_of(viewer=True, machine=HERE), HERE)
    assert kept_forecasts(tmp_path) == {}
    keep_forecasts(tmp_path, {"a": said})
    keep_forecasts(tmp_path, {"b": said})
    assert kept_forecasts(tmp_path) == {"a": said, "b": said}
    text = (tmp_path / ".forecasts.json").read_text("utf-8").replace("tissue_mm2", "mm2")
    for torn in ("[]", "{", '{"a": {"x": 1}}', '{"a": 1}', text, "[" * 100_000):
        (tmp_path / ".forecasts.json").write_text(torn)
        assert kept_forecasts(tmp_path) == {}


def test_the_size_of_a_file_bounds_what_it_costs(tmp_path):
    path = tmp_path / "a.svs"
    path.write_bytes(bytes(2_000_000))
    least, usual, most = (
        by_size(SlideEntry("a", path), Config(), how) for how in ("least", "usual", "most")
    )
    assert least.kept_mb < usual.kept_mb < most.kept_mb
    assert by_size(SlideEntry("a", tmp_path / "gone.svs"), Config(), "least") is None
