"""Settings of classes of a user's own."""

from __future__ import annotations

from typing import Annotated

from nucwsi.config.section import LIST, Section, setting


class TeachSettings(Section):
    """What a classifier is taught, and what it sees."""

    extend: bool = setting(
        False,
        "add the taught classes to those of the network: answers with a class of the network mean"
        " none of the taught ones, and nuclei that are none of them keep the network's class",
    )
    rest: Annotated[tuple[str, ...], LIST] = setting(
        (),
        "with --extend: further classes of answers that mean none of the taught ones, such as"
        " 'not mitosis'; separated by commas",
    )
    network: bool = setting(
        True, "let the classifier see the class probabilities of the network, too"
    )
