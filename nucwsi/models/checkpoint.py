"""The files of checkpoints: safetensors whose header describes the network, found, read, written.

The header is JSON at the head of the file, so `card.read_card` learns classes, mpp and halo without
loading torch. Files of others describe nothing: of exported networks a file beside them does, which
`nucwsi adopt` writes; `statedict` recognises the published weights, and such a file may say more of
them. No pickle that could run code is ever opened.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nucwsi.errors import CheckpointError
from nucwsi.models.architectures import ARCHITECTURES, offered_by
from nucwsi.models.card_file import card_path, is_exported, read_card_file
from nucwsi.models.description import FORMAT, READABLE, VERSION, described
from nucwsi.nuclei.constants import PostProcessing
from nucwsi.nuclei.domain import Domain
from nucwsi.nuclei.miscount import Miscount

if TYPE_CHECKING:
    import torch

#: How files of `torch.save` begin: a zip, or the pickled number of its older format.
_TORCH_STARTS = (b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF")

#: No honest header is larger; a wrong first word would ask for terabytes.
_LARGEST_HEADER_BYTES = 16 << 20


def find_checkpoint(name: str) -> Path:
    """Return the file of a bundled checkpoint, of a path or of a URL.

    Parameters
    ----------
    name : str
        ``default``, another bundled name, the path of a ``.safetensors``, ``.pth``, ``.tar``,
        ``.pt2`` or ``.onnx`` file, or a URL of one that ends in ``#sha256=`` and its checksum; see
        `download.fetch`.

    Returns
    -------
    pathlib.Path
        An existing file: inside the package, where the user named it, or in the user's cache.

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
    path = Path(name)
    try:
        # Opening anything else may wait for ever, such as a pipe for its writer.
        if stat.S_ISREG(path.stat().st_mode):
            return path
        reason = "is a folder" if path.is_dir() else "is neither a file nor a folder"
    except (FileNotFoundError, NotADirectoryError):
        reason = "no such file"
    except (OSError, ValueError) as error:
        reason = f"cannot be opened ({getattr(error, 'strerror', None) or error})"
    raise CheckpointError(
        f"checkpoint {name!r:.200}: {reason}, and not bundled (bundled: {', '.join(bundled)})"
    )


def checksum_of(path: Path) -> str:
    """Return the checksum by which results name a checkpoint.

    Parameters
    ----------
    path : pathlib.Path
        The whole file is read, and its card where that lies beside it.

    Returns
    -------
    str
        The first 32 hexadecimal digits of its SHA-256.
    """
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    if _has_card(path):
        digest.update(card_path(path).read_bytes())
    return digest.hexdigest()[:32]


def _has_card(path: Path) -> bool:
    return is_exported(path) or (_is_torch_file(path) and card_path(path).is_file())


def _is_torch_file(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(8).startswith(_TORCH_STARTS)


def read_description(path: Path) -> dict[str, Any]:
    """Read what a checkpoint says about its network; of safetensors only the header is read.

    Parameters
    ----------
    path : pathlib.Path
        A ``.safetensors`` file, published weights, or an exported network with its card.

    Returns
    -------
    dict
        The fields of `card.Card` but `path` and `checksum`, as plain JSON types, not yet checked.

    Raises
    ------
    CheckpointError
        If the file is damaged, of another tool or of another version.
    """
    if _has_card(path):
        return _checked_format(read_card_file(path), card_path(path))
    if _is_torch_file(path):
        from nucwsi.models.statedict import describe

        return describe(path)
    header = _read_header(path)
    try:
        text = header["__metadata__"]["nucwsi"]
    except (KeyError, TypeError):
        raise CheckpointError(
            f"{path}: has no nucwsi description in its header; it is damaged or of another tool"
        ) from None
    return _checked_format(_parsed(text, f"{path}: its description"), path)


def _checked_format(fields: Any, path: Path) -> dict[str, Any]:
    """Refuse a description of another tool or version."""
    if not isinstance(fields, dict):
        raise CheckpointError(
            f"{path}: its description must be an object, got {fields!r:.80}; make this checkpoint"
            " anew"
        )
    if fields.get("format") != FORMAT or fields.get("version") not in READABLE:
        raise CheckpointError(
            f"{path}: is {fields.get('format')!r:.80} version {fields.get('version')!r:.80},"
            f" expected {FORMAT!r} version {' or '.join(map(str, READABLE))}; use a matching nucwsi"
        )
    return fields


def _read_header(path: Path) -> dict[str, Any]:
    """Read the header of a safetensors file, whose tensors must fill the file to its end."""
    with path.open("rb") as stream:
        start = stream.read(8)
        size = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= size <= _LARGEST_HEADER_BYTES:
            raise CheckpointError(
                f"{path}: is not a safetensors file; a checkpoint is made by `nucwsi train`"
            )
        header = _parsed(stream.read(size), f"{path}: its header")
        stored = stream.seek(0, os.SEEK_END) - len(start) - size
    try:
        expected = max(
            (int(of["data_offsets"][1]) for key, of in header.items() if key != "__metadata__"),
            default=0,
        )
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        raise CheckpointError(f"{path}: its header lists no tensors; it is damaged") from None
    if stored != expected:
        raise CheckpointError(
            f"{path}: the weights cannot be used: they take {stored} bytes, expected {expected};"
            " copy it anew"
        )
    return header


def _parsed(text: Any, where: str) -> Any:
    """Parse JSON that a file holds."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        reason = "is nested too deep" if isinstance(error, RecursionError) else "is no JSON"
        raise CheckpointError(f"{where} {reason}; it is damaged or of another tool") from None


def is_own_checkpoint(path: Path) -> bool:
    """Tell whether a file is a checkpoint of nucwsi, whose header describes it.

    Parameters
    ----------
    path : pathlib.Path
        As in `read_description`.

    Returns
    -------
    bool
        False for published weights and exported networks.
    """
    return not (_has_card(path) or _is_torch_file(path))


def save_description(source: Path, path: Path, description: dict[str, Any]) -> None:
    """Write a checkpoint anew with another description; its weights stay byte for byte.

    Parameters
    ----------
    source : pathlib.Path
        A checkpoint of nucwsi.
    path : pathlib.Path
        The file to write; who writes it publishes it, for it is not written in one step.
    description : dict
        As in `save_checkpoint`; its format and version are set.

    Raises
    ------
    CheckpointError
        If the description is such that the checkpoint could not be read.
    """
    header = _read_header(source)
    header["__metadata__"] = {"nucwsi": json.dumps(_described_header(description, path))}
    text = json.dumps(header, separators=(",", ":")).encode()
    # Tensors begin at a multiple of eight bytes.
    text += b" " * (-len(text) % 8)
    with source.open("rb") as stream:
        [size] = struct.unpack("<Q", stream.read(8))
        stream.seek(size, os.SEEK_CUR)
        path.write_bytes(struct.pack("<Q", len(text)) + text + stream.read())


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read the weights of a checkpoint onto the CPU.

    Parameters
    ----------
    path : pathlib.Path
        As in `read_description`.

    Returns
    -------
    dict of str to torch.Tensor
        Names and shapes of the network's `state_dict` before folding, in the file's precision.

    Raises
    ------
    CheckpointError
        If the file is damaged.
    """
    if _is_torch_file(path):
        from nucwsi.models.statedict import read_state_dict

        return read_state_dict(path)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, KeyError) as error:
        # `KeyError`: a number format that torch does not have.
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path}: the weights cannot be used: {reason}") from None


def _package_of(architecture: str, header: dict[str, Any]) -> dict[str, str]:
    """Name the installed package that offers a network, where the description does not."""
    known = not architecture or architecture in ARCHITECTURES
    found = None if known or "package" in header else offered_by(architecture)
    return {"package": found[0]} if found else {}


def _described_header(description: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return a description as plain JSON types, with its format and version, and check it."""
    header = {
        name: asdict(value) if isinstance(value, PostProcessing | Miscount | Domain) else value
        for name, value in description.items()
    } | {"format": FORMAT, "version": VERSION}
    header = {**header, **_package_of(str(header.get("architecture", "")), header)}
    described(header, str(path))
    return header


def save_checkpoint(
    path: Path, weights: dict[str, torch.Tensor], description: dict[str, Any]
) -> None:
    """Write a checkpoint, its weights rounded to float16.

    Parameters
    ----------
    path : pathlib.Path
        The file to write; who writes it publishes it, for it is not written in one step.
    weights : dict of str to torch.Tensor
        Names and shapes of the network's `state_dict` before folding, in any precision.
    description : dict
        The fields of `card.Card` but `path` and `checksum`; `post_processing` may be a
        `PostProcessing`, `miscount` a `Miscount`, `domain` a
        `Domain`; these two and `count_error` may be missing. `architecture` may be missing for
        ``unet``, `package` where an installed one offers the architecture; only an architecture
        that is trainable has `widths`.

    Raises
    ------
    CheckpointError
        If the description or a weight is such that the checkpoint could not be read.
    """
    from safetensors.torch import save

    header = _described_header(description, path)
    tensors = {
        name: value.half().contiguous() if value.is_floating_point() else value
        for name, value in weights.items()
    }
    for name, value in tensors.items():
        if not bool(value.isfinite().all()):
            raise CheckpointError(f"{path}: `{name}` is not finite in float16; train anew")
    # `save_file` would let nobody but the owner read it.
    path.write_bytes(save(tensors, metadata={"nucwsi": json.dumps(header)}))
