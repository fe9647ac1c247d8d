"""Exported programs, which turn images into outputs: of `torch.export`, or in ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from nucwsi.errors import CheckpointError, pass_on_lack_of_memory
from nucwsi.models.onnx_file import OnnxProgram
from nucwsi.models.pt2 import load_program, quiet


class Program(Protocol):
    """What runs the file.

    Attributes
    ----------
    outputs : tuple of str
        Names of what it returns, in its order.
    shape : tuple of int or None
        Sizes of its input; None for those that may vary.
    """

    outputs: tuple[str, ...]
    shape: tuple[int | None, ...]

    def __call__(self, image: Tensor) -> Sequence[Tensor]:
        """Compute all outputs of images (N, 3, H, W), RGB in [0, 1]."""


class _Pt2Program:
    """A program of `torch.export` on a device."""

    def __init__(self, path: Path, device: torch.device) -> None:
        self._path = path
        self._module = cast(Any, load_program(path).to(device))
        taken = [node for node in self._module.graph.nodes if node.op == "placeholder"]
        meant = [node.meta.get("val") for node in taken]
        if len(meant) != 1 or not isinstance(meant[0], torch.Tensor) or meant[0].ndim != 4:
            raise CheckpointError(
                f"{path}: expected one input with four axes (image, colour, row, column), got"
                f" {len(meant)} inputs"
            )
        self.shape: tuple[int | None, ...] = tuple(
            side if isinstance(side, int) else None for side in meant[0].shape
        )
        returned = self._module._out_spec
        named = returned.type is dict
        self.outputs = tuple(returned.context if named else map(str, range(returned.num_leaves)))

    def __call__(self, image: Tensor) -> Sequence[Tensor]:
        try:
            # The program says its precisions itself.
            with quiet(), torch.autocast(image.device.type, enabled=False):
                answer = self._module(image)
        except Exception as error:  # noqa: BLE001
            pass_on_lack_of_memory(error)
            raise CheckpointError(
                f"{self._path}: cannot be shown a window of {tuple(image.shape)}"
                f" ({type(error).__name__}); export it with a free height and width, or adopt it"
                " with the stride that its windows must be multiples of"
            ) from None
        if isinstance(answer, dict):
            return list(answer.values())
        return list(answer) if isinstance(answer, tuple | list) else [answer]


def open_program(path: Path, device: torch.device) -> Program:
    """Load the program of a file onto a device.

    Parameters
    ----------
    path : pathlib.Path
        Ends in one of `SUFFIXES`.
    device : torch.device
        Where it will run.

    Returns
    -------
    Program
        Ready to be shown images.

    Raises
    ------
    CheckpointError
        If it is damaged, could run code, or takes other than one image.
    """
    program: Program
    if path.suffix.lower() == ".pt2":
        program = _Pt2Program(path, device)
    else:
        program = OnnxProgram(path, device)
    batch, colours = program.shape[:2]
    if colours not in (None, 3) or batch not in (None, 1):
        raise CheckpointError(
            f"{path}: takes images of {program.shape}, expected 3 colours and a batch of 1 or free;"
            " export it again"
        )
    return program
