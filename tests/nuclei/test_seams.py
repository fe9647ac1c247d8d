"""The audit of the seams: counts worked out by hand, and no false alarm on uniform tissue."""

import numpy as np
import pytest

from nucwsi.nuclei.seams import BAND_PX, CONTROL_PX, LineCounts, line_counts, seam_audit

CORE_PX = 512
#: Both control lines of each seam lie on it: the seams cover as much as half of the controls.
CANVAS = (1024, 1024)


def counts_of(centroids, shape=CANVAS, half_px=9.0):
    """Count square nuclei of 30 µm²."""
    centroids = np.asarray(centroids, float)
    boxes = np.column_stack([centroids - half_px, centroids + half_px])
    return line_counts(centroids, boxes, np.full(len(centroids), 30.0), shape, CORE_PX)


@pytest.mark.parametrize(
    ("row", "seam", "control"),
    [
        (512.0, 1, 0),
        (512 + BAND_PX - 0.01, 1, 0),
        (512 + BAND_PX, 0, 0),
        (512 - CONTROL_PX, 0, 1),
        (512 + CONTROL_PX - BAND_PX + 0.01, 0, 1),
        (300.0, 0, 0),
        (8.0, 0, 0),
    ],
)
def test_a_nucleus_counts_in_the_band_of_its_line(row, seam, control):
    for centroid in ((row, 200.0), (200.0, row)):
        counts = counts_of([centroid])
        assert (counts.n_seam, counts.n_control) == (seam, control)
        assert (counts.area_seam_um2, counts.area_control_um2) == (30 * seam, 30 * control)


def test_a_nucleus_at_a_crossing_counts_once():
    assert counts_of([(512.0, 512.0)]).n_seam == 1
    assert counts_of([(512.0 - CONTROL_PX, 512.0 + CONTROL_PX)]).n_control == 2  # of two shifts


@pytest.mark.parametrize(("end", "cut"), [(512.0, 1), (512.25, 1), (511.74, 1), (512.3, 0)])
def test_a_box_that_ends_on_a_line_is_cut(end, cut):
    shift = end - 9  # the last row, or the first column, of the box
    assert counts_of([(shift, 200.0)]).cut_seam == cut
    assert counts_of([(200.0, end + 9)]).cut_seam == cut
    assert counts_of([(shift + CONTROL_PX, 200.0)]).cut_control == cut
    assert counts_of([(200.0, end + 9 - CONTROL_PX)]).cut_control == cut


def test_counts_of_tables_add_up():
    centroids = np.random.default_rng(0).uniform(0, 1024, (400, 2))
    whole = counts_of(centroids)
    assert counts_of(centroids[:150]).plus(counts_of(centroids[150:])) == whole
    assert min(whole[:4]) > 0


def test_the_numbers_of_the_audit():
    audit = seam_audit(LineCounts(150, 200, 4500.0, 5000.0, 5, 8), CANVAS, CORE_PX)
    assert audit["n_expected"] == 100  # two control lines a seam
    assert audit["density_ratio"] == 1.5
    assert audit["area_ratio"] == pytest.approx(30 / 25)
    assert audit["density_z"] == pytest.approx(50 / np.sqrt(150 + 200 / 4))
    assert audit["cut_expected"] == 4
    assert audit["cut_z"] == pytest.approx(1 / np.sqrt(5 + 8 / 4))


@pytest.mark.parametrize(
    ("counts", "visible"),
    [
        (LineCounts(n_seam=100, n_control=200), False),
        # 3.5 deviations with the variance of the control lines, 4.1 without.
        (LineCounts(n_seam=150, n_control=200), False),
        (LineCounts(n_seam=160, n_control=200), True),  # doubled: 4.2
        (LineCounts(n_seam=50, n_control=200), True),  # missing: -5
        # 19 of 20 more than expected: 4.2 deviations; half of it is not visible.
        (LineCounts(n_seam=100, n_control=200, cut_seam=20, cut_control=2), True),
        (LineCounts(n_seam=100, n_control=200, cut_seam=10, cut_control=2), False),
        # Fewer cut than by chance is no sign of a seam.
        (LineCounts(n_seam=100, n_control=200, cut_seam=0, cut_control=80), False),
    ],
)
def test_seams_are_visible_beyond_four_deviations(counts, visible):
    assert seam_audit(counts, CANVAS, CORE_PX)["visible"] is visible


def test_a_canvas_without_seams_has_nothing_to_see():
    shape = (500, 512)
    audit = seam_audit(counts_of([(250, 250)], shape), shape, CORE_PX)
    assert audit["density_ratio"] is None
    assert (audit["density_z"], audit["cut_z"], audit["visible"]) == (0, 0, False)


def uniform(shape, seed=1, px_per_nucleus=700):
    """Centroids at one nucleus every 700 px: at 0.35 µm/px about 11,600 per mm², dense tissue."""
    n = int(shape[0] * shape[1] / px_per_nucleus)
    return np.random.default_rng(seed).uniform(0, 1, (n, 2)) * shape


@pytest.mark.parametrize(
    "shape",
    [
        (1024, 1024),
        (560, 560),
        (560, 4000),
        (4000, 560),
        (1600, 1600),
        (545, 3000),
        (1080, 1080),
        # The end of the canvas cuts the band of the seam itself, or of a control line.
        (520, 12000),
        (12000, 585),
    ],
)
def test_a_canvas_that_ends_beside_a_seam_raises_no_alarm(shape):
    for seed in range(5):
        audit = seam_audit(counts_of(uniform(shape, seed), shape), shape, CORE_PX)
        assert abs(audit["density_z"]) < 3.5
        assert not audit["visible"]
    assert audit["density_ratio"] is None or audit["density_ratio"] == pytest.approx(1, abs=0.25)


def test_what_the_end_of_the_canvas_cuts_does_not_hide_what_a_seam_cuts():
    shape = (512 + CONTROL_PX, 4000)  # a control line would lie on the lower end
    column = np.linspace(20, 3980, 60)
    at_end = np.column_stack([np.full(60, shape[0] - 9.0), column])
    at_seam = np.column_stack([np.full(60, 512 - 9.0), column])
    counts = counts_of(np.vstack([at_end, at_seam]), shape)
    assert counts.cut_seam == 60
    assert counts.cut_control == 0
    assert seam_audit(counts, shape, CORE_PX)["visible"] is True


def test_doubled_nuclei_are_seen_where_the_canvas_ends_beside_a_seam():
    shape = (560, 4000)
    centroids = uniform(shape)
    doubled = centroids[np.abs(centroids[:, 0] - 512) < BAND_PX]
    audit = seam_audit(counts_of(np.vstack([centroids, doubled]), shape), shape, CORE_PX)
    assert audit["visible"]


def test_cores_without_room_for_control_lines_are_refused():
    with pytest.raises(ValueError, match=r"cores of 80 px leave no room .* more than 80 px"):
        line_counts(np.zeros((1, 2)), np.zeros((1, 4)), np.ones(1), (300, 300), 80)
