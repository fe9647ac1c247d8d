"""`calibrate`: measure what a member's counts are off by, and on what tissue."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch

from nucwsi.errors import CheckpointError, DataError
from nucwsi.io.outputs import check_outputs
from nucwsi.io.stores.publish import file_checksum, published
from nucwsi.models.card import read_card
from nucwsi.models.checkpoint import is_own_checkpoint, read_description, save_description
from nucwsi.models.ensemble import Ensemble
from nucwsi.models.loading import load_trainable
from nucwsi.nuclei.constants import in_pixels
from nucwsi.runtime.allocator import keep_freed_memory
from nucwsi.runtime.device import choose_device
from nucwsi.runtime.progress import progress
from nucwsi.training.labelled_nuclei import predict_image
from nucwsi.training.load_samples import UnreadSample, find_samples
from nucwsi.training.member_card import ABOUT, card_text
from nucwsi.training.sampling import by_turns
from nucwsi.training.trust import LOOKED_AT, Seen, measure_trust, see

log = logging.getLogger(__name__)


def _told(about: dict[str, Any]) -> dict[str, Any]:
    """Leave out the coverage of intervals that format 1 states, for they are no more."""
    validation = about.get("validation", {})
    kept = {name: value for name, value in validation.items() if not name.startswith("coverage ")}
    return {**about, "validation": kept} if validation else about


def calibrate(
    member: str, data: list[Path], output: Path, *, device: str = "auto", threads: int = 1
) -> None:
    """Measure a member on labelled images, and write it with what was found.

    Errors of counts are measured on images that the member has not learnt from: the split ``val``
    of its own data sets, and ``train`` and ``val`` of all others. Its domain is that of its own
    data sets, of which at most 300 images of ``train`` are looked at.

    Parameters
    ----------
    member : str
        Name or file of the checkpoint.
    data : list of pathlib.Path
        Folders of labelled images, or their ``manifest.csv``.
    output : pathlib.Path
        Checkpoint to write, which may replace `member`; beside it, if `nucwsi train` has made it,
        its card ``.md``. The weights stay as they are.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    threads : int
        Processor cores for the network.

    Raises
    ------
    DataError
        If no image can be used, or labels are damaged.
    CheckpointError
        If the member cannot be used, or has no header that describes it.
    StoreError
        If an output cannot be written.
    """
    check_outputs([output, output.with_suffix(".md")], [], within=data)
    card = read_card(member)
    if not is_own_checkpoint(card.path):
        raise CheckpointError(
            f"{card.path}: is no checkpoint of nucwsi (.safetensors), and only such can be"
            " calibrated"
        )
    torch.set_num_threads(threads)
    keep_freed_memory()
    ensemble = Ensemble.load((card,), choose_device(device), views=1)
    fixed = in_pixels(card.post_processing, card.classes, card.mpp)
    own = set(card.about.get("images", []))
    val, train = (find_samples(data, split, card.classes, card.mpp) for split in ("val", "train"))
    learnt = [one for one in train if one.dataset in own]
    learnt = [learnt[place] for place in by_turns([one.dataset for one in learnt])[:LOOKED_AT]]
    unseen = [*val, *(one for one in train if one.dataset not in own)]
    if not unseen:
        listed = ", ".join(map(str, data))
        raise DataError(f"{listed}: holds no image that the member has not learnt from")

    def _looked_at(unread: list[UnreadSample]) -> list[Seen]:
        seen = []
        for one in unread:
            sample = one.read()
            # Of other sources, images count that tell a count.
            if one.dataset in own or sample.known_counts(len(card.classes)).any():
                seen.append(see(sample, predict_image(ensemble, sample), fixed))
            advance(1)
        return seen

    with progress("calibrate", len(unseen) + len(learnt), "images") as advance:
        fitted, inside = _looked_at(unseen), _looked_at(learnt)
    inside += [one for one in fitted if one.sample.dataset in own]
    trust = measure_trust(fitted, inside, card.classes, card.mpp)
    if trust.miscount is None:
        raise DataError(
            f"{', '.join(map(str, data))}: no image tells the count of any of the classes"
            f" {', '.join(card.classes)}; take images whose nuclei all have a class"
        )
    description = read_description(card.path)
    description |= {
        "count_error": {},
        "miscount": trust.miscount,
        "domain": trust.domain,
        "about": _told(description["about"]) | {"counts": trust.about},
    }
    with published(output) as aside:
        save_description(card.path, aside, description)
    if description["about"].keys() >= ABOUT:
        text = card_text(load_trainable(card), description, file_checksum(output))
        with published(output.with_suffix(".md")) as aside:
            aside.write_text(text, "utf-8")
    log.info("%s: %s", card.name, trust.about["coverage"])
