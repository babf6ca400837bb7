"""Half cycles and cycles, and what each of them passed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lidepth.analysis.electrochemistry.steps import (
    change_std_s,
    find_steps,
    parts_of,
    under_current,
)
from lidepth.errors import BadData
from lidepth.model.cycling import CyclerLog, Step
from lidepth.model.electrochemistry import Cycle, Direction, HalfCycle

Group = tuple[Step, ...]

_PULSE = 1e-3  # of its neighbours' charge: a reversal that passes less is a pulse, no half cycle
_PARTIAL = 0.5  # of the charge that follows: a first discharge of less only empties the cell


def find_cycles(
    log: CyclerLog, origin: np.datetime64, *, begins: Direction | None = None
) -> tuple[Cycle, ...]:
    """Cycles of a log, in order of time.

    A half cycle goes on until the current reverses: pauses and changes of the current do not end
    it.  A cycle begins with ``begins``; without it with a discharge where the log begins with one
    that passes at least half of what the first charge does (a half cell against lithium), else
    with a charge.  A half that comes before the first ``begins`` is a cycle by itself.
    Raises BadData for a log without any current.
    """
    groups = _grouped(find_steps(log, origin))
    if not groups:
        raise BadData(
            "no current flows in this log", where=log.source, expected="a charge or a discharge",
            remedy="choose the file that covers the cycling",
        )  # fmt: skip
    first = begins or _begins(groups)
    std_s = change_std_s(log)
    found: dict[int, dict[str, HalfCycle]] = {}
    number = 0
    for group in groups:
        number += group[0].kind == first or number == 0
        half = _half(log, origin, group, number, std_s)
        found.setdefault(number, {})[half.kind] = half
    return tuple(
        Cycle(number=n, begins=first, charge=half.get("charge"), discharge=half.get("discharge"))
        for n, half in found.items()
    )


def nominal_capacity(cycles: Sequence[Cycle]) -> float:
    """Capacity of the first whole half that begins a cycle, in uAh; of any half without one.

    A log may begin within a half, with what was left of it: one with less than half of the
    largest capacity does not name the cell's.
    """
    halves = [half for cycle in cycles for half in cycle.halves]
    largest = max((half.capacity_uah for half in halves), default=0.0)
    halves = [half for half in halves if half.capacity_uah >= 0.5 * largest]
    begins = cycles[0].begins
    for wanted in (
        [h for h in halves if h.whole and h.kind == begins],
        [h for h in halves if h.whole],
        halves,
    ):
        if wanted:
            return wanted[0].capacity_uah
    raise BadData("there is no half cycle", expected="a charge or a discharge")


def _grouped(steps: Sequence[Step]) -> list[Group]:
    """Phases between reversals, rests inside included; pulses the other way left inside."""
    largest = max((abs(step.charge_uah) for step in steps), default=0.0)
    driven = [s for s in steps if s.kind in ("charge", "discharge") and s.charge_uah != 0.0]
    groups: list[list[Step]] = []
    for number, step in enumerate(driven):
        around = driven[max(number - 1, 0) : number + 2]
        pulse = abs(step.charge_uah) < _PULSE * largest and len(around) == 3
        if groups and (groups[-1][0].kind == step.kind or (pulse and around[2].kind != step.kind)):
            groups[-1].append(step)
        else:
            groups.append([step])
    return [
        tuple(s for s in steps if group[0].start_s <= s.start_s < group[-1].stop_s)
        for group in groups
    ]


def _begins(groups: Sequence[Group]) -> Direction:
    if groups[0][0].kind == "charge":
        return "charge"
    passed = [abs(sum(step.charge_uah for step in group)) for group in groups]
    partial = len(passed) > 1 and passed[0] < _PARTIAL * passed[1]
    return "charge" if partial else "discharge"


def _half(
    log: CyclerLog, origin: np.datetime64, group: Group, cycle: int, std_s: float
) -> HalfCycle:
    kind: Direction = "charge" if group[0].kind == "charge" else "discharge"
    sign = 1.0 if kind == "charge" else -1.0
    parts = tuple(part for step in group for part in parts_of(log, step, origin))
    passed = sign * sum(part.charge_uah for part in parts)
    cv = _ending_cv(parts)
    at_cv = sign * sum(part.charge_uah for part in cv)
    first, last = parts[0].first_row, parts[-1].last_row
    largest = max(
        (part for part in parts if part.mode == "CC"), key=lambda p: abs(p.charge_uah), default=None
    )
    current = largest or max(parts, key=lambda p: abs(p.charge_uah))
    ends = np.abs(log.current_ua[[first, last - 1]])
    jump, after = _jump(log, origin, last)
    return HalfCycle(
        kind=kind, cycle=cycle, parts=parts, start_s=parts[0].start_s, stop_s=parts[-1].stop_s,
        capacity_uah=passed, capacity_std_uah=float(np.hypot(*ends)) * std_s / 3600.0,
        cc_uah=passed - at_cv, cv_uah=at_cv if cv else np.nan,
        split_std_uah=_split_std(log, origin, cv[0]) if cv else 0.0,
        energy_uwh=sign * _energy_uwh(log, origin, first, last), current_ua=abs(current.current_ua),
        end_v=parts[-1].end_v, jump_v=sign * jump, after_s=after,
        moved_before_uah=float(log.passed_uah[first]), net_before_uah=float(log.charge_uah[first]),
        whole=first > 0 and last < log.time.size - 1,
    )  # fmt: skip


def _ending_cv(parts: Sequence[Step]) -> tuple[Step, ...]:
    """The constant voltage that a half cycle ends with, after some constant current."""
    end = len(parts)
    while end and parts[end - 1].mode == "CV":
        end -= 1
    return tuple(parts[end:]) if end else ()


def _split_std(log: CyclerLog, origin: np.datetime64, cv: Step) -> float:
    """Where current gives way to voltage is known to the spacing of the rows."""
    row = cv.first_row
    time = log.seconds(origin)
    spacing = float(time[row] - time[row - 1])
    return float(abs(log.current_ua[row - 1]) * spacing / np.sqrt(12.0) / 3600.0)


def _energy_uwh(log: CyclerLog, origin: np.datetime64, first: int, last: int) -> float:
    """Sum of current times mean voltage of each interval, in uWh; the last has its own voltage."""
    time, volts = log.seconds(origin)[first : last + 1], log.voltage_v[first:last]
    mean = 0.5 * (volts + np.append(volts[1:], volts[-1]))
    return float(np.sum(log.current_ua[first:last] * mean * np.diff(time)) / 3600.0)


def _jump(log: CyclerLog, origin: np.datetime64, last: int) -> tuple[float, float]:
    """Fall of the voltage from the last row with current to the first without, and the time."""
    rest = under_current(log, last)
    passing = abs(float(log.current_ua[last - 1]))
    if last >= log.time.size - 1 or abs(float(log.current_ua[last])) > 0.01 * passing:
        return np.nan, np.nan
    time = log.seconds(origin)
    fall = float(log.voltage_v[rest - 1] - log.voltage_v[rest])
    return fall, float(time[rest] - time[rest - 1])
