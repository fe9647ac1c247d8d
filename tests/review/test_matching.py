"""An answer finds its nucleus, and no other."""

import numpy as np

from nucwsi.review.answers import Answer
from nucwsi.review.matching import matched_nuclei, nucleus_uuid, worklist_uuid


def test_numbers_and_ids_of_qupath_lead_to_the_same_nucleus():
    ids = np.array([40, 7, 99])
    answers = [
        Answer("x", "a", "annotation", nucleus_id=7),
        Answer(nucleus_uuid("s", 7).upper(), "a", "detection"),
        Answer(nucleus_uuid("other", 7), "a", "detection"),
        Answer("x", "a", "annotation", nucleus_id=7, slide="other"),
        Answer("x", "a", "annotation", nucleus_id=8),
        Answer("", "a", "added"),
    ]
    assert matched_nuclei(answers, "s", ids).tolist() == [1, 1, -1, -1, -1, -1]


def test_a_worklist_and_the_zip_can_lie_in_one_image():
    assert worklist_uuid("k", 7) not in {nucleus_uuid("s", 7), worklist_uuid("l", 7)}
