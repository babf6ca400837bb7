"""Work on many states at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Found = TypeVar("Found")


def in_threads(
    one: Callable[[Item], Found], items: Iterable[Item], threads: int = 2
) -> list[Found]:
    """``one`` of every item, in order; the number of threads changes nothing but the time.

    The matrices are small: threads of the linear algebra would only be in each other's way.
    """
    with threadpool_limits(limits=1), ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, items))
