"""Members whose mpp is not that of the canvas: what they are shown, and how their maps come back.

The canvas has the finest mpp of an ensemble's members; see `card.canvas_card`. A coarser member
sees the canvas averaged over the areas of its own pixels, as `tile` averages a slide, and its maps
are interpolated linearly between the middles of its pixels. Its pixels are numbered from the origin
of the canvas, not of a window: member pixel k covers the canvas from ``k * scale`` to
``(k + 1) * scale``, whatever the ratio. Both ways each pixel is computed from its number alone, so
all windows agree to the last bit. Maps keep their values: `np` and `tp` are probabilities, and `hv`
runs from -1 to 1 across a nucleus at every mpp.

A window of a canvas lies anywhere on the cells of such a member, so it is shown whole cells around
the window; that is why it needs a wider margin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Final, NamedTuple

from nucwsi.slide.resample import Taps, scale_taps

if TYPE_CHECKING:
    from torch import Tensor

#: Largest stride of a member that is shown other pixels than the canvas', in its own pixels. Known
#: beforehand, because a slide is tiled before a network is built.
LARGEST_STRIDE_PX: Final = 64

#: Members whose mpp differ by more share no ensemble: the halo of the coarsest would be as many
#: times as wide on the canvas.
LARGEST_SCALE: Final = 4.0


@dataclass(frozen=True)
class OwnPixels:
    """The pixels of a member, in each of which it sees several of the canvas.

    Attributes
    ----------
    scale : float
        Canvas pixels per pixel of the member, along each axis; other than 1.
    stride : int
        The member's stride, in its own pixels.
    """

    scale: float
    stride: int

    def window(
        self, shape: tuple[int, int], origin: tuple[int, int], margin_px: int, halo_px: int
    ) -> OwnWindow:
        """Lay the member's cells around a window of the canvas.

        Parameters
        ----------
        shape, origin : (int, int)
            Height and width, and the first row and column, of the window in canvas pixels.
        margin_px : int
            Canvas pixels that are known around the window.
        halo_px : int
            What the member is shown around its cells, in its own pixels; a multiple of `stride`.

        Returns
        -------
        OwnWindow
            How many pixels it shows depends on `shape`, not on `origin`, so that windows of one
            size can be batched.
        """
        rows, columns = (
            self._axis(first, length, halo_px) for first, length in zip(origin, shape, strict=True)
        )
        known = origin[0] - margin_px, origin[1] - margin_px
        return OwnWindow((rows[0], columns[0]), (rows[1], columns[1]), known)

    def _axis(self, first: int, length: int, halo_px: int) -> tuple[Taps, Taps]:
        """Return the taps of what is shown, and of what comes back, along one axis."""
        back = scale_taps(first, first + length, 1 / self.scale, 0.0)
        start = back.first // self.stride * self.stride
        # At most so many pixels are interpolated between, however the window lies; one for
        # rounding.
        needed = math.floor((length - 1) / self.scale) + 4
        answered = -(-(needed + self.stride - 1) // self.stride) * self.stride
        shown = scale_taps(start - halo_px, start + answered + halo_px, self.scale, 0.0)
        return shown, back._replace(first=back.first - start)


class OwnWindow(NamedTuple):
    """One window of the canvas as a member at another mpp sees and answers it.

    Attributes
    ----------
    shown : (Taps, Taps)
        Along rows and columns: canvas pixels that make the pixels which the member is shown.
    back : (Taps, Taps)
        Along rows and columns: pixels of its answer that make the pixels of the window.
    known : (int, int)
        Row and column of the first canvas pixel that is known, where `show` begins.
    """

    shown: tuple[Taps, Taps]
    back: tuple[Taps, Taps]
    known: tuple[int, int]

    def show(self, image: Tensor) -> Tensor:
        """Return what the member is shown: whole cells around the window, and its halo.

        Parameters
        ----------
        image : (3, H, W) Tensor of float32
            The window and its margin, in canvas pixels. Beyond it lie only pixels that no answer
            in the window depends on, where the member is local.

        Returns
        -------
        (3, h, w) Tensor of float32
            In the member's pixels.
        """
        return resampled(image, *self.shown, self.known)

    def bring(self, values: Tensor) -> Tensor:
        """Bring what the member answers for its cells to the pixels of the window.

        Parameters
        ----------
        values : (..., h, w) Tensor of float32
            Maps, or sums of maps, in the member's pixels, without its halo.

        Returns
        -------
        (..., H, W) Tensor of float32
            In canvas pixels.
        """
        return resampled(values, *self.back, (0, 0))


def margin_on_canvas(own_px: int, scale: float, stride: int = LARGEST_STRIDE_PX) -> int:
    """Return the margin in which a member sees so many of its own pixels around a window.

    Parameters
    ----------
    own_px : int
        Width of what it is to see, in its own pixels; a multiple of `stride`.
    scale : float
        Canvas pixels per pixel of the member.
    stride : int
        The member's stride, in its own pixels.

    Returns
    -------
    int
        In canvas pixels.

    Examples
    --------
    >>> margin_on_canvas(288, 1.0), margin_on_canvas(288, 1.4, stride=16)
    (288, 428)
    """
    if scale == 1:
        return own_px
    # Up to a stride for whole cells, half a pixel for the interpolation, one for rounding.
    return math.ceil((own_px + stride + 0.5) * scale) + 1


def shown_in_margin(margin_px: int, scale: float, stride: int) -> int:
    """Return how many own pixels a member sees in a margin: the inverse of `margin_on_canvas`.

    Parameters
    ----------
    margin_px : int
        In canvas pixels.
    scale : float
        Canvas pixels per pixel of the member, other than 1.
    stride : int
        The member's stride, in its own pixels.

    Returns
    -------
    int
        A multiple of `stride`; 0 where the margin is narrower than a cell.
    """
    least = math.floor((margin_px - 1) / scale - stride - 0.5 + 1e-9)
    return max(0, least // stride * stride)


def resampled(values: Tensor, rows: Taps, columns: Taps, origin: tuple[int, int]) -> Tensor:
    """Resample an image or maps as the taps of their rows and columns say.

    Parameters
    ----------
    values : (..., H, W) Tensor of float32
        Source pixels from `origin` on.
    rows, columns : Taps
        Of h target rows, and of w target columns. Source pixels beyond `values` count as the
        nearest of them.
    origin : (int, int)
        Row and column of the first source pixel, as the taps count them.

    Returns
    -------
    (..., h, w) Tensor of float32
        Each value is the sum of its products, in the order of the taps.
    """
    import torch

    from nucwsi.runtime.device import placed

    for axis, taps, begin in ((-2, rows, origin[0]), (-1, columns, origin[1])):
        index = (taps.first + taps.source - begin).clip(0, values.shape[axis] - 1)
        shape = (len(index), -1, 1) if axis == -2 else (len(index), -1)
        places = placed(index, values.device)
        weights = placed(taps.weight, values.device).reshape(shape)
        each = zip(places, weights, strict=True)
        # Products and sums apart: a fused operation might round otherwise at the end of a line.
        values = reduce(torch.add, (values.index_select(axis, at) * share for at, share in each))
    return values
