"""Small networks with weights as after training, and checkpoints with a changed card."""

import json
import struct

import torch
from safetensors.torch import load_file, save_file

from nucwsi.models import lite
from nucwsi.models.architectures import build_network
from nucwsi.models.ensemble import Ensemble

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


def ensemble_of(*networks, views=1, precision=torch.float32):
    return Ensemble(networks, torch.device("cpu"), precision, views)


def rewritten(member, change):
    """Write a checkpoint again with a changed description; return its path as text."""
    with member.open("rb") as stream:
        header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
    described = json.loads(header["__metadata__"]["nucwsi"])
    change(described)
    save_file(load_file(member), member, metadata={"nucwsi": json.dumps(described)})
    return str(member)
