"""Slides of the vendors that OpenSlide knows.

OpenSlide's pixels are kept to the bit. Where it would read Aperio's JPEG tiles, they are decoded
directly, which is four times faster and gives the same pixels.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import openslide
from numpy.typing import NDArray
from PIL import Image

from nucwsi.errors import SlideError, pass_on_lack_of_memory
from nucwsi.grid import Window
from nucwsi.io.slides.mpp import number
from nucwsi.io.slides.slide_reader import FinalSlideError, SlideReader, chosen_scene, level_of
from nucwsi.io.slides.tiff import TiffReader
from nucwsi.io.slides.tiff_page import LARGEST_UNTILED_PX, TiffPage
from nucwsi.slide.mpp import MppClaim

#: OpenSlide is asked for about this many pixels along each side: whole tiles of the file.
_PIECE_PX = 512

#: Side of a tile where OpenSlide does not tell.
_TILE_PX = 256

#: OpenSlide reads plain TIFFs as well. They are left to tifffile: OpenSlide refuses some,
#: overlooks pyramids in SubIFDs, takes inches for granted and squeezes 16 bits into 8.
_LEFT_TO_TIFFFILE = "generic-tiff"

#: The vendor whose files OpenSlide takes for one pyramid, whatever they hold.
_ONE_PYRAMID = "aperio"

#: What OpenSlide says of the fourth value of ImageType, and what smaller copies say there.
_DICOM_FLAVOUR, _DICOM_SMALLER = "dicom.ImageType[3]", "RESAMPLED"


class OpenSlideReader:
    """A slide that OpenSlide has opened; may be read from several threads.

    Each thread gets a handle of its own.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    tiff : TiffReader or None
        The same file, if it is a TIFF that tifffile reads; closed together with this reader.
    scene : str, optional
        Number, from 1, of the only region of the scan to read, of several on one canvas.

    Attributes
    ----------
    vendor : str
        As OpenSlide spells it.
    levels : list of Level
        The full resolution first.
    bounds : Window
        The part of level 0 that holds the scan, in level-0 pixels.
    claims : list of MppClaim
        What the file says about the size of its pixels, the most trustworthy claim first.
    objective_power : float or None
        Magnification of the objective; None if the file does not say.
    scenes : list of str
        Size and place of each region of the scan; all lie on one canvas.
    scene : str
        Number of the region that is read, from 1; empty if all are.
    missing : (N, 4) ndarray of int64
        Tiles of level 0 without data: row, column, height and width in level-0 pixels. Known of
        TIFFs only.
    properties : mapping
        What OpenSlide tells of the slide, as texts.

    Raises
    ------
    SlideError
        If there is no such region.
    """

    def __init__(self, path: Path, tiff: TiffReader | None, scene: str | None = None) -> None:
        self._path, self._tiff = path, tiff
        self._local = threading.local()
        self._handles: list[Any] = []
        handle = self._handle()
        self.properties = properties = handle.properties
        self.vendor = str(properties["openslide.vendor"])
        colour = bytes.fromhex(properties.get("openslide.background-color", "FFFFFF"))
        self._background = (colour[0], colour[1], colour[2])
        shapes = [(height, width) for width, height in handle.level_dimensions]
        _refuse_large_tiles(properties, len(shapes))
        self._pages = [self._page(shape, shape == shapes[0]) for shape in shapes]
        self._downsamples = handle.level_downsamples
        self.levels = [
            # OpenSlide interpolates where the grids of two levels do not meet.
            level_of(
                shape,
                shapes[0],
                page is not None or float(down).is_integer(),
                _tile_shape(properties, index),
            )
            for index, (shape, page, down) in enumerate(
                zip(shapes, self._pages, self._downsamples, strict=True)
            )
        ]
        regions = _regions(properties, shapes[0])
        self.scenes = [
            f"{part.height} x {part.width} px at row {part.row}, column {part.column}"
            for part in regions
        ]
        self.scene = ""
        self.bounds = _bounds(properties, shapes[0])
        if scene is not None:
            chosen = chosen_scene(path, [""] * len(regions), self.scenes, scene)
            if len(regions) > 1:
                self.bounds, self.scene = regions[chosen], str(chosen + 1)
        self.objective_power = number(properties.get("openslide.objective-power"))
        rows, columns = (number(properties.get(f"openslide.mpp-{axis}")) for axis in "yx")
        self.claims = []
        if rows is not None and columns is not None:
            self.claims = [MppClaim(rows, columns, "vendor")]
        self.missing = np.empty((0, 4), np.int64)
        # The first page of some vendors is no part of the scan.
        if tiff is not None and tiff.pages[0].shape == shapes[0]:
            known = {claim.source for claim in self.claims}
            self.claims += [claim for claim in tiff.claims if claim.source not in known]
            self.missing = tiff.pages[0].missing

    def _handle(self) -> Any:
        """Return this thread's OpenSlide handle."""
        if getattr(self._local, "handle", None) is None:
            self._local.handle = openslide.OpenSlide(self._path)
            self._handles.append(self._local.handle)
        return self._local.handle

    def _drop(self, handle: Any) -> None:
        self._handles.remove(handle)
        handle.close()
        self._local.handle = None

    def _page(self, shape: tuple[int, int], full: bool) -> TiffPage | None:
        """Return the page that holds a level's pixels as they are, if it is fast to read."""
        if self._tiff is None or self.vendor != "aperio":
            return None
        for page in self._tiff.pages:
            # OpenSlide fills the holes of a smaller level from the larger ones.
            if page.jpeg and page.shape == shape and (page.complete or full):
                return page
        return None

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
            Red, green and blue, 0 to 255, of the window; transparent pixels have the background
            colour that the slide names, else white.
        bad : list of Window
            Parts that cannot be read, in pixels of that level; they are white.

        Raises
        ------
        SlideError
            If the file cannot be opened again after an error.
        """
        page = self._pages[level]
        if page is not None:
            return page.read(window)
        pixels = np.full((*window.shape, 3), 255, np.uint8)
        bad: list[Window] = []
        inside = window.intersection(Window(0, 0, *self.levels[level].shape))
        if inside is None:
            return pixels, bad
        tile = self.levels[level].tile_shape
        for piece in inside.cut(*(side * max(1, _PIECE_PX // side) for side in tile)):
            read = self._ask(level, piece)
            if read is not None:
                pixels[piece.within(window).slices] = read
                continue
            # Only the damaged tiles are lost, wherever the window lies.
            for part in piece.cut(*tile):
                read = self._ask(level, part)
                if read is None:
                    bad.append(part)
                else:
                    pixels[part.within(window).slices] = read
        return pixels, bad

    def _ask(self, level: int, piece: Window) -> NDArray[np.uint8] | None:
        """Ask OpenSlide for a piece of a level; return None if it cannot be read."""
        down = self._downsamples[level]
        corner = (round(piece.column * down), round(piece.row * down))
        for _ in range(2):
            try:
                handle = self._handle()
            except openslide.OpenSlideError as error:
                raise SlideError(f"{self._path}: cannot be opened again: {error}") from None
            try:
                region = handle.read_region(corner, level, (piece.width, piece.height))
            except openslide.OpenSlideError as error:
                pass_on_lack_of_memory(error)
                # After an error a handle answers nothing but errors, also to what it could read.
                self._drop(handle)
                continue
            ground = Image.new("RGB", region.size, self._background)
            ground.paste(region, mask=region.getchannel("A"))
            return np.asarray(ground)
        return None

    def forget(self) -> None:
        """Forget the tiles that were decoded here; OpenSlide keeps its own."""
        if self._tiff is not None:
            self._tiff.forget()

    def close(self) -> None:
        """Close all handles."""
        for handle in self._handles:
            handle.close()
        if self._tiff is not None:
            self._tiff.close()


def open_vendor(path: Path, scene: str | None = None) -> SlideReader | None:
    """Open a slide with OpenSlide, if it knows the vendor.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    scene : str, optional
        The user's choice among several scenes.

    Returns
    -------
    SlideReader or None
        None if the format is another one, or a TIFF without a vendor.

    Raises
    ------
    SlideError
        If OpenSlide knows the format and cannot open the file (the message then does not name the
        file).
    FinalSlideError
        If it lacks the files that belong to it, or there is no such scene.
    """
    path = _with_companions(path)
    vendor = openslide.OpenSlide.detect_format(path)
    if vendor in (None, _LEFT_TO_TIFFFILE):
        return None
    try:
        tiff = TiffReader(path, "1")
    except SlideError as error:
        # Of this vendor alone, the pages of the TIFF are known to be the levels of the slide.
        if vendor == _ONE_PYRAMID and isinstance(error, FinalSlideError):
            raise
        tiff = None
    if tiff is not None and len(tiff.scenes) > 1 and vendor == _ONE_PYRAMID:
        # OpenSlide takes the levels of all of them for those of one.
        tiff.close()
        return TiffReader(path, scene)
    try:
        reader = OpenSlideReader(path, tiff, scene)
    except (openslide.OpenSlideError, SlideError) as error:
        if tiff is not None:
            tiff.close()
        pass_on_lack_of_memory(error)
        if isinstance(error, SlideError):
            raise
        raise SlideError(f"OpenSlide: {error}") from None
    _refuse_lone_part(path, reader)
    return reader


def _with_companions(path: Path) -> Path:
    """Return the path, a link's own or its target's, beside which the slide's other files lie."""
    if path.suffix.lower() == ".mrxs" and not any(
        place.with_suffix("").is_dir() for place in (path, path.resolve())
    ):
        raise FinalSlideError(
            f"{path}: its pixels are not there; expected the folder {path.with_suffix('').name}"
            " beside it: copy that as well"
        )
    target = path.resolve()
    if not path.is_symlink() or openslide.OpenSlide.detect_format(path) == _LEFT_TO_TIFFFILE:
        return path
    return max((path, target), key=_extent)


def _extent(path: Path) -> tuple[int, int]:
    """Return the pixels of level 0 and the number of levels that OpenSlide finds from a path."""
    try:
        with openslide.OpenSlide(path) as handle:
            width, height = handle.dimensions
            return width * height, handle.level_count
    except openslide.OpenSlideError:
        return 0, 0


def _refuse_lone_part(path: Path, reader: OpenSlideReader) -> None:
    """Raise `FinalSlideError` for a smaller copy whose full resolution is not beside it."""
    if reader.properties.get(_DICOM_FLAVOUR) == _DICOM_SMALLER:
        height, width = reader.levels[0].shape
        reader.close()
        raise FinalSlideError(
            f"{path}: is a smaller copy ({height} x {width} px) of a DICOM slide, and the file of"
            " full resolution does not lie beside it; put all files of the series into one folder"
        )


def _regions(properties: Any, shape: tuple[int, int]) -> list[Window]:
    """Return the regions of the scan, in level-0 pixels; all of level 0 if there are none."""
    whole = Window(0, 0, *shape)
    found: list[Window] = []
    while f"openslide.region[{len(found)}].x" in properties:
        values = [
            number(properties.get(f"openslide.region[{len(found)}].{name}"))
            for name in ("y", "x", "height", "width")
        ]
        sides = [int(value) for value in values if value is not None]
        found.append((len(sides) == 4 and Window(*sides).intersection(whole)) or whole)
    return found or [whole]


def _refuse_large_tiles(properties: Any, n_levels: int) -> None:
    """Raise `SlideError` if a level has tiles for which OpenSlide would ask for too much memory.

    OpenSlide ends the process where it does not get the memory that it asks for.
    """
    for level in range(n_levels):
        height, width = _tile_shape(properties, level)
        if height * width > LARGEST_UNTILED_PX:
            raise SlideError(f"OpenSlide: level {level} has tiles of {height} x {width} px")


def _tile_shape(properties: Any, level: int) -> tuple[int, int]:
    height, width = (
        int(properties.get(f"openslide.level[{level}].tile-{side}", _TILE_PX))
        for side in ("height", "width")
    )
    return height, width


def _bounds(properties: Any, shape: tuple[int, int]) -> Window:
    """Return the part of level 0 that holds the scan; all of it if the slide does not say."""
    names = ("y", "x", "height", "width")
    values = [number(properties.get(f"openslide.bounds-{name}")) for name in names]
    whole = Window(0, 0, *shape)
    sides = [int(value) for value in values if value is not None]
    if len(sides) < 4 or min(sides[2:]) < 1:
        return whole
    return Window(*sides).intersection(whole) or whole
