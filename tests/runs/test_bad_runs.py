"""Whatever goes wrong besides the slide itself, through the real command line.

Each ends in one clear line, a non-zero exit, and nothing half-made; or in a valid result.
"""

import csv
import json
import os
import re
import shutil
import subprocess
import zipfile
from contextlib import suppress

import numpy as np
import pyarrow.parquet
import pytest
import shapely
from commands import refused, succeeded
from safetensors import safe_open
from safetensors.numpy import save_file
from slides_made import damage, picture, write_slide
from stores import write_member

from nucwsi.io.nuclei.parquet import iter_tables, read_facts, write_nuclei
from nucwsi.io.slides.phantom import write_phantom
from nucwsi.models.checkpoint import find_checkpoint
from nucwsi.phantom import Phantom

IMAGE = picture(700, 800)


def write(path, content="x"):
    path.write_text(content)
    return path


def analysed(slide, folder, member, *options):
    """Run all verbs on a slide; return the folder of their results."""
    tiles, tissue, maps = (
        folder / name for name in ("tiles.zarr.zip", "tissue.geojson", "maps.zarr.zip")
    )
    part, nuclei = folder / "part.parquet", folder / "nuclei.parquet"
    members = ("--member", member)
    succeeded("tile", slide, "-o", tiles, "--tissue-output", tissue, *members, *options)
    succeeded("predict", tiles, "-o", maps, *members, "--device", "cpu")
    succeeded("segment", maps, "-o", part)
    succeeded("stitch", part, "-o", nuclei, "--seams", folder / "seams.json")
    composed = ("-o", folder / "composition.csv", "--geojson", folder / "regions.geojson")
    succeeded("compose", nuclei, *composed, "--tissue", tissue)
    succeeded("export", nuclei, "-o", folder / "nuclei.qupath.zip")
    succeeded("check-geojson", folder / "nuclei.qupath.zip", folder / "regions.geojson")
    return folder


def composition(folder):
    with (folder / "composition.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def described_anew(checkpoint, copy, **changes):
    """Write a copy of a checkpoint whose metadata are changed."""
    with safe_open(checkpoint, "np") as stored:
        description = json.loads(stored.metadata()["nucwsi"])
        weights = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    save_file(weights, copy, metadata={"nucwsi": json.dumps(description | changes)})
    return copy


@pytest.fixture(scope="module")
def degraded(tmp_path_factory):
    """The results of a slide of which the tile at rows 256 and columns 512 is damaged."""
    folder = tmp_path_factory.mktemp("degraded")
    slide = folder / "slide.tiff"
    write_phantom(slide, Phantom((900, 1000), seed=5))
    damage(slide, "garbled", tile=6)
    # At the resolution of the members that the tests make.
    member = described_anew(find_checkpoint("default"), folder / "half.safetensors", mpp=0.5)
    return analysed(slide, folder, member, "--max-bad-tiles", "0.3")


def test_one_bad_tile_in_a_good_slide(degraded):
    """The rest is delivered, and every output reports the loss."""
    facts = read_facts(degraded / "nuclei.parquet")
    assert facts.status == "degraded"
    assert facts.bad_tiles == ((128, 256, 128, 128),)
    document = json.loads((degraded / "tissue.geojson").read_text())
    assert document["nucwsi"]["facts"]["status"] == "degraded"
    outlines = [shapely.geometry.shape(f["geometry"]) for f in document["features"]]
    tissue, lost = shapely.union_all(outlines), shapely.box(512, 256, 768, 512)
    assert tissue.area > 1e5
    assert tissue.intersection(lost).area == 0
    assert float(composition(degraded)[0]["tissue_area_mm2"]) * 1e6 / 0.25**2 == pytest.approx(
        tissue.area, rel=1e-4
    )
    nuclei = pyarrow.parquet.read_table(degraded / "nuclei.parquet", columns=["row", "column"])
    found = shapely.points(nuclei["column"].to_numpy(), nuclei["row"].to_numpy())
    assert len(found) > 20
    assert not shapely.contains(lost, found).any()


def test_a_slide_of_pure_glass_is_a_valid_empty_result(tmp_path, tiny_member):
    folder = analysed(write_slide(tmp_path / "glass.tif", IMAGE[:, :150]), tmp_path, tiny_member)
    assert pyarrow.parquet.read_table(folder / "nuclei.parquet").num_rows == 0
    [row] = composition(folder)
    assert (row["region_id"], row["n_nuclei"], row["tissue_area_mm2"]) == ("slide", "0", "0")
    shares = {name: value for name, value in row.items() if name.startswith("frac_")}
    assert set(shares.values()) == {""}, "what is undefined is empty"
    with zipfile.ZipFile(folder / "nuclei.qupath.zip") as archive:
        assert archive.testzip() is None
    assert json.loads((folder / "tissue.geojson").read_text())["features"] == []


def feature(geometry, **properties):
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def polygon(*points):
    return {"type": "Polygon", "coordinates": [[*points, points[0]]]}


SQUARE = polygon([100, 100], [600, 100], [600, 600], [100, 600])


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("", "is not GeoJSON"),
        ("<html>", "is not GeoJSON"),
        ({"type": "Topology"}, "holds no GeoJSON features"),
        ([], "holds no region; draw annotations"),
        ([feature(SQUARE, objectType="detection")], "holds no region"),
        ([feature({"type": "Point", "coordinates": [1, 2]})], "feature 1 is a Point; a region is"),
        (
            [feature(SQUARE), feature({"type": "LineString", "coordinates": [[0, 0], [9, 9]]})],
            "feature 2 is a LineString",
        ),
        ([feature(None, name="lost")], "feature 1 (lost) is a feature without geometry"),
        (
            [feature(polygon([0, 0], [9, 9], [9, 0], [0, 9]), name="bow")],
            "feature 1 (bow) has an invalid outline (Self-intersection",
        ),
        ([feature(polygon([0, 0], [9, 9]))], "has an invalid outline (Too few points"),
        (
            [feature(polygon([0, 0], [9, float("nan")], [9, 9]))],
            "point 2 at x 9, y nan lies on no slide",
        ),
        (
            [feature({"type": "Polygon", "coordinates": []})],
            "has an invalid outline (it has no points)",
        ),
        ([feature({"type": "Polygon"})], "feature 1 has an unreadable outline"),
        ([feature({"type": "Polygon", "coordinates": [["a", "b"]]})], "unreadable outline"),
        ([3], "holds 3 where a feature is expected"),
        ([feature("POLYGON")], "holds 'POLYGON' as `geometry`"),
        ({"type": "FeatureCollection", "features": {"a": 1}}, "holds {'a': 1} as `features`"),
        ([feature(SQUARE, childObjects=[feature(None)])], "feature 2 is a feature without"),
    ],
)
def test_regions_that_are_none(degraded, tmp_path, document, message):
    regions = write(
        tmp_path / "regions.geojson",
        document if isinstance(document, str) else json.dumps(document),
    )
    line = refused(
        *("compose", degraded / "nuclei.parquet", "--tissue", degraded / "tissue.geojson"),
        *("-o", tmp_path / "c.csv", "--geojson", tmp_path / "r.geojson", "--regions", regions),
    )
    assert message in line
    assert str(regions) in line
    assert [path.name for path in tmp_path.iterdir()] == ["regions.geojson"]


def test_a_file_that_nobody_named_may_hold_no_region(degraded, tmp_path, caplog):
    regions = write(tmp_path / "a.geojson", json.dumps([feature(SQUARE, objectType="detection")]))
    asked = (
        *("compose", degraded / "nuclei.parquet", "--tissue", degraded / "tissue.geojson"),
        *("-o", tmp_path / "composition.csv", "--beside", "--regions", regions),
    )
    succeeded(*asked)
    assert "a.geojson: no region in it" in caplog.text
    assert {row["region_source"] for row in composition(tmp_path)} == {"slide", "tissue", "grid"}
    write(regions, json.dumps([feature({"type": "Point", "coordinates": [1, 2]})]))
    line = refused(*asked)
    assert "feature 1 is a Point" in line
    assert "`regions_beside: false`" in line


def test_a_part_is_not_taken_for_the_slide_nor_the_slide_for_a_part(degraded, tmp_path):
    whole = degraded / "nuclei.parquet"
    part = tmp_path / "1-of-2.parquet"
    write_nuclei(part, iter_tables(whole), read_facts(whole).with_(kind="part"), 100)
    tissue = degraded / "tissue.geojson"
    line = refused("compose", part, "--tissue", tissue, "-o", tmp_path / "c.csv")
    assert "(holds 'part', expected 'nuclei'); make it with `nucwsi stitch`" in line
    outputs = ("-o", tmp_path / "n.parquet", "--seams", tmp_path / "s.json")
    line = refused("stitch", whole, *outputs)
    assert "(holds 'nuclei', expected 'part'); make it with `nucwsi segment`" in line


def test_sound_regions_of_every_form_are_counted(degraded, tmp_path):
    nested = [
        feature(SQUARE, name="outer", classification={"names": ["Tumor", 2]}, childObjects=[
            feature(polygon([0, 0], [300, 0], [300, 300]), objectType="annotation")
        ]),
        feature(SQUARE, classification="Stroma", isLocked=None),
    ]  # fmt: skip
    regions = write(tmp_path / "regions.geojson", json.dumps(nested))
    succeeded(
        *("compose", degraded / "nuclei.parquet", "--tissue", degraded / "tissue.geojson"),
        *("-o", tmp_path / "composition.csv", "--geojson", tmp_path / "r.geojson"),
        *("--regions", regions),
    )
    rows = [row for row in composition(tmp_path) if row["region_source"] == "user"]
    assert [(row["region_name"], row["region_class"]) for row in rows] == [
        ("outer", "Tumor: 2"),
        ("region_002", ""),
        ("Stroma", "Stroma"),
    ]


@pytest.fixture
def small_disk(tmp_path):
    """A separate disk of 300 kB, and a function that makes room on it."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk to fill")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ("mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder))
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")

    def make_room():
        subprocess.run(["mount", "-o", "remount,size=50m", str(folder)], check=True)

    yield folder, make_room
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


FULL = "cannot be written: No space left on device; make room or choose another place"


def test_a_full_disk_leaves_nothing_half_written(small_disk, degraded):
    """Once there is room, the work resumes to the same result."""
    disk, make_room = small_disk
    outputs = ("-o", disk / "tiles.zarr.zip", "--tissue-output", disk / "tissue.geojson")
    options = ("--max-bad-tiles", "0.3", "--member", degraded / "half.safetensors")
    command = ("tile", degraded / "slide.tiff", *outputs, *options)
    assert FULL in refused(*command)
    assert [path.name for path in disk.iterdir()] == [".tiles.zarr.zip.work"]
    make_room()
    succeeded(*command)
    assert sorted(path.name for path in disk.iterdir()) == ["tiles.zarr.zip", "tissue.geojson"]
    for path in disk.iterdir():
        assert path.read_bytes() == (degraded / path.name).read_bytes()


def test_every_verb_on_a_full_disk(small_disk, degraded, tiny_member):
    disk, _ = small_disk
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as stream:
        while stream.write(bytes(1024)):
            pass
    nuclei, tissue = degraded / "nuclei.parquet", degraded / "tissue.geojson"
    commands = [
        ("predict", degraded / "tiles.zarr.zip", "-o", disk / "o", "--member", tiny_member),
        ("segment", degraded / "maps.zarr.zip", "-o", disk / "o"),
        ("stitch", degraded / "part.parquet", "-o", disk / "o", "--seams", disk / "s"),
        ("compose", nuclei, "-o", disk / "o", "--geojson", disk / "g", "--tissue", tissue),
        ("export", nuclei, "-o", disk / "o"),
        ("phantom", disk / "p.tiff", "--height", 600, "--width", 800),
    ]
    for command in commands:
        assert FULL.partition(":")[0] in refused(*command)
        left = {path.name for path in disk.iterdir()} - {".o.work", "filler"}
        assert left == set(), command
        shutil.rmtree(disk / ".o.work", ignore_errors=True)


def test_every_verb_with_an_output_that_cannot_be(degraded, tmp_path, tiny_member):
    file, out = write(tmp_path / "file"), tmp_path / "file" / "o"
    nuclei, tissue = degraded / "nuclei.parquet", degraded / "tissue.geojson"
    member, many = ("--member", tiny_member), ("--max-bad-tiles", "0.3")
    commands = [
        ("tile", degraded / "slide.tiff", "-o", out, "--tissue-output", tmp_path / "t", *many),
        ("predict", degraded / "tiles.zarr.zip", "-o", out, *member),
        ("segment", degraded / "maps.zarr.zip", "-o", out),
        ("stitch", degraded / "part.parquet", "-o", out, "--seams", tmp_path / "s"),
        ("compose", nuclei, "-o", out, "--geojson", tmp_path / "g", "--tissue", tissue),
        ("export", nuclei, "-o", out),
        ("summary", degraded / "composition.csv", "-o", out),
        ("phantom", out.with_suffix(".tiff"), "--height", 200, "--width", 200),
    ]
    for command in commands:
        line = refused(*command)
        assert re.search("cannot be written: (Not a directory|File exists); make room or ", line)
        assert file.read_text() == "x"


def test_an_output_that_is_a_folder(degraded, tmp_path):
    (tmp_path / "o").mkdir()
    line = refused("export", degraded / "nuclei.parquet", "-o", tmp_path / "o")
    assert "cannot be written: Is a directory" in line
    assert [path.name for path in tmp_path.iterdir()] == ["o"]


def corrupt(path):
    path.write_bytes(bytes(reversed(path.read_bytes())))


def pointer(path):
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")


def foreign(path):
    save_file({"weight": np.ones(2, np.float32)}, path)


def other_classes(path):
    """Name classes for which the checkpoint has no constants."""
    described_anew(path, path, classes=["tumour", "stroma", "immune", "fat"])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (corrupt, "is not a safetensors file"),
        (pointer, "is not a safetensors file"),
        (foreign, "no nucwsi description"),
        (other_classes, "which is none of ('tumour', 'stroma', 'immune', 'fat')"),
    ],
)
def test_a_checkpoint_that_cannot_be_used(degraded, tmp_path, spoil, message):
    member = write_member(tmp_path / "member.safetensors")
    spoil(member)
    outputs = ("-o", tmp_path / "o", "--member", member)
    for command in (
        ("tile", degraded / "slide.tiff", "--tissue-output", tmp_path / "t", *outputs),
        ("predict", degraded / "tiles.zarr.zip", *outputs),
    ):
        line = refused(*command)
        assert message in line
        assert str(member) in line
        assert [path.name for path in tmp_path.iterdir()] == ["member.safetensors"]


def test_a_checkpoint_cut_off(degraded, tmp_path):
    member = write_member(tmp_path / "member.safetensors")
    member.write_bytes(member.read_bytes()[:-500])
    command = ("predict", degraded / "tiles.zarr.zip", "-o", tmp_path / "o", "--member", member)
    assert "weights cannot be used" in refused(*command)
    assert not (tmp_path / "o").exists()


def test_an_artefact_of_another_verb_or_none(degraded, tmp_path, tiny_member):
    tiles, maps, out = degraded / "tiles.zarr.zip", degraded / "maps.zarr.zip", tmp_path / "o"
    member = ("--member", tiny_member)
    assert "holds 'maps', expected 'tiles'" in refused("predict", maps, "-o", out, *member)
    assert "holds 'tiles', expected 'maps'" in refused("segment", tiles, "-o", out)
    cut = tmp_path / "cut.zarr.zip"
    cut.write_bytes(maps.read_bytes()[:-100])
    assert "is not a whole nucwsi store" in refused("segment", cut, "-o", out)
    cut.write_bytes(b"")
    for verb in ("export", "stitch"):
        more = ("--seams", tmp_path / "s") if verb == "stitch" else ()
        assert str(cut) in refused(verb, cut, "-o", out, *more)
        assert str(maps) in refused(verb, maps, "-o", out, *more)
