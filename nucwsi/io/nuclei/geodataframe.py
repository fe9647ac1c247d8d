"""Nuclei from a GeoDataFrame: those of nucwsi, or those of another program."""

from __future__ import annotations

import geopandas
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from nucwsi.classes import most_probable, unions_within
from nucwsi.composition.counts import Population
from nucwsi.composition.disagreement import contrast_names
from nucwsi.composition.intervals import CountError
from nucwsi.composition.look import Look
from nucwsi.documents import first_fault
from nucwsi.errors import ConfigError
from nucwsi.facts import Colour, NamedUnions
from nucwsi.facts import CountError as Shares
from nucwsi.io.nuclei.columns import FEATURES
from nucwsi.nuclei.domain import Domain
from nucwsi.nuclei.miscount import Miscount

#: By how much rounding may lead a probability out of 0 to 1.
_ROUNDING = 1e-6


def read_population(
    frame: geopandas.GeoDataFrame,
) -> tuple[Population, tuple[str, ...], NDArray[np.float64]]:
    """Read the nuclei of a GeoDataFrame, and refuse those that would spoil a whole region.

    Parameters
    ----------
    frame : geopandas.GeoDataFrame
        One row for each nucleus; see `api.compose` for its columns.

    Returns
    -------
    nuclei : Population
        Of N nuclei and C classes. Classes are certain where there is no probability; features that
        are not known are NaN.
    classes : tuple of str
        The C class names.
    centroids : (N, 2) ndarray of float64
        x and y of the outlines' centroids, in level-0 pixels.

    Raises
    ------
    ConfigError
        If a column or an outline is missing, or a number cannot be counted with.
    """
    classes, centroids = _classes(frame), _centroids(frame)
    shares = [f"p_{name}" for name in classes]
    probable = set(shares) <= set(frame)
    if probable:
        share = _numbers(frame, shares, most=1.0)
    if "class" in frame:
        codes = pd.Categorical(frame["class"], categories=classes).codes
        code = np.where(codes < 0, len(classes), codes).astype(np.uint8)
    else:
        code = most_probable(share)
    if not probable:
        share = np.eye(len(classes) + 1, len(classes), dtype=np.float32)[code]
    measured = [name for name in FEATURES if name in frame]
    features = dict(zip(measured, _numbers(frame, measured, may_lack=True).T, strict=True))
    features.setdefault("area_um2", np.full(len(frame), np.nan, np.float32))
    names = _contrast_columns(frame, classes)
    contrasts = dict(zip(names, _numbers(frame, names, least=-np.inf).T, strict=True))
    population = Population(code, dict(zip(classes, share.T, strict=True)), features, contrasts)
    return population, classes, centroids


class _Trust(BaseModel):
    """What `attrs` of a table of nucwsi tell: how far its nuclei can be trusted, and its unions."""

    model_config = ConfigDict(defer_build=True)

    count_error: Shares = {}
    miscount: Miscount | None = None
    domain: Domain | None = None
    colour: Colour = ()
    unions: NamedUnions = {}


def _told(frame: geopandas.GeoDataFrame) -> _Trust:
    try:
        return _Trust.model_validate(frame.attrs)
    except ValidationError as error:
        raise ConfigError(f"`nuclei.attrs` is wrong: {first_fault(error)}; leave it out") from None


def read_unions(
    frame: geopandas.GeoDataFrame, classes: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """Read from the attributes of a GeoDataFrame which classes are also counted together.

    Parameters
    ----------
    frame : geopandas.GeoDataFrame
        Nuclei; ``attrs`` of a table of nucwsi may have ``unions``.
    classes : tuple of str
        Names of the classes that the nuclei are counted by.

    Returns
    -------
    dict of str to tuple of str
        Name of each union of these classes -> what it is made of.

    Raises
    ------
    ConfigError
        If an attribute is not what a table of nucwsi has.
    """
    return unions_within(_told(frame).unions, classes)


def read_trust(
    frame: geopandas.GeoDataFrame, classes: tuple[str, ...]
) -> tuple[CountError, Look | None]:
    """Read from the attributes of a GeoDataFrame how far its nuclei can be trusted.

    Parameters
    ----------
    frame : geopandas.GeoDataFrame
        Nuclei, as for `read_population`. ``attrs`` of a table of nucwsi have ``count_error`` and,
        where they are known, ``miscount``, ``domain`` and ``colour``; see `facts.SlideFacts`.
    classes : tuple of str
        Names of the classes that the nuclei are counted by.

    Returns
    -------
    error : CountError
        By how much counts are off beyond chance; by nothing where it is not known.
    look : Look or None
        How the nuclei look, and how they ought to; None where it is not known.

    Raises
    ------
    ConfigError
        If an attribute is not what a table of nucwsi has.
    """
    told = _told(frame)
    error = CountError.of(classes, told.count_error, told.miscount)
    networks = [name for name in frame if name.startswith("network_p_")]
    shares = networks or [f"p_{name}" for name in classes]
    if told.domain is None or not told.colour or not set(shares) <= set(frame):
        return error, None
    certainty = _numbers(frame, shares, most=1.0).max(axis=1)
    return error, Look(told.domain, told.colour, certainty)


def _classes(frame: geopandas.GeoDataFrame) -> tuple[str, ...]:
    shares = tuple(name.removeprefix("p_") for name in frame if name.startswith("p_"))
    named = tuple(sorted(frame["class"].dropna().unique())) if "class" in frame else ()
    # Another program's `p_value` is no class.
    if shares and set(named) <= set(shares):
        return shares
    if "class" not in frame:
        raise ConfigError(
            f"`nuclei` has no column `class`, nor `p_<class>`; its columns are {', '.join(frame)}"
        )
    return named


def _centroids(frame: geopandas.GeoDataFrame) -> NDArray[np.float64]:
    # An outline that is missing, empty or has a corner that is no number has no centroid. Bounds of
    # a point are the point; those of no point are NaN.
    with np.errstate(invalid="ignore"):
        centroids = shapely.bounds(shapely.centroid(frame.geometry.to_numpy()))[:, :2]
    void = np.flatnonzero(~np.isfinite(centroids).all(axis=1))
    if len(void):
        raise ConfigError(
            f"`nuclei` has {len(void)} rows without an outline, the first at"
            f" {frame.index[void[0]]!r}; leave them out"
        )
    return centroids


def _numbers(
    frame: geopandas.GeoDataFrame,
    columns: list[str],
    least: float = 0.0,
    most: float = np.inf,
    may_lack: bool = False,
) -> NDArray[np.float32]:
    """Return columns (N, K) of numbers, and refuse what would spoil the numbers of a region."""
    values = frame[columns].to_numpy(np.float32, na_value=np.nan)
    room = _ROUNDING if np.isfinite(most) else 0.0
    sound = np.isfinite(values) & (values >= least - room) & (values <= most + room)
    wrong = np.argwhere(~(sound | (np.isnan(values) & may_lack)))
    if len(wrong):
        row, column = wrong[0]
        raise ConfigError(
            f"`nuclei` has {len(np.unique(wrong[:, 0]))} rows with a number that cannot be counted"
            f" with, the first at {frame.index[row]!r}: `{columns[column]}` is"
            f" {values[row, column]:g}, expected {_span(least, most)}; correct them or leave them"
            " out"
        )
    return values


def _span(least: float, most: float) -> str:
    if np.isfinite(most):
        return f"{least:g} to {most:g}"
    return f"at least {least:g}" if np.isfinite(least) else "a finite number"


def _contrast_columns(frame: geopandas.GeoDataFrame, classes: tuple[str, ...]) -> list[str]:
    """Return the columns of contrasts that the nuclei have, by contrast, then class."""
    n_contrasts = 0
    while classes and set(contrast_names(classes, n_contrasts + 1)) <= set(frame):
        n_contrasts += 1
    return contrast_names(classes, n_contrasts)
