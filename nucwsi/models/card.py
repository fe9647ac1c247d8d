"""The card of a checkpoint: what is known of a member before torch is loaded, and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nucwsi.config import LEAST_NP
from nucwsi.errors import CheckpointError
from nucwsi.models.architectures import ARCHITECTURES
from nucwsi.models.checkpoint import checksum_of, find_checkpoint, read_description
from nucwsi.nuclei.constants import PostProcessing


@dataclass(frozen=True)
class Card:
    """What a checkpoint says about itself.

    Attributes
    ----------
    name : str
        The member's name in results and reports.
    path : pathlib.Path
        File that the card was read from, and the weights are read from.
    checksum : str
        First 32 hexadecimal digits of the file's SHA-256.
    architecture : str
        One of `architectures.ARCHITECTURES`.
    widths : tuple of int
        Channels of each level, the finest first; empty where the architecture fixes them.
    classes : tuple of str
        Class names in the order of the `tp` map.
    mpp : float
        µm per pixel that the network was trained at.
    halo_px : int
        Pixels, at `mpp`, that a window needs on each side of its core; a multiple of the network's
        stride, and at least its receptive radius.
    post_processing : PostProcessing
        Constants that were tuned for this network's maps.
    count_error : dict of str to float
        Class name -> how far its counts are off for reasons that nuclei share, as a share of the
        nuclei found; see `calibration.count_error`. A class that was not measured is missing.
    about : dict
        Licence, training data, accuracy and date, as free text.
    """

    name: str
    path: Path
    checksum: str
    architecture: str
    widths: tuple[int, ...]
    classes: tuple[str, ...]
    mpp: float
    halo_px: int
    post_processing: PostProcessing
    count_error: dict[str, float]
    about: dict[str, Any]

    @property
    def local(self) -> bool:
        """Whether answers depend on nothing beyond the halo, so that tiling is exact."""
        return ARCHITECTURES[self.architecture].local


def read_card(name: str) -> Card:
    """Read what a checkpoint says about itself; without loading torch if it is safetensors.

    Parameters
    ----------
    name : str
        As in `checkpoint.find_checkpoint`.

    Returns
    -------
    Card
        Its fields hold together: classes, constants and numbers are possible and agree.

    Raises
    ------
    CheckpointError
        If it is missing, damaged, of another format, or its description does not hold together.
    """
    path = find_checkpoint(name)
    described = read_description(path)
    architecture = str(described.get("architecture", "unet"))
    if architecture not in ARCHITECTURES:
        raise CheckpointError(
            f"{path}: is a {architecture!r}, expected one of {', '.join(ARCHITECTURES)}; use a"
            " newer nucwsi"
        )
    trainable = ARCHITECTURES[architecture].trainable
    try:
        card = Card(
            name=str(described["name"]),
            path=path,
            checksum=checksum_of(path),
            architecture=architecture,
            widths=tuple(int(width) for width in described["widths"]) if trainable else (),
            classes=tuple(str(label) for label in described["classes"]),
            mpp=float(described["mpp"]),
            halo_px=int(described["halo_px"]),
            post_processing=PostProcessing(**described["post_processing"]),
            count_error={str(k): float(v) for k, v in described.get("count_error", {}).items()},
            about=dict(described["about"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: its description lacks {error}; export it again") from None
    _check_classes(card)
    _check_numbers(card)
    return card


def _check_classes(card: Card) -> None:
    """Refuse a card whose fields name different classes."""
    path, classes, errors = card.path, card.classes, card.count_error
    areas = tuple(card.post_processing.min_area_um2)
    if not classes or len(set(classes)) != len(classes) or set(areas) != set(classes):
        raise CheckpointError(
            f"{path}: classes {classes} and the classes of `min_area_um2` {areas} must be the same,"
            " each named once"
        )
    if not set(errors) <= set(classes) or not all(0 <= value < 100 for value in errors.values()):
        raise CheckpointError(
            f"{path}: `count_error` {errors} must name classes of {classes} with shares from 0 on"
        )


def _check_numbers(card: Card) -> None:
    """Refuse a card whose resolution, halo or thresholds are impossible."""
    path, constants = card.path, card.post_processing
    if not 0.05 <= card.mpp <= 5 or card.halo_px < 0:
        raise CheckpointError(f"{path}: mpp {card.mpp} or halo {card.halo_px} px is impossible")
    level, mean = constants.np_threshold, constants.min_mean_np
    if not (LEAST_NP <= level < 1 and 0 <= mean < 1):
        raise CheckpointError(
            f"{path}: np_threshold {level} must be from {LEAST_NP} to below 1, and min_mean_np"
            f" {mean} from 0 to below 1"
        )


def read_cards(names: tuple[str, ...]) -> tuple[Card, ...]:
    """Read the cards of an ensemble, whose members must know the same classes at the same mpp.

    Parameters
    ----------
    names : tuple of str
        As in `checkpoint.find_checkpoint`.

    Returns
    -------
    tuple of Card
        In the order of `names`.

    Raises
    ------
    CheckpointError
        If a member cannot be read or two members differ in classes or mpp.
    """
    cards = tuple(read_card(name) for name in names)
    for card in cards[1:]:
        if card.classes != cards[0].classes or card.mpp != cards[0].mpp:
            raise CheckpointError(
                f"{card.path}: knows {card.classes} at {card.mpp} µm/px, but {cards[0].path} knows"
                f" {cards[0].classes} at {cards[0].mpp}; members of an ensemble must agree"
            )
    return cards


def largest_halo_px(cards: tuple[Card, ...]) -> int:
    """Return the halo of an ensemble: that of the member that needs the widest.

    Parameters
    ----------
    cards : tuple of Card
        The members, at least one.

    Returns
    -------
    int
        Canvas pixels on each side of a window that are read for all members alike.
    """
    return max(card.halo_px for card in cards)


def mean_count_error(cards: tuple[Card, ...]) -> dict[str, float]:
    """Return the mean `count_error` of the members of an ensemble.

    Averaging the members' maps keeps the errors that they share and cancels others, so, but for
    post-processing, the ensemble's own error is not larger than this mean.

    Parameters
    ----------
    cards : tuple of Card
        The members, of the same classes.

    Returns
    -------
    dict of str to float
        Class name -> mean over the members that have measured it; without the other classes.
    """
    measured = {
        name: [card.count_error[name] for card in cards if name in card.count_error]
        for name in cards[0].classes
    }
    return {name: sum(values) / len(values) for name, values in measured.items() if values}
