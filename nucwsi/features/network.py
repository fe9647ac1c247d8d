"""What the networks said of a nucleus, as features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Smaller probabilities are not told apart.
_LEAST = 0.005


def names(classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the features.

    Parameters
    ----------
    classes : tuple of str
        Classes of the networks.

    Returns
    -------
    tuple of str
        In the order of `network_features`.
    """
    return (*(f"network_{name}" for name in classes), "network_np")


def network_features(
    class_probabilities: NDArray[np.floating], np_mean: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Turn what the networks said into features.

    Parameters
    ----------
    class_probabilities : (N, C) ndarray of float
        Probability of each class of the networks, 0 to 1.
    np_mean : (N,) ndarray of float
        Mean probability of nucleus, 0 to 1.

    Returns
    -------
    (N, C + 1) ndarray of float32
        Natural logarithm of each class probability, of 0.005 at least, and `np_mean`. A linear
        classifier of the same classes that trusts the networks alone has weights of 1.
    """
    logarithms = np.log(np.maximum(class_probabilities, _LEAST))
    return np.column_stack([logarithms, np_mean]).astype(np.float32)
