"""`export`: the nuclei for QuPath."""

from __future__ import annotations

import logging
from pathlib import Path

from nucwsi.config import ExportSettings
from nucwsi.io.qupath import write_nuclei_zip
from nucwsi.io.tables import iter_tables, read_facts

log = logging.getLogger(__name__)


def export(nuclei: Path, output: Path, settings: ExportSettings) -> None:
    """Write the nuclei of a slide as a zip that is dropped into QuPath.

    Parameters
    ----------
    nuclei : pathlib.Path
        ``nuclei.parquet``.
    output : pathlib.Path
        ``{slide}.nuclei.qupath.zip``.
    settings : ExportSettings

    Raises
    ------
    StoreError
        If the table cannot be read, or the zip cannot be written.
    """
    facts = read_facts(nuclei)
    top, left = facts["frame"]["origin_px"] if settings.qupath_origin == "auto" else (0.0, 0.0)
    written = write_nuclei_zip(
        output,
        iter_tables(nuclei),
        slide=facts["slide"],
        classes=tuple(facts["classes"]),
        origin=(top, left),
        nuclei_per_file=settings.nuclei_per_file,
    )
    log.info(
        "%d nuclei for QuPath; %d slivers below 1 px² left out", written.n_nuclei, written.n_dropped
    )
