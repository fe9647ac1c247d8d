"""The card of a classifier: what it tells apart, how well, and what to beware of."""

from __future__ import annotations

from collections.abc import Iterator

from nucwsi.teaching.classifier import Classifier

#: Name of what keeps the network's class, in figures and on the card.
NONE_OF_THEM = "(network)"


def card(classifier: Classifier) -> str:
    """Describe a classifier.

    Parameters
    ----------
    classifier : Classifier
        What is described.

    Returns
    -------
    str
        Markdown.
    """
    figures = classifier.figures
    rows = ["| class | answers | found | of those called so, right |", "|---|---|---|---|"]
    for name, one in figures.classes.items():
        precision = "–" if one.precision is None else f"{one.precision:.2f}"
        rows.append(f"| {_cell(name)} | {one.labels} | {one.recall:.2f} | {precision} |")
    doubts = [f"* {line[:1].upper()}{line[1:]}." for line in classifier.warnings]
    parts = [
        f"# {classifier.name}",
        " ".join(summary(classifier)),
        "\n".join(rows),
        *(["## Beware", "\n".join(doubts)] if doubts else []),
        "## How it was made",
        f"Multinomial logistic regression on {len(classifier.features)} features of each nucleus"
        f" ({_kinds(classifier)}), regularised with C = {classifier.strength:g}; logits divided by"
        f" {figures.temperature:.2f}. Answers weigh as they were drawn. Every figure above is of"
        f" nuclei in {figures.over} that were left out in turn ({figures.n_folds} parts), C being"
        f" chosen without them. Made by nucwsi {classifier.made_by}. The file holds plain numbers;"
        " it names no slide and no patient.",
    ]
    return "\n\n".join(parts) + "\n"


def summary(classifier: Classifier) -> Iterator[str]:
    """Say in a few sentences what a classifier does, and how well.

    Parameters
    ----------
    classifier : Classifier
        What is described.

    Yields
    ------
    str
        One sentence.
    """
    figures = classifier.figures
    names = ", ".join(classifier.classes)
    if classifier.extends:
        yield f"Finds {names}; all other nuclei keep the network's class."
    else:
        yield f"Tells {names} apart."
    slides = "slide" if figures.n_slides == 1 else "slides"
    answers = sum(one.labels for one in figures.classes.values())
    yield f"Taught with {answers} answers on {figures.n_slides} {slides}."
    yield (
        f"Right for {figures.accuracy:.3f} of the nuclei left out; the network for"
        f" {figures.network:.3f}, the commonest class for {figures.commonest:.3f}."
    )
    yield (
        f"Mean share found over classes: {figures.mean_recall:.3f}; the network"
        f" {figures.network_mean_recall:.3f}."
    )


def _kinds(classifier: Classifier) -> str:
    asked = any(name.startswith("network_") for name in classifier.features)
    kinds = "shape, stains, texture, neighbours"
    return f"{kinds}, and the network's answers" if asked else f"{kinds}, without the network's"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
