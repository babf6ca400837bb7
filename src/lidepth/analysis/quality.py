"""Which spectra look wrong: flags from rates, times and hashes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lidepth.model.spectra import Quality

Floats = NDArray[np.float64]

BEAM_OFF_SHARE = 0.10
SHORT_SHARE = 0.50
GAP_DWELLS = 1.5
CLOCK_SLACK_S = 2.0  # headers round start and real time to whole seconds


def quality_flags(
    *,
    start_s: Floats,
    real_s: Floats,
    live_s: Floats,
    monitor: Floats,
    total: Floats,
    digests: Sequence[str],
    line: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the Quality flags of spectra in order of time; everything of shape (n,).

    ``start_s``, ``real_s`` and ``live_s`` in s, ``monitor`` counts (NaN where unknown), ``total``
    counts of each spectrum, ``line`` where monitor.csv lists it (-1 where it does not).
    """
    copy = duplicates(start_s, digests)
    flags = np.where(copy, int(Quality.DUPLICATE), 0)
    flags |= np.where(np.isnan(monitor), int(Quality.NO_MONITOR), 0)
    flags |= np.where(beam_off(live_s, monitor, total), int(Quality.BEAM_OFF), 0)
    flags |= np.where(live_s < SHORT_SHARE * np.median(live_s), int(Quality.SHORT), 0)
    once = np.flatnonzero(~copy)
    gap, step = gaps_and_steps(start_s[once], real_s[once], line[once])
    flags[once] |= np.where(gap, int(Quality.GAP), 0)
    flags[once] |= np.where(step, int(Quality.CLOCK_STEP), 0)
    return flags.astype(np.int64)


def duplicates(start_s: Floats, digests: Sequence[str]) -> NDArray[np.bool_]:
    """True for every spectrum whose content and start an earlier one has; shape (n,)."""
    seen: set[tuple[str, float]] = set()
    copies = np.zeros(len(digests), dtype=bool)
    for i, key in enumerate(zip(digests, start_s.tolist(), strict=True)):
        copies[i] = key in seen
        seen.add(key)
    return copies


def beam_off(live_s: Floats, monitor: Floats, total: Floats) -> NDArray[np.bool_]:
    """True where the monitor rate (the count rate without one) is far below its median."""
    known = np.isfinite(monitor)
    off = total / live_s < BEAM_OFF_SHARE * np.median(total / live_s)
    typical = np.median(monitor[known] / live_s[known]) if known.any() else 0.0
    if typical > 0:
        off = np.where(known, monitor / live_s < BEAM_OFF_SHARE * typical, off)
    return np.asarray(off, dtype=bool)


def gaps_and_steps(
    start_s: Floats, real_s: Floats, line: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return where a spectrum starts late, and where its clock overlaps or ran back."""
    dwell_s = float(np.median(real_s))
    pause_s = start_s[1:] - np.maximum.accumulate(start_s + real_s)[:-1]
    gap = np.concatenate([[False], pause_s > GAP_DWELLS * dwell_s])
    step = np.concatenate([[False], pause_s < -max(CLOCK_SLACK_S, 0.005 * dwell_s)])
    listed = np.flatnonzero(line >= 0)
    listed = listed[np.argsort(line[listed])]
    step[listed[1:]] |= np.diff(start_s[listed]) < 0
    return gap, step
