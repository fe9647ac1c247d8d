"""One slide's section: what is listed and charted, and where its links lead."""

import numpy as np
from shown import an_assessment

from nucwsi.report.assessment import Assessment, Mark, RegionOutline
from nucwsi.report.density_images import ClassEntry, density_panels
from nucwsi.report.slide_row import Files, slide_row
from nucwsi.report.slide_section import slide_section

CLASSES = [ClassEntry("epithelial", (0, 158, 115)), ClassEntry("strange", (1, 2, 3))]


NO_FILES = Files()


def section(assessment, files=NO_FILES):
    density = np.zeros((len(assessment.facts.classes), 2, 40))
    maps = density_panels(assessment, density, CLASSES, [10, 10])
    return slide_section(slide_row(assessment, files), assessment, CLASSES, (), maps)


def with_regions(*regions):
    """A slide with regions: (name, nuclei, epithelial, upper end, outline)."""
    slide = an_assessment()
    whole = slide.composition[0]
    rows = [
        {
            **whole,
            "region_source": "user",
            "region_name": name,
            "n_nuclei": str(n),
            "n_epithelial": str(part),
            "epithelial_high": str(high),
        }
        for name, n, part, high, _ in regions
    ]
    outlines = tuple(
        RegionOutline(row=at, source="user", d="", **place)
        for at, (*_, place) in enumerate(regions, start=1)
        if place is not None
    )
    thumbnail = slide.thumbnail.model_copy(update={"regions": outlines})
    return slide.model_copy(update={"composition": (whole, *rows), "thumbnail": thumbnail})


def test_a_slide_shows_its_own_classes():
    shown = section(an_assessment())
    assert [entry.name for entry in shown.classes] == ["epithelial"]
    assert shown.classes[0].css == "rgb(0 158 115)"
    assert shown.bar.text == "200 µm", "of a thumbnail of 1 mm"


def test_long_tables_are_cut_and_empty_regions_not_charted():
    shown = section(with_regions(*((str(at), at, 0, 0, None) for at in range(100))))
    assert (len(shown.row.regions), len(shown.listed)) == (101, 60)
    assert [region.n for region in shown.charted] == [1, 2, 3, 4, 5, 6]


def test_all_regions_have_one_axis_which_holds_every_interval():
    shown = section(with_regions(("a", 100, 3, 9, None), ("b", 100, 30, 42, None)))
    assert shown.top_percent == 50
    assert section(with_regions(("a", 100, 90, 140, None))).top_percent == 100
    assert section(an_assessment()).top_percent == 10


def test_names_stand_on_the_overview_where_their_regions_are():
    inside, outside = {"point": (0.25, 0.5), "view": (1, 2, 3)}, {"point": None, "view": (1, 2, 3)}
    shown = section(with_regions(("a", 1, 0, 0, inside), ("b", 1, 0, 0, outside)))
    assert shown.labels == [("a", 25, 50)]


def test_the_viewer_opens_at_a_region_by_its_name_or_its_place():
    place = {"point": (0.5, 0.5), "view": (10, 20, 300)}
    names = ('a b/"<é>', "twice", "twice", "no outline")
    regions = [(name, 1, 0, 0, place) for name in names[:3]] + [(names[3], 1, 0, 0, None)]
    shown = section(with_regions(*regions), Files(viewer="s/viewer/index.html"))
    assert shown.addresses == {
        0: "s/viewer/index.html",
        1: "s/viewer/index.html#region=a%20b%2F%22%3C%C3%A9%3E",
        2: "s/viewer/index.html#at=10,20,300",
        3: "s/viewer/index.html#at=10,20,300",
    }
    assert section(with_regions(*regions)).addresses == {}, "there is no viewer"


def test_marks_have_names():
    marks = (Mark(kind="blurred", area_mm2=1, d=""), Mark(kind="fold", area_mm2=2, d=""))
    shown = section(an_assessment().model_copy(update={"marks": marks}))
    assert [(name, mark.area_mm2) for name, mark in shown.marks] == [("blurred", 1), ("folds", 2)]


def test_crops_are_grouped_by_rule(assessment_file):
    slide = Assessment.from_json(assessment_file.read_bytes())
    groups = section(slide).crop_groups
    assert [group.title for group in groups] == ["Most nuclei", "Least certain", "Random"]
    assert [len(group.crops) for group in groups] == [4, 4, 4]
    assert {bar.text for group in groups for _, bar in group.crops} == {"20 µm"}, "of 128 µm"


def test_the_rarest_class_is_one_that_was_found():
    slide = an_assessment(("epithelial", "strange", "other"))
    assert section(slide).rarest is None
    whole = {**slide.composition[0], "n_nuclei": "9", "n_epithelial": "7", "n_other": "2"}
    found = slide.model_copy(update={"composition": (whole,)})
    assert (section(found).rarest.name, section(found).rarest.n) == ("other", 2)
