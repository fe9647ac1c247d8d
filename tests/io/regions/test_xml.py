"""XML of ImageScope, HALO and ASAP: the same outlines from each, and nothing that does harm."""

import numpy as np
import pytest
from region_texts import SQUARE, annotation, aperio, asap, region

from nucwsi.errors import RegionError
from nucwsi.io.regions.xml import read_drawn_outlines


def outlines(tmp_path, text, name="r.xml"):
    (tmp_path / name).write_text(text, "utf-8")
    return read_drawn_outlines(tmp_path / name)


def test_one_outline_from_each_program(tmp_path):
    halo = region(SQUARE, tag="V", Type="Polygon", HasEndcaps="0")
    for text in (aperio(region(SQUARE, Type="0")), aperio(halo), asap(annotation(SQUARE))):
        [outline] = outlines(tmp_path, text)
        assert (outline.kind, outline.group, outline.negative) == ("polygon", "Tumor", False)
        assert outline.vertices.dtype == np.float64
        assert outline.vertices.tolist() == SQUARE


@pytest.mark.parametrize(
    ("written", "kind"),
    [("", "polygon"), ("0", "polygon"), ("1", "rectangle"), ("2", "ellipse"), ("Ruler", "ruler")],
)
def test_tools_of_imagescope_have_numbers(tmp_path, written, kind):
    [outline] = outlines(tmp_path, aperio(region(SQUARE, Type=written)))
    assert outline.kind == kind


def test_layers_are_counted_and_named(tmp_path):
    layer = (
        '<Annotation Name="{}"><Attributes><Attribute Name="{}"/><Attribute Name="x"/></Attributes>'
        "<Regions>{}</Regions></Annotation>"
    )
    text = layer.format("a", "Epithelial", region(SQUARE, Text="one"))
    text += layer.format("b", "", region(SQUARE, NegativeROA="1") + region(SQUARE))
    first, hole, last = outlines(tmp_path, f"<Annotations>{text}</Annotations>")
    assert (first.name, first.group, first.attribute) == ("one", "a", "Epithelial")
    assert (hole.group, hole.attribute, hole.negative) == ("b", "x", True)
    assert [outline.layer for outline in (first, hole, last)] == [1, 2, 2]
    assert not last.negative


def test_points_follow_their_order_and_may_have_decimal_commas(tmp_path):
    points = [("1,5", "2,25"), ("3", "4"), ("5e0", "-6")]
    [outline] = outlines(tmp_path, asap(annotation(points, group="None", order=(2, 0, 1))))
    assert outline.vertices.tolist() == [[3, 4], [5, -6], [1.5, 2.25]]
    assert outline.group == ""


def test_no_order_is_too_large_to_be_sorted_by(tmp_path):
    """One of 20 digits overflowed a float (fuzz, seed 1, case 6556)."""
    order = ["9" * 400, *range(1, len(SQUARE))]
    [outline] = outlines(tmp_path, asap(annotation(SQUARE, order=order)))
    assert outline.vertices.tolist() == [*SQUARE[1:], SQUARE[0]]
    with pytest.raises(RegionError, match="are not numbers"):
        outlines(tmp_path, asap(annotation(SQUARE, order=["9" * 5000] * len(SQUARE))))


def test_nested_outlines_are_read_from_the_inside(tmp_path):
    inner = region([(1, 1), (2, 1), (2, 2)], NegativeROA="1")
    [hole, whole] = outlines(tmp_path, aperio(region(SQUARE, inner)))
    assert (hole.negative, len(hole.vertices)) == (True, 3)
    assert (whole.negative, len(whole.vertices)) == (False, 5)


def test_a_file_without_outlines_is_empty_and_a_missing_one_is_named(tmp_path):
    assert outlines(tmp_path, aperio()) == []
    with pytest.raises(RegionError, match=r"gone\.xml: does not exist; check "):
        read_drawn_outlines(tmp_path / "gone.xml")


LAUGHS = '<!DOCTYPE a [<!ENTITY b "&c;&c;"><!ENTITY c "ha">]><Annotations>&b;</Annotations>'
FILE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><Annotations>&b;</Annotations>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not readable XML"),
        ("<Annotations", "is not readable XML"),
        ("<html/>", r"is XML of another kind \(html\)"),
        (LAUGHS, "holds entities"),
        (FILE, "holds entities"),
        (aperio(region([(0, 0), (9, "x"), (9, 9)])), "these are not numbers"),
        (aperio(region([(0, 0), ("1.234,5", 0), (9, 9)])), "these are not numbers"),
        (aperio('<Region><Vertices><Vertex X="1"/></Vertices></Region>'), "lacks X or Y"),
        (aperio().replace("<Plots/>", '<Vertex X="1" Y="1"/>'), "it lies in no outline"),
    ],
)
def test_xml_that_cannot_be_read_is_refused_by_name_and_reason(tmp_path, text, message):
    with pytest.raises(RegionError, match=message) as caught:
        outlines(tmp_path, text)
    assert str(tmp_path / "r.xml") in str(caught.value)
