"""The card says what the classifier does, how well, and what to beware of."""

from taught import a_classifier, figures

from nucwsi.teaching.card import card, summary


def test_it_holds_the_figures_and_every_warning():
    model = a_classifier(warnings=("29 answers are few", "finds 30 % of small"))
    text = card(model)
    assert "Right for 0.900 of the nuclei left out; the network for 0.700" in text
    assert "| large | 40 | 0.90 | 0.90 |" in text
    assert "* 29 answers are few." in text
    assert "* Finds 30 % of small." in text
    assert "## Beware" not in card(a_classifier())


def test_it_says_whether_classes_are_added():
    names = ("mitosis", "(network)")
    added = a_classifier(classes=("mitosis",), extends=True, confusion={}, figures=figures(names))
    assert next(summary(added)) == "Finds mitosis; all other nuclei keep the network's class."
    assert next(summary(a_classifier())) == "Tells large, small apart."


def test_it_says_whether_the_network_was_asked():
    alone = a_classifier(features=("area_um2", "circularity", "entropy"))
    assert "without the network's" in card(alone)
    assert "and the network's answers" in card(a_classifier())


def test_a_bar_in_a_name_breaks_no_table():
    names = ("a|b", "small")
    model = a_classifier(classes=names, confusion={}, figures=figures(names))
    assert "| a\\|b |" in card(model)
