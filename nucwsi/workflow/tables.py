"""Which tables a cohort has, and how they are joined from those of its slides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nucwsi.classes import CONIC
from nucwsi.config import Config
from nucwsi.io.classifier import read_classifier
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.models.card import read_cards

#: Table of a cohort -> table of a slide that it is made from.
COHORT_TABLES = {
    "composition": "composition",
    "morphometry": "morphometry",
    "neighbours": "neighbours",
    "conic_counts": "composition",
}


def imported_slides(slides: Mapping[str, SlideEntry]) -> list[str]:
    """Return the slides whose nuclei another program has found.

    Parameters
    ----------
    slides : mapping
        Name of each slide -> its entry.

    Returns
    -------
    list of str
        Their names, in the order of the sheet.
    """
    return [name for name, entry in slides.items() if entry.nuclei is not None]


def table_names(config: Config, slides: Mapping[str, SlideEntry]) -> list[str]:
    """Return which tables of the cohort a run makes.

    Parameters
    ----------
    config : Config
        Says whether neighbours are counted; the classes of its members, or of its classifier,
        decide on the CoNIC table.
    slides : mapping
        Name of each slide -> its entry; nuclei of other programs may have any classes, so that
        there is no CoNIC table with them.

    Returns
    -------
    list of str
        Keys of `COHORT_TABLES`.

    Raises
    ------
    CheckpointError
        If a member or the classifier cannot be used.
    """
    classes = read_cards(config.members)[0].classes
    if config.classifier:
        classifier, _ = read_classifier(Path(config.classifier))
        classes = classifier.final_classes(classes)
    wanted = {
        "composition": True,
        "morphometry": True,
        "neighbours": config.compose.neighbours_um > 0,
        "conic_counts": set(classes) == set(CONIC) and not imported_slides(slides),
    }
    return [name for name, is_wanted in wanted.items() if is_wanted]


def summary_words(table: str, slides: Mapping[str, SlideEntry]) -> list[str]:
    """Return how the tables of the slides are joined.

    Parameters
    ----------
    table : str
        Key of `COHORT_TABLES`.
    slides : mapping
        Name of each slide -> its entry.

    Returns
    -------
    list of str
        Options of `nucwsi summary`.
    """
    conic = ["--conic"] if table == "conic_counts" else []
    return conic + (["--any-classes"] if imported_slides(slides) else [])
