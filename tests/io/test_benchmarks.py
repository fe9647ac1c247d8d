"""Snakemake's benchmark files, with gaps."""

from nucwsi.io.benchmarks import JobCost, read_benchmark

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def test_what_was_not_measured_is_none(tmp_path):
    path = tmp_path / "tile.tsv"
    path.write_text(
        f"{HEADER}1.5\t0:00:01\tNA\t1\t1\t1\t1\t1\t1\t0.5\n2.0\t0:00:02\t70.5\t1\t1\t1\t1\t1\t1\t-\n"
    )
    assert read_benchmark(path) == [JobCost(1.5, 0.5, None), JobCost(2.0, None, 70.5)]


def test_a_file_without_rows_or_columns_tells_nothing(tmp_path):
    path = tmp_path / "tile.tsv"
    path.write_text("")
    assert read_benchmark(path) == []
    path.write_text("a\tb\n1\t2\n")
    assert read_benchmark(path) == [JobCost(None, None, None)]
