"""Program: intervals of counts, and domains, of sources that were left out when they were made."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from nucwsi.composition.look import stretch_of
from nucwsi.composition.poisson_binomial import Z95
from nucwsi.models.card import read_card
from nucwsi.models.ensemble import Ensemble
from nucwsi.nuclei.constants import in_pixels
from nucwsi.runtime.allocator import keep_freed_memory
from nucwsi.runtime.device import choose_device
from nucwsi.training.count_truth import ImageCounts, count_images, telling
from nucwsi.training.labelled_nuclei import predict_image
from nucwsi.training.load_samples import find_samples
from nucwsi.training.sample import Sample
from nucwsi.training.sampling import by_turns
from nucwsi.training.trust import Seen, domain_of, look_of, see

#: Images of each split of a source that are looked at.
_MOST = 150

#: A class is rare in an image below this share of its nuclei.
_RARE = 0.2

#: Images that are altered to see whether that is noticed.
_ALTERED = 60


def _swapped(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image[..., ::-1]


def _blue(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the image as if it were stained with haematoxylin alone: grey-blue."""
    grey = image.mean(axis=2, keepdims=True)
    return np.clip(grey * (0.85, 0.9, 1.05), 0, 255).astype(np.uint8)


def _faint(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.rint(255 * (image / 255) ** 0.4).astype(np.uint8)


def _blurred(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return ndimage.gaussian_filter(image, (4, 4, 0))


#: What is done to an image -> how; a function of its colours, or a factor of its pixels' size.
ALTERED: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | float] = {
    "red and blue exchanged": _swapped,
    "one stain, grey-blue": _blue,
    "stain of 0.4 of its density": _faint,
    "blur of 4 px (sigma)": _blurred,
    "mpp stated twice as large": 2.0,
    "mpp stated half as large": 0.5,
}


def _altered(sample: Sample, how: Any) -> Sample:
    if callable(how):
        return replace(sample, image=how(sample.image))
    return replace(sample, scale=sample.scale / how)


def _by_shares(
    fitted: ImageCounts, counts: ImageCounts, name: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the intervals of version 0.2: the error is a share of all nuclei found."""
    seen, estimate = fitted.estimate, counts.estimate
    usable = (fitted.source != name)[:, None] & fitted.known & (seen.n_nuclei > 0)[:, None]
    beyond = (fitted.truth - seen.expected) ** 2 - seen.variance
    shares = beyond / np.maximum(seen.n_nuclei, 1)[:, None] ** 2
    mean = np.where(usable, shares, 0).sum(axis=0) / np.maximum(usable.sum(axis=0), 1)
    far = Z95 * np.sqrt(np.maximum(0, mean)) * estimate.n_nuclei[:, None]
    below, above = (np.hypot(estimate.expected - end, far) for end in (estimate.low, estimate.high))
    low, high = np.floor(estimate.expected - below), np.ceil(estimate.expected + above)
    return np.maximum(0, low), high


def _counted(seen: list[Seen], n_classes: int) -> tuple[ImageCounts, list[str]]:
    """Count the images whose labels tell kinds of cells apart; also return their names."""
    told = telling([one.sample for one in seen])
    used = [one for one, wanted in zip(seen, told, strict=True) if wanted]
    counts = count_images([one.sample for one in used], [one.nuclei for one in used], n_classes)
    return counts, [used[place].sample.name for place in counts.place]


def _intervals(
    unlearnt: list[Seen], every: list[Seen], n_classes: int, stretch: dict[str, float]
) -> list[dict[str, Any]]:
    """Compare both rules source by source, each fitted to what was not learnt from elsewhere."""
    fitted, _ = _counted(unlearnt, n_classes)
    rows: list[dict[str, Any]] = []
    for what, seen in (("not learnt from", unlearnt), ("all", every)):
        counts, names = _counted(seen, n_classes)
        factor = np.array([stretch.get(name, 1.0) for name in names])
        for name in np.unique(fitted.source):
            own, error = counts.source == name, fitted.error(name)
            rules = {
                "share": _by_shares(fitted, counts, name),
                "class": counts.estimate.interval(error),
                "class, widened": counts.estimate.interval(error, factor),
            }
            if what == "all" and own.sum() == (fitted.source == name).sum():
                continue
            rows += [
                {"source": str(name), "of": what, "rule": rule, **_summary(counts, own, *ends)}
                for rule, ends in rules.items()
            ]
    return rows


def _summary(
    counts: ImageCounts, own: NDArray[np.bool_], low: NDArray[Any], high: NDArray[Any]
) -> dict[str, Any]:
    """Return the coverage of each class over some images, and the median width where it is rare."""
    estimate = counts.estimate
    known = counts.known & own[:, None]
    rare = known & (estimate.expected < _RARE * estimate.n_nuclei[:, None])
    held = (low <= counts.truth) & (counts.truth <= high)
    return {
        "images": int(own.sum()),
        "nuclei": float(np.median(estimate.n_nuclei[own])),
        "coverage": [
            float(held[here, code].mean()) if here.any() else None
            for code, here in enumerate(known.T)
        ],
        "width": [
            float(np.median((high - low)[here, code])) if here.any() else None
            for code, here in enumerate(rare.T)
        ],
    }


def _domains(seen: list[Seen], own: set[str], mpp: float) -> tuple[list[dict[str, Any]], Any]:
    """Return how many images of each source are out of the domain of the others, and of all."""
    learnt = [one for one in seen if one.sample.dataset in own]
    whole, rows = domain_of(learnt, mpp), []
    if whole is None:
        return [], None
    for name in sorted({one.sample.dataset for one in seen}):
        looks = np.array([look_of(one, mpp) for one in seen if one.sample.dataset == name])
        looks = looks[np.isfinite(looks).all(axis=1)]
        without = domain_of([one for one in learnt if one.sample.dataset != name], mpp)
        if len(looks) and without is not None:
            rows.append(
                {
                    "source": name,
                    "learnt": name in own,
                    "images": len(looks),
                    "inside": float((whole.distance(looks) > 1).mean()) if name in own else None,
                    "left out": float((without.distance(looks) > 1).mean()),
                }
            )
    return rows, whole


def measure(folders: list[Path], member: str, threads: int) -> dict[str, Any]:
    """Look at all images with one network, and compare."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    card = read_card(member)
    ensemble = Ensemble.load((card,), choose_device("auto"), views=1)
    fixed = in_pixels(card.post_processing, card.classes, card.mpp)
    own = set(card.about.get("images", []))
    seen: dict[str, list[Seen]] = {}
    altered: dict[str, list[Seen]] = {how: [] for how in ALTERED}
    for split in ("val", "train", "test"):
        unread = find_samples(folders, split, card.classes, card.mpp)
        taken: dict[str, int] = {}
        seen[split] = []
        for place in by_turns([one.dataset for one in unread]):
            name = unread[place].dataset
            taken[name] = taken.get(name, 0) + 1
            if taken[name] > _MOST:
                continue
            sample = unread[place].read()
            seen[split].append(see(sample, predict_image(ensemble, sample), fixed))
            if split == "val" and name in own and len(altered["blur of 4 px (sigma)"]) < _ALTERED:
                for how, change in ALTERED.items():
                    other = _altered(sample, change)
                    altered[how].append(see(other, predict_image(ensemble, other), fixed))
    every = [one for split in seen.values() for one in split]
    rates, domain = _domains(every, own, card.mpp)
    unlearnt = [*seen["val"], *(one for one in seen["train"] if one.sample.dataset not in own)]
    tuned = [*seen["val"], *seen["train"]]
    stretch = {}
    if domain is not None:
        distance = domain.distance(np.array([look_of(one, card.mpp) for one in every]))
        names = [one.sample.name for one in every]
        stretch = dict(zip(names, stretch_of(distance).tolist(), strict=True))
    looks = {
        how: np.array([look_of(one, card.mpp) for one in a]) for how, a in altered.items() if a
    }
    noticed = {
        how: float((domain.distance(found[np.isfinite(found).all(axis=1)]) > 1).mean())
        for how, found in looks.items()
        if domain is not None
    }
    return {
        "classes": list(card.classes),
        "intervals": _intervals(unlearnt, tuned, len(card.classes), stretch),
        "domains": rates,
        "altered": noticed,
        "n_altered": len(next(iter(altered.values()))),
    }


if __name__ == "__main__":
    folders = [Path(name) for name in json.loads(sys.argv[1])]
    print(json.dumps(measure(folders, sys.argv[2], int(sys.argv[3]))))
