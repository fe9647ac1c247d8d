"""Labelled images of the documented form, as training and evaluation take them."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from nucwsi.errors import ConfigError, DataError
from nucwsi.io.datasets import Entry
from nucwsi.io.datasets.manifest import read
from nucwsi.labels.labelled_image import check_codes
from nucwsi.labels.splits import check_leaks, held_out
from nucwsi.labels.taxonomy import class_sets
from nucwsi.training.data import MAX_CLASSES, Sample, make_sample

log = logging.getLogger(__name__)

#: µm per pixel of images that do not say; most public crops were scanned at 40x.
UNKNOWN_MPP = 0.25


def load_samples(
    manifests: list[Path], split: str, classes: tuple[str, ...], target_mpp: float
) -> list[Sample]:
    """Read one split of one or more folders of labelled images.

    An image is left out, with a warning, if another data set holds its patient back for a later
    split: train before val before test.

    Parameters
    ----------
    manifests : list of pathlib.Path
        Folders, or their ``manifest.csv``.
    split : str
        ``train``, ``val`` or ``test``.
    classes : tuple of str
        The model's, in order; what each label may mean of them follows from its name.
    target_mpp : float
        µm per pixel of the model.

    Returns
    -------
    list of Sample
        At least one.

    Raises
    ------
    ConfigError
        If there are too many classes.
    DataError
        If there is no such image, a data set has a patient in two splits, or labels are damaged or
        not known.
    """
    if len(classes) > MAX_CLASSES:
        raise ConfigError(f"`classes` has {len(classes)} names; expected at most {MAX_CLASSES}")
    entries: list[Entry] = []
    sets: dict[tuple[Path, str], dict[int, tuple[str, ...]]] = {}
    origins: list[Path] = []
    for path in manifests:
        found = read(path)
        entries += found.entries
        origins += [path] * len(found.entries)
        for dataset, labels in found.labels.items():
            sets[path, dataset] = class_sets(labels, classes)
    rows = [(entry.dataset, entry.patient, entry.split) for entry in entries]
    check_leaks(rows)
    samples, left_out = [], []
    for entry, origin, held in zip(entries, origins, held_out(rows), strict=True):
        if entry.split != split:
            continue
        name = f"{entry.dataset}/{entry.name}"
        if held:
            left_out.append(name)
            continue
        labelled = entry.read()
        meant = sets[origin, entry.dataset]
        check_codes(f"{origin}: {name}", labelled.codes, tuple(meant))
        mpp = entry.mpp or UNKNOWN_MPP
        sample = make_sample(name, labelled, meant, classes, mpp, target_mpp)
        samples.append(replace(sample, licence=entry.licence))
    listed = ", ".join(map(str, manifests))
    if left_out:
        log.warning(
            "%d images of split %s are left out, because another data set holds their patient"
            " back: %s",
            len(left_out),
            split,
            ", ".join(left_out),
        )
    if not samples:
        raise DataError(f"{listed}: no image of split {split!r}; import a data set that has some")
    log.info("%d images of split %s from %s", len(samples), split, listed)
    return samples
