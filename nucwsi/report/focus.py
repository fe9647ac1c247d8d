"""Where a slide is out of focus: the blur of small fields over all of its tissue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nucwsi.grid import Frame, Window
from nucwsi.io.slides.canvas import SlideCanvas
from nucwsi.io.slides.slide import Slide
from nucwsi.report.density import tissue_mask
from nucwsi.report.quality import BLUR_MPP, BLURRED_SHARE, MAX_BLUR
from nucwsi.report.slide_pictures import resampled_frame
from nucwsi.runtime.ahead import ahead
from nucwsi.runtime.allocator import return_freed_memory

#: Side of a field in pixels of `BLUR_MPP` (64 µm), and the step from one to the next, so that a
#: blurred patch fills one of them wherever it lies.
FIELD_PX, STEP_PX = 128, 64

#: Steps along the side of a block that is read at once, and the largest number of blocks. Of a
#: slide with more tissue every second block is measured, every third, and so on.
_BLOCK_STEPS, _MAX_BLOCKS = 16, 256

#: Least share of tissue in a field that is measured.
_MIN_TISSUE = 0.75

#: A field is blurred if its blur exceeds `MAX_BLUR` and, on slides that are soft everywhere, this
#: multiple of the slide's median, but it always is above the second number.
_OVER_MEDIAN, _ALWAYS = 1.6, 0.55

#: Adjoining fields that make a patch; a single one may be chance.
_MIN_PATCH = 2

#: Blur of scikit-image is measured over this many pixels.
_KERNEL_PX = 11

#: Pixels beyond a strip that its filters reach: half a kernel, and one more.
_AROUND_PX = 6


class Focus(NamedTuple):
    """The blur of all fields of a slide that were measured.

    Attributes
    ----------
    blur : (R, C) ndarray of float32
        Blur of the field whose upper left corner lies at each step, 0 (sharp) to 1; NaN where it
        was not measured.
    step_um : float
        Distance of neighbouring fields in µm; a field is twice as wide.
    """

    blur: NDArray[np.float32]
    step_um: float


def brightness(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Average the colours of each pixel.

    Parameters
    ----------
    image : (H, W, 3) ndarray of uint8
        RGB.

    Returns
    -------
    (H, W) ndarray of float32
        0 to 255; the same as NumPy's mean, which takes twelve times as long over an axis of three.
    """
    total = image[..., 0].astype(np.uint16)
    total += image[..., 1]
    total += image[..., 2]
    return np.divide(total, 3, dtype=np.float32)


def field_blurs(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Measure the blur of all fields of an image, by how little one more blur changes it.

    Parameters
    ----------
    grey : (H, W) ndarray of float32
        Brightness at `BLUR_MPP`, 0 to 255; both sides are multiples of `STEP_PX`.

    Returns
    -------
    (H / STEP_PX - 1, W / STEP_PX - 1) ndarray of float32
        Blur of the field at each step: 0 (sharp) to 1; 0 without any edge.

    References
    ----------
    Crete et al., The blur effect, SPIE 6492 (2007), as `skimage.measure.blur_effect`.
    """
    rows, columns = (side // STEP_PX for side in grey.shape)
    whole, lost = np.empty((2, rows, columns)), np.empty((2, rows, columns))
    around = np.pad(grey, _AROUND_PX, mode="symmetric")
    # In strips, which fit into a processor's cache: larger arrays come from the kernel anew.
    for row in range(rows):
        strip = around[row * STEP_PX :][: STEP_PX + 2 * _AROUND_PX]
        for axis in (0, 1):
            sharp = _edges(strip, axis)
            again = _edges(ndimage.uniform_filter1d(strip, _KERNEL_PX, axis), axis)
            whole[axis, row] = _step_sums(sharp)
            lost[axis, row] = _step_sums(np.maximum(sharp - again, 0))
    whole, lost = _field_sums(whole), _field_sums(lost)
    share = np.divide(whole - lost, whole, out=np.zeros_like(whole), where=whole > 0)
    return share.max(axis=0).astype(np.float32)


def _edges(values: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Return how much an image changes along an axis, as Sobel does, without what is around it."""
    before, after = [slice(None)] * 2, [slice(None)] * 2
    before[axis], after[axis] = slice(-2), slice(2, None)
    slope = values[tuple(after)] - values[tuple(before)]
    inner = [slice(_AROUND_PX, -_AROUND_PX)] * 2
    inner[axis] = slice(_AROUND_PX - 1, 1 - _AROUND_PX)
    return np.abs(ndimage.correlate1d(slope, (1, 2, 1), 1 - axis)[tuple(inner)])


def _step_sums(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Add up the squares of a row of steps."""
    return values.reshape(STEP_PX, -1, STEP_PX).sum(axis=(0, 2), dtype=np.float64)


def _field_sums(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add up the four steps of each field, of arrays (2, R, C)."""
    return steps[:, :-1, :-1] + steps[:, 1:, :-1] + steps[:, :-1, 1:] + steps[:, 1:, 1:]


def measure_focus(
    slide: Slide,
    frame: Frame,
    pieces: NDArray[np.object_],
    see: Callable[[Window, NDArray[np.uint8]], None] | None = None,
    threads: int = 1,
) -> Focus:
    """Measure the blur of the fields of a slide that are tissue.

    Parameters
    ----------
    slide : Slide
        The open slide.
    frame : Frame
        Frame of the canvas.
    pieces : (P,) ndarray of shapely.Polygon
        Outlines of the tissue; x and y in canvas pixels.
    see : callable, optional
        Takes each window that is read, in pixels of `BLUR_MPP`, and its RGB (H, W, 3), so that
        others need not read it again; is called in the order of the windows.
    threads : int
        Number of windows that are read and measured at the same time.

    Returns
    -------
    Focus
        Of all fields of a slide with up to about 60 mm² of tissue, and of evenly spread ones else.
    """
    view = resampled_frame(frame, BLUR_MPP)
    shape = (max(1, view.shape[0] // STEP_PX), max(1, view.shape[1] // STEP_PX))
    blur = np.full(shape, np.nan, np.float32)
    wanted = _tissue_fields(pieces, shape, STEP_PX * BLUR_MPP / frame.mpp)
    canvas = SlideCanvas(slide, view)
    blocks = [block for block in _blocks(shape) if wanted[block].any()]
    every = -(-len(blocks) // _MAX_BLOCKS) or 1

    def _look(block: tuple[slice, slice]) -> tuple[Window, NDArray[np.uint8], NDArray[np.float32]]:
        window = _window(*block)
        image, _ = canvas.read(window)
        return window, image, field_blurs(brightness(image))

    with ThreadPoolExecutor(threads) as pool:
        for block, (window, image, found) in ahead(_look, blocks[::every], pool, threads):
            if see is not None:
                see(window, image)
            blur[block] = np.where(wanted[block], found, np.nan)
            del image, found
            if every > 1:
                # The next block shares no tile with this one.
                slide.forget()
            # Between tiles that are kept, what a block frees leaves gaps that nothing fits.
            return_freed_memory()
    return Focus(blur, STEP_PX * BLUR_MPP)


def _tissue_fields(
    pieces: NDArray[np.object_], shape: tuple[int, int], step_px: float
) -> NDArray[np.bool_]:
    """Return which of the fields at each step (R, C) are tissue; those at the end reach beyond."""
    finer = 4
    mask = tissue_mask(pieces, (shape[0] * finer, shape[1] * finer), step_px / finer)
    shares = mask.reshape(shape[0], finer, shape[1], finer).mean(axis=(1, 3))
    fields = np.zeros(shape)
    if min(shape) > 1:
        fields[:-1, :-1] = shares[:-1, :-1] + shares[1:, :-1] + shares[:-1, 1:] + shares[1:, 1:]
    return fields / 4 >= _MIN_TISSUE


def _blocks(shape: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Yield the fields (rows, columns) of each block; none reaches beyond the image."""
    for row in range(0, shape[0] - 1, _BLOCK_STEPS):
        for column in range(0, shape[1] - 1, _BLOCK_STEPS):
            last = min(row + _BLOCK_STEPS, shape[0] - 1), min(column + _BLOCK_STEPS, shape[1] - 1)
            yield slice(row, last[0]), slice(column, last[1])


def _window(rows: slice, columns: slice) -> Window:
    """Return the window, in pixels, of all fields of a block; each is two steps wide."""
    steps = rows.start, columns.start, rows.stop - rows.start + 1, columns.stop - columns.start + 1
    return Window(*(step * STEP_PX for step in steps))


def blurred_patches(focus: Focus) -> NDArray[np.bool_]:
    """Find what is out of focus on a slide.

    Parameters
    ----------
    focus : Focus
        The blur of its fields.

    Returns
    -------
    (R, C) ndarray of bool
        Squares of `Focus.step_um` that lie in a blurred field. On a slide that is soft everywhere,
        but not blurred, a field must stand out; and it needs a blurred neighbour.
    """
    blur = np.nan_to_num(focus.blur, nan=0.0)
    measured = focus.blur[np.isfinite(focus.blur)]
    limit = MAX_BLUR
    if len(measured) and (measured > MAX_BLUR).mean() < BLURRED_SHARE:
        limit = float(np.clip(_OVER_MEDIAN * np.median(measured), MAX_BLUR, _ALWAYS))
    labels, _ = ndimage.label(blur > limit)
    large = np.bincount(labels.ravel()) >= _MIN_PATCH
    large[0] = False
    fields = large[labels]
    covered = fields.copy()
    covered[1:] |= fields[:-1]
    covered[:, 1:] |= covered[:, :-1].copy()
    return covered
