"""A phantom written to disk: OpenSlide reads the slide, and its truth is what was painted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import openslide
import pytest
import shapely
import tifffile

from nucwsi.classes import COLOURS, display_name
from nucwsi.errors import ConfigError
from nucwsi.grid import Window
from nucwsi.io.slides.phantom import write_phantom
from nucwsi.phantom import Phantom

SMALL = Phantom((700, 900), seed=3)


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
