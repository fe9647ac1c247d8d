"""`correct`: from a pathologist's answers to corrected counts with honest intervals.

Here answers find their slides and draws; `slide` makes and writes the numbers of one slide,
`cohort` those of all together. How numbers are estimated is no matter of this package but of
`nucwsi.review`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from nucwsi.classes import most_probable
from nucwsi.errors import AnswerError, ConfigError
from nucwsi.io.csv_table import TEXTS, read_csv
from nucwsi.io.nuclei.parquet import read_facts
from nucwsi.io.outputs import check_outputs
from nucwsi.io.review.answers import read_answers, read_worklist
from nucwsi.io.review.corrected import CONFUSION, RECORD, Corrected
from nucwsi.io.review.results import NUCLEI, read_results, result_folders
from nucwsi.io.review.worklist import is_unanswered, read_draws
from nucwsi.io.stores.publish import published
from nucwsi.report.assessment import Assessment
from nucwsi.report.review_notes import ReviewNotes
from nucwsi.review.answers import Answer
from nucwsi.review.draw import Draw
from nucwsi.review.response import Response, joined, respond
from nucwsi.steps.correct.cohort import described, write_cohort
from nucwsi.steps.correct.slide import CorrectedSlide, rows_of

log = logging.getLogger(__name__)

#: Remarks on a file of answers or a slide, as the log, the report and the provenance have them.
Remarks = list[str]


def correct(
    results: Path,
    answers: Sequence[Path],
    *,
    output: Path | None = None,
    composition: Path | None = None,
) -> list[str]:
    """Correct the counts of a slide, or of each slide of a cohort, by what a pathologist answered.

    Parameters
    ----------
    results : pathlib.Path
        Folder of the results of a slide or of a cohort, which keeps the draws.
    answers : sequence of pathlib.Path
        Files of answers, in any form that `io.review.answers` reads. A worklist among them tells
        of its draw.
    output : pathlib.Path, optional
        Folder to write; for a slide alone. By default the results get the corrected columns.
    composition : pathlib.Path, optional
        Folder of the slide's ``composition.csv`` and ``{slide}.regions.geojson`` if they do not lie
        beside ``nuclei.parquet``; for a slide alone.

    Returns
    -------
    list of str
        What came out for each slide that has answers, one line for each class.

    Raises
    ------
    AnswerError
        If a file of answers cannot be read, or is of another slide or of older results; nothing is
        written then.
    ConfigError
        If there are several slides, but one place to write or to read from.
    StoreError
        If a result is missing or damaged, or an output cannot be written.
    """
    folders = {read_facts(folder / NUCLEI).slide: folder for folder in result_folders(results)}
    if len(folders) > 1 and (output or composition):
        raise ConfigError(
            f"{results}: holds {len(folders)} slides, expected one with --output or --composition;"
            " name the folder of a slide"
        )
    origins = {slide: read_facts(folder / NUCLEI) for slide, folder in folders.items()}
    shift = {s: (f.frame.origin_px[1], f.frame.origin_px[0]) for s, f in origins.items()}
    draws = {draw.key: draw for folder in folders.values() for draw in read_draws(folder)}
    read = {path: _read(path, folders, draws) for path in answers}
    responses, remarks = _responses(read, list(draws.values()), shift, results)
    made = []
    for slide in dict.fromkeys(one.draw.slide for one in responses):
        own = [one for one in responses if one.draw.slide == slide]
        target = output or folders[slide]
        check_outputs([target / CONFUSION, target / RECORD], [*answers, folders[slide] / NUCLEI])
        # All is read and checked before anything is written.
        made.append(
            CorrectedSlide(read_results(folders[slide], composition), own, remarks, answers)
        )
    for one in made:
        one.write(output or one.results.folder, composition or one.results.folder)
        if output is None:
            _refresh(one.results.folder, one.record)
    if len(folders) > 1:
        write_cohort(results, folders, [one.record for one in made])
    return [line for one in made for line in described(one.record)]


def _refresh(folder: Path, record: Corrected) -> None:
    """Bring the corrected numbers into what the report shows of a slide, if that exists."""
    path = folder / "assessment.json"
    if not path.is_file():
        return
    try:
        assessment = Assessment.from_json(path.read_bytes())
    except (ValueError, KeyError, RecursionError) as error:
        log.warning("%s: is left as it is (%s); run `nucwsi assess`", path, error)
        return
    rows = read_csv(folder / "composition.csv", ("region_source",), TEXTS)
    shown = tuple(row for row in rows if row["region_source"] != "grid")
    changed = assessment.model_copy(update={"composition": shown, "review": ReviewNotes.of(record)})
    with published(path) as aside:
        aside.write_bytes(changed.to_json())


def _read(path: Path, folders: dict[str, Path], draws: dict[str, Draw]) -> list[Answer]:
    """Read a file of answers; a worklist adds its draw, and holds no answer before it is used."""
    worklist = read_worklist(path)
    if worklist is not None:
        draw, document = worklist
        if draw.slide not in folders:
            raise AnswerError(
                f"{path}: is of slide {draw.slide!r:.80}, expected {', '.join(folders)}; name the"
                " results of its slide"
            )
        draws[draw.key] = draw
        if is_unanswered(document, draw, _predicted(folders[draw.slide], draw)):
            log.info("%s: a worklist without answers", path)
            return []
    return read_answers(path)


def _predicted(folder: Path, draw: Draw) -> list[str]:
    results = read_results(folder)
    row = rows_of(results.ids, draw)
    classes = results.facts.classes
    code = most_probable(results.class_probabilities[row[row >= 0]])
    return [classes[at] for at in code.tolist()] if (row >= 0).all() else []


def _responses(
    read: dict[Path, list[Answer]],
    draws: Sequence[Draw],
    shift: dict[str, tuple[float, float]],
    results: Path,
) -> tuple[list[Response], Remarks]:
    """Sort all answers by draw."""
    if not draws:
        raise AnswerError(
            f"{results}: keeps no draw that answers could belong to; name the worklist file beside"
            " the answers, or draw one with `nucwsi review`"
        )
    if not any(read.values()):
        raise AnswerError(f"{', '.join(map(str, read))}: no object is answered for")
    found, remarks = [], []
    for path, answers in read.items():
        try:
            if answers:
                responses, said = respond(answers, draws, shift)
                found += responses
                remarks += [f"{path.name}: {line}" for line in said]
        except ValueError as error:
            raise AnswerError(f"{path}: {error}") from None
    try:
        return joined(found), remarks
    except ValueError as error:
        raise AnswerError(f"{', '.join(map(str, read))}: {error}") from None
