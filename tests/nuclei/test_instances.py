"""Instances: touching nuclei are parted, and alike in every window."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from instances_made import LIMIT, crowd, discs, label_mask, perfect_hv
from scipy import ndimage
from skimage.segmentation import watershed

from nucwsi.nuclei.instances import edge_strength, slope_limit, split_components
from nucwsi.nuclei.pixels import Pixels


def test_touching_nuclei_are_parted_and_owned_by_their_markers():
    labels = discs((60, 200), [(30, 20 + 22 * k) for k in range(7)], 12)
    components, count = label_mask(labels > 0)
    assert count == 1
    found = split_components(
        Pixels.of(components), count, edge_strength(perfect_hv(labels)), LIMIT, 4
    )
    assert len(found.first_px) == 7
    for number in range(1, 8):
        mine = found.pixels.image() == found.pixels.image()[30, 20 + 22 * (number - 1)]
        truth = labels == number
        assert (mine & truth).sum() / (mine | truth).sum() > 0.9
    owners = found.pixels.image().ravel()[found.first_px]
    np.testing.assert_array_equal(owners, np.arange(1, 8))


def test_a_component_without_a_marker_is_still_a_nucleus():
    components = np.zeros((9, 9), np.int32)
    components[4, 3:6] = 1
    edges = np.full((9, 9), 30000, np.int16)
    found = split_components(Pixels.of(components), 1, edges, LIMIT, 4)
    assert found.first_px.tolist() == [4 * 9 + 3]
    assert (found.pixels.image() == components).all()
    by_marker = split_components(Pixels.of(components), 1, edges, LIMIT, 4, by_marker=True)
    assert len(by_marker.first_px) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_flooding_is_the_watershed_of_scikit_image(seed):
    components, hv = crowd(seed)
    edges, limit = edge_strength(hv), slope_limit(0.02)
    pixels = Pixels.of(components)
    found = split_components(pixels, int(components.max()), edges, limit, 1, by_marker=True)
    markers, _ = ndimage.label((components > 0) & (edges < limit))
    raster = np.arange(components.size).reshape(components.shape) - components.size
    height = np.where(markers > 0, raster, edges)
    expected = watershed(height, markers, mask=components > 0)
    np.testing.assert_array_equal(found.pixels.image(), expected)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 9), st.integers(0, 9))
def test_instances_do_not_depend_on_the_window(seed, neighbour, down, right):
    """Seen from a larger window with strangers, a component gives the same nuclei and owners."""
    components, hv = crowd(seed)
    count = int(components.max())
    limit = slope_limit(0.02)
    here = split_components(Pixels.of(components), count, edge_strength(hv), limit, 2)

    strange, strange_hv = crowd(neighbour)
    beside = [np.where(strange > 0, strange + shift, 0) for shift in (count, count + strange.max())]
    room = ((down, 0), (right, 0))
    wide = np.hstack(
        [
            np.pad(beside[0], ((0, down), (3, 0))),
            np.pad(components, room),
            np.pad(beside[1], ((0, down), (0, 3))),
        ]
    )
    pads = (((0, 0), (0, down), (3, 0)), ((0, 0), *room), ((0, 0), (0, down), (0, 3)))
    layers = zip((strange_hv, hv, strange_hv), pads, strict=True)
    wide_hv = np.concatenate([np.pad(layer, pad) for layer, pad in layers], axis=2)
    there = split_components(Pixels.of(wide), int(wide.max()), edge_strength(wide_hv), limit, 2)

    left = strange.shape[1] + 3 + right
    cut = there.pixels.image()[down : down + 40, left : left + 40]
    assert ((cut > 0) == (components > 0)).all()
    pairs = set(zip(here.pixels.image()[cut > 0].tolist(), cut[cut > 0].tolist(), strict=True))
    assert len(pairs) == len(here.first_px)
    row, column = np.divmod(there.first_px, wide.shape[1])
    owners = {(r - down, c - left) for r, c in zip(row.tolist(), column.tolist(), strict=True)}
    assert {divmod(int(f), 40) for f in here.first_px} <= owners


def test_edges_are_measured_in_slopes():
    ramp = np.zeros((2, 9, 40), np.int8)
    ramp[0] = -np.arange(40) * 2
    edges = edge_strength(ramp)
    assert (edges[:, 4:-4] == slope_limit(2 / 127)).all()
    assert (edge_strength(-ramp)[:, 4:-4] == 0).all()
    turned = np.zeros((2, 40, 9), np.int8)
    turned[1] = -np.arange(40)[:, None] * 2
    np.testing.assert_array_equal(edge_strength(turned), edges.T)


def two_markers(edge):
    """Split a component of 2 x 5 pixels, with edges of this strength in the middle column."""
    edges = np.zeros((2, 5), np.int16)
    edges[:, 2] = edge
    return split_components(Pixels.of(np.ones((2, 5), int)), 1, edges, 80, 4)


def test_an_edge_of_exactly_the_limit_parts_two_nuclei():
    assert two_markers(79).first_px.tolist() == [0]
    assert two_markers(80).first_px.tolist() == [0, 3]


def test_a_marker_of_exactly_the_least_size_counts():
    edges = np.zeros((2, 5), np.int16)
    edges[:, 2] = 80
    pixels = Pixels.of(np.ones((2, 5), int))
    assert len(split_components(pixels, 1, edges, 80, min_marker_px=4).first_px) == 2
    assert len(split_components(pixels, 1, edges, 80, min_marker_px=5).first_px) == 1
