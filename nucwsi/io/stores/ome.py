"""Metadata of OME-Zarr 0.4: how the arrays of a group lie on the slide, and how they are shown.

The keys are those of the specification, https://ngff.openmicroscopy.org/0.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: Version of OME-Zarr that is written.
OME_VERSION = "0.4"


def multiscales(
    name: str,
    axes: str,
    pixel_um: Sequence[float],
    origin_um: Sequence[float] | None = None,
) -> dict[str, Any]:
    """Describe the arrays ``0``, ``1``, … of a group as levels of one picture.

    Parameters
    ----------
    name : str
        Name of the picture, which viewers show.
    axes : str
        One letter an axis, in the order of the arrays: ``cyx`` or ``yx``.
    pixel_um : sequence of float
        Side of a pixel in µm, level by level.
    origin_um : sequence of float, optional
        y and x in µm of the arrays' upper left corner, from that of the slide; default: not said.

    Returns
    -------
    dict
        The attribute ``multiscales`` of the group, of plain JSON types.

    Examples
    --------
    >>> scales = multiscales("s", "yx", [0.5, 2.0], [10.0, 20.0])["multiscales"][0]
    >>> scales["datasets"][1]["coordinateTransformations"]
    [{'type': 'scale', 'scale': [2.0, 2.0]}, {'type': 'translation', 'translation': [10.0, 20.0]}]
    """
    described = {
        "c": {"name": "c", "type": "channel"},
        **{letter: {"name": letter, "type": "space", "unit": "micrometer"} for letter in "yx"},
    }
    lead = len(axes) - 2
    datasets = []
    for level, side in enumerate(pixel_um):
        steps: list[dict[str, Any]] = [{"type": "scale", "scale": [1.0] * lead + [side] * 2}]
        if origin_um is not None:
            steps.append({"type": "translation", "translation": [0.0] * lead + [*origin_um]})
        datasets.append({"path": str(level), "coordinateTransformations": steps})
    scales = {"version": OME_VERSION, "name": name, "axes": [described[axis] for axis in axes]}
    return {"multiscales": [{**scales, "datasets": datasets}]}


def rgb_display() -> dict[str, Any]:
    """Describe three channels of 0 to 255 as red, green and blue.

    Returns
    -------
    dict
        The attribute ``omero`` of the group, of plain JSON types.
    """
    window = {"min": 0, "max": 255, "start": 0, "end": 255}
    channels = [
        {"label": label, "color": colour, "active": True, "window": window}
        for label, colour in (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"))
    ]
    return {"omero": {"channels": channels, "rdefs": {"model": "color"}}}
