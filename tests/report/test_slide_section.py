"""One slide's section: what is listed, what is compared, how much asks for review."""

import numpy as np
import pytest
from shown import an_assessment

from nucwsi.report.density_images import ClassEntry, density_panels
from nucwsi.report.slide_section import compared_values, slide_section

CLASSES = [ClassEntry("epithelial", (0, 158, 115)), ClassEntry("strange", (1, 2, 3))]


def section(assessment, outliers=()):
    density = np.zeros((len(assessment.facts.classes), 2, 40))
    maps = density_panels(assessment, density, CLASSES, [10, 10])
    return slide_section(assessment, None, CLASSES, outliers, maps)


def test_checks_and_outliers_add_up():
    sound = an_assessment()
    assert section(sound).n_review == 0
    assert section(sound, ["certainty"]).n_review == 1
    seams = sound.seams.model_copy(update={"visible": True, "exact": False})
    assert section(sound.model_copy(update={"seams": seams}), ["certainty"]).n_review == 3


def test_a_slide_shows_its_own_classes_and_has_its_own_address():
    shown = section(an_assessment())
    assert [entry.name for entry in shown.classes] == ["epithelial"]
    assert shown.classes[0].css == "rgb(0 158 115)"
    assert shown.anchor == "slide-small"
    assert shown.bar.text == "200 µm", "of a thumbnail of 1 mm"


def test_long_tables_are_cut_and_empty_regions_not_charted():
    slide = an_assessment()
    whole = slide.composition[0]
    regions = [{**whole, "region_source": "user", "n_nuclei": str(at)} for at in range(100)]
    shown = section(slide.model_copy(update={"composition": (whole, *regions)}))
    assert (len(shown.regions), len(shown.listed)) == (101, 60)
    assert [region.n for region in shown.charted] == [1, 2, 3, 4, 5, 6]
    assert shown.whole.name == "Whole slide"


def test_crops_are_grouped_by_rule(assessment_file):
    from nucwsi.report.assessment import Assessment

    slide = Assessment.from_json(assessment_file.read_bytes())
    groups = section(slide).crop_groups
    assert [group.title for group in groups] == ["Most nuclei", "Least certain", "Random"]
    assert [len(group.crops) for group in groups] == [4, 4, 4]
    assert {bar.text for group in groups for _, bar in group.crops} == {"20 µm"}, "of 128 µm"


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
