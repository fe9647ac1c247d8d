"""What the reader of a slide format offers: levels, bounds, claims about mpp, and pixels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nucwsi.errors import SlideError
from nucwsi.grid import Window
from nucwsi.slide.mpp import MppClaim


class FinalSlideError(SlideError):
    """The format is known and the file cannot be read; no other reader need be asked."""


@dataclass(frozen=True)
class Level:
    """One resolution of a slide.

    Attributes
    ----------
    shape : (int, int)
        Height and width in pixels of this level.
    downsample : (float, float)
        Level-0 pixels per pixel of this level, along rows and along columns.
    exact : bool
        Whether the file's own pixels can be read, without interpolation.
    tile_shape : (int, int)
        Height and width, in pixels of this level, of the file's tiles or strips: each is decoded
        as a whole.
    """

    shape: tuple[int, int]
    downsample: tuple[float, float]
    exact: bool
    tile_shape: tuple[int, int]


class SlideReader(Protocol):
    """An open slide of one format; may be read from several threads.

    Attributes
    ----------
    vendor : str
        Name of the format, as OpenSlide spells it, or ``tiff``.
    levels : list of Level
        The full resolution first, then ever coarser ones.
    bounds : Window
        The part of level 0 that holds the scan, in level-0 pixels; QuPath shows only this part.
    claims : list of MppClaim
        What the file says about the size of its pixels, the most trustworthy claim first.
    objective_power : float or None
        Magnification of the objective; None if the file does not say.
    scenes : list of str
        Name and size of each scene that may be meant.
    scene : str
        Number of the one that is read, from 1; empty if there is only one, or all are read.
    missing : (N, 4) ndarray of int64
        Tiles of level 0 without data, which are white: row, column, height and width in level-0
        pixels.
    """

    vendor: str
    levels: list[Level]
    bounds: Window
    claims: list[MppClaim]
    objective_power: float | None
    scenes: list[str]
    scene: str
    missing: NDArray[np.int64]

    def read(self, level: int, window: Window) -> tuple[NDArray[np.uint8], list[Window]]:
        """Read a window of a level.

        Parameters
        ----------
        level : int
            Place in `levels`.
        window : Window
            In pixels of that level; what lies outside comes white.

        Returns
        -------
        pixels : (H, W, 3) ndarray of uint8
            Red, green and blue, 0 to 255, of the window.
        bad : list of Window
            Parts that cannot be read, in pixels of that level; they are white.
        """
        ...

    def forget(self) -> None:
        """Forget what was decoded, as far as it can be decoded again."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


#: An error names at most so many scenes.
_MAX_NAMED = 12


def chosen_scene(
    path: Path, names: Sequence[str], described: Sequence[str], scene: str | None
) -> int:
    """Choose one of the scenes of a file; refuse rather than take the largest.

    Parameters
    ----------
    path : pathlib.Path
        The file, quoted in the error.
    names : sequence of str
        Name of each scene, as the file calls it; may be empty.
    described : sequence of str
        Name and size of each scene, quoted in the error.
    scene : str or None
        The user's choice: the number of a scene, from 1, or its name.

    Returns
    -------
    int
        Place of the scene in `names`, from 0.

    Raises
    ------
    FinalSlideError
        If there are several and none is chosen, or the choice is none or several of them.
    """
    listed = ", ".join(f"{n}: {what}" for n, what in enumerate(described[:_MAX_NAMED], start=1))
    if len(described) > _MAX_NAMED:
        listed += f" and {len(described) - _MAX_NAMED} more"
    if scene is None:
        if len(names) == 1:
            return 0
        raise FinalSlideError(
            f"{path}: holds {len(names)} scenes ({listed}); choose one with --scene NUMBER, or in a"
            " column `scene` of the slide sheet"
        )
    number = int(scene) if re.fullmatch("[0-9]{1,9}", scene) else 0
    if 1 <= number <= len(names):
        return number - 1
    meant = [number for number, name in enumerate(names) if name and name == scene]
    if len(meant) == 1:
        return meant[0]
    raise FinalSlideError(
        f"{path}: has {'several scenes' if meant else 'no scene'} {scene!r} but {listed}; choose"
        " one by its number"
    )


def level_of(
    shape: tuple[int, int], full: tuple[int, int], exact: bool, tile_shape: tuple[int, int]
) -> Level:
    """Describe a level by its size and that of level 0.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the level in its own pixels.
    full : (int, int)
        Height and width of level 0 in its own pixels.
    exact : bool
        Whether the file's own pixels can be read, without interpolation.
    tile_shape : (int, int)
        Height and width of the file's tiles or strips in pixels of the level.

    Returns
    -------
    Level
        Its downsample is a whole number wherever that explains the size of the level.
    """
    rows, columns = (_downsample(side, whole) for side, whole in zip(shape, full, strict=True))
    return Level(shape, (rows, columns), exact, tile_shape)


def _downsample(side: int, full: int) -> float:
    """Undo the rounding of a level's size, whose pixels are whole numbers of level-0 pixels."""
    whole = max(1, round(full / side))
    return float(whole) if full // whole <= side <= -(-full // whole) else full / side
