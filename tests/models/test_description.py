"""Whatever a checkpoint says of itself that cannot be: one line names file, field and value."""

import json

import pytest
from networks_made import rewritten
from stores import CLASSES, CONSTANTS

from nucwsi.errors import CheckpointError
from nucwsi.models.card import read_card
from nucwsi.models.description import described

NAN, INFINITE = float("nan"), float("inf")


def constants(**change):
    return lambda d: d["post_processing"].update(change)


def classes(*names):
    """Give a description other classes, and constants for each."""

    def change(d):
        d.update(classes=list(names))
        d["post_processing"]["min_area_um2"] = dict.fromkeys(names, 5.0)

    return change


def domain(**changes):
    unit = [[float(row == column) for column in range(6)] for row in range(6)]
    return {"mean": [0.0] * 6, "covariance": unit, "limit": 3.0, **changes}


WRONG = {
    "no classes": (lambda d: d.pop("classes"), "`classes`: Field required"),
    "no constants": (lambda d: d.pop("post_processing"), "`post_processing`: Field required"),
    "a union of strangers": (
        lambda d: d.update(unions={"all": ["epithelial", "tumour"]}),
        "`unions.all` names 'tumour', which is none of",
    ),
    "a union of one": (
        lambda d: d.update(unions={"all": ["spindle", "spindle"]}),
        "`unions.all`: expected two classes or more, each once",
    ),
    "a union as text": (lambda d: d.update(unions={"all": "a|b"}), "`unions.all`: expected a list"),
    "a union named like a class": (
        lambda d: d.update(unions={"Other": ["epithelial", "spindle"]}),
        "`unions` have names that clash with the classes'",
    ),
    "no slope": (lambda d: d["post_processing"].pop("edge_slope"), "`post_processing.edge_slope`"),
    "a misspelt field": (lambda d: d.update(halo=32), "`halo`: .*not permitted, got 32"),
    "a misspelt constant": (constants(slope=1), "`post_processing.slope`: .*, got 1"),
    "constants as list": (lambda d: d.update(post_processing=[0.5]), "expected an object, got"),
    "name as number": (lambda d: d.update(name=7), "`name`: .*string, got 7"),
    "name of two lines": (lambda d: d.update(name="a\nb"), "`name`: expected a name of printable"),
    "long name": (lambda d: d.update(name="a" * 300), "`name`: .*at most 100 characters"),
    "unknown architecture": (
        lambda d: d.update(architecture="resnet"),
        "`architecture`: expected one of unet, lite2.*; got 'resnet'",
    ),
    "architecture as list": (lambda d: d.update(architecture=["unet"]), "`architecture`"),
    "no widths": (lambda d: d.pop("widths"), "`widths`: expected channels of each level, got none"),
    "widths of a fixed network": (
        lambda d: d.update(architecture="seresnext50"),
        r"`widths`: expected none, .*, got \(4, 6, 8\)",
    ),
    "a width too many": (lambda d: d.update(widths=[4] * 2000), "`widths`: .*at most 10 items"),
    "a wide level": (lambda d: d.update(widths=[10**9, 6, 8]), r"`widths.0`: .*4096, got 10{9}"),
    "no channel": (lambda d: d.update(widths=[4, 0, 8]), "`widths.1`: .*, got 0"),
    "half a channel": (lambda d: d.update(widths=[4, 6.5, 8]), r"`widths.1`: .*, got 6\.5"),
    "widths as text": (lambda d: d.update(widths="4,6,8"), "`widths`: expected a list, got"),
    "mpp 0": (lambda d: d.update(mpp=0), "`mpp`: .*0.05, got 0"),
    "mpp 1e300": (lambda d: d.update(mpp=1e300), "`mpp`: .*, got 1e[+]300"),
    "mpp as text": (lambda d: d.update(mpp="0.5"), "`mpp`: .*number, got '0.5'"),
    "mpp true": (lambda d: d.update(mpp=True), "`mpp`: .*number, got True"),
    "mpp NaN": (lambda d: d.update(mpp=NAN), "`mpp`: .*finite number, got nan"),
    "halo below 0": (lambda d: d.update(halo_px=-1), "`halo_px`: .*, got -1"),
    "halo not whole": (lambda d: d.update(halo_px=32.5), r"`halo_px`: .*integer, got 32\.5"),
    "halo infinite": (lambda d: d.update(halo_px=INFINITE), "`halo_px`: .*integer, got inf"),
    "halo of a slide": (lambda d: d.update(halo_px=10**6), "`halo_px`: .*4096, got 1000000"),
    "about as text": (lambda d: d.update(about="mine"), "`about`: expected an object, got 'mine'"),
    "count_error as list": (lambda d: d.update(count_error=[1]), "`count_error`: .*object, got"),
    "count_error NaN": (
        lambda d: d.update(count_error={"other": NAN}),
        "`count_error.other`: .*nan",
    ),
    "count_error below 0": (
        lambda d: d.update(count_error={"other": -0.1}),
        r"`count_error.other`",
    ),
    "miscount of a stranger": (
        lambda d: d.update(miscount={"lone": 0, "common": 0, "confusion": {"mitosis": 1}}),
        "`miscount.confusion` names 'mitosis', which is none of",
    ),
    "miscount below 0": (
        lambda d: d.update(miscount={"lone": -1, "common": 0, "confusion": {}}),
        "`miscount.lone`: .*greater than or equal to 0, got -1",
    ),
    "miscount without a number": (
        lambda d: d.update(miscount={"lone": 1, "confusion": {}}),
        "`miscount.common`",
    ),
    "domain that is flat": (
        lambda d: d.update(domain=domain(covariance=[[1.0] * 6] * 6)),
        "`domain`: `covariance` must be positive definite",
    ),
    "domain of five": (lambda d: d.update(domain=domain(mean=[0.0] * 5)), "`domain.mean`"),
    "domain without end": (
        lambda d: d.update(domain=domain(limit=float("inf"))),
        "`domain.limit`: .*finite",
    ),
    "count_error of a stranger": (
        lambda d: d.update(count_error={"mitosis": 0.1}),
        "`count_error` names 'mitosis', which is none of",
    ),
    "np_threshold 0.01": (constants(np_threshold=0.01), "`np_threshold` is 0.01; .*0.05"),
    "np_threshold 1": (constants(np_threshold=1), "np_threshold`: .*less than 1, got 1"),
    "np_threshold NaN": (constants(np_threshold=NAN), "np_threshold`: .*, got nan"),
    "min_mean_np 1": (constants(min_mean_np=1), "min_mean_np`: .*less than 1, got 1"),
    "min_mean_np below 0": (constants(min_mean_np=-0.1), "min_mean_np`: .*, got -0.1"),
    "edge_slope 0": (constants(edge_slope=0), "edge_slope`: .*greater than 0, got 0"),
    "edge_slope null": (constants(edge_slope=None), "edge_slope`: .*number, got None"),
    "min_marker_um2 infinite": (constants(min_marker_um2=INFINITE), "min_marker_um2`: .*, got inf"),
    "min_marker_um2 1e300": (constants(min_marker_um2=1e300), "min_marker_um2`: .*, got 1e"),
    "area NaN": (
        constants(min_area_um2=dict.fromkeys(CLASSES, NAN)),
        "min_area_um2.epithelial`: .*finite number, got nan",
    ),
    "area below 0": (constants(min_area_um2={"other": -5}), "min_area_um2.other`: .*, got -5"),
    "areas as list": (constants(min_area_um2=list(CLASSES)), "min_area_um2`: expected an object"),
    "no area": (constants(min_area_um2={"other": 5}), "min_area_um2` lacks the class 'epithelial'"),
    "area of a stranger": (
        constants(min_area_um2={**CONSTANTS.min_area_um2, "mitosis": 5}),
        "min_area_um2` names 'mitosis', which is none of",
    ),
    "no class": (classes(), "`classes` .* must name at least one class"),
    "a class twice": (classes("a", "a"), "`classes` .*, each its own"),
    "classes that QuPath takes for one": (classes("T cell", "t_cell"), "`classes` .*each its own"),
    "class without a name": (classes("a", ""), "`classes.1`: expected a name of printable"),
    "class of blanks": (classes("a", " "), "`classes.1`: expected a name of printable"),
    "class of two lines": (classes("a\nb"), "`classes.0`: expected a name of printable"),
    "class with NUL": (classes("a\0b"), "`classes.0`: expected a name of printable"),
    "class that turns the line": (classes("a\u202eb"), "`classes.0`: expected a name of printable"),
    "class that is half a letter": (classes("\ud800"), r"`classes.0`: .*, got '\\ud800'"),
    "half a letter in what it is about": (
        lambda d: d["about"].update(licence="\ud800"),
        r"its description holds '\\ud800', which is half of a character",
    ),
    "10,000 classes": (classes(*map(str, range(10_000))), "`classes`: .*at most 100 items"),
    "class as number": (lambda d: d.update(classes=[1, 2, 3, 4]), "`classes.0`: .*string, got 1"),
    "classes as text": (
        lambda d: d.update(classes="abcd"),
        "`classes`: expected a list, got 'abcd'",
    ),
    "class as a column": (classes("nuclei"), "two columns of a table would be `n_nuclei`"),
    "classes as one column": (classes("low", "n"), "two columns of a table would be `n_low`"),
}


def test_descriptions_that_failed_late_are_refused_when_the_card_is_read(shared):
    files = sorted((shared / "faults" / "checkpoints").iterdir())
    assert len(files) >= 19
    for path in files:
        with pytest.raises(CheckpointError) as caught:
            read_card(str(path))
        assert str(caught.value).startswith(f"{path}: ")
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", WRONG)
def test_a_field_that_is_wrong_is_named_in_one_line(member, name):
    change, message = WRONG[name]
    with pytest.raises(CheckpointError, match=message) as caught:
        read_card(rewritten(member, change))
    said = str(caught.value)
    assert said.startswith(str(member))
    assert "\n" not in said
    assert said.isprintable()
    assert len(said) < 600


def test_limits_themselves_pass(member):
    limits = {"np_threshold": 0.05, "edge_slope": 100, "min_marker_um2": 0, "min_mean_np": 0}

    def change(d):
        classes("a/b", "Größe, µm: +")(d)
        d.update(mpp=5, halo_px=4096, count_error={"a/b": 0}, about={"any": [{"thing": None}]})
        d["post_processing"].update(limits)

    card = read_card(rewritten(member, change))
    assert card.classes == ("a/b", "Größe, µm: +")
    assert vars(card.post_processing).items() >= limits.items()


def test_a_description_cannot_be_changed(member):
    def keep(d):
        kept.update(d)

    kept = {}
    rewritten(member, keep)
    fields = described(json.loads(json.dumps(kept)), "here")
    with pytest.raises(ValueError, match="frozen"):
        fields.mpp = 1.0
