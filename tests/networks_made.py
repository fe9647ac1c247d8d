"""Small networks with weights as after training, and checkpoints with a changed card."""

import json
import struct

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from stores import CLASSES, CONSTANTS

from nucwsi.models import lite
from nucwsi.models.architectures import build_network
from nucwsi.models.checkpoint import save_checkpoint
from nucwsi.models.ensemble import Ensemble
from nucwsi.models.layers import inner
from nucwsi.models.network import NetworkMaps

WIDTHS = (4, 6, 8)

#: EfficientNet's pattern, as short as it can be: what holds for it holds for the real one.
SHORT = (
    lite.Stage(3, 1, 1, 4, 1),
    lite.Stage(5, 2, 2, 6, 2),
    lite.Stage(3, 1, 6, 6, 1),
    lite.Stage(3, 2, 2, 8, 1),
)


def random_network(architecture="unet", widths=WIDTHS, n_classes=3, seed=3):
    torch.manual_seed(seed)
    network = build_network(architecture, widths, n_classes)
    # Running statistics as after training: folding and locality must hold with any.
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def published_value(name, number, shape):
    """A weight of those that the reference outputs of published networks were computed with."""
    size = int(np.prod(shape))
    wave = np.sin(0.7 * np.arange(size) + number).reshape(shape)
    if name.endswith("running_var"):
        return 1 + 0.2 * wave
    if name.endswith("running_mean"):
        return 0.1 * wave
    if len(shape) == 1:
        return 1 + 0.1 * wave if name.endswith("weight") else 0.05 * wave
    return wave * np.sqrt(2 / (size / shape[0]))


def published_weights(network, kept=("num_batches_tracked", "unpool_mat")):
    """Give a network the weights of the reference outputs; names that end as in `kept` stay."""
    filled = {
        name: value
        if name.endswith(kept)
        else torch.from_numpy(published_value(name, number, value.shape)).float()
        for number, (name, value) in enumerate(network.state_dict().items())
    }
    network.load_state_dict(filled, strict=True)
    return network.eval()


def ensemble_of(*networks, views=1, precision=torch.float32):
    return Ensemble(networks, torch.device("cpu"), precision, views)


def write_sharp_member(path, rgb, widths, halo_px, mpp=0.5):
    """Write a checkpoint whose `np` spreads over all of [0, 1] on an image (3, H, W)."""
    network = random_network(widths=widths, n_classes=len(CLASSES))
    with torch.no_grad():
        logits = network(torch.from_numpy(rgb)[None] / 255).np_map
        network.heads.weight[0] *= 2 / logits.std()
        network.heads.bias[0] = (network.heads.bias[0] - logits.mean()) * 2 / logits.std()
    description = {
        "name": path.stem,
        "widths": list(widths),
        "classes": CLASSES,
        "mpp": mpp,
        "halo_px": halo_px,
        "post_processing": CONSTANTS,
        "about": {},
    }
    save_checkpoint(path, network.state_dict(), description)
    return str(path)


def rewritten(member, change):
    """Write a checkpoint again with a changed description; return its path as text."""
    with member.open("rb") as stream:
        header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
    described = json.loads(header["__metadata__"]["nucwsi"])
    change(described)
    save_file(load_file(member), member, metadata={"nucwsi": json.dumps(described)})
    return str(member)


class Toy(torch.nn.Module):
    """A local network of stride 4: a pixel is nucleus if it is red; one class."""

    local, stride, receptive_radius_px = True, 4, 0

    def folded(self):
        return self

    def forward(self, image, margin_px=0):
        assert image.shape[-1] % self.stride == image.shape[-2] % self.stride == 0
        red = inner(image[:, :1], margin_px)
        return NetworkMaps(4 * (red - 0.5), torch.cat([0 * red, 0 * red], 1), 0 * red)
