"""Packed density maps come back as they were, to within a step."""

import base64
import json
import zlib

import numpy as np

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
