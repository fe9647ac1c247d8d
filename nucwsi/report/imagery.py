"""Images for web pages: parts of a slide, JPEG as a data URI, polygons as SVG paths."""

from __future__ import annotations

import base64
import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import shapely
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from nucwsi.grid import Frame, Window
from nucwsi.io.slides.canvas import SlideCanvas
from nucwsi.io.slides.slide import Slide

#: Largest long side of the thumbnail of a slide, in its pixels.
THUMBNAIL_PX = 1200

#: Lengths of scale bars, in µm.
_BARS_UM = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)

#: SVG units per pixel of the image that a drawing covers; coordinates are whole units.
SVG_UNITS = 10


class ScaleBar(NamedTuple):
    """A scale bar over an image.

    Attributes
    ----------
    text : str
        Its length with the unit.
    percent : float
        Its length as a share of the image's width, in percent.
    """

    text: str
    percent: float


def resampled_frame(frame: Frame, mpp: float) -> Frame:
    """Return the frame of a canvas that covers the same part of the slide at another mpp.

    Parameters
    ----------
    frame : Frame
        Frame of the canvas.
    mpp : float
        µm per pixel of the new canvas.

    Returns
    -------
    Frame
        The new canvas, rounded up to whole pixels.
    """
    height, width = (max(1, math.ceil(side * frame.mpp / mpp - 1e-6)) for side in frame.shape)
    return replace(frame, shape=(height, width), mpp=mpp)


def read_thumbnail(slide: Slide, frame: Frame, threads: int) -> tuple[NDArray[np.uint8], float]:
    """Read the whole canvas as an image of at most `THUMBNAIL_PX` pixels along its long side.

    Parameters
    ----------
    slide : Slide
        The open slide.
    frame : Frame
        Frame of the canvas.
    threads : int
        Number of pieces that are read at the same time.

    Returns
    -------
    image : (H, W, 3) ndarray of uint8
        RGB.
    mpp : float
        µm per pixel of the image, never finer than the canvas.
    """
    mpp = max(frame.mpp, max(frame.shape) * frame.mpp / THUMBNAIL_PX)
    image, _ = SlideCanvas(slide, resampled_frame(frame, mpp)).overview(1, threads)
    return image, mpp


def shrunk(image: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Shrink an image until it fits into a square; its proportions stay.

    Parameters
    ----------
    image : (H, W, 3) ndarray of uint8
        RGB.
    side_px : int
        Side of the square in pixels.

    Returns
    -------
    (H, W, 3) ndarray of uint8
        RGB; the same size if it fits already.
    """
    small = Image.fromarray(image)
    small.thumbnail((side_px, side_px))
    return np.asarray(small)


def field_window(
    frame: Frame, place: tuple[int, int], side_um: float, mpp: float
) -> tuple[Frame, Window]:
    """Locate a square field on a canvas of another mpp.

    Parameters
    ----------
    frame : Frame
        Frame of the canvas on which the fields form a grid of whole pixels.
    place : (int, int)
        Row and column of the field in that grid, from 0.
    side_um : float
        Side of a field in µm.
    mpp : float
        µm per pixel of the other canvas.

    Returns
    -------
    view : Frame
        Frame of the other canvas.
    window : Window
        The field in pixels of the other canvas; it may reach beyond its edge.
    """
    view, side = resampled_frame(frame, mpp), round(side_um / mpp)
    pitch = round(side_um / frame.mpp) * frame.mpp / mpp
    return view, Window(round(place[0] * pitch), round(place[1] * pitch), side, side)


def read_field(
    slide: Slide, frame: Frame, place: tuple[int, int], side_um: float, mpp: float
) -> NDArray[np.uint8]:
    """Read a square field at a given mpp.

    Parameters
    ----------
    slide : Slide
        The open slide.
    frame : Frame
        Frame of the canvas on which the fields form a grid of whole pixels.
    place : (int, int)
        Row and column of the field in that grid, from 0.
    side_um : float
        Side of a field in µm.
    mpp : float
        µm per pixel of the image.

    Returns
    -------
    (H, W, 3) ndarray of uint8
        RGB, cut at the edge of the canvas.
    """
    view, whole = field_window(frame, place, side_um, mpp)
    inside = whole.intersection(Window(0, 0, *view.shape)) or whole
    return SlideCanvas(slide, view).read(inside)[0]


def encode_jpeg(image: NDArray[np.uint8], quality: int) -> bytes:
    """Encode an image as JPEG with halved colour resolution (4:2:0).

    Parameters
    ----------
    image : (H, W, 3) ndarray of uint8
        RGB.
    quality : int
        1 (smallest) to 100 (best).

    Returns
    -------
    bytes
        Content of a JPEG file.
    """
    return simplejpeg.encode_jpeg(
        np.ascontiguousarray(image), quality, colorspace="RGB", colorsubsampling="420"
    )


def scale_bar(width_um: float) -> ScaleBar:
    """Choose the scale bar of an image.

    Parameters
    ----------
    width_um : float
        Width of the whole image in µm.

    Returns
    -------
    ScaleBar
        The longest that takes up at most a third of the image.
    """
    length = max((bar for bar in _BARS_UM if bar <= width_um / 3), default=_BARS_UM[0])
    text = f"{length} µm" if length < 1000 else f"{length // 1000} mm"
    return ScaleBar(text, 100 * (length / width_um))


def data_uri(data: bytes, media_type: str) -> str:
    """Return an address that contains a file, so that a page needs no other file.

    Parameters
    ----------
    data : bytes
        Content of the file.
    media_type : str
        Its media type, such as ``image/jpeg``.

    Returns
    -------
    str
        Data URI in base64.
    """
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def jpeg_uri(image: NDArray[np.uint8], quality: int) -> str:
    """Return an address that contains an image as JPEG.

    Parameters
    ----------
    image : (H, W, 3) ndarray of uint8
        RGB.
    quality : int
        1 (smallest) to 100 (best).

    Returns
    -------
    str
        Data URI in base64; see `data_uri`.
    """
    return data_uri(encode_jpeg(image, quality), "image/jpeg")


def svg_path(
    shapes: NDArray[np.object_], scale: tuple[float, float], origin: tuple[float, float]
) -> str:
    """Return polygons as the path data of an SVG drawing that covers an image.

    Parameters
    ----------
    shapes : (N,) ndarray of shapely.Geometry
        x and y in level-0 pixels; only polygons and the parts of multipolygons are drawn.
    scale : (float, float)
        Pixels of the image per level-0 pixel, along x and along y.
    origin : (float, float)
        x and y of the image's upper left corner, in level-0 pixels.

    Returns
    -------
    str
        Path data in units of 1 / `SVG_UNITS` pixel. Rings that collapse when rounded are left out.
    """
    scaled = shapely.transform(shapes, lambda xy: (xy - origin) * np.multiply(scale, SVG_UNITS))
    polygons = [part for part in shapely.get_parts(scaled) if part.geom_type == "Polygon"]
    rings = shapely.get_rings(np.array(polygons, object)) if polygons else []
    return "".join(_ring_data(np.rint(shapely.get_coordinates(ring))) for ring in rings)


def _ring_data(corners: NDArray[np.float64]) -> str:
    """Return a closed ring of (K, 2) rounded corners as relative moves; empty if it collapsed."""
    steps = np.diff(corners[:-1], axis=0)
    steps = steps[steps.any(axis=1)].astype(np.int64)
    if len(steps) < 2:
        return ""
    x, y = corners[0].astype(np.int64).tolist()
    return f"M{x} {y}l{' '.join(map(str, steps.ravel().tolist()))}z"
