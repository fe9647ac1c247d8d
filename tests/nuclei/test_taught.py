"""What artefacts say of a classifier: checked where it is read."""

import pytest
from stores import frame_of, nucleus_facts

from nucwsi.facts import SlideFacts
from nucwsi.nuclei.taught import Taught

FACTS = nucleus_facts(frame_of((500, 500)), classes=("epithelial", "spindle"))


def facts(classes=("mitosis", "rest"), **changed):
    values = {
        "name": "mine",
        "checksum": "0" * 32,
        "network_classes": FACTS.classes,
        "extends": False,
        "labels": {"mitosis": 12, "rest": 40},
        "accuracy": 0.8,
        "network_accuracy": 0.7,
        "commonest_accuracy": 0.6,
    }
    return FACTS.with_(classes=classes, taught=Taught(**{**values, **changed}))


def test_it_comes_back_with_the_facts_and_the_constants_are_the_networks():
    found = SlideFacts.from_json(facts().to_json(), "nuclei")
    assert found == facts()
    assert found.network_classes == ("epithelial", "spindle")
    assert set(found.constants.min_area_um2) == {"epithelial", "spindle"}


def test_facts_without_a_classifier_say_nothing_of_one():
    assert "taught" not in FACTS.to_json()
    assert FACTS.network_classes == FACTS.classes


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"accuracy": 1.5}, "accuracy"),
        ({"labels": {"mitosis": -1}}, "labels"),
        ({"network_classes": ()}, "network_classes"),
        ({"network_classes": ("epithelial", "other")}, "min_area_um2"),
        ({"classes": ("mitosis", "Mitosis")}, "each its own"),
    ],
)
def test_what_cannot_be_is_refused(changed, said):
    with pytest.raises(ValueError, match=said):
        SlideFacts.from_json(facts(**changed).to_json(), "nuclei")
