"""Metadata of OME-Zarr, as the specification has it."""

import json

import pytest
from ome_zarr_models.v04.image import ImageAttrs

from nucwsi.io.stores.ome import multiscales, rgb_display


def test_levels_have_their_pixels_and_the_picture_its_origin():
    described = multiscales("s", "cyx", [0.25, 1.0], [10.0, 20.0]) | rgb_display()
    attributes = ImageAttrs.model_validate(json.loads(json.dumps(described)))
    [scales] = attributes.multiscales
    assert [axis.name for axis in scales.axes] == ["c", "y", "x"]
    assert [dataset.path for dataset in scales.datasets] == ["0", "1"]
    [scale, translation] = scales.datasets[1].coordinateTransformations
    assert scale.scale == [1.0, 1.0, 1.0]
    assert translation.translation == [0.0, 10.0, 20.0]
    assert scales.datasets[0].coordinateTransformations[0].scale == [1.0, 0.25, 0.25]
    assert [channel.color for channel in attributes.omero.channels] == [
        "FF0000",
        "00FF00",
        "0000FF",
    ]


@pytest.mark.parametrize(("axes", "scale"), [("yx", [0.5, 0.5]), ("cyx", [1.0, 0.5, 0.5])])
def test_without_an_origin_nothing_is_said_of_it(axes, scale):
    [scales] = multiscales("s", axes, [0.5])["multiscales"]
    [dataset] = scales["datasets"]
    assert dataset["coordinateTransformations"] == [{"type": "scale", "scale": scale}]
    assert (scales["version"], scales["name"]) == ("0.4", "s")
