"""The verb ``import``: nuclei that another program has found, as if they had been found here."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import numpy as np
import shapely

from nucwsi.config import SegmentSettings, StitchSettings, TileSettings
from nucwsi.errors import DataError
from nucwsi.facts import Member, SlideFacts
from nucwsi.grid import Frame
from nucwsi.io.foreign.outlines import ForeignNuclei
from nucwsi.io.foreign.read import read_foreign
from nucwsi.io.nuclei.parquet import AT_ONCE, write_nuclei
from nucwsi.io.outputs import check_outputs
from nucwsi.io.regions.geojson import write_tissue
from nucwsi.io.stores.publish import file_checksum, workspace
from nucwsi.nuclei.constants import PostProcessing
from nucwsi.nuclei.imported import imported_table
from nucwsi.nuclei.validity import Geometries, repaired
from nucwsi.steps.stitch import stitch
from nucwsi.steps.tile.area import area_um2
from nucwsi.steps.tile.examine import examined

log = logging.getLogger(__name__)

#: Resolution of the canvas by whose pixels nuclei are numbered, in µm per pixel.
_CANVAS_MPP = 0.5

#: The class of nuclei that the file gives none.
UNCLASSIFIED = "without class"

#: µm per pixel at an objective power of 1, as most scanners have it, and the usual powers.
_POWER_UM, _POWERS = 10.0, (5.0, 10.0, 20.0, 40.0, 80.0)

#: By how much the proportions of a label image may differ from those of the slide.
_STRETCH = 0.01


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
        power = seen.source.slide.objective_power
    polygons = _on_slide(nuclei, found, facts.frame, nuclei_mpp, power)
    kept, left_out = _sound(nuclei, polygons, facts.frame)
    classes = tuple(sorted({name or UNCLASSIFIED for name in found.names}))
    code = np.array([classes.index(name or UNCLASSIFIED) for name in found.names])[kept]
    facts = _imported(facts, nuclei, found.form, classes, left_out)
    facts = facts.with_(tissue_um2=area_um2(outlines, facts.frame))
    certainty = found.certainty[kept]
    table = imported_table(polygons[kept], code, len(classes), certainty, facts.frame)
    with workspace(output.with_name(f"{output.name}.import"), facts.to_json()) as place:
        part = place.folder / "part.parquet"
        write_nuclei(part, [table], facts, row_group=AT_ONCE)
        stitch([part], output, seams, StitchSettings())
    write_tissue(tissue_output, outlines, facts)
    log.info("%d nuclei of %d classes from %s", len(table), len(classes), found.form)


def _imported(
    facts: SlideFacts, nuclei: Path, form: str, classes: tuple[str, ...], left_out: tuple[str, ...]
) -> SlideFacts:
    """Say in the facts of the slide where its nuclei come from, and log what makes them less."""
    warnings = (
        f"the nuclei were found by another program ({form}: {nuclei.name}); nucwsi does not know"
        " how its result depends on tiles, nor how far its classes can be trusted",
        *left_out,
    )
    for line in warnings:
        log.warning("%s: %s", facts.slide, line)
    return facts.with_(
        kind="part",
        exact=False,
        members=(Member(name=f"imported: {nuclei.name}", checksum=_checksum(nuclei)),),
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


def _on_slide(
    path: Path,
    found: ForeignNuclei,
    frame: Frame,
    nuclei_mpp: float | None,
    power: float | None,
) -> Geometries:
    """Return the outlines in level-0 pixels of the slide, whose objective power may be known."""
    um = np.array(frame.level0_mpp[::-1])
    scale = np.ones(2)
    if nuclei_mpp is not None:
        scale = nuclei_mpp / um
    elif found.size_px is not None:
        scale = np.divide(frame.level0_shape, found.size_px)[::-1]
        if abs(scale[0] / scale[1] - 1) > _STRETCH:
            height, width = found.size_px
            raise DataError(
                f"{path}: has {height} x {width} px, but the slide {frame.level0_shape[0]} x"
                f" {frame.level0_shape[1]}; expected the same proportions, or --nuclei-mpp"
            )
    elif found.mag is not None:
        # The pixels of a power are those of level 0 divided by a whole number, whatever their mpp:
        # taken as 0.25 µm at 40, those of a slide of 0.2527 µm would drift by 1 %.
        own = power or min(_POWERS, key=lambda usual: abs(np.log(usual * um[0] / _POWER_UM)))
        scale = np.full(2, own / found.mag)
    shift = np.array(frame.origin_px[::-1]) if found.origin == "bounds" else np.zeros(2)
    moved = shapely.transform(found.polygons, lambda xy: np.round(xy * scale + shift, 2))
    return repaired(moved)


def _sound(path: Path, polygons: Geometries, frame: Frame) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return which outlines are nuclei of the slide, and say what was left out."""
    height, width = frame.level0_shape
    has_area = shapely.area(polygons) > 0
    centre = shapely.get_coordinates(shapely.centroid(polygons[has_area]))
    on_slide = has_area.copy()
    on_slide[has_area] = ((centre >= 0) & (centre < (width, height))).all(axis=1)
    n_flat, n_off = int((~has_area).sum()), int((has_area & ~on_slide).sum())
    if 2 * on_slide.sum() <= len(polygons):
        raise DataError(
            f"{path}: {n_off} of {len(polygons)} nuclei lie off the slide of {height} x {width} px,"
            f" and {n_flat} have no area; check the slide, and --nuclei-mpp"
        )
    said = ((n_flat, "have no area"), (n_off, "lie off the slide"))
    return on_slide, tuple(f"{n} imported nuclei {why} and are left out" for n, why in said if n)
