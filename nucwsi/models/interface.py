"""What the card of an exported network says of its windows and outputs."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, Strict
from pydantic import model_validator as whole

#: Name of the architecture in cards of exported networks, and endings of their files.
EXPORTED = "exported"
SUFFIXES = (".pt2", ".onnx")

_Output = Annotated[str, Strict(), Field(min_length=1, max_length=200)]
_Side = Annotated[int, Strict(), Field(ge=1, le=4096)]


class Interface(BaseModel):
    """What the card of an exported network says of its windows and outputs.

    Attributes
    ----------
    np, hv, tp : str
        Names of the outputs that are these maps, or their numbers, from 0. Of images (N, 3, H, W)
        they are (N, 1, H, W), (N, 2, H, W) and (N, C, H, W); see `network.NetworkMaps`.
    logits : bool
        Whether `np`, `hv` and `tp` are what sigmoid, tanh and softmax are still to be taken of. If
        not, `np` and `tp` are probabilities and `hv` positions in -1 to 1.
    stride : int
        Pixels of which the height and width of every window must be multiples.
    local : bool
        Whether a pixel's answer depends on nothing beyond `receptive_radius_px`.
    receptive_radius_px : int
        Farthest input pixel, in rows or columns, that changes an answer; 0 to 4096.
    window_px : int, optional
        Height and width of its windows, where it takes no other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    np: _Output
    hv: _Output
    tp: _Output
    logits: Annotated[bool, Strict()] = False
    stride: _Side
    local: Annotated[bool, Strict()] = True
    receptive_radius_px: Annotated[int, Strict(), Field(ge=0, le=4096)] = 0
    window_px: _Side | None = None

    @whole(mode="after")
    def _agree(self) -> Self:
        if self.window_px is not None:
            if not self.local:
                raise ValueError(
                    "`window_px`: a network that is not local must take windows of every size;"
                    " export it with a free height and width"
                )
            halo_px = -(-self.receptive_radius_px // self.stride) * self.stride
            if self.window_px % self.stride or self.window_px <= 2 * halo_px:
                raise ValueError(
                    f"`window_px` is {self.window_px}; expected a multiple of the stride of"
                    f" {self.stride} above twice the halo of {halo_px}"
                )
        return self
