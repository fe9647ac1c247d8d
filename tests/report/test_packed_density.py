"""Packed density maps come back as they were, to within a step."""

import base64
import json
import zlib

import numpy as np
import pytest

from nucwsi.report.packed_density import PackedDensity, pack_density, unpack_density


def test_densities_survive_packing():
    maps = np.full((2, 5, 7), np.nan)
    maps[:, 1:4] = np.random.default_rng(0).uniform(0, 9000, (2, 3, 7))
    stored = json.dumps(pack_density(maps, 25.0).model_dump())
    found = unpack_density(PackedDensity(**json.loads(stored)))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(maps))
    np.testing.assert_allclose(found, maps, atol=0.005 * 9000)
    assert np.isnan(unpack_density(pack_density(np.full((1, 2, 2), np.nan), 25.0))).all()


def test_a_byte_tells_no_tissue_from_no_nuclei():
    packed = pack_density(np.array([[[np.nan, 0.0, 400.0, 100.0]]]), 25.0)
    assert packed.shape == (1, 1, 4)
    assert packed.top == 400
    stored = np.frombuffer(zlib.decompress(base64.b64decode(packed.data)), np.uint8)
    assert stored.tolist() == [0, 1, 255, 128], "1 + 254 * sqrt(density / top)"


def test_damaged_densities_are_refused_where_they_are_read():
    """A splice in the text broke the stream (fuzz, seed 1, case 3400)."""
    sound = pack_density(np.ones((1, 40, 50)), 25.0).model_dump()
    stream = base64.b64decode(sound["data"])
    bomb = base64.b64encode(zlib.compress(bytes(10**7))).decode()
    for change in (
        {"data": sound["data"][:8] + sound["data"][12:]},
        {"data": base64.b64encode(stream[:-1]).decode()},
        {"data": sound["data"][:-4] + "é==="},
        {"data": bomb},
        {"shape": (1, 40, 51)},
        {"shape": (1, 40, -50)},
    ):
        with pytest.raises(ValueError, match=r"`data` (is damaged|does not pack)|greater than"):
            PackedDensity(**{**sound, **change})
