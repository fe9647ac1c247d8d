"""The content of the viewer's ``slide.js`` and ``regions.js``: what its page knows of the slide.

The picture and the nuclei stay as they are when somebody draws regions: what depends on regions has
a file of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import shapely

from nucwsi.classes import colours, display_name
from nucwsi.composition.regions import Region
from nucwsi.facts import SlideFacts
from nucwsi.grid import CELL_PX, Frame
from nucwsi.nuclei.polygons import level0_to_canvas
from nucwsi.report import viewer_tiles
from nucwsi.report.checks import Check
from nucwsi.report.pyramid import TILE_PX, Pyramid
from nucwsi.report.viewer_features import Feature

#: Script of the worklist that the page opens by itself; empty as long as nobody has drawn one.
WORKLIST = "worklist.js"


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


def image_document(pyramid: Pyramid) -> dict[str, Any]:
    """Describe the tiles of the picture.

    Parameters
    ----------
    pyramid : Pyramid
        Its tiles.

    Returns
    -------
    dict
        Plain JSON types. ``rows`` has a 1 for each tile that exists at full resolution; from level
        ``whole`` down, all tiles exist.
    """
    return {
        "tile": TILE_PX,
        "min": pyramid.min_level,
        "max": pyramid.max_level,
        "whole": pyramid.max_level - CELL_PX.bit_length() + 1,
        "rows": ["".join("01"[exists] for exists in row) for row in pyramid.tiles.astype(int)],
    }


def slide_document(
    facts: SlideFacts,
    image: Mapping[str, Any],
    tiles: Mapping[str, int],
    features: Iterable[Feature],
    results: str,
) -> dict[str, Any]:
    """Gather what the viewer's page knows of the picture and the nuclei of a slide.

    Parameters
    ----------
    facts : SlideFacts
        Name, frame and classes of the slide.
    image : mapping
        As `image_document` returns it.
    tiles : mapping of str to int
        ``column_row`` of each tile of nuclei -> number of its nuclei.
    features : iterable of Feature
        By which nuclei can be coloured, in the order of their levels.
    results : str
        Fingerprint of the nuclei, as worklists state it.

    Returns
    -------
    dict
        Plain JSON types. ``scale`` leads from canvas pixels to level-0 pixels from the origin of
        the slide's bounds, along x and along y.
    """
    frame = facts.frame
    return {
        "name": facts.slide,
        "results": results,
        "width": frame.shape[1],
        "height": frame.shape[0],
        "mpp": frame.mpp,
        "scale": [frame.scale[1], frame.scale[0]],
        "image": dict(image),
        "nuclei": {"tile": viewer_tiles.TILE_PX, "units": viewer_tiles.UNITS, "tiles": dict(tiles)},
        "classes": [
            {"name": display_name(name), "colour": list(colour)}
            for name, colour in colours(facts.classes).items()
        ],
        "features": [
            {"name": one.name, "unit": one.unit, "low": one.low, "high": one.high}
            for one in features
        ],
    }


def regions_document(
    facts: SlideFacts,
    regions: Sequence[Region],
    measured: Sequence[Mapping[str, float]],
    n_found: int,
    verdicts: Iterable[Check],
) -> dict[str, Any]:
    """Gather what depends on regions: the counts of the whole slide and of each region.

    Parameters
    ----------
    facts : SlideFacts
        Frame and classes of the slide.
    regions : sequence of Region
        R regions of the slide, the whole slide first, unless all of it is ignored.
    measured : sequence of mapping of str to float
        Columns of ``composition.csv`` for each of the R regions.
    n_found : int
        Number of nuclei of the slide, those in ignored regions included.
    verdicts : iterable of Check
        Rows of the slide's quality table in the report.

    Returns
    -------
    dict
        Plain JSON types. ``ignored`` is the number of nuclei that no count includes, because they
        lie in regions that are to be ignored.

    Raises
    ------
    KeyError
        If a region lacks a count.
    """
    first = 1 if regions and regions[0].region_class == "Slide" else 0
    none = {"n_nuclei": 0.0, **{f"n_{name}": 0.0 for name in facts.classes}}
    whole = _counts(measured[0] if first else none, facts.classes)
    return {
        "whole": whole,
        "ignored": n_found - whole["n"],
        "regions": [
            {
                "name": region.name,
                "class": region.region_class,
                "rings": region_rings(region, facts.frame),
                **_counts(values, facts.classes),
            }
            for region, values in zip(regions[first:], measured[first:], strict=True)
        ],
        "facts": _slide_facts(facts),
        "checks": [one._asdict() for one in verdicts],
    }


def _counts(measured: Mapping[str, float], classes: Sequence[str]) -> dict[str, Any]:
    return {
        "n": int(measured["n_nuclei"]),
        "counts": [int(measured[f"n_{name}"]) for name in classes],
        "tissue_mm2": measured.get("tissue_area_mm2", 0.0),
    }


def _slide_facts(facts: SlideFacts) -> list[tuple[str, str]]:
    height, width = (side * facts.frame.mpp / 1000 for side in facts.frame.shape)
    return [
        ("Size", f"{width:.1f} × {height:.1f} mm"),
        ("Format", facts.vendor),
        ("Networks", ", ".join(member.name for member in facts.members)),
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
