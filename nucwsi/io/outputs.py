"""Whether what a command is to write would destroy what it reads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nucwsi.errors import ConfigError, StoreError


def check_outputs(
    outputs: Iterable[Path | None],
    inputs: Iterable[Path | None],
    *,
    within: Iterable[Path | None] = (),
    folder: bool = False,
) -> None:
    """Refuse an output that is an input, a link to one, in an input folder, or named twice.

    Parameters
    ----------
    outputs : iterable of pathlib.Path or None
        What will be written; None where it is not asked for.
    inputs : iterable of pathlib.Path or None
        Files that will be read; they need not exist.
    within : iterable of pathlib.Path or None
        Folders that will be read, or files; no output may lie in these folders.
    folder : bool
        Whether the outputs are folders.

    Raises
    ------
    ConfigError
        Before anything is written, if two of these are the same, or an output lies in an input.
    StoreError
        If there is a folder where a file is to be written.
    """
    given = [path for path in inputs if path is not None]
    folders = [path for path in within if path is not None]
    # The parts of a slide of MIRAX lie in a folder of its name.
    folders += [path.with_suffix("") for path in given if path.suffix.lower() == ".mrxs"]
    seen: dict[Path, Path] = {}
    for output in (path for path in outputs if path is not None):
        if not folder and output.is_dir():
            raise StoreError(f"{output}: cannot be written: Is a directory; name a file in it")
        place = _place(output)
        if place in seen:
            raise ConfigError(f"{output}: is to be written twice; name two files")
        seen[place] = output
        for path in (*given, *folders):
            if place == _place(path) or _same_file(output, path):
                raise ConfigError(
                    f"{output}: is also read ({path}) and would be lost; name another output"
                )
            if path in folders and _place(path) in place.parents and path.is_dir():
                raise ConfigError(
                    f"{output}: lies in {path}, which is read; name an output elsewhere"
                )
            if folder and place in _place(path).parents:
                raise ConfigError(f"{output}: holds {path}, which is read; name another output")


def _place(path: Path) -> Path:
    """Return where a path leads in the end; a link that leads in circles stays what it is."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path.absolute()


def _same_file(one: Path, other: Path) -> bool:
    """Tell whether two paths name one file, such as two hard links."""
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False
