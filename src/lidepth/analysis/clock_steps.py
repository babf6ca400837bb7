"""A clock that was set while a run was recorded, found from the charge.

A clock of the spectra that is set ahead leaves a pause that was none, or a longer one than there
was; one that is set back shows in the order of the files; a clock of the cycler that is set ahead
leaves its log without rows for so long.  At each such place the spectra before it and after it
are laid upon the charge with an offset of their own: their difference is what the clock was set
by.  The spectra may change their shape at that moment in any other way (somebody was at the
instrument): such a change is fitted with it and counts for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.charge_signal import (
    ChargeSignal,
    Gain,
    charge_signal,
    gain_of,
    with_change,
)
from lidepth.analysis.clock_search import (
    SIGMAS,
    bend_at,
    misfit,
    peaks,
    refined,
    scan,
    shows_charge,
    tops,
    with_drift,
)
from lidepth.analysis.clocks import (
    LEAST_S,
    MOST_DRIFT_PPM,
    MOST_MISFIT,
    RIVAL_GAIN,
    log_base_s,
)
from lidepth.model.cycling import CyclerLog
from lidepth.model.instrument import Instrument
from lidepth.model.spectra import SpectrumSeries
from lidepth.model.stack import Stack

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]

_MOST_PAUSES = 12  # the longest; of more, short ones cannot be told apart anyway
_MOST_PEAKS = 4  # offsets tried on either side
_MOST_CLIMBED = 4  # pairs of them
_FINE = 0.02  # of a dwell: steps of the climb, before the last one to the top of a parabola
_LONG = 4.0  # usual times between rows: loggers that write when something changes vary them
_ABOUT = 41  # rows
_LEAST_ROWS = 8  # spectra on either side
_SAME = 2.0  # standard errors within which a pause is taken for the step, to the second


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a clock may have been set: spectra that start at ``at_s`` or later come after it.

    ``shown_s`` is by how much the clock jumped ahead if nothing paused, below 0 for back.
    """

    at_s: float
    shown_s: float


@dataclass(frozen=True, kw_only=True)
class SetClock:
    """The clock jumped ahead by ``step_s`` at a place; the charge shows it to ``std_s``.

    ``fitted_s`` is what the charge shows; ``step_s`` is what the times of the spectra themselves
    show, to the second, where the two agree.
    """

    place: Place
    step_s: float
    fitted_s: float
    std_s: float


def pauses(series: SpectrumSeries) -> list[Place]:
    """The longest pauses between spectra, as places where the clock may have been set ahead."""
    if len(series) < 2:
        return []
    pause_s = series.start_s[1:] - np.maximum.accumulate(series.stop_s)[:-1]
    excess_s = pause_s - float(np.median(pause_s))
    late = np.flatnonzero(excess_s > _least_s(series))
    longest = late[np.argsort(-excess_s[late], kind="stable")][:_MOST_PAUSES]
    starts = series.start_s[1:]
    return [Place(at_s=float(starts[i]), shown_s=float(excess_s[i])) for i in longest]


def log_gaps(log: CyclerLog) -> list[int]:
    """Rows after which the next comes four times later than is usual about there; longest first."""
    took_s = np.diff(log.seconds(log.time[0]))
    usual_s = _usual_s(took_s)
    long = np.flatnonzero((took_s > _LONG * usual_s) & (took_s - usual_s > LEAST_S))
    return [int(i) for i in long[np.argsort(-took_s[long], kind="stable")][:_MOST_PAUSES]]


def _usual_s(took_s: Floats) -> Floats:
    """Median of the times between rows about each row; shape as ``took_s``."""
    from scipy.ndimage import median_filter

    return np.asarray(median_filter(took_s, size=min(_ABOUT, took_s.size), mode="nearest"))


def without_log_step(
    series: SpectrumSeries, log: CyclerLog, instrument: Instrument, stack: Stack
) -> tuple[CyclerLog, int, SetClock] | None:
    """Return the log with one step of its clock taken out, the row before it and the step.

    None where the charge shows none, and for a log with a test time of its own, which no change
    of a clock reaches.
    """
    rows = log_gaps(log)
    if not rows or "Test Time / s" in log.vendor:
        return None
    took_s = np.diff(log.seconds(log.time[0]))
    excess_s = took_s - _usual_s(took_s)
    since_s = log.seconds(series.origin) + log_base_s(series, log)
    places = {Place(at_s=float(since_s[row]), shown_s=-float(excess_s[row])): row for row in rows}
    step = clock_step(series, log, instrument, stack, list(places))
    if step is None:
        return None
    row = places[step.place]
    moved = np.where(np.arange(log.time.size) > row, round(step.step_s * 1e9), 0)
    return replace(log, time=log.time + moved.astype("timedelta64[ns]")), row, step


def clock_step(
    series: SpectrumSeries,
    log: CyclerLog,
    instrument: Instrument,
    stack: Stack,
    places: Sequence[Place],
) -> SetClock | None:
    """Return the step of the clock that the charge shows best, None where it shows none.

    Of ``log`` nothing was taken yet.  A step is believed where chi-squared falls by 16 (4 sigma)
    or more against none, and by more than a drift lets it fall.
    """
    signal = charge_signal(series, instrument, stack) if places else None
    if signal is None:
        return None
    moved = log.shifted(log_base_s(series, log))
    time_s, charge = moved.seconds(series.origin), moved.charge_uah
    if not np.ptp(charge) > 0 or not time_s[-1] > time_s[0]:
        return None
    offsets, gains = scan(signal, time_s, charge)
    if not shows_charge(gains, signal):
        return None
    starts = [top.offset_s for top in tops(gain_of(signal, time_s, charge), offsets, gains, signal)]
    if not starts:
        return None
    found = [_at(place, signal, time_s, charge, starts, _least_s(series)) for place in places]
    known = [one for one in found if one is not None]
    return max(known, key=lambda one: one[0])[1] if known else None


def _least_s(series: SpectrumSeries) -> float:
    return max(LEAST_S, 0.1 * float(np.median(series.real_s)))


def _at(
    place: Place,
    signal: ChargeSignal,
    time_s: Floats,
    charge: Floats,
    starts: list[float],
    least_s: float,
) -> tuple[float, SetClock] | None:
    """Return by how much a step at one place is better than none, and the step."""
    later = signal.start_s >= place.at_s - 1e-3
    if not _LEAST_ROWS <= np.count_nonzero(later) <= later.size - _LEAST_ROWS:
        return None
    free = with_change(signal, later)
    gain = gain_of(free, time_s, charge, later=later)
    dwell_s = float(np.median(signal.stop_s - signal.start_s))
    begun = _begun(place, free, time_s, charge, later, dwell_s)
    ranked = sorted(begun, key=lambda at: -gain(*at.tolist()).value)[:_MOST_CLIMBED]
    if not ranked:
        return None
    climbed = [_climbed(gain, at, dwell_s) for at in ranked]
    climbed.sort(key=lambda at: -gain(*at.tolist()).value)
    at = climbed[0]
    top = gain(*at.tolist())
    spread = misfit(free, top)
    std_s = _std_s(gain, at, spread, dwell_s)
    better = (top.value - _without(free, time_s, charge, starts)) / spread
    if spread > MOST_MISFIT or top.rise <= 0 or better < SIGMAS**2:
        return None
    fitted_s = float(at[1])
    if not abs(fitted_s) > max(SIGMAS * std_s, least_s) or not _possible(place, fitted_s, std_s):
        return None
    same = abs(fitted_s - place.shown_s) < _SAME * std_s
    if _rivalled(gain, climbed, top.value - RIVAL_GAIN * spread, dwell_s):
        return None
    return better, SetClock(
        place=place, step_s=place.shown_s if same else fitted_s, fitted_s=fitted_s, std_s=std_s
    )


def _possible(place: Place, step_s: float, std_s: float) -> bool:
    """A pause holds no longer step ahead than itself; a step back is known to be that."""
    if place.shown_s < 0:
        return abs(step_s - place.shown_s) < SIGMAS * std_s
    return -SIGMAS * std_s < step_s < place.shown_s + SIGMAS * std_s


def _rivalled(gain: Gain, climbed: list[Floats], least: float, dwell_s: float) -> bool:
    """Whether another step explains the spectra nearly as well, as where cycles are alike."""
    others = [at for at in climbed[1:] if abs(at[1] - climbed[0][1]) > dwell_s]
    return any(gain(*at.tolist()).value > least for at in others)


def _begun(
    place: Place,
    signal: ChargeSignal,
    time_s: Floats,
    charge: Floats,
    later: Marks,
    dwell_s: float,
) -> list[Floats]:
    """Offsets and steps to start from: each side laid upon the charge by itself; (2,) each."""
    sides = []
    for rows in (~later, later):
        offsets, gains = scan(_only(signal, rows), time_s, charge)
        sides.append([float(offsets[i]) for i in peaks(gains)[:_MOST_PEAKS]])
    before, after = sides
    pairs = [(one, other - one) for one in before for other in after]
    pairs += [(one, place.shown_s) for one in before]
    pairs += [(other - place.shown_s, place.shown_s) for other in after]
    low, high = min(place.shown_s, 0.0) - dwell_s, max(place.shown_s, 0.0) + dwell_s
    return [np.array(pair) for pair in pairs if low <= pair[1] <= high]


def _only(signal: ChargeSignal, rows: Marks) -> ChargeSignal:
    """The signal of some spectra (n,), the others without weight."""
    slow = np.linalg.qr(signal.slow * rows[:, None])[0]
    values = signal.values * rows[:, None]
    return replace(
        signal, weights=np.where(rows, signal.weights, 0.0), slow=slow,
        values=values - slow @ (slow.T @ values),
    )  # fmt: skip


def _climbed(gain: Gain, at: Floats, dwell_s: float) -> Floats:
    """Climb to the top by steps that are halved where none leads up; (2,)."""
    ways = np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [1, -1], [-1, 1]], dtype=np.float64)
    value, length_s = gain(*at.tolist()).value, 0.5 * dwell_s
    while length_s > _FINE * dwell_s:
        for way in ways:
            ahead = at + length_s * way
            if (there := gain(*ahead.tolist()).value) > value:
                at, value = ahead, there
                break
        else:
            length_s *= 0.5
    h = 0.1 * dwell_s
    slope, bend = bend_at(gain, at, h, h)
    if bend[0, 0] > 0 and np.linalg.det(bend) > 0:
        top = at + np.linalg.solve(bend, slope)
        if gain(*top.tolist()).value > value:
            return np.asarray(top)
    return at


def _std_s(gain: Gain, at: Floats, spread: float, dwell_s: float) -> float:
    """Standard error of the step, from the curvature; infinite where there is no top."""
    std_s = math.inf
    for _ in range(2):
        h = min(max(2.0 * std_s, 1.0), 0.25 * dwell_s)
        bend = bend_at(gain, at, h, h)[1]
        if not (bend[0, 0] > 0 and np.linalg.det(bend) > 0):
            return math.inf
        std_s = math.sqrt(2.0 * spread * float(np.linalg.inv(bend)[1, 1]))
    return std_s


def _without(signal: ChargeSignal, time_s: Floats, charge: Floats, starts: list[float]) -> float:
    """The most that the charge explains without a step, with a drift or with none."""
    gain = gain_of(signal, time_s, charge)
    dwell_s = float(np.median(signal.stop_s - signal.start_s))
    best = max(gain(start, 0.0).value for start in starts)
    for top in (refined(gain, start, signal, dwell_s) for start in starts):
        if top is None:
            continue
        drifting = with_drift(gain, top, signal)
        real = not abs(drifting.drift_ppm) > MOST_DRIFT_PPM + SIGMAS * drifting.drift_std_ppm
        best = max(best, top.gain, drifting.gain if real else 0.0)
    return best
