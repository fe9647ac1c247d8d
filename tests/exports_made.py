"""Networks of other people: exported as ``.pt2`` and ``.onnx``, and offered by a package."""

import json
import zipfile

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

CLASSES = ("pale", "dark")

#: The card of `Tiny`.
CARD = {
    "format": "nucwsi-checkpoint",
    "version": 2,
    "name": "tiny",
    "architecture": "exported",
    "exported": {"np": "np", "hv": "hv", "tp": "tp", "stride": 1, "receptive_radius_px": 2},
    "classes": list(CLASSES),
    "mpp": 0.5,
    "halo_px": 2,
    "post_processing": {
        "np_threshold": 0.5,
        "edge_slope": 0.1,
        "min_marker_um2": 1.0,
        "min_area_um2": dict.fromkeys(CLASSES, 5.0),
    },
    "about": {},
}

#: Farthest pixel that `Tiny` looks at.
RADIUS = 2


class Tiny(nn.Module):
    """One convolution of 5 x 5, and maps of it as probabilities, by name."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(6)
        self.conv = nn.Conv2d(3, 3 + len(CLASSES), 2 * RADIUS + 1, padding=RADIUS)

    def forward(self, image):
        raw = self.conv(image)
        return {"np": raw[:, :1].sigmoid(), "hv": raw[:, 1:3].tanh(), "tp": raw[:, 3:].softmax(1)}


def free(stride=1):
    """Shapes for `torch.export`: any number of images of any sides that are multiples."""
    height, width = torch.export.Dim("height"), torch.export.Dim("width")
    return ({0: torch.export.Dim("batch"), 2: stride * height, 3: stride * width},)


def write_pt2(path, network=None, side=24, shapes=True, stride=1):
    """Export a network; without `shapes`, for windows of one size only."""
    network = (network or Tiny()).eval()
    image = torch.rand(2 if shapes else 1, 3, side, side + 2 * stride if shapes else side)
    with torch.no_grad():
        program = torch.export.export(
            network, (image,), dynamic_shapes=free(stride) if shapes else None
        )
    torch.export.save(program, path)
    return path


def write_onnx(path, side=None, external=False, logits=False):
    """Write `Tiny` as an ONNX graph, for windows of every size or of one."""
    conv = Tiny().conv
    weights = [
        numpy_helper.from_array(conv.weight.detach().numpy(), "weight"),
        numpy_helper.from_array(conv.bias.detach().numpy(), "bias"),
        numpy_helper.from_array(np.array([1, 2, len(CLASSES)], np.int64), "parts"),
    ]
    made = ["np", "hv", "tp"] if logits else ["raw_np", "raw_hv", "raw_tp"]
    nodes = [
        helper.make_node("Conv", ["image", "weight", "bias"], ["raw"], pads=[RADIUS] * 4),
        helper.make_node("Split", ["raw", "parts"], made, axis=1),
    ]
    if not logits:
        nodes += [
            helper.make_node("Sigmoid", ["raw_np"], ["np"]),
            helper.make_node("Tanh", ["raw_hv"], ["hv"]),
            helper.make_node("Softmax", ["raw_tp"], ["tp"], axis=1),
        ]
    sides = ["height", "width"] if side is None else [side, side]
    batch = "batch" if side is None else 1
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, *sides])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, channels, *sides])
            for name, channels in (("np", 1), ("hv", 2), ("tp", len(CLASSES)))
        ],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = {"save_as_external_data": True, "size_threshold": 0} if external else {}
    onnx.save(model, path, **options)
    return path


def changed_program(path, change):
    """Write a ``.pt2`` again with a change of the program's JSON."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    (graph,) = [name for name in parts if name.endswith("models/model.json")]
    program = json.loads(parts[graph])
    change(program)
    parts[graph] = json.dumps(program).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


_MODULE = '''
import torch
from nucwsi.models.layers import inner
from nucwsi.models.network import NetworkMaps


class Box(torch.nn.Module):
    """Means over boxes: of 5 x 5 pixels, whatever it says."""

    local, stride = {local}, 1

    def __init__(self, n_classes):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.arange(float(n_classes)))

    @property
    def receptive_radius_px(self):
        return {radius}

    def folded(self):
        return self

    def forward(self, image, margin_px=0):
        mean = torch.nn.functional.avg_pool2d(image, 5, 1, 2)
        {more}
        grey = inner(mean.mean(1, keepdim=True), margin_px)
        classes = grey * self.bias.view(1, -1, 1, 1)
        return NetworkMaps(4 * (grey - 0.5), torch.cat([grey, -grey], 1), classes)


def build(_architecture, _widths, n_classes):
    return Box(n_classes)
'''

#: Networks of the package: what they say of themselves, and one more line of their `forward`.
_OFFERED = {
    "box": (True, 2, ""),
    "liar": (True, 1, ""),
    "sly": (True, 2, "mean = mean + 0.1 * image.mean()"),
    "wide": (False, 2, "mean = mean + 0.1 * image.mean()"),
    "short": (True, 2, "margin_px += 1"),
    "blank": (True, 2, "mean = mean.log() - mean.log()[..., :1, :1] + float('nan')"),
    "faulty": (True, 2, "raise RuntimeError('no such luck')"),
}


def install_package(folder, monkeypatch, name="box-networks"):
    """Put a package on the path that offers networks, as pip would install it."""
    module = name.replace("-", "_")
    (folder / module).mkdir(parents=True)
    lines, entries = ["from nucwsi.models.architectures import Architecture"], []
    for network, (local, radius, more) in _OFFERED.items():
        code = _MODULE.format(local=local, radius=radius, more=more)
        (folder / module / f"make_{network}.py").write_text(code)
        lines.append(f"{network} = Architecture('{module}.make_{network}', local={local})")
        entries.append(f"{network} = {module}:{network}")
    lines.append("other = 3")
    entries += [f"other = {module}:other", f"absent = {module}:absent"]
    (folder / module / "__init__.py").write_text("\n".join(lines))
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("\n".join(["[nucwsi.networks]", *entries, ""]))
    monkeypatch.syspath_prepend(str(folder))
