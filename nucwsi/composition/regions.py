"""Regions of a slide, their areas, and which nuclei lie in them.

Geometry is shapely's, hence x, y: level-0 pixels from the file's upper left corner.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from nucwsi.nuclei.validity import Geometries

#: Red, green and blue, each 0 to 255.
Colour = tuple[int, int, int]

#: Outlines with more vertices are cut up before they are intersected, for speed.
_MAX_VERTICES = 256

#: Intersections that are in memory at once.
_AT_ONCE = 256

#: Halvings after which an outline is left as it is, however close together its vertices lie.
_MAX_HALVINGS = 40


@dataclass(frozen=True)
class Region:
    """A part of a slide in which nuclei are counted.

    Attributes
    ----------
    id : str
        Unique on its slide, e.g. ``tissue_001``.
    name : str
        What a pathologist calls it, else its `id`; on one line.
    region_class : str
        Class given by a pathologist, or the kind of region; may be empty.
    source : str
        Where it comes from: ``slide``, ``tissue``, ``grid`` or ``user``.
    geometry : shapely.Polygon or shapely.MultiPolygon
        Valid; x and y in level-0 pixels from the file's upper left corner. May be empty.
    colour : (int, int, int), optional
        Red, green and blue, 0 to 255, that a pathologist chose for its class.
    """

    id: str
    name: str
    region_class: str
    source: str
    geometry: Polygon | MultiPolygon
    colour: Colour | None = None


def geometries(regions: list[Region]) -> Geometries:
    """Return the geometries of regions.

    Parameters
    ----------
    regions : list of Region
        R regions of a slide; may be empty.

    Returns
    -------
    (R,) ndarray of shapely.Polygon or shapely.MultiPolygon
        x and y in level-0 pixels.
    """
    return np.array([region.geometry for region in regions], dtype=object)


def slide_region(bounds: tuple[float, float, float, float]) -> Region:
    """Return the region of the whole canvas, which owns every nucleus.

    Parameters
    ----------
    bounds : (float, float, float, float)
        xmin, ymin, xmax, ymax of the canvas in level-0 pixels.

    Returns
    -------
    Region
        The rectangle of these bounds.
    """
    return Region("slide", "slide", "Slide", "slide", shapely.box(*bounds))


def tissue_regions(pieces: list[Polygon]) -> list[Region]:
    """Return one region for each piece of tissue, the largest first.

    Parameters
    ----------
    pieces : list of shapely.Polygon
        x and y in level-0 pixels.

    Returns
    -------
    list of Region
        ``tissue_001``, ``tissue_002`` and so on.
    """
    ordered = sorted(pieces, key=lambda piece: -piece.area)
    names = [f"tissue_{number:03d}" for number in range(1, len(ordered) + 1)]
    return [
        Region(name, name, "Tissue", "tissue", piece)
        for name, piece in zip(names, ordered, strict=True)
    ]


def grid_regions(
    bounds: tuple[float, float, float, float], side_px: tuple[float, float], pieces: list[Polygon]
) -> list[Region]:
    """Return the rectangles of a grid that hold tissue: squares, measured in µm.

    Parameters
    ----------
    bounds : (float, float, float, float)
        xmin, ymin, xmax, ymax in level-0 pixels. The grid begins at its upper left corner; the
        last row and column may reach beyond it.
    side_px : (float, float)
        Width and height of a rectangle in level-0 pixels.
    pieces : list of shapely.Polygon
        Tissue in level-0 pixels; the pieces do not overlap.

    Returns
    -------
    list of Region
        Whole rectangles in raster order; ``grid_r001_c001`` is the upper left one.
    """
    xmin, ymin, xmax, ymax = bounds
    x, y = side_px
    n_rows, n_columns = int(np.ceil((ymax - ymin) / y)), int(np.ceil((xmax - xmin) / x))
    row, column = np.divmod(np.arange(n_rows * n_columns), max(1, n_columns))
    # Neighbours share their corners to the last bit, so no nucleus falls between them.
    left, right = xmin + column * x, xmin + (column + 1) * x
    squares = shapely.box(left, ymin + row * y, right, ymin + (row + 1) * y)
    regions = []
    for index in np.flatnonzero(tissue_area(squares, pieces) > 0).tolist():
        name = f"grid_r{row[index] + 1:03d}_c{column[index] + 1:03d}"
        regions.append(Region(name, name, "Grid", "grid", squares[index]))
    return regions


def without_ignored(regions: list[Region]) -> list[Region]:
    """Cut the regions of a class that begins with ``Ignore`` out of all others.

    QuPath marks classes to be ignored with a star: ``Ignore*``.

    Parameters
    ----------
    regions : list of Region
        Of one slide, in any order.

    Returns
    -------
    list of Region
        All others, in their order; a region that was ignored as a whole is empty.
    """
    ignored = [region.geometry for region in regions if region.region_class.startswith("Ignore")]
    kept = [region for region in regions if not region.region_class.startswith("Ignore")]
    if not ignored:
        return kept
    left = shapely.difference(geometries(kept), shapely.union_all(ignored))
    return [replace(region, geometry=shape) for region, shape in zip(kept, left, strict=True)]


def shares_outside(
    regions: list[Region], bounds: tuple[float, float, float, float]
) -> NDArray[np.float64]:
    """Return how much of each region lies outside of a slide.

    Parameters
    ----------
    regions : list of Region
        R regions that have an area.
    bounds : (float, float, float, float)
        xmin, ymin, xmax, ymax of the slide in level-0 pixels.

    Returns
    -------
    (R,) ndarray of float64
        Share of the area of each, 0 to 1.

    Examples
    --------
    >>> half = Region("a", "a", "", "user", shapely.box(-1, 0, 1, 2))
    >>> shares_outside([half], (0, 0, 10, 10))
    array([0.5])
    """
    shapes = geometries(regions)
    box = shapely.bounds(shapes).reshape(-1, 4)
    beyond = ((box[:, :2] < bounds[:2]) | (box[:, 2:] > bounds[2:])).any(axis=1)
    share = np.zeros(len(shapes))
    inside = shapely.area(shapely.intersection(shapes[beyond], shapely.box(*bounds)))
    share[beyond] = 1 - inside / shapely.area(shapes[beyond])
    return share


def owned_nuclei(centroids: NDArray[np.float64], regions: list[Region]) -> NDArray[np.int64]:
    """Find the nuclei of each region: those whose centroid it covers, boundary included.

    This is QuPath's rule. A nucleus in overlapping regions belongs to each of them.

    Parameters
    ----------
    centroids : (N, 2) ndarray of float64
        x and y of nuclei in level-0 pixels. Fast where nuclei lie close together.
    regions : list of Region
        Of the same slide.

    Returns
    -------
    (2, K) ndarray of int64
        Index of the region and index of the nucleus, ordered by both.

    Examples
    --------
    >>> square = Region("a", "a", "", "user", shapely.box(0, 0, 2, 2))
    >>> owned_nuclei(np.array([[1.0, 1.0], [2.0, 2.0], [2.1, 1.0]]), [square])
    array([[0, 0],
           [0, 1]])
    """
    shapes = geometries(regions)
    if not len(shapes) or not len(centroids):
        return np.empty((2, 0), np.int64)
    shapely.prepare(shapes)
    low, high = centroids.min(axis=0), centroids.max(axis=0)
    box = shapely.bounds(shapes)
    # The bounds of an empty region are NaN, which overlap with nothing.
    near = np.flatnonzero(((box[:, :2] <= high) & (box[:, 2:] >= low)).all(axis=1))
    covering = np.zeros(len(shapes), bool)
    if (low < high).all():
        covering[near] = shapely.covers(shapes[near], shapely.box(*low, *high))
    rectangular = _are_boxes(shapes)
    all_nuclei, (x, y) = np.arange(len(centroids)), centroids.T
    members = [np.empty(0, np.int64)] * len(shapes)
    for index in near:
        xmin, ymin, xmax, ymax = box[index]
        if covering[index]:
            members[index] = all_nuclei
            continue
        inside = np.flatnonzero((x >= xmin) & (x <= xmax) & (y >= ymin) & (y <= ymax))
        if not rectangular[index]:
            inside = inside[shapely.intersects_xy(shapes[index], x[inside], y[inside])]
        members[index] = inside
    owner = np.repeat(np.arange(len(shapes)), [len(of_region) for of_region in members])
    return np.stack([owner, np.concatenate(members)])


def _are_boxes(shapes: Geometries) -> NDArray[np.bool_]:
    """Return whether each shape (R,) is an upright rectangle, which equals its bounds."""
    upright = shapely.get_num_coordinates(shapes) == 5
    bounds = shapely.bounds(shapes[upright])
    corners = shapely.get_coordinates(shapes[upright]).reshape(-1, 5, 2)
    low, high = bounds[:, None, :2], bounds[:, None, 2:]
    at_corners = ((corners == low) | (corners == high)).all(axis=(1, 2))
    # A triangle with a repeated point has all points at corners, too, but half the area.
    full = shapely.area(shapes[upright]) > 0.75 * np.prod(bounds[:, 2:] - bounds[:, :2], axis=1)
    upright[upright] = at_corners & full
    return upright


def areas(regions: list[Region]) -> NDArray[np.float64]:
    """Return the areas of regions.

    Parameters
    ----------
    regions : list of Region
        R regions of a slide.

    Returns
    -------
    (R,) ndarray of float64
        In level-0 pixels².
    """
    return np.asarray(shapely.area(geometries(regions)), np.float64)


def tissue_area(shapes: Geometries, pieces: list[Polygon]) -> NDArray[np.float64]:
    """Return how much tissue each shape holds.

    Parameters
    ----------
    shapes : (R,) ndarray of object
        Polygons and multipolygons, x and y in level-0 pixels; they may overlap each other.
    pieces : list of shapely.Polygon
        Tissue in level-0 pixels; the pieces do not overlap.

    Returns
    -------
    (R,) ndarray of float64
        In level-0 pixels².
    """
    parts, owner = _cut_up(shapes)
    tissue, _ = _cut_up(np.array(pieces, dtype=object))
    of_part, of_tissue = shapely.STRtree(tissue).query(parts)
    # Most pairs are neighbours along a cut: their boxes touch and share nothing.
    one, other = shapely.bounds(parts)[of_part], shapely.bounds(tissue)[of_tissue]
    overlap = (np.maximum(one, other)[:, :2] < np.minimum(one, other)[:, 2:]).all(axis=1)
    of_part, of_tissue = of_part[overlap], of_tissue[overlap]
    shared = np.empty(len(of_part))
    for start in range(0, len(shared), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        pairs = parts[of_part[some]], tissue[of_tissue[some]]
        shared[some] = shapely.area(shapely.intersection(*pairs))
    return np.bincount(owner[of_part], shared, len(shapes)).astype(np.float64)


def _polygons(shapes: Geometries) -> tuple[Geometries, NDArray[np.intp]]:
    """Return the polygons (P,) of shapes, and the index (P,) of the shape that each comes from."""
    parts, owner = shapely.get_parts(shapes, return_index=True)
    polygonal = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    return parts[polygonal], owner[polygonal]


def _cut_up(shapes: Geometries) -> tuple[Geometries, NDArray[np.intp]]:
    """Return shapes in parts (P,) of few vertices, and the index (P,) of the shape of each.

    Intersecting two outlines takes time in proportion to the product of their vertices.
    """
    parts, owner = _polygons(shapes)
    for _ in range(_MAX_HALVINGS):
        large = shapely.get_num_coordinates(parts) > _MAX_VERTICES
        if not large.any():
            break
        whole = parts[large]
        xmin, ymin, xmax, ymax = shapely.bounds(whole).T
        wide = xmax - xmin > ymax - ymin
        x, y = np.where(wide, (xmin + xmax) / 2, xmax), np.where(wide, ymax, (ymin + ymax) / 2)
        first = shapely.intersection(whole, shapely.box(xmin, ymin, x, y))
        x, y = np.where(wide, x, xmin), np.where(wide, ymin, y)
        second = shapely.intersection(whole, shapely.box(x, y, xmax, ymax))
        halves, of_half = _polygons(np.concatenate([first, second]))
        owner = np.concatenate([owner[~large], np.tile(owner[large], 2)[of_half]])
        parts = np.concatenate([parts[~large], halves])
    return parts, owner
