"""The authors' checkpoints: bare state_dicts of `torch.save`, which do not describe themselves.

Their names and shapes identify the network; the number of types identifies the training data, and
so the classes and the mpp.
"""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from nucwsi.errors import CheckpointError
from nucwsi.labels.taxonomy import LABELS
from nucwsi.models.network import own_halo_px
from nucwsi.models.seresnext import BLOCKS, SEResNeXt
from nucwsi.nuclei.constants import PostProcessing

#: Data set that a published checkpoint was trained on -> µm per pixel of its images.
_MPP = {"conic": 0.5, "pannuke": 0.25, "monusac": 0.25}

_TYPES = "decoder.tp.2.weight"

#: As published: nucleus from 0.5 on, markers and components of at least 10 pixels of 0.25 µm, no
#: minimum by class. The published edges are scaled to the minimum and maximum of each tile, which
#: no constant can replace; the slope is that of the default network, whose `hv` means the same.
_NP_THRESHOLD, _EDGE_SLOPE, _SMALLEST_UM2 = 0.5, 0.08, 0.625


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Read a state_dict without running any code that the file may hold.

    Parameters
    ----------
    path : pathlib.Path
        A file of `torch.save`, in its zip or its older format.

    Returns
    -------
    dict of str to torch.Tensor
        Names, without the ``module.`` that parallel training puts before them, and weights, in the
        shapes and the precision of the file.

    Raises
    ------
    CheckpointError
        If the file is damaged or holds anything but tensors by name.
    """
    try:
        # Memory-mapped, because a card needs names and shapes, not hundreds of megabytes.
        mapped = zipfile.is_zipfile(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except (RuntimeError, OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{path}: cannot be read as a plain state_dict ({reason}); copy it anew, or save"
            " `model.state_dict()` by itself"
        ) from None
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in content.items()
    ):
        raise CheckpointError(
            f"{path}: holds more than the weights, expected a plain state_dict; save"
            " `model.state_dict()` by itself"
        )
    return {name.removeprefix("module."): value for name, value in content.items()}


def _differences(shapes: dict[str, torch.Size], network: SEResNeXt) -> list[str]:
    """List how names and shapes differ from the network's, as ends of the sentence "it ..."."""
    expected = {name: value.shape for name, value in network.state_dict().items()}
    return [
        *(f"lacks `{name}`" for name in expected if name not in shapes),
        *(f"has an unknown `{name}`" for name in shapes if name not in expected),
        *(
            f"has `{name}` of {tuple(shapes[name])}, expected {tuple(shape)}"
            for name, shape in expected.items()
            if shapes.get(name, shape) != shape
        ),
    ]


def describe(path: Path) -> dict[str, Any]:
    """Recognise a checkpoint of the authors.

    Parameters
    ----------
    path : pathlib.Path
        As in `read_state_dict`.

    Returns
    -------
    dict
        As `checkpoint.read_description` returns it.

    Raises
    ------
    CheckpointError
        If it is damaged, or of another network or for other classes than the published ones.
    """
    shapes = {name: value.shape for name, value in read_state_dict(path).items()}
    if _TYPES not in shapes:
        raise CheckpointError(
            f"{path}: lacks `{_TYPES}`, so it is none of the authors' {' or '.join(BLOCKS)};"
            " checkpoints of other networks are made by `nucwsi train`"
        )
    # The first type is the background.
    n_classes = shapes[_TYPES][0] - 1
    data_sets = {len(LABELS[name]): name for name in _MPP}
    if n_classes not in data_sets:
        raise CheckpointError(
            f"{path}: distinguishes {n_classes} classes, expected one of"
            f" {', '.join(f'{count} ({name})' for count, name in data_sets.items())}; write it"
            " with `nucwsi.models.checkpoint.save_checkpoint` to name others"
        )
    with torch.device("meta"):
        networks = {name: SEResNeXt(blocks, n_classes) for name, blocks in BLOCKS.items()}
    differences = {name: _differences(shapes, network) for name, network in networks.items()}
    architecture = min(differences, key=lambda name: len(differences[name]))
    if differences[architecture]:
        raise CheckpointError(
            f"{path}: is no {architecture} as published: it {differences[architecture][0]}"
            f" ({len(differences[architecture])} differences); export it with the published names"
        )
    data_set, network = data_sets[n_classes], networks[architecture]
    classes = tuple(LABELS[data_set].values())
    areas = dict.fromkeys(classes, _SMALLEST_UM2)
    constants = PostProcessing(_NP_THRESHOLD, _EDGE_SLOPE, _SMALLEST_UM2, areas)
    return {
        "name": path.stem,
        "architecture": architecture,
        "classes": classes,
        "mpp": _MPP[data_set],
        "halo_px": own_halo_px(network),
        "post_processing": vars(constants),
        "about": {
            "source": "the method's authors, Zhang et al., CSBJ 24 (2024)",
            "licence": "none named; the training data are for research use",
            "trained on": data_set,
        },
    }
