"""Checkpoints: safetensors whose header says everything about the network but its weights.

The header is JSON at the head of the file, so the workflow learns classes, mpp and halo without
loading torch, and no pickle is ever opened.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nucwsi.errors import CheckpointError

if TYPE_CHECKING:
    import torch

    from nucwsi.models.unet import UNet

FORMAT = "nucwsi-checkpoint"
VERSION = 1

#: No honest header is larger; a wrong first word would ask for terabytes.
_LARGEST_HEADER = 100 << 20


@dataclass(frozen=True)
class PostProcessing:
    """The constants with which a network's maps become nuclei, chosen on validation data.

    Attributes
    ----------
    np_threshold : float
        Nucleus where `np` is at least this.
    edge_slope : float
        Where a component of the `hv` map falls by more than this per µm, two nuclei meet.
    min_marker_um2 : float
        Smaller markers do not start a nucleus, in µm².
    min_area_um2 : dict
        Class name -> smallest nucleus of that class, in µm².
    """

    np_threshold: float
    edge_slope: float
    min_marker_um2: float
    min_area_um2: dict[str, float]


@dataclass(frozen=True)
class Card:
    """What a checkpoint says about itself.

    Attributes
    ----------
    name : str
    path : pathlib.Path
    checksum : str
        SHA-256 of the file, 32 hexadecimal digits.
    widths : tuple of int
        Channels of each level of the U-Net.
    classes : tuple of str
        Class names in the order of the `tp` map.
    mpp : float
        µm per pixel that the network was trained at.
    halo_px : int
        Margin that a window needs around its core.
    post_processing : PostProcessing
    about : dict
        Licence, training data, accuracy and date, as free text.
    """

    name: str
    path: Path
    checksum: str
    widths: tuple[int, ...]
    classes: tuple[str, ...]
    mpp: float
    halo_px: int
    post_processing: PostProcessing
    about: dict[str, Any]


def find_checkpoint(name: str) -> Path:
    """Return the file of a bundled checkpoint or of a path.

    Parameters
    ----------
    name : str
        ``default``, another bundled name, or the path of a ``.safetensors`` file.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    CheckpointError
        If there is none.
    """
    folder = Path(str(resources.files("nucwsi"))) / "models" / "weights"
    bundled = sorted(path.stem for path in folder.glob("*.safetensors"))
    if name in bundled:
        return folder / f"{name}.safetensors"
    if Path(name).is_file():
        return Path(name)
    raise CheckpointError(
        f"checkpoint {name!r}: no such file, and not bundled (bundled: {', '.join(bundled)})"
    )


def _header(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        start = stream.read(8)
        size = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= size <= _LARGEST_HEADER:
            raise CheckpointError(
                f"{path}: is not a safetensors file; a checkpoint is made by `nucwsi train`"
            )
        text = stream.read(size)
    try:
        header: dict[str, Any] = json.loads(text)
        described = json.loads(header["__metadata__"]["nucwsi"])
    except (ValueError, KeyError, TypeError):
        raise CheckpointError(
            f"{path}: has no nucwsi description in its header; it is damaged or of another tool"
        ) from None
    if described.get("format") != FORMAT or described.get("version") != VERSION:
        raise CheckpointError(
            f"{path}: is {described.get('format')} version {described.get('version')}, expected"
            f" {FORMAT} version {VERSION}; use a matching nucwsi"
        )
    return dict(described)


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:32]


def read_card(name: str) -> Card:
    """Read what a checkpoint says about itself, without loading torch.

    Parameters
    ----------
    name : str
        As in `find_checkpoint`.

    Returns
    -------
    Card

    Raises
    ------
    CheckpointError
        If it is missing, damaged, of another format, or its description does not hold together.
    """
    path = find_checkpoint(name)
    described = _header(path)
    try:
        classes = tuple(str(label) for label in described["classes"])
        constants = PostProcessing(**described["post_processing"])
        card = Card(
            name=str(described["name"]),
            path=path,
            checksum=_checksum(path),
            widths=tuple(int(width) for width in described["widths"]),
            classes=classes,
            mpp=float(described["mpp"]),
            halo_px=int(described["halo_px"]),
            post_processing=constants,
            about=dict(described["about"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: its description lacks {error}; export it again") from None
    strangers = set(constants.min_area_um2) ^ set(classes)
    if not classes or len(set(classes)) != len(classes) or strangers:
        raise CheckpointError(
            f"{path}: classes {classes} and the classes of `min_area_um2`"
            f" {tuple(constants.min_area_um2)} must be the same, each named once"
        )
    if not 0.05 <= card.mpp <= 5 or card.halo_px < 0:
        raise CheckpointError(f"{path}: mpp {card.mpp} or halo {card.halo_px} px is impossible")
    return card


def read_cards(names: tuple[str, ...]) -> tuple[Card, ...]:
    """Read the cards of an ensemble, whose members must speak of the same pixels and classes.

    Parameters
    ----------
    names : tuple of str
        As in `find_checkpoint`.

    Returns
    -------
    tuple of Card

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


def load_network(card: Card) -> UNet:
    """Load the weights, ready for inference: batch normalisation is folded into the convolutions.

    Parameters
    ----------
    card : Card

    Returns
    -------
    UNet
        In float32, on the CPU.

    Raises
    ------
    CheckpointError
        If the weights are damaged, or do not fit the architecture or the halo.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from nucwsi.models.unet import UNet

    network = UNet(card.widths, len(card.classes))
    try:
        weights = load_file(card.path)
        network.load_state_dict({name: value.float() for name, value in weights.items()})
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{card.path}: the weights cannot be used: {reason}") from None
    if not all(bool(value.isfinite().all()) for value in network.state_dict().values()):
        raise CheckpointError(f"{card.path}: holds weights that are not finite; it is damaged")
    if card.halo_px < network.receptive_radius_px or card.halo_px % network.stride:
        raise CheckpointError(
            f"{card.path}: halo {card.halo_px} px must be a multiple of {network.stride} px and not"
            f" below the receptive radius of {network.receptive_radius_px} px"
        )
    return network.eval().folded()


def save_checkpoint(
    path: Path, weights: dict[str, torch.Tensor], description: dict[str, Any]
) -> None:
    """Write a checkpoint, with the weights as float16.

    Parameters
    ----------
    path : pathlib.Path
        Ends in ``.safetensors``.
    weights : dict of str to torch.Tensor
        `UNet.state_dict` before folding.
    description : dict
        `Card`'s fields but `path` and `checksum`; `post_processing` may be a `PostProcessing`.
    """
    from safetensors.torch import save_file

    constants = description["post_processing"]
    if isinstance(constants, PostProcessing):
        description = {**description, "post_processing": asdict(constants)}
    header = {"format": FORMAT, "version": VERSION, **description}
    tensors = {
        name: value.half().contiguous() if value.is_floating_point() else value
        for name, value in weights.items()
    }
    aside = path.with_suffix(".tmp")
    save_file(tensors, aside, metadata={"nucwsi": json.dumps(header)})
    aside.replace(path)
