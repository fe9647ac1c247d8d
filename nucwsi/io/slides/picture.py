"""Plain pictures as slides: PNG, JPEG, WebP and BMP, which are decoded whole.

Pixels are those that the file holds: like QuPath, nucwsi does not turn a picture that EXIF says was
taken with the camera on its side, so that coordinates agree.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from nucwsi.errors import pass_on_lack_of_memory
from nucwsi.grid import Window
from nucwsi.io.slides.png import check_rows
from nucwsi.io.slides.slide_reader import FinalSlideError, Level
from nucwsi.io.slides.tiff_page import LARGEST_UNTILED_PX, on_white
from nucwsi.slide.mpp import MppClaim

log = logging.getLogger(__name__)

#: How files of each format begin -> the format's name, as Pillow spells it.
_STARTS = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"RIFF": "WEBP", b"BM": "BMP"}

#: Bytes at the start of a file that tell its format, and the size and depth of a PNG.
_START = 32

#: What Pillow calls pictures in colours, each of 8 bits: with a palette, with alpha, for print.
_COLOURED = frozenset({"RGB", "RGBA", "RGBX", "RGBa", "P", "PA", "CMYK", "YCbCr"})

#: What Pillow and its decoders raise on a damaged file.
_DAMAGED = (OSError, ValueError, SyntaxError, struct.error, EOFError, LookupError, TypeError)

#: Number of the tag of EXIF and of TIFF that says how a picture is to be turned; 1: not at all.
_ORIENTATION, _UPRIGHT = 0x0112, 1

#: TIFF's code of a fourth channel that is alpha.
_ALPHA = 2

#: Side of a tile, in pixels, that windows are best cut to.
_TILE_PX = 512

_UM_PER_INCH = 25400.0


class PictureReader:
    """A decoded picture; may be read from several threads.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    kind : str
        Its format, as Pillow spells it.

    Attributes
    ----------
    vendor : str
        Name of the format: ``png``, ``jpeg``, ``webp`` or ``bmp``.
    levels : list of Level
        Level 0 alone.
    bounds : Window
        All of it, in level-0 pixels.
    claims : list of MppClaim
        What the file says about its resolution, if anything.
    objective_power : None
        Pictures do not say.
    scenes : list of str
        Size of the picture.
    scene : str
        Always empty: there is one.
    missing : (0, 4) ndarray of int64
        No tile is without data.

    Raises
    ------
    FinalSlideError
        If the file is damaged, too large to be decoded whole, no picture in colours of 8 bits, or
        holds several pictures.
    """

    objective_power: float | None = None
    scene = ""

    def __init__(self, path: Path, kind: str) -> None:
        self.vendor = kind.lower()
        self._pixels, self.claims = _decoded(path, kind)
        height, width = self._pixels.shape[:2]
        tile = (min(_TILE_PX, height), min(_TILE_PX, width))
        self.levels = [Level((height, width), (1.0, 1.0), True, tile)]
        self.bounds = Window(0, 0, height, width)
        self.scenes = [f"{height} x {width} px"]
        self.missing: NDArray[np.int64] = np.empty((0, 4), np.int64)

    def read(
        self,
        level: int,  # noqa: ARG002 (the signature is that of `SlideReader`)
        window: Window,
    ) -> tuple[NDArray[np.uint8], list[Window]]:
        """Read a window.

        Parameters
        ----------
        level : int
            Always 0.
        window : Window
            In pixels; what lies outside comes white.

        Returns
        -------
        pixels : (H, W, 3) ndarray of uint8
            Red, green and blue, 0 to 255, of the window; transparent pixels lie on white.
        bad : list of Window
            Always empty: a damaged picture is refused as a whole.
        """
        pixels = np.full((*window.shape, 3), 255, np.uint8)
        inside = window.intersection(self.bounds)
        if inside is not None:
            pixels[inside.within(window).slices] = self._pixels[inside.slices]
        return pixels, []

    def forget(self) -> None:
        """Forget nothing: a picture is decoded once."""

    def close(self) -> None:
        """Forget the pixels."""
        self._pixels = self._pixels[:0]


def open_picture(path: Path, scene: str | None = None) -> PictureReader | None:
    """Open a plain picture.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    scene : str, optional
        The user's choice among several scenes; a picture has one, ``1``.

    Returns
    -------
    PictureReader or None
        None if the file is of another format.

    Raises
    ------
    FinalSlideError
        If it is such a picture and cannot be used.
    """
    with path.open("rb") as stream:
        start = stream.read(_START)
    kind = next((name for mark, name in _STARTS.items() if start.startswith(mark)), None)
    if kind is None or (kind == "WEBP" and start[8:12] != b"WEBP"):
        return None
    if scene not in (None, "1"):
        raise FinalSlideError(f"{path}: has no scene {scene!r}: a {kind} is one picture")
    # Pillow would keep the upper 8 bits and say nothing.
    if kind == "PNG" and start[24:25] == b"\x10":
        raise FinalSlideError(
            f"{path}: has 16 bits a channel; expected 8: convert it, so that white becomes 255"
        )
    return PictureReader(path, kind)


@contextmanager
def opened_picture(path: Path, *kinds: str) -> Iterator[Image.Image]:
    """Open a picture with Pillow; whatever is raised on a damaged file becomes one line.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    *kinds : str
        The formats that it may have, as Pillow spells them.

    Yields
    ------
    PIL.Image.Image
        Not decoded yet.

    Raises
    ------
    FinalSlideError
        If it is damaged, or too large to be decoded whole.
    """
    # Pillow's limit is half of ours, and a warning first.
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(path, formats=kinds) as image:
            width, height = image.size
            if width * height > LARGEST_UNTILED_PX:
                raise FinalSlideError(
                    f"{path}: {height} x {width} px are too many to be decoded at once; convert it"
                    " to a tiled pyramid, for example with `vips tiffsave --tile --pyramid`"
                )
            if image.format == "PNG":
                check_rows(path)
            yield image
    except FinalSlideError:
        raise
    except _DAMAGED as error:
        pass_on_lack_of_memory(error)
        raise FinalSlideError(
            f"{path}: is a {kinds[0]} that cannot be read ({error}); it is damaged, copy it again"
        ) from None
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _decoded(path: Path, kind: str) -> tuple[NDArray[np.uint8], list[MppClaim]]:
    """Return the pixels of a picture, (H, W, 3), and what it says about their size."""
    with opened_picture(path, kind, *(["MPO"] if kind == "JPEG" else [])) as image:
        _refuse_other_pictures(image, path)
        claims = _claims(image)
        turned = image.getexif().get(_ORIENTATION, _UPRIGHT)
        if turned != _UPRIGHT:
            log.warning(
                "%s: EXIF asks to turn it (orientation %s); it is analysed as it is stored, and as"
                " QuPath shows it",
                path,
                turned,
            )
        return _pixels(image, path), claims


def _refuse_other_pictures(image: Image.Image, path: Path) -> None:
    # Phones put further pictures behind a JPEG, such as a smaller one or a map of depths.
    n_pictures = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if n_pictures > 1:
        raise FinalSlideError(f"{path}: holds {n_pictures} pictures; export one of them")
    if image.mode not in _COLOURED:
        raise FinalSlideError(
            f"{path}: holds grey values (Pillow's mode {image.mode}); expected brightfield RGB of 8"
            " bits: nuclei are told apart by their colours"
        )


def _pixels(image: Image.Image, path: Path) -> NDArray[np.uint8]:
    if image.format in ("JPEG", "MPO") and image.mode == "RGB":
        # Strictly: Pillow paints over what is damaged.
        return simplejpeg.decode_jpeg(path.read_bytes(), "RGB", strict=True)
    if image.mode == "CMYK" and image.format in ("JPEG", "MPO"):
        # For its errors alone: Pillow knows which inks Adobe inverts.
        simplejpeg.decode_jpeg(path.read_bytes(), "CMYK", strict=True)
    if image.mode in ("RGBa", "RGBA", "PA") or "transparency" in image.info:
        return on_white(np.asarray(image.convert("RGBA")), _ALPHA)
    return np.asarray(image.convert("RGB"))


def _claims(image: Any) -> list[MppClaim]:
    """Return what a picture says about its resolution, if it has a unit of length."""
    # Pillow brings all units to inches, and gives 72 where EXIF is damaged.
    dots = image.info.get("dpi")
    try:
        across, down = (_UM_PER_INCH / float(number) for number in dots)
    except (TypeError, ValueError, ZeroDivisionError):
        return []
    return [MppClaim(down, across, image.format.lower())]
