"""Regions as people draw them: what is read, what is refused, and what comes back."""

import gzip
import json
import math

import numpy as np
import pytest
import shapely
from region_texts import INNER, SQUARE, annotation, aperio, asap, feature, read, region

from nucwsi.errors import RegionError
from nucwsi.io.regions.files import read_region_files


def box(*sides):
    return shapely.box(*sides)


def same(one, other):
    return shapely.equals(one, other)


def test_every_shape_that_qupath_writes(tmp_path):
    far = [[[200, 0], [300, 0], [300, 100], [200, 100], [200, 0]]]
    document = [
        feature([SQUARE, INNER], name="ring"),
        feature([[SQUARE], far], "MultiPolygon", classification={"name": "Tumor"}),
        feature([SQUARE[::-1]], classification={"names": ["Tumor", "Positive"]}),
        feature([[[*p, 7] for p in SQUARE]], objectType="annotation", measurements={"a": "NaN"}),
        feature([SQUARE], objectType="tmaCore", name="A-1"),
        feature([SQUARE], objectType="detection"),
        {"type": "Feature", "geometry": None, "properties": {"objectType": "root"}},
    ]
    ring, parts, derived, plain, core = read(tmp_path, document)
    assert same(ring.geometry, box(0, 0, 100, 100) - box(20, 20, 60, 60))
    assert same(parts.geometry, box(0, 0, 100, 100) | box(200, 0, 300, 100))
    assert (parts.name, parts.region_class) == ("Tumor", "Tumor")
    assert (derived.name, derived.region_class) == ("Tumor: Positive",) * 2
    assert (plain.id, plain.name, plain.region_class) == ("region_004", "region_004", "")
    assert not plain.geometry.has_z
    assert core.name == "A-1"
    assert {region.source for region in (ring, parts, derived, plain, core)} == {"user"}


def test_children_are_regions_of_their_own(tmp_path):
    child = feature([INNER], name="child", childObjects=[feature([INNER], name="grandchild")])
    found = read(tmp_path, feature([SQUARE], name="parent", childObjects=[child]))
    assert [region.name for region in found] == ["parent", "child", "grandchild"]


def test_an_ellipse_is_the_outline_of_qupath_or_else_made_from_its_box(tmp_path):
    angle = np.linspace(0, 2 * math.pi, 97)
    drawn = np.round(np.column_stack([50 + 50 * np.cos(angle), 20 + 20 * np.sin(angle)]), 2)
    drawn[-1] = drawn[0]
    flag = {"isEllipse": True}
    polygon, from_box, square = read(
        tmp_path,
        [
            feature([drawn.tolist()], geometry=flag),
            feature([[[0, 0], [100, 0], [100, 40], [0, 40], [0, 0]]], geometry=flag),
            feature([SQUARE], geometry={"isEllipse": False}),
        ],
    )
    assert same(polygon.geometry, shapely.Polygon(drawn))
    assert from_box.geometry.area == pytest.approx(math.pi * 50 * 20, rel=2e-4)
    assert from_box.geometry.bounds == pytest.approx((0, 0, 100, 40))
    assert square.geometry.area == 100**2


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_byte_order_marks_compression_and_numbers_that_are_none(tmp_path, pack):
    text = json.dumps([feature([SQUARE], measurements={"a": float("nan")})])
    assert "NaN" in text
    name = "r.geojson.gz" if pack is gzip.compress else "r.JSON"
    [region] = read(tmp_path, pack(b"\xef\xbb\xbf" + text.encode()), name)
    assert region.geometry.area == 100**2


def test_geojson_counts_from_the_bounds_and_xml_from_the_file(tmp_path):
    [moved] = read(tmp_path, [feature([SQUARE])], origin=(1000.0, 20.0))
    assert moved.geometry.bounds == (20, 1000, 120, 1100)
    [kept] = read(tmp_path, aperio(region(SQUARE)), "r.xml", origin=(1000.0, 20.0))
    assert kept.geometry.bounds == (0, 0, 100, 100)


def test_several_files_are_numbered_on(tmp_path):
    paths = [tmp_path / "a.geojson", tmp_path / "b.xml"]
    paths[0].write_text(json.dumps([feature([SQUARE]), feature([INNER])]))
    paths[1].write_text(aperio(region(SQUARE)))
    found = read_region_files(paths, (0, 0))
    assert [r.id for r in found] == ["region_001", "region_002", "region_003"]
    assert read_region_files([], (0, 0)) == []


ISLAND = [(30, 30), (50, 30), (50, 50), (30, 50)]
ACROSS = [(80, 0), (120, 0), (120, 10), (80, 10)]


def test_aperio_holes_islands_and_what_sticks_out(tmp_path):
    """A hole belongs to the smallest outline around it, listed or nested, before it or after."""
    listed = [
        region(INNER, NegativeROA="1"),
        region(SQUARE, NegativeROA="0", Text="whole"),
        region(ISLAND, NegativeROA="0"),
        region(ACROSS, NegativeROA="1"),
    ]
    nested = [
        region(
            SQUARE,
            region(INNER, region(ISLAND), NegativeROA="1"),
            region(ACROSS, NegativeROA="true"),
            Text="whole",
        )
    ]
    expected = box(0, 0, 100, 100) - box(20, 20, 60, 60) - box(80, 0, 100, 10)
    for regions in (listed, nested):
        found = {r.name: r for r in read(tmp_path, aperio(*regions), "r.xml")}
        assert set(found) == {"whole", "Tumor"}
        assert same(found["whole"].geometry, expected)
        assert same(found["Tumor"].geometry, box(30, 30, 50, 50))
        assert {r.region_class for r in found.values()} == {"Tumor"}


def test_a_hole_belongs_to_the_smallest_outline_around_it(tmp_path):
    regions = [region(SQUARE, Text="whole"), region(INNER, Text="part")]
    found = read(tmp_path, aperio(*regions, region(ISLAND, NegativeROA="1")), "r.xml")
    assert {r.name: r.geometry.area for r in found} == {"whole": 100**2, "part": 40**2 - 20**2}


def test_a_hole_is_cut_out_of_its_own_layer_only(tmp_path):
    layer = '<Annotation Name="{}"><Regions>{}</Regions></Annotation>'
    text = layer.format("a", region(SQUARE)) + layer.format(
        "b", region(SQUARE) + region(INNER, NegativeROA="1")
    )
    whole, cut = read(tmp_path, f"<Annotations>{text}</Annotations>", "r.xml")
    assert (whole.geometry.area, cut.geometry.area) == (100**2, 100**2 - 40**2)
    assert (whole.name, cut.name) == ("a", "b")


def test_halo_gives_boxes_by_two_corners(tmp_path):
    corners = [(100, 40), (0, 0)]
    halo = {"tag": "V", "HasEndcaps": "0", "NegativeROA": "0"}
    rectangle, ellipse, polygon = read(
        tmp_path,
        aperio(
            region(corners, Type="Rectangle", **halo),
            region(corners, Type="Ellipse", **halo),
            region(SQUARE, "<Comments/>", Type="Polygon", **halo),
        ),
        "r.annotations",
    )
    assert same(rectangle.geometry, box(0, 0, 100, 40))
    assert ellipse.geometry.area == pytest.approx(math.pi * 50 * 20, rel=2e-4)
    assert same(polygon.geometry, box(0, 0, 100, 100))


def test_asap_orders_its_points_and_writes_commas(tmp_path):
    comma = [(f"{x},5", f"{y},25") for x, y in SQUARE[:4]]
    shuffled, spline, grouped = read(
        tmp_path,
        asap(
            annotation([comma[i] for i in (2, 0, 3, 1)], order=(2, 0, 3, 1), group="None"),
            annotation(SQUARE, kind="Spline"),
            annotation(SQUARE, kind="Rectangle"),
        ),
        "r.xml",
    )
    assert same(shuffled.geometry, box(0.5, 0.25, 100.5, 100.25))
    assert (shuffled.name, shuffled.region_class) == ("A 0", "")
    assert same(spline.geometry, box(0, 0, 100, 100))
    assert (grouped.name, grouped.region_class) == ("A 0", "Tumor")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<Annotations/>", "holds no region"),
        (
            aperio(region([(0, 0), (9, "nan"), (9, 9)])),
            "outline 1 has an invalid outline .point 2 at x 9, y nan lies on no slide",
        ),
        (aperio(region(SQUARE), region([(0, 0), (9, 9)])), "outline 2 has 2 points"),
        (aperio(region(SQUARE, Type="Ruler", Text="r")), r"outline 1 \(r\) is a ruler"),
        (aperio(region(SQUARE, Type="3")), "outline 1 is a 3"),
        (asap(annotation([(1, 1)], kind="Dot")), r"outline 1 \(A 0\) is a dot"),
        (asap(annotation(SQUARE, kind="PointSet")), "is a pointset"),
        (aperio(region([(0, 0), (9, 9), (9, 0), (0, 9)])), "invalid outline .Self-intersection"),
    ],
)
def test_xml_that_cannot_be_used_is_refused_by_name_and_reason(tmp_path, text, message):
    with pytest.raises(RegionError, match=message) as caught:
        read(tmp_path, text, "r.xml")
    assert str(tmp_path / "r.xml") in str(caught.value)


def test_a_file_of_another_type_is_refused_by_its_name(tmp_path):
    for name in ("r.csv", "r.ndpa", "r.gz", "r"):
        with pytest.raises(RegionError, match=r"expected \.geojson, \.json, \.xml or"):
            read(tmp_path, "", name)
    with pytest.raises(RegionError, match="does not exist"):
        read_region_files([tmp_path / "none.xml"], (0, 0))


def test_a_crossing_by_a_hair_is_mended_and_a_bow_tie_is_refused(tmp_path, caplog):
    hair = [[0, 0], [100, 0], [100, 100], [0, 100], [0.2, -0.2], [0.4, 0.2], [0, 0]]
    assert not shapely.Polygon(hair).is_valid
    [found] = read(tmp_path, [feature([hair], name="hair")])
    assert found.geometry.is_valid
    assert found.geometry.area == pytest.approx(100**2, rel=1e-3)
    assert "feature 1 (hair) crosses itself by a hair; repaired" in caplog.text
    for bad in ([[0, 0], [9, 9], [9, 0], [0, 9], [0, 0]], SQUARE[:-1] + INNER[:-1] + [[0, 0]]):
        with pytest.raises(RegionError, match=r"invalid outline \(Self-intersection"):
            read(tmp_path, [feature([bad])])
    overlapping = [[SQUARE], [INNER]]
    with pytest.raises(RegionError, match="invalid outline"):
        read(tmp_path, [feature(overlapping, "MultiPolygon")])


NAMES = [
    "a/b\\c",
    'it\'s "quoted", and; more',
    "<script>alert(1)</script>",
    "=1+1",
    "🔬 Ü 中",
    "../../etc/passwd",
]


def test_names_stay_as_they_are_but_on_one_line(tmp_path):
    found = read(tmp_path, [feature([SQUARE], name=name) for name in NAMES])
    assert [r.name for r in found] == NAMES
    odd = [feature([SQUARE], name=name) for name in ("a\nb\r\tc", "\x00", "x\u2028y", 7)]
    odd.append(feature([SQUARE], name="odd", classification={"name": "T\nu"}))
    assert [r.name for r in read(tmp_path, odd)] == ["a b c", "region_002", "x y", "7", "odd"]
    assert read(tmp_path, odd)[4].region_class == "T u"
    # Half of a pair, which no encoding can hold.
    [lone] = read(tmp_path, json.dumps([feature([SQUARE], name="x")]).replace("x", "\\ud800"))
    assert lone.name == "?"


def test_a_file_of_100_mb(tmp_path):
    n = 1_800_000
    angle = np.arange(n) * (2 * np.pi / n)
    points = np.round(30000 + 20000 * np.column_stack([np.cos(angle), np.sin(angle)]), 2)
    text = ",".join(
        map("[%.20f,%.20f]".__mod__, map(tuple, [*points.tolist(), points[0].tolist()]))
    )
    path = tmp_path / "large.geojson"
    path.write_text(json.dumps([feature([["here"]])]).replace('"here"', text))
    assert path.stat().st_size > 95e6
    [found] = read_region_files([path], (0, 0))
    assert found.geometry.area == pytest.approx(math.pi * 20000**2, rel=1e-6)


def test_depth_does_not_break_the_reader(tmp_path):
    deep = '{"type":"Feature","geometry":null,"properties":{"childObjects":[' * 5000
    with pytest.raises(RegionError, match="is not GeoJSON"):
        read(tmp_path, deep + "]}}" * 5000)
