"""Which nucleus an answer speaks of: the ids that nuclei have in files, and their way back."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nucwsi.review.answers import Answer


def nucleus_uuid(slide: str, nucleus_id: int) -> str:
    """Return the id that a nucleus has in the zip for QuPath.

    Parameters
    ----------
    slide : str
        Name of the slide.
    nucleus_id : int
        Number of the nucleus in ``nuclei.parquet``.

    Returns
    -------
    str
        A canonical UUID, without which QuPath would give the object another id.
    """
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"nucwsi:{slide}/{nucleus_id}"))


def worklist_uuid(draw: str, number: int | str) -> str:
    """Return the id that an object has in a worklist.

    It is another than that of the nucleus in the zip for QuPath, so that an image can hold both.

    Parameters
    ----------
    draw : str
        Key of the draw.
    number : int or str
        Number of the nucleus in ``nuclei.parquet``; for a frame its name.

    Returns
    -------
    str
        A canonical UUID.
    """
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"nucwsi:worklist/{draw}/{number}"))


def matched_nuclei(
    answers: Sequence[Answer], slide: str, ids: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Find the nuclei that answers speak of, by their numbers or by their ids in QuPath's zip.

    Objects of a worklist whose number QuPath has lost are found with their draw only.

    Parameters
    ----------
    answers : sequence of Answer
        K answers.
    slide : str
        Name of the slide.
    ids : (N,) ndarray of int64
        Column ``id`` of its ``nuclei.parquet``.

    Returns
    -------
    (K,) ndarray of int64
        Row of the table; -1 for an answer that speaks of no nucleus of this slide.
    """
    rows = {int(ident): row for row, ident in enumerate(ids.tolist())}
    found = np.full(len(answers), -1, np.int64)
    unknown = []
    for place, answer in enumerate(answers):
        if answer.slide not in {"", slide}:
            continue
        if answer.nucleus_id is not None:
            found[place] = rows.get(answer.nucleus_id, -1)
        elif answer.object_id:
            unknown.append(place)
    if unknown:
        # A hash for every nucleus of the slide: only where it is needed.
        by_uuid = {nucleus_uuid(slide, ident): row for ident, row in rows.items()}
        for place in unknown:
            found[place] = by_uuid.get(answers[place].object_id.lower(), -1)
    return found
