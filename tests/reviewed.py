"""Results of a slide that is reviewed, and a pathologist who answers from a known truth."""

import json

import numpy as np
from commands import succeeded
from regions_made import SHAPES, write_geojson
from tables_made import write_result

from nucwsi.classes import display_name


def made_results(folder, regions=True, name="made", **how):
    """Write the results of a slide whose nuclei are known; return the table of nuclei."""
    nuclei, _, table = write_result(folder, name=name, **how)
    drawn = write_geojson(folder.with_suffix(".geojson"), SHAPES)
    succeeded(
        *("compose", nuclei, *(("--regions", drawn) if regions else ())),
        *("-o", folder / "composition.csv", "--geojson", folder / f"{name}.regions.geojson"),
    )
    return table


def worklist(folder, path, *words):
    """Draw from results; return the worklist as JSON."""
    succeeded("review", folder, "-o", path, *words)
    return json.loads(path.read_text())


def nuclei_in(document):
    """Return the objects of a worklist that are nuclei."""
    return [one for one in document["features"] if "nucleus_id" in one["properties"]]


def frames_in(document):
    """Return the objects of a worklist that are frames."""
    named = [one["properties"]["name"] for one in document["features"]]
    return [
        one
        for one, name in zip(document["features"], named, strict=True)
        if name.startswith("Frame")
    ]


def set_class(feature, name):
    """Give an object a class, as QuPath writes it."""
    feature["properties"]["classification"] = {"name": display_name(name), "color": [1, 2, 3]}


def mark(x, y, name, **properties):
    """Return a point that somebody has drawn in QuPath, with its class."""
    one = {
        "type": "Feature",
        "id": f"00000000-0000-4000-8000-{abs(hash((x, y))) % 10**12:012d}",
        "geometry": {"type": "Point", "coordinates": [x, y]},
        "properties": {"objectType": "annotation", **properties},
    }
    if name:
        set_class(one, name)
    return one


def exported(path, document):
    """Write the objects of a worklist as QuPath exports them: without what it does not know."""
    features = json.loads(json.dumps(document["features"]))
    for one in features:
        one["properties"].pop("nucleus_id", None)
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def centre(frame):
    """Return the centre of a frame, x and y as in the file."""
    corners = np.array(frame["geometry"]["coordinates"][0])
    return (corners.min(axis=0) + corners.max(axis=0)) / 2
