"""Size and shape of the nuclei of each class: percentiles of features, histograms of areas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nucwsi.report.assessment import ClassShapes

#: Edges of the bins of the area histograms, in µm²; the last bin also holds all larger areas.
AREA_BINS_UM2 = np.linspace(0, 100, 51)


def class_shapes(
    rows: Sequence[dict[str, str]],
    class_code: NDArray[np.uint8],
    area_um2: NDArray[np.floating],
    classes: tuple[str, ...],
) -> tuple[ClassShapes, ...]:
    """Describe the nuclei of each class on the whole slide.

    Parameters
    ----------
    rows : sequence of dict
        Rows of ``morphometry.csv`` (column -> text), of any regions.
    class_code : (N,) ndarray of uint8
        Index of each nucleus' class.
    area_um2 : (N,) ndarray of float
        Areas of the nuclei in µm².
    classes : tuple of str
        Class names, in the order of the codes.

    Returns
    -------
    tuple of ClassShapes
        One for each class. Percentiles are those of the table; the histogram counts all nuclei.
    """
    whole = [row for row in rows if row["region_source"] == "slide"]
    described = []
    for code, name in enumerate(classes):
        areas = area_um2[class_code == code].clip(0, AREA_BINS_UM2[-1])
        features = {
            row["feature"]: (float(row["p5"]), float(row["p50"]), float(row["p95"]))
            for row in whole
            if row["class"] == name and row["p50"]
        }
        histogram = tuple(np.histogram(areas, AREA_BINS_UM2)[0].tolist())
        described.append(ClassShapes(name=name, n=len(areas), features=features, areas=histogram))
    return tuple(described)
