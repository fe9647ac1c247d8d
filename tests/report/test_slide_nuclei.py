"""The nuclei of a slide come back in canvas pixels, each with its most probable class."""

import numpy as np
import pytest
from shown import phantom_nuclei, write_results

from nucwsi.grid import Frame
from nucwsi.phantom import CLASSES
from nucwsi.report.slide_nuclei import read_slide_nuclei


@pytest.mark.parametrize("level0_mpp", [(0.25, 0.25), (0.25, 0.26)])
def test_nuclei_are_read_as_they_were_written(small_slide, tmp_path, level0_mpp):
    table = phantom_nuclei(keep=30)
    folder = write_results(small_slide, tmp_path / "small", table)
    frame = Frame((800, 1050), 0.5, level0_mpp, (7.0, 9.0), (1600, 2100))
    nuclei = read_slide_nuclei(folder / "nuclei.parquet", CLASSES, frame)
    np.testing.assert_allclose(nuclei.row, (table.row - 7) * level0_mpp[0] / 0.5)
    np.testing.assert_allclose(nuclei.column, (table.column - 9) * level0_mpp[1] / 0.5)
    np.testing.assert_array_equal(nuclei.class_code, table.class_code)
    np.testing.assert_array_equal(nuclei.probability, table.class_probabilities.max(axis=1))
    np.testing.assert_array_equal(nuclei.area_um2, table.area_um2)
    np.testing.assert_array_equal(nuclei.at_edge, table.at_edge)
