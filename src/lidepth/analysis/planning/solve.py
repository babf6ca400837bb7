"""From the error as a function of time, cycles, distance and resolution to what is needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol as Shape

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.planning.answer import Answer, Need
from lidepth.analysis.planning.information import Known
from lidepth.errors import BadData

Floats = NDArray[np.float64]

FOREVER_S = 1e10
_SHORTEST_S = 1.0
_MOST_STATES = 1000
FWHM_KEV = (5.0, 10.0, 18.0, 30.0, 50.0)
NEARNESS = (0.25, 0.4, 0.63, 1.0, 1.6, 2.5)
"""Distances tried, as multiples of the planned one."""
_CURVE = 25
_SMALL_SHARE = 0.005

BESIDE = "what lies beside"
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("flux of the state", ("flux of the state",)),
    ("energy scale", ("offset of the state", "offset", "gain", "offset_drift", "gain_drift")),
    ("stack", ("areal", "content", "area")),
    (BESIDE, ("anode", "cathode", "interlayer", "bulk", "thickness", "edge", "hat",
                          "profile", "amount", "bin")),
    ("stopping", ("stopping", "shape", "bend", "triton", "eps_li")),
    ("moved silicon", ("silicon", "silicon_depth")),
    ("detector", ("fwhm", "tail", "tail_length", "roughness", "straggling", "scattering")),
    ("background", ("background of the state", "background", "back_length", "flat")),
    ("rate", ("flux", "ratio")),
    ("leak", ("leak",)),
    ("growth of every cycle", ("growth of every cycle",)),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Knobs:
    """What can be turned: time per state, how many states or cycles, distance, resolution."""

    count_s: float
    cycles: float
    nearness: float = 1.0
    fwhm_kev: float


class Asked(Shape):
    """One question, made ready: its error as a function of the knobs."""

    @property
    def quantity(self) -> str:
        """What the error is of."""
        ...

    @property
    def unit(self) -> str:
        """Unit of the error."""
        ...

    @property
    def target(self) -> float:
        """Standard uncertainty that the question needs."""
        ...

    @property
    def by_cycles(self) -> bool:
        """Whether cycles, not the time per state, are what counting time buys."""
        ...

    @property
    def averages(self) -> bool:
        """Whether several states can be averaged."""
        ...

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was assumed."""
        ...

    def asked(self, name: str) -> bool:
        """Whether the parameter is (part of) what is asked, and so never known."""
        ...

    def std(self, at: Knobs, known: Known | None = None, *, tied: bool = True) -> float:
        """Standard uncertainty."""
        ...

    def tied(self) -> bool:
        """Whether coulometry and conservation take part."""
        ...

    def seconds(self, cycles: int) -> float:
        """Beam time of a run of so many cycles."""
        ...


def answer(asked: Asked, knobs: Knobs, *, question: str, distance_cm: float) -> Answer:
    """Turn every knob by itself until the error is what the question needs."""
    error = asked.std(knobs)
    endless = replace(knobs, count_s=FOREVER_S)
    if asked.by_cycles:
        endless = replace(knobs, cycles=_most_cycles(knobs))
    floor = asked.std(endless)
    time_s, curve = _curve(asked, knobs)
    return Answer(
        question=question, quantity=asked.quantity, unit=asked.unit, target=asked.target,
        error=error, alone=asked.std(knobs, tied=False) if asked.tied() else math.nan,
        floor=floor, time_s=time_s, curve=curve,
        planned_s=asked.seconds(int(knobs.cycles)) if asked.by_cycles else knobs.count_s,
        time_label="beam time of the cycles" if asked.by_cycles else "counting time of a state",
        needs=tuple(_needs(asked, knobs, distance_cm)), limits=_limits(asked, knobs),
        floor_limits=_limits(asked, endless),
        remarks=asked.remarks,
    )  # fmt: skip


def _most_cycles(knobs: Knobs) -> int:
    return int(min(max(4 * knobs.cycles, 100), 400))


def _curve(asked: Asked, knobs: Knobs) -> tuple[Floats, Floats]:
    if asked.by_cycles:
        most = _most_cycles(knobs)
        cycles = np.unique(np.round(np.geomspace(1, most, 12)).astype(np.int64))
        time_s = np.array([asked.seconds(int(n)) for n in cycles])
        return time_s, np.array([asked.std(replace(knobs, cycles=int(n))) for n in cycles])
    time_s = np.geomspace(60.0, max(1e6, 30.0 * knobs.count_s), _CURVE)
    return time_s, np.array([asked.std(replace(knobs, count_s=float(t))) for t in time_s])


def _needs(asked: Asked, knobs: Knobs, distance_cm: float) -> list[Need]:
    needs = []
    if asked.by_cycles:
        cycles = _least_count(asked, knobs, _most_cycles(knobs))
        seconds = asked.seconds(int(cycles)) if math.isfinite(cycles) else math.nan
        needs += [
            Need(name="counting time", value=seconds, planned=asked.seconds(int(knobs.cycles)),
                 unit="s", remark="beam time of all cycles"),
            Need(name="cycles", value=cycles, planned=knobs.cycles, unit=""),
        ]  # fmt: skip
    else:
        seconds = _least_time(asked, knobs)
        needs.append(
            Need(name="counting time", value=seconds, planned=knobs.count_s, unit="s",
                 remark="of one state")
        )  # fmt: skip
        if asked.averages:
            cycles = _least_count(asked, replace(knobs, cycles=1), _MOST_STATES)
            needs.append(
                Need(name="cycles", value=cycles, planned=1, unit="",
                     remark="states alike, averaged")
            )  # fmt: skip
    needs += [_distance(asked, knobs, distance_cm), _resolution(asked, knobs)]
    return needs


def _least_time(asked: Asked, knobs: Knobs) -> float:
    """Least counting time, bisected in its logarithm to a thousandth; NaN where none does."""

    def enough(log_s: float) -> bool:
        return asked.std(replace(knobs, count_s=math.exp(log_s))) <= asked.target

    low, high = math.log(_SHORTEST_S), math.log(FOREVER_S)
    if not enough(high):
        return math.nan
    if enough(low):
        return _SHORTEST_S
    while high - low > 1e-3:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if enough(middle) else (middle, high)
    return math.exp(high)


def _least_count(asked: Asked, knobs: Knobs, most: int) -> float:
    low, high = 0, most
    if asked.std(replace(knobs, cycles=most)) > asked.target:
        return math.nan
    while high - low > 1:
        middle = (low + high) // 2
        enough = asked.std(replace(knobs, cycles=middle)) <= asked.target
        low, high = (low, middle) if enough else (middle, high)
    return float(high)


def _distance(asked: Asked, knobs: Knobs, distance_cm: float) -> Need:
    errors = [error_or_infinite(asked, replace(knobs, nearness=x)) for x in NEARNESS]
    value = largest(NEARNESS, errors, asked.target)
    remark = "" if math.isfinite(value) else f"not at {NEARNESS[0]:g} of the planned distance"
    if value == NEARNESS[-1]:
        remark = "this far at least"
    known = math.isfinite(distance_cm)
    scale = distance_cm if known else 1.0
    return Need(name="distance", value=value * scale, planned=scale, unit="cm" if known else "x",
                remark=remark)  # fmt: skip


def _resolution(asked: Asked, knobs: Knobs) -> Need:
    errors = [error_or_infinite(asked, replace(knobs, fwhm_kev=x)) for x in FWHM_KEV]
    value = largest(FWHM_KEV, errors, asked.target)
    remark = "" if math.isfinite(value) else f"not at {FWHM_KEV[0]:g} keV"
    if value == FWHM_KEV[-1]:
        remark = "this wide at least"
    return Need(name="FWHM", value=value, planned=knobs.fwhm_kev, unit="keV", remark=remark)


def error_or_infinite(asked: Asked, knobs: Knobs) -> float:
    """Error, infinite where the spectra cannot decide."""
    try:
        return asked.std(knobs)
    except BadData:
        return math.inf


def largest(values: Sequence[float], errors: Sequence[float], target: float) -> float:
    """Largest of ``values`` (rising) whose error is within ``target``; NaN where none is.

    Between two of them the logarithm of the error is linear in that of the value.
    """
    for place in range(len(values) - 1, -1, -1):
        if errors[place] <= target:
            if place == len(values) - 1 or not math.isfinite(errors[place + 1]):
                return values[place]
            low, high = math.log(errors[place]), math.log(errors[place + 1])
            share = (math.log(target) - low) / (high - low)
            step = math.log(values[place + 1] / values[place])
            return values[place] * math.exp(share * step)
    return math.nan


def _limits(asked: Asked, knobs: Knobs) -> tuple[tuple[str, float], ...]:
    """What limits the error, and the share of its variance that goes when that is known.

    "Counting" is the share that is left when everything but amounts of lithium is known.
    """
    whole = asked.std(knobs) ** 2
    amounts = dict(GROUPS)[BESIDE]
    counting = asked.std(knobs, lambda name: not (asked.asked(name) or _in(name, amounts)))
    found = [("counting", counting**2 / whole)]
    for group, members in GROUPS:
        if group == BESIDE and asked.tied():
            continue  # conservation and the charge make the others the same as what is asked

        def known(name: str, members: tuple[str, ...] = members) -> bool:
            return not asked.asked(name) and _in(name, members)

        share = 1.0 - asked.std(knobs, known) ** 2 / whole
        if share > _SMALL_SHARE:
            found.append((group, share))
    return tuple(sorted(found, key=lambda pair: -pair[1]))


def _in(name: str, members: tuple[str, ...]) -> bool:
    return name in members or name.split(":")[0] in members
