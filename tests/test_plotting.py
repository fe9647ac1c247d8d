"""`nucwsi.plot`: the outlines lie on their nuclei, and the legend counts what is drawn."""

import sys

import geopandas
import numpy as np
import pytest
import shapely
from PIL import Image

import nucwsi
from nucwsi.classes import colours
from nucwsi.errors import ConfigError

pyplot = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture
def drawn():
    pyplot.switch_backend("agg")
    picture = np.full((100, 200, 3), 255, np.uint8)
    picture[:, 100:] = (10, 20, 30)
    nuclei = geopandas.GeoDataFrame(
        {"class": ["epithelial", "spindle", "spindle"]},
        geometry=[shapely.Point(x, 50).buffer(9) for x in (30, 80, 150)],
    )
    yield picture, nuclei
    pyplot.close("all")


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_outlines_lie_where_the_nuclei_are(drawn):
    picture, nuclei = drawn
    axes = nucwsi.plot(picture, nuclei)
    assert labels(axes) == ["Epithelial (1)", "Spindle (2)"]
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 200), (100, 0))
    top = axes.collections[-1]
    assert [path.get_extents().extents.tolist() for path in top.get_paths()] == [
        pytest.approx(nucleus.bounds) for nucleus in nuclei.geometry[1:]
    ]
    assert top.get_colors()[0][:3] == pytest.approx(
        np.divide(colours(("epithelial", "spindle"))["spindle"], 255)
    )


def test_a_part_of_a_file_is_read_and_counted_alone(drawn, tmp_path):
    picture, nuclei = drawn
    Image.fromarray(picture).save(tmp_path / "a.png")
    _, mine = pyplot.subplots()
    axes = nucwsi.plot(tmp_path / "a.png", nuclei, box=(95.5, -7, 900, 60), axes=mine)
    assert axes is mine
    assert labels(axes) == ["Epithelial (0)", "Spindle (1)"]
    [shown] = axes.get_images()
    np.testing.assert_array_equal(shown.get_array(), picture[:60, 95:])
    assert shown.get_extent() == [95, 200, 60, 0]


def test_what_cannot_be_drawn_is_named(drawn, monkeypatch):
    picture, nuclei = drawn
    with pytest.raises(ConfigError, match="has the columns geometry; expected `class`"):
        nucwsi.plot(picture, nuclei[["geometry"]])
    with pytest.raises(ConfigError, match=r"`box` \(300, 0, 400, 9\) is 9 x -100 px"):
        nucwsi.plot(picture, nuclei, box=(300, 0, 400, 9))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"pip install 'nucwsi\[plot\]'"):
        nucwsi.plot(picture, nuclei)
