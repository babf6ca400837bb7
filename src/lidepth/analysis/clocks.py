"""The clock of the cycler against that of the spectra, found from the charge that both show.

How much of the spectra the charge explains at an offset and a drift is in ``charge_signal``.  A
scan over every overlap of log and spectra, by Fourier transform, finds its maxima; Newton's
method refines them; the curvature gives the errors, widened by the misfit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.charge_signal import charge_signal, gain_of
from lidepth.analysis.clock_search import SIGMAS, scan, shows_charge, tops, with_drift
from lidepth.model.clock import ClockDifference
from lidepth.model.cycling import CyclerLog
from lidepth.model.instrument import Instrument
from lidepth.model.spectra import SpectrumSeries
from lidepth.model.stack import Stack

Floats = NDArray[np.float64]

LEAST_S = 30.0
"""Differences below this, or a tenth of a dwell, are left alone: they change no state."""
MOST_DRIFT_PPM = 1000.0
"""A minute and a half per day: no clock is that bad.  What seems so was set, or is no clock."""
MOST_MISFIT = 2.0
"""Chi-squared per degree of freedom above which something else than lithium moves the spectra: a
gain that jumps may then look like any offset.  Sound runs have 1.1, a gain drift of 1 % 1.3."""
RIVAL_GAIN = 25.0
"""A second offset whose chi-squared comes within this (5 sigma) leaves the first undecided."""


def clock_difference(
    series: SpectrumSeries,
    log: CyclerLog,
    instrument: Instrument,
    stack: Stack,
    *,
    declared_s: float | None = None,
) -> ClockDifference:
    """Find what must be added to the times of ``log``, from which nothing was taken yet.

    ``declared_s`` is what the experimenter gave, in s; it is compared, never replaced.  The result
    says whether the difference is to be applied (see ``on_spectra_clock``).
    """
    base_s = log_base_s(series, log) if declared_s is None else declared_s
    found = _measure(series, log.shifted(base_s), instrument, stack)
    if isinstance(found, str):
        return _undecided(found, declared_s)
    strange = _strange(found)
    if strange and log.anchored and base_s == 0.0 and declared_s is None:
        return replace(_undecided(strange, None), doubtful=True)
    if strange:  # the best offset there is, for there is no other
        found = replace(found, drift_ppm=math.nan, drift_std_ppm=math.nan)
    span_s = float(series.stop_s.max())
    least_s = max(LEAST_S, 0.1 * float(np.median(series.real_s)))
    total_s = base_s + found.offset_s
    drifts = (
        abs(found.drift_ppm) > SIGMAS * found.drift_std_ppm
        and abs(found.drift_ppm) * 1e-6 * span_s > least_s
    )
    away_s = found.offset_s if declared_s is not None else total_s
    differs = abs(away_s) > max(SIGMAS * found.std_s, least_s)
    clock = ClockDifference(
        offset_s=total_s, std_s=found.std_s, drift_ppm=found.drift_ppm,
        drift_std_ppm=found.drift_std_ppm, decided=found.rival_s is None, applied=False, words="",
        declared_s=math.nan if declared_s is None else declared_s,
    )  # fmt: skip
    if found.rival_s is not None:
        words = (
            f"the clocks could not be compared: {_offset(clock)} fits the spectra, but "
            f"{_span(base_s + found.rival_s)} fits nearly as well (cycles are alike)"
        )
        return replace(clock, words=words + _left(declared_s))
    if declared_s is not None:
        return _against_declared(clock, differs, drifts)
    if not (differs or drifts or not log.anchored):
        words = f"the clocks agree: {_offset(clock)}, {_drift(clock)}, as the spectra show"
        return replace(clock, words=words + "; nothing was changed")
    applied = replace(clock, applied=True, drift_applied=drifts, doubtful=log.anchored)
    return replace(applied, words=_applied(applied, log))


def on_spectra_clock(log: CyclerLog, series: SpectrumSeries, clock: ClockDifference) -> CyclerLog:
    """Return the log, as its files give it, on the clock of the spectra."""
    if not clock.applied:
        return log.shifted(clock.declared_s if math.isfinite(clock.declared_s) else 0.0)
    moved = log.shifted(clock.offset_s)
    if not clock.drift_applied:
        return moved
    middle_s = 0.5 * float(series.stop_s.max())
    since_s = moved.seconds(series.origin) - middle_s
    added = np.round(since_s * (clock.drift_ppm * 1e3)).astype("timedelta64[ns]")
    return replace(moved, time=moved.time + added)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """Offset at the middle of the spectra, drift, and the offset of a rival as good, if any.

    ``misfit`` is chi-squared per degree of freedom.
    """

    offset_s: float
    std_s: float
    drift_ppm: float
    drift_std_ppm: float
    rival_s: float | None
    misfit: float


def _strange(found: _Found) -> str:
    """Why what was found is not believed to be the clocks' doing; empty if nothing is odd."""
    beyond = abs(found.drift_ppm) - SIGMAS * found.drift_std_ppm  # NaN: unknown, not odd
    if beyond > MOST_DRIFT_PPM:
        return (
            f"{_parts(found.drift_ppm, found.drift_std_ppm)} of drift fit best, more than any "
            "clock has: a clock was set during the run, or the spectra change otherwise "
            "(a gain, a background)"
        )
    if found.misfit > MOST_MISFIT:
        return (
            f"the spectra change otherwise too, {found.misfit:.1f} times as much as counting "
            "explains (a gain, a background, a hot channel)"
        )
    return ""


def log_base_s(series: SpectrumSeries, log: CyclerLog) -> float:
    """An offset to start from: none, or one that lays the log upon the spectra."""
    times = log.seconds(series.origin)
    if log.anchored and times[0] < series.stop_s.max() and times[-1] > 0.0:
        return 0.0
    return -float(times[0])


def _measure(
    series: SpectrumSeries, log: CyclerLog, instrument: Instrument, stack: Stack
) -> _Found | str:
    """Offset and drift that remain, or why there are none."""
    signal = charge_signal(series, instrument, stack)
    if signal is None:
        return "the spectra hold too few counts"
    time_s, charge = log.seconds(series.origin), log.charge_uah
    if not np.ptp(charge) > 0 or not time_s[-1] > time_s[0]:
        return "the cycler passed no charge"
    gain = gain_of(signal, time_s, charge)
    offsets, gains = scan(signal, time_s, charge)
    if not shows_charge(gains, signal):
        return "the spectra show no change that follows the charge at any offset"
    ranked = tops(gain, offsets, gains, signal)
    if not ranked:
        return "the charge changes too little to compare its times"
    best = with_drift(gain, ranked[0], signal)
    apart_s = offsets[1] - offsets[0] + 10.0 * best.std_s
    far = [top for top in ranked[1:] if abs(top.offset_s - ranked[0].offset_s) > apart_s]
    second = far[0] if far else None
    tied = second is not None and second.gain > ranked[0].gain - RIVAL_GAIN * best.spread
    return _Found(
        offset_s=best.offset_s, std_s=best.std_s, drift_ppm=best.drift_ppm,
        drift_std_ppm=best.drift_std_ppm,
        rival_s=second.offset_s if second is not None and tied else None, misfit=best.spread,
    )  # fmt: skip


def _undecided(reason: str, declared_s: float | None) -> ClockDifference:
    nan = math.nan
    return ClockDifference(
        offset_s=nan, std_s=nan, drift_ppm=nan, drift_std_ppm=nan, decided=False, applied=False,
        words=f"the clocks could not be compared: {reason}" + _left(declared_s),
        declared_s=nan if declared_s is None else declared_s,
    )  # fmt: skip


def _applied(clock: ClockDifference, log: CyclerLog) -> str:
    done = "offset and drift were" if clock.drift_applied else "the offset was"
    declare = "" if clock.drift_applied else f"data.clock_offset: {clock.offset_s:.0f} s"
    what = f"the clock of the cycler differs by {_offset(clock)}{_cause(clock)}"
    if not log.anchored:
        first = np.datetime_as_string(log.shifted(clock.offset_s).time[0], "s")
        what = f"the cycler gave no date; its first row is of {first} ± {clock.std_s:.0f} s"
        declare = f"data.cycler.start: {first}" if declare else ""
    words = f"{what}, {_drift(clock)}, as the charge in the spectra shows; {done} applied"
    return f"{words}; to declare it, write {declare}" if declare else words


def _against_declared(clock: ClockDifference, differs: bool, drifts: bool) -> ClockDifference:
    """Say whether the spectra bear out what was declared, which is applied either way."""
    declared = f"data.clock_offset of {_span(clock.declared_s)}"
    if differs or drifts:
        words = (
            f"the spectra contradict the {declared}: the charge in them shows {_offset(clock)}, "
            f"{_drift(clock)}; the declared offset was applied"
        )
        return replace(clock, words=words, doubtful=True)
    words = f"the {declared} was applied; the spectra bear it out ({_offset(clock)})"
    return replace(clock, words=words)


def _left(declared_s: float | None) -> str:
    if declared_s is None:
        return "; nothing was changed"
    return f"; the data.clock_offset of {_span(declared_s)} was applied"


def _offset(clock: ClockDifference) -> str:
    return f"{_span(clock.offset_s)} ± {clock.std_s:.0f} s"


def _drift(clock: ClockDifference) -> str:
    if not math.isfinite(clock.drift_ppm):
        return "drift unknown"
    return "drift " + _parts(clock.drift_ppm, clock.drift_std_ppm)


def _parts(ppm: float, std: float) -> str:
    return f"{ppm:+.0f} ± {std:.0f} ppm".replace("-", "−")


def _span(seconds: float) -> str:
    return f"{seconds:+.0f} s".replace("-", "−")


def _cause(clock: ClockDifference) -> str:
    """Name a time zone or daylight saving where the offset is one."""
    quarter_s = 900.0
    nearest_s = quarter_s * round(clock.offset_s / quarter_s)
    near = abs(clock.offset_s - nearest_s) <= max(3.0 * clock.std_s, 60.0)
    if not near or clock.std_s > 0.1 * quarter_s or abs(nearest_s) < 3600.0:
        return ""
    hours = nearest_s / 3600.0
    if abs(hours) > 14.0:
        return ""
    kind = "daylight saving or a time zone" if abs(hours) == 1.0 else "a time zone"
    return f" (about {hours:+g} h: {kind}?)".replace("-", "−")
