"""Stores and checkpoints made without a slide and without training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from nucwsi.facts import Member, SlideFacts
from nucwsi.grid import CELL_PX, Frame, TileGrid
from nucwsi.io.stores.arrays import create_array, create_group, pack
from nucwsi.models.checkpoint import save_checkpoint
from nucwsi.models.unet import UNet
from nucwsi.nuclei.constants import PostProcessing
from nucwsi.steps.predict import OVERLAP_PX

CLASSES = ("epithelial", "inflammatory", "spindle", "other")
CONSTANTS = PostProcessing(0.5, 0.16, 1.0, dict.fromkeys(CLASSES, 5.0))


def frame_of(shape, mpp=0.5):
    height, width = shape
    return Frame(shape, mpp, (mpp / 2, mpp / 2), (0.0, 0.0), (2 * height, 2 * width))


def tile_facts(frame, core_px, halo_px=112, **more):
    """What `tile` says of a phantom that is tissue everywhere."""
    facts = SlideFacts(
        kind="tiles",
        slide="phantom",
        slide_checksum="0" * 32,
        vendor="phantom",
        mpp_source="phantom",
        frame=frame,
        core_px=core_px,
        halo_px=halo_px,
        tissue_px=CELL_PX,
        tile={},
        tissue_um2=float(np.prod(frame.shape)) * frame.mpp**2,
        result_version=1,
    )
    return facts.with_(**more)


def nucleus_facts(frame, core_px=64, classes=CLASSES, **more):
    """What `stitch` says of a phantom's nuclei that a perfect network has found."""
    made = {
        "kind": "nuclei",
        "classes": tuple(classes),
        "members": (Member(name="perfect", checksum="1" * 32),),
        "post_processing": replace(CONSTANTS, min_area_um2=dict.fromkeys(classes, 5.0)),
        "precision": "float32",
        "n_dropped": dict.fromkeys(classes, 0),
    }
    return tile_facts(frame, core_px, **{**made, **more})


def cells_of(mask):
    """Tell which cells of `CELL_PX` hold a pixel of the mask."""
    height, width = mask.shape
    room = ((0, -height % CELL_PX), (0, -width % CELL_PX))
    padded = np.pad(mask, room)
    rows, columns = (side // CELL_PX for side in padded.shape)
    return padded.reshape(rows, CELL_PX, columns, CELL_PX).any((1, 3)).astype(np.uint8)


def write_tiles(path: Path, rgb, tissue, core_px, halo_px=112, mpp=0.5):
    """Publish a canvas (3, H, W) as ``tiles.zarr.zip``; `tissue` is in cells."""
    frame = frame_of(rgb.shape[1:], mpp)
    folder = path.with_suffix(".folder")
    group = create_group(folder, {"nucwsi": tile_facts(frame, core_px, halo_px).to_json()})
    create_array(group, "0", rgb.shape, (3, core_px, core_px), "u1", 255)[:] = rgb
    create_array(group, "tissue", tissue.shape, tissue.shape, "u1", 0)[:] = tissue
    pack(folder, path)
    return path


def write_maps(
    path: Path, maps, tissue, core_px, part=1, parts=1, constants=CONSTANTS, seen_from=None
):
    """Publish np (H, W), hv (2, H, W), tp (C, H, W) as one part of a slide's maps.

    For a network that is not local, `seen_from` gives the same three as seen from the core at
    (row, column), of the core with `OVERLAP_PX` all around.
    """
    np_map, hv_map, tp_map = maps
    grid = TileGrid(np_map.shape, core_px)
    classes = CLASSES[: len(tp_map)]
    smallest = {name: constants.min_area_um2[name] for name in classes}
    facts = nucleus_facts(
        frame_of(np_map.shape),
        core_px,
        classes,
        kind="maps",
        exact=seen_from is None,
        overlap_px=0 if seen_from is None else OVERLAP_PX,
        part=part,
        parts=parts,
        post_processing=replace(constants, min_area_um2=smallest),
        n_dropped={},
    )
    folder = path.with_suffix(".folder")
    group = create_group(folder, {"nucwsi": facts.to_json()})
    create_array(group, "tissue", tissue.shape, tissue.shape, "u1", 0)[:] = tissue
    rows = grid.band(part, parts)
    for name, values, dtype in (("np", np_map, "u1"), ("hv", hv_map, "i1"), ("tp", tp_map, "u1")):
        lead = values.shape[:-2]
        array = create_array(group, name, values.shape, (*lead, core_px, core_px), dtype, 0)
        for at in grid.positions(rows):
            window = (..., *grid.core(*at).slices)
            array[window] = values[window]
        if seen_from is not None:
            side = core_px + 2 * OVERLAP_PX
            whole = (*lead, grid.n_rows * side, grid.n_columns * side)
            array = create_array(group, f"around_{name}", whole, (*lead, side, side), dtype, 0)
            for at in grid.positions(rows):
                row, column = at[0] * side, at[1] * side
                mine = seen_from(*at)[("np", "hv", "tp").index(name)]
                array[..., row : row + side, column : column + side] = mine
    pack(folder, path)
    return path


def write_member(
    path: Path, seed=0, widths=(4, 6, 8), classes=CLASSES, mpp=0.5, halo_px=32, sure=1
):
    """Write a small checkpoint with random weights, its answer to `np` so many times as sure."""
    torch.manual_seed(seed)
    network = UNet(widths, len(classes))
    with torch.no_grad():
        network.heads.weight[0] *= sure
    description = {
        "name": path.stem,
        "widths": list(widths),
        "classes": list(classes),
        "mpp": mpp,
        "halo_px": halo_px,
        "post_processing": PostProcessing(0.5, 0.16, 1.0, dict.fromkeys(classes, 5.0)),
        "about": {"licence": "none: random weights"},
    }
    save_checkpoint(path, network.state_dict(), description)
    return path
