"""`nucwsi run`: the workflow in a folder of results that keeps its slides and settings.

The folder of results is Snakemake's working directory. It holds ``config/slides.tsv`` and
``config/config.yaml``, so that a later run adds its slides, and ``snakemake --directory`` repeats
what this run does.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from nucwsi.errors import CheckpointError, ConfigError, NucwsiError, StoreError
from nucwsi.io.slides.cohort import Cohort, joined, write_sheet
from nucwsi.io.slides.sheet import SlideEntry, is_sheet, read_sheet
from nucwsi.io.stores.publish import explained
from nucwsi.runtime.lock import LOCKLESS
from nucwsi.workflow.fingerprints import has_moved
from nucwsi.workflow.place import SNAKEFILE, bundled
from nucwsi.workflow.plan import load_config, load_slides, members_key
from nucwsi.workflow.process import followed
from nucwsi.workflow.settings import OWN, read_settings, write_settings

#: Snakemake whose jobs are forked from a process that has loaded everything.
FORKING = "nucwsi.cli.workflow"

#: Options of Snakemake that `run` sets, and what says the same.
_SET_HERE = {
    **dict.fromkeys(("--snakefile", "-s", "--directory", "-d"), "-o RESULTS"),
    **dict.fromkeys(("--configfile", "--configfiles"), "--configfile before the `--`"),
}


@dataclass(frozen=True)
class Request:
    """What a user asks of `nucwsi run`.

    Attributes
    ----------
    slides : tuple of pathlib.Path
        Slides, folders of slides and slide sheets; none repeats an earlier run.
    results : pathlib.Path
        Folder of all results.
    mpp : float or None
        The user's value for the size of a level-0 pixel of `slides`, in µm.
    configuration : tuple of str
        Configuration files, or names of those that come with nucwsi; none keeps those of an
        earlier run.
    profile : str
        Folder of a profile, or the name of one that comes with nucwsi.
    dry : bool
        Whether to say what would be done, and to do and to keep nothing.
    words : tuple of str
        Further words for Snakemake.
    """

    slides: tuple[Path, ...]
    results: Path
    mpp: float | None
    configuration: tuple[str, ...]
    profile: str
    dry: bool
    words: tuple[str, ...]


def run(request: Request, *, note: Callable[[str], object], say: Callable[[str], object]) -> int:
    """Analyse slides, and add them to those of earlier runs.

    Parameters
    ----------
    request : Request
        What the user asks for.
    note : callable
        Takes a line about the course of the run.
    say : callable
        Takes the lines at its end: where the results are, or what has failed.

    Returns
    -------
    int
        Exit code of Snakemake.

    Raises
    ------
    ConfigError
        If Snakemake is not installed, or slides, settings or words are wrong.
    StoreError
        If another run works on the same results, or they cannot be written.
    NucwsiError
        If Snakemake fails of something else than one of its jobs.
    """
    profile = _profile(request)
    values, changed = _settings(request)
    with tempfile.TemporaryDirectory() as folder:
        place, kept = Path(folder), request.results / "config"
        with _locked(request) as handle:
            cohort = _cohort(request, values)
            _write(place, cohort, {**values, **OWN, "slides": str(place / "slides.tsv")})
            try:
                _check(request.results, values, place / "slides.tsv")
            except NucwsiError as error:
                told = str(error).replace(str(place), str(kept))
                if told.startswith(("configuration: ", "`")) or isinstance(error, CheckpointError):
                    told = f"{_source(request)}: {told.removeprefix('configuration: ')}"
                raise type(error)(told) from None
            for line in (*_news(request.results, cohort), *changed):
                note(line)
            if not request.dry:
                place = kept
                _write(place, cohort, {**values, **OWN})
            # What is only planned makes no folder.
            where = request.results if request.results.exists() else place
            program = "snakemake" if request.dry or _is_elsewhere(profile) else FORKING
            command = [
                *(sys.executable, "-m", program, "--snakefile", str(SNAKEFILE)),
                *("--directory", str(where.absolute())),
                *("--configfile", str(place.absolute() / "config.yaml")),
                *("--replace-workflow-config", "--workflow-profile", str(profile)),
                *("--rerun-incomplete", "--nolock", *request.words),
            ]
            if request.dry:
                return subprocess.run([*command, "--dry-run"], check=False).returncode
            code, told = followed(command, request.results, handle)
    if told:
        say(told)
    return code


def _profile(request: Request) -> Path:
    """Return the profile of the run; refuse what cannot work before anything is written."""
    needed = {"workflow": "snakemake"}
    if request.profile == "slurm":
        needed["slurm"] = "snakemake_executor_plugin_slurm"
    for extra, module in needed.items():
        if importlib.util.find_spec(module) is None:
            raise ConfigError(
                f"needs {module}, which is not installed: pip install 'nucwsi[{extra}]'"
            )
    for word in request.words:
        way_out = _SET_HERE.get(word.partition("=")[0])
        if way_out:
            raise ConfigError(f"{word} is set by `nucwsi run` itself; use {way_out}")
    return bundled("profile", request.profile)


def _is_elsewhere(profile: Path) -> bool:
    """Tell whether a profile, a file or a folder, sends jobs to other machines."""
    files = profile.glob("*.yaml") if profile.is_dir() else [profile]
    return any(re.search(r"^executor\b", file.read_text("utf-8"), re.M) for file in files)


def _settings(request: Request) -> tuple[dict[str, Any], list[str]]:
    """Return the settings of the run; and a line if they replace others."""
    kept = request.results / "config" / "config.yaml"
    known = read_settings([kept]) if kept.exists() else {}
    if known.get("slides") == str(Path(OWN["slides"]).absolute()):
        # A sheet in the working directory, such as a clone's, is not that of the results.
        known["slides"] = OWN["slides"]
    if not request.configuration:
        return known, []
    files = [bundled("configuration", name) for name in request.configuration]
    values = read_settings(files)
    same = {**known, **OWN} == {**values, **OWN}
    return values, [] if same or not known else [
        "the settings are others than before: what they affect is made anew, for all slides"
    ]


def _source(request: Request) -> str:
    """Name the files that the settings of the run come from."""
    return ", ".join(request.configuration) or str(request.results / "config" / "config.yaml")


def _named(request: Request, values: dict[str, Any]) -> list[tuple[Path, list[SlideEntry]]]:
    """Read the slides that a run names, or else its configuration."""
    setting = values.get("slides", OWN["slides"])
    if request.slides or setting == OWN["slides"]:
        return [(path, read_sheet(path, beside=False)) for path in request.slides]
    try:
        if not (isinstance(setting, str) and setting):
            raise ConfigError(f"{setting!r:.80}, expected the path of a slide sheet or of slides")
        path = Path(setting).expanduser()
        return [(path, read_sheet(path, beside=False))]
    except NucwsiError as error:
        raise type(error)(f"{_source(request)}: `slides`: {error}") from None


def _cohort(request: Request, values: dict[str, Any]) -> Cohort:
    """Add the slides of the run to those of the results."""
    kept = request.results / "config" / "slides.tsv"
    known = read_sheet(kept, lambda _: True, beside=False) if kept.exists() else []
    given = [
        (replace(entry, mpp=entry.mpp or request.mpp), is_sheet(path))
        for path, entries in _named(request, values)
        for entry in entries
    ]
    cohort = joined(known, given, partial(has_moved, request.results))
    if not cohort.entries:
        raise ConfigError(f"{request.results}: holds no slides yet; name some")
    return cohort


def _write(folder: Path, cohort: Cohort, values: dict[str, Any]) -> None:
    write_sheet(folder / "slides.tsv", cohort.entries)
    write_settings(folder / "config.yaml", values)


def _check(results: Path, values: dict[str, Any], sheet: Path) -> None:
    """Refuse what the Snakefile would refuse, in one line."""
    config = load_config({**values, **OWN})
    load_slides(config.model_copy(update={"slides": str(sheet), "output": str(results)}))
    members_key(config)


def _news(results: Path, cohort: Cohort) -> Iterator[str]:
    """Tell what the results hold, and what has become of the names of slides."""
    n_slides = len(cohort.entries)
    plural = "slide" if n_slides == 1 else "slides"
    yield f"{results}: {n_slides} {plural}, {cohort.n_new} of them new"
    yield from cohort.notes
    names = {entry.name for entry in cohort.entries}
    found = sorted(path.parent.name for path in results.glob("*/nuclei.parquet"))
    strangers = [name for name in found if name not in names]
    if strangers:
        yield (
            f"{', '.join(strangers)}: in this folder, but not in config/slides.tsv; tables and"
            " report are made without"
        )


@contextmanager
def _locked(request: Request) -> Iterator[tuple[int, ...]]:
    """Hold the lock of the results; Snakemake inherits it, so that it outlives a killed `run`."""
    if request.dry:
        yield ()
        return
    path, is_new = request.results / ".run.lock", not request.results.exists()
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"{request.results}: another run works on these results; wait until it has ended"
            ) from None
        except OSError as error:
            # File systems of clusters may have no locks; every result has a lock of its own.
            if error.errno not in LOCKLESS:
                raise
        yield (handle,)
    except NucwsiError:
        # What was refused leaves no folder behind.
        if is_new:
            with suppress(OSError):
                path.unlink()
                request.results.rmdir()
        raise
    finally:
        os.close(handle)
