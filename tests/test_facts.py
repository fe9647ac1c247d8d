"""Facts: what an artefact says of its origin comes back equal, and nothing else passes for it."""

import json
from dataclasses import fields

import pytest
from stores import frame_of, nucleus_facts, tile_facts

from nucwsi.facts import FORMAT_VERSION, SlideFacts
from nucwsi.grid import Frame


def stored(facts):
    """What a reader gets to see: the facts after JSON."""
    return json.loads(json.dumps(facts.to_json()))


@pytest.mark.parametrize("kind", ["tiles", "tissue", "maps", "part", "nuclei"])
def test_what_is_stored_comes_back_equal(kind):
    facts = nucleus_facts(frame_of((700, 900)), bad_tiles=((0, 64, 128, 96),), kind=kind)
    assert SlideFacts.from_json(stored(facts), kind) == facts


def test_a_newer_format_is_refused_and_the_way_out_named():
    document = {**stored(tile_facts(frame_of((64, 64)), 64)), "version": FORMAT_VERSION + 1}
    with pytest.raises(ValueError, match=r"format 2 is newer than the 1 .* update nucwsi"):
        SlideFacts.from_json(document, "tiles")


def test_half_a_character_is_refused_where_facts_are_read():
    """It was read, and then no file could hold it (fuzz, seed 1, case 8794)."""
    document = {**stored(tile_facts(frame_of((64, 64)), 64)), "mpp_source": "\ud800"}
    with pytest.raises(ValueError, match=r"holds '\\ud800', which is half of a character"):
        SlideFacts.from_json(document, "tiles")


def test_another_kind_is_refused():
    document = stored(tile_facts(frame_of((64, 64)), 64))
    with pytest.raises(ValueError, match="holds 'tiles', expected 'nuclei' or 'part'"):
        SlideFacts.from_json(document, "nuclei", "part")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"core_px": "wide"}, "`core_px`: .*'wide'"),
        ({"status": "fine"}, "`status`: .*'fine'"),
        ({"frame": {"shape": [10]}}, r"`frame\.shape\.1`: Field required"),
        ({"surprise": 1}, "`surprise`: .*not permitted"),
    ],
)
def test_a_fact_that_makes_no_sense_is_named(change, message):
    document = {**stored(tile_facts(frame_of((64, 64)), 64)), **change}
    with pytest.raises(ValueError, match=message):
        SlideFacts.from_json(document, "tiles")


@pytest.mark.parametrize("name", ["slide", "frame", "slide_checksum", "core_px", "kind"])
def test_a_missing_fact_is_named(name):
    document = stored(tile_facts(frame_of((64, 64)), 64))
    del document[name]
    with pytest.raises(ValueError, match=f"`{name}`: Field required"):
        SlideFacts.from_json(document, "tiles")


def test_what_an_ensemble_made_names_its_classes_and_constants():
    document = {**stored(tile_facts(frame_of((64, 64)), 64)), "kind": "maps"}
    with pytest.raises(ValueError, match="neither classes nor constants"):
        SlideFacts.from_json(document, "maps")


NAN = float("nan")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("edge_slope", -1, "`post_processing.edge_slope`: .*greater than 0, got -1"),
        ("edge_slope", NAN, "`post_processing.edge_slope`: .*finite number, got nan"),
        ("edge_slope", "0.1", "`post_processing.edge_slope`: .*number, got '0.1'"),
        ("np_threshold", 0.01, "`post_processing`: `np_threshold` is 0.01; expected at least 0.05"),
        ("min_marker_um2", 1e300, "`post_processing.min_marker_um2`: .*, got 1e"),
        ("min_mean_np", 2, "`post_processing.min_mean_np`: .*less than 1, got 2"),
        ("min_area_um2", {"other": NAN}, "min_area_um2.other`: .*finite number, got nan"),
        ("min_area_um2", {"other": 5}, "`post_processing.min_area_um2` lacks the class 'epith"),
        ("min_area_um2", [5], r"min_area_um2`: expected an object, got \[5\]"),
        ("surprise", 1, "`post_processing.surprise`"),
    ],
)
def test_constants_of_an_artefact_have_the_limits_of_a_checkpoint(field, value, message):
    document = stored(nucleus_facts(frame_of((64, 64))))
    document["post_processing"][field] = value
    with pytest.raises(ValueError, match=message):
        SlideFacts.from_json(document, "nuclei")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["a"]}, "min_area_um2` names 'epithelial', which is none of"),
        ({"classes": ["a", "a"]}, "each its own"),
        ({"classes": ["a\nb"]}, "`classes.0`: expected a name of printable characters"),
        ({"count_error": {"mitosis": 0.1}}, "`count_error` names 'mitosis'"),
        ({"count_error": {"other": NAN}}, "`count_error.other`: .*finite number, got nan"),
        ({"count_error": [0.1]}, "`count_error`: expected an object"),
    ],
)
def test_classes_of_an_artefact_are_those_of_its_constants(change, message):
    document = {**stored(nucleus_facts(frame_of((64, 64)))), **change}
    with pytest.raises(ValueError, match=message):
        SlideFacts.from_json(document, "nuclei")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("shape", value) for value in ([0, 64], [64, -1], [64, 1e400])),
        # Of 65536 (seed 5, case 8792) a field of the assessment had no pixel.
        *(("mpp", value) for value in (0, -0.5, NAN, float("inf"), 65536)),
        *(("level0_mpp", value) for value in ([NAN, 0.25], [0.25, 0])),
        # Damage at random (seed 5, case 4339): a side that JSON cannot hold again.
        *(("level0_shape", value) for value in ([0, 128], [10**20, 128], [1 << 32, 128])),
        ("shape", [64, 10**20]),
        *(("origin_px", value) for value in ([0, float("inf")], [-1e308, 0], [0, NAN], [0, 129])),
    ],
)
def test_a_frame_has_positive_finite_lengths(field, value):
    document = stored(tile_facts(frame_of((64, 64)), 64))
    document["frame"][field] = value
    with pytest.raises(ValueError, match="frame"):
        SlideFacts.from_json(document, "tiles")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("core_px", 0), ("core_px", -1), ("halo_px", -1), ("tissue_px", 0), ("tissue_um2", NAN)),
        *(("overlap_px", 10**20), ("parts", -1), ("views", 10**400), ("tile", {"core_px": []})),
    ],
)
def test_a_number_is_possible(field, value):
    document = {**stored(tile_facts(frame_of((64, 64)), 64)), field: value}
    with pytest.raises(ValueError, match=f"`{field}"):
        SlideFacts.from_json(document, "tiles")


def test_no_object_at_all_is_refused():
    with pytest.raises(ValueError, match="a list, expected an object"):
        SlideFacts.from_json([], "tiles")


def test_tiles_know_no_constants_yet():
    facts = tile_facts(frame_of((64, 64)), 64)
    with pytest.raises(ValueError, match="knows no ensemble yet"):
        _ = facts.constants


def test_facts_cannot_be_changed():
    facts = tile_facts(frame_of((64, 64)), 64)
    with pytest.raises(ValueError, match="frozen"):
        facts.slide = "another"


def test_parts_may_differ_in_their_number_but_in_nothing_that_decides():
    first = nucleus_facts(frame_of((700, 900)), kind="part", part=1, parts=2)
    second = first.with_(part=2, n_dropped=dict.fromkeys(first.classes, 7), precision="bfloat16")
    assert SlideFacts.fault_of_parts([first, second]) is None
    for name, other in (
        ("slide_checksum", "1" * 32),
        ("members", ()),
        ("views", 4),
        ("segment", {"np_level": 9}),
        ("frame", Frame((700, 900), 0.5, (0.25, 0.26), (0.0, 0.0), (1400, 1800))),
    ):
        fault = SlideFacts.fault_of_parts([first, second.with_(**{name: other})])
        assert fault == f"parts 1 and 2 differ in {name}"


@pytest.mark.parametrize("numbers", [(1,), (2, 3), (1, 1, 3), (1, 2, 3, 3)])
def test_every_part_is_needed_once(numbers):
    first = nucleus_facts(frame_of((700, 900)), kind="part", parts=3)
    fault = SlideFacts.fault_of_parts([first.with_(part=number) for number in numbers])
    assert fault == f"a slide of 3 parts needs each of them once, got {list(numbers)}"


def test_every_value_of_a_frame_is_kept():
    frame = Frame((701, 903), 0.3512345678901234, (0.2501, 0.2539), (12.5, 7.25), (1400, 1800))
    kept = SlideFacts.from_json(stored(tile_facts(frame, 64)), "tiles").frame
    assert [getattr(kept, f.name) for f in fields(Frame)] == [
        getattr(frame, f.name) for f in fields(Frame)
    ]
