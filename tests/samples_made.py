"""Small labelled samples for the tests of training."""

import numpy as np
from layouts import write_csv
from PIL import Image

from nucwsi.config import TrainSettings
from nucwsi.grid import Window
from nucwsi.labels.targets import hv_targets
from nucwsi.models.quantised import QuantisedMaps
from nucwsi.models.views import VIEWS
from nucwsi.nuclei.constants import PostProcessing, in_pixels
from nucwsi.phantom import CLASSES, Phantom
from nucwsi.training.batches import batch_of_one, resample
from nucwsi.training.sample import Sample

TINY = TrainSettings(
    widths=(4, 6), steps=6, warmup_steps=2, batch_size=2, crop_px=64, validate_every=2, seed=3
)

#: Post-processing that drops next to nothing, in pixels of 0.5 µm.
FIXED = in_pixels(PostProcessing(0.5, 0.08, 1.0, dict.fromkeys(CLASSES, 1.0)), CLASSES, 0.5)


def discs(side=96, seed=0):
    """Draw nuclei, some of them cut by the edge."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((side, side), np.int32)
    rows, columns = np.mgrid[:side, :side] + 0.5
    for number in range(1, 40):
        row, column = rng.uniform(0, side, 2)
        tall, wide = rng.uniform(2.5, 6, 2)
        inside = ((rows - row) / tall) ** 2 + ((columns - column) / wide) ** 2 < 1
        labels[inside & (labels == 0)] = number
    return labels


def sample(seed=0, outlined=True, scale=1.0, side=96):
    labels = discs(side, seed)
    ids = np.unique(labels[labels > 0])
    bits = (1 << (ids % 4)).astype(np.uint8)
    bits[ids % 7 == 0] = 0b110
    lookup = np.zeros(labels.max() + 1, np.uint8)
    lookup[ids] = bits
    image = np.where(labels[..., None] > 0, (90, 60, 140), (235, 190, 215)).astype(np.uint8)
    middles = np.array([np.argwhere(labels == number).mean(0) for number in ids]) + 0.5
    instances = labels if outlined else np.zeros_like(labels)
    return Sample(
        f"set/{seed}",
        image,
        scale,
        outlined,
        instances,
        instances > 0,
        np.full(labels.shape, outlined),
        hv_targets(instances),
        lookup[labels],
        labels,
        np.bincount(labels.ravel()),
        middles,
        bits,
    )


def whole_image(one):
    """Make a batch of a whole sample, on the pixels of the network."""
    rows, columns = (
        np.arange(int(side / one.scale) + 1.0) * one.scale for side in one.image.shape[:2]
    )
    image, labels = resample(one, rows, columns)
    return batch_of_one(image, image, labels, VIEWS[0])


def perfect(one):
    """Make maps without a fault of a sample at 0.5 µm/px."""
    return QuantisedMaps(
        np.where(one.instances > 0, 255, 0).astype(np.uint8),
        (one.hv_map * 127).round().astype(np.int8),
        np.full((4, *one.instances.shape), 64, np.uint8),
        np.empty((0, *one.instances.shape), np.int8),
    )


def write_labelled(folder):
    """Write phantom images with outlines and classes in the documented form."""
    (folder / "phantom").mkdir(parents=True)
    rows = [("dataset", "name", "split", "mpp", "patient")]
    phantom = Phantom((400, 900), 0.5, seed=2)
    for number, split in enumerate(("train", "train", "val", "test")):
        window = Window(100, 150 + 110 * number, 128, 100)
        instances, nuclei = phantom.labels(window)
        ids = np.unique(instances[instances > 0])
        codes = [CLASSES.index(nuclei[index - 1].class_name) + 1 for index in ids]
        stem = folder / "phantom" / f"p{number}"
        Image.fromarray(phantom.paint(window)).save(stem.with_suffix(".png"))
        np.savez(stem.with_suffix(".npz"), instances=instances, ids=ids, classes=codes)
        rows.append(("phantom", stem.name, split, 0.5, f"patient {number}"))
    write_csv(folder / "manifest.csv", *rows)
    names = [("phantom", code, name) for code, name in enumerate(CLASSES, start=1)]
    write_csv(folder / "labels.csv", ("dataset", "code", "name"), *names)
    return folder
