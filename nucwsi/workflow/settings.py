"""The configuration that a folder of results keeps, with names that hold in any folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nucwsi.errors import ConfigError
from nucwsi.io.stores.publish import published
from nucwsi.workflow.written import check_names

#: Settings of a run that `nucwsi run` decides on itself, as the folder of results sees them.
OWN = {"slides": "config/slides.tsv", "output": "."}

_HEADER = "# Settings of these results, kept by `nucwsi run`; what is not named has its default.\n"


def read_settings(files: Sequence[Path]) -> dict[str, Any]:
    """Read configuration files as Snakemake does.

    Parameters
    ----------
    files : sequence of pathlib.Path
        YAML or JSON; a later one overrules the others.

    Returns
    -------
    dict
        What they say. Files that are named in them have absolute paths: relative ones start from
        the working directory.

    Raises
    ------
    ConfigError
        If a file is missing or cannot be read, or a name in it is read as a number.
    """
    # Dependencies of Snakemake, which is installed by now.
    from snakemake.common.configfile import load_configfile
    from snakemake.utils import update_config
    from snakemake_interface_common.exceptions import WorkflowError

    values: dict[str, Any] = {}
    for path in files:
        try:
            update_config(values, load_configfile(path))
        except (WorkflowError, OSError, ValueError) as error:
            raise ConfigError(f"{path}: cannot be read as configuration: {error}") from None
    check_names(values, (), files)
    return {key: _absolute(value) for key, value in values.items()}


def _absolute(value: Any) -> Any:
    """Return values with absolute paths wherever they name a file that exists."""
    if isinstance(value, dict):
        return {key: _absolute(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_absolute(one) for one in value]
    # A word such as `auto` or `default` is no file, even if there is one of that name.
    is_path = isinstance(value, str) and {".", "/"} & set(value) and "://" not in value
    if is_path and Path(value).expanduser().is_file():
        return str(Path(value).expanduser().absolute())
    return value


def write_settings(path: Path, values: dict[str, Any]) -> None:
    """Write a configuration file.

    Parameters
    ----------
    path : pathlib.Path
        The ``.yaml`` to write.
    values : dict
        Plain YAML types.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    import yaml

    text = yaml.safe_dump(values, allow_unicode=True, sort_keys=False)
    with published(path) as aside:
        aside.write_text(_HEADER + text, "utf-8")
