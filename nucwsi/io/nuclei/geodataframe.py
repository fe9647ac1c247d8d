"""Nuclei from a GeoDataFrame: those of nucwsi, or those of another program."""

from __future__ import annotations

import geopandas
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from nucwsi.classes import most_probable
from nucwsi.composition.counts import Population
from nucwsi.composition.disagreement import contrast_names
from nucwsi.errors import ConfigError
from nucwsi.io.nuclei.columns import FEATURES

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
    contrasts = _numbers(frame, _contrast_columns(frame, classes), least=-np.inf)
    population = Population(code, share, features, contrasts)
    return population, classes, centroids


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
