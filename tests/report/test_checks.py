"""Quality checks: every fault asks for review, at its limit and not before."""

import pytest
from shown import an_assessment

from nucwsi.nuclei.taught import Taught
from nucwsi.report.assessment import Mark
from nucwsi.report.checks import checks


def reviewed(part=None, n_nuclei=500, **changed):
    """Checks that ask for review of a slide without faults, but for what is changed."""
    sound = an_assessment()
    update = {"morphometry": (sound.morphometry[0].model_copy(update={"n": n_nuclei}),)}
    if part:
        update[part] = getattr(sound, part).model_copy(update=changed)
    judged = checks(sound.model_copy(update=update))
    return {check.name: check for check in judged if check.verdict == "review"}


def test_a_slide_without_faults_needs_no_review():
    assert reviewed() == {}
    assert {check.verdict for check in checks(an_assessment())} == {"fine", "note"}


def test_every_fault_is_something_to_look_at():
    assert "too small" in reviewed("quality", diameter_um=3.8)["Nuclear diameter"].text
    assert "too large" in reviewed("quality", diameter_um=10.2)["Nuclear diameter"].text
    assert reviewed("quality", blur=(0.2,) * 7 + (0.6,) * 2)["Focus"].value == "22 % blurred"
    marks = (Mark(kind="blurred", area_mm2=0.0123, d=""), Mark(kind="fold", area_mm2=0.2, d=""))
    marked = checks(an_assessment().model_copy(update={"marks": marks}))
    shown = {check.name: check.value for check in marked if check.verdict == "review"}
    assert shown == {"Focus": "0.012 mm² blurred", "Folds": "0.20 mm²"}
    pen = an_assessment().model_copy(update={"marks": (Mark(kind="pen", area_mm2=1, d=""),)})
    assert [one.verdict for one in checks(pen) if one.value == "1.00 mm²"] == ["note"]
    foreign = Mark(kind="outlying", area_mm2=1, d="")
    unknown = checks(an_assessment().model_copy(update={"marks": (foreign,)}))
    assert [one.name for one in unknown if one.verdict == "review"] == ["Unknown tissue"]
    degraded = {"status": "degraded", "bad_tiles": ((0, 0, 9, 9),) * 3}
    assert "3 tiles" in reviewed("facts", **degraded)["Reading"].value
    assert list(reviewed("seams", visible=True)) == ["Tile seams"]
    doubtful = an_assessment().model_copy(update={"region_warnings": ("one", "two")})
    [regions] = [check for check in checks(doubtful) if check.verdict == "review"]
    assert regions[:2] == ("Regions", "2 to check")
    assert regions.text == "one. two."
    assert regions.brief == "Regions: one, and 1 more"
    assert "not local" in reviewed("seams", exact=False)["Model"].text
    rows = ({**an_assessment().composition[0], "domain_distance": "1.7"},)
    odd = an_assessment().model_copy(
        update={"composition": rows, "domain_warning": "out of domain: far"}
    )
    [domain] = [check for check in checks(odd) if check.verdict == "review"]
    assert domain[:2] == ("Domain", "1.70 of the limit")
    assert domain.text == "Out of domain: far."
    inside = odd.model_copy(update={"domain_warning": ""})
    assert [check.verdict for check in checks(inside) if check.name == "Domain"] == ["fine"]


@pytest.mark.parametrize(
    ("diameter_um", "n_nuclei", "names"),
    [
        (4.0, 100, []),
        (9.1, 100, []),
        (3.99, 100, ["Nuclear diameter"]),
        (9.11, 100, ["Nuclear diameter"]),
        (3.99, 99, []),
        (None, 0, []),
    ],
)
def test_the_diameter_is_judged_from_100_nuclei_on(diameter_um, n_nuclei, names):
    assert list(reviewed("quality", n_nuclei, diameter_um=diameter_um)) == names


@pytest.mark.parametrize(("blurred", "names"), [(1, []), (2, ["Focus"])])
def test_one_blurred_field_in_five_is_too_many(blurred, names):
    blur = (0.6,) * blurred + (0.2,) * (10 - blurred)
    assert list(reviewed("quality", blur=blur)) == names


def test_what_could_not_be_measured_is_a_dash():
    sound = an_assessment()
    quality = sound.quality.model_copy(update={"blur": (), "certainty": None, "diameter_um": None})
    seams = sound.seams.model_copy(update={"density_ratio": None})
    judged = checks(sound.model_copy(update={"quality": quality, "seams": seams}))
    dashes = {check.name for check in judged if check.value == "–"}
    assert dashes == {"Focus", "Certainty", "Nuclear diameter", "Tile seams", "Domain"}


def test_pixels_that_are_not_square_show_both_sides():
    sound = an_assessment()
    frame = sound.facts.frame
    wide = sound.facts.with_(frame=type(frame)(frame.shape, 0.5, (0.25, 0.26), (0.0, 0.0), (9, 9)))
    assert checks(sound)[0].value == "0.25 µm"
    assert checks(sound.model_copy(update={"facts": wide}))[0].value == "0.26 × 0.25 µm"


def test_a_classifier_says_what_it_is_worth_and_its_doubts_ask_for_review():
    def judged(**changed):
        taught = Taught(
            **{
                "name": "mine",
                "checksum": "0" * 32,
                "network_classes": ("epithelial",),
                "extends": True,
                "labels": {"mitosis": 24},
                "accuracy": 0.71,
                "network_accuracy": 0.8,
                "commonest_accuracy": 0.6,
                **changed,
            }
        )
        sound = an_assessment()
        known = sound.model_copy(update={"facts": sound.facts.with_(taught=taught)})
        return next(check for check in checks(known) if check.name == "Classifier")

    assert judged().verdict == "fine"
    assert "mitosis (24 answers) beside the classes of the network" in judged().text
    assert "71 % of the answers, the network for 80 %" in judged().text
    doubted = judged(warnings=("worse than the network",))
    assert doubted.verdict == "review"
    assert doubted.text.endswith("Worse than the network.")
