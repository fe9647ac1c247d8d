"""A class is found however it is spelled."""

from nucwsi.review.answers import NOT_A_NUCLEUS, class_named


def test_spelling_does_not_matter_and_strangers_are_not_guessed():
    classes = ("plasma_cell", "epithelial")
    assert class_named("Plasma  Cell", classes) == "plasma_cell"
    assert class_named("not_a_nucleus", classes) == NOT_A_NUCLEUS
    assert class_named("plasma", classes) is None
