"""The size of a pixel: whom to believe, and when to refuse with the line to add."""

import logging
import math
import re

import pytest
import tifffile
from slides_made import picture, write_aperio, write_slide

from nucwsi.errors import SlideError
from nucwsi.io.slides.mpp import MppClaim, aperio_claim, choose_mpp, ome_claim, resolution_claim
from nucwsi.io.slides.slide import open_slide

IMAGE = picture(300, 300)


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


@pytest.mark.parametrize(("power", "warned"), [(40, False), (31, False), (30, True), (20, True)])
def test_a_contradicting_objective_is_told_and_not_followed(caplog, power, warned):
    with caplog.at_level(logging.WARNING):
        assert choose_mpp("s.svs", [claim(0.25)], objective_power=power).rows == 0.25
    assert ("do not fit" in caplog.text) is warned


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Aperio|AppMag = 20|MPP = 0.4990|Left = 1", 0.499),
        ("Aperio|MPP = 0,2500|AppMag = 40", 0.25),
        ("Aperio|MPP = 0", 0.0),
        ("Aperio|OriginalMPP = 0.25|AppMag = 40", None),
        ("Aperio|MPP = unknown", None),
        ("", None),
    ],
)
def test_aperios_description(text, expected):
    found = aperio_claim(text)
    assert (found and found.rows) == expected


def ome(**attributes):
    words = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    other = '<Image><Pixels SizeX="9" SizeY="9" PhysicalSizeX="9" PhysicalSizeY="9"/></Image>'
    return (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/'
        f'Schemas/OME/2016-06">{other}<Image><Pixels SizeX="30" SizeY="20" {words}/></Image></OME>'
    )


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        (ome(PhysicalSizeX=0.26, PhysicalSizeY=0.25), (0.25, 0.26)),
        (
            ome(
                PhysicalSizeX=250, PhysicalSizeY=250, PhysicalSizeXUnit="nm", PhysicalSizeYUnit="nm"
            ),
            (0.25, 0.25),
        ),
        (ome(PhysicalSizeX=0.25, PhysicalSizeY=0.25, PhysicalSizeXUnit="&#181;m"), (0.25, 0.25)),
        (ome(PhysicalSizeX="0,25", PhysicalSizeY="0,25"), (0.25, 0.25)),
        (ome(PhysicalSizeX=0.25, PhysicalSizeY=0.25, PhysicalSizeXUnit="pixel"), None),
        (ome(PhysicalSizeX=0.25), None),
        (ome(PhysicalSizeX="wide", PhysicalSizeY=0.25), None),
        (ome(), None),
        ("<OME><broken", None),
        ('<!DOCTYPE x [<!ENTITY a "b">]><OME>&a;</OME>', None),
    ],
)
def test_ome_xml_of_the_image_that_is_meant(xml, expected):
    found = ome_claim(xml, (20, 30))
    assert (found and (found.rows, found.columns)) == (expected and pytest.approx(expected))


@pytest.mark.parametrize(
    ("rows", "columns", "unit", "expected"),
    [
        ((40000, 1), (20000, 1), 3, (0.25, 0.5)),
        ((101600, 1), (101600, 1), 2, (0.25, 0.25)),
        ((40000, 1), (40000, 1), 1, None),
        ((40000, 1), (40000, 1), None, None),
        ((0, 1), (40000, 1), 3, None),
        (None, (40000, 1), 3, None),
        (40000.0, 40000.0, 3, None),
    ],
)
def test_tiffs_resolution_needs_a_real_unit(rows, columns, unit, expected):
    found = resolution_claim(rows, columns, unit)
    assert (found and (found.rows, found.columns)) == expected


def chosen(path, **options):
    with open_slide(path) as slide:
        return choose_mpp(str(path), slide.claims, objective_power=slide.objective_power, **options)


def test_claims_of_real_files(tmp_path):
    """The same policy from the file on, whichever library reads it."""
    path = tmp_path / "slide.svs"
    found = chosen(write_aperio(path, IMAGE, mpp="0,2500"))
    assert (found.rows, found.source) == (0.25, "vendor")
    # OpenSlide opens no WebP; the description is Aperio's all the same.
    found = chosen(write_aperio(path, IMAGE, mpp=0.25, compression="webp"))
    assert (found.rows, found.source) == (0.25, "vendor")
    with pytest.raises(SlideError, match=r"mpp 0 µm \(vendor\)"):
        chosen(write_aperio(path, IMAGE, mpp=0))
    with pytest.raises(SlideError, match="only its objective power, 40"):
        chosen(write_aperio(path, IMAGE, mpp=None))
    found = chosen(write_aperio(path, IMAGE, mpp=None), trust_power=True)
    assert (found.rows, found.source) == (0.25, "objective power")
    found = chosen(write_slide(path, IMAGE, mpp=0.46, unit="INCH"))
    assert (found.rows, found.source) == (pytest.approx(0.46), "tiff")
    for unit in ("NONE", None):
        with pytest.raises(SlideError, match="does not say"):
            chosen(write_slide(path, IMAGE, mpp=0.46, unit=unit))
    with pytest.raises(SlideError, match="the resolution of a screen"):
        chosen(write_slide(path, IMAGE, mpp=25400 / 72, unit="INCH"))


def test_ome_goes_before_tiffs_resolution(tmp_path):
    path = tmp_path / "slide.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        tiff.write(
            IMAGE,
            photometric="rgb",
            tile=(128, 128),
            resolution=(1e4, 1e4),
            resolutionunit="CENTIMETER",
            metadata={"axes": "YXS", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5},
        )
    found = chosen(path)
    assert (found.rows, found.source) == (0.5, "ome")
