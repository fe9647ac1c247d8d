"""The card of a checkpoint: what is known of a member before torch is loaded, and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nucwsi.errors import CheckpointError
from nucwsi.models.architectures import find_architecture
from nucwsi.models.checkpoint import checksum_of, find_checkpoint, read_description
from nucwsi.models.description import Description, described
from nucwsi.models.interface import Interface
from nucwsi.models.resolution import LARGEST_SCALE, margin_on_canvas
from nucwsi.nuclei.constants import PostProcessing
from nucwsi.nuclei.domain import Domain
from nucwsi.nuclei.miscount import Miscount


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
        One of `architectures.ARCHITECTURES`, or a network that `package` offers.
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
        Class name -> standard deviation of the error that all nuclei have in common, as a share of
        the nuclei found; of checkpoints of format 1. A class that was not measured is missing.
    miscount : Miscount, optional
        What counts are off by beyond chance; none where it was not measured.
    domain : Domain, optional
        How the nuclei look that the network has learnt from; none where it was not measured.
    about : dict
        Licence, training data, accuracy and date, as free text.
    unions : dict of str to tuple of str
        Name of a union -> classes that are also counted together.
    package : str
        Package that offers the architecture; empty for those of nucwsi.
    exported : Interface, optional
        What an exported network's windows and outputs are; none for weights of an architecture.
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
    miscount: Miscount | None
    domain: Domain | None
    about: dict[str, Any]
    unions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    package: str = ""
    exported: Interface | None = None

    @property
    def local(self) -> bool:
        """Whether answers depend on nothing beyond the halo, so that tiling is exact."""
        if self.exported is not None:
            return self.exported.local
        return find_architecture(self.architecture, self.package).local


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
    try:
        fields, checksum = described(read_description(path), str(path)), checksum_of(path)
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be read: {error.strerror or error}; correct the path or its rights"
        ) from None
    if fields.package:
        try:
            find_architecture(fields.architecture, fields.package)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from None
    return make_card(path, fields, checksum)


def make_card(path: Path, fields: Description, checksum: str) -> Card:
    """Make the card of a file whose description has been read.

    Parameters
    ----------
    path : pathlib.Path
        File of the weights.
    fields : Description
        What it says of itself, or the file beside it of it.
    checksum : str
        As `Card.checksum`.

    Returns
    -------
    Card
        With all fields of the description.
    """
    return Card(
        name=fields.name,
        path=path,
        checksum=checksum,
        architecture=fields.architecture,
        widths=fields.widths,
        classes=fields.classes,
        mpp=fields.mpp,
        halo_px=fields.halo_px,
        post_processing=fields.post_processing,
        count_error=fields.count_error,
        miscount=fields.miscount,
        domain=fields.domain,
        about=fields.about,
        unions=fields.unions,
        package=fields.package,
        exported=fields.exported,
    )


def read_cards(names: tuple[str, ...]) -> tuple[Card, ...]:
    """Read the cards of an ensemble, whose members must know the same classes.

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
        If a member cannot be read, or two members differ in classes or too much in mpp.
    """
    cards = tuple(read_card(name) for name in names)
    for card in cards[1:]:
        if card.classes != cards[0].classes:
            raise CheckpointError(
                f"{card.path}: knows {card.classes}, but {cards[0].path} knows {cards[0].classes};"
                " members of an ensemble must agree"
            )
    for card, scale in zip(cards, scales(cards), strict=True):
        if scale > LARGEST_SCALE:
            finest = canvas_card(cards)
            raise CheckpointError(
                f"{card.path}: works at {card.mpp} µm/px, more than {LARGEST_SCALE:g} times the"
                f" {finest.mpp} of {finest.path}; members so different share no ensemble"
            )
    return cards


def canvas_card(cards: tuple[Card, ...]) -> Card:
    """Return the member that an ensemble's canvas and constants are those of.

    It is the first of those at the finest mpp: what the canvas does not show, no member can see,
    whereas a coarser member sees on a finer canvas all that it knows. And constants of
    post-processing are tuned on maps of one mpp.

    Parameters
    ----------
    cards : tuple of Card
        The members, at least one.

    Returns
    -------
    Card
        One of them.
    """
    return min(cards, key=lambda card: card.mpp)


def scales(cards: tuple[Card, ...]) -> tuple[float, ...]:
    """Return the size of each member's pixels on the canvas.

    Parameters
    ----------
    cards : tuple of Card
        The members, at least one.

    Returns
    -------
    tuple of float
        Canvas pixels per pixel of each member, along each axis; exactly 1 for those at the canvas'
        mpp, and more for all others.
    """
    if not cards:
        return ()
    mpp = canvas_card(cards).mpp
    ratios = (card.mpp / mpp for card in cards)
    return tuple(1.0 if ratio < 1 + 1e-6 else ratio for ratio in ratios)


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
    halos = (card.halo_px for card in cards)
    return max(map(margin_on_canvas, halos, scales(cards)))


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
        Class name -> mean over the members that have measured it; without the other classes. Empty
        where a member knows more: its `miscount`.
    """
    if any(card.miscount is not None for card in cards):
        return {}
    measured = {
        name: [card.count_error[name] for card in cards if name in card.count_error]
        for name in cards[0].classes
    }
    return {name: sum(values) / len(values) for name, values in measured.items() if values}


def mean_miscount(cards: tuple[Card, ...]) -> Miscount | None:
    """Return the mean `miscount` of the members of an ensemble; see `mean_count_error`.

    Parameters
    ----------
    cards : tuple of Card
        The members, of the same classes.

    Returns
    -------
    Miscount or None
        Mean over the members that have measured it; None if none has.
    """
    measured = [card.miscount for card in cards if card.miscount is not None]
    if not measured:
        return None
    confusion = {
        name: [one.confusion[name] for one in measured if name in one.confusion]
        for name in cards[0].classes
    }
    return Miscount(
        sum(one.lone for one in measured) / len(measured),
        sum(one.common for one in measured) / len(measured),
        {name: sum(values) / len(values) for name, values in confusion.items() if values},
    )
