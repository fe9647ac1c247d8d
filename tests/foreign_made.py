"""Files of other programs in exactly their published forms, of the nuclei of a phantom."""

import json

import numpy as np
import shapely


def rings(polygons):
    return [shapely.get_coordinates(polygon.exterior) for polygon in polygons]


def qupath_cells(path, polygons, names):
    """Cells of StarDist with expansion: the nucleus stands beside the cell."""
    found = []
    for number, (polygon, name) in enumerate(zip(polygons, names, strict=True)):
        found.append(
            {
                "type": "Feature",
                "id": f"00000000-0000-4000-8000-{number:012d}",
                "geometry": json.loads(shapely.to_geojson(polygon.buffer(6))),
                "nucleusGeometry": json.loads(shapely.to_geojson(polygon)),
                "properties": {
                    "objectType": "cell",
                    "classification": {"name": name, "color": [200, 0, 0]},
                    "measurements": {"Detection probability": 0.875},
                },
            }
        )
    path.write_text(json.dumps({"type": "FeatureCollection", "features": found}))


def qupath_detections(path, polygons, names):
    """Detections of QuPath 0.3: a bare array, measurements as a list, colour as one number."""
    found = [
        {
            "type": "Feature",
            "id": "PathDetectionObject",
            "geometry": json.loads(shapely.to_geojson(polygon)),
            "properties": {
                "classification": {"name": name, "colorRGB": -3670016},
                "isLocked": False,
                "measurements": [{"name": "Detection probability", "value": 0.5}],
            },
        }
        for polygon, name in zip(polygons, names, strict=True)
    ]
    path.write_text(json.dumps(found))


def hovernet(path, polygons, types, mag=None):
    """A file of HoVer-Net's `run_infer.py`."""
    nuclei = {
        str(number): {
            "bbox": [list(map(float, polygon.bounds[:2])), list(map(float, polygon.bounds[2:]))],
            "centroid": list(polygon.centroid.coords[0]),
            "contour": ring.round().astype(int).tolist()[:-1],
            "type_prob": 0.9,
            "type": kind,
        }
        for number, (polygon, ring, kind) in enumerate(
            zip(polygons, rings(polygons), types, strict=True), start=1
        )
    }
    path.write_text(json.dumps({"mag": mag, "nuc": nuclei}))


def cellvit(path, polygons, types):
    """`cells.json` of CellViT's `cell_detection.py`."""
    cells = [
        {
            "bbox": [[0, 0], [1, 1]],
            "centroid": list(polygon.centroid.coords[0]),
            "contour": ring[:-1].tolist(),
            "type_prob": 0.8,
            "type": kind,
            "patch_coordinates": [0, 0],
            "cell_status": 0,
            "offset_global": [0, 0],
        }
        for polygon, ring, kind in zip(polygons, rings(polygons), types, strict=True)
    ]
    type_map = {"0": "Background", "1": "Neoplastic", "2": "Inflammatory"}
    about = {"wsi_metadata": {"base_mpp": 0.25}, "processed_patches": [], "type_map": type_map}
    path.write_text(json.dumps({**about, "cells": cells}))


def squares(count):
    """A label image of 60 x 90 pixels with so many squares of 4 pixels a side, and their labels."""
    labels = np.zeros((60, 90), np.int32)
    for number in range(count):
        row, column = divmod(number, 8)
        labels[5 + 9 * row : 9 + 9 * row, 5 + 9 * column : 9 + 9 * column] = 7 * (number + 1)
    return labels
