"""The authors' checkpoints: bare state_dicts of `torch.save`, which do not describe themselves.

Their names and shapes identify the network; the number of types identifies the training data, and
so the classes and the mpp.
"""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from nucwsi.errors import CheckpointError
from nucwsi.labels.taxonomy import LABELS
from nucwsi.models.network import own_halo_px, weight_faults
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
        with warnings.catch_warnings(action="ignore"):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except MemoryError:
        raise
    # A damaged pickle fails in as many ways as there are. What torch says of them names ways to run
    # the code that it holds, which nobody should.
    except Exception as error:  # noqa: BLE001
        raise CheckpointError(
            f"{path}: cannot be read as a plain state_dict ({type(error).__name__}): it is damaged"
            " or holds more than weights; copy it anew, or save `model.state_dict()` by itself"
        ) from None
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and _is_plain(value) for name, value in content.items()
    ):
        raise CheckpointError(
            f"{path}: holds more than the weights, expected a plain state_dict; save"
            " `model.state_dict()` by itself"
        )
    return {name.removeprefix("module."): value for name, value in content.items()}


def _is_plain(value: Any) -> bool:
    """Whether a value is a tensor of numbers that lie side by side in memory."""
    return (
        isinstance(value, torch.Tensor)
        and value.layout is torch.strided
        and not (value.is_nested or value.is_quantized or value.is_meta)
    )


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
    weights = read_state_dict(path)
    if _TYPES not in weights or not weights[_TYPES].ndim:
        raise CheckpointError(
            f"{path}: lacks `{_TYPES}`, so it is none of the authors' {' or '.join(BLOCKS)};"
            " checkpoints of other networks are made by `nucwsi train`"
        )
    # The first type is the background.
    n_classes = weights[_TYPES].shape[0] - 1
    data_sets = {len(LABELS[name]): name for name in _MPP}
    if n_classes not in data_sets:
        raise CheckpointError(
            f"{path}: distinguishes {n_classes} classes, expected one of"
            f" {', '.join(f'{count} ({name})' for count, name in data_sets.items())}; write it"
            " with `nucwsi.models.checkpoint.save_checkpoint` to name others"
        )
    with torch.device("meta"):
        networks = {name: SEResNeXt(blocks, n_classes) for name, blocks in BLOCKS.items()}
    differences = {name: weight_faults(weights, network) for name, network in networks.items()}
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
