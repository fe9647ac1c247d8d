"""One labelled image, checked when it is made: readers of data sets and training rely on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucwsi.errors import DataError


@dataclass(frozen=True)
class LabelledImage:
    """An image and what is known of its nuclei: which pixels each holds, or only where it is.

    Attributes
    ----------
    image : (H, W, 3) ndarray of uint8
        RGB, 0 to 255.
    instances : (H, W) ndarray of int32, or None
        0 is background, every other number one nucleus; None where only points are known.
    ids : (N,) ndarray of int32
        The numbers in `instances`, ascending; 1 to N for points.
    points : (N, 2) ndarray of float32, or None
        Row and column of each nucleus in pixels of the image; None where instances are known.
    codes : (N,) ndarray of uint8, or None
        Label code of each nucleus, 0 where it is not known; None where no code is known.
    ignored : (H, W) ndarray of bool, or None
        True where the labels say neither nucleus nor background; None where they always do.
    """

    image: NDArray[np.uint8]
    instances: NDArray[np.int32] | None
    ids: NDArray[np.int32]
    points: NDArray[np.float32] | None = None
    codes: NDArray[np.uint8] | None = None
    ignored: NDArray[np.bool_] | None = None


def whole_numbers(where: str, what: str, values: NDArray[Any]) -> NDArray[np.int64]:
    """Turn labels into integers, whatever type they are stored as.

    Parameters
    ----------
    where : str
        File or image, for the message of an error.
    what : str
        What the numbers are, in the plural, for the same message.
    values : (...) ndarray
        Integers of any type, of any shape; MATLAB and PanNuke store them as float64.

    Returns
    -------
    (...) ndarray of int64
        The same numbers, of the same shape.

    Raises
    ------
    DataError
        If a value is no number, not whole, negative, or 2^31 or above.
    """
    if values.dtype.kind not in "buif":
        raise DataError(f"{where}: the {what} are of type {values.dtype}; expected integers")
    wrong = (values < 0) | (values >= 2**31)
    if values.dtype.kind == "f":
        # True of NaN, too.
        wrong |= values != np.floor(values)
    if wrong.any():
        raise DataError(
            f"{where}: the {what} must be integers from 0 on, got {values[wrong].flat[0]:g};"
            " a resized or compressed label cannot be used"
        )
    return values.astype(np.int64)


def majority_classes(
    instances: NDArray[np.integer], classes: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give each instance the class that most of its pixels have.

    Parameters
    ----------
    instances : (H, W) ndarray of int
        0 is background, every other number one nucleus.
    classes : (H, W) ndarray of int
        Label code of each pixel; 0 is background, which never wins against a class.

    Returns
    -------
    ids : (N,) ndarray of int64
        Numbers of the instances, ascending.
    codes : (N,) ndarray of int64
        Label code of each; 0 if none of its pixels has a class.

    Examples
    --------
    >>> majority_classes(np.array([[4, 4, 4, 0]]), np.array([[2, 2, 5, 5]]))
    (array([4]), array([2]))
    """
    inside = instances > 0
    ids, owner = np.unique(instances[inside], return_inverse=True)
    n_classes = int(classes.max(initial=0)) + 1
    votes = np.bincount(owner * n_classes + classes[inside], minlength=ids.size * n_classes)
    votes = votes.reshape(ids.size, n_classes)
    votes[:, 0] = 0
    return ids.astype(np.int64), votes.argmax(axis=1)


def as_rgb(where: str, image: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return an image as 8-bit RGB, whatever type it is stored as.

    Parameters
    ----------
    where : str
        File or image, for the message of an error.
    image : (H, W, 3) ndarray
        Whole numbers from 0 to 255, of any type.

    Returns
    -------
    (H, W, 3) ndarray of uint8
        RGB, 0 to 255.

    Raises
    ------
    DataError
        If it has another shape, or values outside 0 to 255.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise DataError(f"{where}: expected an image of H x W x 3, got {_by(image.shape)}")
    if image.dtype == np.uint8:
        return image.astype(np.uint8, copy=False)
    pixels = whole_numbers(where, "values of the image", image)
    if pixels.max() > 255:
        raise DataError(f"{where}: expected an image of 0 to 255, got values up to {pixels.max()}")
    return pixels.astype(np.uint8)


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single value"


def labelled_instances(
    where: str,
    image: NDArray[np.generic],
    instances: NDArray[np.generic],
    classes: tuple[NDArray[np.generic], NDArray[np.generic]] | None = None,
    ignored: NDArray[np.bool_] | None = None,
) -> LabelledImage:
    """Make a labelled image from an instance map.

    Parameters
    ----------
    where : str
        File or image, for the message of an error.
    image : (H, W, 3) ndarray
        RGB, 0 to 255.
    instances : (H, W) ndarray
        0 is background, every other number one nucleus; whole numbers of any type.
    classes : pair of (M,) ndarray, optional
        Numbers of instances, and the label code of each. Numbers without a pixel are ignored.
        Without it no class is known.
    ignored : (H, W) ndarray of bool, optional
        True where the labels say neither nucleus nor background.

    Returns
    -------
    LabelledImage
        With instances, without points.

    Raises
    ------
    DataError
        If sizes differ, labels are not integers, or an instance has no class or two.
    """
    pixels = as_rgb(where, image)
    if instances.shape != pixels.shape[:2]:
        raise DataError(
            f"{where}: the image has {_by(pixels.shape[:2])} px, but its labels"
            f" {_by(instances.shape)}; expected the same height and width"
        )
    numbers = whole_numbers(where, "instances", instances)
    ids = np.unique(numbers[numbers > 0])
    codes = None if classes is None else _codes_of(where, ids, *classes)
    return LabelledImage(
        pixels, numbers.astype(np.int32), ids.astype(np.int32), codes=codes, ignored=ignored
    )


def _codes_of(
    where: str, ids: NDArray[np.int64], named: NDArray[np.generic], given: NDArray[np.generic]
) -> NDArray[np.uint8]:
    """Return the label code (N,) of each of `ids` (N,), given names and codes (M,)."""
    if named.shape != given.shape or named.ndim != 1:
        raise DataError(
            f"{where}: {_by(named.shape)} instances but {_by(given.shape)} classes; expected one"
            " class for each instance"
        )
    names = whole_numbers(where, "numbers of instances", named)
    codes = _code_bytes(where, given)
    order = np.argsort(names, kind="stable")
    names, codes = names[order], codes[order]
    if (twice := names[1:][names[1:] == names[:-1]]).size:
        raise DataError(f"{where}: instance {twice[0]} has two classes; expected one")
    if (bare := ids[~np.isin(ids, names)]).size:
        raise DataError(f"{where}: instance {bare[0]} has no class; expected one for each")
    return codes[np.searchsorted(names, ids)]


def _code_bytes(where: str, given: NDArray[np.generic]) -> NDArray[np.uint8]:
    codes = whole_numbers(where, "classes", given)
    if codes.max(initial=0) > 255:
        raise DataError(f"{where}: class {codes.max()}; expected 0 to 255")
    return codes.astype(np.uint8)


def labelled_points(
    where: str,
    image: NDArray[np.generic],
    points: NDArray[np.generic],
    codes: NDArray[np.generic],
) -> LabelledImage:
    """Make a labelled image from points.

    Parameters
    ----------
    where : str
        File or image, for the message of an error.
    image : (H, W, 3) ndarray
        RGB, 0 to 255.
    points : (N, 2) ndarray of float
        Row and column of each nucleus in pixels of the image, from its upper left corner.
    codes : (N,) ndarray
        Label code of each nucleus, 0 to 255; whole numbers of any type.

    Returns
    -------
    LabelledImage
        With points, without instances.

    Raises
    ------
    DataError
        If the shapes do not fit each other, or a point lies outside the image.
    """
    pixels = as_rgb(where, image)
    if points.ndim != 2 or points.shape[1] != 2 or codes.shape != points.shape[:1]:
        raise DataError(
            f"{where}: points of {_by(points.shape)} and {_by(codes.shape)} classes; expected"
            " N x 2 points (row, column) and N classes"
        )
    places = points.astype(np.float64)
    outside = ~((places >= 0) & (places <= pixels.shape[:2])).all(axis=1)
    if outside.any():
        row, column = places[outside][0]
        raise DataError(
            f"{where}: the point at row {row:g}, column {column:g} lies outside the image of"
            f" {_by(pixels.shape[:2])} px; expected (row, column)"
        )
    ids = np.arange(1, len(places) + 1, dtype=np.int32)
    return LabelledImage(
        pixels, None, ids, points=places.astype(np.float32), codes=_code_bytes(where, codes)
    )


def check_codes(where: str, codes: NDArray[np.uint8] | None, known: Sequence[int]) -> None:
    """Check that every label code has a name.

    Parameters
    ----------
    where : str
        File or image, for the message of an error.
    codes : (N,) ndarray of uint8, or None
        Label code of each nucleus.
    known : sequence of int
        Codes that have a name; 0, a nucleus of unknown class, needs none.

    Raises
    ------
    DataError
        If a code has no name.
    """
    for code in [] if codes is None else np.unique(codes[codes > 0]).tolist():
        if code not in known:
            expected = ", ".join(map(str, sorted(known))) or "none"
            raise DataError(f"{where}: class {code} is out of range; expected {expected}, or 0")
