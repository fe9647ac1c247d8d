"""Whether there is room on the disk for the results of a run, before its first job."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from nucwsi.config import Config
from nucwsi.errors import StoreError
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.runtime.forecast import Forecast
from nucwsi.workflow.flags import member_flags, result_flags
from nucwsi.workflow.forecasts import by_size, kept_forecasts


def shown_mb(size: float) -> str:
    """Render a size for people.

    Parameters
    ----------
    size : float
        In MB.

    Returns
    -------
    str
        Such as ``68 MB`` or ``1.2 GB``.
    """
    return f"{size:.0f} MB" if size < 999.5 else f"{size / 1000:.3g} GB"


def free_mb(results: Path) -> float:
    """Return how much room there is on the disk of a folder, which may not exist yet.

    Parameters
    ----------
    results : pathlib.Path
        Folder of all results.

    Returns
    -------
    float
        In MB.
    """
    there = results.absolute()
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free / 1e6


def refuse_full_disk(results: Path, needed_mb: float, kept_mb: float) -> None:
    """Refuse a run whose results do not fit.

    Parameters
    ----------
    results : pathlib.Path
        Folder of all results.
    needed_mb : float
        What the run writes at its fullest, in MB.
    kept_mb : float
        What of it stays, in MB.

    Raises
    ------
    StoreError
        If there is less room.
    """
    free = free_mb(results)
    if needed_mb > free:
        raise StoreError(
            f"{results}: the run needs {shown_mb(needed_mb)} of disk ({shown_mb(kept_mb)} for"
            f" results, the rest until they are made), and {shown_mb(free)} are free; make room,"
            " name another folder (`output`), leave out the viewer (`viewer: false`), or analyse"
            " fewer slides"
        )


def check_disk(config: Config, slides: Mapping[str, SlideEntry], to_do: Iterable[str]) -> None:
    """Refuse a run that cannot fit on the disk, before its first job.

    Slides that were never looked at are judged by the size of their files; only where that cannot
    tell, `nucwsi check` looks at them.

    Parameters
    ----------
    config : Config
        Names the folder of the results.
    slides : mapping
        Name of each slide -> its entry.
    to_do : iterable of str
        Names of the slides whose tiles or maps this run is to make.

    Raises
    ------
    StoreError
        If there is not room enough.
    """
    results, names = Path(config.output), sorted(set(to_do))
    known = kept_forecasts(results)
    unknown = [name for name in names if name not in known]
    if unknown:
        most = [one for one in (by_size(slides[name], config, "most") for name in unknown) if one]
        if _needed(most + [known[name] for name in names if name in known])[0] > free_mb(results):
            _look(config, [slides[name] for name in unknown])
            known = kept_forecasts(results)
    guessed = (known.get(name) or by_size(slides[name], config, "least") for name in names)
    refuse_full_disk(results, *_needed([one for one in guessed if one]))


def _needed(forecasts: list[Forecast]) -> tuple[float, float]:
    """Return what slides need at their fullest and what of it stays; the largest comes last."""
    kept = sum(one.kept_mb for one in forecasts)
    return kept + max((one.temporary_mb for one in forecasts), default=0.0), kept


def _look(config: Config, entries: list[SlideEntry]) -> None:
    """Let `nucwsi check` look at slides; what it says of them is for another time."""
    program = Path(sys.executable).with_name("nucwsi")
    words = [*shlex.split(member_flags(config)), *shlex.split(result_flags(config.tile))]
    words += ["--views", str(config.predict.views), "--results", config.output]
    words += ["--viewer" if config.viewer else "--no-viewer"]
    wanted = [word for entry in entries for word in ("--only", entry.name)]
    subprocess.run(
        [str(program), "check", config.slides, *wanted, *words], check=False, capture_output=True
    )
