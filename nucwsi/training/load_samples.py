"""Labelled images of the documented form, as training and evaluation take them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from nucwsi.errors import ConfigError, DataError
from nucwsi.io.datasets import Entry
from nucwsi.io.datasets.manifest import read
from nucwsi.labels.labelled_image import check_codes
from nucwsi.labels.splits import check_leaks, held_out
from nucwsi.labels.taxonomy import class_sets
from nucwsi.training.sample import MAX_CLASSES, Sample, make_sample

log = logging.getLogger(__name__)

#: µm per pixel of images whose manifest names none; most public crops were scanned at 40x.
UNKNOWN_MPP = 0.25


def load_samples(
    folders: list[Path], split: str, classes: tuple[str, ...], target_mpp: float
) -> list[Sample]:
    """Read one split of one or more folders of labelled images.

    An image is left out, with a warning, if another data set holds its patient back for a later
    split: train before val before test.

    Parameters
    ----------
    folders : list of pathlib.Path
        Folders of labelled images, or their ``manifest.csv``.
    split : str
        ``train``, ``val`` or ``test``.
    classes : tuple of str
        Classes of the network, in order; which of them a label may mean follows from its name.
    target_mpp : float
        µm per pixel of the network.

    Returns
    -------
    list of Sample
        At least one, each on the pixels of its image.

    Raises
    ------
    ConfigError
        If there are more than `MAX_CLASSES` classes.
    DataError
        If the split has no image, a data set has a patient in two splits, or labels are damaged or
        of an unknown name.
    """
    unread = find_samples(folders, split, classes, target_mpp)
    if not unread:
        listed = ", ".join(map(str, folders))
        raise DataError(f"{listed}: no image of split {split!r}; import a data set that has some")
    return [one.read() for one in unread]


class UnreadSample(NamedTuple):
    """A labelled image that is yet to be read.

    Attributes
    ----------
    dataset : str
        Name of its data set.
    read : callable
        Returns the Sample, on the pixels of its image.
    """

    dataset: str
    read: Callable[[], Sample]


def find_samples(
    folders: list[Path], split: str, classes: tuple[str, ...], target_mpp: float
) -> list[UnreadSample]:
    """List one split of one or more folders of labelled images, of which some may be read.

    Parameters
    ----------
    folders, split, classes, target_mpp
        As for `load_samples`.

    Returns
    -------
    list of UnreadSample
        In the order of the manifests; may be empty.

    Raises
    ------
    ConfigError, DataError
        As `load_samples`, but for a split without images.
    """
    if len(classes) > MAX_CLASSES:
        raise ConfigError(f"`classes` has {len(classes)} names; expected at most {MAX_CLASSES}")
    entries: list[Entry] = []
    origins: list[Path] = []
    meanings: dict[tuple[Path, str], dict[int, tuple[str, ...]]] = {}
    for folder in folders:
        listing = read(folder)
        entries += listing.entries
        origins += [folder] * len(listing.entries)
        for dataset, labels in listing.labels.items():
            meanings[folder, dataset] = class_sets(labels, classes)
    rows = [(entry.dataset, entry.patient, entry.split) for entry in entries]
    check_leaks(rows)
    of_split = [
        (entry, folder, held)
        for entry, folder, held in zip(entries, origins, held_out(rows), strict=True)
        if entry.split == split
    ]
    left_out = [f"{entry.dataset}/{entry.name}" for entry, _, held in of_split if held]
    kept = [(entry, folder) for entry, folder, held in of_split if not held]
    if left_out:
        log.warning(
            "%d images of split %s are left out, because another data set holds their patient"
            " back: %s",
            len(left_out),
            split,
            ", ".join(left_out),
        )
    log.info("%d images of split %s from %s", len(kept), split, ", ".join(map(str, folders)))
    return [
        UnreadSample(
            entry.dataset,
            partial(
                _read_sample, entry, folder, meanings[folder, entry.dataset], classes, target_mpp
            ),
        )
        for entry, folder in kept
    ]


def _read_sample(
    entry: Entry,
    folder: Path,
    meaning: dict[int, tuple[str, ...]],
    classes: tuple[str, ...],
    target_mpp: float,
) -> Sample:
    """Read one image; `meaning` is label code -> the classes that it may mean."""
    name, labelled = f"{entry.dataset}/{entry.name}", entry.read()
    check_codes(f"{folder}: {name}", labelled.codes, tuple(meaning))
    mpp = entry.mpp or UNKNOWN_MPP
    sample = make_sample(name, labelled, meaning, classes, mpp, target_mpp)
    return replace(sample, licence=entry.licence)
