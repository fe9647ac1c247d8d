"""Program: bfloat16 against float32 on a processor, in speed and in the maps that come out."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.network import ensemble, windows
from nucwsi.models.precision import choose_precision


def compare(tiles: Path) -> dict[str, Any]:
    """Run the network on every tile in both precisions, in turn."""
    precisions = (torch.float32, torch.bfloat16)
    asked = [ensemble(precision) for precision in precisions]
    seconds = [0.0, 0.0]
    steps: list[np.ndarray] = []
    same_mask, same_class = [], []
    for rgb, halo_px in windows(tiles):
        answers = []
        for which, one in enumerate(asked):
            started = time.monotonic()
            answers.append(one.quantised(rgb, halo_px)[0])
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
