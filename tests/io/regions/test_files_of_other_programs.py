"""Files of other programs and older versions, and damaged ones: right, or one clear line."""

import json

import pytest
from region_texts import INNER, SQUARE, annotation, aperio, asap, feature, read, region

from nucwsi.errors import RegionError
from nucwsi.io.regions.files import origin_doubt, read_region_files


def test_depth_within_what_json_allows_does_not_break_the_reader(tmp_path):
    nested = "[" * 900 + "]" * 900
    with pytest.raises(RegionError, match="where a feature is expected"):
        read(tmp_path, f"[{nested}]")
    deep = '{"type":"Feature","geometry":null,"properties":{"objectType":"cell","childObjects":['
    with pytest.raises(RegionError, match="holds no region"):
        read(tmp_path, deep * 330 + "]}}" * 330)
    with pytest.raises(RegionError, match="unreadable outline"):
        read(
            tmp_path, f'{{"type":"Feature","geometry":{{"type":"Polygon","coordinates":{nested}}}}}'
        )


def test_kinds_of_objects_in_the_words_of_every_qupath_since_0_2(tmp_path):
    def written(ident, **properties):
        return {**feature([SQUARE], **properties), "id": ident}

    legacy = [f"Path{kind}Object" for kind in ("Detection", "Cell", "Tile")]
    skipped = [*map(written, legacy), written("1", object_type="cell"), written("2", type="tile")]
    skipped += [
        {"type": "Feature", "id": "PathRootObject", "geometry": None, "properties": {}},
        written("TMACoreObject", isMissing=True, name="lost 0.2"),
        written("3", object_type="tma_core", isMissing=True, name="lost 0.3"),
        written("4", objectType="tmaCore", isMissing=True, name="lost 0.4"),
    ]
    kept = [
        written("PathAnnotationObject", name="0.2"),
        written("5", object_type="annotation", name="0.3"),
        written("5", objectType="annotation", name="0.4, with the id of another"),
        written("TMACoreObject", isMissing=False, name="core 0.2"),
        written("6", object_type="tma_core", isMissing=False, name="core 0.3"),
        written("7", isMissing=True, name="no core"),
    ]
    found = read(tmp_path, [*skipped, *kept])
    assert [r.name for r in found] == [each["properties"]["name"] for each in kept]


@pytest.mark.parametrize(
    ("stored", "colour"),
    [
        ({"colorRGB": -3670016}, (200, 0, 0)),
        ({"colorRGB": 13107200}, (200, 0, 0)),
        ({"colorRGB": -16776961}, (0, 0, 255)),
        ({"color": -3670016}, (200, 0, 0)),
        ({"color": None, "colorRGB": 0x96C896}, (150, 200, 150)),
        ({"color": [1, 2, 3], "colorRGB": -1}, (1, 2, 3)),
        ({"color": [1, 2, 3, 255]}, (1, 2, 3)),
        ({"colorRGB": True}, None),
        ({"colorRGB": 10**400}, None),
        ({"color": "#ff0000"}, None),
        ({"color": [1, 2]}, None),
        ({"color": [1, 2, 256]}, None),
        ({}, None),
    ],
)
def test_colours_of_classes_as_every_qupath_since_0_2_stores_them(tmp_path, stored, colour):
    [found] = read(tmp_path, [feature([SQUARE], classification={"name": "Tumor", **stored})])
    assert (found.region_class, found.colour) == ("Tumor", colour)


def test_the_file_of_an_old_qupath_keeps_its_colour(shared):
    [found] = read_region_files([shared / "faults" / "regions" / "colorRGB.geojson"], (0, 0))
    assert found.colour == (200, 0, 0)


@pytest.mark.parametrize("name", ["nan.xml", "coordsint.geojson", "coords1e308.geojson"])
def test_numbers_that_are_no_coordinates_are_refused_in_one_line(shared, name):
    with pytest.raises(RegionError, match=rf"{name}: (feature|outline) 1 .* outline") as caught:
        read_region_files([shared / "faults" / "regions" / name], (0, 0))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "number", ["1e308", "-1e308", "1e400", "Infinity", "NaN", "9" * 400, "9" * 5000, "10000001"]
)
def test_a_number_that_lies_on_no_slide_is_refused_in_every_format(tmp_path, number):
    text = json.dumps([feature([SQUARE], name="r")]).replace("100", number)
    with pytest.raises(RegionError, match=r"outline|Exceeds the limit"):
        read(tmp_path, text)
    points = [(x and number, y and number) for x, y in SQUARE]
    for kind in ("Polygon", "Rectangle", "Ellipse"):
        with pytest.raises(RegionError, match=r"outline 1 has an invalid outline .point"):
            read(tmp_path, aperio(region(points, Type=kind)), "r.xml")
    with pytest.raises(RegionError, match=r"invalid outline .point"):
        read(tmp_path, asap(annotation(points)), "r.xml")


def test_the_box_of_an_ellipse_lies_on_a_slide(tmp_path):
    corners = [[[0, 0], [1e9, 0], [9, 9], [0, 0]]]
    with pytest.raises(RegionError, match=r"feature 1 has an invalid outline .point 2"):
        read(tmp_path, [feature(corners, geometry={"isEllipse": True})])


def test_the_largest_slide_is_not_refused(tmp_path):
    far = [[x + 5_000_000, y + 5_000_000] for x, y in SQUARE]
    [found] = read(tmp_path, [feature([far])])
    assert found.geometry.area == 100**2


@pytest.mark.parametrize("name", ["star300", "star600"])
def test_a_star_is_refused_before_it_is_taken_apart(shared, name):
    with pytest.raises(RegionError, match=r"Self-intersection.* more than 10,000 crossings"):
        read_region_files([shared / "faults" / "regions" / f"{name}.geojson"], (0, 0))


@pytest.mark.parametrize(
    ("coordinates", "area"),
    [
        ([SQUARE[:-1]], 100**2),
        ([[[*p, 7] for p in SQUARE]], 100**2),
        ([SQUARE[::-1], INNER], 100**2 - 40**2),
        ([[SQUARE[0], *SQUARE]], 100**2),
    ],
)
def test_rings_that_other_programs_write_have_the_area_that_was_drawn(tmp_path, coordinates, area):
    [found] = read(tmp_path, [feature(coordinates)])
    assert found.geometry.area == area
    assert not found.geometry.has_z


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        ({"type": "GeometryCollection", "geometries": []}, "is a GeometryCollection"),
        ({"type": "LineString", "coordinates": SQUARE}, "is a LineString"),
        ({"type": "Point", "coordinates": [1, 1]}, "is a Point"),
        ({"type": "Polygon", "coordinates": []}, "it has no points"),
        ({"type": "Polygon", "coordinates": [[]]}, "outline"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}, "outline"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 0], [0, 0]]]}, "outline"),
        ({"type": "Polygon", "coordinates": "abc"}, "outline"),
        ({"type": "Polygon", "coordinates": 7}, "outline"),
        ({"type": "Polygon", "coordinates": {"a": 1}}, "outline"),
        ({"type": "Polygon", "coordinates": [[[0, None], [9, 0], [9, 9], [0, 0]]]}, "outline"),
        ({"type": "Polygon", "coordinates": [[["a", 0], [9, 0], [9, 9], [0, 0]]]}, "outline"),
        ({"type": "Polygon", "coordinates": [[[0], [9], [9], [0]]]}, "outline"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [9, 0, 1], [9, 9], [0, 0]]]}, "outline"),
        ({"type": "Polygon", "coordinates": [[[*p, 7, 8] for p in SQUARE]]}, "dimension should be"),
        ({"type": "Polygon"}, "outline"),
        ({"type": ["Polygon"]}, "is a "),
        ({"type": "a\nb", "coordinates": []}, "is a a b; a region is a closed area"),
        ({"coordinates": [SQUARE]}, "without geometry"),
        ({}, "without geometry"),
        ([1], "as `geometry`"),
        ("Polygon", "as `geometry`"),
    ],
)
def test_geometry_that_is_no_area_is_refused_by_feature_and_reason(tmp_path, geometry, message):
    document = [{"type": "Feature", "geometry": geometry, "properties": {"name": "odd"}}]
    with pytest.raises(RegionError, match=f"r.geojson: feature 1.*{message}") as caught:
        read(tmp_path, document)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("code", ["utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom"])
def test_text_of_windows_is_read(tmp_path, code):
    text = json.dumps([feature([SQUARE], name="Müller µ")], ensure_ascii=False)
    data = text.encode(code.removesuffix("-bom"))
    if code.endswith("-bom"):
        data = "\ufeff".encode(code.removesuffix("-bom")) + data
    assert read(tmp_path, data)[0].name == "Müller µ"


def test_text_of_another_encoding_is_not_guessed(tmp_path):
    text = json.dumps([feature([SQUARE], name="Müller")], ensure_ascii=False)
    with pytest.raises(RegionError, match=r"is not UTF-8 .* save it as UTF-8"):
        read(tmp_path, text.encode("cp1252"))


def test_a_file_of_nuclei_is_no_file_of_regions(tmp_path, monkeypatch):
    monkeypatch.setattr("nucwsi.io.regions.files._MAX_REGIONS", 3)
    assert len(read(tmp_path, [feature([SQUARE])] * 3)) == 3
    with pytest.raises(RegionError, match="holds more than 3 regions; expected areas"):
        read(tmp_path, [feature([SQUARE])] * 4)
    with pytest.raises(RegionError, match="holds more than 3 regions"):
        read(tmp_path, aperio(*[region(SQUARE)] * 4), "r.xml")


def test_a_text_is_no_name(tmp_path):
    for odd in ({"name": "x" * 1001}, {"classification": {"name": "x" * 1001}}):
        with pytest.raises(RegionError, match="region_001 has a name or class of more than 1,000"):
            read(tmp_path, [feature([SQUARE], **odd)])


def test_the_origin_of_halo_is_in_doubt_where_a_slide_has_bounds(tmp_path):
    halo, other = tmp_path / "a.annotations", tmp_path / "a.xml"
    assert origin_doubt([halo, other], (0.0, 0.0)) is None
    assert origin_doubt([other], (5.0, 7.0)) is None
    doubt = origin_doubt([other, halo], (5.0, 7.0))
    assert doubt is not None
    assert "a.annotations: HALO does not say" in doubt
    assert "7 px to the right and 5 px down" in doubt
