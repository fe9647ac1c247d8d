"""What a file claims about the size of its pixels, from each place that says it."""

import pytest
import tifffile
from slides_made import picture, write_aperio, write_slide

from nucwsi.errors import SlideError
from nucwsi.io.slides.canvas import level0_claim
from nucwsi.io.slides.mpp import aperio_claim, number, ome_claim, resolution_claim
from nucwsi.io.slides.slide import open_slide

IMAGE = picture(300, 300)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.25", 0.25), ("0,25", 0.25), ("1e-3", 1e-3), ("", None), ("wide", None), (None, None)],
)
def test_numbers_of_metadata_may_have_a_decimal_comma(text, expected):
    assert number(text) == expected


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
    claim = aperio_claim(text)
    assert (claim and claim.rows) == expected


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
    claim = ome_claim(xml, (20, 30))
    assert (claim and (claim.rows, claim.columns)) == (expected and pytest.approx(expected))


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
    claim = resolution_claim(rows, columns, unit)
    assert (claim and (claim.rows, claim.columns)) == expected


def chosen(path, **options):
    with open_slide(path) as slide:
        return level0_claim(slide, **options)


def test_claims_of_real_files(tmp_path):
    """The same policy from the file on, whichever library reads it."""
    path = tmp_path / "slide.svs"
    claim = chosen(write_aperio(path, IMAGE, mpp="0,2500"))
    assert (claim.rows, claim.source) == (0.25, "vendor")
    # OpenSlide opens no WebP; the description is Aperio's all the same.
    claim = chosen(write_aperio(path, IMAGE, mpp=0.25, compression="webp"))
    assert (claim.rows, claim.source) == (0.25, "vendor")
    with pytest.raises(SlideError, match=r"mpp 0 µm \(vendor\)"):
        chosen(write_aperio(path, IMAGE, mpp=0))
    with pytest.raises(SlideError, match="only its objective power, 40"):
        chosen(write_aperio(path, IMAGE, mpp=None))
    claim = chosen(write_aperio(path, IMAGE, mpp=None), trust_power=True)
    assert (claim.rows, claim.source) == (0.25, "objective power")
    claim = chosen(write_slide(path, IMAGE, mpp=0.46, unit="INCH"))
    assert (claim.rows, claim.source) == (pytest.approx(0.46), "tiff")
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
    claim = chosen(path)
    assert (claim.rows, claim.source) == (0.5, "ome")
