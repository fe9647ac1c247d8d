"""What a run consists of: its configuration, slides, parts and tables, and the members to train."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nucwsi import RESULT_VERSION
from nucwsi.config import (
    EXTRA_EXPORTS,
    TISSUE_WORDS,
    Config,
    EnsembleConfig,
    Section,
    TrainSettings,
    validated,
)
from nucwsi.errors import ConfigError
from nucwsi.io.slides.sheet import SlideEntry, read_sheet
from nucwsi.models.card import read_cards
from nucwsi.workflow.columns import check_columns
from nucwsi.workflow.place import pipeline_folder
from nucwsi.workflow.written import check_names

#: The slide of a fresh clone; rule `phantom` paints it.
DEMO_SLIDE = Path("demo/phantom.tiff")


#: What the report leaves for MultiQC.
MULTIQC_FILES = ("nucwsi_slides_mqc.json", "nucwsi_composition_mqc.json")


def load_config(
    values: dict[str, Any], arguments: Sequence[str] = (), files: Sequence[str | Path] = ()
) -> Config:
    """Check the workflow's configuration.

    Parameters
    ----------
    values : dict
        Snakemake's ``config``: what config.yaml and ``--config`` say.
    arguments : sequence of str
        Words of Snakemake's command line.
    files : sequence of str or pathlib.Path
        Snakemake's configuration files, the last of which overrules the others.

    Returns
    -------
    Config
        All settings; those that `values` leaves out have their defaults.

    Raises
    ------
    ConfigError
        If a key is unknown, a value is outside its limits, or a name was read as a number.
    """
    check_names(values, arguments, [Path(file) for file in files])
    config = validated(Config, values, "configuration")
    if "slides" not in config.model_fields_set and not Path("config").exists():
        # Outside of a clone, the demo's sheet is that of the clone.
        config = config.model_copy(update={"slides": str(pipeline_folder() / config.slides)})
    # A shell expands `~`, YAML does not.
    names = {key: str(Path(getattr(config, key)).expanduser()) for key in ("slides", "output")}
    if not names["output"].isprintable() or set("{}") & set(names["output"]):
        raise ConfigError(
            f"`output`: {names['output']!r} has braces, which Snakemake reads, or characters that"
            " cannot be shown; name another folder"
        )
    if config.tile.tissue not in TISSUE_WORDS and not Path(config.tile.tissue).is_file():
        raise ConfigError(
            f"`tile.tissue`: {config.tile.tissue!r} is no file; expected"
            f" {' or '.join(TISSUE_WORDS)}, or a mask of the tissue: GeoJSON, PNG or TIFF"
        )
    if config.classifier:
        names["classifier"] = str(Path(config.classifier).expanduser())
    # No command may take a path for an option.
    for key in ("output", "classifier"):
        if names.get(key, "").startswith("-"):
            names[key] = str(Path(names[key]).absolute())
    return config.model_copy(update=names)


def load_slides(config: Config) -> dict[str, SlideEntry]:
    """Read which slides to analyse.

    Parameters
    ----------
    config : Config
        Names a sheet, a slide or a folder of slides.

    Returns
    -------
    dict
        Name of the slide in all results -> its entry, in the order of the sheet. The file of a
        slide that has results may be missing.

    Raises
    ------
    ConfigError
        If the sheet is wrong, or lacks a column that is to be compared.
    """
    output = Path(config.output)

    def _may_be_absent(entry: SlideEntry) -> bool:
        # An archived slide whose results exist stops nothing.
        return entry.path == DEMO_SLIDE or (output / entry.name / "nuclei.parquet").exists()

    entries = read_sheet(Path(config.slides), _may_be_absent, beside=config.regions_beside)
    check_columns(config, entries)
    return {entry.name: entry for entry in entries}


def members_key(config: Config) -> str:
    """Return a checksum of the ensemble and of the code; as a parameter it makes jobs rerun.

    Parameters
    ----------
    config : Config
        Names the members of the ensemble.

    Returns
    -------
    str
        16 hexadecimal digits; others when a member's weights or `RESULT_VERSION` change.

    Raises
    ------
    CheckpointError
        If a member cannot be used.
    """
    checksums = [card.checksum for card in read_cards(config.members)]
    return hashlib.sha256(json.dumps([RESULT_VERSION, checksums]).encode()).hexdigest()[:16]


def part_names(config: Config) -> list[str]:
    """Return the names of a slide's parts, ``1-of-3`` and so on.

    Parameters
    ----------
    config : Config
        Says into how many bands a slide is cut.

    Returns
    -------
    list of str
        Values of the wildcard ``part``, from the top of the canvas down.
    """
    return [f"{part}-of-{config.parts}" for part in range(1, config.parts + 1)]


def extra_exports(config: Config) -> list[str]:
    """Return the endings of the files that `export` makes besides the zip for QuPath.

    Parameters
    ----------
    config : Config
        Its section `export` asks for them.

    Returns
    -------
    list of str
        Values of `EXTRA_EXPORTS`, such as ``nuclei.csv``.
    """
    return [ending for name, ending in EXTRA_EXPORTS.items() if getattr(config.export, name)]


def load_ensemble(path: Path) -> EnsembleConfig:
    """Read which members to train; without the file there are none.

    Parameters
    ----------
    path : pathlib.Path
        ``config/ensemble.yaml``.

    Returns
    -------
    EnsembleConfig
        The members with their settings, and the labelled images to train on.

    Raises
    ------
    ConfigError
        If the file is not YAML, or a setting is wrong.
    """
    if not path.exists():
        return EnsembleConfig()
    # A dependency of Snakemake, which alone calls this function.
    import yaml

    try:
        values = yaml.safe_load(path.read_text("utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not YAML: {error}") from None
    return validated(EnsembleConfig, values, str(path))


def manifest_files(ensemble: EnsembleConfig) -> list[str]:
    """Return the manifests of the labelled images; a change of one trains all members anew.

    Parameters
    ----------
    ensemble : EnsembleConfig
        Names folders of labelled images, or their manifests.

    Returns
    -------
    list of str
        One path per data set.

    Raises
    ------
    ConfigError
        If there are members to train, but no images.
    """
    if ensemble.members and not ensemble.data:
        raise ConfigError(
            "config/ensemble.yaml: `data` names no folder of labelled images for"
            f" {', '.join(ensemble.members)}; add one (see docs/data.md)"
        )
    paths = [Path(folder) for folder in ensemble.data]
    return [str(p if p.suffix == ".csv" else p / "manifest.csv") for p in paths]


def network_files(settings: TrainSettings) -> list[str]:
    """Return the checkpoints that a member starts from and learns from.

    Parameters
    ----------
    settings : TrainSettings
        Settings of the member.

    Returns
    -------
    list of str
        Paths, each once. Bundled checkpoints and URLs are left out: their content never changes.
    """
    named = dict.fromkeys((settings.start, *settings.teachers))
    return [name for name in named if Path(name).suffix and "://" not in name]


def schema() -> str:
    """Return the JSON schema of ``config/config.yaml``, as workflow/schemas keeps it."""
    for _, value in Config():
        if isinstance(value, Section):
            # Validators are built on demand, and the schema needs those of every section.
            type(value).model_rebuild()
    return json.dumps(Config.model_json_schema(), indent=2, ensure_ascii=False) + "\n"
