"""Settings of a classifier."""

from nucwsi.config import TeachSettings, validated


def test_names_that_mean_none_of_the_classes_are_a_list():
    found = validated(TeachSettings, {"extend": "true", "rest": "not mitosis, other"}, "test")
    assert found.extend
    assert found.rest == ("not mitosis", "other")
    assert TeachSettings().network
