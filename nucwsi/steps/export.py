"""`export`: the nuclei for QuPath and, on request, for other programs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from nucwsi.config import EXTRA_EXPORTS, ExportSettings
from nucwsi.io.nuclei.parquet import iter_tables, read_facts
from nucwsi.io.nuclei.qupath import write_nuclei_zip
from nucwsi.io.outputs import check_outputs
from nucwsi.io.slides.identity import check_slide
from nucwsi.io.stores.publish import file_checksum

log = logging.getLogger(__name__)


def export(
    nuclei: Path,
    output: Path,
    settings: ExportSettings,
    *,
    slide: Path | None = None,
    features: Path | None = None,
) -> None:
    """Write the nuclei of a slide as a zip that is dropped into QuPath.

    Parameters
    ----------
    nuclei : pathlib.Path
        ``nuclei.parquet``.
    output : pathlib.Path
        ``{slide}.nuclei.qupath.zip``. Other formats that the settings ask for are made beside it:
        ``{slide}.labels.ome.zarr.zip``, ``{slide}.nuclei.fgb``, ``{slide}.nuclei.csv``,
        ``{slide}.nuclei.h5ad``.
    settings : ExportSettings
        QuPath's origin, the size of its files, and which other formats are made.
    slide : pathlib.Path, optional
        The slide's file, to make sure that the nuclei are its own; it may be missing.
    features : pathlib.Path, optional
        ``features.parquet`` of the nuclei, for AnnData.

    Raises
    ------
    StoreError
        If the table cannot be read or is of another slide, or an output cannot be written.
    """
    check_outputs([output, *_extras(output, settings).values()], [nuclei, slide, features])
    facts = read_facts(nuclei)
    if slide is not None:
        check_slide(slide, facts.slide_checksum, nuclei, may_be_absent=True)
    origin = facts.frame.origin_px if settings.qupath_origin == "auto" else (0.0, 0.0)
    written = write_nuclei_zip(
        output,
        iter_tables(nuclei),
        slide=facts.slide,
        classes=facts.classes,
        origin=origin,
        nuclei_per_file=settings.nuclei_per_file,
        facts={"export": _dumped(settings)},
    )
    log.info(
        "%d nuclei for QuPath; %d slivers below 1 px² left out", written.n_nuclei, written.n_dropped
    )
    for setting, path in _extras(output, settings).items():
        if setting == "ome_zarr":
            from nucwsi.io.nuclei.labels import write_labels

            write_labels(path, iter_tables(nuclei), facts, {"nuclei": file_checksum(nuclei)})
        elif setting == "anndata":
            from nucwsi.io.nuclei.h5ad import write_h5ad

            write_h5ad(path, nuclei, features)
        else:
            from nucwsi.io.nuclei.flat_tables import write_flatgeobuf, write_nuclei_csv

            (write_nuclei_csv if setting == "csv" else write_flatgeobuf)(path, nuclei)


def _extras(output: Path, settings: ExportSettings) -> dict[str, Path]:
    """Map the setting of each requested format to its file."""
    name = output.name.removesuffix(".zip").removesuffix(".qupath").removesuffix(".nuclei")
    return {
        setting: output.with_name(f"{name}.{ending}")
        for setting, ending in EXTRA_EXPORTS.items()
        if getattr(settings, setting)
    }


def _dumped(settings: ExportSettings) -> dict[str, Any]:
    """Return the settings for the record; what came later only where it is asked for."""
    return settings.model_dump(exclude=None if settings.anndata else {"anndata"})
