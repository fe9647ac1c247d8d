"""On mimicked streams: answers are right in whatever order they go on, and the host never waits."""

import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from streams_made import Streams, mimic

from nucwsi.runtime import cuda as module
from nucwsi.runtime.cuda import Cuda
from nucwsi.runtime.pipeline import Batch, Pipeline

SHAPE = (3, 4, 5)


def compute(images, jobs):
    """Several operations, some of them in place, whose answer differs for every job."""
    values = images.to(torch.float32).flatten(1).mul_(3).cumsum(1)
    return values.add_(torch.tensor(jobs)[:, None]).remainder(251).to(torch.uint8)


def image_of(job):
    return np.random.default_rng(job).integers(0, 256, SHAPE, np.uint8)


def expected(job):
    return (3 * image_of(job).reshape(-1).astype(int).cumsum() + job) % 251


def pumped(device, streams, n_jobs=30, size=4):
    """Bring jobs through the device; afterwards the memory of each is used for something else."""
    answers = {}

    def read(job, image):
        image[:] = image_of(job)

    def write(job, image, answer):
        np.testing.assert_array_equal(image, image_of(job))
        answers[job] = answer.copy()
        image[:] = answer[:] = 0xEE

    jobs = list(range(n_jobs))
    batches = [Batch(jobs[at : at + size], SHAPE) for at in range(0, n_jobs, size)]
    with ThreadPoolExecutor(2) as reading, ThreadPoolExecutor(2) as writing, streams:
        list(Pipeline(device, read, write, reading, writing, 5).pump(batches))
    return answers


@pytest.fixture
def streams(monkeypatch, request):
    made = Streams(getattr(request, "param", 0), is_strict=True)
    mimic(monkeypatch, module, made)
    return made


@pytest.mark.parametrize("streams", range(5), indirect=True)
def test_answers_are_right_in_whatever_order_the_streams_go_on(streams):
    answers = pumped(Cuda(torch.device("cpu"), compute), streams)
    streams.check_loans()
    assert sorted(answers) == list(range(30))
    for job, answer in answers.items():
        np.testing.assert_array_equal(answer, expected(job))


def test_the_mimic_sees_a_host_that_waits(streams):
    device = Cuda(torch.device("cpu"), lambda images, _: images.flatten(1) * int(images.sum()))
    with pytest.raises(AssertionError, match="the host waits"):
        pumped(device, streams)


def lacking(limit):
    """A network that has the memory for so many images only."""

    def compute_some(images, jobs):
        if len(images) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return compute(images, jobs)

    return compute_some


@pytest.mark.parametrize("limit", [1, 3])
def test_a_lack_of_memory_makes_batches_smaller_and_loses_nothing(streams, limit):
    answers = pumped(Cuda(torch.device("cpu"), lacking(limit)), streams, size=7)
    for job in range(30):
        np.testing.assert_array_equal(answers[job], expected(job))


def test_a_lack_of_memory_for_a_single_image_is_raised(streams):
    with pytest.raises(MemoryError, match=r"out of memory\. Tried to allocate 2\.00 GiB"):
        pumped(Cuda(torch.device("cpu"), lacking(0)), streams)


def test_what_a_failed_attempt_has_computed_is_freed_before_the_next(streams):
    class Features:
        pass

    held = []

    def compute_much(images, jobs):
        features = Features()
        held.append(weakref.ref(features))
        return lacking(0)(images, jobs)

    device = Cuda(torch.device("cpu"), compute_much)
    with streams:
        try:
            device.launch(device.stage((2, *SHAPE)), [0, 1])
        except MemoryError:
            assert [reference() for reference in held] == [None]


def test_other_errors_of_a_network_are_its_own(streams):
    fault = ValueError("of the network")

    def compute_nothing(images, jobs):
        raise fault

    with pytest.raises(ValueError, match="of the network") as raised:
        pumped(Cuda(torch.device("cpu"), compute_nothing), streams)
    assert raised.value is fault


def test_the_memory_that_one_image_takes_says_how_many_fit(streams):
    computed = []

    def compute_bytes(images, jobs):
        computed.append((tuple(images.shape), jobs))
        return images.flatten(1) + 1

    device = Cuda(torch.device("cpu"), compute_bytes)
    streams.free = 1_000_000
    with streams:
        # The image and its answer: 2 bytes for each value.
        assert device.capacity((3, 10, 20), "a job") == 350_000
    assert computed == [((1, 3, 10, 20), ["a job"])]


def test_an_image_that_does_not_fit_says_so(streams):
    with streams, pytest.raises(MemoryError, match="out of memory"):
        Cuda(torch.device("cpu"), lacking(0)).capacity(SHAPE, 0)
