"""The files of checkpoints: safetensors whose header describes the network, found, read, written.

The header is JSON at the head of the file, so `card.read_card` learns classes, mpp and halo without
loading torch. The authors' own ``.pth`` files describe nothing; `statedict` recognises them. No
pickle that could run code is ever opened.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nucwsi.errors import CheckpointError
from nucwsi.nuclei.constants import PostProcessing

if TYPE_CHECKING:
    import torch

FORMAT = "nucwsi-checkpoint"
VERSION = 1

#: How files of `torch.save` begin: a zip, or the pickled number of its older format.
_TORCH_STARTS = (b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF")

#: No honest header is larger; a wrong first word would ask for terabytes.
_LARGEST_HEADER_BYTES = 100 << 20


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
    if Path(name).is_file():
        return Path(name)
    raise CheckpointError(
        f"checkpoint {name!r}: no such file, and not bundled (bundled: {', '.join(bundled)})"
    )


def checksum_of(path: Path) -> str:
    """Return the checksum by which results name a checkpoint.

    Parameters
    ----------
    path : pathlib.Path
        The whole file is read.

    Returns
    -------
    str
        The first 32 hexadecimal digits of its SHA-256.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:32]


def _is_torch_file(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(8).startswith(_TORCH_STARTS)


def read_description(path: Path) -> dict[str, Any]:
    """Read what a checkpoint says about its network; of safetensors only the header is read.

    Parameters
    ----------
    path : pathlib.Path
        A ``.safetensors`` file, or a ``.pth`` of the method's authors.

    Returns
    -------
    dict
        The fields of `card.Card` but `path` and `checksum`, as plain JSON types, not yet checked.

    Raises
    ------
    CheckpointError
        If the file is damaged, of another tool or of another version.
    """
    if _is_torch_file(path):
        from nucwsi.models.statedict import describe

        return describe(path)
    with path.open("rb") as stream:
        start = stream.read(8)
        size = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= size <= _LARGEST_HEADER_BYTES:
            raise CheckpointError(
                f"{path}: is not a safetensors file; a checkpoint is made by `nucwsi train`"
            )
        text = stream.read(size)
    try:
        header: dict[str, Any] = json.loads(text)
        described = dict(json.loads(header["__metadata__"]["nucwsi"]))
    except (ValueError, KeyError, TypeError):
        raise CheckpointError(
            f"{path}: has no nucwsi description in its header; it is damaged or of another tool"
        ) from None
    if described.get("format") != FORMAT or described.get("version") != VERSION:
        raise CheckpointError(
            f"{path}: is {described.get('format')} version {described.get('version')}, expected"
            f" {FORMAT} version {VERSION}; use a matching nucwsi"
        )
    return described


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
    except (SafetensorError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{path}: the weights cannot be used: {reason}") from None


def save_checkpoint(
    path: Path, weights: dict[str, torch.Tensor], description: dict[str, Any]
) -> None:
    """Write a checkpoint, its weights rounded to float16.

    Parameters
    ----------
    path : pathlib.Path
        Ends in ``.safetensors``; replaced in one step if it exists.
    weights : dict of str to torch.Tensor
        Names and shapes of the network's `state_dict` before folding, in any precision.
    description : dict
        The fields of `card.Card` but `path` and `checksum`; `post_processing` may be a
        `PostProcessing`, `count_error` may be missing. `architecture` may be missing for ``unet``;
        only an architecture that is trainable has `widths`.
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
