"""Program: bfloat16 against float32 on a CPU, in speed and in what comes out."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.network import ensemble, pictures
from nucwsi.models.ensemble import choose_precision

#: One tile in this many is looked at.
_EVERY = 1


def compare(tiles: Path) -> dict[str, Any]:
    """Show the same tiles to both, in turn."""
    precisions = (torch.float32, torch.bfloat16)
    asked = [ensemble(precision) for precision in precisions]
    seconds = [0.0, 0.0]
    steps: list[np.ndarray] = []
    same_mask, same_class = [], []
    for picture, halo_px in pictures(tiles, _EVERY):
        answers = []
        for which, one in enumerate(asked):
            started = time.monotonic()
            answers.append(one.quantised(picture, halo_px)[0])
            seconds[which] += time.monotonic() - started
        exact, fast = answers
        gaps = np.abs(exact.np_map.astype(np.int16) - fast.np_map)
        steps.append(np.bincount(gaps.ravel(), minlength=256))
        inside = (exact.np_map >= 128) & (fast.np_map >= 128)
        same_mask.append(((exact.np_map >= 128) == (fast.np_map >= 128)).mean())
        agreed = exact.tp_map.argmax(0) == fast.tp_map.argmax(0)
        same_class.append(agreed[inside].mean() if inside.any() else 1.0)
    counts = np.sum(steps, axis=0)
    return {
        "ratio": seconds[0] / seconds[1],
        "within_2_of_255": float(counts[:3].sum() / counts.sum()),
        "largest_of_255": int(np.flatnonzero(counts)[-1]),
        "same_mask": float(np.mean(same_mask)),
        "same_class": float(np.mean(same_class)),
        "chosen": str(choose_precision(torch.device("cpu"))).removeprefix("torch."),
    }


if __name__ == "__main__":
    print(json.dumps(compare(Path(sys.argv[1]))))
