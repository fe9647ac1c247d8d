"""The nuclei of the viewer, byte by byte."""

import base64
import zlib

import numpy as np
import shapely
from shown import phantom_nuclei

from nucwsi.grid import Frame
from nucwsi.report.viewer_tiles import TILE_PX, UNITS, pack_nuclei, packed_tiles


def test_packed_nuclei_are_what_their_description_says():
    ring = shapely.Polygon([(1030, 2050), (1040, 2050.3), (1035, 2061), (1030, 2050)])
    text = pack_nuclei(
        np.array([1 << 40]), np.array([1], np.uint8), np.array([[0.2, 0.8]]), np.array([9.5]),
        np.array([ring]), (2, 1),
    )  # fmt: skip
    data = zlib.decompress(base64.b64decode(text))
    np.testing.assert_array_equal(np.frombuffer(data, "<u4", 2), [1, 3])
    assert np.frombuffer(data, "<f8", 1, 8) == 1 << 40
    assert np.frombuffer(data, "<f4", 1, 16) == 9.5
    assert np.frombuffer(data, "<u2", 1, 20) == 3
    steps = np.frombuffer(data, "<i2", 6, 22).reshape(3, 2)
    first = (np.array([1030, 2050]) - np.array([1, 2]) * TILE_PX) * UNITS
    np.testing.assert_array_equal(steps, [first, (80, 2), (-40, 86)])
    assert list(data[34:]) == [1, 51, 204]


def test_every_nucleus_lies_in_the_tile_of_its_centroid():
    """The canvas is one tile high and two wide: its border lies at level-0 column 2048."""
    table = phantom_nuclei()
    frame = Frame((800, 1050), 0.5, (0.25, 0.25), (0.0, 0.0), (1600, 2100))
    tiles = {tile: (count, packed) for tile, count, packed in packed_tiles(table, frame)}
    right = int(np.sum(table.column >= 2 * TILE_PX))
    assert right > 0
    assert {tile: count for tile, (count, _) in tiles.items()} == {
        (0, 0): len(table) - right,
        (0, 1): right,
    }
    for count, packed in tiles.values():
        data = zlib.decompress(base64.b64decode(packed))
        assert np.frombuffer(data, "<u4", 1)[0] == count
    ids = np.frombuffer(zlib.decompress(base64.b64decode(tiles[0, 1][1])), "<f8", right, 8)
    assert sorted(ids) == sorted(table.id[table.column >= 2 * TILE_PX])
