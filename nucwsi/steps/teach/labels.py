"""Which nucleus is of which class, according to files of answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nucwsi.errors import AnswerError, ConfigError
from nucwsi.facts import SlideFacts
from nucwsi.io.nuclei.parquet import read_facts
from nucwsi.io.nuclei.stored_columns import read_columns
from nucwsi.io.review.answers import read_answers, read_worklist
from nucwsi.io.review.results import NUCLEI, result_folders
from nucwsi.io.review.worklist import is_unanswered, read_draws
from nucwsi.review.answers import NOT_A_NUCLEUS, Answer, class_key
from nucwsi.review.draw import Draw, frame_name
from nucwsi.review.matching import matched_nuclei

#: Ids that an error names before it counts the rest.
_NAMED = 3

#: From this share of a slide's nuclei on, and with this share of classes that are the predicted
#: ones, detections are an export of the network's answers, not those of a person.
_EXPORT, _ALIKE = 0.5, 0.95


@dataclass
class SlideLabels:
    """Answers for the nuclei of one slide.

    Attributes
    ----------
    nuclei : pathlib.Path
        ``nuclei.parquet``.
    facts : SlideFacts
        Those of the table.
    ids : (N,) ndarray of int64
        Numbers of all nuclei, in the order of the table.
    predicted : (N,) ndarray of str
        Class of each in the table.
    classes : dict of int to str
        Row of the table -> class as it was answered.
    chance : dict of int to float
        Row -> probability with which it was drawn, for those that were drawn.
    none : set of int
        Rows that were said to be no nucleus.
    frames : dict of (float, float, float, float) to str
        Box of each frame that was looked through -> its name; xmin, ymin, xmax, ymax in level-0
        pixels from the corner of the file.
    marks : list of (float, float, float)
        x and y of each mark that is no nucleus of the table, in the same pixels, and its area.
    """

    nuclei: Path
    facts: SlideFacts
    ids: NDArray[np.int64]
    predicted: NDArray[np.object_]
    classes: dict[int, str] = field(default_factory=dict)
    chance: dict[int, float] = field(default_factory=dict)
    none: set[int] = field(default_factory=set)
    frames: dict[tuple[float, float, float, float], str] = field(default_factory=dict)
    marks: list[tuple[float, float, float]] = field(default_factory=list)

    @property
    def rows(self) -> NDArray[np.int64]:
        """Rows with an answer, ascending."""
        return np.array(sorted(self.classes), np.int64)

    @property
    def weight(self) -> NDArray[np.float64]:
        """How many nuclei each answer stands for; 1 where that is not known of all."""
        rows = self.rows.tolist()
        if not all(row in self.chance for row in rows):
            return np.ones(len(rows))
        return np.array([1 / self.chance[row] for row in rows])


def read_labels(results: Sequence[Path], answers: Sequence[Path]) -> list[SlideLabels]:
    """Read answers, and find the nuclei that they are for.

    Parameters
    ----------
    results : sequence of pathlib.Path
        Folders of the results of slides or cohorts, or their ``nuclei.parquet``.
    answers : sequence of pathlib.Path
        Files in any form that `read_answers` reads.

    Returns
    -------
    list of SlideLabels
        Of the slides that have answers. A class that two people spell differently has one name:
        the network's if that is what it means, else the commonest spelling.

    Raises
    ------
    AnswerError
        If a file cannot be read, speaks of other nuclei, or gives two answers for one.
    ConfigError
        If two results are of slides of one name.
    StoreError
        If a result is missing or damaged.
    """
    slides: dict[str, SlideLabels] = {}
    draws: dict[str, Draw] = {}
    for folder in dict.fromkeys(folder for path in results for folder in result_folders(path)):
        one = _slide(folder)
        if one.facts.slide in slides:
            other = slides[one.facts.slide].nuclei
            raise ConfigError(
                f"{folder}: is of slide {one.facts.slide}, of which {other} is, too; name each"
                " slide once"
            )
        slides[one.facts.slide] = one
        draws |= {draw.key: draw for draw in read_draws(folder)}
    for path in answers:
        _take(path, slides, draws)
    found = [one for one in slides.values() if one.classes]
    _spell(found)
    for one in found:
        one.none = {row for row, name in one.classes.items() if name == NOT_A_NUCLEUS}
        one.classes = {row: n for row, n in one.classes.items() if row not in one.none}
    return found


def _slide(folder: Path) -> SlideLabels:
    nuclei = folder / NUCLEI
    facts = read_facts(nuclei)
    shares = [f"p_{name}" for name in facts.classes]
    table = read_columns(nuclei, ["id", *shares])
    code = np.column_stack([table[name] for name in shares]).argmax(axis=1)
    names = np.array(facts.classes, object)
    return SlideLabels(nuclei, facts, table["id"].astype(np.int64), names[code])


def _take(path: Path, slides: Mapping[str, SlideLabels], draws: dict[str, Draw]) -> None:
    """Note the answers of a file at their slides."""
    worklist = read_worklist(path)
    if worklist is not None:
        draw, document = worklist
        draws[draw.key] = draw
        if draw.slide in slides and is_unanswered(document, draw, _shown(slides[draw.slide], draw)):
            raise AnswerError(f"{path}: is a worklist without answers; name the file of answers")
    given = [one for one in read_answers(path) if one.label and not one.label.endswith("*")]
    found = _Found(given, slides, draws)
    if foreign := [one for one, at in zip(given, found.at, strict=True) if _is_foreign(one, at)]:
        names = ", ".join(one.object_id or str(one.nucleus_id) for one in foreign[:_NAMED])
        more = f" and {len(foreign) - _NAMED} more" if len(foreign) > _NAMED else ""
        raise AnswerError(
            f"{path}: {names}{more} of {len(given)} answers: no such nucleus in"
            f" {', '.join(slides)}; name the results that they are for, or take them out"
        )
    n_used = 0
    for one, at in zip(given, found.at, strict=True):
        if isinstance(at, _Place):
            n_used += 1
            _note(path, slides[at.slide], at, one.label)
        elif isinstance(at, _Frame):
            slides[at.slide].frames[at.box] = at.name
    _mark(slides, [one for one, at in zip(given, found.at, strict=True) if at is None])
    if not n_used:
        raise AnswerError(
            f"{path}: none of its {len(given)} objects with a class is a nucleus of"
            f" {', '.join(slides)}; name the results that they are for"
        )
    _refuse_export(path, slides, given, found.at)


def _shown(slide: SlideLabels, draw: Draw) -> list[str]:
    row = {ident: at for at, ident in enumerate(slide.ids.tolist())}
    wanted = [row[one.id] for one in draw.nuclei if one.id in row]
    return slide.predicted[wanted].tolist() if len(wanted) == len(draw.nuclei) else []


@dataclass(frozen=True)
class _Place:
    """A row of the nuclei of a slide; `chance` is the probability with which it was drawn."""

    slide: str
    row: int
    chance: float | None


@dataclass(frozen=True)
class _Frame:
    """A frame of a draw."""

    slide: str
    name: str
    box: tuple[float, float, float, float]


#: What stands in a worklist and is no answer.
_FURNITURE = "furniture"

_What = _Place | _Frame | str | None


class _Found:
    """What each answer is: a nucleus, a frame or a legend of a worklist, or nothing known."""

    def __init__(
        self,
        answers: Sequence[Answer],
        slides: Mapping[str, SlideLabels],
        draws: Mapping[str, Draw],
    ) -> None:
        rows = {name: {i: r for r, i in enumerate(o.ids.tolist())} for name, o in slides.items()}
        drawn: dict[str, _What] = {}
        chance: dict[tuple[str, int], float] = {}
        for draw in (draw for draw in draws.values() if draw.slide in slides):
            drawn |= dict.fromkeys(draw.legend_ids, _FURNITURE)
            for ident, at in draw.frame_ids.items():
                drawn[ident] = _Frame(draw.slide, frame_name(at), draw.frames[at].box)
            for ident, at in draw.nucleus_ids.items():
                one = draw.nuclei[at]
                if one.id in rows[draw.slide]:
                    row = rows[draw.slide][one.id]
                    drawn[ident] = _Place(draw.slide, row, one.probability)
                    chance[draw.slide, row] = one.probability
        self.at: list[_What] = [drawn.get(a.object_id.lower()) for a in answers]
        own = any(isinstance(at, _Place) for at in self.at)
        waiting = [k for k, at in enumerate(self.at) if at is None]
        if own:
            # Beside the objects of a worklist, detections are what the network said.
            for k in waiting:
                if answers[k].kind == "detection":
                    self.at[k] = _FURNITURE
            waiting = [k for k in waiting if self.at[k] is None]
        left = [answers[k] for k in waiting]
        for name, slide in slides.items():
            for k, row in zip(waiting, matched_nuclei(left, name, slide.ids).tolist(), strict=True):
                if row < 0:
                    continue
                if isinstance(self.at[k], _Place):
                    raise AnswerError(
                        f"{answers[k].object_id}: is a nucleus of several of these slides; add a"
                        " column `slide` to the answers"
                    )
                self.at[k] = _Place(name, row, chance.get((name, row)))


def _is_foreign(answer: Answer, at: _What) -> bool:
    """Whether an answer of no known nucleus says that it is one; others are marks of the user."""
    if at is not None or answer.kind == "added":
        return False
    return answer.kind in {"row", "detection"} or bool(answer.draw or answer.nucleus_id is not None)


def _note(path: Path, slide: SlideLabels, at: _Place, label: str) -> None:
    before = slide.classes.setdefault(at.row, label)
    if class_key(before) != class_key(label):
        raise AnswerError(
            f"{path}: nucleus {slide.ids[at.row]} of {slide.facts.slide} has two answers, {before}"
            f" and {label}; keep one of them"
        )
    if at.chance is not None:
        slide.chance[at.row] = at.chance


def _mark(slides: Mapping[str, SlideLabels], answers: Sequence[Answer]) -> None:
    """Note the marks of a file at their slide, or at all where they do not say it."""
    for answer in answers:
        for name, slide in slides.items():
            if answer.place is not None and answer.slide in {"", name}:
                top, left = slide.facts.frame.origin_px
                x, y = answer.place
                slide.marks.append((x + left, y + top, answer.area_px))


def _refuse_export(
    path: Path,
    slides: Mapping[str, SlideLabels],
    given: Sequence[Answer],
    places: Sequence[_What],
) -> None:
    """Refuse the detections of a whole slide, whose classes are the network's."""
    for name, one in slides.items():
        rows = [
            (at.row, answer.label)
            for answer, at in zip(given, places, strict=True)
            if answer.kind == "detection" and isinstance(at, _Place) and at.slide == name
        ]
        alike = sum(class_key(label) == class_key(one.predicted[row]) for row, label in rows)
        if len(rows) > _EXPORT * len(one.ids) and alike >= _ALIKE * len(rows):
            raise AnswerError(
                f"{path}: holds {len(rows)} of the {len(one.ids)} nuclei of {name}, nearly all with"
                " the class that the network gave them; export only those that you have answered"
            )


def _spell(slides: Sequence[SlideLabels]) -> None:
    """Give each class one spelling."""
    spelt: dict[str, Counter[str]] = {}
    for label in (label for one in slides for label in one.classes.values()):
        spelt.setdefault(class_key(label), Counter())[" ".join(label.split())] += 1
    names = {key: min(count, key=lambda n: (-count[n], n)) for key, count in spelt.items()}
    networks = (name for one in slides for name in one.facts.network_classes)
    names |= {class_key(name): name for name in (*networks, NOT_A_NUCLEUS)}
    for one in slides:
        one.classes = {row: names[class_key(label)] for row, label in one.classes.items()}


def class_counts(slides: Sequence[SlideLabels]) -> Iterator[tuple[str, int]]:
    """Count the answers of each class.

    Parameters
    ----------
    slides : sequence of SlideLabels
        The answers.

    Yields
    ------
    (str, int)
        Class and number, the commonest first.
    """
    counts = Counter(name for one in slides for name in one.classes.values())
    yield from sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
