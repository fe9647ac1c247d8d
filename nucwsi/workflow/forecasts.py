"""What a run will cost, told before it starts: on which machine, learnt from what, and kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from nucwsi.config import Config
from nucwsi.errors import StoreError
from nucwsi.io.benchmarks import JobCost, read_benchmark, read_costs
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.io.stores.publish import published
from nucwsi.runtime.forecast import (
    Cost,
    Extent,
    Forecast,
    Machine,
    forecast,
    refined,
)
from nucwsi.runtime.machine import costs_on, this_machine
from nucwsi.workflow.place import bundled

#: Tissue in mm² for a MB of a slide's file. Measured on the slides of docs/performance.md: 0.16 to
#: 0.33; the other numbers are for files that are hardly compressed, and for very small ones.
_MM2_PER_MB = {"least": 0.05, "usual": 0.3, "most": 1.0}

#: Megapixels of windows, and of the canvas, for a mm² of tissue: those of lung-scc, rounded up.
_NETWORK_MP, _CANVAS_MP = 60.0, 50.0

#: Seconds between two jobs of a slide on SLURM: nine jobs took 65 s more than they computed.
_SLURM_START_S = 7.2

#: What a folder of results keeps: name of each slide -> what it will cost.
_FORECASTS = TypeAdapter(dict[str, Forecast])


def costs_of(viewer: bool, machine: Machine) -> list[Cost]:
    """Return what the verbs of a run cost.

    Parameters
    ----------
    viewer : bool
        Whether viewers are made.
    machine : Machine
        Where the jobs will be.

    Returns
    -------
    list of Cost
        Of each verb that was measured.
    """
    shipped = [one for one in read_costs() if viewer or one.verb != "render"]
    return costs_on(machine, shipped)


def machine_of(profile: str | None) -> Machine:
    """Describe where the jobs of a profile run.

    Parameters
    ----------
    profile : str, optional
        Name or folder of a profile; none for this machine without one.

    Returns
    -------
    Machine
        Its threads, and how many slides it works on at once.

    Raises
    ------
    ConfigError
        If there is no such profile, or it cannot be read.
    """
    machine = this_machine()
    if profile is None:
        return machine
    # A dependency of Snakemake, without which there are no profiles.
    from nucwsi.workflow.settings import read_settings

    path = bundled("profile", profile)
    values = read_settings(sorted(path.glob("profile*.yaml")) if path.is_dir() else [path])
    threads = {**machine.threads, **_numbers(values.get("set-threads"))}
    name = f"profile {path.name if path.is_dir() else path}"
    if values.get("executor", "local") == "local":
        own = {verb: min(n, machine.threads["predict"]) for verb, n in threads.items()}
        return machine._replace(name=name, threads=own)
    jobs = values.get("jobs", 1)
    wanted = (values.get("set-resources") or {}).get("predict") or {}
    return Machine(
        name,
        threads,
        1,
        slides_at_once=float(jobs) if isinstance(jobs, int) else 1.0,
        start_s=_SLURM_START_S,
        gpu=wanted.get("gpu", 1) != 0,
    )


def _numbers(values: Any) -> dict[str, int]:
    """Return what is a whole number; the profile may hold expressions."""
    pairs = values.items() if isinstance(values, dict) else ()
    return {str(key): value for key, value in pairs if isinstance(value, int)}


def learnt(
    machine: Machine,
    costs: list[Cost],
    extents: Mapping[str, Extent],
    results: Path,
    passes: int = 1,
) -> Machine:
    """Correct the shipped figures by what jobs of these results have cost.

    Parameters
    ----------
    machine : Machine
        As far as it is known.
    costs : list of Cost
        What its verbs should cost.
    extents : mapping
        Name of each slide -> how large it is.
    results : pathlib.Path
        Folder of results, whose ``benchmarks`` say what the jobs of slides have cost; it may be
        missing.
    passes : int
        Networks times views of the forecasts: `predict` of slides that had others teaches nothing.

    Returns
    -------
    Machine
        Unchanged for verbs of which nothing was measured.
    """
    times: dict[str, list[tuple[float, float]]] = {one.verb: [] for one in costs}
    peaks: dict[str, list[tuple[float, float]]] = {one.verb: [] for one in costs}
    for name, extent in extents.items():
        said = forecast(extent, costs, machine)
        others = {"predict"} if _passes(results / name) not in (None, passes) else set()
        for verb in times.keys() - others:
            seen = _measured(results / "benchmarks" / name, verb)
            times[verb] += [(wall, said.seconds[verb]) for wall in seen[:1]]
            peaks[verb] += [(peak, said.memory_mb[verb]) for peak in seen[1:]]
    return machine._replace(
        speed={verb: machine.speed.get(verb, 1.0) * refined(times[verb]) for verb in times},
        # Memory is sampled, and more is seen of long jobs: it never makes a forecast smaller.
        memory={verb: max(1.0, refined(peaks[verb])) for verb in peaks},
    )


def _passes(folder: Path) -> int | None:
    """Return how often networks have seen each window of a slide; None if nothing tells."""
    try:
        record = json.loads((folder / "provenance.json").read_text("utf-8"))
        return len(record["models"]) * int(record["parameters"]["predict"]["views"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def _measured(folder: Path, verb: str) -> list[float]:
    """Return seconds and MB of the jobs of a verb of a slide; nothing if there were none."""
    rows: list[JobCost] = []
    for file in sorted(folder.glob(f"{verb}*.tsv")):
        try:
            rows += read_benchmark(file)[-1:]
        except StoreError:
            continue  # a forecast needs no single file
    if not rows:
        return []
    return [sum(row.wall_s or 0 for row in rows), max(row.max_rss_mb or 0 for row in rows)]


def keep_forecasts(results: Path, forecasts: Mapping[str, Forecast]) -> None:
    """Keep forecasts in a folder of results, for the jobs of the run.

    Parameters
    ----------
    results : pathlib.Path
        Folder of all results.
    forecasts : mapping
        Name of each slide -> what it will cost.

    Raises
    ------
    StoreError
        If they cannot be written.
    """
    known = {**kept_forecasts(results), **forecasts}
    rows = {name: one._asdict() for name, one in known.items()}
    with published(results / ".forecasts.json") as aside:
        aside.write_text(json.dumps(rows, indent=0), "utf-8")


def kept_forecasts(results: Path) -> dict[str, Forecast]:
    """Return the forecasts that a folder of results keeps.

    Parameters
    ----------
    results : pathlib.Path
        Folder of all results.

    Returns
    -------
    dict
        Name of each slide -> what it will cost; empty if no slide was looked at.
    """
    try:
        return _FORECASTS.validate_json((results / ".forecasts.json").read_bytes())
    except (OSError, ValueError):
        return {}


def by_size(entry: SlideEntry, config: Config, how: str) -> Forecast | None:
    """Forecast what a slide costs from the size of its file alone.

    Parameters
    ----------
    entry : SlideEntry
        The slide.
    config : Config
        Says how many networks see it how often.
    how : str
        ``least``, ``usual`` or ``most``: how much tissue the file may hold.

    Returns
    -------
    Forecast or None
        None if there is no file.
    """
    try:
        size_mb = entry.path.stat().st_size / 1e6
    except OSError:
        return None
    area = size_mb * _MM2_PER_MB[how]
    passes = len(config.members) * config.predict.views
    extent = Extent(area, area * _NETWORK_MP * passes, area * _CANVAS_MP)
    return forecast(extent, *_here(config.viewer))


@cache
def _here(viewer: bool) -> tuple[list[Cost], Machine]:
    machine = this_machine()
    return costs_of(viewer, machine), machine
