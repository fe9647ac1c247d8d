"""`data import`: published labelled images in one documented form."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path

from nucwsi.config import ImportSettings
from nucwsi.errors import ConfigError, DataError, StoreError
from nucwsi.io.datasets import READERS, Entry
from nucwsi.io.datasets.write import Writer
from nucwsi.io.stores.publish import published
from nucwsi.labels.labelled_image import check_codes
from nucwsi.labels.splits import SPLITS, check_leaks, draw_splits
from nucwsi.labels.taxonomy import kinds
from nucwsi.runtime.progress import progress
from nucwsi.slide.mpp import PLAUSIBLE_UM

log = logging.getLogger(__name__)


def import_data(
    layout: str,
    source: Path,
    output: Path,
    settings: ImportSettings,
    *,
    mpp: float | None = None,
    parts: dict[str, str] | None = None,
) -> None:
    """Bring a published data set into the documented form, whole or not at all.

    Parameters
    ----------
    layout : str
        One of `nucwsi.io.datasets.READERS`.
    source : pathlib.Path
        Folder of the data set.
    output : pathlib.Path
        Folder to make.
    settings : ImportSettings
    mpp : float, optional
        µm per pixel of all images, instead of the publication's.
    parts : dict, optional
        Part of the publication, such as a fold -> split, instead of the usual one.

    Raises
    ------
    ConfigError
        If a part is not there, or no split is named for it, or `mpp` is not believable.
    DataError
        If the layout is another, labels are damaged, or splits share a patient.
    StoreError
        If `output` exists or cannot be written.
    """
    low, high = PLAUSIBLE_UM
    if mpp is not None and not low <= mpp <= high:
        raise ConfigError(f"`mpp` is {mpp:g} µm; expected {low} to {high}, for example 0.25 at 40x")
    if output.exists():
        raise StoreError(f"{output}: exists already; remove it or choose another folder")
    # The name of its own folder may say which part of a data set the source is.
    found = READERS[layout](source.absolute())
    for named in found.labels.values():
        kinds(list(named.values()))
    entries = _assigned(_checked(found.entries, source), settings, parts or {})
    check_leaks((e.dataset, e.patient, e.split) for e in entries)
    n_nuclei = 0
    with published(output) as aside, progress("import", len(entries), "images") as advance:
        aside.mkdir()
        writer = Writer(aside, found.labels)
        for entry in entries:
            labelled = entry.read()
            known = tuple(found.labels[entry.dataset])
            check_codes(f"{source}: {entry.dataset}/{entry.name}", labelled.codes, known)
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


def _assigned(
    entries: tuple[Entry, ...], settings: ImportSettings, parts: dict[str, str]
) -> list[Entry]:
    """Give every image a split: as asked for, else as published, else drawn."""
    known = {entry.part for entry in entries} - {""}
    if strange := parts.keys() - known:
        listed = ", ".join(sorted(known)) or "none"
        raise ConfigError(f"part {sorted(strange)[0]!r} is not in the data set; it has {listed}")
    for part, split in parts.items():
        if split not in SPLITS:
            raise ConfigError(
                f"part {part!r} is to be {split!r}; expected {', '.join(SPLITS)}, for example"
                f" {part}=val"
            )
    placed = [replace(e, split=parts.get(e.part, e.split) or "train") for e in entries]
    present = {entry.split for entry in placed}
    shares = {"val": settings.val_share, "test": settings.test_share}
    wanted = {split: share for split, share in shares.items() if share and split not in present}
    if not wanted or "train" not in present:
        return placed
    # Without patients each image stands for itself.
    owners = [e.patient or f"{e.dataset}/{e.name}" for e in placed]
    if not all(entry.patient for entry in placed):
        log.warning("patients are not known: images are drawn one by one")
    free = {o for o, e in zip(owners, placed, strict=True) if e.split == "train"}
    drawn = draw_splits(free, wanted, settings.seed)
    return [
        replace(e, split=drawn[o]) if e.split == "train" else e
        for o, e in zip(owners, placed, strict=True)
    ]
