"""Voltage curves, how their shape changes, and incremental capacity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.electrochemistry.steps import under_current, voltage_noise
from lidepth.errors import BadData
from lidepth.model.cycling import CyclerLog
from lidepth.model.electrochemistry import (
    Cycle,
    HalfCycle,
    IncrementalCapacity,
    ShapeChange,
    VoltageCurve,
)

Floats = NDArray[np.float64]

SAME_CURRENT = 0.05  # relative: curves are compared at one current only
_GRID = (np.arange(200) + 0.5) / 200.0  # of the normalised time
_SLICES = 4000  # equal portions of the capacity that share out dQ/dV
_STEP_MV = 2.0  # of the voltage axis of dQ/dV


def voltage_curve(log: CyclerLog, half: HalfCycle, origin: np.datetime64) -> VoltageCurve:
    """Voltage of one half cycle against the time that current flowed and the charge passed."""
    time, hours = log.seconds(origin), np.diff(log.time.astype(np.int64)) / 3.6e12
    times, volts, passed, cc_rows = [], [], [], 0
    elapsed = charge = span = 0.0
    last = len(half.parts)
    while half.has_cv and half.parts[last - 1].mode == "CV":
        last -= 1
    for number, part in enumerate(half.parts):
        if part.mode == "rest":
            continue
        rows = slice(part.first_row, part.last_row)
        sums = np.abs(log.current_ua[rows]) * hours[rows]
        ends_here = number + 1 == len(half.parts) or half.parts[number + 1].mode == "rest"
        stop = under_current(log, part.last_row) if ends_here else part.last_row
        size = stop - part.first_row
        times.append(elapsed + time[part.first_row : stop] - part.start_s)
        volts.append(log.voltage_v[part.first_row : stop])
        passed.append(charge + np.concatenate([[0.0], np.cumsum(sums)])[:size])
        elapsed += part.stop_s - part.start_s
        charge += float(sums.sum())
        if number < last:
            cc_rows += size
            span = elapsed
    when, measured = np.concatenate(times), np.concatenate(volts)
    return VoltageCurve(
        kind=half.kind, cycle=half.cycle, current_ua=half.current_ua, time_s=when,
        voltage_v=measured, capacity_uah=np.concatenate(passed), span_s=span,
        span_std_s=_end_std(half), cc_rows=cc_rows,
        noise_v=voltage_noise(when[:cc_rows], measured[:cc_rows]),
    )  # fmt: skip


def _end_std(half: HalfCycle) -> float:
    """Standard uncertainty of the time at constant current, in s: of its ends."""
    at_ends = half.split_std_uah if half.has_cv else half.capacity_std_uah
    return float(3600.0 * at_ends / half.current_ua)


def references(curves: Sequence[VoltageCurve]) -> dict[tuple[str, int], VoltageCurve]:
    """Map (kind, cycle) of every curve to the curve its shape is compared with.

    That of the first cycle at the same current, but the second where the first is the cell's
    first of all: it starts from the pristine cell and forms it.
    """
    begin = min((curve.cycle for curve in curves), default=0)
    found: dict[tuple[str, int], VoltageCurve] = {}
    for curve in curves:
        alike = [c for c in curves if c.kind == curve.kind and same_current(c, curve)]
        alike.sort(key=lambda c: c.cycle)
        first = alike[1] if alike[0].cycle == begin and len(alike) > 1 else alike[0]
        found[curve.kind, curve.cycle] = first
    return found


def same_current(one: VoltageCurve, other: VoltageCurve) -> bool:
    """Whether two curves were taken at one current, within 5 %."""
    larger = max(one.current_ua, other.current_ua)
    return abs(one.current_ua - other.current_ua) <= SAME_CURRENT * larger


def shape_changes(curves: Sequence[VoltageCurve]) -> tuple[ShapeChange, ...]:
    """Change of every normalised curve against its reference; the references left out."""
    reference = references(curves)
    return tuple(
        shape_change(curve, reference[curve.kind, curve.cycle])
        for curve in curves
        if reference[curve.kind, curve.cycle].cycle != curve.cycle
        and min(curve.cc_rows, reference[curve.kind, curve.cycle].cc_rows) >= 5
    )


def shape_change(curve: VoltageCurve, reference: VoltageCurve) -> ShapeChange:
    """Root mean square difference of two normalised curves, with its uncertainty.

    The difference at each of 200 times has an independent part, the noise of both voltages, and
    one that is common to the curve: an end that is known to the logging only stretches it by
    slope times time times the relative uncertainty of the span.
    """
    one, slope = _on_grid(curve)
    other, _ = _on_grid(reference)
    difference = one - other
    noise = np.hypot(_grid_noise(curve), _grid_noise(reference))
    stretch = np.hypot(curve.span_std_s / curve.span_s, reference.span_std_s / reference.span_s)
    common = slope * _GRID * stretch
    mean_square = float(np.mean(difference**2))
    expected = float(np.mean(noise**2 + common**2))
    size = _GRID.size
    # Variance of the mean square of a difference d + noise + common: first order in both.
    true = max(mean_square - expected, 0.0)
    variance = (
        4.0 * true * noise**2 / size
        + 2.0 * noise**4 / size
        + (2.0 * float(np.mean(difference * common))) ** 2
        + 2.0 * float(np.mean(common**2)) ** 2
    )
    rms = np.sqrt(mean_square)
    scale = 2.0 * max(rms, expected**0.5, 1e-12)
    return ShapeChange(
        kind=curve.kind, cycle=curve.cycle, reference=reference.cycle,
        current_ua=curve.current_ua, rms_mv=float(1e3 * rms), floor_mv=float(1e3 * expected**0.5),
        std_mv=float(1e3 * np.sqrt(variance) / scale),
    )  # fmt: skip


def _on_grid(curve: VoltageCurve) -> tuple[Floats, Floats]:
    share, volts = curve.normalised
    found = np.interp(_GRID, share, volts)
    return found, np.gradient(found, _GRID)


def _grid_noise(curve: VoltageCurve) -> float:
    """Noise of one interpolated voltage: between two rows it is less than that of a row."""
    return curve.noise_v * float(np.sqrt(2.0 / 3.0))


def incremental_capacity(curve: VoltageCurve, *, smoothing_mv: float = 10.0) -> IncrementalCapacity:
    """dQ/dV of the constant current of a curve, by the share of capacity at each voltage.

    The capacity is cut into equal portions, each goes to the voltage where it passed, and the
    sum is smoothed by a Gaussian of standard deviation ``smoothing_mv``.  No derivative of a noisy
    curve is taken, and the integral over voltage is the capacity.
    Raises BadData for a curve of fewer than five rows.
    """
    from scipy.ndimage import gaussian_filter1d

    if curve.cc_rows < 5:
        raise BadData("too few rows for dQ/dV", where=f"cycle {curve.cycle}")
    capacity, volts = curve.capacity_uah[: curve.cc_rows], curve.voltage_v[: curve.cc_rows]
    total = float(capacity[-1])
    share = (np.arange(_SLICES) + 0.5) / _SLICES * total
    at = np.interp(share, capacity, volts)
    step, margin = 1e-3 * _STEP_MV, 4e-3 * smoothing_mv
    low = step * np.floor((at.min() - margin) / step)
    edges = low + step * np.arange(int(np.ceil((at.max() + margin - low) / step)) + 1)
    counts = np.histogram(at, bins=edges)[0] * (total / _SLICES / step)
    return IncrementalCapacity(
        kind=curve.kind, cycle=curve.cycle, current_ua=curve.current_ua,
        voltage_v=0.5 * (edges[1:] + edges[:-1]),
        dq_dv_uah_v=np.asarray(gaussian_filter1d(counts, smoothing_mv / _STEP_MV, mode="constant")),
        smoothing_mv=smoothing_mv,
    )  # fmt: skip


def all_curves(
    log: CyclerLog, cycles: Sequence[Cycle], origin: np.datetime64
) -> tuple[VoltageCurve, ...]:
    """Voltage curves of every whole half cycle of at least five rows, in order of time."""
    return tuple(
        voltage_curve(log, half, origin)
        for cycle in cycles
        for half in cycle.halves
        if half.whole and half.parts[-1].last_row - half.parts[0].first_row >= 5
    )
