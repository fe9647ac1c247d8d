"""Regions as several programs write them: text of GeoJSON and of three dialects of XML."""

import json

from nucwsi.io.regions.files import read_region_files

SQUARE = [[0, 0], [100, 0], [100, 100], [0, 100], [0, 0]]
INNER = [[20, 20], [60, 20], [60, 60], [20, 60], [20, 20]]


def feature(coordinates, kind="Polygon", *, geometry=(), **properties):
    described = {"type": kind, "coordinates": coordinates, **dict(geometry)}
    return {"type": "Feature", "geometry": described, "properties": properties}


def read(tmp_path, text, name="r.geojson", origin=(0.0, 0.0)):
    path = tmp_path / name
    if not isinstance(text, str | bytes):
        text = json.dumps(text)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_region_files([path], origin)


def region(points, *inner, tag="Vertex", **attributes):
    written = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    vertices = "".join(f'<{tag} X="{x}" Y="{y}" Z="0"/>' for x, y in points)
    return f"<Region {written}><Vertices>{vertices}</Vertices>{''.join(inner)}</Region>"


def aperio(*regions, name="Tumor"):
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Annotations MicronsPerPixel="0.25">'
        f'<Annotation Id="1" Name="{name}" LineColor="65280"><Attributes/><Regions>'
        f"<RegionAttributeHeaders/>{''.join(regions)}</Regions><Plots/></Annotation></Annotations>"
    )


def asap(*annotations):
    return (
        f"<ASAP_Annotations><Annotations>{''.join(annotations)}</Annotations><AnnotationGroups>"
        '<Group Name="Tumor" PartOfGroup="None"><Attributes/></Group></AnnotationGroups>'
        "</ASAP_Annotations>"
    )


def annotation(points, kind="Polygon", group="Tumor", order=None):
    order = range(len(points)) if order is None else order
    listed = "".join(
        f'<Coordinate Order="{number}" X="{x}" Y="{y}"/>'
        for number, (x, y) in zip(order, points, strict=True)
    )
    return (
        f'<Annotation Name="A 0" Type="{kind}" PartOfGroup="{group}" Color="#F4FA58">'
        f"<Coordinates>{listed}</Coordinates></Annotation>"
    )
