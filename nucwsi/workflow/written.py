"""Names that YAML and Snakemake take for numbers: 2026_11_23 becomes 20261123, and 007 is 7."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nucwsi.errors import ConfigError

#: Settings of a run that are names of files, folders or members.
_NAMES = ("slides", "output", "members")


def check_names(values: Mapping[str, Any], arguments: Sequence[str], files: Sequence[Path]) -> None:
    """Refuse a name that was read as something else than it was written.

    Parameters
    ----------
    values : mapping
        Snakemake's ``config``.
    arguments : sequence of str
        Words of Snakemake's command line.
    files : sequence of pathlib.Path
        Its configuration files; a later one has the last word.

    Raises
    ------
    ConfigError
        If a value is no text and does not look like what was written; the message says what to
        write instead. Quotes would not do: Snakemake takes them away before it looks for numbers.
    """
    for key in _NAMES:
        value = values.get(key)
        if value is None or isinstance(value, str | list | tuple | dict):
            continue
        written = _written(key, arguments, files)
        if written is not None and written != str(value):
            raise ConfigError(
                f"`{key}`: {written} is read as {value!r}; write ./{written}, on the command line"
                " as in a file"
            )


def _written(key: str, arguments: Sequence[str], files: Sequence[Path]) -> str | None:
    """Return what stands behind a setting: on the command line, else in the last file."""
    for word in reversed(arguments):
        if word.startswith(f"{key}="):
            return word.partition("=")[2]
    # A dependency of Snakemake, which alone calls this function.
    import yaml

    for path in reversed(files):
        try:
            # This loader makes no object but texts, lists and dictionaries.
            document = yaml.load(path.read_text("utf-8"), yaml.BaseLoader)  # noqa: S506
        except (OSError, ValueError, yaml.YAMLError):
            continue
        if isinstance(document, dict) and isinstance(document.get(key), str):
            return str(document[key])
    return None
