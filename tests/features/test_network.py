"""What the networks said: logarithms of probabilities, none of them endless."""

import numpy as np

from nucwsi.features.network import names, network_features


def test_each_class_has_a_logarithm_and_none_is_endless():
    found = network_features(np.array([[1, 0], [0.5, 0.5]]), np.array([0.9, 0.6]))
    np.testing.assert_allclose(
        found, [[0, np.log(0.005), 0.9], [np.log(0.5), np.log(0.5), 0.6]], rtol=1e-6
    )
    assert names(("a", "b")) == ("network_a", "network_b", "network_np")
