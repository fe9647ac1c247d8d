"""A network that another program has exported: run, and held to what its card says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional

from nucwsi.errors import CheckpointError
from nucwsi.models.interface import Interface
from nucwsi.models.layers import inner
from nucwsi.models.network import NetworkMaps, activate, raw_positions
from nucwsi.models.program import open_program

_MAPS = ("np", "hv", "tp")

#: A probability may be so far beyond 0 and 1, for rounding.
_TOLERANCE = 1e-4

#: Smallest probability of which a logit is taken; no stored map tells it from 0.
_LEAST = 1e-6


class ExportedNetwork:
    """A network that runs an exported program, and checks what it answers.

    Parameters
    ----------
    path : pathlib.Path
        File of the program, named in messages.
    interface : Interface
        What its card says.
    n_classes : int
        Classes that it distinguishes, without background.

    Attributes
    ----------
    local, stride, receptive_radius_px
        As for `network.Network`; those of the card.
    window_px : int, optional
        Height and width of its windows, where it takes no other.

    Raises
    ------
    CheckpointError
        If the program cannot be loaded, or has not the outputs or windows that the card names.
    """

    def __init__(self, path: Path, interface: Interface, n_classes: int) -> None:
        self.local = interface.local
        self.stride = interface.stride
        self.receptive_radius_px = interface.receptive_radius_px
        self.window_px = interface.window_px
        self._path, self._interface, self._n_classes = path, interface, n_classes
        self._program = open_program(path, torch.device("cpu"))
        named = (interface.np, interface.hv, interface.tp)
        outputs = self._program.outputs
        self._places = [_place(path, name, outputs) for name in named]
        fixed = set(self._program.shape[2:])
        if fixed != {self.window_px}:
            sides = " x ".join("free" if side is None else str(side) for side in fixed)
            raise CheckpointError(
                f"{path}: takes windows of {sides} px, but its card says"
                f" {self.window_px or 'free'}; adopt it anew"
            )

    def shown(self, image: Tensor) -> list[Tensor]:
        """Show the program images of a size that it takes.

        Parameters
        ----------
        image : (N, 3, H, W) Tensor of float
            RGB in [0, 1].

        Returns
        -------
        list of Tensor
            `np` (N, 1, H, W), `hv` (N, 2, H, W) and `tp` (N, C, H, W) as the program gives them.

        Raises
        ------
        CheckpointError
            If an output has another shape.
        """
        if self._program.shape[0] == 1 and len(image) > 1:
            each = [self.shown(one[None]) for one in image]
            return [torch.cat(maps) for maps in zip(*each, strict=True)]
        answers = self._program(image.float())
        maps = [answers[place] for place in self._places]
        for name, channels, values in zip(_MAPS, (1, 2, self._n_classes), maps, strict=True):
            expected = (len(image), channels, *image.shape[-2:])
            if tuple(values.shape) != expected:
                raise CheckpointError(
                    f"{self._path}: its output `{name}` has the shape {tuple(values.shape)} for a"
                    f" window of {tuple(image.shape)}; expected {expected}"
                )
        return [values.float() for values in maps]

    def probabilities(self, image: Tensor) -> list[Tensor]:
        """Show the program images, and activate what it answers, without a look at the values.

        Parameters
        ----------
        image : (N, 3, H, W) Tensor of float
            As for `shown`.

        Returns
        -------
        list of Tensor
            `np`, `hv` and `tp` as probabilities and positions.
        """
        maps = self.shown(image)
        return list(activate(NetworkMaps(*maps))) if self._interface.logits else maps

    def _checked(self, image: Tensor) -> list[Tensor]:
        """Show the program images, and refuse what cannot be true."""
        maps = self.shown(image)
        for name, values in zip(_MAPS, maps, strict=True):
            if not bool(values.isfinite().all()):
                raise CheckpointError(
                    f"{self._path}: its output `{name}` holds what is not a number; export it in"
                    " float32, or leave it out"
                )
            if self._interface.logits or name == "hv":
                continue
            low, high = float(values.min()), float(values.max())
            if low < -_TOLERANCE or high > 1 + _TOLERANCE:
                raise CheckpointError(
                    f"{self._path}: its output `{name}` holds {low:.4g} to {high:.4g}, expected"
                    " probabilities of 0 to 1; if it holds logits, adopt it with --logits"
                )
        return maps

    def _tiled(self, image: Tensor) -> list[Tensor]:
        """Show the program windows of its own size, and take of each what it sees whole."""
        side = self.window_px
        if side is None:
            return self._checked(image)
        height, width = image.shape[-2:]
        lacking = (0, max(0, side - width), 0, max(0, side - height))
        image = functional.pad(image, lacking, value=1.0)
        halo_px = -(-self.receptive_radius_px // self.stride) * self.stride
        maps: list[Tensor] = []
        for row in _starts(image.shape[-2], side, halo_px):
            for column in _starts(image.shape[-1], side, halo_px):
                window = image[..., row : row + side, column : column + side]
                top, left = halo_px if row else 0, halo_px if column else 0
                for place, part in enumerate(self._checked(window)):
                    if place == len(maps):
                        maps.append(torch.empty((*part.shape[:2], *image.shape[-2:])))
                    kept = part[..., top:, left:].to(maps[place].device)
                    maps[place][..., row + top : row + side, column + left : column + side] = kept
        return [values[..., :height, :width].to(image.device) for values in maps]

    def forward(self, image: Tensor, margin_px: int = 0) -> NetworkMaps:
        """Compute the maps of a batch of windows; see `network.Network`.

        Parameters
        ----------
        image : (N, 3, H, W) Tensor of float
            RGB in [0, 1] at the network's mpp; H and W are multiples of `stride`.
        margin_px : int
            Pixels at each border of `image` that are seen but not answered for.

        Returns
        -------
        NetworkMaps
            Logits of H - 2 `margin_px` by W - 2 `margin_px` pixels; see `activate`.

        Raises
        ------
        CheckpointError
            If an answer is not what the card says.
        """
        nucleus, positions, classes = (inner(of, margin_px) for of in self._tiled(image))
        if not self._interface.logits:
            nucleus = nucleus.clamp(_LEAST, 1 - _LEAST).logit()
            positions, classes = raw_positions(positions), classes.clamp_min(_LEAST).log()
        return NetworkMaps(nucleus, positions, classes)

    def __call__(self, image: Tensor, margin_px: int = 0) -> NetworkMaps:
        """Compute the maps, as `forward` does."""
        return self.forward(image, margin_px)

    def folded(self) -> Self:
        """Return the network: it was exported for inference."""
        return self

    def eval(self) -> Self:
        """Return the network: it was exported for inference."""
        return self

    def to(self, device: torch.device, **_layout: Any) -> Self:
        """Load the program onto a device.

        Parameters
        ----------
        device : torch.device
            Where the maps will be computed.
        **_layout
            Not used: the program lays out its memory itself.

        Returns
        -------
        ExportedNetwork
            The network itself.
        """
        if device.type != "cpu":
            self._program = open_program(self._path, device)
        return self

    def state_dict(self) -> dict[str, Tensor]:
        """Return no weights: they are part of the program."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Refuse weights: they are part of the program.

        Parameters
        ----------
        state_dict : dict
            As for `network.Network`.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(f"{self._path}: takes no weights, got {len(state_dict)}")


def _place(path: Path, name: str, outputs: tuple[str, ...]) -> int:
    """Return the number of an output that a card names."""
    if name in outputs:
        return outputs.index(name)
    if name.isdecimal() and int(name) < len(outputs):
        return int(name)
    raise CheckpointError(
        f"{path}: has no output {name!r:.80}; expected one of {', '.join(outputs):.200}"
    )


def _starts(length: int, side: int, halo_px: int) -> list[int]:
    """Return where windows begin that cover an axis, each pixel with its halo in one of them."""
    return [*range(0, length - side, side - 2 * halo_px), length - side]
