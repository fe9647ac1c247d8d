"""`data import`: bring published labelled images into one documented form."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nucwsi.config import ImportSettings
from nucwsi.errors import ConfigError, DataError, StoreError
from nucwsi.io.datasets import READERS, Entry
from nucwsi.io.datasets.write import Writer
from nucwsi.io.outputs import check_outputs
from nucwsi.io.stores.publish import is_taken, published
from nucwsi.labels.labelled_image import check_codes
from nucwsi.labels.splits import SPLITS, check_leaks, draw_splits
from nucwsi.labels.taxonomy import kinds
from nucwsi.runtime.progress import progress
from nucwsi.slide.mpp import PLAUSIBLE_UM

log = logging.getLogger(__name__)

#: Layout of a pathologist's answers, which are of results and no published data set.
REVIEW = "review"


def import_data(
    layout: str,
    source: Path,
    output: Path,
    settings: ImportSettings,
    *,
    mpp: float | None = None,
    parts: dict[str, str] | None = None,
    answers: Sequence[Path] = (),
    slides: Sequence[Path] = (),
) -> None:
    """Bring a published data set into the documented form, whole or not at all.

    Parameters
    ----------
    layout : str
        One of `nucwsi.io.datasets.READERS`, or ``review``.
    source : pathlib.Path
        Folder of the data set, as published; for ``review``, folder of results.
    output : pathlib.Path
        Folder to make, in the form of docs/data.md.
    settings : ImportSettings
        Shares and seed of the splits that are drawn.
    mpp : float, optional
        µm per pixel of all images; default: as published.
    parts : dict, optional
        Part of the publication, such as a fold -> split; default: as published.
    answers, slides : sequence of pathlib.Path
        For ``review``: files of answers, and slides that are not where the results say.

    Raises
    ------
    ConfigError
        If the data set lacks a part, a split is none of the three, or `mpp` is not plausible.
    DataError
        If `source` has another layout, labels are damaged, or two splits share a patient.
    StoreError
        If `output` exists or cannot be written.
    """
    low, high = PLAUSIBLE_UM
    if mpp is not None and not low <= mpp <= high:
        raise ConfigError(f"`mpp` is {mpp:g} µm; expected {low} to {high}, for example 0.25 at 40x")
    if bool(answers) != (layout == REVIEW):
        lacking = "needs --answers" if layout == REVIEW else "has no answers"
        raise ConfigError(f"`--from {layout}` {lacking}; name a pathologist's answers for results")
    check_outputs([output], [*answers, *slides], within=[source], folder=True)
    if is_taken(output):
        raise StoreError(f"{output}: exists already; remove it or choose another folder")
    # The name of its own folder may say which part of a data set the source is.
    if layout == REVIEW:
        from nucwsi.steps.review_data import review_listing

        if mpp is not None:
            raise ConfigError("`mpp` is that of the slides; leave it out")
        listing = review_listing(source, answers, slides)
    else:
        listing = READERS[layout](source.absolute())
    for names in listing.labels.values():
        kinds(list(names.values()))
    entries = _with_splits(_checked(listing.entries, source), settings, parts or {})
    check_leaks((e.dataset, e.patient, e.split) for e in entries)
    n_nuclei = 0
    with published(output) as aside, progress("import", len(entries), "images") as advance:
        aside.mkdir()
        writer = Writer(aside, listing.labels)
        for entry in entries:
            labelled = entry.read()
            codes = tuple(listing.labels[entry.dataset])
            check_codes(f"{source}: {entry.dataset}/{entry.name}", labelled.codes, codes)
            writer.add(replace(entry, mpp=entry.mpp if mpp is None else mpp), labelled)
            n_nuclei += len(labelled.ids)
            advance(1)
        if not n_nuclei:
            raise DataError(f"{source}: none of {len(entries)} images has a nucleus")
        writer.close()
    sizes = Counter(entry.split for entry in entries)
    shown = ", ".join(f"{sizes[split]} {split}" for split in SPLITS)
    log.info("%d nuclei in %d images (%s)", n_nuclei, len(entries), shown)


def _checked(entries: tuple[Entry, ...], source: Path) -> tuple[Entry, ...]:
    """Return the entries if there are any, and each can name the files of its image alone."""
    if not entries:
        raise DataError(f"{source}: holds no image")
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        if entry.name.startswith(".") or any(
            Path(n).name != n for n in (entry.dataset, entry.name)
        ):
            raise DataError(f"{source}: {entry.dataset}/{entry.name} cannot name a file")
        if (entry.dataset, entry.name) in seen:
            raise DataError(f"{source}: {entry.dataset}/{entry.name} occurs twice; expected once")
        seen.add((entry.dataset, entry.name))
    return entries


def _with_splits(
    entries: tuple[Entry, ...], settings: ImportSettings, parts: dict[str, str]
) -> list[Entry]:
    """Give every image a split: the one that is asked for, else as published, else drawn."""
    _check_parts(parts, {entry.part for entry in entries} - {""})
    splits = [parts.get(entry.part, entry.split) or "train" for entry in entries]
    shares = {"val": settings.val_share, "test": settings.test_share}
    missing = {split: share for split, share in shares.items() if share and split not in splits}
    if missing and "train" in splits:
        splits = _drawn(entries, splits, missing, settings.seed)
    return [replace(entry, split=split) for entry, split in zip(entries, splits, strict=True)]


def _check_parts(parts: dict[str, str], published_parts: set[str]) -> None:
    if strange := parts.keys() - published_parts:
        listed = ", ".join(sorted(published_parts)) or "none"
        raise ConfigError(f"part {sorted(strange)[0]!r} is not in the data set; it has {listed}")
    for part, split in parts.items():
        if split not in SPLITS:
            raise ConfigError(
                f"part {part!r} is to be {split!r}; expected {', '.join(SPLITS)}, for example"
                f" {part}=val"
            )


def _drawn(
    entries: tuple[Entry, ...], splits: list[str], shares: dict[str, float], seed: int
) -> list[str]:
    """Draw the splits that `shares` names out of the images that train, patient by patient."""
    # Without patients each image stands for itself.
    owners = [entry.patient or f"{entry.dataset}/{entry.name}" for entry in entries]
    if not all(entry.patient for entry in entries):
        log.warning("patients are not known: images are drawn one by one")
    pairs = list(zip(owners, splits, strict=True))
    drawn = draw_splits({owner for owner, split in pairs if split == "train"}, shares, seed)
    return [drawn[owner] if split == "train" else split for owner, split in pairs]
