from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import openslide
import pytest
import shapely
import tifffile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nucwsi.classes import COLOURS, display_name
from nucwsi.errors import ConfigError
from nucwsi.grid import Window
from nucwsi.io.slides.phantom import write_phantom
from nucwsi.labels.targets import hv_targets
from nucwsi.phantom import CLASSES, Phantom

SHAPE = (700, 900)
SMALL = Phantom(SHAPE, seed=3)


@pytest.fixture(scope="module")
def demo() -> Phantom:
    return Phantom()


@st.composite
def windows(draw: st.DrawFn, shape: tuple[int, int]) -> Window:
    row, column = (draw(st.integers(0, side - 2)) for side in shape)
    height = draw(st.integers(1, min(200, shape[0] - row)))
    return Window(row, column, height, draw(st.integers(1, min(200, shape[1] - column))))


@pytest.fixture(scope="module")
def whole() -> np.ndarray:
    return SMALL.paint()


@settings(max_examples=20, deadline=None)
@given(window=windows(SHAPE))
@example(window=Window(0, 15, 145, 200))  # a nucleus below it blurs into its last row
def test_a_window_is_painted_as_the_whole(whole: np.ndarray, window: Window) -> None:
    # A phantom of its own: nothing remembered from elsewhere on the slide.
    alone = Phantom(SHAPE, seed=3).paint(window)
    np.testing.assert_array_equal(alone, whole[window.slices])


@settings(max_examples=15, deadline=None)
@given(window=windows((350, 450)))
def test_maps_of_a_window_are_those_of_the_whole(window: Window) -> None:
    for part, canvas in zip(SMALL.maps(window), SMALL.maps(), strict=True):
        np.testing.assert_array_equal(part, canvas[..., *window.slices])


def test_the_seed_decides() -> None:
    at = Window(300, 300, 100, 100)
    np.testing.assert_array_equal(Phantom(SHAPE, seed=3).paint(at), SMALL.paint(at))
    assert (Phantom(SHAPE, seed=4).paint(at) != SMALL.paint(at)).any()


def test_the_demo_slide_holds_what_breaks_tiling(demo: Phantom) -> None:
    nuclei = list(demo.nuclei())
    kinds = Counter(nucleus.kind for nucleus in nuclei)
    assert set(kinds) == {"interior", "seam", "corner", "giant", "chain", "sheet", "edge"}
    assert len(nuclei) > 2000
    assert len({nucleus.id for nucleus in nuclei}) == len(nuclei)
    assert set(CLASSES) == {nucleus.class_name for nucleus in nuclei} <= set(COLOURS)
    corners = np.array([n.centre for n in nuclei if n.kind in {"corner", "giant"}]) / 2
    assert (corners % 256 == 0).all()
    for core in (256, 512, 1024):
        assert (corners % core == 0).all(axis=1).any(), f"nothing on a corner of {core} px cores"
    for nucleus in nuclei:
        if nucleus.kind == "giant":
            assert np.ptp(nucleus.outline / 2, axis=0).max() > 112 * 1.5


def test_some_nuclei_lie_at_the_edge_of_the_slide(demo: Phantom) -> None:
    height, width = demo.shape
    cut = [
        (n.kind, demo.polygon(n))
        for n in demo.nuclei()
        if (n.outline < 0).any() or (n.outline > demo.shape).any()
    ]
    assert len(cut) > 5
    for kind, polygon in cut:
        assert kind == "edge"
        assert polygon.geom_type == "Polygon"
        assert shapely.box(0, 0, width, height).covers(polygon)


def test_chains_and_the_sheet_touch_and_nothing_overlaps(demo: Phantom) -> None:
    instances, nuclei = demo.labels()
    kind = np.array(["", *(n.kind for n in nuclei)])
    beside = [
        (instances[:, :-1], instances[:, 1:]),
        (instances[:-1], instances[1:]),
    ]
    partners: dict[int, set[int]] = {}
    for one, other in beside:
        met = (one != other) & (one > 0) & (other > 0)
        for a, b in zip(one[met].tolist(), other[met].tolist(), strict=True):
            partners.setdefault(a, set()).add(b)
            partners.setdefault(b, set()).add(a)
    for name in ("chain", "sheet"):
        members = set(np.flatnonzero(kind == name).tolist())
        assert members
        assert len(members & set(partners)) > 0.97 * len(members), name
    polygons = np.array([demo.polygon(n) for n in nuclei])
    assert shapely.is_valid(polygons).all()
    one, other = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    pairs = one < other
    shared = shapely.area(shapely.intersection(polygons[one[pairs]], polygons[other[pairs]]))
    assert shared.max() < 1.0


def test_labels_are_the_polygons(demo: Phantom) -> None:
    window = Window(400, 500, 200, 200)
    instances, nuclei = demo.labels(window)
    rows, columns = np.mgrid[window.row : window.row_stop, window.column : window.column_stop]
    for label in range(1, len(nuclei) + 1, 15):
        polygon = demo.polygon(nuclei[label - 1])
        inside = shapely.contains_xy(polygon, 2 * columns + 1, 2 * rows + 1)
        assert (inside != (instances == label)).sum() <= 1


def test_maps_say_where_and_what() -> None:
    instances, nuclei = SMALL.labels()
    np_map, hv_map, tp_map = SMALL.maps()
    np.testing.assert_array_equal(np_map == 255, instances > 0)
    np.testing.assert_array_equal(hv_map, np.rint(127 * hv_targets(instances)))
    np.testing.assert_array_equal(tp_map.sum(0, dtype=int), np_map)
    label = int(instances[instances > 0][0])
    code = CLASSES.index(nuclei[label - 1].class_name)
    assert (tp_map[code][instances == label] == 255).all()


def test_hv_targets_turn_with_the_picture() -> None:
    labels = SMALL.labels()[0][100:300, 100:300]
    target = hv_targets(labels)
    turned = hv_targets(np.rot90(labels))
    np.testing.assert_allclose(turned[0], np.rot90(target[1]), atol=1e-6)
    np.testing.assert_allclose(turned[1], -np.rot90(target[0]), atol=1e-6)
    for label in np.unique(labels[labels > 0]):
        spot = labels == label
        if np.ptp(np.nonzero(spot), axis=1).min() > 0:
            assert target[:, spot].min(axis=1) == pytest.approx([-1, -1])
            assert target[:, spot].max(axis=1) == pytest.approx([1, 1])
    assert not hv_targets(np.zeros((4, 4), int)).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (10, 5000)}, r"at least 64 x 64 px, got \(10, 5000\)"),
        ({"mpp": 0}, "mpp and working_mpp must be 0.05 to 5 µm, got 0, 0.5"),
        ({"density": 4}, "density 0 to 3, got 1 and 4"),
        ({"seed": -1}, "seed >= 0"),
    ],
)
def test_senseless_phantoms_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Phantom(**arguments)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    path = tmp_path_factory.mktemp("phantom") / "made" / "demo.tiff"
    return path, write_phantom(path, Phantom((1100, 1301), mpp=0.4, seed=3))


def test_openslide_reads_the_slide(written: tuple[Path, Path]) -> None:
    path, _ = written
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "demo.tiff",
        "demo.truth.geojson",
    ]
    with openslide.OpenSlide(path) as slide:
        assert slide.level_dimensions == ((1301, 1100), (650, 550))
        assert slide.level_downsamples == pytest.approx((1, 2), abs=0.01)
        for axis in "xy":
            assert float(slide.properties[f"openslide.mpp-{axis}"]) == pytest.approx(0.4)
        picture = np.asarray(slide.read_region((200, 300), 0, (400, 350)))[..., :3]
        half = np.asarray(slide.read_region((200, 300), 1, (100, 100)))[..., :3]
    painted = Phantom((1100, 1301), mpp=0.4, seed=3).paint(Window(300, 200, 350, 400))
    assert np.abs(picture.astype(int) - painted).mean() < 4
    small = painted[:200, :200].reshape(100, 2, 100, 2, 3).mean((1, 3))
    assert np.abs(half - small).mean() < 4
    with tifffile.TiffFile(path) as tiff:
        assert [page.tilewidth for page in tiff.pages] == [256, 256]


def test_the_truth_is_what_was_painted(written: tuple[Path, Path]) -> None:
    _, path = written
    truth = json.loads(path.read_text())
    phantom = Phantom((1100, 1301), mpp=0.4, seed=3)
    nuclei = list(phantom.nuclei())
    assert len(truth["features"]) == len(nuclei) > 300
    assert len({feature["id"] for feature in truth["features"]}) == len(nuclei)
    for feature, nucleus in zip(truth["features"], nuclei, strict=True):
        assert feature["properties"]["objectType"] == "detection"
        assert feature["properties"]["kind"] == nucleus.kind
        assert feature["properties"]["classification"] == {
            "name": display_name(nucleus.class_name),
            "color": list(COLOURS[nucleus.class_name]),
        }
        polygon = shapely.from_geojson(json.dumps(feature["geometry"]))
        assert polygon.is_valid
        assert polygon.symmetric_difference(phantom.polygon(nucleus)).area < 0.01 * polygon.length


def test_a_name_that_is_no_tiff_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a phantom is a TIFF; let its name end in \.tiff"):
        write_phantom(tmp_path / "slide.svs", SMALL)


def test_nothing_half_written_remains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Phantom, window: Window) -> np.ndarray:
        raise RuntimeError("no")

    monkeypatch.setattr(Phantom, "paint", fail)
    with pytest.raises(RuntimeError, match="no"):
        write_phantom(tmp_path / "slide.tiff", SMALL)
    assert not list(tmp_path.iterdir())
