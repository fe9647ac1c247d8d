"""What the answers of a file say of a draw: which nuclei, which frames, and what was missed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from nucwsi.review.answers import NOT_A_NUCLEUS, Answer, class_named
from nucwsi.review.draw import Draw, frame_name
from nucwsi.review.matching import nucleus_uuid

#: Objects that an error names before it counts the rest.
_NAMED = 3

#: An annotation of more than this share of a frame is a region, not a nucleus.
_REGION = 0.5


@dataclass
class Response:
    """The answers to one draw.

    Attributes
    ----------
    draw : Draw
        What was asked.
    classes : dict of int to str
        Place of a nucleus in the draw -> its class, or `NOT_A_NUCLEUS`.
    frames : set of int
        Places of the frames that somebody has looked through.
    missed : list of (int, str, float, float)
        Frame, class, x and y (level-0 pixels from the corner of the file) of each nucleus that was
        marked there because it was missing.
    """

    draw: Draw
    classes: dict[int, str] = field(default_factory=dict)
    frames: set[int] = field(default_factory=set)
    missed: list[tuple[int, str, float, float]] = field(default_factory=list)


def respond(
    answers: Sequence[Answer], draws: Sequence[Draw], origin: dict[str, tuple[float, float]]
) -> tuple[list[Response], list[str]]:
    """Sort the answers of one file by the draws that they belong to.

    Parameters
    ----------
    answers : sequence of Answer
        All objects of the file.
    draws : sequence of Draw
        Those that the file may belong to, of one or more slides.
    origin : dict
        Slide -> x and y of QuPath's origin, in level-0 pixels from the corner of the file.

    Returns
    -------
    responses : list of Response
        Of the draws that the file speaks of, in the order of `draws`.
    remarks : list of str
        What of the file was not used, one line each.

    Raises
    ------
    ValueError
        If the file speaks of no draw or of a foreign one, gives two answers for a nucleus, or names
        a class that was not declared.
    """
    index = _Index(answers, draws)
    placed = [index.place(answer) for answer in answers]
    foreign = [a for a, p in zip(answers, placed, strict=True) if p is None and _is_foreign(a)]
    if foreign and any(placed):
        raise ValueError(
            f"{_listed(foreign)} of no draw of these results; take out what is of another slide,"
            " or name its worklist file, too"
        )
    if not any(place is not None and place.kind != "class" for place in placed):
        raise ValueError(_nothing_found(answers, draws))
    responses = {draw.key: Response(draw) for draw in draws}
    # A nucleus may be in the file twice: as an object of the worklist, and as a detection.
    own = any(p is not None and p.kind == "nucleus" and p.own for p in placed)
    for answer, place in zip(answers, placed, strict=True):
        if place is None or (place.kind == "nucleus" and own and not place.own):
            continue
        _take(answer, place, responses[place.draw.key])
    remarks = _add_missed(
        [a for a, p in zip(answers, placed, strict=True) if p is None], responses, origin
    )
    return [r for r in responses.values() if r.classes or r.frames], remarks


@dataclass(frozen=True)
class _Place:
    """What an object of a file is: a nucleus or a frame of a draw, or a class shown to QuPath.

    `own` is whether it is the worklist's own object.
    """

    draw: Draw
    kind: str
    at: int
    own: bool = True


class _Index:
    """Finds the objects of draws by their ids."""

    def __init__(self, answers: Sequence[Answer], draws: Sequence[Draw]) -> None:
        self._by_id: dict[str, _Place] = {}
        self._by_number: dict[tuple[str, int], _Place] = {}
        likely = _likely(answers, draws)
        for draw in draws:
            for ident, at in draw.nucleus_ids.items():
                self._by_id[ident] = _Place(draw, "nucleus", at)
            for ident, at in draw.frame_ids.items():
                self._by_id[ident] = _Place(draw, "frame", at)
            for ident in draw.legend_ids:
                self._by_id[ident] = _Place(draw, "class", 0)
            for at, nucleus in enumerate(draw.nuclei):
                self._by_number[draw.key, nucleus.id] = _Place(draw, "nucleus", at)
        for draw in likely:
            for at, nucleus in enumerate(draw.nuclei):
                place = _Place(draw, "nucleus", at, own=False)
                self._by_id.setdefault(nucleus_uuid(draw.slide, nucleus.id), place)
        self._likely = likely

    def place(self, answer: Answer) -> _Place | None:
        """Return what an object is; None if it is of no draw."""
        found = self._by_id.get(answer.object_id.lower())
        if found is not None or answer.nucleus_id is None:
            return found
        keys = [answer.draw] if answer.draw else [d.key for d in self._likely if _fits(answer, d)]
        places = (self._by_number.get((key, answer.nucleus_id)) for key in keys)
        return next((place for place in places if place is not None), None)


def _fits(answer: Answer, draw: Draw) -> bool:
    return answer.slide in {"", draw.slide}


def _likely(answers: Sequence[Answer], draws: Sequence[Draw]) -> list[Draw]:
    """Return one draw of each slide: that of which the file, which names none, holds most nuclei.

    Of two that fit alike, the later one in the list.
    """
    numbers = {a.nucleus_id for a in answers if a.nucleus_id is not None and not a.draw}
    uuids = {a.object_id.lower() for a in answers if not a.draw}
    best: dict[str, tuple[int, Draw]] = {}
    for draw in draws:
        ids = {nucleus.id for nucleus in draw.nuclei}
        known = {nucleus_uuid(draw.slide, ident) for ident in ids} & uuids
        hits = len(ids & numbers) + len(known)
        if hits >= best.get(draw.slide, (0, draw))[0]:
            best[draw.slide] = (hits, draw)
    return [draw for _, draw in best.values()]


def _is_foreign(answer: Answer) -> bool:
    """Whether an object of no known draw says that it is an answer; others are of the user."""
    if answer.kind == "row":
        return True
    return answer.kind == "annotation" and bool(answer.draw or answer.nucleus_id is not None)


def _listed(answers: Sequence[Answer]) -> str:
    names = [a.object_id or str(a.nucleus_id) for a in answers[:_NAMED]]
    more = f" and {len(answers) - _NAMED} more" if len(answers) > _NAMED else ""
    return f"{', '.join(names)}{more} {'is' if len(answers) == 1 else 'are'}"


def _nothing_found(answers: Sequence[Answer], draws: Sequence[Draw]) -> str:
    slides = ", ".join(dict.fromkeys(draw.slide for draw in draws))
    said = sorted({answer.slide for answer in answers if answer.slide})
    keys = sorted({answer.draw for answer in answers if answer.draw})
    of = f"; it is of slide {', '.join(said)}" if said else ""
    of += f" and of draw {', '.join(keys)}" if keys else ""
    return (
        f"none of its {len(answers)} objects is of the {len(draws)} known draws of {slides}{of};"
        " take the answers of this slide and of these results, or name the worklist file, too"
    )


def _take(answer: Answer, place: _Place, response: Response) -> None:
    """Note an answer for a nucleus, or that a frame was looked through."""
    draw = place.draw
    if place.kind == "frame" and answer.label:
        response.frames.add(place.at)
    if place.kind != "nucleus" or not answer.label:
        return
    name, ident = class_named(answer.label, draw.classes), draw.nuclei[place.at].id
    if name is None:
        raise ValueError(
            f"nucleus {ident} has the class {answer.label!r:.80}, expected one of"
            f" {', '.join(draw.classes)} or {NOT_A_NUCLEUS}; correct it, or declare the class with"
            " `nucwsi review --class`"
        )
    before = response.classes.setdefault(place.at, name)
    if before != name:
        raise ValueError(f"nucleus {ident} has two answers, {before} and {name}; keep one of them")


def _add_missed(
    added: Sequence[Answer],
    responses: dict[str, Response],
    origin: dict[str, tuple[float, float]],
) -> list[str]:
    """Note the nuclei that were marked in frames; return what was left out."""
    outside = 0
    for answer in added:
        if answer.kind == "detection" or answer.place is None or _is_foreign(answer):
            continue
        inside = list(_frames_around(answer, responses.values(), origin))
        outside += not inside
        for response, frame, x, y in inside:
            response.missed.append((frame, _missed_class(answer, response.draw, frame), x, y))
    if not outside:
        return []
    return [
        f"{outside} {'annotation lies' if outside == 1 else 'annotations lie'} outside of the"
        " frames that were looked through, or would fill one; not counted as missed nuclei"
    ]


def _missed_class(answer: Answer, draw: Draw, frame: int) -> str:
    name = class_named(answer.label, draw.classes) if answer.label else None
    if name is None or name == NOT_A_NUCLEUS:
        said = f"the class {answer.label!r:.80}" if answer.label else "no class"
        raise ValueError(
            f"the nucleus marked in {frame_name(frame)} of {draw.slide} has {said}, expected one of"
            f" {', '.join(draw.classes)}; set it, or delete the mark"
        )
    return name


def _frames_around(
    answer: Answer, responses: Iterable[Response], origin: dict[str, tuple[float, float]]
) -> Iterator[tuple[Response, int, float, float]]:
    """Yield the frames that were looked through and hold an annotation, and its x and y."""
    for response in responses:
        draw = response.draw
        if not _fits(answer, draw) or answer.draw not in {"", draw.key} or answer.place is None:
            continue
        x, y = (a + b for a, b in zip(answer.place, origin[draw.slide], strict=True))
        for at in sorted(response.frames):
            xmin, ymin, xmax, ymax = draw.frames[at].box
            small = answer.area_px <= _REGION * (xmax - xmin) * (ymax - ymin)
            if small and xmin <= x < xmax and ymin <= y < ymax:
                yield response, at, x, y


def joined(responses: Sequence[Response]) -> list[Response]:
    """Join what several files say of the same draws.

    Parameters
    ----------
    responses : sequence of Response
        Of any number of files.

    Returns
    -------
    list of Response
        One for each draw, in the order in which they first occur.

    Raises
    ------
    ValueError
        If two files answer differently for a nucleus.
    """
    together: dict[str, Response] = {}
    for one in responses:
        whole = together.setdefault(one.draw.key, Response(one.draw))
        for at, name in one.classes.items():
            before = whole.classes.setdefault(at, name)
            if before != name:
                raise ValueError(_conflict(one.draw.nuclei[at].id, before, name))
        # A frame that two files have looked through counts as the first one says.
        new = one.frames - whole.frames
        whole.frames |= new
        whole.missed += [mark for mark in one.missed if mark[0] in new]
    return list(together.values())


def _conflict(ident: int, before: str, after: str) -> str:
    return f"nucleus {ident} has two answers, {before} and {after}; keep one of them"
