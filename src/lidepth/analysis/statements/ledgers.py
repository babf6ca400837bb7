"""What the ledger says: does the cathode stay whole, is the anode's residue kinetic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from lidepth.analysis.electrochemistry.steps import parts_of
from lidepth.model.cycling import Step
from lidepth.model.ledger import REGIONS, Ledger
from lidepth.model.mechanism import Residue, Trend
from lidepth.model.result import Run

Floats = NDArray[np.float64]

AGEING = 0.002
"""Loss per cycle, as a share of the first charge, that a cathode is expected to have if it ages:
a fifth of its capacity in a hundred cycles."""

_NEIGHBOURS = 5  # discharges at constant current to which one at constant voltage is compared


def trend(ledger: Ledger, state: str, region: str, *, prior_std: float) -> Trend | None:
    """Straight line through one region's lithium in one state; None with fewer than three cycles.

    ``prior_std`` of the slope in uAh per cycle.  Values that scatter by more than their errors
    from cycle to cycle are given that scatter as an error.
    """
    rows = np.flatnonzero(ledger.rows_of(state))
    if rows.size < 3 or np.unique(ledger.cycle[rows]).size < 3:
        return None
    places = 3 * rows + REGIONS.index(region)
    values = ledger.values[rows, REGIONS.index(region)]
    cycles = ledger.cycle[rows]
    design = np.column_stack([np.ones(rows.size), cycles - cycles.mean()])
    own = np.diag(ledger.independent)[places]
    spread2 = max(_scatter2(design, values) - float(own.mean()), 0.0)
    covariance = ledger.covariance[np.ix_(places, places)] + spread2 * np.eye(rows.size)
    weighted = np.linalg.solve(covariance, design)
    found = np.linalg.inv(design.T @ weighted)
    slope, std = float(found[1] @ weighted.T @ values), float(np.sqrt(found[1, 1]))
    return Trend(
        method=ledger.method, cycles=cycles, values=values,
        std=np.sqrt(np.diag(covariance)), slope=slope, slope_std=std, prior_std=prior_std,
        log_odds=-log_odds_of_effect(slope, std, prior_std),
    )  # fmt: skip


def _scatter2(design: Floats, values: Floats) -> float:
    """Variance of ``values`` about their straight line."""
    off = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return float(off @ off / max(values.size - 2, 1))


def log_odds_of_effect(value: float, std: float, prior_std: float) -> float:
    """Log odds of an effect of unknown sign and size ``prior_std`` against none."""
    wide = std**2 + prior_std**2
    return float(0.5 * value**2 * (1.0 / std**2 - 1.0 / wide) - 0.5 * np.log(wide / std**2))


def log_odds_of_share(value: float, std: float, whole: float) -> float:
    """Log odds of an effect anywhere between nothing and ``whole`` against none."""
    low, high = float(log_ndtr((value - whole) / std)), float(log_ndtr(value / std))
    inside = high + np.log1p(-np.exp(min(low - high, -1e-12)))
    flat = inside - np.log(whole)
    return float(flat + 0.5 * (value / std) ** 2 + 0.5 * np.log(2.0 * np.pi) + np.log(std))


def held_cycles(run: Run, steps: Sequence[Step]) -> NDArray[np.int64]:
    """Cycles whose discharge ends with a constant voltage."""
    log = run.log
    if log is None:
        return np.zeros(0, dtype=np.int64)
    held = [
        step.cycle
        for step in steps
        if step.kind == "discharge"
        and any(part.mode == "CV" for part in parts_of(log, step, run.series.origin))
    ]
    return np.unique(np.array(held, dtype=np.int64))


def residue(ledger: Ledger, held: NDArray[np.int64]) -> Residue:
    """Anode's lithium after discharges with a constant voltage, and after the nearest without."""
    rows = np.flatnonzero(ledger.rows_of("discharged"))
    is_held = np.isin(ledger.cycle[rows], held)
    with_voltage, without = rows[is_held], rows[~is_held]
    if with_voltage.size:
        distance = np.abs(ledger.cycle[without][:, None] - ledger.cycle[with_voltage]).min(axis=1)
        without = without[np.argsort(distance, kind="stable")[:_NEIGHBOURS]]
    means = np.zeros((2, len(ledger)))
    for place, chosen in enumerate((without, with_voltage)):
        if chosen.size:
            means[place, chosen] = 1.0 / chosen.size
    anode = np.arange(len(ledger)) * 3
    value = means @ ledger.values[:, 0]
    covariance = means @ ledger.covariance[np.ix_(anode, anode)] @ means.T
    std = np.sqrt(np.diag(covariance))
    reason = ""
    if not with_voltage.size:
        reason = "no discharge of this run ends with a constant voltage"
    elif not without.size:
        reason = "every discharge of this run ends with a constant voltage"
    row = np.array([1.0, -1.0])
    released, released_std = float(row @ value), float(np.sqrt(row @ covariance @ row))
    whole = max(float(value[0]), 1e-6)
    return Residue(
        method=ledger.method,
        current_only=float(value[0]) if without.size else np.nan,
        current_only_std=float(std[0]) if without.size else np.nan,
        voltage_held=float(value[1]) if with_voltage.size else np.nan,
        voltage_held_std=float(std[1]) if with_voltage.size else np.nan,
        released=np.nan if reason else released, released_std=np.nan if reason else released_std,
        log_odds=np.nan if reason else log_odds_of_share(released, released_std, whole),
        reason=reason,
    )  # fmt: skip
