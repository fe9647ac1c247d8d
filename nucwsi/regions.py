"""Regions of a slide, and which nuclei lie in them.

Geometry is shapely's, hence x, y: level-0 pixels from the file's upper left corner.
"""

from __future__ import annotations

from dataclasses import dataclass

from shapely import MultiPolygon, Polygon


@dataclass(frozen=True)
class Region:
    """A part of a slide in which nuclei are counted.

    Attributes
    ----------
    id : str
        Unique on its slide, e.g. ``tissue_001``.
    name : str
        What people call it.
    region_class : str
        Class given by a pathologist, or the kind of region; may be empty.
    source : str
        Where it comes from: ``slide``, ``tissue``, ``grid`` or ``user``.
    geometry : shapely.Polygon or shapely.MultiPolygon
        Valid; x and y in level-0 pixels from the file's upper left corner; may be empty.
    """

    id: str
    name: str
    region_class: str
    source: str
    geometry: Polygon | MultiPolygon
