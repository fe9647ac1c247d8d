"""Networks of others, from their file to the nuclei: HoVer-Net, exports, and a package's."""

import warnings

import geopandas
import numpy as np
import openslide
import pyarrow.parquet as pq
import pytest
import torch
from commands import succeeded
from exports_made import free, install_package
from networks_made import published_weights
from stores import cells_of, write_tiles

from nucwsi.config import PredictSettings, SegmentSettings, StitchSettings
from nucwsi.errors import CheckpointError
from nucwsi.io.nuclei.parquet import read_facts
from nucwsi.io.stores.maps import open_maps
from nucwsi.models import hovernet
from nucwsi.models.card import read_card
from nucwsi.models.checkpoint import save_checkpoint
from nucwsi.models.hovernet import FORMS, HoVerNet
from nucwsi.models.loading import load_trainable
from nucwsi.models.network import activate
from nucwsi.nuclei.constants import PostProcessing
from nucwsi.phantom import Phantom
from nucwsi.steps.predict import predict
from nucwsi.steps.segment import segment
from nucwsi.steps.stitch import stitch

#: Height and width of the canvases: two cores of 512 pixels, or three of 256.
SHAPE = (192, 576)


def nuclei_of(folder, rgb, member, core_px, halo_px=160, mpp=0.25):
    """Run the steps from `predict` to `stitch` on a canvas (3, H, W); return the file of nuclei."""
    folder.mkdir()
    tiles, maps = folder / "tiles.zarr.zip", folder / "maps.zarr.zip"
    write_tiles(tiles, rgb, cells_of(np.ones(rgb.shape[1:], bool)), core_px, halo_px, mpp)
    predict(tiles, maps, PredictSettings(device="cpu"), members=(str(member),))
    segment([maps], folder / "part.parquet", SegmentSettings())
    nuclei = folder / "nuclei.parquet"
    stitch([folder / "part.parquet"], nuclei, folder / "seams.json", StitchSettings())
    return nuclei


def planes(pixels):
    return np.ascontiguousarray(np.asarray(pixels).transpose(2, 0, 1))


@pytest.fixture(params=["phantom", "tissue"])
def rgb(request):
    """A piece of a painted slide, or of real tissue."""
    height, width = SHAPE
    if request.param == "phantom":
        return planes(Phantom(SHAPE, seed=3).paint())
    shared = request.getfixturevalue("shared")
    with openslide.OpenSlide(shared / "slides" / "CMU-1-Small-Region.svs") as slide:
        pixels = np.asarray(slide.read_region((900, 1000), 0, (width, height)).convert("RGB"))
    return planes(pixels)


def sharpened(network, rgb):
    """Spread `np` over all of [0, 1] and `hv` over all of [-1, 1] on a canvas."""
    shown = torch.from_numpy(rgb)[None].float() / 255
    with torch.inference_mode():
        maps = network(shown)
    last = network.decoder["np"].u0.conv
    spread = 2 / float(maps.np_map.std())
    with torch.no_grad():
        last.weight.mul_(spread)
        last.bias.mul_(spread)
        last.bias[1] -= spread * float(maps.np_map.mean())
        last = network.decoder["hv"].u0.conv
        positions = maps.hv_map.tanh()
        spread = 1 / positions.std((0, 2, 3))
        last.weight.mul_(spread[:, None, None, None])
        last.bias.copy_((last.bias - positions.mean((0, 2, 3))) * spread)
    return network


@pytest.mark.parametrize("form", ["hovernet_fast", "hovernet_original"])
def test_nuclei_of_hovernet_do_not_depend_on_the_tiles(tmp_path, monkeypatch, rgb, form):
    """Formula weights, with an eighth of the channels; the published tiling is another matter."""
    monkeypatch.setattr(hovernet, "WIDTHS", (8, 16, 32, 64))
    monkeypatch.setattr(hovernet, "GROWTH", 4)
    n_classes = 5 if form == "hovernet_fast" else 4
    network = sharpened(published_weights(HoVerNet(FORMS[form], n_classes)), rgb)
    torch.save({"desc": network.state_dict()}, tmp_path / "hovernet.tar")
    one, other = (
        pq.read_table(nuclei_of(tmp_path / f"{core}", rgb, tmp_path / "hovernet.tar", core))
        for core in (256, 512)
    )
    assert one.num_rows > 10
    assert one.equals(other)
    assert read_facts(tmp_path / "256" / "nuclei.parquet").exact
    with open_maps([tmp_path / "256" / "maps.zarr.zip"]) as maps:
        exact = maps.read("np", maps.grid.canvas).astype(int)
    published = published_np(network, rgb)
    assert (np.abs(exact - published) > 1).mean() > 0.2


def published_np(network, rgb):
    """Put together the published answers of the published tiles, which are half empty of halo."""
    answered, side = (164, 256) if network.form.padded else (80, 270)
    halo = (side - answered) // 2
    height, width = rgb.shape[1:]
    room = ((0, 0), (halo, halo + answered), (halo, halo + answered))
    padded = torch.from_numpy(np.pad(rgb, room, mode="reflect")).float() / 255
    canvas = np.zeros((height + answered, width + answered), int)
    with torch.inference_mode():
        for row in range(0, height, answered):
            for column in range(0, width, answered):
                raw = network.heads(padded[None, :, row : row + side, column : column + side])
                nucleus = 255 * raw.np_map.softmax(1)[0, 1]
                canvas[row : row + answered, column : column + answered] = nucleus.round()
    return canvas[:height, :width]


class Maps(torch.nn.Module):
    """What somebody exports who has the default network."""

    def __init__(self):
        super().__init__()
        self.network = load_trainable(read_card("default")).eval()

    def forward(self, image):
        maps = activate(self.network(image))
        return {"np": maps.np_map, "hv": maps.hv_map, "tp": maps.tp_map}


@pytest.fixture(scope="module")
def default_scene(tmp_path_factory):
    """A canvas of nuclei, those that the default network finds, and that network as a program."""
    folder = tmp_path_factory.mktemp("default")
    rgb = planes(Phantom((360, 420), mpp=0.35, seed=5).paint())
    expected = nuclei_of(folder / "default", rgb, "default", 512, 288, 0.35)
    shown = (torch.rand(2, 3, 128, 144),)
    return rgb, expected, torch.export.export(Maps(), shown, dynamic_shapes=free(16))


def write_onnx(program, path):
    names = {"input_names": ["image"], "output_names": ["np", "hv", "tp"]}
    with warnings.catch_warnings(action="ignore"):
        made = torch.onnx.export(program, dynamo=True, optimize=False, verbose=False, **names)
    made.save(path, external_data=False)


@pytest.mark.parametrize("kind", ["pt2", "onnx"])
def test_an_export_of_default_finds_the_nuclei_of_default(tmp_path, default_scene, kind):
    """All of them, with outlines of an IoU above 0.95: the export computes in float32."""
    rgb, expected, program = default_scene
    path = tmp_path / f"export.{kind}"
    torch.export.save(program, path) if kind == "pt2" else write_onnx(program, path)
    succeeded("adopt", path, "--like", "default", "--stride", 16, "--radius", 282)
    found = nuclei_of(tmp_path / "found", rgb, path, 512, 288, 0.35)
    one, other = (geopandas.read_parquet(table) for table in (found, expected))
    assert len(one) == pytest.approx(len(other), rel=0.01)
    joined = one.sjoin(other[["geometry"]], predicate="intersects")
    pairs = joined.geometry, other.geometry.loc[joined["index_right"]].set_axis(joined.index)
    overlap = pairs[0].intersection(pairs[1]).area / pairs[0].union(pairs[1]).area
    best = overlap.groupby(level=0).max()
    assert len(other) > 50
    assert (best > 0.95).sum() > 0.99 * len(other)


def package_member(path, network):
    constants = PostProcessing(0.5, 0.1, 1.0, {"pale": 2.0, "dark": 2.0})
    description = {
        "name": network,
        "architecture": network,
        "classes": ("pale", "dark"),
        "mpp": 0.5,
        "halo_px": 2,
        "post_processing": constants,
        "about": {},
    }
    save_checkpoint(path, {"bias": torch.arange(2.0)}, description)
    return path


def test_a_network_of_a_package_is_a_member_and_one_that_lies_is_refused(tmp_path, monkeypatch):
    install_package(tmp_path / "site", monkeypatch)
    rgb = 255 - planes(Phantom(SHAPE, mpp=0.5, seed=3).paint())
    member = package_member(tmp_path / "box.safetensors", "box")
    one, other = (
        pq.read_table(nuclei_of(tmp_path / f"{core}", rgb, member, core, 16, 0.5))
        for core in (256, 512)
    )
    assert one.num_rows > 10
    assert one.equals(other)
    liar = package_member(tmp_path / "liar.safetensors", "liar")
    with pytest.raises(CheckpointError, match="the network 'liar' of the package 'box-networks'"):
        nuclei_of(tmp_path / "liar", rgb, liar, 256, 16, 0.5)
    assert not (tmp_path / "liar" / "maps.zarr.zip").exists()
