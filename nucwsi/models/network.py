"""What every network offers, whatever its architecture, and the maps that it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

if TYPE_CHECKING:
    from torch import Tensor


class NetworkMaps(NamedTuple):
    """Maps of a batch of windows as tensors, before they are rounded to `QuantisedMaps`.

    Attributes
    ----------
    np_map : (N, 1, H, W) Tensor of float
        Whether the pixel is nucleus: a logit from the network, a probability in [0, 1] after
        `activate`.
    hv_map : (N, 2, H, W) Tensor of float
        Where in its nucleus the pixel lies. Channel 0 grows with the column, channel 1 with the
        row; after `activate` both are in [-1, 1] and zero at the nucleus' centroid.
    tp_map : (N, C, H, W) Tensor of float
        Class of the pixel's nucleus: logits, or after `activate` probabilities that sum to 1 over
        the C classes. There is no background class: `np_map` decides that.
    """

    np_map: Tensor
    hv_map: Tensor
    tp_map: Tensor


def activate(maps: NetworkMaps) -> NetworkMaps:
    """Turn the raw output of a network into probabilities and positions.

    Parameters
    ----------
    maps : NetworkMaps
        Logits, as `Network.forward` returns them, in any floating-point precision.

    Returns
    -------
    NetworkMaps
        float32, same shapes: sigmoid of `np_map`, tanh of `hv_map`, softmax of `tp_map`.
    """
    return NetworkMaps(
        maps.np_map.float().sigmoid(),
        maps.hv_map.float().tanh(),
        maps.tp_map.float().softmax(dim=1),
    )


def raw_positions(hv_map: Tensor) -> Tensor:
    """Return what `activate` turns into given positions.

    Parameters
    ----------
    hv_map : (N, 2, H, W) Tensor of float
        Positions as a network without a tanh gives them; those beyond -1 and 1 are taken for these.

    Returns
    -------
    (N, 2, H, W) Tensor of float
        float32, finite.
    """
    largest = 1 - 1e-6
    return hv_map.float().clamp(-largest, largest).atanh()


class Network(Protocol):
    """The one interface through which an ensemble uses a network.

    A `torch.nn.Module` with the four properties and methods below is a network; what else is named
    here, every module has. `architectures.ARCHITECTURES` lists those that checkpoints may name.
    """

    @property
    def local(self) -> bool:
        """Whether a pixel's answer depends on nothing beyond `receptive_radius_px`."""

    @property
    def stride(self) -> int:
        """Pixels of which the origin and the size of every window must be multiples."""

    @property
    def receptive_radius_px(self) -> int:
        """Farthest input pixel, in rows or columns, that convolutions bring to an output pixel."""

    def folded(self) -> Network:
        """Return a copy for inference, its batch normalisations folded into the convolutions."""

    def forward(self, image: Tensor, margin_px: int = 0) -> NetworkMaps:
        """Compute the maps of a batch of windows.

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
        """

    def __call__(self, image: Tensor, margin_px: int = 0) -> NetworkMaps:
        """Compute the maps, as `forward` does."""

    def eval(self) -> Self:
        """Use the running statistics of the batch normalisations."""

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Move the weights to a device, a precision or a memory format.

        Parameters
        ----------
        *args, **kwargs
            As for `torch.nn.Module.to`.

        Returns
        -------
        Network
            The network itself.
        """

    def state_dict(self) -> dict[str, Tensor]:
        """Return the weights by name, each in the shape of its layer."""

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> Any:
        """Replace the weights; `RuntimeError` where a name or a shape differs.

        Parameters
        ----------
        state_dict : dict
            Weights by name, each in the shape of its layer, as `state_dict` returns them.
        """


def own_halo_px(network: Network) -> int:
    """Return the smallest halo of a network: its receptive radius, rounded up to its stride.

    Parameters
    ----------
    network : Network
        Its receptive radius and stride count.

    Returns
    -------
    int
        Pixels on each side of a window, at the network's mpp.
    """
    return -(-network.receptive_radius_px // network.stride) * network.stride


def weight_faults(weights: dict[str, Tensor], network: Network) -> list[str]:
    """List how weights differ from a network's in name, shape and kind of number.

    Parameters
    ----------
    weights : dict
        Weights by name, of any origin.
    network : Network
        It may be on torch's device ``meta``: no weight of it is looked at.

    Returns
    -------
    list of str
        Ends of the sentence "it ...", such as "lacks `x`"; empty if the weights fit.
    """
    expected = network.state_dict()
    both = [(name, weights[name], fit) for name, fit in expected.items() if name in weights]
    return [
        *(f"lacks `{name}`" for name in expected if name not in weights),
        *(f"has an unknown `{name}`" for name in weights if name not in expected),
        *(
            f"has `{name}` of {tuple(value.shape)}, expected {tuple(fit.shape)}"
            for name, value, fit in both
            if value.shape != fit.shape
        ),
        *(
            f"has `{name}` in {value.dtype}, expected {fit.dtype}"
            for name, value, fit in both
            if value.is_floating_point() != fit.is_floating_point() or value.is_complex()
        ),
    ]
