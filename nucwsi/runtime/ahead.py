"""Work that threads do in advance, a bounded number of items ahead of the loop that uses it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    work: Callable[[Item], Result], items: Iterable[Item], pool: ThreadPoolExecutor, count: int
) -> Iterator[tuple[Item, Result]]:
    """Work on items in a pool while the caller uses the results, which come in order.

    Parameters
    ----------
    work : callable
        Takes an item and returns its result; runs in a thread of `pool`.
    items : iterable
        What to work on; drawn as the work proceeds, not all at once.
    pool : ThreadPoolExecutor
        Its threads work on as many items at once.
    count : int
        Items that may be finished or in work before the caller takes their results; bounds memory.

    Yields
    ------
    (Item, Result)
        Each item and its result, in the order of `items`. An exception of `work` is raised here.
    """
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    for item in items:
        waiting.append((item, pool.submit(work, item)))
        if len(waiting) > count:
            first, result = waiting.popleft()
            yield first, result.result()
    for first, result in waiting:
        yield first, result.result()
