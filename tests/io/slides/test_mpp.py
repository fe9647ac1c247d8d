"""What a file claims about the size of its pixels, from each place that says it."""

import pytest
import tifffile
from slides_made import picture, write_aperio, write_slide

from nucwsi.errors import SlideError
from nucwsi.io.slides.canvas import level0_claim
from nucwsi.io.slides.mpp import (
    aperio_claim,
    imagej_claim,
    number,
    ome_claim,
    resolution_claim,
)
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
    for text in (xml, xml.replace('xmlns="http', 'about="http')):
        claim = ome_claim(text, (20, 30))
        assert (claim and (claim.rows, claim.columns)) == (expected and pytest.approx(expected))


def test_of_images_of_one_size_the_place_decides():
    images = "".join(
        f'<Pixels SizeX="30" SizeY="20" PhysicalSizeX="{size}" PhysicalSizeY="{size}"/>'
        for size in (0.2, 0.3)
    )
    for place, expected in enumerate((0.2, 0.3)):
        assert ome_claim(f"<OME>{images}</OME>", (20, 30), place).rows == expected


#: Spellings of units, and the µm per pixel that 250 of them (or 0.25, or 0.00025) stand for.
UNITS = {
    **dict.fromkeys(("\u00b5m", "\u03bcm", "um", "micron", "Micron", "microns", r"\u00B5m"), 0.25),
    **dict.fromkeys((r"\u03BCm".replace("03BC", "00b5"), "micrometer", "µm "), 0.25),
    **dict.fromkeys(("nm", "Å", "\u212b", "angstrom", "mm", "cm", "m", "in", "inch"), 0.25),
    **dict.fromkeys(("pixel", "pixels", "", "Mm", "furlong", "reference frame"), None),
}
LENGTHS_UM = {
    "nm": 1e-3,
    "Å": 1e-4,
    "\u212b": 1e-4,
    "angstrom": 1e-4,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
}
LENGTHS_UM |= {"in": 25400, "inch": 25400}


@pytest.mark.parametrize("unit", UNITS)
def test_units_of_ome_and_imagej_in_every_spelling(unit):
    size = 0.25 / LENGTHS_UM.get(unit, 1)
    expected = None if UNITS[unit] is None else pytest.approx(UNITS[unit], rel=1e-6)
    words = {f"PhysicalSize{axis}": f"{size:.12g}" for axis in "XY"}
    claim = ome_claim(ome(**words, PhysicalSizeXUnit=unit, PhysicalSizeYUnit=unit), (20, 30))
    assert (claim and claim.rows) == expected
    text = f"ImageJ=1.54f\nimages=1\nunit={unit}\n"
    claim = imagej_claim(text, (10**9, round(size * 1e9)), (10**9, round(size * 1e9)))
    if size * 1e9 > 1e4:
        assert (claim and claim.rows) == expected
        assert claim is None or claim.source == "imagej"


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("unit=micron", (4, 1)),
        ("ImageJ=1.11a\nimages=1", (4, 1)),
        ("ImageJ=1.11a\nunit=micron", None),
        ("ImageJ=1.11a\nunit=micron", (0, 1)),
        ("ImageJ=1.11a\nunit=micron\nyunit=pixel", (4, 1)),
        ("", (4, 1)),
    ],
)
def test_what_imagej_does_not_say_is_no_claim(text, rows):
    assert imagej_claim(text, rows, (4, 1)) is None


def test_imagejs_files_say_the_size_of_a_pixel(tmp_path):
    path = tmp_path / "imagej.tif"
    options = {"imagej": True, "resolution": (4.0, 4.0), "metadata": {"unit": r"\u00B5m"}}
    tifffile.imwrite(path, IMAGE, photometric="rgb", **options)
    claim = chosen(path)
    assert (claim.rows, claim.source) == (0.25, "imagej")
    tifffile.imwrite(path, IMAGE, photometric="rgb", **(options | {"metadata": {"unit": "pixel"}}))
    with pytest.raises(SlideError, match="does not say how large its pixels are"):
        chosen(path)


@pytest.mark.parametrize(
    ("name", "source"), [("imagej.tif", "imagej"), ("nonamespace.ome.tif", "ome")]
)
def test_files_that_said_nothing_before(shared, name, source):
    claim = chosen(shared / "faults" / "slides" / name)
    assert claim.rows == claim.columns == pytest.approx(0.263018, abs=1e-9)
    assert claim.source == source


def test_claims_that_contradict_each_other_are_told_with_both_figures(tmp_path, caplog):
    path = tmp_path / "two.ome.tif"
    axes = {"axes": "YXS", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    write_slide(path, IMAGE, mpp=0.25, levels=(1,), metadata=axes)
    assert chosen(path).rows == 0.5
    [line] = caplog.messages
    assert "mpp 0.5 µm (ome) and 0.25 µm (tiff) do not fit each other; the first is used" in line
    caplog.clear()
    assert chosen(path, override=0.25).source == "override"
    assert "0.25 µm (override) and 0.5 µm (ome)" in caplog.text
    caplog.clear()
    for mpp in (0.505, 25400 / 72):
        write_slide(path, IMAGE, mpp=mpp, levels=(1,), metadata=axes)
        chosen(path)
    assert not caplog.messages


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
