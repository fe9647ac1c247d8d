"""Program: train a network as ``train`` does, and score it."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from nucwsi.config import TrainSettings
from nucwsi.models.card import read_cards
from nucwsi.models.unet import UNet
from nucwsi.nuclei.constants import in_pixels
from nucwsi.runtime.allocator import keep_freed_memory
from nucwsi.runtime.device import choose_device
from nucwsi.training.confidence import class_accuracy
from nucwsi.training.labelled_nuclei import find_nuclei, predict_images
from nucwsi.training.load_samples import load_samples
from nucwsi.training.loop import train
from nucwsi.training.sample import Sample
from nucwsi.training.scores import score_image
from nucwsi.training.teachers import load_teachers
from nucwsi.training.tuning import first_constants
from nucwsi.training.validation import outlines_by_dataset

#: Layers are so small that threads would wait for each other more than they compute.
_THREADS = 1


def _train(samples: list[Sample], how: TrainSettings, device: torch.device) -> UNet:
    teach = load_teachers(read_cards(how.teachers), how, device)
    with tempfile.TemporaryDirectory(prefix="nucwsi-bench-") as folder:
        return train(samples, how, Path(folder), device, lambda _: {}, teach)


def scores(images: list[Path], how: TrainSettings) -> dict[str, float]:
    """Train, and score with the constants of post-processing that every search begins with."""
    torch.set_num_threads(_THREADS)
    keep_freed_memory()
    device = choose_device("auto")
    shown, val, test = (
        load_samples(images, split, how.classes, how.mpp) for split in ("train", "val", "test")
    )
    network = _train(shown, how, device)
    val_maps, test_maps = (predict_images(network, samples, device) for samples in (val, test))
    fixed = first_constants(how.classes)
    fixed_px = in_pixels(fixed, how.classes, how.mpp)
    values = [
        score_image(s, find_nuclei(maps, fixed_px, s), len(how.classes), how.mpp).values
        for s, maps in zip(test, test_maps, strict=True)
    ]
    outlines = outlines_by_dataset(val, val_maps, fixed, how.mpp)
    return {
        **{f"pq_{dataset}": score.pq for dataset, score in outlines.items()},
        "class_accuracy": class_accuracy(val, val_maps),
        **{
            name: float(np.nanmean([one[name] for one in values])) for name in ("pq", "aji", "dice")
        },
    }


if __name__ == "__main__":
    asked = TrainSettings.model_validate_json(sys.argv[1])
    print(json.dumps(scores([Path(folder) for folder in sys.argv[2:]], asked)))
