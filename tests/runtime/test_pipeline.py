"""A device that takes time waits for nobody, whoever is late; on a clock that only the test moves.

Nothing here is timed: a thread, a copy or a network "takes" the time that its test gives it.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nucwsi.runtime.pipeline import Batch, Pipeline

SHAPE = (3, 2, 2)


class Clock:
    def __init__(self):
        self.now = 0.0


class Late:
    """A future whose result is there at some time."""

    def __init__(self, clock, end, error):
        self._clock, self._end, self._error = clock, end, error

    def done(self):
        return self._clock.now >= self._end

    def cancel(self):
        return False

    def result(self):
        self._clock.now = max(self._clock.now, self._end)
        if self._error is not None:
            raise self._error


class Threads:
    """A pool whose threads take work in its order, each as soon as it is free."""

    def __init__(self, clock, count):
        self._clock, self._free = clock, [0.0] * count

    def submit(self, work, *arguments):
        submitted, error = self._clock.now, None
        self._free.sort()
        self._clock.now = max(submitted, self._free[0])
        try:
            work(*arguments)
        except Exception as raised:  # noqa: BLE001
            error = raised
        self._free[0], self._clock.now = self._clock.now, submitted
        return Late(self._clock, self._free[0], error)


class Gpu:
    """A device that computes one launch after the other, while the host goes on.

    `fits` says how many images have room at the nth attempt of a launch.
    """

    def __init__(self, clock, seconds, copy_s=0.0, launch_s=0.0, fits=lambda _: 1000):
        self.clock, self.seconds, self.fits = clock, seconds, fits
        self.copy_s, self.launch_s = copy_s, launch_s
        self.spans, self.attempts, self.n_staged, self._copied = [], [], 0, 0.0

    def stage(self, shape):
        self.n_staged += 1
        return np.zeros(shape, np.uint8)

    def launch(self, images, jobs):
        self.attempts.append(len(jobs))
        if len(jobs) > self.fits(len(self.attempts)):
            raise MemoryError("of the device")
        assert [image[0, 0, 0] for image in images] == [job % 251 for job in jobs]
        self.clock.now += self.launch_s
        self._copied = max(self.clock.now, self._copied) + self.copy_s * len(jobs)
        start = max(self._copied, self.spans[-1][1] if self.spans else 0.0)
        self.spans.append((start, start + sum(self.seconds(job) for job in jobs)))
        return self.spans[-1][1] + self.copy_s * len(jobs), images[:, 0, 0] + 1

    def fetch(self, ticket):
        self.clock.now = max(self.clock.now, ticket[0])
        return ticket[1]

    def busy(self):
        """Share of the time between its first launch and its last answer."""
        worked = sum(end - start for start, end in self.spans)
        return worked / (self.spans[-1][1] - self.spans[0][0])


def batched(n_jobs, size):
    return [Batch(list(range(at, min(at + size, n_jobs))), SHAPE) for at in range(0, n_jobs, size)]


def run(batches, device, read_s, write_s, n_threads, depth, clock):
    """Pump on the clock; return what was written, and the batches as they came out."""
    written = {}

    def read(job, image):
        clock.now += read_s(job)
        image[:] = job % 251

    def write(job, image, answer):
        clock.now += write_s(job)
        assert job not in written
        written[job] = answer.tolist()

    pools = Threads(clock, n_threads), Threads(clock, n_threads)
    out = []
    for batch in Pipeline(device, read, write, *pools, depth).pump(batches):
        out.append(batch)
        assert device.n_staged - len(out) <= depth
    return written, out


def expected(n_jobs):
    return {job: [(job % 251 + 1) % 256] * 2 for job in range(n_jobs)}


def uneven(mean, seed):
    """Durations between nothing and twice the mean, the same for a job whenever it is asked."""
    factors = np.random.default_rng(seed).uniform(0, 2, 4096)
    return lambda job: mean * factors[job]


@pytest.mark.parametrize("size", [1, 4, 16])
@pytest.mark.parametrize("n_threads", [2, 4, 8])
def test_the_device_is_busy_where_readers_and_writers_keep_up(n_threads, size):
    """All threads together need 0.8 of the device's time, but no two jobs take them alike."""
    clock = Clock()
    device = Gpu(clock, uneven(1.0, 1), copy_s=0.1, launch_s=0.05)
    slow = 0.8 * n_threads
    batches, depth = batched(1600, size), 4 * n_threads + 2
    run(batches, device, uneven(slow, 2), uneven(slow, 3), n_threads, depth, clock)
    assert device.busy() >= 0.95


def test_a_device_that_is_given_one_batch_at_a_time_waits():
    """What the figures above are worth: the same, without reading ahead."""
    clock = Clock()
    device = Gpu(clock, uneven(1.0, 1))
    run(batched(1600, 4), device, uneven(3.2, 2), uneven(3.2, 3), 4, 1, clock)
    assert device.busy() < 0.5


def test_one_slow_write_does_not_hold_up_the_device():
    clock = Clock()
    device = Gpu(clock, lambda job: 1.0)
    slow = {100: 8.0}
    run(batched(400, 1), device, lambda job: 0.5, lambda job: slow.get(job, 0.5), 4, 10, clock)
    assert device.busy() > 0.999


def test_where_the_device_is_not_the_slowest_the_slowest_is_never_idle():
    clock = Clock()
    device = Gpu(clock, lambda job: 0.5)
    run(batched(400, 1), device, lambda job: 4.0, lambda job: 1.0, 4, 10, clock)
    # Four readers, 4 s for each job.
    assert device.spans[-1][1] == pytest.approx(400, rel=0.02)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 7), st.integers(1, 60))
def test_results_and_their_order_do_not_depend_on_the_time_that_anything_takes(
    seed, n_threads, depth, n_jobs
):
    rng = np.random.default_rng(seed)
    means = rng.exponential(1, 3)
    clock = Clock()
    device = Gpu(clock, uneven(means[0], seed), *rng.exponential(0.1, 2))
    batches = batched(n_jobs, int(rng.integers(1, 6)))
    pace = uneven(means[1], seed + 1), uneven(means[2], seed + 2)
    written, out = run(batches, device, *pace, n_threads, depth, clock)
    assert out == batches
    assert written == expected(n_jobs)


@pytest.mark.parametrize("jitter", [1, 2, 3])
def test_results_do_not_depend_on_real_threads_either(jitter):
    rng = np.random.default_rng(jitter)
    naps = rng.uniform(0, 2e-3, (2, 100))
    written, clock = {}, Clock()
    device = Gpu(clock, lambda job: 0.0)

    def read(job, image):
        time.sleep(naps[0, job])
        image[:] = job

    def write(job, image, answer):
        time.sleep(naps[1, job])
        written[job] = answer.tolist()

    with ThreadPoolExecutor(3) as reading, ThreadPoolExecutor(3) as writing:
        out = list(Pipeline(device, read, write, reading, writing, 5).pump(batched(100, 3)))
    assert out == batched(100, 3)
    assert written == expected(100)


@pytest.mark.parametrize("room", [1, 2, 5, 7])
def test_a_lack_of_memory_in_the_middle_loses_nothing_and_is_not_met_twice(room):
    """From the tenth launch on another process takes memory away."""
    clock = Clock()
    device = Gpu(clock, lambda job: 1.0, fits=lambda n: 8 if n < 10 else room)
    written, out = run(batched(200, 8), device, lambda job: 1.0, lambda job: 1.0, 4, 10, clock)
    assert written == expected(200)
    assert out == batched(200, 8)
    failed = [size for n, size in enumerate(device.attempts, 1) if size > device.fits(n)]
    assert failed == [size for size in (8, 4, 2) if size > room]


def test_a_smaller_limit_counts_pixels_not_windows():
    """After a lack for large images, small ones are still launched together."""
    clock = Clock()
    device = Gpu(clock, lambda job: 1.0, fits=lambda n: 2 if n == 1 else 100)
    batches = [Batch([0, 1, 2, 3], (3, 4, 4)), Batch([4, 5, 6, 7], SHAPE)]
    run(batches, device, lambda job: 0.0, lambda job: 0.0, 1, 3, clock)
    assert device.attempts == [4, 2, 2, 4]


def test_a_lack_of_memory_for_one_image_ends_the_run():
    clock = Clock()
    device = Gpu(clock, lambda job: 1.0, fits=lambda n: 8 if n < 3 else 0)
    with pytest.raises(MemoryError, match="of the device"):
        run(batched(100, 8), device, lambda job: 1.0, lambda job: 1.0, 2, 6, clock)


class FaultError(Exception):
    pass


@pytest.mark.parametrize("at", [0, 37, 99])
@pytest.mark.parametrize("who", ["read", "write", "launch", "batches"])
def test_whoever_fails_ends_the_run_with_its_own_error_and_no_thread_stays(who, at):
    written, clock = [], Clock()
    device = Gpu(clock, lambda job: 0.0)

    def fail(name, jobs):
        if name == who and at in jobs:
            raise FaultError(name, at)

    def read(job, image):
        fail("read", [job])
        image[:] = job

    def write(job, image, answer):
        fail("write", [job])
        written.append(job)

    def launch(images, jobs):
        fail("launch", jobs)
        return Gpu.launch(device, images, jobs)

    def batches():
        for batch in batched(100, 3):
            fail("batches", batch.jobs)
            yield batch

    device.launch = launch
    with ThreadPoolExecutor(3) as reading, ThreadPoolExecutor(3) as writing:
        pipeline = Pipeline(device, read, write, reading, writing, 5)
        with pytest.raises(FaultError) as raised:
            list(pipeline.pump(batches()))
        assert raised.value.args == (who, at)
    # What was launched before is not lost.
    launched = sum(device.attempts)
    assert sorted(written) == [job for job in range(launched) if (who, job) != ("write", at)]


def test_a_consumer_that_stops_ends_the_reading():
    read_jobs, clock = [], Clock()
    with ThreadPoolExecutor(1) as reading, ThreadPoolExecutor(1) as writing:

        def read(job, image):
            read_jobs.append(job)
            image[:] = job

        pipeline = Pipeline(Gpu(clock, lambda job: 0.0), read, lambda *_: None, reading, writing, 4)
        pumping = pipeline.pump(batched(200, 1))
        next(pumping)
        pumping.close()
    assert len(read_jobs) <= 8
