"""Rings become polygons, one for one."""

import numpy as np
import shapely

from nucwsi.io.foreign.outlines import exteriors


def test_open_and_closed_rings_are_alike_and_two_points_are_nothing():
    ring = np.array([[0, 0], [4, 0], [4, 3]], float)
    shapes = exteriors([ring, ring[:2], np.vstack([ring, ring[:1]]), np.empty((0, 2))])
    assert shapely.area(shapes).tolist() == [6, 0, 6, 0]
    assert len(exteriors([])) == 0
