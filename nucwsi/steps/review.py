"""`review`: draw the nuclei and frames that a pathologist is asked about."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from nucwsi.classes import most_probable
from nucwsi.composition.regions import owned_nuclei
from nucwsi.config import ReviewSettings
from nucwsi.errors import ConfigError
from nucwsi.io.outputs import check_outputs
from nucwsi.io.review.results import (
    NUCLEI,
    SlideResults,
    read_outlines,
    read_results,
    result_folders,
    tissue_of,
)
from nucwsi.io.review.worklist import write_draw, write_worklist
from nucwsi.io.stores.publish import fingerprint, published
from nucwsi.report.viewer_document import WORKLIST, script
from nucwsi.review.answers import NOT_A_NUCLEUS, class_key
from nucwsi.review.draw import Draw, DrawnFrame, DrawnNucleus
from nucwsi.review.drawing import inclusion_probabilities, shared_out, sizes, systematic_draw
from nucwsi.review.frames import FrameGrid, frame_sizes
from nucwsi.review.walking import walking_order

log = logging.getLogger(__name__)

#: Most squares into which a slide is cut for frames.
_MAX_SQUARES = 5_000_000


@dataclass(frozen=True)
class _Drawable:
    """What can be drawn of a slide.

    `rows` (n,) are the nuclei in the chosen regions, `block` (n,) the region of each, `size` (n,)
    what their chances are proportional to. `squares` (F,) of `grid` can hold nuclei; `frame_size`
    (F,) is what their chances are proportional to.
    """

    results: SlideResults
    area: Any
    rows: NDArray[np.int64]
    block: NDArray[np.int64]
    size: NDArray[np.float64]
    grid: FrameGrid
    squares: NDArray[np.int64]
    frame_size: NDArray[np.float64]


def review(
    results: Path,
    output: Path,
    settings: ReviewSettings,
    *,
    regions: Sequence[str] = (),
    classes: Sequence[str] = (),
) -> list[Path]:
    """Draw nuclei and frames of a slide or of a cohort, and write them for QuPath.

    Parameters
    ----------
    results : pathlib.Path
        Folder of the results of a slide or of a cohort. Each slide keeps the record of its draw
        there, in ``review``.
    output : pathlib.Path
        The worklist, ``.geojson``. For a cohort it is one for each slide: of ``worklist.geojson``,
        ``worklist.<slide>.geojson``.
    settings : ReviewSettings
        Number of nuclei and frames, and whether classes are shown.
    regions : sequence of str
        Names or ids of the regions to draw from; by default the whole of each slide.
    classes : sequence of str
        Classes that answers may name besides those of the network.

    Returns
    -------
    list of pathlib.Path
        The worklists that were written.

    Raises
    ------
    ConfigError
        If a region is not there, a class is declared twice, or there is nothing to draw.
    StoreError
        If a result is missing or damaged, or an output cannot be written.
    """
    if output.suffix.lower() not in {".geojson", ".json"}:
        raise ConfigError(f"{output}: does not end like a worklist; name it worklist.geojson")
    folders = result_folders(results)
    worklists = _worklists(folders, output)
    check_outputs(worklists, [folder / NUCLEI for folder in folders])
    slides = [_drawable(read_results(folder), regions, settings.frame_um) for folder in folders]
    _check_regions(slides, regions, results)
    n_labels = _shared([slide.size for slide in slides], settings.labels)
    n_frames = _shared([slide.frame_size for slide in slides], settings.frames)
    if not sum(n_labels):
        raise ConfigError(f"{results}: holds no nucleus in the chosen regions; choose others")
    made = [
        _drawn(slide, settings, n, frames, regions, classes)
        for slide, n, frames in zip(slides, n_labels, n_frames, strict=True)
    ]
    written = []
    for slide, draw, path in zip(slides, made, worklists, strict=True):
        if draw.nuclei or draw.frames:
            _write(path, slide.results, draw)
            written.append(path)
    log.info("%d nuclei and %d frames on %d slides", sum(n_labels), sum(n_frames), len(written))
    return written


def _worklists(folders: Sequence[Path], output: Path) -> list[Path]:
    if len(folders) == 1:
        return [output]
    return [output.with_name(f"{output.stem}.{f.name}{output.suffix}") for f in folders]


def _shared(size: Sequence[NDArray[np.float64]], n: int) -> list[int]:
    if not n:
        return [0] * len(size)
    weight = np.array([one.sum() for one in size])
    return shared_out(weight, np.array([len(one) for one in size]), n)


def _check_regions(slides: Sequence[_Drawable], regions: Sequence[str], results: Path) -> None:
    rows = [row for slide in slides for row in slide.results.rows]
    known = {row[name] for row in rows for name in ("region_id", "region_name")}
    for name in regions:
        if name not in known:
            listed = ", ".join(sorted(known)[:20])
            raise ConfigError(f"{results}: has no region {name!r:.80}; there are {listed}")


def _drawable(results: SlideResults, chosen: Sequence[str], frame_um: float) -> _Drawable:
    """Find what can be drawn of a slide: of chosen regions, or of the whole."""
    rows = results.rows
    named = [
        at
        for at, row in enumerate(rows)
        if row["region_id"] in chosen or row["region_name"] in chosen
    ]
    whole = [at for at, row in enumerate(rows) if row["region_source"] == "slide"][:1]
    drawn_from = [results.regions[at] for at in (named if chosen else whole)]
    # Without a choice, each of the user's regions shall have its part of the nuclei.
    user = [at for at, row in enumerate(rows) if row["region_source"] == "user"]
    blocks = [results.regions[at] for at in (named if chosen else user)]
    area = shapely.union_all([region.geometry for region in drawn_from])
    inside = np.unique(owned_nuclei(results.points, drawn_from)[1])
    block = np.full(len(results.ids), len(blocks))
    of_block, member = owned_nuclei(results.points, blocks)
    # In overlapping regions the first one counts, so it is written last.
    block[member[::-1]] = of_block[::-1]
    size = sizes(results.class_probabilities[inside], block[inside]) if len(inside) else np.empty(0)
    mpp = results.facts.frame.level0_mpp
    grid = _grid(area, (frame_um / mpp[1], frame_um / mpp[0]), frame_um)
    nuclei = grid.square_of(results.points[inside])
    looked_at = shapely.intersection(tissue_of(results.folder), area)
    squares = grid.inhabited(looked_at, nuclei)
    frames = frame_sizes(squares, nuclei)
    return _Drawable(results, area, inside, block[inside], size, grid, squares, frames)


def _grid(area: Any, side_px: tuple[float, float], frame_um: float) -> FrameGrid:
    bounds = (0.0, 0.0, 0.0, 0.0) if area.is_empty else area.bounds
    grid = FrameGrid.over(bounds, side_px)
    if grid.n_rows * grid.n_columns > _MAX_SQUARES:
        raise ConfigError(
            f"`frame_um` {frame_um:g} µm cuts the slide into {grid.n_rows * grid.n_columns:,}"
            f" squares, expected {_MAX_SQUARES:,} at most; take larger ones"
        )
    return grid


def _drawn(
    slide: _Drawable,
    settings: ReviewSettings,
    n_labels: int,
    n_frames: int,
    regions: Sequence[str],
    classes: Sequence[str],
) -> Draw:
    """Draw from one slide; the same results and settings always draw the same."""
    results = slide.results
    facts = results.facts
    known = _declared(facts.classes, classes)
    area = shapely.geometry.mapping(slide.area)
    made = {
        "results": results.fingerprint,
        "settings": settings.model_dump(exclude={"blind"}),
        "numbers": [n_labels, n_frames],
        "regions": [*regions],
        "area": slide.area.wkt,
    }
    key = fingerprint(made)[:16]
    rng = np.random.default_rng(int(key, 16))
    chance = inclusion_probabilities(slide.size, n_labels) if n_labels else slide.size[:0]
    at = systematic_draw(chance, slide.block, rng) if n_labels else np.empty(0, np.int64)
    at = at[walking_order(results.points[slide.rows[at]])]
    frame_chance = inclusion_probabilities(slide.frame_size, n_frames)
    blank = np.zeros(len(slide.squares), np.int64)
    frames = systematic_draw(frame_chance, blank, rng) if n_frames else np.empty(0, np.int64)
    boxes = slide.grid.boxes(slide.squares[frames])
    order = walking_order(boxes[:, :2])
    return Draw(
        key=key,
        slide=facts.slide,
        slide_checksum=facts.slide_checksum,
        results=results.fingerprint,
        classes=known,
        regions=tuple(regions),
        area=area,
        blind=settings.blind,
        nuclei=tuple(
            DrawnNucleus(id=int(results.ids[slide.rows[one]]), probability=float(chance[one]))
            for one in at.tolist()
        ),
        frames=tuple(
            DrawnFrame(box=tuple(boxes[one].tolist()), probability=float(frame_chance[frames[one]]))
            for one in order.tolist()
        ),
    )


def _declared(network: Sequence[str], further: Sequence[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys([*network, *(" ".join(name.split()) for name in further)]))
    keys = [class_key(name) for name in names]
    for name, key in zip(names, keys, strict=True):
        if not key or ":" in name or name.endswith("*") or not name.isprintable():
            raise ConfigError(
                f"the class {name!r:.80} is no name for QuPath; expected printable characters"
                " without a colon, and no star at its end"
            )
        if keys.count(key) > 1 or key == class_key(NOT_A_NUCLEUS):
            raise ConfigError(f"the class {name!r:.80} is there already; name another")
    return names


def _write(path: Path, results: SlideResults, draw: Draw) -> None:
    facts = results.facts
    wanted = [nucleus.id for nucleus in draw.nuclei]
    row = {int(ident): at for at, ident in enumerate(results.ids.tolist())}
    code = most_probable(results.class_probabilities[[row[ident] for ident in wanted]])
    predicted = {i: facts.classes[c] for i, c in zip(wanted, code.tolist(), strict=True)}
    outlines = read_outlines(results.folder, wanted)
    # The record first: a worklist without one could not be answered.
    write_draw(results.folder, draw)
    worklist = write_worklist(path, draw, outlines, predicted, facts.frame.origin_px)
    viewer = results.folder / "viewer" / WORKLIST
    if viewer.exists():
        with published(viewer) as aside:
            aside.write_text(script("nucwsi.offer", worklist), "utf-8")
        log.info("%s: begins the review", viewer.with_name("index.html"))
    log.info("%s: draw %s of %s", path, draw.key, draw.slide)
