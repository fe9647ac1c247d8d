"""Checkpoints: safetensors whose header says everything about the network but its weights.

The header is JSON at the head of the file, so the workflow learns classes, mpp and halo without
loading torch. The authors' own ``.pth`` files say nothing; see `statedict`. No pickle that could
run code is ever opened.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nucwsi.config import LEAST_NP
from nucwsi.errors import CheckpointError
from nucwsi.nuclei.constants import PostProcessing

if TYPE_CHECKING:
    import torch

    from nucwsi.models.seresnext import SEResNeXt
    from nucwsi.models.unet import UNet

FORMAT = "nucwsi-checkpoint"
VERSION = 1

#: Architecture -> is it local? Only local networks see a pixel alike in every window.
ARCHITECTURES = {"unet": True, "lite2": True, "seresnext50": False, "seresnext101": False}
_UNETS = ("unet", "lite2")  # those that `widths` describe

#: How files of `torch.save` begin: a zip, or the pickled number of its older format.
_TORCH_STARTS = (b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF")

#: No honest header is larger; a wrong first word would ask for terabytes.
_LARGEST_HEADER = 100 << 20


@dataclass(frozen=True)
class Card:
    """What a checkpoint says about itself.

    Attributes
    ----------
    name : str
    path : pathlib.Path
    checksum : str
        SHA-256 of the file, 32 hexadecimal digits.
    architecture : str
        One of `ARCHITECTURES`.
    widths : tuple of int
        Channels of each level of the U-Net; empty for other networks.
    classes : tuple of str
        Class names in the order of the `tp` map.
    mpp : float
        µm per pixel that the network was trained at.
    halo_px : int
        Margin that a window needs around its core.
    post_processing : PostProcessing
    count_error : dict
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
        return ARCHITECTURES[self.architecture]


def find_checkpoint(name: str) -> Path:
    """Return the file of a bundled checkpoint, of a path or of a URL.

    Parameters
    ----------
    name : str
        ``default``, another bundled name, the path of a ``.safetensors`` or ``.pth`` file, or a
        URL of one that ends in ``#sha256=`` and its checksum; see `download.fetch`.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    CheckpointError
        If there is none.
    """
    if "://" in name:
        from nucwsi.models.download import fetch

        return fetch(name)
    folder = Path(str(resources.files("nucwsi"))) / "models" / "weights"
    bundled = sorted(path.stem for path in folder.glob("*.safetensors"))
    if name in bundled:
        return folder / f"{name}.safetensors"
    if Path(name).is_file():
        return Path(name)
    raise CheckpointError(
        f"checkpoint {name!r}: no such file, and not bundled (bundled: {', '.join(bundled)})"
    )


def _is_torch_file(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(8).startswith(_TORCH_STARTS)


def _described(path: Path) -> dict[str, Any]:
    if _is_torch_file(path):
        from nucwsi.models.statedict import describe

        return describe(path)
    return _header(path)


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
    """Read what a checkpoint says about itself; without loading torch if it is safetensors.

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
    described = _described(path)
    try:
        classes = tuple(str(label) for label in described["classes"])
        constants = PostProcessing(**described["post_processing"])
        architecture = str(described.get("architecture", "unet"))
        unet = architecture in _UNETS
        card = Card(
            name=str(described["name"]),
            path=path,
            checksum=_checksum(path),
            architecture=architecture,
            widths=tuple(int(width) for width in described["widths"]) if unet else (),
            classes=classes,
            mpp=float(described["mpp"]),
            halo_px=int(described["halo_px"]),
            post_processing=constants,
            count_error={str(k): float(v) for k, v in described.get("count_error", {}).items()},
            about=dict(described["about"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: its description lacks {error}; export it again") from None
    if card.architecture not in ARCHITECTURES:
        raise CheckpointError(
            f"{path}: is a {card.architecture!r}, expected one of {', '.join(ARCHITECTURES)}; use a"
            " newer nucwsi"
        )
    strangers = set(constants.min_area_um2) ^ set(classes)
    if not classes or len(set(classes)) != len(classes) or strangers:
        raise CheckpointError(
            f"{path}: classes {classes} and the classes of `min_area_um2`"
            f" {tuple(constants.min_area_um2)} must be the same, each named once"
        )
    errors = card.count_error
    if not set(errors) <= set(classes) or not all(0 <= value < 100 for value in errors.values()):
        raise CheckpointError(
            f"{path}: `count_error` {errors} must name classes of {classes} with shares from 0 on"
        )
    if not 0.05 <= card.mpp <= 5 or card.halo_px < 0:
        raise CheckpointError(f"{path}: mpp {card.mpp} or halo {card.halo_px} px is impossible")
    level, mean = constants.np_threshold, constants.min_mean_np
    if not (LEAST_NP <= level < 1 and 0 <= mean < 1):
        raise CheckpointError(
            f"{path}: np_threshold {level} is none of {LEAST_NP} to 1, or min_mean_np {mean} none"
            " of 0 to 1"
        )
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

    That of their averaged maps cannot be larger, but for post-processing: errors that members share
    stay, others cancel.

    Parameters
    ----------
    cards : tuple of Card

    Returns
    -------
    dict
        Of the classes that a member has measured.
    """
    measured = {
        name: [card.count_error[name] for card in cards if name in card.count_error]
        for name in cards[0].classes
    }
    return {name: sum(values) / len(values) for name, values in measured.items() if values}


def _weights(path: Path) -> dict[str, torch.Tensor]:
    if _is_torch_file(path):
        from nucwsi.models.statedict import read_weights

        return read_weights(path)
    from safetensors.torch import load_file

    return load_file(path)


def _built(card: Card) -> UNet | SEResNeXt:
    if card.architecture in _UNETS:
        from nucwsi.models.unet import UNet

        return UNet(card.widths, len(card.classes), card.architecture)
    from nucwsi.models.seresnext import BLOCKS, SEResNeXt

    return SEResNeXt(BLOCKS[card.architecture], len(card.classes))


def load_trainable(card: Card) -> UNet | SEResNeXt:
    """Load the weights as they were trained.

    Parameters
    ----------
    card : Card

    Returns
    -------
    UNet or SEResNeXt
        In float32, on the CPU.

    Raises
    ------
    CheckpointError
        If the weights are damaged, or do not fit the architecture or the halo.
    """
    from safetensors import SafetensorError

    network = _built(card)
    try:
        weights = _weights(card.path)
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
    return network


def load_network(card: Card) -> UNet | SEResNeXt:
    """Load the weights, ready for inference: batch normalisation is folded into the convolutions.

    Parameters
    ----------
    card : Card

    Returns
    -------
    UNet or SEResNeXt
        In float32, on the CPU.

    Raises
    ------
    CheckpointError
        As `load_trainable`.
    """
    return load_trainable(card).eval().folded()


def save_checkpoint(
    path: Path, weights: dict[str, torch.Tensor], description: dict[str, Any]
) -> None:
    """Write a checkpoint, with the weights as float16.

    Parameters
    ----------
    path : pathlib.Path
        Ends in ``.safetensors``.
    weights : dict of str to torch.Tensor
        The network's `state_dict` before folding.
    description : dict
        `Card`'s fields but `path` and `checksum`; `post_processing` may be a `PostProcessing`,
        `count_error` may be missing. Without `architecture` it is a U-Net; only that needs
        `widths`.
    """
    from safetensors.torch import save

    constants = description["post_processing"]
    if isinstance(constants, PostProcessing):
        description = {**description, "post_processing": asdict(constants)}
    header = {"format": FORMAT, "version": VERSION, **description}
    tensors = {
        name: value.half().contiguous() if value.is_floating_point() else value
        for name, value in weights.items()
    }
    aside = path.with_suffix(".tmp")
    # `save_file` would let nobody but the owner read it.
    aside.write_bytes(save(tensors, metadata={"nucwsi": json.dumps(header)}))
    aside.replace(path)
