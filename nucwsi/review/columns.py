"""The columns with which corrected numbers stand in tables and in QuPath."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nucwsi.review.estimator import Interval, Totals

#: Ends of the names of a value and of both ends of its interval.
_ENDS = ("", "_low", "_high")


def column_names(classes: Sequence[str]) -> list[str]:
    """Return the columns of corrected numbers.

    Parameters
    ----------
    classes : sequence of str
        The C classes that answers may name.

    Returns
    -------
    list of str
        ``n_labels``; ``corrected_nuclei``, ``corrected_<class>``, ``corrected_frac_<class>`` and
        ``corrected_<class>_per_mm2``, each with ``_low`` and ``_high``.
    """
    stems = [
        "corrected_nuclei",
        *(f"corrected_{name}" for name in classes),
        *(f"corrected_frac_{name}" for name in classes),
        *(f"corrected_{name}_per_mm2" for name in classes),
    ]
    return ["n_labels", *(f"{stem}{end}" for stem in stems for end in _ENDS)]


def column_values(
    totals: Totals | None, n_labels: int, tissue_mm2: float, n_classes: int
) -> list[float]:
    """Return the values of these columns for a region.

    Parameters
    ----------
    totals : Totals or None
        What is known of the region.
    n_labels : int
        Answers in it.
    tissue_mm2 : float
        Area of its tissue, in mm².
    n_classes : int
        Number of classes C.

    Returns
    -------
    list of float
        In the order of `column_names`; NaN where nothing is known.
    """
    if totals is None:
        return [float(n_labels), *[np.nan] * (len(_ENDS) * (1 + 3 * n_classes))]
    counts = totals.counts()
    density = Interval(*(side / tissue_mm2 if tissue_mm2 else side * np.nan for side in counts))
    parts = [totals.all_classes(), counts, totals.shares(), density]
    return [
        float(n_labels),
        *(v for part in parts for v in np.stack(part, axis=1).ravel().tolist()),
    ]
