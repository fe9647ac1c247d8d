"""Which slides a job has copied to a local disk before it reads them, and by which plug-in."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Mapping

from nucwsi.config import Config
from nucwsi.errors import ConfigError
from nucwsi.io.slides.remote import STORAGE, address, shown, staging_fault
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.workflow.plan import DEMO_SLIDE


def staged_slides(config: Config, slides: Mapping[str, SlideEntry]) -> dict[str, tuple[str, str]]:
    """Return which slides are fetched by Snakemake's storage plug-ins.

    Nothing is read, and no storage is asked.

    Parameters
    ----------
    config : Config
        Its setting `stage` says whether slides of local paths are copied as well.
    slides : mapping
        Name of each slide -> its entry.

    Returns
    -------
    dict
        Name of each slide that is fetched -> name of the plug-in, and what it is asked for.

    Raises
    ------
    ConfigError
        If a plug-in, or the program that it calls, is not installed, or a slide is more than one
        file.
    """
    staged = {}
    for name, entry in slides.items():
        where = address(entry.path)
        if where is not None:
            staged[name] = (STORAGE[where.partition(":")[0]], where)
        elif config.stage and entry.path != DEMO_SLIDE and entry.path.exists():
            fault = staging_fault(entry.path)
            if fault:
                raise ConfigError(f"{config.slides}: slide {name!r}: {entry.path} {fault}")
            staged[name] = ("fs", str(entry.path))
    for plugin in {plugin for plugin, _ in staged.values()}:
        if importlib.util.find_spec(f"snakemake_storage_plugin_{plugin}") is None:
            name = next(name for name, (needed, _) in staged.items() if needed == plugin)
            raise ConfigError(
                f"{config.slides}: slide {name!r}: {shown(slides[name].path)} needs"
                f" snakemake-storage-plugin-{plugin}, which is not installed: pip install"
                f" snakemake-storage-plugin-{plugin}"
            )
    if any(plugin == "fs" for plugin, _ in staged.values()) and shutil.which("rsync") is None:
        raise ConfigError(
            "`stage`: slides are copied with rsync, which is not installed; install it with the"
            " system's packages, or leave `stage` out"
        )
    return staged
