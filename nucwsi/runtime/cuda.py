"""A device of `runtime.pipeline` that computes by itself: a GPU with CUDA.

Images reach it, and answers leave it, on streams of their own while other images are computed. The
host waits for nothing but the events behind the answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import cuda

from nucwsi.errors import lacks_memory

Job = TypeVar("Job")
Result = TypeVar("Result")

#: Share of the free memory that images may be expected to take. The rest is for what the allocator
#: keeps of blocks of other sizes, and for images and answers on their way.
_SHARE = 0.7


class Ticket(NamedTuple):
    """Answers on their way to the host.

    Attributes
    ----------
    answers : (n, L) ndarray of uint8
        Pinned memory.
    returned : torch.cuda.Event
        After which they are there.
    """

    answers: NDArray[np.uint8]
    returned: cuda.Event


@dataclass
class Cuda(Generic[Job]):
    """Computes images while the host goes on.

    Attributes
    ----------
    device : torch.device
        A CUDA device.
    compute : callable
        Takes images (n, ...) of uint8 on the device and their n jobs, and answers with a Tensor
        (n, L) of uint8 there. If it waits for the device, the device waits for the host.
    """

    device: torch.device
    compute: Callable[[torch.Tensor, Sequence[Job]], torch.Tensor]
    _inward: cuda.Stream = field(init=False)
    _outward: cuda.Stream = field(init=False)

    def __post_init__(self) -> None:
        self._inward, self._outward = cuda.Stream(self.device), cuda.Stream(self.device)

    def capacity(self, shape: tuple[int, ...], job: Job) -> int:
        """Find how much fits into the memory that is free, by computing one blank image.

        Parameters
        ----------
        shape : (int, ...)
            Of the image. What a network needs grows with its number of values.
        job : Job
            Handed to `compute` with the image.

        Returns
        -------
        int
            Values of the images that fit at once.

        Raises
        ------
        MemoryError
            If not even one image fits.
        """
        cuda.reset_peak_memory_stats(self.device)
        before = cuda.memory_allocated(self.device)
        _freed(lambda: self.compute(self._blank((1, *shape)), [job]))
        needed = cuda.max_memory_allocated(self.device) - before
        cuda.empty_cache()
        free, _ = cuda.mem_get_info(self.device)
        return int(_SHARE * free / needed * math.prod(shape))

    def _blank(self, shape: tuple[int, ...]) -> torch.Tensor:
        return torch.zeros(shape, dtype=torch.uint8, device=self.device)

    def stage(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Lend pinned memory that images are read into, as `pipeline.Device.stage`.

        Parameters
        ----------
        shape : (int, ...)
            Of the images.

        Returns
        -------
        ndarray of uint8
            Of this shape. torch keeps the memory of earlier ones, as its allocation takes long.
        """
        images: NDArray[np.uint8] = _pinned(shape).numpy()
        return images

    def launch(self, images: NDArray[np.uint8], jobs: Sequence[Job]) -> Ticket:
        """Have images copied, computed, and the answers copied back, as `pipeline.Device.launch`.

        Parameters
        ----------
        images : (n, ...) ndarray of uint8
            Of `stage`.
        jobs : sequence of Job
            Those that the images belong to.

        Returns
        -------
        Ticket
            For `fetch`.

        Raises
        ------
        MemoryError
            If the device has too little memory for so many images.
        """
        return _freed(lambda: self._launch(images, jobs))

    def _launch(self, images: NDArray[np.uint8], jobs: Sequence[Job]) -> Ticket:
        computing = cuda.current_stream(self.device)
        with cuda.stream(self._inward):
            image = torch.empty(images.shape, dtype=torch.uint8, device=self.device)
            image.copy_(torch.from_numpy(images), non_blocking=True)
        computing.wait_stream(self._inward)
        # Each stream has memory of its own, and uses it again as soon as the host lets go of it.
        image.record_stream(computing)
        packed = self.compute(image, jobs)
        self._outward.wait_stream(computing)
        with cuda.stream(self._outward):
            answers = _pinned(packed.shape)
            answers.copy_(packed, non_blocking=True)
            returned = cuda.Event(blocking=True)
            returned.record(self._outward)
        packed.record_stream(self._outward)
        return Ticket(answers.numpy(), returned)

    def fetch(self, ticket: Ticket) -> NDArray[np.uint8]:
        """Wait for answers, as `pipeline.Device.fetch`.

        Parameters
        ----------
        ticket : Ticket
            Of `launch`.

        Returns
        -------
        (n, L) ndarray of uint8
            One row for each image.
        """
        ticket.returned.synchronize()
        return ticket.answers


def _pinned(shape: Sequence[int]) -> torch.Tensor:
    """Return memory on the host that the device reaches by itself."""
    return torch.empty(tuple(shape), dtype=torch.uint8, pin_memory=True)


def _freed(work: Callable[[], Result]) -> Result:
    """Do some work; a lack of memory, whichever library says so, becomes `MemoryError`."""
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not lacks_memory(error):
            raise
        said = str(error)
    # Only now is the error gone, and with it the memory that its traceback held.
    cuda.empty_cache()
    raise MemoryError(said)
