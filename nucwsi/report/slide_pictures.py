"""Pictures of a slide: all of it from afar, and its fields."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nucwsi.grid import Frame, Window
from nucwsi.io.slides.canvas import SlideCanvas
from nucwsi.io.slides.slide import Slide

#: Largest long side of the thumbnail of a slide, in its pixels.
THUMBNAIL_PX = 1200


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
