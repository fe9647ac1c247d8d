"""The thumbnail of a slide with the outlines of its tissue and regions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from nucwsi.composition.regions import Region
from nucwsi.grid import Frame
from nucwsi.report.assessment import RegionOutline, Thumbnail
from nucwsi.report.imagery import jpeg_uri, svg_path

#: Windows are about this much wider than high; a region is shown with this much room around it.
_WIDE, _AROUND = 1.5, 1.2


def thumbnail(
    image: NDArray[np.uint8],
    mpp: float,
    tissue: NDArray[np.object_],
    regions: Sequence[Region],
    rows: Sequence[dict[str, str]],
    frame: Frame,
    quality: int,
) -> Thumbnail:
    """Draw the outlines of tissue and regions over the image of a slide.

    Parameters
    ----------
    image : (H, W, 3) ndarray of uint8
        The whole canvas in RGB.
    mpp : float
        µm per pixel of the image.
    tissue : (P,) ndarray of shapely.Polygon
        Outlines of the tissue; x and y in level-0 pixels.
    regions : sequence of Region
        Regions of the slide, in the order of `rows`.
    rows : sequence of dict
        Rows of ``composition.csv`` (column -> text).
    frame : Frame
        How the canvas lies on the slide.
    quality : int
        JPEG quality, 1 to 100.

    Returns
    -------
    Thumbnail
        Image and outlines. Outlines are simplified to about a canvas pixel.
    """
    scale = (frame.level0_mpp[1] / mpp, frame.level0_mpp[0] / mpp)
    origin = (frame.origin_px[1], frame.origin_px[0])

    def _outline(shapes: NDArray[np.object_]) -> str:
        return svg_path(shapely.simplify(shapes, max(frame.scale)), scale, origin)

    extent = np.multiply((image.shape[1], image.shape[0]), 1 / np.array(scale))
    drawn = tuple(
        RegionOutline(
            row=place,
            source=rows[place]["region_source"],
            d=_outline(np.array([region.geometry], dtype=object)),
            point=_point_inside(region, origin, extent),
            view=_view(region, frame),
        )
        for place, region in zip(rows_of_regions(regions, rows), regions, strict=True)
        if rows[place]["region_source"] != "slide"
    )
    return Thumbnail(
        image=jpeg_uri(image, quality),
        size=(image.shape[1], image.shape[0]),
        mpp=mpp,
        tissue=_outline(tissue),
        regions=drawn,
    )


def _point_inside(
    region: Region, origin: tuple[float, float], extent: NDArray[np.float64]
) -> tuple[float, float] | None:
    """Return a point of the region as shares of the picture; None if it lies outside of it."""
    if region.geometry.is_empty:
        return None
    point = shapely.get_coordinates(region.geometry.representative_point())[0]
    x, y = ((point - origin) / extent).tolist()
    return (round(x, 4), round(y, 4)) if 0 <= x <= 1 and 0 <= y <= 1 else None


def _view(region: Region, frame: Frame) -> tuple[int, int, int] | None:
    """Return the centre of the region from the bounds' origin, and the width to show, in µm."""
    if region.geometry.is_empty:
        return None
    xmin, ymin, xmax, ymax = region.geometry.bounds
    mpp_y, mpp_x = frame.level0_mpp
    width = max((xmax - xmin) * mpp_x, (ymax - ymin) * mpp_y * _WIDE)
    x, y = (xmin + xmax) / 2 - frame.origin_px[1], (ymin + ymax) / 2 - frame.origin_px[0]
    return round(x), round(y), max(1, round(_AROUND * width))


def rows_of_regions(regions: Sequence[Region], rows: Sequence[dict[str, str]]) -> list[int]:
    """Find the row of each region in a table of regions.

    Both have the same order, but the table also holds regions without area, which have no outline.

    Parameters
    ----------
    regions : sequence of Region
        R regions that have an outline.
    rows : sequence of dict
        Rows of ``composition.csv`` (column -> text), the whole slide first.

    Returns
    -------
    list of int
        Place of each region's row in `rows`; 0, the whole slide, if the table lacks the region.
    """
    remaining = iter(enumerate(rows))
    places = []
    for region in regions:
        wanted = (region.name, region.region_class)
        matching = (at for at, r in remaining if (r["region_name"], r["region_class"]) == wanted)
        places.append(next(matching, 0))
    return places
