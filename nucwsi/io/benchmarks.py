"""What jobs cost: Snakemake's benchmark files, and the table that forecasts are made from."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import NamedTuple

from nucwsi.errors import StoreError
from nucwsi.io.inputs import check_file
from nucwsi.runtime.forecast import Cost

#: What each verb costs; `python -m bench.forecast` fits it to runs of our own.
COSTS = Path(__file__).with_name("costs.csv")


class JobCost(NamedTuple):
    """The cost of one job; None where Snakemake measured nothing.

    Attributes
    ----------
    wall_s : float or None
        Wall-clock time in seconds.
    cpu_s : float or None
        CPU time in seconds, of all its processes together.
    max_rss_mb : float or None
        Peak of its resident memory in MB.
    """

    wall_s: float | None
    cpu_s: float | None
    max_rss_mb: float | None


def read_benchmark(path: Path) -> list[JobCost]:
    """Read a benchmark file.

    Parameters
    ----------
    path : pathlib.Path
        ``benchmarks/{slide}/{step}.tsv``.

    Returns
    -------
    list of JobCost
        One for each row of the file: one a repetition of the job, usually one in all.

    Raises
    ------
    StoreError
        If the file cannot be read.
    """
    try:
        check_file(path)
        with path.open(encoding="utf-8", newline="") as stream:
            return [
                JobCost(*(_number(row.get(column)) for column in ("s", "cpu_time", "max_rss")))
                for row in csv.DictReader(stream, delimiter="\t")
            ]
    except (OSError, ValueError, csv.Error) as error:
        raise StoreError(
            f"{path}: is no benchmark file of Snakemake ({error}); remove it"
        ) from None


def read_costs() -> list[Cost]:
    """Read what each verb costs.

    Returns
    -------
    list of Cost
        In the order of the pipeline.
    """
    with COSTS.open(encoding="utf-8", newline="") as stream:
        return [
            Cost(
                **{name: float(row[name]) for name in Cost._fields[3:-1]},
                verb=row["verb"],
                driver=row["driver"],
                threads=int(row["threads"]),
                kept=int(row["kept"]),
            )
            for row in csv.DictReader(stream)
        ]


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
        return value if math.isfinite(value) else None
    except ValueError:
        return None  # Snakemake writes NA or - for what it could not measure
