"""Answers that the viewer's page sends to be kept beside the results that they speak of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nucwsi.documents import first_fault
from nucwsi.errors import AnswerError
from nucwsi.io.review.worklist import FOLDER
from nucwsi.io.stores.publish import published
from nucwsi.review.answers import class_named
from nucwsi.review.draw import Draw

#: Folder of answers, in that of the draws.
ANSWERS = "answers"

#: Largest file; a thousand answers take a tenth of a megabyte.
MAX_BYTES = 16 << 20

_KEY = re.compile(r"([0-9a-f]{8,64})\.json")

_Text = Annotated[str, Field(max_length=200)]
_Ident = Annotated[str, Field(max_length=64)]


class _Said(BaseModel):
    # Nothing but what the form says: what is written here must not serve another purpose.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class _Row(_Said):
    id: _Ident
    label: _Text = Field(alias="class")
    time: _Ident = ""


class _Missed(_Said):
    x: float
    y: float
    label: _Text = Field(alias="class")


class _Frame(_Said):
    id: _Ident
    done: bool
    missed: list[_Missed] = Field(max_length=10_000)
    time: _Ident = ""


class _Document(_Said):
    kind: Literal["answers"]
    version: Literal[1]
    slide: str
    draw: str
    answers: list[_Row]
    frames: list[_Frame]


def answers_place(root: Path, asked: Path) -> tuple[Path, Draw] | None:
    """Find out whether a path is one where answers may be kept.

    Parameters
    ----------
    root : pathlib.Path
        Folder of results of a slide or of a cohort, without symbolic links.
    asked : pathlib.Path
        ``review/answers/<draw>.json`` in the folder of a slide, as somebody asked for it.

    Returns
    -------
    path : pathlib.Path
        The file, made of names that are there and of the key of the draw; it need not exist.
    draw : Draw
        The draw that `review` has kept there. None in place of both for any other path, also if a
        symbolic link lies on the way.
    """
    try:
        *slide, review, answers, name = asked.relative_to(root).parts
        key = _KEY.fullmatch(name)
        if len(slide) > 1 or (review, answers) != (FOLDER, ANSWERS) or key is None:
            return None
        draws = root.joinpath(*slide) / FOLDER
        path, record = draws / ANSWERS / f"{key[1]}.json", draws / f"{key[1]}.json"
        if path.resolve() != path or record.resolve(strict=True) != record or path.is_dir():
            return None
        draw = Draw.from_json(orjson.loads(record.read_bytes()))
    except (OSError, ValueError, RuntimeError):
        return None
    return (path, draw) if draw.key == key[1] else None


def save_answers(path: Path, draw: Draw, body: bytes) -> None:
    """Write answers, if they are answers to a draw and nothing else.

    Parameters
    ----------
    path : pathlib.Path
        As `answers_place` returned it; is replaced.
    draw : Draw
        The draw.
    body : bytes
        The untrusted content, in the form of docs/review.md.

    Raises
    ------
    AnswerError
        If it has another form, or speaks of another draw, of objects or of classes that the draw
        does not know.
    StoreError
        If the file cannot be written.
    """
    try:
        document = _Document.model_validate_json(body)
    except ValidationError as error:
        raise AnswerError(f"these are no answers: {first_fault(error)}") from None
    if (document.draw, document.slide) != (draw.key, draw.slide):
        raise AnswerError(f"these are answers of another draw, expected {draw.key}")
    _check_ids([row.id for row in document.answers], draw.nucleus_ids)
    _check_ids([frame.id for frame in document.frames], draw.frame_ids)
    labels = {row.label for row in document.answers}
    labels |= {mark.label for frame in document.frames for mark in frame.missed}
    for label in sorted(labels - {""}):
        if class_named(label, draw.classes) is None:
            raise AnswerError(f"the draw has no class {label!r:.80}")
    path.parent.mkdir(exist_ok=True)
    with published(path) as aside:
        aside.write_bytes(orjson.dumps(document.model_dump(by_alias=True)) + b"\n")


def _check_ids(given: list[str], known: Mapping[str, int]) -> None:
    if foreign := set(given) - known.keys():
        raise AnswerError(f"the draw has no object {min(foreign)!r:.80}")
    if len(set(given)) < len(given):
        raise AnswerError("an object is answered twice")
