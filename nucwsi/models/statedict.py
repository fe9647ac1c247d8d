"""Published checkpoints: bare state_dicts of `torch.save`, which do not describe themselves.

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
from nucwsi.models.hovernet import FORMS, HoVerNet
from nucwsi.models.network import Network, own_halo_px, weight_faults
from nucwsi.models.seresnext import BLOCKS, SEResNeXt
from nucwsi.nuclei.constants import PostProcessing

#: Data set that a checkpoint of the method's authors was trained on -> µm per pixel of its images.
_MPP = {"conic": 0.5, "pannuke": 0.25, "monusac": 0.25}

_TYPES = "decoder.tp.2.weight"

#: As published: nucleus from 0.5 on, markers and components of at least 10 pixels of 0.25 µm, no
#: minimum by class. The published edges are scaled to the minimum and maximum of each tile, which
#: no constant can replace; the slope is that of the default network, whose `hv` means the same.
_NP_THRESHOLD, _EDGE_SLOPE, _SMALLEST_UM2 = 0.5, 0.08, 0.625

#: Entries of HoVer-Net that every form has, and that only those with types have.
_NUCLEUS, _HOVERNET_TYPES = "decoder.np.u0.conv.weight", "decoder.tp.u0.conv.weight"

#: Form of HoVer-Net and its number of classes -> data set of the published files, and the classes
#: in the order of their types. Of CoNSeP's labels the authors' code joins 3 and 4, and 5 to 7.
_HOVERNET: dict[tuple[str, int], tuple[str, tuple[str, ...]]] = {
    ("hovernet_fast", 5): ("pannuke", tuple(LABELS["pannuke"].values())),
    ("hovernet_fast", 4): ("monusac", ("epithelial", "lymphocyte", "macrophage", "neutrophil")),
    ("hovernet_original", 4): ("consep", ("other", "inflammatory", "epithelial", "spindle")),
    **{(form, 1): ("", ("nucleus",)) for form in FORMS if not FORMS[form].typed},
}

#: µm per pixel of the images that HoVer-Net was trained on.
_HOVERNET_MPP = 0.25


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
    # HoVer-Net's authors put the weights into an outer dictionary.
    if isinstance(content, dict) and isinstance(content.get("desc"), dict):
        content = content["desc"]
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


def describe(path: Path, classes: tuple[str, ...] = ()) -> dict[str, Any]:
    """Recognise a published checkpoint.

    Parameters
    ----------
    path : pathlib.Path
        As in `read_state_dict`.
    classes : tuple of str
        Names of the classes in the order of their types; by default those of the published file
        with so many.

    Returns
    -------
    dict
        As `checkpoint.read_description` returns it.

    Raises
    ------
    CheckpointError
        If it is damaged, of another network than the published ones, or for other classes.
    """
    weights = read_state_dict(path)
    if _NUCLEUS in weights:
        found = _hovernet(path, weights, classes)
    elif _TYPES in weights and weights[_TYPES].ndim:
        found = _authors(path, weights, classes)
    else:
        raise CheckpointError(
            f"{path}: lacks `{_TYPES}` and `{_NUCLEUS}`, so it is none of the authors'"
            f" {' or '.join(BLOCKS)}, and no HoVer-Net; checkpoints of other networks are made by"
            " `nucwsi train`, or exported as .pt2 or .onnx for `nucwsi adopt`"
        )
    areas = dict.fromkeys(found["classes"], _SMALLEST_UM2)
    constants = PostProcessing(_NP_THRESHOLD, _EDGE_SLOPE, _SMALLEST_UM2, areas)
    return {"name": path.stem, "post_processing": vars(constants), **found}


def _chosen(path: Path, n_classes: int, named: tuple[str, ...], known: dict[int, str]) -> None:
    """Refuse classes that are not as many as the types of a checkpoint."""
    if named and len(named) != n_classes:
        raise CheckpointError(
            f"{path}: distinguishes {n_classes} classes, but {len(named)} are named:"
            f" {', '.join(named)}"
        )
    if not named and n_classes not in known:
        counts = ", ".join(f"{count} ({name})" for count, name in known.items())
        raise CheckpointError(
            f"{path}: distinguishes {n_classes} classes, expected one of {counts}; name yours with"
            " `nucwsi adopt --classes`"
        )


def _checked(path: Path, weights: dict[str, torch.Tensor], networks: dict[str, Network]) -> str:
    """Name the network that the weights fit, or else say how they differ from the nearest."""
    differences = {name: weight_faults(weights, network) for name, network in networks.items()}
    architecture = min(differences, key=lambda name: len(differences[name]))
    if differences[architecture]:
        raise CheckpointError(
            f"{path}: is no {architecture} as published: it {differences[architecture][0]}"
            f" ({len(differences[architecture])} differences); export it with the published names"
        )
    return architecture


def _authors(
    path: Path, weights: dict[str, torch.Tensor], named: tuple[str, ...]
) -> dict[str, Any]:
    """Recognise one of the method's authors' networks."""
    # The first type is the background.
    n_classes = weights[_TYPES].shape[0] - 1
    data_sets = {len(LABELS[name]): name for name in _MPP}
    _chosen(path, n_classes, named, data_sets)
    with torch.device("meta"):
        networks: dict[str, Network] = {
            name: SEResNeXt(blocks, max(1, n_classes)) for name, blocks in BLOCKS.items()
        }
    architecture = _checked(path, weights, networks)
    data_set = data_sets.get(n_classes, "")
    return {
        "architecture": architecture,
        "classes": named or tuple(LABELS[data_set].values()),
        "mpp": _MPP.get(data_set, 0.5),
        "halo_px": own_halo_px(networks[architecture]),
        "about": {
            "source": "the method's authors, Zhang et al., CSBJ 24 (2024)",
            "licence": "none named; the training data are for research use",
            "trained on": data_set or "unknown",
        },
    }


def _hovernet(
    path: Path, weights: dict[str, torch.Tensor], named: tuple[str, ...]
) -> dict[str, Any]:
    """Recognise one of HoVer-Net's forms."""
    types = weights.get(_HOVERNET_TYPES)
    typed = types is not None
    n_classes = max(1, types.shape[0] - 1) if types is not None and types.ndim else 1
    with torch.device("meta"):
        networks: dict[str, Network] = {
            name: HoVerNet(form, n_classes) for name, form in FORMS.items() if form.typed is typed
        }
    architecture = _checked(path, weights, networks)
    fitting = {count: key for (name, count), key in _HOVERNET.items() if name == architecture}
    _chosen(path, n_classes, named, {count: data_set for count, (data_set, _) in fitting.items()})
    data_set, classes = fitting.get(n_classes, ("", ()))
    about = {
        "source": "HoVer-Net, Graham et al., Medical Image Analysis 58 (2019)",
        "licence": "that of the training data: CC BY-NC-SA 4.0 for CoNSeP, PanNuke and MoNuSAC",
        "trained on": data_set or "not told by the file",
    }
    if data_set == "consep" and not named:
        about["classes"] = (
            "in the order of the authors' training code; TIAToolbox lists epithelial, inflammatory,"
            " spindle-shaped, miscellaneous for the same file: check one slide before you count"
        )
    return {
        "architecture": architecture,
        "classes": named or classes,
        "mpp": _HOVERNET_MPP,
        "halo_px": own_halo_px(networks[architecture]),
        "about": about,
    }
