"""A device of `runtime.pipeline` that computes while it is asked: the processor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

Job = TypeVar("Job")


@dataclass(frozen=True)
class Host(Generic[Job]):
    """Computes at once, in the thread that asks; nothing is copied.

    Attributes
    ----------
    compute : callable
        Takes images (n, ...) and their n jobs, and answers with a Tensor (n, ...) of uint8, on any
        device.
    """

    compute: Callable[[torch.Tensor, Sequence[Job]], torch.Tensor]

    def stage(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Lend memory that images are read into, as `pipeline.Device.stage`.

        Parameters
        ----------
        shape : (int, ...)
            Of the images.

        Returns
        -------
        ndarray of uint8
            Of this shape.
        """
        return np.empty(shape, np.uint8)

    def launch(self, images: NDArray[np.uint8], jobs: Sequence[Job]) -> NDArray[np.uint8]:
        """Compute images, as `pipeline.Device.launch`.

        Parameters
        ----------
        images : (n, ...) ndarray of uint8
            Of `stage`.
        jobs : sequence of Job
            Those that the images belong to.

        Returns
        -------
        (n, ...) ndarray of uint8
            The answers themselves.
        """
        answers: NDArray[np.uint8] = self.compute(torch.from_numpy(images), jobs).cpu().numpy()
        return answers

    def fetch(self, ticket: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return what `launch` has computed.

        Parameters
        ----------
        ticket : (n, ...) ndarray of uint8
            Of `launch`.

        Returns
        -------
        (n, ...) ndarray of uint8
            The same.
        """
        return ticket
