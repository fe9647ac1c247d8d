"""What the cohort's table says of a slide: the numbers of its assessment."""

import numpy as np
import pytest
from shown import an_assessment

from nucwsi.report.slide_row import Files, compared_values, slide_row


def test_a_row_has_the_numbers_the_verdicts_and_the_files_of_a_slide():
    slide = an_assessment().model_copy(update={"further": {"group": "a"}})
    row = slide_row(slide, Files(table="small/composition.csv"))
    assert (row.name, row.anchor, row.further) == ("small", "slide-small", {"group": "a"})
    assert row.whole.name == "Whole slide"
    assert row.faults == []
    assert row.files == ("", "small/composition.csv", "", "", "")


def test_faults_are_the_checks_that_ask_for_review():
    sound = an_assessment()
    seams = sound.seams.model_copy(update={"visible": True, "exact": False})
    row = slide_row(sound.model_copy(update={"seams": seams}), Files())
    assert [check.name for check in row.faults] == ["Tile seams", "Model"]


def test_what_is_compared_is_measured_per_area_of_tissue():
    slide = an_assessment()
    row = {**slide.composition[0], "n_nuclei": "500"}
    values = compared_values(slide.model_copy(update={"composition": (row,)}))
    assert values == {"per_mm2": 250, "diameter": 6, "certainty": 0.8, "blurred": 0}


@pytest.mark.parametrize("tissue", ["", "0"])
def test_what_was_not_measured_is_not_a_number(tissue):
    slide = an_assessment()
    quality = slide.quality.model_copy(update={"diameter_um": None, "certainty": None, "blur": ()})
    row = {**slide.composition[0], "tissue_area_mm2": tissue}
    values = compared_values(slide.model_copy(update={"composition": (row,), "quality": quality}))
    assert np.isnan(list(values.values())).all()
