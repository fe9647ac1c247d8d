"""Results come in the order of the items, and work runs ahead by a bounded number of them."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from nucwsi.runtime.ahead import ahead


@pytest.mark.parametrize("count", [0, 1, 3, 20])
def test_results_come_in_order_however_far_work_runs_ahead(count):
    with ThreadPoolExecutor(3) as pool:
        results = list(ahead(lambda item: item**2, range(10), pool, count))
    assert results == [(item, item**2) for item in range(10)]


@pytest.mark.parametrize("count", [0, 2])
def test_no_more_items_are_drawn_than_allowed(count):
    drawn = []

    def items():
        for item in range(10):
            drawn.append(item)
            yield item

    with ThreadPoolExecutor(1) as pool:
        results = ahead(lambda item: item, items(), pool, count)
        for taken in range(1, 5):
            next(results)
            assert len(drawn) == taken + count


def test_an_error_of_the_work_reaches_who_takes_the_result():
    with ThreadPoolExecutor(1) as pool:
        results = ahead(lambda item: 1 / item, [1, 0, 2], pool, 2)
        assert next(results) == (1, 1.0)
        with pytest.raises(ZeroDivisionError):
            next(results)
