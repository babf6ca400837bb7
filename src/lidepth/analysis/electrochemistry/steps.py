"""Phases of a cycler log, and which of them hold current or voltage constant.

Only time, voltage and current are used, so that every cycler is read alike; what the maker's own
software says of steps and cycles serves as a check (``agreement``).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lidepth.model.cycling import CyclerLog, Step, StepKind, StepMode

Floats = NDArray[np.float64]
Stretch = tuple[int, int, StepMode]

_INTERRUPTION_S = 120.0  # a current missing for less is a hiccup of the log, not a rest
_KINDS: dict[int, StepKind] = {1: "charge", -1: "discharge", 0: "rest"}

_STRONG, _WEAK = 0.01, 1e-4  # of the largest current
_LEAST_UA = 0.005
_BREAK = 20.0  # fall of the current from one row to the next that no constant voltage makes
_FIVE_SIGMA = 7.41  # in medians of the magnitude of Gaussian noise: 5 / 0.6745

_SAME_CURRENT = 0.02  # a source that holds its current holds it to better than this
_NEAR_V = 0.003  # regulation of a cycler at constant voltage: 1 mV, with room
_SETTLED = 3  # rows: a part of fewer is how a source settles
_FALLEN = 0.05  # of the current, over a part at constant voltage


def find_steps(log: CyclerLog, origin: np.datetime64) -> tuple[Step, ...]:
    """Phases of the run from the sign of the current, in order of time.

    A cycle begins with its charge; what comes before the first current is ``pristine``.  A charge
    at constant current and the constant voltage after it are one phase, of mode ``mixed``.
    """
    time, charge = log.seconds(origin), log.charge_uah
    steps: list[Step] = []
    cycle = 0
    for direction, first, last in _segments(time, signs(log.current_ua)):
        if direction > 0:
            cycle += 1
        elif direction < 0 and cycle == 0:
            cycle = 1
        kind: StepKind = "pristine" if cycle == 0 else _KINDS[direction]
        found = {mode for _, _, mode in _stretches(log, time, direction, first, last)}
        mode: StepMode = found.pop() if len(found) == 1 else "mixed"
        steps.append(_step(log, time, charge, kind, cycle, first, last, mode))
    return tuple(steps)


def parts_of(log: CyclerLog, step: Step, origin: np.datetime64) -> tuple[Step, ...]:
    """Constant current, constant voltage and other parts of one phase, in order of time."""
    time, charge = log.seconds(origin), log.charge_uah
    direction = {"charge": 1, "discharge": -1}.get(step.kind, 0)
    return tuple(
        _step(log, time, charge, step.kind, step.cycle, first, last, mode)
        for first, last, mode in _stretches(log, time, direction, step.first_row, step.last_row)
    )


def _step(
    log: CyclerLog, time: Floats, charge: Floats, kind: StepKind, cycle: int, first: int,
    last: int, mode: StepMode,
) -> Step:  # fmt: skip
    passed = float(charge[last] - charge[first])
    span = max(time[last] - time[first], 1e-9)
    return Step(
        kind=kind, cycle=cycle, start_s=float(time[first]), stop_s=float(time[last]),
        charge_uah=passed, current_ua=passed * 3600.0 / span, mode=mode,
        first_row=first, last_row=last, start_v=float(log.voltage_v[first]),
        end_v=float(log.voltage_v[under_current(log, last) - 1]),
    )  # fmt: skip


def under_current(log: CyclerLog, last: int) -> int:
    """Row after the last whose voltage was taken while the step before row ``last`` ran.

    A cycler that writes what flowed before each row takes the row that ends a step under the
    step's current; one that writes what flows from now on takes it after the change.
    """
    written = log.vendor.get("Current / A")
    if written is None or last >= log.time.size:
        return last
    here, usual = float(written[last]) * 1e6, float(log.current_ua[last - 1])
    return last + 1 if here * usual > 0.25 * usual**2 and here * usual < 4.0 * usual**2 else last


def signs(current_ua: Floats) -> NDArray[np.int64]:
    """Direction of the current of every row: 1 charge, -1 discharge, 0 none; shape (n,).

    A current above 1 % of the largest counts.  A weaker one counts where it goes on from such a
    current without a break and stands out of the noise of the meter: the end of a constant
    voltage, whose current may fall a thousandfold.
    """
    size = np.abs(current_ua)
    largest = float(np.max(size))
    high = max(_STRONG * largest, _LEAST_UA)
    quiet = size[size <= high]
    noise = float(np.median(quiet)) if quiet.size else 0.0
    low = min(max(_FIVE_SIGMA * noise, _WEAK * largest, _LEAST_UA), high)
    weak = np.where(size > low, np.sign(current_ua), 0).astype(np.int64)
    floored = np.maximum(size, _LEAST_UA)
    breaks = (np.diff(weak) != 0) | (np.abs(np.diff(np.log(floored))) > np.log(_BREAK))
    run = np.concatenate([[0], np.cumsum(breaks)])
    strong = np.bincount(run, weights=size > high) > 0
    return np.where(strong[run], weak, 0)


def change_std_s(log: CyclerLog) -> float:
    """Standard uncertainty of the time of a change of current, in s.

    The resolution of the clock where the log has a row at the change (off its regular beat), the
    beat where it has not.
    """
    seconds = log.seconds(log.time[0])
    spacing = np.diff(seconds)
    beat = float(np.median(spacing))
    changes = np.flatnonzero(np.diff(signs(log.current_ua))) + 1
    if not np.any(np.abs(spacing[changes - 1] - beat) > 1e-3 * beat):
        return float(beat / np.sqrt(12.0))
    whole = bool(np.all(np.abs(seconds - np.round(seconds)) < 1e-6))
    return float((1.0 if whole else 1e-3) / np.sqrt(12.0))


def _segments(time: Floats, sign: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """(sign, first row, row after the last) of every stretch of one sign; hiccups merged."""
    cuts = np.flatnonzero(np.diff(sign)) + 1
    firsts = np.concatenate([[0], cuts])
    lasts = np.concatenate([cuts, [sign.size - 1]])
    merged: list[tuple[int, int, int]] = []
    for first, last in zip(firsts, lasts, strict=True):
        direction = int(sign[first])
        if last <= first:
            continue
        if merged and merged[-1][0] == direction:
            merged[-1] = (direction, merged[-1][1], int(last))
            continue
        before = merged[-2][0] if len(merged) > 1 else None
        short = merged and merged[-1][0] == 0 and _length(time, merged[-1]) < _INTERRUPTION_S
        if short and before == direction:
            merged.pop()
            merged[-1] = (direction, merged[-1][1], int(last))
            continue
        merged.append((direction, int(first), int(last)))
    return merged


def _length(time: Floats, segment: tuple[int, int, int]) -> float:
    return float(time[segment[2]] - time[segment[1]])


def voltage_noise(time_s: Floats, voltage_v: Floats) -> float:
    """Standard deviation of the noise of one voltage, in V, and at least its resolution's.

    From how far each voltage lies off the line through its neighbours: the median, so that edges
    do not count.  A curved signal makes it too large, never too small.
    """
    if voltage_v.size < 3:
        return 0.0
    before, after = np.diff(time_s)[:-1], np.diff(time_s)[1:]
    width = before + after
    inside = width > 0
    share = np.where(inside, after / np.where(inside, width, 1.0), 0.5)
    off = voltage_v[1:-1] - share * voltage_v[:-2] - (1.0 - share) * voltage_v[2:]
    size = np.abs(off) / np.sqrt(1.0 + share**2 + (1.0 - share) ** 2)
    steps = np.abs(np.diff(voltage_v))
    steps = steps[steps > 1e-9]
    resolution = float(steps.min()) / np.sqrt(12.0) if steps.size else 0.0
    return max(float(np.median(size)) / 0.6745, resolution)


def _stretches(
    log: CyclerLog, time: Floats, direction: int, first: int, last: int
) -> tuple[Stretch, ...]:
    """(first row, row after the last, mode) of every part of one phase."""
    if direction == 0:
        return ((first, last, "rest"),)
    size = np.abs(log.current_ua[first:last])
    if float(size.min()) > (1.0 - _SAME_CURRENT) * float(size.max()):
        return ((first, last, "CC"),)
    lasts_s = np.diff(time[first : last + 1])
    on = size > 0.01 * float(np.median(size))
    volts = direction * log.voltage_v[first:last]
    noise_v = voltage_noise(time[first:last], volts)
    pieces: list[Stretch] = []
    for begin, end in _between_rises(size, on):
        start_cv = _constant_voltage(
            size[begin:end], volts[begin:end], on[begin:end], max(_NEAR_V, 8.0 * noise_v)
        )
        pieces += _constant_currents(size, lasts_s, on, begin, begin + start_cv)
        if begin + start_cv < end:
            pieces.append((begin + start_cv, end, "CV"))
    joined = _joined(pieces, size, on)
    return tuple((first + begin, first + end, mode) for begin, end, mode in joined)


def _noise(size: Floats) -> float:
    """Standard deviation of the noise of a current that is mostly constant."""
    if size.size < 3:
        return 0.0
    return float(np.median(np.abs(np.diff(size))) / 0.6745 / np.sqrt(2.0))


def _between_rises(size: Floats, on: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Rows between rises of the current: within a charge it rises only where a new part begins."""
    rows = np.flatnonzero(on)
    flowing = size[rows]
    rise = np.diff(flowing) > np.maximum(_FALLEN * flowing[:-1], 8.0 * _noise(flowing))
    cuts = [0, *rows[np.flatnonzero(rise) + 1].tolist(), size.size]
    yield from pairwise(cuts)


def _constant_voltage(size: Floats, volts: Floats, on: NDArray[np.bool_], near_v: float) -> int:
    """First row of the constant voltage at the end of a piece; its length where there is none.

    The voltage stays where it ended and the current falls away from its earlier, constant value.
    ``volts`` rise on charge: they are negated for a discharge.
    """
    none = int(size.size)
    if on.sum() < 3:
        return none
    near = np.abs(volts - np.median(volts[on][-3:])) <= near_v
    reached = int(np.flatnonzero(near & on)[0]) if np.any(near & on) else none
    if reached == none:
        return none
    before = size[:reached][on[:reached]][-5:]
    held = float(np.median(before)) if before.size else float(size[reached])
    candidate = (near & (size < 0.99 * held)) | ~on
    if not before.size:
        candidate[reached] = True  # begins at constant voltage: the first row is the largest
    tail = np.cumsum(candidate[::-1])[::-1] / np.arange(none, 0, -1)
    starts = np.flatnonzero(candidate & on & (tail >= 0.98))
    if not starts.size or none - starts[0] < 3:
        return none
    begin = int(starts[0])
    flowing = size[begin:][on[begin:]]
    fallen = float(np.median(flowing[:3]) - np.median(flowing[-3:]))
    return begin if fallen > _FALLEN * float(np.median(flowing[:3])) else none


def _constant_currents(
    size: Floats, lasts_s: Floats, on: NDArray[np.bool_], begin: int, end: int
) -> list[Stretch]:
    """Parts of constant current between two rows, cut where the current steps."""
    if end <= begin:
        return []
    rows = begin + np.flatnonzero(on[begin:end])
    flowing = size[rows]
    allowed = np.maximum(_SAME_CURRENT * flowing[:-1], 8.0 * _noise(flowing))
    cuts = [begin, *rows[np.flatnonzero(np.abs(np.diff(flowing)) > allowed) + 1].tolist(), end]
    found: list[Stretch] = []
    for low, high in pairwise(cuts):
        inside = on[low:high]
        part, weight = size[low:high][inside], lasts_s[low:high][inside]
        mode: StepMode = "mixed"
        if part.size and weight.sum() > 0:
            off = np.abs(part - np.median(part))
            steady = off <= max(_SAME_CURRENT * float(np.median(part)), 8.0 * _noise(part))
            mode = "CC" if weight[steady].sum() >= 0.9 * weight.sum() else "mixed"
        found.append((low, high, mode))
    return found


def _joined(pieces: list[Stretch], size: Floats, on: NDArray[np.bool_]) -> list[Stretch]:
    """Put together what a hiccup or a row of transition has taken apart."""
    joined: list[Stretch] = []
    for begin, end, mode in pieces:
        if joined:
            earlier, until, known = joined[-1]
            same = known == mode and (mode != "CC" or _alike(size, on, earlier, until, begin, end))
            if same or end - begin < _SETTLED:
                joined[-1] = (earlier, end, known)
                continue
            if until - earlier < _SETTLED:
                joined.pop()
                begin = earlier
        if joined and joined[-1][2] == mode == "mixed":
            begin = joined.pop()[0]
        joined.append((begin, end, mode))
    return joined


def _alike(
    size: Floats, on: NDArray[np.bool_], begin: int, middle: int, start: int, end: int
) -> bool:
    """Whether two stretches carry the same current."""
    one, other = (
        float(np.median(size[low:high][on[low:high]])) if np.any(on[low:high]) else 0.0
        for low, high in ((begin, middle), (start, end))
    )
    return abs(one - other) <= _SAME_CURRENT * max(one, other)
