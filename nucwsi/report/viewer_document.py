"""The content of the viewer's ``slide.js``: what its page knows of the slide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray

from nucwsi.classes import colours, display_name
from nucwsi.composition.regions import Region
from nucwsi.facts import SlideFacts
from nucwsi.grid import CELL_PX, Frame
from nucwsi.nuclei.polygons import level0_to_canvas
from nucwsi.report import viewer_tiles
from nucwsi.report.pyramid import TILE_PX, Pyramid


def script(function: str, *values: Any) -> str:
    """Return data as a script that calls a function of the page.

    A page that is opened from a disk may load scripts, but no other files.

    Parameters
    ----------
    function : str
        Name of the function in JavaScript.
    *values : Any
        Its arguments: plain JSON types.

    Returns
    -------
    str
        One line of JavaScript.
    """
    return f"{function}({', '.join(orjson.dumps(value).decode() for value in values)});\n"


def slide_document(
    facts: SlideFacts,
    pyramid: Pyramid,
    class_code: NDArray[np.uint8],
    regions: Iterable[Region],
    tiles: Mapping[str, int],
) -> dict[str, Any]:
    """Gather what the viewer's page knows of the slide.

    Parameters
    ----------
    facts : SlideFacts
        Name, frame and classes of the slide.
    pyramid : Pyramid
        The tiles of its image.
    class_code : (N,) ndarray of uint8
        Index of the assigned class of each nucleus of the slide.
    regions : iterable of Region
        Regions of the slide; the whole slide among them is left out.
    tiles : mapping of str to int
        ``column_row`` of each tile of nuclei -> number of its nuclei.

    Returns
    -------
    dict
        Plain JSON types. ``scale`` leads from canvas pixels to level-0 pixels from the origin of
        the slide's bounds, along x and along y. ``image.rows`` has a 1 for each tile that exists
        at full resolution; from level ``image.whole`` down, all tiles exist.
    """
    frame = facts.frame
    return {
        "name": facts.slide,
        "width": frame.shape[1],
        "height": frame.shape[0],
        "mpp": frame.mpp,
        "scale": [frame.scale[1], frame.scale[0]],
        "image": {
            "tile": TILE_PX,
            "min": pyramid.min_level,
            "max": pyramid.max_level,
            "whole": pyramid.max_level - CELL_PX.bit_length() + 1,
            "rows": ["".join("01"[exists] for exists in row) for row in pyramid.tiles.astype(int)],
        },
        "nuclei": {"tile": viewer_tiles.TILE_PX, "units": viewer_tiles.UNITS, "tiles": dict(tiles)},
        "classes": _classes(class_code, facts.classes),
        "regions": [
            {
                "name": region.name,
                "class": region.region_class,
                "rings": region_rings(region, frame),
            }
            for region in regions
            if region.region_class != "Slide"
        ],
    }


def _classes(class_code: NDArray[np.uint8], classes: tuple[str, ...]) -> list[dict[str, Any]]:
    counts = np.bincount(class_code, minlength=len(classes)).tolist()
    return [
        {"name": display_name(name), "colour": list(colour), "n": count}
        for (name, colour), count in zip(colours(classes).items(), counts, strict=True)
    ]


def region_rings(region: Region, frame: Frame) -> list[list[int]]:
    """Return the outline of a region, simplified to a canvas pixel.

    Parameters
    ----------
    region : Region
        With a geometry in level-0 pixels.
    frame : Frame
        How the canvas lies on the slide.

    Returns
    -------
    list of list of int
        Each ring as x, y, x, y …, in whole canvas pixels.
    """
    [shape] = level0_to_canvas(np.array([region.geometry], dtype=object), frame)
    rings = shapely.get_rings(shapely.get_parts(shapely.simplify(shape, 1.0)))
    return [np.rint(shapely.get_coordinates(r)).astype(np.int64).ravel().tolist() for r in rings]
