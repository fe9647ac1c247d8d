"""A quick look at nuclei on their picture, for notebooks; needs the extra ``plot``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from nucwsi.classes import CASING_ALPHA, colours, display_name
from nucwsi.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL import Image

#: Widths of an outline and of the dark line below it, in points: it is seen on any nucleus.
_LINE_PT, _CASING_PT = 1.0, 2.2

#: A larger part of a slide takes more memory than a look at it is worth.
_LARGEST_PX = 10_000


def plot(
    image: str | os.PathLike[str] | NDArray[np.uint8] | Image.Image,
    nuclei: geopandas.GeoDataFrame,
    *,
    box: tuple[float, float, float, float] | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw the outlines of nuclei, in the colours of their classes, on their picture.

    Parameters
    ----------
    image : path, (H, W, 3) ndarray of uint8, or PIL.Image.Image
        What `analyse` was given. Of a file, only the part that `box` names is read.
    nuclei : geopandas.GeoDataFrame
        Outlines in level-0 pixels of the whole picture, and the column ``class``.
    box : (float, float, float, float), optional
        Left, top, right and bottom of the part to draw, in level-0 pixels. Default: the whole
        picture.
    axes : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        In level-0 pixels, y down; its legend counts the nuclei of each class that are drawn.

    Raises
    ------
    ConfigError
        If matplotlib is not installed, `nuclei` has no column ``class``, or the part is empty or
        too large.
    SlideError
        If a file cannot be read.
    """
    try:
        import matplotlib.pyplot as plt
        from matplotlib.collections import LineCollection
    except ImportError:
        raise ConfigError(
            "`plot` needs matplotlib, which is not installed; pip install 'nucwsi[plot]'"
        ) from None
    if "class" not in nuclei:
        raise ConfigError(f"`nuclei` has the columns {', '.join(nuclei)}; expected `class`, too")
    pixels, (left, top, right, bottom) = _part(image, box)
    if axes is None:
        _, axes = plt.subplots(figsize=(8, 8), layout="constrained")
    axes.imshow(pixels, extent=(left, right, bottom, top))
    shown = nuclei[nuclei.intersects(shapely.box(left, top, right, bottom))]
    counts = shown["class"].value_counts()
    for name, colour in colours(_classes(nuclei["class"])).items():
        rings = shapely.get_parts(shown.geometry[shown["class"] == name].boundary.array)
        lines = [shapely.get_coordinates(ring) for ring in rings]
        label = f"{display_name(name)} ({counts.get(name, 0)})"
        own = np.divide(colour, 255)
        casing = LineCollection(lines, colors=(0, 0, 0, CASING_ALPHA), linewidths=_CASING_PT)
        axes.add_collection(casing)
        axes.add_collection(LineCollection(lines, colors=own, linewidths=_LINE_PT, label=label))
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    return axes


def _classes(column: pd.Series) -> tuple[str, ...]:
    """Return the names of the classes, in the order of the checkpoint if it is known."""
    categories = column.astype("category").cat.categories
    return tuple(str(name) for name in categories)


def _part(image: Any, box: Any) -> tuple[NDArray[np.uint8], tuple[float, float, float, float]]:
    """Return the pixels of a part of the picture, and its box in level-0 pixels."""
    if isinstance(image, str | os.PathLike):
        from nucwsi.io.slides.slide import open_slide

        with open_slide(Path(image)) as slide:
            whole: Any = slide.to_dask()
    else:
        whole = np.asarray(image)
    height, width = whole.shape[:2]
    left, top, right, bottom = (0, 0, width, height) if box is None else box
    left, top = max(0, int(np.floor(left))), max(0, int(np.floor(top)))
    right, bottom = min(width, int(np.ceil(right))), min(height, int(np.ceil(bottom)))
    if not (0 < right - left <= _LARGEST_PX and 0 < bottom - top <= _LARGEST_PX):
        raise ConfigError(
            f"`box` {box} is {bottom - top} x {right - left} px of the {height} x {width} px;"
            f" expected left, top, right, bottom of a part of at most {_LARGEST_PX} px a side"
        )
    return np.asarray(whole[top:bottom, left:right]), (left, top, right, bottom)
