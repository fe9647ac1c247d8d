"""TIFF pyramids without a vendor, OME-TIFF included, read with tifffile."""

from __future__ import annotations

import logging
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from nucwsi.errors import SlideError, pass_on_lack_of_memory
from nucwsi.grid import Window
from nucwsi.io.slides.mpp import aperio_claim, imagej_claim, ome_claim, resolution_claim
from nucwsi.io.slides.slide_reader import Level, chosen_scene, level_of
from nucwsi.io.slides.tiff_page import TiffPage, TileCache
from nucwsi.slide.mpp import MppClaim
from nucwsi.slide.pyramid import is_evenly_reduced, padded_reductions

# What tifffile logs about a damaged file would bury the one line that we say.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

#: Names of pictures that scanners and converters put beside the scan.
_BESIDE = re.compile(r"label|macro|thumb|overview|barcode|preview|navigat", re.IGNORECASE)

#: A picture is a scene if it has this share of the pixels of the largest one, or so many pixels and
#: tiles of its own, as photographs of the label have not.
_SCENE_SHARE, _SCENE_PX = 0.1, 4_000_000

#: What tifffile calls files whose pictures it groups by nothing but their size.
_BY_SIZE_ALONE = frozenset({"generic", "uniform"})


class TiffReader:
    """An open TIFF file; may be read from several threads.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    scene : str, optional
        Which of several scenes: its number, from 1, or its name.

    Attributes
    ----------
    scenes : list of str
        Name and size of each picture that may be meant.
    scene : str
        Number of the one that is read, from 1; empty if there is only one.
    missing : (N, 4) ndarray of int64
        Tiles of level 0 without data: row, column, height and width in level-0 pixels.
    pages : list of TiffPage
        All pages that show the full picture, at any resolution; the largest first.
    vendor : str
        Always ``tiff``.
    levels : list of Level
        The full resolution first; a smaller page is left out if it lacks what level 0 shows.
    bounds : Window
        All of level 0, in level-0 pixels.
    claims : list of MppClaim
        What the file says about the size of its pixels, the most trustworthy claim first.
    objective_power : None
        TIFF does not say.

    Raises
    ------
    SlideError
        If the file is not a TIFF, not an 8-bit RGB image, or holds several scenes and none is
        chosen.
    """

    vendor = "tiff"
    objective_power: float | None = None

    def __init__(self, path: Path, scene: str | None = None) -> None:
        with _explained(path):
            self._file = tifffile.TiffFile(path)
        self._tiles = tiles = TileCache()
        try:
            with _explained(path):
                _refuse_circle(self._file, path)
                images = _scenes(self._file, path)
                self.scenes = [image.described for image in images]
                number = chosen_scene(path, [image.name for image in images], self.scenes, scene)
                self.scene = str(number + 1) if len(images) > 1 else ""
                image = images[number]
                self.pages = [TiffPage(self._file, page, path, tiles) for page in image.levels]
                self.claims = self._claims(image)
        except SlideError:
            self._file.close()
            raise
        full = self.pages[0]
        self.missing = full.missing
        described = [level_of(p.shape, full.shape, True, p.tile_shape) for p in self.pages]
        # A smaller level with holes that level 0 has not would hide tissue.
        seen = [
            (page, level)
            for page, level in zip(self.pages, described, strict=True)
            if page is full or not _hides(page, level, full)
        ]
        self._shown, self.levels = [page for page, _ in seen], [level for _, level in seen]
        self.bounds = Window(0, 0, *full.shape)

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
        return self._shown[level].read(window)

    def forget(self) -> None:
        """Forget the tiles that were decoded."""
        self._tiles.forget()

    def close(self) -> None:
        """Close the file, and forget its decoded tiles."""
        self.forget()
        self._file.close()

    def _claims(self, image: _Image) -> list[MppClaim]:
        xml, shape, page = self._file.ome_metadata, self.pages[0].shape, image.levels[0].keyframe
        rows, columns = (_tag(page, f"{axis}Resolution") for axis in "YX")
        # ImageJ describes the first picture for all of them.
        described = (page.description, self._file.pages.first.description)
        claims = [
            aperio_claim(page.description) if self._file.is_svs else None,
            ome_claim(xml, shape, image.series) if xml else None,
            next((c for c in (imagej_claim(t, rows, columns) for t in described) if c), None),
            resolution_claim(rows, columns, _tag(page, "ResolutionUnit")),
        ]
        return [claim for claim in claims if claim is not None]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn whatever tifffile raises on a damaged file into a `SlideError`."""
    try:
        yield
    except SlideError:
        raise
    except Exception as error:  # noqa: BLE001 (tifffile does not document what it raises)
        pass_on_lack_of_memory(error)
        raise SlideError(
            f"{path}: is not a slide that OpenSlide or tifffile can open ({error}); is it whole,"
            " and of the type that its name says?"
        ) from None


def _refuse_circle(file: Any, path: Path) -> None:
    """Raise `SlideError` if a page leads back to an earlier one: tifffile would never arrive."""
    tiff, handle, seen = file.tiff, file.filehandle, set[int]()
    try:
        offset = file.pages.first.offset
    except IndexError:
        return
    while 0 < offset < handle.size:
        if offset in seen:
            raise SlideError(f"{path}: its pages lead in a circle; it is damaged, copy it again")
        seen.add(offset)
        handle.seek(offset)
        [n_tags] = struct.unpack(tiff.tagnoformat, handle.read(tiff.tagnosize))
        handle.seek(offset + tiff.tagnosize + n_tags * tiff.tagsize)
        pointer = handle.read(tiff.offsetsize)
        if len(pointer) < tiff.offsetsize:
            return
        [offset] = struct.unpack(tiff.offsetformat, pointer)


def _tag(page: Any, name: str) -> Any:
    tag = page.tags.get(name)
    return None if tag is None else tag.value


def _hides(page: TiffPage, level: Level, full: TiffPage) -> bool:
    """Return whether a smaller page lacks a tile below which level 0 has data."""
    if page.complete:
        return False
    if full.complete:
        return True
    tops, lefts, heights, widths = (full.missing / np.tile(level.downsample, 2)).T
    for row, column, height, width in page.missing:
        inside = [
            np.clip(np.minimum(at + side, start + length) - np.maximum(at, start), 0, None)
            for at, side, start, length in (
                (tops, heights, row, height),
                (lefts, widths, column, width),
            )
        ]
        # Up to a pixel of rounding along each side.
        if (inside[0] * inside[1]).sum() < (height - 1) * (width - 1):
            return True
    return False


@dataclass(frozen=True)
class _OnePage:
    """A page that tifffile has taken for a part of a stack, as a level of its own."""

    keyframe: Any
    axes: str

    @property
    def pages(self) -> list[Any]:
        return [self.keyframe]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.keyframe.shape)


@dataclass
class _Image:
    """A picture of a file, with its levels.

    Attributes
    ----------
    name : str
        As the file calls it; may be empty.
    series : int
        Place in tifffile's list of series, from 0.
    levels : list of tifffile.TiffPageSeries or _OnePage
        The full resolution first.
    """

    name: str
    series: int
    levels: list[Any]

    @property
    def page(self) -> Any:
        return self.levels[0].keyframe

    @property
    def pixels(self) -> int:
        return int(self.page.imagelength) * int(self.page.imagewidth)

    @property
    def described(self) -> str:
        size = f"{self.page.imagelength} x {self.page.imagewidth} px"
        return f"{self.name!r} ({size})" if self.name else size


def _scenes(file: Any, path: Path) -> list[_Image]:
    """Return the pictures of a file that may be meant, each with its levels, level 0 first."""
    images = list(_images(file))
    if not images:
        raise SlideError(f"{path}: holds no image; is it whole? Copy it again")
    # Where a level is missing, tifffile takes the coarser ones for other images.
    images.sort(key=lambda image: image.page.index if isinstance(image.page.index, int) else 0)
    whole: list[_Image] = []
    for image in images:
        larger = [other for other in whole if _is_reduced(image.levels[0], other.levels[0])]
        if larger:
            larger[-1].levels += image.levels
        else:
            whole.append(image)
    largest = max(whole, key=lambda image: image.pixels)
    scenes = [image for image in whole if image is largest or _is_scene(image, largest)]
    for image in scenes:
        image.levels.sort(key=lambda level: -level.keyframe.imagewidth)
    return scenes


def _images(file: Any) -> Iterator[_Image]:
    """Yield the pictures of a file; one that grows from one level to the next is two."""
    for number, series in enumerate(file.series):
        if min(series.shape, default=0) < 1:
            continue
        name = str(series.name or "") if series.kind not in _BY_SIZE_ALONE else ""
        n_pages = len(series.pages)
        if series.kind in _BY_SIZE_ALONE and n_pages > 1 and series.axes.endswith("YXS"):
            for place in range(n_pages):
                levels = [
                    _OnePage(level.pages[place], "YXS")
                    for level in series.levels
                    if len(level.pages) == n_pages and level.pages[place] is not None
                ]
                yield _Image(name, number, levels)
            continue
        levels, last = [], 0
        for level in series.levels:
            if min(level.keyframe.imagelength, level.keyframe.imagewidth) < 1:
                continue
            width = level.keyframe.imagewidth
            if levels and (width >= last or not _may_be_level(level.keyframe, levels[0].keyframe)):
                yield _Image(name, number, levels)
                levels = []
            levels.append(level)
            last = width
        if levels:
            yield _Image(name, number, levels)


def _is_scene(image: _Image, largest: _Image) -> bool:
    """Return whether a picture may be meant as well as the largest one."""
    page = image.page
    if page.is_reduced or _BESIDE.search(image.name):
        return False
    if image.pixels < _SCENE_SHARE * largest.pixels:
        prepared = page.is_tiled or len(image.levels) > 1
        return image.pixels >= _SCENE_PX and prepared
    # A smaller copy that is not marked as one.
    down = largest.page.imagelength / page.imagelength, largest.page.imagewidth / page.imagewidth
    return not (min(down) > 1.5 and _is_alike(down, page))


def _may_be_level(page: Any, full: Any) -> bool:
    """Return whether a page may be a smaller copy of another one, be it cut or padded."""
    shape, whole = ((p.imagelength, p.imagewidth) for p in (page, full))
    if is_evenly_reduced(shape, whole):
        return True
    if page.is_tiled and padded_reductions(shape, whole, (page.tilelength, page.tilewidth)):
        return True
    # Of a level that was cut or padded along one side, the other is halved a number of times.
    return any(
        side in (large >> power, -(-large >> power))
        for side, large in zip(shape, whole, strict=True)
        for power in range(1, 11)
    )


def _is_alike(down: tuple[float, float], page: Any) -> bool:
    rounding = max(down) / min(page.imagelength, page.imagewidth)
    return bool(abs(down[0] - down[1]) <= rounding)


def _is_reduced(level: Any, full: Any) -> bool:
    """Return whether a level is a smaller copy of the full image, not its label or a stack."""
    page, large = level.keyframe, full.keyframe
    down = (
        large.imagelength / max(1, page.imagelength),
        large.imagewidth / max(1, page.imagewidth),
    )
    alike = page.is_reduced and len(level.pages) == 1 and page.dtype == large.dtype
    return bool(alike and min(down) > 1 and _is_alike(down, page))
