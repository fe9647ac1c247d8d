"""`predict`: the ensemble's mean maps of one part of a canvas.

The verb itself is here; `ask` plans the windows, and brings them through the networks and back.
Networks, and the order of the work on a device, are not made here.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch

from nucwsi import RESULT_VERSION
from nucwsi.composition.disagreement import contrast_weights
from nucwsi.config import PredictSettings
from nucwsi.errors import CheckpointError, StoreError
from nucwsi.facts import Member
from nucwsi.io.outputs import check_outputs
from nucwsi.io.stores.arrays import pack
from nucwsi.io.stores.maps_writer import MapsWriter
from nucwsi.io.stores.publish import Workspace, file_checksum, workspace
from nucwsi.io.stores.reader import Store, opened
from nucwsi.models.card import (
    Card,
    canvas_card,
    largest_halo_px,
    mean_count_error,
    mean_miscount,
    read_cards,
)
from nucwsi.models.ensemble import Ensemble
from nucwsi.runtime.allocator import keep_freed_memory
from nucwsi.runtime.device import choose_device
from nucwsi.runtime.lease import leased
from nucwsi.steps.predict.ask import Part

log = logging.getLogger(__name__)

#: Canvas pixels around its core in which each tile's own answer is kept, where tiles may disagree.
#: A nucleus smaller than twice this lies whole in at least one tile.
OVERLAP_PX = 64

#: Smallest core of such tiles, in canvas pixels: the space between two overlaps must be larger than
#: any nucleus.
SMALLEST_CORE_PX = 512


def _checked(store: Store, cards: tuple[Card, ...]) -> int:
    halo_px, finest = largest_halo_px(cards), canvas_card(cards)
    if abs(finest.mpp / store.frame.mpp - 1) > 1e-6:
        raise StoreError(
            f"{store.path}: was tiled at {store.frame.mpp} µm/px, but {finest.path} works at"
            f" {finest.mpp}; tile the slide for this checkpoint"
        )
    if halo_px > store.facts.halo_px:
        raise StoreError(
            f"{store.path}: was tiled for a halo of {store.facts.halo_px} px, but the ensemble"
            f" needs {halo_px}; tile the slide for this ensemble"
        )
    if not all(card.local for card in cards) and store.facts.core_px < SMALLEST_CORE_PX:
        raise StoreError(
            f"{store.path}: was tiled with core_px {store.facts.core_px}, but an ensemble with a"
            f" member that is not local needs {SMALLEST_CORE_PX} or more; tile the slide anew"
        )
    if not all(card.local for card in cards) and halo_px < OVERLAP_PX:
        raise CheckpointError(
            f"{cards[0].path}: the largest halo is {halo_px} px, but an ensemble with a member that"
            f" is not local needs {OVERLAP_PX} or more; save a member anew with a larger halo"
        )
    return halo_px


def predict(
    tiles: Path,
    output: Path,
    settings: PredictSettings,
    *,
    members: tuple[str, ...],
    part: int = 1,
    parts: int = 1,
    threads: int = 1,
) -> None:
    """Predict the maps of one part; a killed run goes on at its last finished tile.

    Parameters
    ----------
    tiles : pathlib.Path
        ``tiles.zarr.zip``.
    output : pathlib.Path
        ``maps/{part}-of-{parts}.zarr.zip``.
    settings : PredictSettings
        Views, device and batch size.
    members : tuple of str
        Checkpoints of the ensemble. The constants of one are stored with the maps; see
        `card.canvas_card`.
    part, parts : int
        Which band of the canvas, of how many.
    threads : int
        Processor cores for the network.

    Raises
    ------
    CheckpointError
        If a member cannot be used.
    StoreError
        If the tiles were made for another ensemble, or the output cannot be written.
    ConfigError
        If the device does not exist.
    """
    cards = read_cards(members)
    check_outputs([output], [tiles, *(card.path for card in cards)])
    torch.set_num_threads(threads)
    keep_freed_memory()
    with opened(tiles, "tiles") as store, leased(choose_device(settings.device)) as device:
        halo_px = _checked(store, cards)
        decisive = {
            "tiles": file_checksum(tiles),
            "members": [card.checksum for card in cards],
            "views": settings.views,
            "part": [part, parts],
            "result_version": RESULT_VERSION,
        }
        exact = all(card.local for card in cards)
        facts = store.facts.with_(
            kind="maps",
            exact=exact,
            overlap_px=0 if exact else OVERLAP_PX,
            classes=cards[0].classes,
            unions=canvas_card(cards).unions,
            members=tuple(Member(name=card.name, checksum=card.checksum) for card in cards),
            views=settings.views,
            contrasts=len(contrast_weights(settings.views, len(cards))),
            part=part,
            parts=parts,
            post_processing=canvas_card(cards).post_processing,
            count_error=mean_count_error(cards),
            miscount=mean_miscount(cards),
            domain=canvas_card(cards).domain,
        )
        if not exact:
            log.warning(
                "%s: not local, so results depend on core_px; nuclei are merged by overlap",
                ", ".join(card.name for card in cards if not card.local),
            )
        ensemble = Ensemble.load(cards, device, settings.views)
        if store.facts.core_px % ensemble.stride:
            raise StoreError(
                f"{store.path}: was tiled with core_px {store.facts.core_px}, but the ensemble"
                f" needs a multiple of its stride, {ensemble.stride} px; tile the slide anew"
            )
        facts = facts.with_(precision=str(ensemble.precision).removeprefix("torch."))
        log.info("%s, %s, %d members", device, ensemble.precision, len(cards))
        # A run that goes on where numbers are rounded otherwise would mix two kinds of maps.
        with workspace(output, {**decisive, "precision": facts.precision}) as place:
            writer = MapsWriter(place.folder / "maps", facts, store.tissue())
            part_of = Part(store, ensemble, writer, place, facts, halo_px)
            part_of.predict(settings.batch_size, threads)
            writer.conclude(facts.with_(colour=_colour(place)))
            pack(place.folder / "maps", output)


def _colour(place: Workspace) -> tuple[int, int, int, int]:
    """Add up the colours of the nuclei of all tiles, as `domain.colour_sums`."""
    sums = np.zeros(4, np.int64)
    for note in place.done.values():
        sums += np.array(note.split(), np.int64)
    n_pixels, red, green, blue = sums.tolist()
    return n_pixels, red, green, blue
