"""A slide with answers: what they say of its regions, and the files that say so."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from nucwsi.classes import most_probable
from nucwsi.composition.regions import Region, owned_nuclei
from nucwsi.errors import AnswerError
from nucwsi.io.csv_table import write_csv
from nucwsi.io.review.corrected import (
    CONFUSION,
    RECORD,
    Corrected,
    DrawUsed,
    write_corrected_regions,
    write_corrected_table,
    write_record,
)
from nucwsi.io.review.results import SlideResults
from nucwsi.io.stores.publish import file_checksum
from nucwsi.review.answers import NOT_A_NUCLEUS
from nucwsi.review.columns import column_names, column_values
from nucwsi.review.correction import (
    Review,
    confusion,
    corrected,
    labels_to_halve,
    with_responses,
)
from nucwsi.review.draw import Draw
from nucwsi.review.response import Response

log = logging.getLogger(__name__)

#: A nucleus that is marked in a frame this close to the centre of one that was found is that one,
#: in µm.
_SAME_UM = 2.0


def rows_of(ids: NDArray[np.int64], draw: Draw) -> NDArray[np.int64]:
    """Return the row of each nucleus of a draw.

    Parameters
    ----------
    ids : (N,) ndarray of int64
        Column ``id`` of the table of nuclei.
    draw : Draw
        Of n nuclei.

    Returns
    -------
    (n,) ndarray of int64
        Row of the table; -1 for a nucleus that is gone.
    """
    order = np.argsort(ids)
    wanted = np.array([one.id for one in draw.nuclei], np.int64)
    place = order[np.searchsorted(ids, wanted, sorter=order).clip(0, max(len(ids) - 1, 0))]
    return np.where(ids[place] == wanted, place, -1) if len(ids) else np.full(len(wanted), -1)


class CorrectedSlide:
    """A slide with answers: checked, estimated, and not yet written.

    Parameters
    ----------
    results : SlideResults
        Of the slide.
    responses : sequence of Response
        To its draws.
    remarks : sequence of str
        What is to be said of the files of answers.
    answers : sequence of pathlib.Path
        These files.

    Attributes
    ----------
    results : SlideResults
        As given.
    record : Corrected
        What is known of the whole slide.

    Raises
    ------
    AnswerError
        If the answers are to older results.
    """

    def __init__(
        self,
        results: SlideResults,
        responses: Sequence[Response],
        remarks: Sequence[str],
        answers: Sequence[Path],
    ) -> None:
        self.results = results
        facts = results.facts
        for response in responses:
            _check_results(results, response.draw)
        names = [name for response in responses for name in response.draw.classes]
        self.classes = tuple(dict.fromkeys([*facts.classes, *names]))
        self.remarks = [*remarks, *(line for one in responses for line in _shortfalls(one))]
        self.reviews = [self._review(response) for response in responses]
        self.regions = results.regions
        pairs = owned_nuclei(results.points, self.regions)
        self.correction = corrected(
            self.reviews, results.class_probabilities, pairs, len(self.regions)
        )
        self.record = self._record(responses, answers)
        for line in self.remarks:
            log.warning("%s: %s", facts.slide, line)

    def _review(self, response: Response) -> Review:
        results, draw = self.results, response.draw
        code = {name: at for at, name in enumerate(self.classes)}
        answered = sorted(response.classes)
        labels = np.zeros((len(answered), len(self.classes)))
        for place, at in enumerate(answered):
            if response.classes[at] != NOT_A_NUCLEUS:
                labels[place, code[response.classes[at]]] = 1
        area = Region("", "", "", "", shapely.geometry.shape(draw.area))
        drawn_from = np.zeros(len(results.ids), bool)
        drawn_from[owned_nuclei(results.points, [area])[1]] = True
        frames = sorted(response.frames)
        missed = self._missed(response, area)
        review = Review(
            rows=rows_of(results.ids, draw)[answered],
            labels=labels,
            probability=np.array([draw.nuclei[at].probability for at in answered]),
            drawn_from=drawn_from,
            missed=np.eye(len(self.classes))[[code[name] for _, name in missed]].reshape(
                -1, len(self.classes)
            ),
            missed_frame=np.array([frames.index(at) for at, _ in missed], np.int64),
            frames=np.array([draw.frames[at].probability for at in frames]),
        )
        return with_responses(review, len(draw.nuclei), len(draw.frames))

    def _missed(self, response: Response, area: Region) -> list[tuple[int, str]]:
        """Return frame and class of the missed nuclei, without those that were found after all."""
        marked = response.missed
        if not marked:
            return []
        places = np.array([(x, y) for _, _, x, y in marked])
        mpp = np.array(self.results.facts.frame.level0_mpp[::-1])
        far, _ = cKDTree(self.results.points * mpp).query(places * mpp)
        inside = shapely.intersects_xy(area.geometry, places[:, 0], places[:, 1])
        kept = np.flatnonzero((far > _SAME_UM) & inside)
        again = int((far <= _SAME_UM).sum())
        if again:
            self.remarks.append(
                f"{again} of {len(marked)} marks in frames lie on a nucleus that was found, and do"
                " not count as missed"
            )
        return [marked[at][:2] for at in kept.tolist()]

    def _record(self, responses: Sequence[Response], answers: Sequence[Path]) -> Corrected:
        results = self.results
        whole = results.rows[0] if results.rows else {}
        n_found = [int(whole.get(f"n_{name}") or 0) for name in results.facts.classes]
        pairs = list(zip(responses, self.reviews, strict=True))
        available = max((int(one.drawn_from.sum()) for one in self.reviews), default=0)
        frames = sum(len(one.frames) for one in self.reviews)
        n_labels = sum(len(one.rows) for one in self.reviews)
        total = self.correction.totals[0] if self.correction.totals else None
        record = Corrected(
            slide=results.facts.slide,
            classes=self.classes,
            network=len(results.facts.classes),
            draws=tuple(
                DrawUsed(
                    key=response.draw.key,
                    labels=len(response.draw.nuclei),
                    answered=len(review.rows),
                    frames=len(response.draw.frames),
                    looked_through=len(review.frames),
                    missed=len(review.missed),
                )
                for response, review in pairs
            ),
            files=tuple(
                {"path": str(path), "fingerprint": file_checksum(path)} for path in answers
            ),
            remarks=tuple(self.remarks),
            more_labels=labels_to_halve(n_labels, available),
            # Frames are few among all squares.
            more_frames=3 * frames,
            tissue_mm2=float(whole.get("tissue_area_mm2") or 0),
            found=tuple(n_found),
        )
        return record.with_totals(total)

    def write(self, output: Path, composed: Path) -> None:
        """Write the corrected table and regions, the confusion and the record.

        Parameters
        ----------
        output : pathlib.Path
            Folder to write.
        composed : pathlib.Path
            Folder of the table and regions of `compose`; may be `output`.

        Raises
        ------
        StoreError
            If something cannot be written.
        """
        rows = self.results.rows
        names = column_names(self.classes)
        values = [
            column_values(total, n, float(row.get("tissue_area_mm2") or 0), len(self.classes))
            for total, n, row in zip(
                self.correction.totals, self.correction.n_labels.tolist(), rows, strict=True
            )
        ]
        regions = f"{self.results.facts.slide}.regions.geojson"
        outlined = [v for v, r in zip(values, self.regions, strict=True) if not r.geometry.is_empty]
        write_corrected_regions(composed / regions, output / regions, names, outlined)
        by_id = {row["region_id"]: v for row, v in zip(rows, values, strict=True)}
        write_corrected_table(
            composed / "composition.csv", output / "composition.csv", names, by_id
        )
        self._write_confusion(output / CONFUSION)
        write_record(output / RECORD, self.record)

    def _write_confusion(self, path: Path) -> None:
        known = self.results.facts.classes
        predicted = most_probable(self.results.class_probabilities)
        n_labels, estimated = confusion(self.reviews, predicted, len(known))
        answers = np.array([*self.classes, NOT_A_NUCLEUS], object)
        whole = estimated.sum(axis=1, keepdims=True)
        share = np.divide(estimated, whole, out=np.full(estimated.shape, np.nan), where=whole > 0)
        n_rows, n_columns = estimated.shape
        write_csv(
            path,
            {
                "slide": np.full(estimated.size, self.results.facts.slide, object),
                "predicted": np.repeat(np.array([*known, "(missed)"], object), n_columns),
                "answered": np.tile(answers, n_rows),
                "n_labels": n_labels.ravel(),
                "estimated": estimated.ravel(),
                "share": share.ravel(),
            },
        )


def _check_results(results: SlideResults, draw: Draw) -> None:
    slide = results.facts.slide
    if draw.slide_checksum != results.facts.slide_checksum:
        raise AnswerError(
            f"{results.folder}: the answers are to draw {draw.key} of another file of slide"
            f" {slide}; take the results of the slide that was reviewed"
        )
    if draw.results != results.fingerprint:
        raise AnswerError(
            f"{results.folder}: the answers are to draw {draw.key} of older results of {slide},"
            " whose nuclei were others; draw anew with `nucwsi review`, or take the old results"
        )


def _shortfalls(response: Response) -> list[str]:
    """Say where fewer answers came than were asked for."""
    draw = response.draw
    lines = []
    n, frames = len(response.classes), len(response.frames)
    if n < len(draw.nuclei):
        lines.append(
            f"{n} of the {len(draw.nuclei)} nuclei of draw {draw.key} are answered for; the rest is"
            " taken to be like them"
        )
    if not draw.frames or not frames:
        lines.append(
            "no frame was looked through: nothing is known of missed nuclei, and the corrected"
            " counts are those of nuclei that were found"
        )
    elif frames == 1 < len(draw.frames):
        lines.append(
            f"1 of the {len(draw.frames)} frames of draw {draw.key} was looked through: how far off"
            " the corrected counts are is not known; look through one more"
        )
    elif frames < len(draw.frames):
        lines.append(
            f"{frames} of the {len(draw.frames)} frames of draw {draw.key} were looked through; the"
            " rest is taken to be like them"
        )
    return lines
