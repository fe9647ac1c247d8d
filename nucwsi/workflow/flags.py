"""How a rule calls the command line: settings rendered as options, and the path of the program."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nucwsi.config import Config, Section
from nucwsi.io.stores.publish import published

#: Bytes of paths that a command for a shell may hold: Linux allows it 128 kB in all.
_MAX_BYTES = 60_000


def find_own_commands() -> None:
    """Let jobs find ``nucwsi`` when the environment of this Python is not activated."""
    here = str(Path(sys.executable).parent)
    if here not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([here, os.environ.get("PATH", "")])


def result_flags(section: Section) -> str:
    """Render the settings that can change a result as options of the command line.

    Parameters
    ----------
    section : Section
        Settings of one verb.

    Returns
    -------
    str
        Quoted for a shell. As a parameter of a rule it makes its jobs rerun after a change.
    """
    return _rendered(section, speed=False)


def speed_flags(section: Section) -> str:
    """Render the settings that affect the speed alone as options of the command line.

    Parameters
    ----------
    section : Section
        Settings of one verb.

    Returns
    -------
    str
        Quoted for a shell. As a resource of a rule it never makes a job rerun.
    """
    return _rendered(section, speed=True)


def _rendered(section: Section, speed: bool) -> str:
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


def member_flags(config: Config) -> str:
    """Render the members of the ensemble as options of the command line.

    Parameters
    ----------
    config : Config
        Names the members.

    Returns
    -------
    str
        One ``--member`` each, quoted for a shell.
    """
    return flags("--member", config.members)


def flags(option: str, values: str | Iterable[object]) -> str:
    """Render values as an option of the command line that may be given several times.

    Parameters
    ----------
    option : str
        Such as ``--regions``.
    values : str or iterable
        One value, or any number of paths or other values.

    Returns
    -------
    str
        The option before each value, quoted for a shell; empty without values.

    Examples
    --------
    >>> flags("--regions", ["a.xml", "two words.xml"])
    "--regions a.xml --regions 'two words.xml'"
    """
    listed = [values] if isinstance(values, str) else values
    return " ".join(f"{option} {shlex.quote(str(value))}" for value in listed)


def argument_list(paths: Sequence[str], kept_in: Path) -> Sequence[str]:
    """Return paths as arguments of a command; of very many, the file that lists them.

    Parameters
    ----------
    paths : sequence of str
        Files that the command reads.
    kept_in : pathlib.Path
        Where the list is written, if the paths do not fit into a command.

    Returns
    -------
    sequence of str
        `paths`, or ``@`` and `kept_in`.

    Raises
    ------
    StoreError
        If the list cannot be written.
    """
    text = "".join(f"{path}\n" for path in paths)
    if len(text.encode()) <= _MAX_BYTES:
        return paths
    if not kept_in.exists() or kept_in.read_text("utf-8") != text:
        with published(kept_in) as aside:
            aside.write_text(text, "utf-8")
    return [f"@{kept_in}"]


def pair_flags(option: str, pairs: Mapping[str, str]) -> str:
    """Render names and texts as an option that takes two words and may be given several times.

    Parameters
    ----------
    option : str
        Such as ``--further``.
    pairs : mapping of str to str
        First word -> second word.

    Returns
    -------
    str
        The option before each pair, quoted for a shell; empty without pairs.

    Examples
    --------
    >>> pair_flags("--further", {"stain batch": "1", "group": ""})
    "--further 'stain batch' 1 --further group ''"
    """
    return " ".join(
        f"{option} {shlex.quote(first)} {shlex.quote(second)}" for first, second in pairs.items()
    )
