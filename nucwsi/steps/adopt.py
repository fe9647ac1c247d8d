"""`adopt`: the card of a network of others, written once it has been tried."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from nucwsi.documents import first_fault
from nucwsi.errors import CheckpointError, ConfigError
from nucwsi.io.stores.publish import published
from nucwsi.models.card import Card, make_card, read_card
from nucwsi.models.card_file import card_path, card_text, is_exported
from nucwsi.models.checkpoint import find_checkpoint, is_own_checkpoint
from nucwsi.models.description import FORMAT, VERSION, described
from nucwsi.models.exported import ExportedNetwork
from nucwsi.models.interface import EXPORTED, Interface
from nucwsi.models.loading import load_network
from nucwsi.models.program import Program, open_program
from nucwsi.models.reach import reach_px, strip_shape
from nucwsi.models.statedict import describe
from nucwsi.models.trial import sees_too_far
from nucwsi.steps.predict import OVERLAP_PX
from nucwsi.training.tuning import first_constants

log = logging.getLogger(__name__)

#: How far a network is looked at that does not say how far it sees, in its pixels.
_FARTHEST_PX = 512


@dataclass(frozen=True)
class Claims:
    """What a user says of a network; what is not said is None, and measured or known.

    Attributes
    ----------
    name : str, optional
        The member's name in results; that of the file.
    classes : tuple of str
        Class names in the order of the `tp` map.
    mpp : float, optional
        µm per pixel that it was trained at.
    np, hv, tp : str, optional
        Outputs of an exported network, by name or number; see `interface.Interface`.
    logits : bool
        Whether its outputs are still to be activated.
    stride : int, optional
        Pixels of which the sides of its windows must be multiples.
    radius_px : int, optional
        Farthest pixel that changes an answer.
    local : bool
        Whether there is such a pixel.
    like : str, optional
        A member whose classes, mpp and constants of post-processing it has, where nothing else is
        said: as in `checkpoint.find_checkpoint`.
    """

    name: str | None = None
    classes: tuple[str, ...] = ()
    mpp: float | None = None
    np: str | None = None
    hv: str | None = None
    tp: str | None = None
    logits: bool = False
    stride: int | None = None
    radius_px: int | None = None
    local: bool = True
    like: str | None = None


def adopt(file: Path, claims: Claims) -> Card:
    """Write the card of a network of others beside it, if it answers as it says.

    Parameters
    ----------
    file : pathlib.Path
        An exported network (``.pt2``, ``.onnx``), or published weights (``.pth``, ``.tar``).
    claims : Claims
        What is known of it.

    Returns
    -------
    Card
        As it was written, to `card_file.card_path`.

    Raises
    ------
    ConfigError
        If something must be said and is not, cannot be said of such a file, or there is a card.
    CheckpointError
        If the network cannot be read, or answers or sees otherwise than it says.
    """
    file = find_checkpoint(str(file))
    target = card_path(file)
    if target.exists():
        raise ConfigError(
            f"{target}: is there already; change it, or delete it and adopt {file.name} anew"
        )
    constants = None
    if claims.like is not None:
        model = read_card(claims.like)
        constants = model.post_processing
        classes, mpp = claims.classes or model.classes, claims.mpp or model.mpp
        if set(classes) != set(model.classes):
            raise ConfigError(
                f"{file}: the constants of {claims.like} are of {', '.join(model.classes)}, but its"
                f" classes are {', '.join(classes)}; leave --like out"
            )
        claims = replace(claims, classes=classes, mpp=mpp)
    if is_exported(file):
        fields = _exported(file, claims)
    elif is_own_checkpoint(file):
        raise ConfigError(f"{file}: describes itself; name it in `members`, it needs no card")
    else:
        fields = _weights(file, claims)
    if constants is not None:
        fields["post_processing"] = asdict(constants)
    fields = {"format": FORMAT, "version": VERSION, **fields}
    card = make_card(file, described(fields, str(file)), "")
    load_network(card)
    with published(target) as temporary:
        temporary.write_text(card_text(fields), "utf-8")
    return card


def _weights(file: Path, claims: Claims) -> dict[str, Any]:
    """Describe published weights, with the user's classes, name and resolution."""
    said = [claims.np, claims.hv, claims.tp, claims.stride, claims.radius_px]
    if claims.logits or not claims.local or any(value is not None for value in said):
        raise ConfigError(
            f"{file}: holds published weights, whose outputs, stride and radius are known; only"
            " --name, --classes and --mpp can be said of them"
        )
    fields = describe(file, claims.classes)
    return {
        **fields,
        "name": claims.name or fields["name"],
        "mpp": claims.mpp or fields["mpp"],
    }


def _exported(file: Path, claims: Claims) -> dict[str, Any]:
    """Describe an exported network, of which only the window's size is known."""
    if claims.mpp is None or not claims.classes or claims.stride is None:
        raise ConfigError(
            f"{file}: does not say what it was trained for; needs --mpp (µm per pixel), --classes"
            " (in the order of its `tp` output) and --stride (pixels of which its windows must be"
            " multiples)"
        )
    program = open_program(file, torch.device("cpu"))
    outputs = dict(zip(("np", "hv", "tp"), _outputs(file, program, claims), strict=True))
    interface = _interface(
        file,
        {
            **outputs,
            "logits": claims.logits,
            "stride": claims.stride,
            "local": claims.local,
            "receptive_radius_px": claims.radius_px or 0 if claims.local else 0,
            "window_px": program.shape[2],
        },
    )
    radius_px, about = 0, {}
    if claims.local:
        measured_px = _measured_px(file, interface, claims)
        radius_px = measured_px if claims.radius_px is None else claims.radius_px
        about["receptive radius, measured"] = f"{measured_px} px"
    fields = interface.model_dump() | {"receptive_radius_px": radius_px}
    halo_px = max(radius_px, 0 if claims.local else 2 * OVERLAP_PX)
    return {
        "name": claims.name or file.stem,
        "architecture": EXPORTED,
        "exported": _interface(file, fields).model_dump(),
        "classes": list(claims.classes),
        "mpp": claims.mpp,
        "halo_px": -(-halo_px // claims.stride) * claims.stride,
        "post_processing": asdict(first_constants(claims.classes)),
        "about": about,
    }


def _interface(file: Path, fields: dict[str, Any]) -> Interface:
    try:
        return Interface.model_validate(fields)
    except ValidationError as error:
        raise ConfigError(f"{file}: {first_fault(error)}") from None


def _outputs(file: Path, program: Program, claims: Claims) -> Sequence[str]:
    """Choose the outputs: those that are named, those of these names, or the only three."""
    said = (claims.np, claims.hv, claims.tp)
    known = [name for name in ("np", "hv", "tp") if name in program.outputs]
    if not any(said) and (len(known) == 3 or len(program.outputs) == 3):
        return known if len(known) == 3 else program.outputs
    chosen = [one or name for one, name in zip(said, ("np", "hv", "tp"), strict=True)]
    lacking = [
        name
        for name in chosen
        if name not in program.outputs
        and not (name.isdecimal() and int(name) < len(program.outputs))
    ]
    if lacking:
        raise ConfigError(
            f"{file}: has no output {lacking[0]!r}, but {', '.join(program.outputs):.200}; say"
            " which are --np, --hv and --tp"
        )
    return chosen


def _measured_px(file: Path, interface: Interface, claims: Claims) -> int:
    """Measure how far an exported network sees, and hold it against what is said."""
    stride, said_px = interface.stride, claims.radius_px
    network = ExportedNetwork(file, interface, len(claims.classes))
    half_px = (_FARTHEST_PX if said_px is None else said_px) + 4 * stride
    side = interface.window_px
    shape = (side, side) if side else strip_shape(stride, half_px)
    # What is said is tried at some pixels of a cell; what is measured must hold for all.
    step = max(1, stride // (4 if said_px is not None else 64))
    phases = {*range(0, stride, step), max(0, stride - 2), stride - 1}
    log.info("%s: how far it sees is measured", file)
    with torch.inference_mode():
        seen_px = reach_px(network.probabilities, shape, sorted(phases))
    if said_px is not None and seen_px > said_px:
        raise sees_too_far(str(file), said_px, seen_px, shape)
    if said_px is None and 2 * seen_px >= shape[1] - 2 * stride:
        raise CheckpointError(
            f"{file}: pixels {seen_px} px away still change its answers; say how far it sees with"
            " --radius, or that everything counts with --not-local"
        )
    return seen_px
