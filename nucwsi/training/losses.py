"""The losses of the three heads, against labels and against an ensemble's answers."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nucwsi.config import TrainSettings
from nucwsi.models.network import NetworkMaps, activate
from nucwsi.training.batches import Batch

#: Separable parts of the 5x5 Sobel filter, scaled to give the slope per pixel of a ramp.
_SMOOTH = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
_DERIVE = torch.tensor([-1.0, -2.0, 0.0, 2.0, 1.0]) / 8


def np_loss(logits: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Binary cross-entropy plus soft Dice.

    Parameters
    ----------
    logits : (N, 1, H, W) Tensor
        Raw output of the `np` head.
    truth : (N, H, W) Tensor of float32
        Share of each pixel that is nucleus, 0 to 1.
    known : (N, H, W) Tensor of float32
        1 where `truth` holds, else 0.

    Returns
    -------
    () Tensor
        Scalar, at least 0; Dice over all known pixels of the batch.

    References
    ----------
    Graham et al., HoVer-Net, Medical Image Analysis 58 (2019), section 3.2, whose truth is 0 or 1.
    """
    logits = logits[:, 0]
    cross = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    probability, truth = logits.sigmoid() * known, truth * known
    overlap = (probability * truth).sum()
    dice = 1 - (2 * overlap + 1) / (probability.sum() + truth.sum() + 1)
    return (cross * known).sum() / known.sum().clamp(min=1) + dice


def gradient(hv_map: Tensor, swapped: bool = False) -> Tensor:
    """Differentiate the horizontal map along columns and the vertical map along rows.

    Parameters
    ----------
    hv_map : (N, 2, H, W) Tensor
        Horizontal, then vertical positions.
    swapped : bool
        Differentiate each along the other axis, as the published code does.

    Returns
    -------
    (N, 2, H, W) Tensor
        Slopes per pixel: responses of a 5x5 Sobel filter, zeros beyond the edge.
    """
    along = torch.outer(_SMOOTH, _DERIVE)
    pair = [along.T, along] if swapped else [along, along.T]
    kernels = torch.stack(pair)[:, None].to(hv_map)
    return functional.conv2d(hv_map, kernels, padding=2, groups=2)


def hv_loss(
    predicted: Tensor, truth: Tensor, inside: Tensor, outside: Tensor, how: TrainSettings
) -> Tensor:
    """Squared error of positions and, on nucleus pixels, of their gradients.

    Parameters
    ----------
    predicted, truth : (N, 2, H, W) Tensor
        Horizontal, then vertical positions, -1 to 1; the prediction after tanh.
    inside, outside : (N, H, W) Tensor of float32
        1 on known pixels of nucleus and of background, else 0; shares of a pixel count as such.
    how : TrainSettings
        `gradient_weight` and `published_gradient`.

    Returns
    -------
    () Tensor
        Scalar, at least 0.

    References
    ----------
    Graham et al., HoVer-Net, Medical Image Analysis 58 (2019), section 3.2, equations 2 and 3.
    """
    inside, outside = inside[:, None], outside[:, None]
    error = (predicted - truth).square()
    swapped = how.published_gradient
    slope = (gradient(predicted, swapped) - gradient(truth, swapped)).square()
    pixels = 2 * inside.sum().clamp(min=1)
    return (
        2 * (error * inside).sum() / pixels
        + 0.1 * (error * outside).sum() / (2 * outside.sum().clamp(min=1))
        + how.gradient_weight * (slope * inside).sum() / pixels
    )


def tp_loss(
    logits: Tensor, class_set: Tensor, share: Tensor, class_weights: Tensor, gamma: float
) -> Tensor:
    """Focal cross-entropy of the summed probability of all classes that a label allows.

    Parameters
    ----------
    logits : (N, C, H, W) Tensor
        Raw output of the `tp` head.
    class_set : (N, H, W) Tensor of uint8
        Bit c allows class c; 0 is unsupervised.
    share : (N, H, W) Tensor of float32
        Weight of each pixel.
    class_weights : (C,) Tensor
        Weight of each class; a set has the mean of its classes.
    gamma : float
        Focusing parameter (Lin et al., Focal Loss, ICCV 2017, equation 4).

    Returns
    -------
    () Tensor
        Scalar; 0 where nothing is supervised.
    """
    n_classes = logits.shape[1]
    bits = torch.arange(n_classes, device=logits.device).view(1, -1, 1, 1)
    allowed = (class_set[:, None].long() >> bits) & 1 > 0
    supervised = allowed.any(1) & ~allowed.all(1)
    if not supervised.any():
        return logits.sum() * 0
    log_p = functional.log_softmax(logits, dim=1)
    log_set = torch.logsumexp(log_p.masked_fill(~allowed, -1e4), dim=1)[supervised]
    mean_weight = (allowed * class_weights.view(1, -1, 1, 1)).sum(1) / allowed.sum(1).clamp(min=1)
    weight = (mean_weight * share)[supervised]
    focal = (1 - log_set.exp()).clamp(min=0).pow(gamma)
    return (weight * (0.5 + focal) * -log_set).sum() / weight.sum()


def total_loss(raw: NetworkMaps, batch: Batch, class_weights: Tensor, how: TrainSettings) -> Tensor:
    """Add up the losses of the three heads against the labels of a batch.

    Parameters
    ----------
    raw : NetworkMaps
        The network's raw output for N crops of H by W pixels, before `activate`.
    batch : Batch
        The crops and their labels, on the same device.
    class_weights : (C,) Tensor
        Weight of each class.
    how : TrainSettings
        Weights of the losses, and how nuclei count.

    Returns
    -------
    () Tensor
        Scalar, at least 0.
    """
    inside = (batch.outlined & batch.inside).float()
    outside = (batch.outlined & ~batch.inside).float()
    share = batch.share if how.equal_nuclei else torch.ones_like(batch.share)
    return (
        np_loss(raw.np_map, batch.cover, batch.known.float())
        + hv_loss(raw.hv_map.tanh(), batch.hv_map, inside, outside, how)
        + how.tp_weight
        * tp_loss(raw.tp_map, batch.class_set, share, class_weights, how.focal_gamma)
    )


def teacher_loss(
    raw: NetworkMaps, teacher: NetworkMaps, meant: Tensor, how: TrainSettings
) -> Tensor:
    """Measure the distance from an ensemble's answer, everywhere, with labels or without.

    Parameters
    ----------
    raw : NetworkMaps
        The network's raw output for N crops of H by W pixels, before `activate`.
    teacher : NetworkMaps
        Mean answer of the ensemble to the same crops, after `activate`; of K classes.
    meant : (K, C) Tensor of bool
        Which of the network's classes each class of the teacher may mean: it teaches their sum.
    how : TrainSettings
        Weights of the losses.

    Returns
    -------
    () Tensor
        Scalar, least where the network answers as the ensemble.

    References
    ----------
    Hinton et al., Distilling the Knowledge in a Neural Network, 2015, section 2.
    """
    truth = teacher.np_map[:, 0]
    everywhere = torch.ones_like(truth)
    hv_map = activate(raw).hv_map
    log_p = functional.log_softmax(raw.tp_map, dim=1)
    # Classes are asked for on nuclei only.
    cross = -sum(
        teacher.tp_map[:, k] * torch.logsumexp(log_p[:, allowed], 1)
        for k, allowed in enumerate(meant)
        if allowed.any()
    )
    return (
        np_loss(raw.np_map, truth, everywhere)
        + hv_loss(hv_map, teacher.hv_map, truth, 1 - truth, how)
        + how.tp_weight * (cross * truth).sum() / truth.sum().clamp(min=1)
    )
