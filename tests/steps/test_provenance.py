"""Where results come from, written down; and what it takes to repeat a run."""

import csv
import json

import pytest
from commands import refused, succeeded

from nucwsi import RESULT_VERSION, __version__
from nucwsi.io.slides.phantom import write_phantom
from nucwsi.io.stores.publish import file_checksum
from nucwsi.models.card import read_cards
from nucwsi.phantom import Phantom

#: Not the defaults, so that a record of defaults would be noticed.
TILE = {"core_px": 256, "min_tissue_um2": 3000.0}
SEGMENT = {"np_threshold": 0.45, "min_area_um2": 4.0}
COMPOSE = {"grid_um": 100.0, "neighbours_um": 15.0}
EXPORT = {"nuclei_per_file": 50, "csv": True}


def flags(settings):
    """Render recorded settings as options of the command line."""
    for name, value in settings.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{flag}" if value else f"--no-{flag}"
        elif value is not None:
            yield from (f"--{flag}", value)


def analysed(folder, slide, parameters, regions):
    """Run all verbs with recorded parameters; return the provenance."""
    nuclei, tiles, maps, part = (
        folder / name
        for name in ("nuclei.parquet", "tiles.zarr.zip", "maps.zarr.zip", "part.parquet")
    )
    chosen = {verb: list(flags(parameters.get(verb, {}))) for verb in parameters}
    outputs = ("-o", tiles, "--tissue-output", folder / "tissue.geojson", "--name", "s")
    succeeded("tile", slide, *outputs, *chosen["tile"])
    succeeded("predict", tiles, "-o", maps, *chosen["predict"])
    succeeded("segment", maps, "-o", part, *chosen["segment"])
    succeeded("stitch", part, "-o", nuclei, "--seams", folder / "seams.json")
    words = ("--geojson", folder / "s.regions.geojson", "-o", folder / "composition.csv")
    succeeded("compose", nuclei, *words, "--regions", regions, *chosen["compose"])
    succeeded("export", nuclei, "-o", folder / "s.nuclei.qupath.zip", *chosen["export"])
    tiles.unlink()
    part.unlink()
    benchmarks = folder.parent / "benchmarks"
    benchmarks.mkdir(exist_ok=True)
    (benchmarks / "predict.1-of-1.tsv").write_text(
        "s\th:m:s\tmax_rss\tmax_vms\tcpu_time\n12.5\t0:00:12\t812.25\t-\tNA\n"
    )
    found = folder / "provenance.json"
    succeeded("provenance", nuclei, "-o", found, "--slide", slide, "--benchmarks", benchmarks)
    return json.loads(found.read_text())


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    slide = folder / "slide.tiff"
    write_phantom(slide, Phantom((700, 900), seed=5))
    regions = folder / "drawn.geojson"
    square = [[100, 100], [600, 100], [600, 600], [100, 600], [100, 100]]
    shape = {"type": "Polygon", "coordinates": [square]}
    regions.write_text(json.dumps([{"type": "Feature", "geometry": shape, "properties": {}}]))
    parameters = {
        "tile": TILE,
        "predict": {"views": 2},
        "segment": SEGMENT,
        "compose": COMPOSE,
        "export": EXPORT,
    }
    record = analysed(folder / "results", slide, parameters, regions)
    return folder, record


def test_it_says_what_was_done_with_what(first):
    folder, record = first
    slide, parameters = record["slide"], record["parameters"]
    assert slide["path"] == str(folder / "slide.tiff")
    assert slide["fingerprint"] == file_checksum(folder / "slide.tiff")
    assert (slide["mpp"], slide["mpp_source"]) == ({"x": 0.25, "y": 0.25}, "tiff")
    assert slide["level0_shape_px"] == [700, 900]
    assert parameters["tile"].items() >= TILE.items()
    assert parameters["predict"] == {"views": 2}
    assert record["precision"] in {"float32", "bfloat16"}
    assert parameters["segment"].items() >= SEGMENT.items()
    assert parameters["compose"].items() >= COMPOSE.items()
    assert parameters["export"].items() >= EXPORT.items()
    [model] = record["models"]
    assert model["checksum"] == read_cards(("default",))[0].checksum
    [region] = record["regions"]
    assert region == {
        "path": str(folder / "drawn.geojson"),
        "fingerprint": file_checksum(folder / "drawn.geojson"),
    }
    assert record["versions"]["nucwsi"] == __version__
    assert {"numpy", "torch", "shapely"} <= set(record["versions"])
    assert record["result_version"] == RESULT_VERSION
    assert record["timings"] == {"predict.1-of-1": {"wall_s": 12.5, "max_rss_mb": 812.25}}
    assert record["seams"]["visible"] is False


def test_its_counts_are_those_of_the_results(first):
    folder, record = first
    counts = record["counts"]
    with (folder / "results" / "composition.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert counts["nuclei"] == int(rows[0]["n_nuclei"]) > 50
    assert counts["nuclei_by_class"] == {
        name: int(rows[0][f"n_{name}"]) for name in counts["nuclei_by_class"]
    }
    assert counts["qupath_objects"] + counts["qupath_slivers_left_out"] == counts["nuclei"]
    assert sum(counts["dropped"].values()) == int(rows[0]["n_dropped"])
    assert counts["regions_by_source"]["user"] == 1
    assert sum(counts["regions_by_source"].values()) == len(rows)
    assert counts["tissue_um2"] == pytest.approx(float(rows[0]["tissue_area_mm2"]) * 1e6, rel=1e-6)
    for entry in record["outputs"]:
        assert entry["fingerprint"] == file_checksum(folder / "results" / entry["path"])
    names = {entry["path"] for entry in record["outputs"]}
    assert names == {
        *("nuclei.parquet", "tissue.geojson", "seams.json", "composition.csv", "s.nuclei.csv"),
        *("s.regions.geojson", "s.nuclei.qupath.zip"),
    }


def test_a_run_by_the_record_gives_the_same_results(first):
    folder, record = first
    again = analysed(
        folder / "again",
        record["slide"]["path"],
        {
            verb: {name: value for name, value in settings.items() if name != "np_level"}
            for verb, settings in record["parameters"].items()
            if isinstance(settings, dict)
        },
        record["regions"][0]["path"],
    )
    assert {**again, "timings": {}} == {**record, "timings": {}}


def test_another_slide_is_refused(first, tmp_path):
    folder, _ = first
    other = tmp_path / "other.tif"
    other.write_bytes(b"x")
    nuclei = folder / "results" / "nuclei.parquet"
    line = refused("provenance", nuclei, "-o", tmp_path / "p.json", "--slide", other)
    assert f"{nuclei}: was not made from {other}, or that slide has changed since" in line
    assert not (tmp_path / "p.json").exists()


def test_what_was_not_run_is_left_out(first, tmp_path):
    folder, record = first
    alone = tmp_path / "nuclei.parquet"
    alone.write_bytes((folder / "results" / "nuclei.parquet").read_bytes())
    succeeded("provenance", alone, "-o", tmp_path / "p.json")
    found = json.loads((tmp_path / "p.json").read_text())
    assert found["slide"]["path"] is None
    assert found["parameters"]["compose"] == found["timings"] == found["seams"] == {}
    assert found["counts"]["nuclei"] == record["counts"]["nuclei"]
    assert found["counts"]["qupath_objects"] is None
