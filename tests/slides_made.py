"""Slides written by tests: sound ones of every kind, and ways to damage them."""

from pathlib import Path

import numpy as np
import openslide
import tifffile
from scipy import ndimage

from nucwsi.grid import Window

GLASS = (243, 241, 243)

APERIO = "Aperio Image Library v12.0\r\n{width}x{height} (256x256) JPEG/RGB Q=90|AppMag = {power}"


def picture(height=1100, width=1300, seed=0):
    """Paint pink and violet tissue on glass; the left third and a rim stay glass."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    radius = np.hypot((rows / height - 0.5) / 0.42, (columns / width - 0.62) / 0.32)
    tissue = np.clip(8 * (1 - radius), 0, 1)[..., None]
    grain = ndimage.zoom(rng.random((height // 8 + 2, width // 8 + 2)), 8, order=1)
    violet = grain[:height, :width, None] ** 2
    density = tissue * ((1 - violet) * (0.10, 0.45, 0.25) + violet * (0.75, 1.1, 0.5))
    return np.rint(np.array(GLASS) * np.exp(-density)).astype(np.uint8)


def shrunk(image, factor):
    """Average blocks, as scanners do; what does not fill a block is dropped."""
    height, width = (side // factor for side in image.shape[:2])
    blocks = image[: height * factor, : width * factor].reshape(height, factor, width, factor, -1)
    return np.rint(blocks.mean(axis=(1, 3))).astype(image.dtype)


def write_slide(
    path: Path,
    image,
    *,
    levels=(1, 4),
    mpp=0.25,
    unit="CENTIMETER",
    description=None,
    subifds=False,
    **options,
):
    """Write a pyramid; `options` are tifffile's, and may replace JPEG tiles of 256 px."""
    chosen = {"photometric": "rgb", "tile": (256, 256), "compression": "jpeg", "metadata": None}
    chosen |= options
    if unit is not None:
        per_unit = {"CENTIMETER": 1e4, "INCH": 25400, "NONE": 1e4}[unit] / mpp
        chosen |= {"resolution": (per_unit, per_unit), "resolutionunit": unit}
    with tifffile.TiffWriter(path) as tiff:
        for number, factor in enumerate(levels):
            pixels = image if factor == 1 else shrunk(image, factor)
            place = {"subfiletype": 0 if number == 0 else 1}
            if subifds and number == 0:
                place["subifds"] = len(levels) - 1
            if number == 0 and description is not None:
                place["description"] = description
            tiff.write(pixels, **(chosen | place))
    return path


def write_aperio(path: Path, image, *, mpp=0.25, power=40, **options):
    """Write a slide that OpenSlide takes for Aperio's; `mpp` as it is, None: not at all."""
    text = APERIO.format(height=image.shape[0], width=image.shape[1], power=power)
    text += "" if mpp is None else f"|MPP = {mpp}"
    return write_slide(path, image, unit=None, description=text, **options)


def damage(path: Path, how: str, *, level=0, tile=0):
    """Damage one tile: ``zeroed`` whole, ``garbled`` or ``bent`` within, or ``missing``."""
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        page = tiff.pages[level]
        offset, size = page.dataoffsets[tile], page.databytecounts[tile]
        if how == "missing":
            for name in ("TileOffsets", "TileByteCounts"):
                values = list(page.tags[name].value)
                values[tile] = 0
                page.tags[name].overwrite(values)
            return path
    start, content = {
        "zeroed": (0, bytes(size)),
        "garbled": (size // 2, np.random.default_rng(0).bytes(size // 4)),
        "bent": (size // 2, bytes(512)),
    }[how]
    with path.open("r+b") as stream:
        stream.seek(offset + start)
        stream.write(content)
    return path


def random_windows(shape, count=8, largest=700):
    """Yield windows that may reach beyond a level of (H, W) pixels."""
    rng = np.random.default_rng(3)
    for _ in range(count):
        height, width = (int(side) for side in rng.integers(1, largest, 2))
        row, column = (int(rng.integers(0, max(1, side - 100))) for side in shape)
        yield Window(row, column, height, width)


def check_against_openslide(slide, path, count=8):
    """Check that random windows of every level are OpenSlide's pixels to the bit."""
    with openslide.OpenSlide(path) as handle:
        for level, described in enumerate(slide.levels):
            down = handle.level_downsamples[level]
            if not float(down).is_integer():
                continue
            for window in random_windows(described.shape, count):
                corner = (round(window.column * down), round(window.row * down))
                size = (window.width, window.height)
                expected = np.asarray(handle.read_region(corner, level, size))
                expected = np.where(expected[..., 3:] == 0, 255, expected[..., :3])
                pixels, bad = slide.read(level, window)
                assert not bad
                np.testing.assert_array_equal(pixels, expected)
