"""Whether the further columns of a slide sheet can be carried into the tables, and compared."""

from __future__ import annotations

from collections.abc import Sequence

from nucwsi.classes import column_names
from nucwsi.config import MAX_GROUPS, Config
from nucwsi.errors import ConfigError
from nucwsi.io.csv_table import NUMBERS, TEXTS
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.models.card import canvas_card, read_cards


def check_columns(config: Config, entries: Sequence[SlideEntry]) -> None:
    """Refuse further columns that tables have already, and comparisons that cannot be made.

    Parameters
    ----------
    config : Config
        Names the columns to compare, and the members, whose classes name columns of the tables.
    entries : sequence of SlideEntry
        The slides of the run, at least one; all have the same further columns.

    Raises
    ------
    ConfigError
        If a column of the sheet is named like one of the tables, a column that is to be compared
        does not exist, or it divides the slides into too many groups.
    CheckpointError
        If a member cannot be used.
    """
    further = entries[0].further
    if further:
        card = canvas_card(read_cards(config.members))
        taken = TEXTS | NUMBERS | {*column_names((*card.classes, *card.unions))}
        for name in further:
            if name in taken:
                raise ConfigError(
                    f"{config.slides}: the column {name!r} has the name of a column of"
                    " composition.csv or another table; rename it"
                )
    there = ", ".join(map(repr, further)) or "none"
    asked = {f"report.compare: {name}": name for name in config.report.compare}
    if config.report.pair:
        asked[f"report.pair: {config.report.pair}"] = config.report.pair
    for setting, name in asked.items():
        if name not in further:
            raise ConfigError(
                f"`{setting}`: {config.slides} has no such further column, but {there}; name one of"
                " these, or add it to the slide sheet"
            )
    for name in config.report.compare:
        n_groups = len({entry.further[name] for entry in entries} - {""})
        if n_groups > MAX_GROUPS:
            raise ConfigError(
                f"`report.compare: {name}`: the column has {n_groups} different values, expected"
                f" {MAX_GROUPS} groups at most; join some of them in a column of the slide sheet"
            )
