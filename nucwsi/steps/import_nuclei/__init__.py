"""The verb ``import``: nuclei that another program has found, as if they had been found here.

`place` brings them to the slide, and says when they lie there by chance. How files are read stands
in `io.foreign`, how outlines are measured in `nuclei.imported`.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from nucwsi.classes import check_names
from nucwsi.config import SegmentSettings, StitchSettings, TileSettings
from nucwsi.documents import first_fault
from nucwsi.errors import DataError
from nucwsi.facts import IMPORTED, Classes, Member, SlideFacts
from nucwsi.io.foreign.read import read_foreign
from nucwsi.io.nuclei.parquet import AT_ONCE, write_nuclei
from nucwsi.io.outputs import check_outputs
from nucwsi.io.regions.geojson import write_tissue
from nucwsi.io.stores.publish import file_checksum, workspace
from nucwsi.nuclei.constants import PostProcessing
from nucwsi.nuclei.imported import imported_table
from nucwsi.steps.import_nuclei.place import doubts, on_slide, sound
from nucwsi.steps.stitch import stitch
from nucwsi.steps.tile.area import area_um2
from nucwsi.steps.tile.examine import examined

log = logging.getLogger(__name__)

#: Resolution of the canvas by whose pixels nuclei are numbered, in µm per pixel.
_CANVAS_MPP = 0.5

#: The class of nuclei that the file gives none.
UNCLASSIFIED = "without class"


def import_nuclei(
    nuclei: Path,
    output: Path,
    *,
    slide: Path,
    tissue_output: Path,
    seams: Path,
    name: str,
    settings: TileSettings,
    slide_mpp: float | None = None,
    scene: str | None = None,
    nuclei_mpp: float | None = None,
    class_names: dict[str, str] | None = None,
    threads: int = 1,
) -> None:
    """Make a table of the nuclei that another program has found in a slide.

    Parameters
    ----------
    nuclei : pathlib.Path
        The program's file; see `read_foreign`.
    output : pathlib.Path
        ``nuclei.parquet``.
    slide : pathlib.Path
        The slide, of which the tissue, the mpp and the bounds are needed.
    tissue_output : pathlib.Path
        ``tissue.geojson``.
    seams : pathlib.Path
        ``seams.json``: whether nuclei are missing or doubled along lines of every 512 pixels. The
        seams of the other program may lie elsewhere.
    name : str
        The slide's name in all results.
    settings : TileSettings
        How tissue is found.
    slide_mpp : float, optional
        The user's value for level 0, in µm per pixel.
    scene : str, optional
        Which of several scenes of the slide: its number, from 1, or its name.
    nuclei_mpp : float, optional
        µm per pixel of the coordinates in `nuclei`. Default: what the file says, or level 0.
    class_names : dict of str to str, optional
        Number of a class -> its name, for files that number their classes.
    threads : int
        Pieces of the overview that are read at once.

    Raises
    ------
    DataError
        If `nuclei` cannot be read, or most of its nuclei lie off the slide.
    SlideError
        If the slide cannot be read or is no brightfield slide.
    StoreError
        If an output cannot be written.
    """
    check_outputs([output, tissue_output, seams], [nuclei, slide])
    found = read_foreign(nuclei, class_names or {})
    looking = examined(
        slide,
        # Where regions alone are analysed, the nuclei of others are kept wherever they lie.
        settings.model_copy(update={"only_regions": False}),
        name=name,
        mpp=_CANVAS_MPP,
        halo_px=0,
        slide_mpp=slide_mpp,
        scene=scene,
        threads=threads,
    )
    with looking as seen:
        facts, outlines = seen.facts, seen.tissue.outlines(seen.facts.frame)
        polygons = on_slide(nuclei, found, seen.source, nuclei_mpp)
        kept, said = sound(nuclei, polygons, facts.frame)
        said += doubts(nuclei, found, polygons[kept], seen, nuclei_mpp)
    classes = _classes(nuclei, found.names, class_names or {})
    code = np.array([classes.index(name or UNCLASSIFIED) for name in found.names])[kept]
    facts = _imported(facts, nuclei, found.form, classes, said)
    facts = facts.with_(tissue_um2=area_um2(outlines, facts.frame))
    certainty = found.certainty[kept]
    table = imported_table(polygons[kept], code, len(classes), certainty, facts.frame)
    with workspace(output.with_name(f"{output.name}.import"), facts.to_json()) as place:
        part = place.folder / "part.parquet"
        write_nuclei(part, [table], facts, row_group=AT_ONCE)
        stitch([part], output, seams, StitchSettings())
    write_tissue(tissue_output, outlines, facts)
    log.info("%d nuclei of %d classes from %s", len(table), len(classes), found.form)


def _classes(path: Path, names: Sequence[str], class_names: Mapping[str, str]) -> tuple[str, ...]:
    """Return the classes of the nuclei in alphabetical order; refuse what no table can hold."""
    classes = tuple(sorted({name or UNCLASSIFIED for name in names}))
    if class_names and any(names) and not set(class_names.values()) & set(classes):
        raise DataError(
            f"{path}: the classes {', '.join(class_names)} are named, but it has"
            f" {', '.join(classes):.200}; leave --classes (column `nuclei_classes`) out"
        )
    try:
        TypeAdapter(Classes).validate_python(classes)
        check_names(classes, ())
    except ValueError as error:
        told = first_fault(error) if isinstance(error, ValidationError) else str(error)
        raise DataError(
            f"{path}: its {len(classes)} classes cannot be taken over: {told:.300}; rename them in"
            " the other program"
        ) from None
    return classes


def _imported(
    facts: SlideFacts, nuclei: Path, form: str, classes: tuple[str, ...], said: tuple[str, ...]
) -> SlideFacts:
    """Say in the facts of the slide where its nuclei come from, and log what makes them less."""
    warnings = (
        f"the nuclei were found by another program ({form}: {nuclei.name}); nucwsi does not know"
        " how its result depends on tiles, nor how far its classes can be trusted",
        *said,
    )
    for line in warnings:
        log.warning("%s: %s", facts.slide, line)
    return facts.with_(
        kind="part",
        exact=False,
        members=(Member(name=f"{IMPORTED}{nuclei.name}", checksum=_checksum(nuclei)),),
        classes=classes,
        warnings=facts.warnings + warnings,
        # Every table names the constants that its nuclei were cut with; these cut nothing.
        post_processing=PostProcessing(0.5, 0.08, 0.0, dict.fromkeys(classes, 0.0)),
        segment={**SegmentSettings().model_dump(), "np_level": 1},
        n_dropped=dict.fromkeys(classes, 0),
    )


def _checksum(path: Path) -> str:
    """Return the checksum of a file, or of all files in a folder of OME-Zarr."""
    if not path.is_dir():
        return file_checksum(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    told = [(file.relative_to(path).as_posix(), file_checksum(file)) for file in files]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]
