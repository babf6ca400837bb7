"""One thread of linear algebra, where matrices are small."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

Given = ParamSpec("Given")
Found = TypeVar("Found")


def one_thread(function: Callable[Given, Found]) -> Callable[Given, Found]:
    """Run ``function`` with one thread of linear algebra.

    On matrices of a hundred rows more of them only wait for each other: the fit of a run took a
    quarter longer and twice the processor time.  Sums have one order on every machine, too.
    """

    @wraps(function)
    def alone(*args: Given.args, **kwargs: Given.kwargs) -> Found:
        with single():
            return function(*args, **kwargs)

    return alone


def single() -> AbstractContextManager[Any]:
    """Limit linear algebra to one thread for as long as it is entered, in the whole process."""
    limit: AbstractContextManager[Any] = _libraries().limit(limits=1)
    return limit


@cache
def _libraries() -> ThreadpoolController:
    """The libraries of this process, which take a millisecond to be looked for."""
    return ThreadpoolController()
