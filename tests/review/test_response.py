"""Which answers count, and which are refused; the way through files is tested in steps/correct."""

import pytest
from draws_made import made

from nucwsi.review.answers import NOT_A_NUCLEUS, Answer
from nucwsi.review.matching import nucleus_uuid
from nucwsi.review.response import Response, joined, respond

ORIGIN = {"s": (100.0, 50.0)}


def test_numbers_alone_lead_to_the_draw_that_fits_best():
    other = made(key="aaaaaaaaaaaaaaaa", nuclei=({"id": 7, "probability": 0.5},))
    answers = [Answer(str(n), "plasma", "row", nucleus_id=n) for n in (7, 9)]
    for draws in ([made(), other], [other, made()]):
        [found], remarks = respond(answers, draws, ORIGIN)
        assert found.draw.key == made().key
        assert found.classes == {0: "plasma", 1: "plasma"}
        assert not remarks


def test_the_worklists_own_object_outweighs_a_detection_of_the_same_nucleus():
    draw = made()
    answers = [
        Answer(nucleus_uuid("s", 7), "mitosis", "detection"),
        Answer(next(iter(draw.nucleus_ids)), "plasma", "annotation"),
    ]
    [found], _ = respond(answers, [draw], ORIGIN)
    assert found.classes == {0: "plasma"}


def test_a_mark_lies_in_the_frame_where_qupaths_origin_puts_it():
    draw = made(frames=({"box": (100, 50, 110, 60), "probability": 0.5},))
    [frame] = draw.frame_ids
    inside = Answer("x", "plasma", "annotation", place=(5.0, 5.0))
    edge = Answer("y", "plasma", "annotation", place=(10.0, 5.0))
    large = Answer("z", "plasma", "annotation", place=(5.0, 5.0), area_px=51.0)
    looked = Answer(frame, "Frame", "annotation")
    [found], remarks = respond([looked, inside, edge, large], [draw], ORIGIN)
    assert found.missed == [(0, "plasma", 105.0, 55.0)]
    assert remarks[0].startswith("2 annotations lie outside")
    with pytest.raises(ValueError, match="Frame 1 of s has the class 'Not a nucleus'"):
        respond(
            [looked, Answer("x", "Not a nucleus", "annotation", place=(5.0, 5.0))], [draw], ORIGIN
        )


def test_a_frame_that_nobody_looked_through_holds_no_missed_nucleus():
    draw = made(frames=({"box": (100, 50, 110, 60), "probability": 0.5},))
    answers = [
        Answer(next(iter(draw.frame_ids)), "", "annotation"),
        Answer("7", NOT_A_NUCLEUS, "row", nucleus_id=7),
        Answer("x", "plasma", "annotation", place=(5.0, 5.0)),
    ]
    [found], remarks = respond(answers, [draw], ORIGIN)
    assert (found.frames, found.missed, found.classes) == (set(), [], {0: NOT_A_NUCLEUS})
    assert remarks


def test_two_files_agree_or_are_refused():
    one, two = (
        Response(made(), {0: "plasma"}, {0}, [(0, "plasma", 1, 1)]),
        Response(made(), {1: "plasma"}, {0}, [(0, "plasma", 1, 1)]),
    )
    [whole] = joined([one, two])
    assert whole.classes == {0: "plasma", 1: "plasma"}
    assert len(whole.missed) == 1, "a frame counts once"
    with pytest.raises(ValueError, match="nucleus 7 has two answers, plasma and mitosis"):
        joined([one, Response(made(), {0: "mitosis"})])


def test_what_belongs_to_no_draw_is_named():
    stranger = Answer("u-1", "plasma", "annotation", nucleus_id=99, draw="ffff", slide="t")
    with pytest.raises(ValueError, match="of slide t and of draw ffff"):
        respond([stranger], [made()], ORIGIN)
    known = Answer("7", "plasma", "row", nucleus_id=7)
    with pytest.raises(ValueError, match="u-1 is of no draw"):
        respond([stranger, known], [made()], ORIGIN)
