"""The predict step: maps that depend on nothing but the canvas and the ensemble."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import zarr
from networks_made import write_sharp_member
from scipy import ndimage
from slides_made import write_slide
from stores import CLASSES, cells_of, write_member, write_tiles
from zarr.storage import ZipStore

from nucwsi.config import PredictSettings, TileSettings
from nucwsi.errors import CheckpointError, ConfigError, StoreError
from nucwsi.io.stores import maps_writer
from nucwsi.io.stores import publish as store_module
from nucwsi.io.stores.maps import open_maps
from nucwsi.io.stores.reader import opened
from nucwsi.models.architectures import ARCHITECTURES
from nucwsi.models.card import read_cards
from nucwsi.models.ensemble import Ensemble
from nucwsi.models.unet import UNet
from nucwsi.nuclei.domain import colour_sums
from nucwsi.steps import predict as step
from nucwsi.steps.predict import ask, predict
from nucwsi.steps.tile import tile

SETTINGS = PredictSettings(device="cpu")


@pytest.fixture(scope="module")
def canvas():
    rng = np.random.default_rng(7)
    rgb = rng.integers(0, 256, (3, 600, 730), np.uint8)
    tissue = np.zeros((600, 730), bool)
    tissue[40:300, 100:400] = True
    tissue[280:590, 390:700] = True
    return rgb, cells_of(tissue)


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    folder = tmp_path_factory.mktemp("members")
    return tuple(str(write_member(folder / f"{seed}.safetensors", seed)) for seed in (0, 1))


def whole(paths):
    with open_maps(list(paths)) as maps:
        return tuple(maps.read(name, maps.grid.canvas) for name in maps.names)


def run(tmp_path, canvas, members, core_px, part=1, parts=1, name="tiles"):
    tiles = tmp_path / f"{name}{core_px}.zarr.zip"
    if not tiles.exists():
        write_tiles(tiles, *canvas, core_px)
    output = tmp_path / f"{name}{core_px}" / f"{part}-of-{parts}.zarr.zip"
    predict(tiles, output, SETTINGS, members=members, part=part, parts=parts)
    return output


@pytest.fixture(scope="module")
def reference(tmp_path_factory, canvas, members):
    return whole([run(tmp_path_factory.mktemp("reference"), canvas, members, 1024)])


@pytest.mark.parametrize("core_px", [256, 512])
def test_maps_do_not_depend_on_the_core(tmp_path, canvas, members, reference, core_px):
    for one, other in zip(whole([run(tmp_path, canvas, members, core_px)]), reference, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("side_px", [0, 512])
def test_maps_do_not_depend_on_how_many_cores_are_asked_for_at_once(
    tmp_path, canvas, members, reference, monkeypatch, side_px
):
    monkeypatch.setattr(ask, "_WINDOW_PX", (side_px, side_px))
    asked, packed = [], Ensemble.packed

    def counted(*arguments):
        asked.append(arguments[1].shape)
        return packed(*arguments)

    monkeypatch.setattr(Ensemble, "packed", counted)
    for one, other in zip(whole([run(tmp_path, canvas, members, 256)]), reference, strict=True):
        np.testing.assert_array_equal(one, other)
    # Seven cores of 256 px hold tissue.
    assert len(asked) == 7 if side_px == 0 else len(asked) < 7


@pytest.mark.parametrize(("n_members", "limit"), [(1, "_ONCE_PX"), (2, "_OFTEN_PX")])
def test_networks_in_strips_are_asked_for_more_at_once(
    tmp_path, canvas, members, monkeypatch, n_members, limit
):
    assert ask._WINDOW_PX < ask._OFTEN_PX < ask._ONCE_PX
    asked, packed = [], Ensemble.packed

    def counted(*arguments):
        asked.append(arguments[1].shape)
        return packed(*arguments)

    monkeypatch.setattr(Ensemble, "packed", counted)
    monkeypatch.setattr(ask, limit, (0, 0))
    counts = []
    for able in (False, True):
        monkeypatch.setattr(Ensemble, "in_strips", able)
        run(tmp_path / str(able), canvas, members[:n_members], 256)
        counts.append(len(asked) - sum(counts))
    assert counts[0] < counts[1] == 7


@pytest.mark.parametrize(("n_levels", "halo"), [(6, 224), (7, 448)])
def test_maps_of_strides_of_more_than_a_cell_do_not_depend_on_the_core(
    tmp_path, canvas, n_levels, halo
):
    """Strides of 32 and 64 px, of windows around tissue that is known in cells of 16 px."""
    rgb = canvas[0][:, :576, :704]
    member = write_sharp_member(tmp_path / "m.safetensors", rgb, (2,) * n_levels, halo)
    made = []
    for core_px in (256, 1024):
        tiles = write_tiles(tmp_path / f"{core_px}.zarr.zip", *canvas, core_px, halo_px=halo)
        output = tmp_path / f"{core_px}" / "1-of-1.zarr.zip"
        predict(tiles, output, SETTINGS, members=(member,))
        made.append(whole([output]))
    assert np.ptp(made[0][0]) > 200
    for one, other in zip(*made, strict=True):
        np.testing.assert_array_equal(one, other)


def test_cores_that_the_stride_does_not_divide_are_refused(tmp_path, canvas):
    widths = (1,) * 10
    member = str(write_member(tmp_path / "m.safetensors", widths=widths, halo_px=4096))
    tiles = write_tiles(tmp_path / "t.zarr.zip", *canvas, 256, halo_px=4096)
    with pytest.raises(StoreError, match=r"core_px 256, but .* multiple of its stride, 512"):
        predict(tiles, tmp_path / "m.zarr.zip", SETTINGS, members=(member,))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_members_of_different_halos_give_maps_that_do_not_depend_on_the_core(tmp_path, order):
    """From the slide on: the canvas, too, is read for the member that needs the widest halo."""
    blocks = np.random.default_rng(3).integers(0, 256, (100, 130, 3), np.uint8)
    image = blocks.repeat(10, 0).repeat(10, 1)
    slide = write_slide(tmp_path / "slide.tif", image)
    rgb = np.ascontiguousarray(image[:960:2, :1280:2].transpose(2, 0, 1))
    near = write_sharp_member(tmp_path / "near.safetensors", rgb, (4, 6), 10)
    far = write_sharp_member(tmp_path / "far.safetensors", rgb, (4, 6, 8, 8), 112)
    members = tuple((near, far)[k] for k in order)
    made = []
    for core_px in (256, 1024):
        tiles = tmp_path / f"{core_px}.zarr.zip"
        settings = TileSettings(core_px=core_px, tissue="all")
        tile(slide, tiles, tmp_path / "tissue.geojson", settings, name="s", members=members)
        output = tmp_path / f"{core_px}" / "1-of-1.zarr.zip"
        predict(tiles, output, SETTINGS, members=members)
        with open_maps([output]) as maps:
            assert maps.facts.halo_px == 112
        made.append(whole([output]))
    assert np.ptp(made[0][0]) > 200
    for one, other in zip(*made, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_member_is_shown_no_more_than_it_can_see(canvas, members, monkeypatch):
    ensemble = Ensemble.load(read_cards(members[:1]), torch.device("cpu"), 2)
    (member,) = ensemble.members
    rgb = canvas[0][None, :, :512, :512]
    seen = []
    forward = UNet.forward

    def watched(self, image, margin_px=0):
        seen.append((image.shape[-1], margin_px))
        return forward(self, image, margin_px)

    monkeypatch.setattr(UNet, "forward", watched)
    near = ensemble.mean_and_contrasts(rgb[..., 128:-128, 128:-128], 32)
    far = ensemble.mean_and_contrasts(rgb, 160)
    for one, other in zip((*near[0], near[1]), (*far[0], far[1]), strict=True):
        torch.testing.assert_close(one, other)
    stride, radius = member.stride, member.receptive_radius_px
    least = -(-radius // stride) * stride
    assert set(seen) == {(192 + 2 * least, least)}


def test_the_colour_of_nuclei_depends_on_neither_cores_nor_parts(tmp_path, canvas, members):
    """The sums over the pixels that are probably nucleus, in tissue, of the whole canvas."""
    colours = []
    for core_px, parts in ((1024, 1), (256, 1), (256, 3)):
        folder = tmp_path / f"{core_px}-{parts}"
        paths = [run(folder, canvas, members, core_px, k + 1, parts) for k in range(parts)]
        with open_maps(paths) as maps:
            colours.append(maps.facts.colour)
            np_map = maps.read("np", maps.grid.canvas)
    assert colours[0] == colours[1] == colours[2]
    assert colours[0] == tuple(colour_sums(canvas[0], np_map).tolist())
    assert colours[0][0] > 100


def test_zarr_reads_the_same_maps(tmp_path, canvas, members, reference):
    with ZipStore(run(tmp_path, canvas, members, 256), mode="r") as store:
        group = zarr.open_group(store, mode="r")
        for name, expected in zip(("np", "hv", "tp", "contrasts"), reference, strict=True):
            np.testing.assert_array_equal(group[name][:], expected)


def test_maps_do_not_depend_on_the_parts(tmp_path, canvas, members, reference):
    paths = [run(tmp_path, canvas, members, 256, part, 3) for part in (3, 1, 2)]
    for one, other in zip(whole(paths), reference, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_network_is_asked_in_tissue_only(canvas, reference):
    tissue = canvas[1].repeat(16, 0).repeat(16, 1)[:600, :730] > 0
    for layer in reference:
        assert not layer[..., ~tissue].any()
    assert reference[0][tissue].all(), "a random network is never quite sure"
    np.testing.assert_allclose(reference[2][:, tissue].astype(int).sum(0), 255, atol=len(CLASSES))


def test_maps_are_kept_near_nuclei(tmp_path, canvas, monkeypatch):
    """Up to the pixel beyond a nucleus, also across a seam; far from it they take no room."""
    members = (str(write_member(tmp_path / "sure.safetensors", sure=300)),)
    monkeypatch.setattr(maps_writer, "LEAST_NP", 0)
    np_map, *full = whole([run(tmp_path, canvas, members, 1024)])
    level = int(np.quantile(np_map[np_map > 0], 0.9))
    monkeypatch.setattr(maps_writer, "LEAST_NP", level / 255)
    kept = whole([run(tmp_path, canvas, members, 256)])
    np.testing.assert_array_equal(kept[0], np_map)
    near = ndimage.maximum_filter(np_map >= level, 3)
    rows, columns = (np.arange(side) for side in np_map.shape)
    seam = np.isin(rows % 256, (0, 255))[:, None] | np.isin(columns % 256, (0, 255))
    seam[[0, -1]] = seam[:, [0, -1]] = True
    assert 0.1 < near[seam & (np_map > 0)].mean() < 0.9
    for here, there in zip(kept[1:], full, strict=True):
        np.testing.assert_array_equal(here[..., near], there[..., near])
        assert there[..., ~near & ~seam].any()
        assert not here[..., ~near & ~seam].any()


def test_a_killed_run_goes_on_where_it_was(tmp_path, canvas, members, reference, monkeypatch):
    asked = []
    honest = Ensemble.packed

    def mortal(self, rgb, *how):
        asked.append(rgb.shape)
        if len(asked) == 4:
            raise KeyboardInterrupt
        return honest(self, rgb, *how)

    monkeypatch.setattr(Ensemble, "packed", mortal)
    # What one run asks for core by core, the next may ask for at once.
    with monkeypatch.context() as patch:
        patch.setattr(ask, "_WINDOW_PX", (256, 256))
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, canvas, members, 256)
    assert not list(tmp_path.glob("**/1-of-1.zarr.zip")), "nothing half-made is published"
    path = run(tmp_path, canvas, members, 256)
    with open_maps([path]) as maps:
        np_map = maps.read("np", maps.grid.canvas)
        assert maps.facts.colour == tuple(colour_sums(canvas[0], np_map).tolist())
    # Two of the seven cores with tissue were finished; some of the other five share a window.
    assert len(asked) - 4 <= 5, "finished tiles were not asked again"
    for one, other in zip(whole([path]), reference, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not list(tmp_path.glob("**/.*.work"))


def test_leftovers_of_another_ensemble_are_not_used(tmp_path, canvas, members, monkeypatch):
    def killed(folder, output):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(step, "pack", killed)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, canvas, members[:1], 256)
    mixed = whole([run(tmp_path, canvas, members[1:], 256)])
    clean = whole([run(tmp_path, canvas, members[1:], 512)])
    for one, other in zip(mixed, clean, strict=True):
        np.testing.assert_array_equal(one, other)


def test_two_runs_at_once_do_not_mix(tmp_path, canvas, members):
    output = tmp_path / "tiles256" / "1-of-1.zarr.zip"
    with store_module.workspace(output, {}), pytest.raises(StoreError, match="another process"):
        run(tmp_path, canvas, members, 256)


def test_a_slide_without_tissue_gives_empty_maps(tmp_path, members):
    rgb = np.full((3, 300, 300), 240, np.uint8)
    blank = (rgb, cells_of(np.zeros((300, 300), bool)))
    assert not any(layer.any() for layer in whole([run(tmp_path, blank, members, 256)]))


def test_tiles_of_another_resolution_are_refused(tmp_path, canvas):
    member = str(write_member(tmp_path / "fine.safetensors", mpp=0.25))
    with pytest.raises(StoreError, match=r"works at 0\.25; tile the slide"):
        run(tmp_path, canvas, (member,), 256)


def test_tiles_with_too_small_a_halo_are_refused(tmp_path, canvas, members):
    tiles = write_tiles(tmp_path / "t.zarr.zip", *canvas, 256, halo_px=16)
    with pytest.raises(StoreError, match="halo of 16 px, but the ensemble needs 32"):
        predict(tiles, tmp_path / "m.zarr.zip", SETTINGS, members=members)


def test_a_halo_below_the_overlap_of_tiles_is_refused(tmp_path, canvas, members, monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "unet", replace(ARCHITECTURES["unet"], local=False))
    with pytest.raises(CheckpointError, match=r"largest halo is 32 px, but .* needs 64 or more"):
        run(tmp_path, canvas, members, 512)


def test_members_must_agree(tmp_path, canvas, members):
    stranger = str(write_member(tmp_path / "x.safetensors", classes=("a", "b")))
    with pytest.raises(CheckpointError, match="members of an ensemble must agree"):
        run(tmp_path, canvas, (members[0], stranger), 256)


def test_a_missing_part_is_named(tmp_path, canvas, members):
    first = run(tmp_path, canvas, members, 256, 1, 3)
    with pytest.raises(StoreError, match=r"of 3 parts .* got \[1\]"), open_maps([first]):
        pass


def test_tiles_are_not_maps(tmp_path, canvas, members):
    path = run(tmp_path, canvas, members, 256)
    with pytest.raises(StoreError, match="holds 'maps', expected 'tiles'"), opened(path, "tiles"):
        pass


def test_an_absent_device_is_refused(tmp_path, canvas, members):
    settings = PredictSettings(device=f"cuda:{torch.cuda.device_count()}")
    tiles = write_tiles(tmp_path / "t.zarr.zip", *canvas, 256)
    with pytest.raises(ConfigError, match="devices of CUDA"):
        predict(tiles, tmp_path / "m.zarr.zip", settings, members=members)
