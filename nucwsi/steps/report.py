"""`report`: one page of all slides, for people."""

from __future__ import annotations

import csv
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from nucwsi import __version__
from nucwsi.config import ReportSettings
from nucwsi.errors import StoreError
from nucwsi.io.stores.publish import published
from nucwsi.report.packed_density import unpacked_density
from nucwsi.report.page import report_page

#: Steps in the order of the pipeline; others come last.
_STEPS = ("tile", "predict", "segment", "stitch", "compose", "export", "assess", "render")

_PACKAGES = ("numpy", "scipy", "shapely", "torch", "zarr", "openslide-python", "tifffile")


def _assessment(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = orjson.loads(path.read_bytes())
        kind = found["kind"]
    except FileNotFoundError:
        raise StoreError(f"{path}: does not exist; run `nucwsi assess`") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: is no assessment ({error}); run `nucwsi assess`") from None
    if kind != "assessment":
        raise StoreError(f"{path}: holds {kind!r}, expected 'assessment'")
    return found


def _viewer(assessment: Path, output: Path) -> str | None:
    """Return the address of a slide's viewer as seen from the report, if there is one."""
    page = assessment.parent / "viewer" / "index.html"
    if not page.exists():
        return None
    return quote(Path(os.path.relpath(page, output.parent)).as_posix())


def _times(folder: Path | None, slides: Sequence[str]) -> list[dict[str, Any]]:
    """Add up the benchmark files of the slides, step by step."""
    sums: dict[str, dict[str, Any]] = {}
    for name in slides if folder is not None else ():
        for path in sorted((folder / name).glob("*.tsv")):  # type: ignore[operator]
            with path.open(encoding="utf-8", newline="") as stream:
                for row in csv.DictReader(stream, delimiter="\t"):
                    _add(sums, path.name.partition(".")[0], row)
    known = {step: place for place, step in enumerate(_STEPS)}
    return sorted(sums.values(), key=lambda row: known.get(row["step"], len(known)))


def _add(sums: dict[str, dict[str, Any]], step: str, row: dict[str, str]) -> None:
    def value(key: str) -> float:
        try:
            return float(row[key])
        except (KeyError, TypeError, ValueError):
            return 0.0  # Snakemake writes NA for what it could not measure

    total = sums.setdefault(step, {"step": step, "jobs": 0, "wall": 0.0, "cpu": 0.0, "memory": 0.0})
    total["jobs"] += 1
    total["wall"] += value("s")
    total["cpu"] += value("cpu_time")
    total["memory"] = max(total["memory"], value("max_rss"))


def report(
    assessments: Sequence[Path],
    output: Path,
    settings: ReportSettings,
    *,
    benchmarks: Path | None = None,
) -> None:
    """Write the report of a run.

    Parameters
    ----------
    assessments : sequence of pathlib.Path
        ``assessment.json`` of each slide.
    output : pathlib.Path
        ``report.html``; holds everything it shows.
    settings : ReportSettings
    benchmarks : pathlib.Path, optional
        Folder of Snakemake's benchmark files, one folder in it for each slide.

    Raises
    ------
    StoreError
        If an assessment is missing or damaged, or the report cannot be written.
    """
    found = [{**_assessment(path), "viewer": _viewer(path, output)} for path in assessments]
    facts = found[0]["facts"]
    run = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "version": __version__,
        "members": facts["members"],
        "views": facts["views"],
        "mpp": facts["frame"]["mpp"],
        "packages": {
            "nucwsi": __version__,
            "Python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
        },
        "times": _times(benchmarks, [one["facts"]["slide"] for one in found]),
    }
    densities = [unpacked_density(one["density"]) for one in found]
    page = report_page(found, densities, run, max_slides=settings.max_slides)
    with published(output) as aside:
        aside.write_text(page, "utf-8")
