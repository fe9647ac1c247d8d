"""CUDA's streams, mimicked on a processor: what is launched happens later, and in any order.

Each stream does its operations one after the other; between streams nothing but events keeps an
order, and chance decides the rest. Memory that is not computed yet holds rubbish. A program that
waits for the device where it should not, lets two streams race, or lets go of memory that another
stream still uses, is found out here as a GPU might find it out.
"""

from contextlib import contextmanager
from threading import RLock

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_RUBBISH = 0xA5


class Event:
    """An event; done when its stream has reached it."""

    device = None

    def __init__(self, blocking=False):
        self.blocking, self.is_done = blocking, True

    def record(self, stream):
        self.is_done = False
        self.device = stream.device
        stream.queue.append(self._reach)

    def _reach(self):
        self.is_done = True
        return True

    def synchronize(self):
        assert self.blocking, "a thread that waits must not spin"
        while not self.is_done:
            assert self.device.step() or self.is_done, "nothing will bring it about"


class Stream:
    """Operations that happen in their order; each tells whether it has happened."""

    def __init__(self, device):
        self.device, self.queue = device, []
        device.streams.append(self)

    def wait_stream(self, other):
        event = Event()
        event.record(other)
        self.queue.append(lambda: event.is_done)


class Streams(TorchDispatchMode):
    """A module like `torch.cuda`, and a device; operations inside a `with` block are launched.

    Attributes
    ----------
    free : int
        Bytes that are free, whatever is allocated.
    is_strict : bool
        Whether to notice who uses which memory, for `check_loans`; none is freed then.
    """

    def __init__(self, seed=0, free=1 << 40, is_strict=False):
        super().__init__()
        self.is_strict = is_strict
        self.free, self.chance, self._lock = free, np.random.default_rng(seed), RLock()
        self.streams, self._allocated = [], 0
        #: Address of memory -> itself, its stream, and the streams that use it.
        self._memory, self._lent = {}, set()
        self.current = Stream(self)
        self.Event = Event

    # What `torch.cuda` offers.

    def Stream(self, _device):  # noqa: N802 (torch's name)
        return Stream(self)

    def current_stream(self, _device):
        return self.current

    @contextmanager
    def stream(self, stream):
        before, self.current = self.current, stream
        yield
        self.current = before

    def memory_allocated(self, _device):
        return self._allocated

    def reset_peak_memory_stats(self, _device):
        pass

    def max_memory_allocated(self, _device):
        return self._allocated

    def mem_get_info(self, _device):
        return self.free, self.free

    def empty_cache(self):
        pass

    # What a device does.

    def pinned(self, shape):
        return torch.from_numpy(np.full(tuple(shape), _RUBBISH, np.uint8))

    def lend(self, tensor, stream):
        self._lent.add((tensor.untyped_storage().data_ptr(), stream))

    def step(self):
        """Do one operation, of any stream that can go on; return whether there was one."""
        with self._lock, torch.inference_mode():
            able = [stream for stream in self.streams if stream.queue]
            self.chance.shuffle(able)
            for stream in able:
                if stream.queue[0]():
                    stream.queue.pop(0)
                    return True
            assert not able, "the streams wait for each other"
            return False

    def check_loans(self):
        """Fail if a stream uses another's memory, which it has not been lent."""
        for pointer, (_, home, users) in self._memory.items():
            for user in users - {home}:
                assert (pointer, user) in self._lent, "memory may be used again too early"

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        assert "_local_scalar_dense" not in str(func), "the host waits for the device"
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        known = {tensor.untyped_storage().data_ptr() for tensor in tensors}
        stream = self.current
        with self._lock:
            for _ in range(self.chance.choice([0, 0, 0, 3])):
                self.step()
            for pointer in known & set(self._memory):
                self._memory[pointer][2].add(stream)
            if func._schema.is_mutable:
                stream.queue.append(lambda: (func(*args, **kwargs), True)[1])
                return args[0]
            result = func(*args, **kwargs)
            made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
            made = [one for one in made if one.untyped_storage().data_ptr() not in known]
            for storage in (one.untyped_storage() for one in made):
                if self.is_strict:
                    self._memory[storage.data_ptr()] = storage, stream, {stream}
                self._allocated += storage.nbytes()
            if made and not str(func).startswith("aten.empty"):
                for one in made:
                    one.untyped_storage().fill_(_RUBBISH)
                stream.queue.append(lambda: _again(func, args, kwargs, made))
            return result


def _again(func, args, kwargs, made):
    """Do an operation whose operands are known now."""
    with torch.no_grad():
        fresh = tree_leaves(func(*args, **kwargs))
        for one, value in zip(made, fresh, strict=True):
            one.copy_(value)
    return True


def mimic(monkeypatch, module, streams):
    """Let a module use the streams instead of CUDA's."""

    def record_stream(tensor, stream):
        streams.lend(tensor, stream)

    monkeypatch.setattr(module, "cuda", streams)
    monkeypatch.setattr(module, "_pinned", streams.pinned)
    monkeypatch.setattr(torch.Tensor, "record_stream", record_stream)
