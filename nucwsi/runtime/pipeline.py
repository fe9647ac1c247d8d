"""Batches on their way through a device that must not wait: read, launched, fetched, written.

Only the order of the work is decided here. The loop gives all memory away and readers and writers
never wait for it, or for each other: whatever fails or hangs back, nothing locks up.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Job = TypeVar("Job")
Job_contra = TypeVar("Job_contra", contravariant=True)
Ticket = TypeVar("Ticket")


class Batch(NamedTuple, Generic[Job]):
    """What is launched at once, as long as the device has the memory.

    Attributes
    ----------
    jobs : sequence of Job
        N of them.
    shape : (int, ...)
        Shape of the image of each, the same for all.
    """

    jobs: Sequence[Job]
    shape: tuple[int, ...]


class Pool(Protocol):
    """Threads: a `ThreadPoolExecutor`."""

    def submit(self, work: Callable[..., None], /, *arguments: Any) -> Future[None]:
        """Do some work as soon as a thread is free, in the order of the calls.

        Parameters
        ----------
        work : callable
            What to do.
        *arguments : Any
            For `work`.

        Returns
        -------
        Future
            Done when the work is, and of its error.
        """


class Device(Protocol[Job_contra, Ticket]):
    """What computes. All but `fetch` is called from one thread."""

    def stage(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Lend memory that images are read into.

        Parameters
        ----------
        shape : (int, ...)
            Of all images of a batch together, their number first.

        Returns
        -------
        ndarray of uint8
            Of this shape. `pump` has written one batch completely before it stages the batch that
            follows `depth` places later.
        """

    def launch(self, images: NDArray[np.uint8], jobs: Sequence[Job_contra]) -> Ticket:
        """Have images computed; return without waiting for it, if the device is able to.

        Parameters
        ----------
        images : ndarray of uint8
            Some or all of those of a batch, in the memory of `stage`.
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

    def fetch(self, ticket: Ticket) -> NDArray[np.uint8]:
        """Wait for what was launched; may be called from any thread, and several times.

        Parameters
        ----------
        ticket : Ticket
            Of `launch`.

        Returns
        -------
        (n, ...) ndarray of uint8
            An answer for each job.
        """


@dataclass
class _Open(Generic[Job]):
    """A batch that is being read, computed or written."""

    batch: Batch[Job]
    images: NDArray[np.uint8]
    reads: list[Future[None]] = field(default_factory=list)
    writes: list[Future[None]] = field(default_factory=list)


@dataclass
class Pipeline(Generic[Job, Ticket]):
    """How jobs are read, computed and written.

    Attributes
    ----------
    device : Device
        Computes.
    read : callable
        Takes a job and the memory of its image, and fills it. Called from the threads of `reading`.
    write : callable
        Takes a job, its image and its answer; they are lent. Called from the threads of `writing`.
    reading, writing : Pool
        Threads. They are idle when `pump` has ended, unless it has ended in an error.
    depth : int
        Batches that may be open at once, from the beginning of their reading to the end of their
        writing: it bounds the memory. Two for each reader and each writer, and two more, keep a
        device busy although no two batches take them alike.
    """

    device: Device[Job, Ticket]
    read: Callable[[Job, NDArray[np.uint8]], None]
    write: Callable[[Job, NDArray[np.uint8], NDArray[np.uint8]], None]
    reading: Pool
    writing: Pool
    depth: int
    #: Values of images that fit on the device at once, as far as is known.
    _limit: int = sys.maxsize

    def pump(self, batches: Iterable[Batch[Job]]) -> Iterator[Batch[Job]]:
        """Bring batches through the device, in their order.

        Parameters
        ----------
        batches : iterable of Batch
            Drawn as the work proceeds.

        Yields
        ------
        Batch
            Each one when all of it is written. The first error of a reader, the device or a writer
            is raised here; what was launched before is still written.
        """
        coming = iter(batches)
        ended = False
        waiting: deque[_Open[Job]] = deque()
        leaving: deque[_Open[Job]] = deque()
        try:
            while waiting or leaving or not ended:
                if leaving and all(write.done() for write in leaving[0].writes):
                    yield _finished(leaving.popleft())
                elif not ended and len(waiting) + len(leaving) < self.depth:
                    batch = next(coming, None)
                    ended = batch is None
                    if batch is not None:
                        waiting.append(self._begin(batch))
                elif waiting:
                    leaving.append(waiting.popleft())
                    self._launch(leaving[-1])
                else:
                    yield _finished(leaving.popleft())
        finally:
            for opened in (*leaving, *waiting):
                for read in opened.reads:
                    read.cancel()

    def _begin(self, batch: Batch[Job]) -> _Open[Job]:
        """Let the readers fill the memory of a batch."""
        opened = _Open(batch, self.device.stage((len(batch.jobs), *batch.shape)))
        for job, image in zip(batch.jobs, opened.images, strict=True):
            opened.reads.append(self.reading.submit(self.read, job, image))
        return opened

    def _launch(self, opened: _Open[Job]) -> None:
        """Launch a batch, in parts if it does not fit, and let the writers wait for the answers."""
        for read in opened.reads:
            read.result()
        jobs, images, first = opened.batch.jobs, opened.images, 0
        while first < len(jobs):
            count = min(len(jobs) - first, max(1, self._limit // images[0].size))
            part = slice(first, first + count)
            try:
                ticket = self.device.launch(images[part], jobs[part])
            except MemoryError:
                if count == 1:
                    raise
                self._limit = count // 2 * images[0].size
                continue
            for at in range(count):
                opened.writes.append(
                    self.writing.submit(self._write, opened, first + at, ticket, at)
                )
            first += count

    def _write(self, opened: _Open[Job], number: int, ticket: Ticket, at: int) -> None:
        answer = self.device.fetch(ticket)[at]
        self.write(opened.batch.jobs[number], opened.images[number], answer)


def _finished(opened: _Open[Job]) -> Batch[Job]:
    """Wait until a batch is written; raise what went wrong."""
    for write in opened.writes:
        write.result()
    return opened.batch
