"""Program: a network trained as ``train`` does it, and its scores."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from nucwsi import metrics
from nucwsi.config import TrainSettings
from nucwsi.models.card import read_cards
from nucwsi.models.unet import UNet
from nucwsi.nuclei.window import in_pixels
from nucwsi.runtime.allocator import keep_freed_memory
from nucwsi.runtime.device import choose_device
from nucwsi.training.data import Sample
from nucwsi.training.labelled_nuclei import found, maps_of
from nucwsi.training.load_samples import load_samples
from nucwsi.training.loop import train
from nucwsi.training.teachers import teaching
from nucwsi.training.tuning import class_accuracy, first_constants, outlines_by_source

#: Small layers: threads would wait for each other more than they compute.
_THREADS = 1


def _learnt(samples: list[Sample], how: TrainSettings, device: torch.device) -> UNet:
    teach = teaching(read_cards(how.teachers), how, device)
    with tempfile.TemporaryDirectory(prefix="nucwsi-bench-") as folder:
        return train(samples, how, Path(folder), device, lambda _: {}, teach)


def scores(images: Path, how: TrainSettings) -> dict[str, float]:
    """Train, and score with constants of post-processing that are the same for all networks."""
    torch.set_num_threads(_THREADS)
    keep_freed_memory()
    device = choose_device("auto")
    learnt_from, val, test = (
        load_samples([images], split, how.classes, how.mpp) for split in ("train", "val", "test")
    )
    network = _learnt(learnt_from, how, device)
    val_maps, test_maps = (maps_of(network, samples, device) for samples in (val, test))
    fixed = first_constants(how.classes)
    fixed_px = in_pixels(fixed, how.classes, how.mpp)
    pairs = [
        (sample.instances, found(maps, fixed_px, sample).labels)
        for sample, maps in zip(test, test_maps, strict=True)
    ]
    by_source = outlines_by_source(val, val_maps, fixed, how.mpp)
    return {
        **{f"pq_{source}": score.pq for source, score in by_source.items()},
        "class_accuracy": class_accuracy(val, val_maps),
        "pq": float(np.nanmean([metrics.panoptic(*pair).pq for pair in pairs])),
        "aji": float(np.nanmean([metrics.aji(*pair) for pair in pairs])),
        "dice": float(np.nanmean([metrics.dice(*pair) for pair in pairs])),
    }


if __name__ == "__main__":
    print(json.dumps(scores(Path(sys.argv[1]), TrainSettings.model_validate_json(sys.argv[2]))))
