"""What all rows share: sizes, timing side by side, the machine, the lines of the tables."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info, threadpool_limits

BUSY = 0.7
"""Load average above which the page warns: another process then takes part of two cores."""


class NotInstalled(Exception):
    """A peer that is not on this machine; its rows say so."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large each row's work is.

    ``particles`` of the transport; ``slow_particles`` of peers that take milliseconds each;
    ``checked`` birth energies at which each is compared with Runge-Kutta;
    ``files`` (sample, background, reference) of the boron case and ``exposure`` of each relative
    to six hours; ``spectra`` of ``channels`` of the array rows; ``cycles`` of the simulated
    campaign at ``current_ua`` after ``pristine_s``; ``live`` spectra given to the live filter;
    ``file_spectra`` of the run file; ``rounds`` of each contest; ``slow_rounds`` where one takes
    seconds; ``steps`` numbers of work that each exponent is fitted to.
    """

    particles: int = 1_000_000
    slow_particles: int = 6
    checked: int = 8
    files: tuple[int, int, int] = (10, 4, 3)
    exposure: float = 1.0
    spectra: int = 22_500
    channels: int = 4096
    cycles: int = 30
    current_ua: float = 10.0
    pristine_s: float = 43_200.0
    live: int = 300
    file_spectra: int = 4000
    rounds: int = 5
    slow_rounds: int = 2
    steps: int = 4


TINY = Size(
    particles=2000, slow_particles=1, checked=2, files=(2, 1, 1), exposure=0.2, spectra=64,
    channels=512, cycles=1, current_ua=60.0, pristine_s=21_600.0, live=10, file_spectra=64,
    rounds=2, slow_rounds=1, steps=2,
)  # fmt: skip
"""For the tests: every row runs, no figure means anything."""


@dataclass(frozen=True, kw_only=True)
class Times:
    """Seconds of repeated calls by the wall clock, the warming-up call apart."""

    first: float
    all: tuple[float, ...]

    @property
    def best(self) -> float:
        return min(self.all)

    @property
    def median(self) -> float:
        return statistics.median(self.all)


def contest(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Times]:
    """Time the contestants in turns, each round in the opposite order of the one before.

    What the machine does besides thus hits all alike; one thread of linear algebra.
    """
    spent: dict[str, list[float]] = {name: [] for name in calls}
    with threadpool_limits(limits=1):
        first = {name: _seconds(call) for name, call in calls.items()}
        for number in range(rounds):
            names = list(calls) if number % 2 else list(calls)[::-1]
            for name in names:
                spent[name].append(_seconds(calls[name]))
    return {name: Times(first=first[name], all=tuple(spent[name])) for name in calls}


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a row's table, times in s for ``amount`` units of ``work``.

    ``reference`` is the peer or the limit, ``reference_s`` its time for the same work (None where
    the peer is missing: then ``missing`` says why).  ``low`` and ``high`` are the smallest and
    the largest ratio of single rounds.  Errors are against ``truth`` in ``unit``; ``floor`` is
    the error below which nobody can use more, for accuracy per second.
    """

    ours: str
    reference: str
    work: str
    ours_s: float
    reference_s: float | None = None
    low: float | None = None
    high: float | None = None
    error: float | None = None
    reference_error: float | None = None
    unit: str = ""
    floor: float = 0.0
    missing: str = ""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Time of the peer or the limit over ours: above one ours is faster."""
        return None if self.reference_s is None else self.reference_s / self.ours_s

    @property
    def gain(self) -> float | None:
        """Accuracy per second, 1 / (error x time), of ours over the peer's."""
        if self.ratio is None or self.error is None or self.reference_error is None:
            return None
        return self.ratio * max(self.reference_error, self.floor) / max(self.error, self.floor)

    @property
    def accuracy_per_s(self) -> float | None:
        """1 / (error x time) of ours, for the work of the line."""
        if self.error is None:
            return None
        worst = max(self.error, self.floor)
        return 1.0 / (worst * self.ours_s) if worst > 0 else None


def line(times: Mapping[str, Times], ours: str, peer: str, *, work: str, **more: Any) -> Line:
    """A line of two contestants of one contest: medians, and the span over the rounds.

    ``scale`` multiplies the peer's times where it had less work to do.
    """
    scale = more.pop("scale", 1.0)
    rounds = [scale * b / a for a, b in zip(times[ours].all, times[peer].all, strict=True)]
    return Line(
        ours=ours, reference=peer, work=work, ours_s=times[ours].median,
        reference_s=scale * times[peer].median, low=min(rounds), high=max(rounds), **more,
    )  # fmt: skip


def machine() -> dict[str, Any]:
    """What the figures were made on."""
    blas = threadpool_info()
    return {
        "processor": _processor(), "cores": os.cpu_count(), "system": platform.system(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in ("numpy", "scipy", "numba", "lidepth")},
        "blas": ", ".join(sorted({f"{b['internal_api']} {b['version']}" for b in blas})),
    }  # fmt: skip


def load() -> float:
    """Processes that wanted a core, mean over the last minute; NaN where nobody counts."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def version(name: str) -> str:
    """Installed version of a distribution, empty where there is none."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.processor()
