"""Programs: time the network alone on the tiles of a slide, and within a run of ``predict``.

One more writes the network down for another environment.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.measure import THREADS
from nucwsi.config import PredictSettings
from nucwsi.io.stores.reader import CoreReader, opened
from nucwsi.models.card import read_cards
from nucwsi.models.ensemble import Ensemble
from nucwsi.models.loading import load_trainable
from nucwsi.models.precision import choose_precision
from nucwsi.runtime.allocator import keep_freed_memory
from nucwsi.slide.windows import WindowPlan
from nucwsi.steps.predict import predict
from nucwsi.steps.predict.ask import read_window

MEMBERS = ("default",)


class Clock:
    """Counts the seconds in the network: from the bytes of an image to its probabilities."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._asked = Ensemble.mean_and_contrasts

        def timed(*arguments: Any, **named: Any) -> Any:
            started = time.monotonic()
            answer = self._asked(*arguments, **named)
            self.seconds += time.monotonic() - started
            return answer

        Ensemble.mean_and_contrasts = timed  # type: ignore[method-assign]


def windows(tiles: Path) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """Yield the RGB (1, 3, H, W) of each tile's tissue with its halo, and the width of the halo.

    That is what a plain loop asks for; ``predict`` asks for several tiles at once.
    """
    halo_px = read_cards(MEMBERS)[0].halo_px
    with opened(tiles, "tiles") as store:
        cores, cell_px = CoreReader(store.grid, store.chunk), store.facts.tissue_px
        plan = WindowPlan(store.grid, store.tissue(), cell_px, cell_px, halo_px)
        for asked in plan.windows(store.grid.positions(), (1, 1)):
            window = asked.window.grown(halo_px)
            rgb = np.empty((1, 3, *window.shape), np.uint8)
            read_window(cores, window, rgb[0])
            yield rgb, halo_px


def ensemble(precision: torch.dtype | None = None) -> Ensemble:
    """Load the default member as ``predict`` does."""
    torch.set_num_threads(THREADS)
    keep_freed_memory()
    return Ensemble.load(read_cards(MEMBERS), torch.device("cpu"), 1, precision)


def alone(tiles: Path) -> dict[str, Any]:
    """Time the network on all tiles: once for their cores, once for their whole windows."""
    asked = ensemble()
    seconds, n_tiles = [0.0, 0.0], 0
    for rgb, halo_px in windows(tiles):
        for which, margin_px in enumerate((halo_px, 0)):
            started = time.monotonic()
            asked.mean_maps(rgb, margin_px)
            seconds[which] += time.monotonic() - started
        n_tiles += 1
    precision = str(asked.precision).removeprefix("torch.")
    return {"core_s": seconds[0], "whole_s": seconds[1], "n_tiles": n_tiles, "precision": precision}


def within(tiles: Path, maps: Path) -> dict[str, float]:
    """Run ``predict``, and time how long it takes, and how long it spends in the network."""
    clock = Clock()
    settings = PredictSettings(device="cpu")
    started = time.monotonic()
    predict(tiles, maps, settings, members=MEMBERS, threads=THREADS)
    return {"network_s": clock.seconds, "predict_s": time.monotonic() - started}


def exported(path: Path) -> dict[str, Any]:
    """Write what `bench.peer_program` needs of the default member, for torch alone to read."""
    card = read_cards(MEMBERS)[0]
    precision = str(choose_precision(torch.device("cpu"))).removeprefix("torch.")
    facts = {
        "architecture": card.architecture,
        "widths": card.widths,
        "classes": card.classes,
        "mpp": card.mpp,
        "precision": precision,
    }
    torch.save({**facts, "weights": load_trainable(card).state_dict()}, path)
    return facts


if __name__ == "__main__":
    programs: dict[str, Callable[..., dict[str, Any]]] = {
        "alone": alone,
        "within": within,
        "exported": exported,
    }
    print(json.dumps(programs[sys.argv[1]](*map(Path, sys.argv[2:]))))
