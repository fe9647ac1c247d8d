"""What the Snakefile asks of the package; light, because every job parses the workflow anew."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nucwsi import RESULT_VERSION
from nucwsi.classes import CONIC
from nucwsi.config import EXTRA_EXPORTS, Config, EnsembleConfig, Section, TrainSettings, validated
from nucwsi.errors import ConfigError
from nucwsi.io.slides.sheet import SlideEntry, read_sheet
from nucwsi.models.checkpoint import read_cards

#: The slide of a fresh clone; the workflow paints it.
DEMO_SLIDE = Path("demo/phantom.tiff")

#: Table of a cohort -> table of a slide that it is made from.
COHORT_TABLES = {
    "composition": "composition",
    "morphometry": "morphometry",
    "neighbours": "neighbours",
    "conic_counts": "composition",
}


def load_config(values: dict[str, Any]) -> Config:
    """Check the workflow's configuration.

    Parameters
    ----------
    values : dict
        Snakemake's ``config``.

    Returns
    -------
    Config

    Raises
    ------
    ConfigError
        If a key is unknown or a value outside its limits.
    """
    return validated(Config, values, "configuration")


def load_slides(config: Config) -> dict[str, SlideEntry]:
    """Read the slides to analyse.

    Parameters
    ----------
    config : Config

    Returns
    -------
    dict
        Name -> entry.

    Raises
    ------
    ConfigError
        If the sheet is wrong.
    """
    entries = read_sheet(Path(config.slides), frozenset({DEMO_SLIDE}), beside=config.regions_beside)
    return {entry.name: entry for entry in entries}


def load_ensemble(path: Path) -> EnsembleConfig:
    """Read which members to train; without the file there are none.

    Parameters
    ----------
    path : pathlib.Path
        ``config/ensemble.yaml``.

    Returns
    -------
    EnsembleConfig

    Raises
    ------
    ConfigError
        If it is no YAML, or a setting is wrong.
    """
    if not path.exists():
        return EnsembleConfig()
    # A dependency of Snakemake, which alone asks for this.
    import yaml

    try:
        values = yaml.safe_load(path.read_text("utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not YAML: {error}") from None
    return validated(EnsembleConfig, values, str(path))


def manifests(ensemble: EnsembleConfig) -> list[str]:
    """Return the files whose change means other labelled images.

    Parameters
    ----------
    ensemble : EnsembleConfig

    Returns
    -------
    list of str

    Raises
    ------
    ConfigError
        If there are members to train, but no images.
    """
    if ensemble.members and not ensemble.data:
        raise ConfigError("config/ensemble.yaml: `data` names no folder of labelled images")
    paths = [Path(folder) for folder in ensemble.data]
    return [str(p if p.suffix == ".csv" else p / "manifest.csv") for p in paths]


def networks(settings: TrainSettings) -> list[str]:
    """Return the files of the networks that a member starts from and learns from.

    Parameters
    ----------
    settings : TrainSettings

    Returns
    -------
    list of str
        Without those that come with nucwsi, and without URLs, whose content never changes.
    """
    named = dict.fromkeys((settings.start, *settings.teachers))
    return [name for name in named if Path(name).suffix and "://" not in name]


def members_key(config: Config) -> str:
    """Return what changes whenever the ensemble, or the code that makes results, changes.

    Parameters
    ----------
    config : Config

    Returns
    -------
    str

    Raises
    ------
    CheckpointError
        If a member cannot be used.
    """
    checksums = [card.checksum for card in read_cards(config.members)]
    return hashlib.sha256(json.dumps([RESULT_VERSION, checksums]).encode()).hexdigest()[:16]


def _flags(section: Section, speed: bool) -> str:
    words: list[str] = []
    for name, field in type(section).model_fields.items():
        extra = field.json_schema_extra
        if not isinstance(extra, dict) or bool(extra.get("speed")) is not speed:
            continue
        value, flag = getattr(section, name), name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, tuple):
            words += [f"--{flag} {shlex.quote(','.join(map(str, value)))}"] if value else []
        elif value not in (None, ""):
            words.append(f"--{flag} {shlex.quote(str(value))}")
    return " ".join(words)


def result_flags(section: Section) -> str:
    """Render the settings that can change a result as options of the command line.

    Parameters
    ----------
    section : Section

    Returns
    -------
    str
    """
    return _flags(section, speed=False)


def speed_flags(section: Section) -> str:
    """Render the settings that only change the speed as options of the command line.

    Parameters
    ----------
    section : Section

    Returns
    -------
    str
    """
    return _flags(section, speed=True)


def member_flags(config: Config) -> str:
    """Render the members of the ensemble as options of the command line.

    Parameters
    ----------
    config : Config

    Returns
    -------
    str
    """
    return flags("--member", config.members)


def flags(option: str, values: str | Iterable[object]) -> str:
    """Render values as an option of the command line that may be given several times.

    Parameters
    ----------
    option : str
        Such as ``--regions``.
    values : str or iterable
        Paths or other values; none gives no option.

    Returns
    -------
    str
    """
    every = [values] if isinstance(values, str) else values
    return " ".join(f"{option} {shlex.quote(str(value))}" for value in every)


def extra_exports(config: Config) -> list[str]:
    """Return how the names of the files end that `export` makes besides the zip for QuPath.

    Parameters
    ----------
    config : Config

    Returns
    -------
    list of str
    """
    return [end for setting, end in EXTRA_EXPORTS.items() if getattr(config.export, setting)]


def tables(config: Config) -> list[str]:
    """Return the names of the tables of a cohort.

    Parameters
    ----------
    config : Config

    Returns
    -------
    list of str
        Keys of `COHORT_TABLES`.

    Raises
    ------
    CheckpointError
        If a member cannot be used.
    """
    wanted = {
        "composition": True,
        "morphometry": True,
        "neighbours": config.compose.neighbours_um > 0,
        "conic_counts": set(read_cards(config.members)[0].classes) == set(CONIC),
    }
    return [name for name, asked_for in wanted.items() if asked_for]


def parts(config: Config) -> list[str]:
    """Return the names of a slide's parts, ``1-of-3`` and so on.

    Parameters
    ----------
    config : Config

    Returns
    -------
    list of str
    """
    return [f"{part}-of-{config.parts}" for part in range(1, config.parts + 1)]


def find_own_commands() -> None:
    """Let jobs find ``nucwsi`` when the environment of this Python is not activated."""
    here = str(Path(sys.executable).parent)
    if here not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([here, os.environ.get("PATH", "")])


def farewell(config: Config, slides: dict[str, SlideEntry]) -> str:
    """Say where the results are and what to do with them.

    Parameters
    ----------
    config : Config
    slides : dict
        Name -> entry.

    Returns
    -------
    str
        Whole lines; none if the run made only a part of the results.
    """
    output = Path(config.output)
    if not (output / "composition.csv").exists():
        return ""
    if len(slides) == 1:
        name, entry = next(iter(slides.items()))
        count, opened = "1 slide", str(entry.path)
    else:
        name, count, opened = "<slide>", f"{len(slides)} slides", "the slide"
    hints = {
        output / "report.html": "all of it at a glance: any web browser",
        output / "composition.csv": "a row for each slide and region: statistics",
        output / name / "nuclei.parquet": "a row for each nucleus: Python, R, QGIS",
        output / name / f"{name}.regions.geojson": "regions and their composition: QuPath",
        output / name / f"{name}.nuclei.qupath.zip": f"open {opened} in QuPath, drag this onto it",
    }
    width = max(len(str(path)) for path in hints)
    lines = [f"  {path!s:{width}}   {hint}" for path, hint in hints.items()]
    return "\n".join([f"Done: {count}. Results:", *lines, ""])


def complaints(config: Config, slides: dict[str, SlideEntry]) -> str:
    """Repeat the last line of every log that ends in an error.

    Parameters
    ----------
    config : Config
    slides : dict
        Name -> entry.

    Returns
    -------
    str
        A whole line for each, with the log's name.
    """
    found = []
    for name in slides:
        for log in sorted((Path(config.output) / "logs" / name).glob("*.log")):
            last = log.read_text("utf-8", "replace").rstrip().rpartition("\n")[2]
            if last.startswith("nucwsi "):
                found.append(f"{last}  [{log}]\n")
    return "".join(found)


def schema() -> str:
    """Return the JSON schema of ``config/config.yaml``."""
    for _, value in Config():
        if isinstance(value, Section):
            # Building is deferred, and the schema holds each section's defaults.
            type(value).model_rebuild()
    return json.dumps(Config.model_json_schema(), indent=2, ensure_ascii=False) + "\n"
