"""How far a network sees, measured: what changes in its answers when pixels of the image change."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

#: Answers, as probabilities and positions, that differ by less are the same but for rounding.
TOLERANCE = 1e-4

#: Height of the strips that are shown; a network that is fond of larger ones names its own size.
_STRIP_PX = 64

Answer = Callable[[Tensor], Sequence[Tensor]]


def strip_shape(stride: int, half_px: int) -> tuple[int, int]:
    """Choose the sides of strips in which a network can be seen to look `half_px` far.

    Parameters
    ----------
    stride : int
        Pixels of which the sides must be multiples.
    half_px : int
        Pixels to see on each side of the middle.

    Returns
    -------
    (int, int)
        Height and width in pixels.
    """
    half_px += -half_px % stride
    return _STRIP_PX + -_STRIP_PX % stride, 2 * (half_px + stride)


def reach_px(answer: Answer, shape: tuple[int, int], phases: Sequence[int]) -> int:
    """Measure the farthest pixel, in rows or columns, that changes an answer.

    One column of an image of noise, and one row of another, is changed in two ways: to NaN, which
    every sum that takes it in becomes, however small its weight; and to the opposite colours, for
    networks that drop what is not a number. The columns are those of one cell of the network's
    coarsest features, because a pixel shares its cell with others.

    Parameters
    ----------
    answer : callable
        Turns (1, 3, H, W) images of float, RGB in [0, 1], into maps (1, ..., H, W) of probabilities
        and positions.
    shape : (int, int)
        Height and width, in pixels, of the images for changed columns; those for changed rows are
        turned.
    phases : sequence of int
        Pixels of the cell in the middle that are changed, one after the other.

    Returns
    -------
    int
        Pixels; at least half the width means that the network sees farther than was shown.
    """
    noise = torch.rand((1, 3, *shape), generator=torch.Generator().manual_seed(7))
    return max(
        _reach_px(answer, noise.mT.contiguous() if turned else noise, phases, turned)
        for turned in (False, True)
    )


def _reach_px(answer: Answer, noise: Tensor, phases: Sequence[int], turned: bool) -> int:
    """Measure along the rows, or with `turned` along the columns."""
    axis = -2 if turned else -1
    side = noise.shape[axis]
    before = answer(noise)
    farthest = 0
    for phase in phases:
        changed_at = side // 2 + phase
        pixels = [slice(None)] * 4
        pixels[axis] = slice(changed_at, changed_at + 1)
        for value in (torch.full_like(noise[tuple(pixels)], torch.nan), 1 - noise[tuple(pixels)]):
            image = noise.clone()
            image[tuple(pixels)] = value
            for one, other in zip(before, answer(image), strict=True):
                # `not ... <=` also holds where one of them is not a number.
                differs = ~((one - other).abs() <= TOLERANCE)
                lines = differs.flatten(0, -3).any(0).any(-1 if turned else -2)
                at = lines.nonzero()
                if len(at):
                    farthest = max(farthest, int((at - changed_at).abs().max()))
    return farthest


def shift_error(answer: Answer, shape: tuple[int, int], shift_px: int, radius_px: int) -> float:
    """Measure how much answers differ where a window begins a little later.

    Parameters
    ----------
    answer, shape
        As for `reach_px`.
    shift_px : int
        Pixels by which the second window is shifted, to the right or down.
    radius_px : int
        How far the network sees; pixels nearer to the border of a window are not compared.

    Returns
    -------
    float
        Largest difference of a probability or position; 0 if the windows share no pixel.
    """
    height, width = shape
    noise = torch.rand((1, 3, height, width + shift_px), generator=torch.Generator().manual_seed(8))
    shared = slice(radius_px, max(radius_px, width - shift_px - radius_px))
    largest = 0.0
    for turned in (False, True):
        windows = noise[..., :width], noise[..., shift_px:]
        maps = [answer(of.mT.contiguous() if turned else of.contiguous()) for of in windows]
        for first, second in zip(*maps, strict=True):
            one, other = (first.mT, second.mT) if turned else (first, second)
            differences = (one[..., shift_px:] - other[..., : width - shift_px])[..., shared].abs()
            if differences.numel():
                largest = max(largest, float(differences.max()))
    return largest
