"""Density maps as PNG images: a colour ramp for each class, and one scale for all slides."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nucwsi.composition.regions import Colour
from nucwsi.report.assessment import Assessment
from nucwsi.report.imagery import ScaleBar, data_uri, scale_bar

#: The darkest colour of a class stands for this percentile of its density in all cells of the run.
_TOP_PERCENTILE = 99.5

#: Leading digits of the highest density of a scale.
_ROUND_STEPS = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)

#: RGB of tissue without nuclei: pale, but not the white of glass.
_PALE = (242, 240, 236)

#: The darkest entry of a ramp is the class colour times this factor.
_DARKEST = 0.35

#: Colours brighter than this (Rec. 601, 0 to 255) are darkened to it, for a ramp begins pale.
_BRIGHTEST = 190.0

#: Where along the ramp the class colour itself lies, 0 (pale) to 1 (dark).
_MIDDLE = 0.6


class ClassEntry(NamedTuple):
    """A class of the run and its colour.

    Attributes
    ----------
    name : str
        The class.
    colour : (int, int, int)
        Red, green and blue, 0 to 255.
    """

    name: str
    colour: Colour

    @property
    def css(self) -> str:
        """The colour as CSS writes it."""
        return "rgb({} {} {})".format(*self.colour)

    @property
    def middle_css(self) -> str:
        """The middle of the ramp of its density map as CSS writes it."""
        return "rgb({} {} {})".format(*ramp_middle(self.colour))


class DensityPanel(NamedTuple):
    """The density map of one class.

    Attributes
    ----------
    name : str
        The class.
    top : float
        Density of the darkest colour, in nuclei per mm².
    image : str
        PNG as a data URI.
    """

    name: str
    top: float
    image: str


class DensityPanels(NamedTuple):
    """The density maps of a slide.

    Attributes
    ----------
    panels : tuple of DensityPanel
        One for each class of the slide.
    size : (int, int)
        Width and height of each map in cells.
    bar : ScaleBar
        Scale bar of the maps.
    """

    panels: tuple[DensityPanel, ...]
    size: tuple[int, int]
    bar: ScaleBar


def ramp_middle(colour: Colour) -> Colour:
    """Return the colour in the middle of the ramp of a class.

    Parameters
    ----------
    colour : (int, int, int)
        Red, green and blue of the class, 0 to 255.

    Returns
    -------
    (int, int, int)
        The colour of the class, but darker if it is hardly darker than the pale end of the ramp.
    """
    brightness = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    share = min(1.0, _BRIGHTEST / max(brightness, 1.0))
    return round(colour[0] * share), round(colour[1] * share), round(colour[2] * share)


def colour_ramp(colour: Colour) -> NDArray[np.uint8]:
    """Return the ramp of a class colour; it darkens steadily, so it can be read without colour.

    Parameters
    ----------
    colour : (int, int, int)
        Red, green and blue of the class, 0 to 255.

    Returns
    -------
    (256, 3) ndarray of uint8
        RGB palette. Entry 0 stands for cells without a density; entries 1 to 255 run from no nuclei
        to the highest density.
    """
    middle = ramp_middle(colour)
    stops = np.array([_PALE, middle, np.multiply(middle, _DARKEST)])
    at = np.linspace(0, 1, 255)
    columns = [np.interp(at, (0, _MIDDLE, 1), channel) for channel in stops.T]
    return np.vstack([np.zeros((1, 3)), np.column_stack(columns)]).round().astype(np.uint8)


def density_png(density: NDArray[np.floating], top: float, colour: Colour) -> bytes:
    """Draw the density map of one class.

    Parameters
    ----------
    density : (H, W) ndarray of float
        Nuclei per mm² in each cell; cells with NaN are transparent.
    top : float
        Density of the darkest colour, in nuclei per mm²; what is above it looks the same.
    colour : (int, int, int)
        Red, green and blue of the class, 0 to 255.

    Returns
    -------
    bytes
        PNG of H rows and W columns.
    """
    known = np.isfinite(density)
    level = 1 + np.rint(254 * np.clip(np.where(known, density, 0) / top, 0, 1))
    image = Image.fromarray(np.where(known, level, 0).astype(np.uint8)).convert("P")
    image.putpalette(colour_ramp(colour).tobytes())
    sink = io.BytesIO()
    image.save(sink, "PNG", optimize=True, transparency=0)
    return sink.getvalue()


def common_tops(
    assessments: Sequence[Assessment],
    densities: Sequence[NDArray[np.floating]],
    classes: Sequence[ClassEntry],
) -> list[float]:
    """Choose for each class the density of the darkest colour, the same for all slides.

    Parameters
    ----------
    assessments : sequence of Assessment
        What `assess` found on each slide.
    densities : sequence of (C, H, W) ndarray of float
        The density maps of each slide, in nuclei per mm²; NaN where there is no tissue. Slides may
        differ in classes and shape.
    classes : sequence of ClassEntry
        All classes of the run.

    Returns
    -------
    list of float
        One density for each class, in nuclei per mm²: the 99.5th percentile of all cells, rounded
        up.
    """
    tops = []
    for entry in classes:
        layers = [
            maps[assessment.facts.classes.index(entry.name)]
            for assessment, maps in zip(assessments, densities, strict=True)
            if entry.name in assessment.facts.classes
        ]
        cells = np.concatenate([layer[np.isfinite(layer)] for layer in layers])
        top = float(np.percentile(cells, _TOP_PERCENTILE)) if len(cells) else 0.0
        tops.append(round_up(top))
    return tops


def round_up(value: float) -> float:
    """Round up to 1, 1.5, 2, 3, 4, 5, 6 or 8 times a power of ten.

    Parameters
    ----------
    value : float
        Any number.

    Returns
    -------
    float
        At least 10.

    Examples
    --------
    >>> [round_up(value) for value in (0, 151, 2000, 8001)]
    [10.0, 200.0, 2000.0, 10000.0]
    """
    power = 10 ** np.floor(np.log10(max(value, 10)))
    wanted = min(value, 10 * power)
    return float(next(step * power for step in _ROUND_STEPS if step * power >= wanted))


def density_panels(
    assessment: Assessment,
    density: NDArray[np.floating],
    classes: Sequence[ClassEntry],
    tops: Sequence[float],
) -> DensityPanels:
    """Draw the density maps of a slide.

    Parameters
    ----------
    assessment : Assessment
        What `assess` found on the slide.
    density : (C, H, W) ndarray of float
        Nuclei per mm² in each cell, for each class of the slide; NaN where there is no tissue.
    classes : sequence of ClassEntry
        All classes of the run.
    tops : sequence of float
        Density of the darkest colour of each class of the run, in nuclei per mm².

    Returns
    -------
    DensityPanels
        The classes of the slide, in the order of the run.
    """
    names = assessment.facts.classes
    panels = []
    for entry, top in zip(classes, tops, strict=True):
        if entry.name in names:
            png = density_png(density[names.index(entry.name)], top, entry.colour)
            panels.append(DensityPanel(entry.name, top, data_uri(png, "image/png")))
    height, width = density.shape[1:]
    bar = scale_bar(width * assessment.density.cell_um)
    return DensityPanels(tuple(panels), (width, height), bar)
