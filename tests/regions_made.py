"""Regions drawn on the slide of `tables_made`, as QuPath would export them."""

import json

import shapely
from tables_made import ORIGIN

TOP, LEFT = ORIGIN


def write_geojson(path, shapes, **properties):
    """Write shapes, in level-0 pixels from the file's corner, as QuPath would."""
    features = []
    for number, (name, shape) in enumerate(shapes.items()):
        moved = shapely.transform(shape, lambda xy: xy - [LEFT, TOP])
        label = {"classification": {"name": "Ignore*", "color": [180, 180, 180]}}
        features.append(
            {
                "type": "Feature",
                "id": f"00000000-0000-0000-0000-{number:012d}",
                "geometry": shapely.geometry.mapping(moved),
                "properties": {
                    "objectType": "annotation",
                    "name": name,
                    **(label if name.startswith("cut") else {}),
                    **properties,
                },
            }
        )
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def at(*sides):
    """Return a box by xmin, ymin, xmax, ymax in pixels from the origin of the bounds."""
    return shapely.box(LEFT + sides[0], TOP + sides[1], LEFT + sides[2], TOP + sides[3])


DISC = shapely.Point(LEFT + 2000, TOP + 3000).buffer(1500)
SHAPES = {
    "ring": DISC - shapely.Point(LEFT + 2000, TOP + 3000).buffer(700),
    "parts": at(100, 100, 900, 900) | at(5000, 5000, 5500.25, 5900.5),
    "all": at(-500, -500, 9000, 9000),
    "glass": at(6000, 1000, 7000, 2000),
    "cut": at(1500, 1500, 1900, 4000),
}
