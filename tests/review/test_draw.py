"""A draw survives its file, and nonsense is refused."""

import pytest
from draws_made import made

from nucwsi.review.draw import Draw, frame_name


def test_a_draw_survives_its_file():
    assert Draw.from_json(made().to_json()) == made()


def test_every_object_has_an_id_of_its_own():
    draw = made()
    ids = [*draw.nucleus_ids, *draw.frame_ids, *draw.legend_ids]
    assert len(set(ids)) == len(ids) == 2 + 1 + 3
    assert not set(ids) & set(made(key="fedcba9876543210").nucleus_ids)
    assert frame_name(0) == "Frame 1"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 99}, "newer"),
        ({"kind": "other"}, "no draw"),
        ({"nuclei": [{"id": 1, "probability": 0}]}, "probability"),
        ({"nuclei": [{"id": 1, "probability": 0.5}] * 2}, "twice"),
        ({"classes": ["plasma", "Plasma"]}, "hold one twice"),
        ({"classes": ["not a nucleus"]}, "not a nucleus"),
        ({"key": 3}, "key"),
        ({"further": 1}, "further"),
        # Damage at random (seed 4, case 411).
        ({"area": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0]], 5.0]}}, "area"),
        ({"area": {"type": "Polygon", "coordinates": [[[0, 0], ["x", 1], [1, 0]]]}}, "area"),
        ({"area": {"type": "Star", "coordinates": []}}, "area"),
        ({"area": {}}, "area"),
    ],
)
def test_nonsense_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        Draw.from_json(made().to_json() | change)
