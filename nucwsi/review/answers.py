"""What somebody has said of nuclei, as a file of answers holds it and as the classes mean it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from nucwsi.classes import display_name

#: Answer to a nucleus that is none: debris, ink, a part of another.
NOT_A_NUCLEUS = "not a nucleus"


@dataclass(frozen=True)
class Answer:
    """What a file of answers says of one object.

    Attributes
    ----------
    object_id : str
        The object's id as it stands in the file: a UUID of a worklist or of ``export``, the number
        of a nucleus, anything else that a program made, or nothing.
    label : str
        Name of the class; empty where no class is given, which is no answer.
    kind : str
        ``annotation`` or ``detection`` in QuPath; ``row`` of a table or of a file of the viewer;
        ``added`` for a nucleus that was marked in the viewer or a table because it was missing.
    nucleus_id : int, optional
        Number of the nucleus in ``nuclei.parquet``, where the file states it.
    draw : str
        Key of the draw that the object says it belongs to; may be empty.
    slide : str
        Name of the slide that the object says it belongs to; may be empty.
    place : (float, float), optional
        x and y of its centre in level-0 pixels from QuPath's origin.
    area_px : float
        Area of its outline in level-0 pixels²; 0 for a point.
    time : str
        When the answer was given, as the file says it; may be empty.
    """

    object_id: str
    label: str
    kind: Literal["annotation", "detection", "row", "added"]
    nucleus_id: int | None = None
    draw: str = ""
    slide: str = ""
    place: tuple[float, float] | None = None
    area_px: float = 0.0
    time: str = ""


def class_key(label: str) -> str:
    """Return what two spellings of one class have in common.

    Parameters
    ----------
    label : str
        Name of a class as a checkpoint, QuPath or a person writes it.

    Returns
    -------
    str
        Without differences in capitals, underscores and blanks.

    Examples
    --------
    >>> class_key("Plasma_cell ") == class_key("plasma  cell")
    True
    """
    return " ".join(display_name(label).split()).casefold()


def class_named(label: str, classes: Sequence[str]) -> str | None:
    """Find the class that an answer means.

    Parameters
    ----------
    label : str
        As the file of answers has it.
    classes : sequence of str
        Names that are declared; `NOT_A_NUCLEUS` need not be among them.

    Returns
    -------
    str or None
        One of the classes, or `NOT_A_NUCLEUS`; None if the label means none of them.

    Examples
    --------
    >>> class_named("Not a nucleus", ["epithelial"]), class_named("Epithelial", ["epithelial"])
    ('not a nucleus', 'epithelial')
    """
    meant = {class_key(name): name for name in (*classes, NOT_A_NUCLEUS)}
    return meant.get(class_key(label))
