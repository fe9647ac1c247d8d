"""Fields that look like none of the training images: found by size and stain, judged as slides."""

import json

import numpy as np
import pytest
from shown import assessed, phantom_nuclei, write_results

from nucwsi.composition.look import Look
from nucwsi.grid import Window
from nucwsi.nuclei.domain import MIN_NUCLEI, Domain, descriptors
from nucwsi.report.outlying import NucleusColours, outlying_fields

COLOUR = (1000, 700_000, 1_000_000, 500_000)
N_FIELDS, EACH = 9, 40


def fields(seed=0):
    """Fields that look alike; the last has too few nuclei to be judged."""
    rng = np.random.default_rng(seed)
    field = np.repeat(np.arange(N_FIELDS), EACH)[: 1 - EACH + MIN_NUCLEI - 2]
    area = np.exp(rng.normal(3.4, 0.3, len(field)))
    density = np.array([0.7, 1.0, 0.5]) * rng.uniform(0.8, 1.2, (len(field), 3))
    certainty = rng.uniform(0.7, 1, len(field))
    return field, area, density, certainty


def look_of(area, certainty):
    """A domain in the middle of which the slide lies; fields scatter by about a third of it."""
    every = np.zeros(len(area), int)
    [whole] = descriptors(every, area, certainty, 1, np.array(COLOUR))
    spread = np.diag(np.square([0.1, 0.02, 0.02, 0.1, 0.1, 0.2]))
    covariance = tuple(map(tuple, spread.tolist()))
    return Look(Domain(tuple(whole.tolist()), covariance, 2.4), COLOUR, certainty)


def test_a_field_is_outlying_by_the_size_of_its_nuclei_if_they_are_enough():
    field, area, density, certainty = fields()
    look = look_of(area, certainty)
    assert not outlying_fields(look, field, area, density, N_FIELDS).any()
    large = np.where((field == 4) | (field == N_FIELDS - 1), 2 * area, area)
    found = outlying_fields(look, field, large, density, N_FIELDS)
    assert np.flatnonzero(found).tolist() == [4]


def test_a_field_is_outlying_by_its_own_stain_and_without_one_it_has_that_of_the_slide():
    field, area, density, certainty = fields()
    look = look_of(area, certainty)
    density[field == 2] = density[field == 2][:, ::-1]
    density[field == 6] = np.nan
    found = outlying_fields(look, field, area, density, N_FIELDS)
    assert np.flatnonzero(found).tolist() == [2]
    nothing = np.full_like(density, np.nan)
    assert not outlying_fields(look, field, area, nothing, N_FIELDS).any()


def test_the_stain_is_compared_with_that_of_the_slide_however_it_was_measured():
    field, area, density, certainty = fields()
    look = look_of(area, certainty)
    density[field == 2] *= 1.6
    found = outlying_fields(look, field, area, density, N_FIELDS)
    assert found[2]
    paler = outlying_fields(look, field, area, density * [0.5, 0.7, 0.9], N_FIELDS)
    np.testing.assert_array_equal(paler, found)


def test_nuclei_have_the_colours_around_them_in_whatever_pieces_the_slide_is_read():
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    row, column = rng.uniform(1, 58, 50), rng.uniform(1, 78, 50)
    whole = NucleusColours(row, column)
    whole.see(Window(0, 0, 60, 80), image)
    for at in (0, 30):
        around = image[int(row[at]) - 1 : int(row[at]) + 2, int(column[at]) - 1 :][:, :3]
        expected = -np.log((around + 1.0) / 256).mean(axis=(0, 1))
        np.testing.assert_allclose(whole.density[at], expected)
    part = NucleusColours(row, column)
    assert np.isnan(part.density).all()
    for window in (Window(0, 0, 60, 50), Window(0, 40, 60, 40)):
        part.see(window, image[window.slices])
    inner = (column < 39) | (column > 51)
    np.testing.assert_array_equal(part.density[inner], whole.density[inner])


@pytest.mark.parametrize(("away", "marked"), [(0.0, False), (2.0, True)])
def test_the_overview_marks_the_tissue_of_outlying_fields(small_slide, tmp_path, away, marked):
    """The tissue of the phantom is 450 x 350 µm, and nearly all of its fields are full."""
    table = phantom_nuclei()
    colour = (10_000, 9_000_000, 12_000_000, 6_000_000)
    certainty = table.class_probabilities.max(axis=1)
    every = np.zeros(len(table), int)
    [seen] = descriptors(every, table.area_um2, certainty, 1, np.array(colour))
    wide = tuple(map(tuple, np.eye(6).tolist()))
    domain = Domain(tuple((seen + away * np.eye(6)[3]).tolist()), wide, 1.0)
    results = write_results(small_slide, tmp_path / "small", table, domain=domain, colour=colour)
    assessed(small_slide, results)
    marks = json.loads((results / "assessment.json").read_text())["marks"]
    assert [mark["kind"] for mark in marks] == ["outlying"] * marked
    if marked:
        assert 0.9 * 0.1575 < marks[0]["area_mm2"] <= 0.1575 * 1.1
