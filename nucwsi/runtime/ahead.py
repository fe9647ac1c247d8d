"""Work that runs ahead of whoever takes its answers, by a bounded number of items."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def ahead(
    work: Callable[[Item], Answer], items: Iterable[Item], pool: ThreadPoolExecutor, count: int
) -> Iterator[tuple[Item, Answer]]:
    """Work on items in a pool while the caller uses the answers, which come in order.

    Parameters
    ----------
    work : callable
    items : iterable
    pool : ThreadPoolExecutor
    count : int
        How many items may be finished, or in work, before the caller asks for them.

    Yields
    ------
    (Item, Answer)
    """
    waiting: deque[tuple[Item, Future[Answer]]] = deque()
    for item in items:
        waiting.append((item, pool.submit(work, item)))
        if len(waiting) > count:
            done, coming = waiting.popleft()
            yield done, coming.result()
    for done, coming in waiting:
        yield done, coming.result()
