"""Voltage curves of a cell that is told, not computed: plausible shapes, nothing more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lidepth.model.cycling import Step
from lidepth.virtual.course import ROW_S, CyclerRows

Floats = NDArray[np.float64]

_OPEN_V, _LOW_V, _HIGH_V = 1.2, 3.0, 4.0
_OVER_V_PER_UA = 0.003


def told_rows(steps: tuple[Step, ...]) -> CyclerRows:
    """Rows once a minute and exactly where a phase starts; one row at the very end."""
    times, volts, currents = [], [], []
    before: Step | None = None
    for step in steps:
        since = np.arange(0.0, step.stop_s - step.start_s - 1e-3, ROW_S)
        times.append(step.start_s + since)
        volts.append(_voltage(step, before, since))
        currents.append(np.full(since.size, step.current_ua))
        before = step
    times.append(np.array([steps[-1].stop_s]))
    volts.append(volts[-1][-1:])
    currents.append(np.zeros(1))
    return CyclerRows(
        time_s=np.concatenate(times), voltage_v=np.concatenate(volts),
        current_ua=np.concatenate(currents),
    )  # fmt: skip


def _open_circuit(charged: Floats) -> Floats:
    """From 0 (discharged) to 1 (charged), rising in between; steep, flat, then steep."""
    rise = -np.expm1(-charged / 0.12) / -np.expm1(-1.0 / 0.12)
    curve: Floats = 0.8 * rise + 0.2 * charged**3
    return curve


def _voltage(step: Step, before: Step | None, since_s: Floats) -> Floats:
    """Voltage of the cell ``since_s`` seconds after the start of a phase, in V."""
    if step.kind == "pristine" or before is None:
        return np.full(since_s.size, _OPEN_V)
    done = since_s / (step.stop_s - step.start_s)
    over = _OVER_V_PER_UA * abs(step.current_ua or before.current_ua)
    if step.kind == "charge":
        return _LOW_V + 2 * over + (_HIGH_V - _LOW_V - 2 * over) * _open_circuit(done)
    if step.mode == "CV":
        return np.full(since_s.size, _LOW_V)
    if step.kind == "discharge":
        return _LOW_V + (_HIGH_V - 2 * over - _LOW_V) * _open_circuit(1.0 - done)
    if before.current_ua > 0:
        return _HIGH_V - over * -np.expm1(-since_s / 600.0)
    return _LOW_V + 0.12 * -np.expm1(-since_s / 900.0)
