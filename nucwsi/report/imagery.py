"""Pictures of a slide for people: an overview of the whole, and fields at full resolution."""

from __future__ import annotations

import base64
import math
from dataclasses import replace
from typing import Any

import numpy as np
import shapely
import simplejpeg
from numpy.typing import NDArray

from nucwsi.grid import Frame, Window
from nucwsi.io.slides.canvas import Source
from nucwsi.io.slides.slide import Slide

#: Long side of a thumbnail, in its pixels.
THUMBNAIL_PX = 1200

#: Coordinates of drawings are whole numbers, so many to the pixel of their picture.
SVG_UNITS = 10


def frame_at(frame: Frame, mpp: float) -> Frame:
    """Lay a canvas of another resolution over the same part of the slide.

    Parameters
    ----------
    frame : Frame
    mpp : float
        µm per pixel.

    Returns
    -------
    Frame
    """
    height, width = (max(1, math.ceil(side * frame.mpp / mpp - 1e-6)) for side in frame.shape)
    return replace(frame, shape=(height, width), mpp=mpp)


def thumbnail(slide: Slide, frame: Frame, threads: int) -> tuple[NDArray[np.uint8], float]:
    """Read the whole canvas, small.

    Parameters
    ----------
    slide : Slide
    frame : Frame
    threads : int

    Returns
    -------
    picture : (H, W, 3) ndarray of uint8
    mpp : float
        µm per pixel.
    """
    mpp = max(frame.mpp, max(frame.shape) * frame.mpp / THUMBNAIL_PX)
    picture, _ = Source(slide, frame_at(frame, mpp)).overview(1, threads)
    return picture, mpp


def field_window(
    frame: Frame, place: tuple[int, int], side_um: float, mpp: float
) -> tuple[Frame, Window]:
    """Find a square field, on a canvas of another resolution.

    Parameters
    ----------
    frame : Frame
        Of the canvas whose fields are counted; each has whole pixels of it.
    place : (int, int)
        Row and column of the field, counted from the upper left one.
    side_um : float
    mpp : float
        µm per pixel.

    Returns
    -------
    view : Frame
        The canvas of that resolution.
    window : Window
        The field on it; may reach beyond its end.
    """
    view, side = frame_at(frame, mpp), round(side_um / mpp)
    pitch = round(side_um / frame.mpp) * frame.mpp / mpp
    return view, Window(round(place[0] * pitch), round(place[1] * pitch), side, side)


def field(slide: Slide, frame: Frame, place: tuple[int, int], side_um: float, mpp: float) -> Any:
    """Read a square field.

    Parameters
    ----------
    slide : Slide
    frame : Frame
        As for `field_window`.
    place : (int, int)
        Row and column of the field, counted from the upper left one.
    side_um : float
    mpp : float
        µm per pixel.

    Returns
    -------
    (H, W, 3) ndarray of uint8
        Cut at the end of the canvas.
    """
    view, whole = field_window(frame, place, side_um, mpp)
    inside = whole.intersection(Window(0, 0, *view.shape)) or whole
    return Source(slide, view).read(inside)[0]


def jpeg(picture: NDArray[np.uint8], quality: int) -> bytes:
    """Compress a picture.

    Parameters
    ----------
    picture : (H, W, 3) ndarray of uint8
        RGB.
    quality : int
        1 to 100.

    Returns
    -------
    bytes
    """
    return simplejpeg.encode_jpeg(
        np.ascontiguousarray(picture), quality, colorspace="RGB", colorsubsampling="420"
    )


def data_uri(data: bytes, kind: str) -> str:
    """Write a picture as an address that holds it.

    Parameters
    ----------
    data : bytes
    kind : str
        ``image/jpeg`` and the like.

    Returns
    -------
    str
    """
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def path_data(shapes: NDArray[np.object_], scale: tuple[float, float], origin: Any) -> str:
    """Write polygons as the path of an SVG.

    Parameters
    ----------
    shapes : (N,) ndarray of shapely geometry
        x, y in level-0 pixels.
    scale : (float, float)
        Pixels of the picture per level-0 pixel, along x and along y.
    origin : (float, float)
        x and y of the picture's upper left corner, in level-0 pixels.

    Returns
    -------
    str
        In `SVG_UNITS` to the pixel; what is too small to be seen is left out.
    """
    moved = shapely.transform(shapes, lambda xy: (xy - origin) * np.multiply(scale, SVG_UNITS))
    polygons = [part for part in shapely.get_parts(moved) if part.geom_type == "Polygon"]
    rings = shapely.get_rings(np.array(polygons, object)) if polygons else []
    return "".join(_ring_data(np.rint(shapely.get_coordinates(ring))) for ring in rings)


def _ring_data(corners: NDArray[np.float64]) -> str:
    steps = np.diff(corners[:-1], axis=0)
    steps = steps[steps.any(axis=1)].astype(np.int64)
    if len(steps) < 2:
        return ""
    x, y = corners[0].astype(np.int64).tolist()
    return f"M{x} {y}l{' '.join(map(str, steps.ravel().tolist()))}z"
