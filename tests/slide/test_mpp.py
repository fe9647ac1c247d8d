"""The size of a pixel: which claim is believed, and when to refuse with the line to add."""

import math
import re

import pytest

from nucwsi.errors import SlideError
from nucwsi.slide.mpp import MppClaim, choose_mpp, contradicts_objective


def claim(mpp, source="vendor", columns=None):
    return MppClaim(mpp, mpp if columns is None else columns, source)


ORDER = [claim(0.25, "vendor"), claim(0.3, "ome"), claim(0.35, "tiff")]


@pytest.mark.parametrize(
    ("claims", "options", "expected"),
    [
        (ORDER, {"override": 0.5, "objective_power": 40}, (0.5, "override")),
        (ORDER, {"objective_power": 40, "trust_power": True}, (0.25, "vendor")),
        (ORDER[1:], {}, (0.3, "ome")),
        (ORDER[2:], {}, (0.35, "tiff")),
        ([], {"objective_power": 20.0, "trust_power": True}, (0.5, "objective power")),
        ([claim(0.0)], {"override": 0.25}, (0.25, "override")),
        ([claim(0.3611)], {"objective_power": 28.0}, (0.3611, "vendor")),
        ([claim(0.05)], {}, (0.05, "vendor")),
        ([claim(5.0)], {}, (5.0, "vendor")),
        ([claim(0.25, columns=0.2548)], {}, (0.25, "vendor")),
        ([claim(0.2549, columns=0.25)], {}, (0.2549, "vendor")),
    ],
)
def test_the_most_trustworthy_claim_wins(claims, options, expected):
    chosen = choose_mpp("s.svs", claims, **options)
    assert (chosen.rows, chosen.source) == expected


@pytest.mark.parametrize(
    ("claims", "options", "message"),
    [
        ([], {}, "does not say how large its pixels are; if you know better"),
        ([], {"objective_power": 20.0}, "(only its objective power, 20); "),
        ([], {"objective_power": 0.0, "trust_power": True}, "does not say"),
        ([], {"objective_power": math.nan, "trust_power": True}, "does not say"),
        ([claim(0.0), claim(0.25, "tiff")], {}, "mpp 0 µm (vendor) is not usable, expected 0.05"),
        ([claim(math.nan)], {}, "mpp nan µm (vendor) is not usable, expected 0.05 to 5"),
        ([claim(math.inf)], {}, "mpp inf µm (vendor) is not usable, expected"),
        ([claim(-0.25)], {}, "mpp -0.25 µm"),
        ([claim(0.0499)], {}, "mpp 0.0499 µm (vendor) is not usable, expected 0.05 to 5"),
        ([claim(5.01)], {}, "coarser than 5: nuclei cannot be seen"),
        ([claim(25400 / 72, "tiff")], {}, "mpp 352.778 µm (tiff) is not usable, the resolution of"),
        ([claim(25400 / 96, "tiff")], {}, "the resolution of a screen"),
        ([claim(0.25, columns=0.256)], {}, "pixels of 0.25 x 0.256 µm (vendor) are not square"),
        ([claim(0.256, columns=0.25)], {}, "pixels of 0.256 x 0.25 µm (vendor) are not square"),
        ([claim(0.25, columns=0.0)], {}, "mpp 0 µm"),
        ([claim(0.25)], {"override": 0.0}, "mpp 0 µm (override)"),
        ([claim(0.25)], {"override": math.nan}, "mpp nan µm (override)"),
    ],
)
def test_what_is_unknown_or_senseless_is_refused(claims, options, message):
    with pytest.raises(SlideError, match=re.escape(message)) as caught:
        choose_mpp("scans/s.svs", claims, **options)
    assert str(caught.value).startswith("scans/s.svs: ")
    assert re.search(
        r"column `mpp` and the line `NAME<tab>scans/s.svs<tab>0\.\d+`", str(caught.value)
    )
    assert re.search(r"--mpp 0\.\d+ on the command line", str(caught.value))


def test_the_line_to_add_goes_by_the_objective():
    with pytest.raises(SlideError, match=r"s\.svs<tab>0\.5` \(0\.5 is as its objective power"):
        choose_mpp("s.svs", [], objective_power=20)
    with pytest.raises(SlideError, match=r"s\.svs<tab>0\.25` \(0\.25 is usual for a 40x scan"):
        choose_mpp("s.svs", [])


@pytest.mark.parametrize(
    ("power", "expected"),
    [(40, False), (31, False), (30, True), (20, True), (53, True), (52, False), (None, False)],
)
def test_an_objective_contradicts_beyond_a_factor_of_1_3(power, expected):
    """0.25 µm goes with 40x: 40 / 1.3 is 30.8, and 40 * 1.3 is 52."""
    assert contradicts_objective(claim(0.25), power) is expected


@pytest.mark.parametrize("power", [0.0, math.nan, math.inf, -40.0])
def test_a_senseless_objective_contradicts_nothing(power):
    assert not contradicts_objective(claim(0.25), power)
    assert choose_mpp("s.svs", [claim(0.25)], objective_power=power) == claim(0.25)
