"""Answers that a page sends: kept if they are answers, refused if they are anything else."""

import json

import pytest
from draws_made import made

from nucwsi.errors import AnswerError
from nucwsi.io.review.answers import read_answers
from nucwsi.io.review.saved import answers_place, save_answers
from nucwsi.io.review.worklist import write_draw

DRAW = made()
NUCLEI, FRAMES = list(DRAW.nucleus_ids), list(DRAW.frame_ids)
NAME = f"{DRAW.key}.json"


def document(**changes):
    sound = {
        "kind": "answers",
        "version": 1,
        "slide": "s",
        "draw": DRAW.key,
        "answers": [{"id": NUCLEI[0], "class": "Mitosis", "time": "2026-11-30T10:15:00Z"}],
        "frames": [
            {"id": FRAMES[0], "done": True, "missed": [{"x": 1, "y": 2.5, "class": "plasma"}]}
        ],
    }
    return json.dumps(sound | changes).encode()


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "results"
    for name in ("s", "other"):
        (folder / name).mkdir(parents=True)
    write_draw(folder / "s", DRAW)
    return folder


def test_what_is_kept_is_read_back(root):
    path, draw = answers_place(root, root / "s" / "review" / "answers" / NAME)
    assert draw == DRAW
    for body in (document(answers=[]), document()):
        save_answers(path, draw, body)
    answers = read_answers(path)
    assert [one.object_id for one in answers] == [NUCLEI[0], FRAMES[0], ""]
    assert answers[2].place == (1, 2.5)
    assert sorted(item.name for item in path.parent.iterdir()) == [NAME]


def test_answers_lie_in_the_folder_of_a_slide_or_of_a_cohort(root):
    slide = root / "s"
    assert answers_place(slide, slide / "review" / "answers" / NAME)[0] == (
        slide / "review" / "answers" / NAME
    )


@pytest.mark.parametrize(
    "asked",
    [
        f"other/review/answers/{NAME}",
        f"review/answers/{NAME}",
        f"s/review/{NAME}",
        f"s/answers/{NAME}",
        f"s/review/answers/x/{NAME}",
        f"s/s/review/answers/{NAME}",
        f"s/review/answers/../answers/{NAME}",
        f"../results/s/review/answers/{NAME}",
        "s/review/answers/fedcba9876543210.json",
        f"s/review/answers/{NAME.upper()}",
        "s/review/answers/.json",
        f"s/review/answers/{NAME}.sh",
        "s/composition.csv",
        "",
    ],
)
def test_no_other_path_is_one(root, asked):
    assert answers_place(root, root / asked) is None


@pytest.mark.parametrize("linked", ["slide", "review", "answers", "file", "record"])
def test_no_link_leads_elsewhere(root, tmp_path, linked):
    outside = tmp_path / "outside"
    outside.mkdir()
    target = root / "s"
    if linked == "slide":
        target = root / "link"
        target.symlink_to(root / "s")
    elif linked == "review":
        (root / "s" / "review").rename(outside / "review")
        (root / "s" / "review").symlink_to(outside / "review")
    elif linked == "answers":
        (root / "s" / "review" / "answers").symlink_to(outside)
    elif linked == "file":
        (root / "s" / "review" / "answers").mkdir()
        (root / "s" / "review" / "answers" / NAME).symlink_to(outside / "x")
    else:
        (root / "s" / "review" / NAME).rename(outside / NAME)
        (root / "s" / "review" / NAME).symlink_to(outside / NAME)
    assert answers_place(root, target / "review" / "answers" / NAME) is None


def test_a_record_of_another_draw_is_none(root):
    kept = root / "s" / "review" / NAME
    kept.rename(kept.with_name("0000000000000000.json"))
    assert answers_place(root, root / "s/review/answers/0000000000000000.json") is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no answers"),
        (b"<script>", "no answers"),
        (b"[]", "no answers"),
        (document(kind="draw"), "`kind`"),
        (document(version=2), "`version`"),
        (document(more="x"), "`more`"),
        (document(draw="fedcba9876543210"), "another draw"),
        (document(slide="t"), "another draw"),
        (document(answers=[{"id": "x", "class": "plasma"}]), "no object 'x'"),
        (document(answers=[{"id": NUCLEI[0], "class": "liver"}]), "no class 'liver'"),
        (document(answers=[{"id": NUCLEI[0], "class": "plasma"}] * 2), "answered twice"),
        (document(answers=[{"id": NUCLEI[0], "class": "plasma", "code": "#!"}]), "code"),
        (document(frames=[{"id": FRAMES[0], "done": 1, "missed": []}]), "done"),
        (
            document(
                frames=[
                    {"id": FRAMES[0], "done": True, "missed": [{"x": 1, "y": 2, "class": "liver"}]}
                ]
            ),
            "no class 'liver'",
        ),
        (document().replace(b"2.5", b"NaN"), "no answers"),
    ],
)
def test_nothing_else_is_written(root, body, said):
    path, draw = answers_place(root, root / "s" / "review" / "answers" / NAME)
    with pytest.raises(AnswerError, match=said):
        save_answers(path, draw, body)
    assert not path.exists()
