"""What a plan answers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Need:
    """How much of one thing the question needs, all others held as planned.

    ``value`` is NaN where no amount of it suffices, or where it was not asked (``remark`` says
    which); ``planned`` is what the plan has.
    """

    name: str
    value: float
    planned: float
    unit: str
    remark: str = ""

    @property
    def possible(self) -> bool:
        """Whether some amount suffices."""
        return math.isfinite(self.value)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One question answered.

    ``error`` is the standard uncertainty of ``quantity`` that the plan reaches, ``target`` the
    one that the question needs, both in ``unit``; ``alone`` without coulometry and conservation
    (NaN where there is none to leave out); ``floor`` what no counting time goes below.
    ``time_s`` (k,) and ``curve`` (k,) are the error against counting time.  ``limits`` pairs what
    limits the error with the share of its variance that would go if that were known exactly (they
    need not add up to one); ``floor_limits`` the same of the floor.
    """

    question: str
    quantity: str
    unit: str
    target: float
    error: float
    alone: float
    floor: float
    planned_s: float
    time_s: Floats
    curve: Floats
    time_label: str
    needs: tuple[Need, ...]
    limits: tuple[tuple[str, float], ...]
    floor_limits: tuple[tuple[str, float], ...]
    remarks: tuple[str, ...] = ()

    @property
    def enough(self) -> bool:
        """Whether the plan as it stands suffices."""
        return self.error <= self.target

    @property
    def reachable(self) -> bool:
        """Whether more counting time alone can suffice."""
        return self.floor <= self.target

    def need(self, name: str) -> Need:
        """The need called ``name``; KeyError where the question has none."""
        for one in self.needs:
            if one.name == name:
                return one
        raise KeyError(name)
