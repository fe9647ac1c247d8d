"""Where the workflow lies: in a clone beside the package, in a wheel within it."""

from __future__ import annotations

from pathlib import Path

import nucwsi
from nucwsi.errors import ConfigError

_PACKAGE = Path(nucwsi.__file__).parent

#: The Snakefile that works from any folder.
SNAKEFILE = _PACKAGE / "Snakefile"


def pipeline_folder() -> Path:
    """Return the folder that holds `workflow`, `config` and `envs`.

    Returns
    -------
    pathlib.Path
        The clone, or what the wheel holds of it.
    """
    inside = _PACKAGE / "pipeline"
    return inside if inside.is_dir() else _PACKAGE.parent


def bundled(kind: str, name: str) -> Path:
    """Find a profile or a configuration by the user's word for it.

    Parameters
    ----------
    kind : str
        ``profile`` or ``configuration``.
    name : str
        A path, or the name of one that comes with nucwsi, such as ``slurm`` or ``accurate``.

    Returns
    -------
    pathlib.Path
        Absolute; what exists in the working directory goes before what comes with nucwsi.

    Raises
    ------
    ConfigError
        If there is neither.
    """
    path = Path(name).expanduser()
    # A folder `local` that holds something else is no profile.
    if (path.is_dir() and any(path.glob("profile*.yaml"))) or path.is_file():
        return path.absolute()
    if kind == "profile":
        own = {p.name: p for p in (pipeline_folder() / "workflow" / "profiles").iterdir()}
    else:
        files = (pipeline_folder() / "config").glob("*.yaml")
        own = {p.stem: p for p in files if p.stem not in {"config", "ensemble"}}
    if name not in own:
        raise ConfigError(
            f"{name}: there is no such {kind}; name a file of your own, or one of"
            f" {', '.join(sorted(own))}"
        )
    return own[name]
