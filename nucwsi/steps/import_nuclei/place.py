"""Where the nuclei of another program lie on the slide, and whether they lie there by chance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely

from nucwsi.errors import DataError
from nucwsi.grid import Frame
from nucwsi.io.foreign.outlines import ForeignNuclei
from nucwsi.io.slides.canvas import SlideCanvas
from nucwsi.nuclei.placement import (
    image_scale,
    is_darker,
    is_usual_scale,
    placement,
    sampled,
    window_around,
)
from nucwsi.nuclei.validity import Geometries, repaired
from nucwsi.steps.tile.examine import Examined

#: µm per pixel at an objective power of 1, as most scanners have it, and the usual powers.
_POWER_UM, _POWERS = 10.0, (5.0, 10.0, 20.0, 40.0, 80.0)

#: Median areas of nuclei that are plausible, in µm².
_LEAST_UM2, _MOST_UM2 = 4.0, 400.0

#: With more of the nuclei on glass, or less of the tissue around them, they may be misplaced.
_ON_GLASS, _REACHED = 0.2, 0.5

#: So many nuclei are compared with their surroundings, and so many of them (0 to 1) are darker.
#: Of 100 nuclei in place 100 were, on two slides; of 100 that were moved or scaled, 11 to 53.
_COMPARED, _LEAST_COMPARED, _DARKER = 100, 10, 0.75

#: What is wider is no nucleus whose surroundings can be told, in canvas pixels.
_WIDEST_PX = 256

#: What a user does about it.
_WAY_OUT = "--nuclei-mpp (column `nuclei_mpp` of a slide sheet)"


def on_slide(
    path: Path, found: ForeignNuclei, source: SlideCanvas, nuclei_mpp: float | None
) -> Geometries:
    """Bring the outlines of a file to the slide.

    Parameters
    ----------
    path : pathlib.Path
        The file, for errors.
    found : ForeignNuclei
        Its N nuclei, in the pixels that it counts in.
    source : SlideCanvas
        The open slide.
    nuclei_mpp : float or None
        The user's value for these pixels, in µm.

    Returns
    -------
    (N,) ndarray of shapely.Polygon
        In level-0 pixels, x and y; repaired, some maybe without area.

    Raises
    ------
    DataError
        If a label image has other proportions than the slide.
    """
    frame = source.frame
    um = np.array(frame.level0_mpp[::-1])
    scale = np.ones(2)
    if nuclei_mpp is not None:
        scale = nuclei_mpp / um
    elif found.size_px is not None:
        stretch = image_scale(found.size_px, frame.level0_shape)
        if stretch is None:
            height, width = found.size_px
            raise DataError(
                f"{path}: has {height} x {width} px, but the slide {frame.level0_shape[0]} x"
                f" {frame.level0_shape[1]}; expected the same proportions, or --nuclei-mpp for an"
                " image that begins at the slide's upper left corner and shows more or less of it"
            )
        scale = stretch
    elif found.mag is not None:
        # The pixels of a power are those of level 0 divided by a whole number, whatever their mpp:
        # taken as 0.25 µm at 40, those of a slide of 0.2527 µm would drift by 1 %.
        own = source.slide.objective_power or min(
            _POWERS, key=lambda usual: abs(np.log(usual * um[0] / _POWER_UM))
        )
        scale = np.full(2, own / found.mag)
    shift = np.array(frame.origin_px[::-1]) if found.origin == "bounds" else np.zeros(2)
    moved = shapely.transform(found.polygons, lambda xy: np.round(xy * scale + shift, 2))
    return repaired(moved)


def sound(path: Path, polygons: Geometries, frame: Frame) -> tuple[np.ndarray, tuple[str, ...]]:
    """Tell which outlines are nuclei of the slide.

    Parameters
    ----------
    path : pathlib.Path
        The file, for errors.
    polygons : (N,) ndarray of shapely.Polygon
        Of `on_slide`.
    frame : Frame
        Says how large the slide is.

    Returns
    -------
    on_slide : (N,) ndarray of bool
        Whether it has an area, its centroid lies on the slide, and no other one before it has the
        same outline.
    said : tuple of str
        Why others were left out, one line each.

    Raises
    ------
    DataError
        If most of them are left out.
    """
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
    first = np.zeros(len(polygons), bool)
    outlines = shapely.to_wkb(shapely.normalize(polygons))
    first[np.unique(outlines, return_index=True)[1]] = True
    n_again = int((on_slide & ~first).sum())
    said = (
        *((n_flat, "have no area"), (n_off, "lie off the slide")),
        (n_again, "have the outline of another one"),
    )
    left_out = tuple(f"{n} imported nuclei {why} and are left out" for n, why in said if n)
    return on_slide & first, left_out


def doubts(
    path: Path,
    found: ForeignNuclei,
    polygons: Geometries,
    seen: Examined,
    nuclei_mpp: float | None,
) -> tuple[str, ...]:
    """Say what speaks against the place and the size that the nuclei have on the slide.

    Parameters
    ----------
    path : pathlib.Path
        The file, for errors.
    found : ForeignNuclei
        What was read of it.
    polygons : (N,) ndarray of shapely.Polygon
        Its sound nuclei, at least one, in level-0 pixels, x and y.
    seen : Examined
        The slide, open, and its tissue.
    nuclei_mpp : float or None
        The user's value for the pixels that the file counts in, in µm.

    Returns
    -------
    tuple of str
        One line for each doubt.

    Raises
    ------
    DataError
        If the nuclei are implausibly small or large, and the user has not said how large the pixels
        are.
    """
    frame, said = seen.facts.frame, []
    # Where all is analysed, nobody says what of it is tissue.
    known = seen.facts.tile["tissue"] != "all"
    lies = placement(polygons, seen.tissue.outlines(frame) if known else [], frame)
    if not _LEAST_UM2 <= lies.median_um2 <= _MOST_UM2:
        size = (
            f"half of the imported nuclei have {lies.median_um2:.3g} µm² or more, and a median of"
            f" {_LEAST_UM2:g} to {_MOST_UM2:g} µm² was expected"
        )
        if nuclei_mpp is None:
            raise DataError(f"{path}: {size}; state the µm per pixel that it counts in: {_WAY_OUT}")
        said.append(size)
    if found.size_px is not None and nuclei_mpp is None:
        levels = [level.shape for level in seen.source.slide.levels]
        um = frame.level0_mpp[0] * frame.level0_shape[0] / found.size_px[0]
        if not is_usual_scale(found.size_px, levels, um):
            said.append(
                f"the label image is taken to show the whole slide, at an odd {um:.4g} µm per pixel"
            )
    if lies.on_glass > _ON_GLASS:
        said.append(f"{lies.on_glass:.0%} of the imported nuclei lie on glass")
    if lies.tissue_reached < _REACHED:
        said.append(
            f"around the imported nuclei is {lies.tissue_reached:.0%} of the tissue; densities of"
            " the slide count the rest as tissue without nuclei"
        )
    said += _not_darker(polygons, seen.source)
    return tuple(f"{doubt}; check the slide, and {_WAY_OUT}" for doubt in said)


def _not_darker(polygons: Geometries, source: SlideCanvas) -> list[str]:
    """Say whether the outlines lie beside the nuclei that the slide shows."""
    answers = []
    for outline in sampled(polygons, _COMPARED):
        shape = shapely.transform(
            outline, lambda xy: source.frame.from_level0(xy[:, ::-1])[:, ::-1]
        )
        window = window_around(shape)
        if max(window.height, window.width) > _WIDEST_PX:
            continue
        rgb, bad = source.read(window)
        if not bad:
            answers.append(is_darker(rgb, window, shape))
    if len(answers) < _LEAST_COMPARED or np.mean(answers) >= _DARKER:
        return []
    return [
        f"{len(answers) - sum(answers)} of {len(answers)} imported nuclei are no darker than what"
        " is around them, as if they lay beside the slide's nuclei"
    ]
