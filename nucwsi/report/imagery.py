"""Images for web pages: JPEG as a data URI, scale bars, polygons as SVG paths."""

from __future__ import annotations

import base64
from typing import NamedTuple

import numpy as np
import shapely
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

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
