"""What to measure next: expected odds of further cycles, by the linear-Gaussian prediction.

Both leading hypotheses predict the rows to come, with what is left open of their numbers; the
expected ln B is the divergence of one prediction from the other (Kullback and Leibler, Ann. Math.
Stat. 22 (1951) 79).  Capacities stay as they were last; every new row has the errors of the rows so
far; errors common to all rows come anew; voltage curves to come are not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lidepth.mechanism.identify.compare import Compared, Tried
from lidepth.mechanism.identify.fit import STEP
from lidepth.mechanism.identify.forward import Common, Forward
from lidepth.mechanism.identify.found import NextStep
from lidepth.mechanism.identify.observed import Observed

Floats = NDArray[np.float64]
HOUR_S = 3600.0
CYCLES = 20
BLOCK = 5
LONG_H = 21.0
SILICON_REL = 0.15


@dataclass(frozen=True, kw_only=True)
class Design:
    """Further cycles.

    ``factors`` of the last current, one per cycle; ``rest_h`` after each charge; ``error`` of a row
    against those so far; ``silicon``: whether it is measured at the end.
    """

    name: str
    what: str
    factors: tuple[float, ...] = (1.0,) * CYCLES
    rest_h: tuple[float, ...] = (1.0,) * CYCLES
    error: float = 1.0
    silicon: bool = False


def designs(seen: Observed) -> tuple[Design, ...]:
    """What can be done next with this cell."""
    size = np.abs(seen.current_ua[seen.current_ua != 0.0])
    other = 0.5 if np.median(size[-50:]) > 1.2 * float(size.min()) else 2.0
    blocks = tuple(other if (k // BLOCK) % 2 == 0 else 1.0 for k in range(CYCLES))
    rests = tuple(LONG_H if k in (1, CYCLES // 2) else 1.0 for k in range(CYCLES))
    more = 5 * CYCLES
    return (
        Design(name="as now", what=f"{CYCLES} more cycles at the last current"),
        Design(
            name="alternate currents", factors=blocks,
            what=f"{CYCLES} cycles, blocks of {BLOCK} at {other:g} and 1 times the last current",
        ),
        Design(
            name="late rests", rest_h=rests,
            what=f"{CYCLES} cycles, two of them with {LONG_H:g} h of rest after the charge",
        ),
        Design(
            name="more counts", error=0.5,
            what=f"{CYCLES} cycles with four times the counts a state",
        ),
        Design(
            name="many cycles", factors=(1.0,) * more, rest_h=(1.0,) * more,
            what=f"{more} more cycles at the last current",
        ),
        Design(
            name="silicon", silicon=True,
            what=f"{CYCLES} cycles, then silicon by XPS or EDX to {100 * SILICON_REL:g} %",
        ),
    )  # fmt: skip


def next_steps(found: Compared) -> tuple[NextStep, ...]:
    """Expected odds of every design; nothing where nothing grows."""
    best = found.tried[0]
    if best.law == "none":
        return ()
    phase = next(t for t in found.tried if t.phase not in (best.phase, "none"))
    law = next(t for t in found.tried if t.law not in (best.law, "none"))
    return tuple(_step(found, design, best, phase, law) for design in designs(found.common.seen))


def _step(found: Compared, design: Design, best: Tried, phase: Tried, law: Tried) -> NextStep:
    common = Common(_future(found.common.seen, design), found.common.prior)
    ours, theirs, other = (_predicted(common, one) for one in (best, phase, law))
    noise = common.seen.covariance
    spread = ours[1].T @ np.linalg.solve(noise, ours[1])
    precise = np.linalg.inv(best.top.covariance) + spread
    if design.silicon:
        moved, slope = _silicon(common, best)
        precise += np.outer(slope, slope) / (SILICON_REL * moved) ** 2
    return NextStep(
        name=design.name, what=design.what,
        phase_ln_b=_divergence(ours, theirs, noise, best, phase),
        law_ln_b=_divergence(ours, other, noise, best, law),
        kappa_rel_std=_kappa_std(common, best, np.linalg.inv(precise)),
    )  # fmt: skip


def _future(seen: Observed, design: Design) -> Observed:
    """The campaign with the design's cycles after it; its rows are the new ones only."""
    last_ua = float(np.abs(seen.current_ua[seen.current_ua != 0.0])[-1])
    capacity = _last_capacity(seen)
    times, currents, rows = [float(seen.time_s[-1])], [0.0], []
    now = times[0] + HOUR_S
    for factor, rest_h in zip(design.factors, design.rest_h, strict=True):
        for side, rest in ((1.0, rest_h), (-1.0, 1.0)):
            current = side * factor * last_ua
            hours = capacity / abs(current)
            times += [now, now + hours * HOUR_S]
            currents += [current, 0.0]
            now += (hours + rest) * HOUR_S
            if rest > 1.0:  # its beginning is a row of its own
                rows.append((now - (rest - 0.5) * HOUR_S, side > 0))
            rows.append((now - 0.5 * HOUR_S, side > 0))
    times.append(now)
    currents.append(0.0)
    charged = np.array([row[1] for row in rows], dtype=bool)
    own, shared = _errors(seen.covariance)
    size = len(rows)
    full = float(seen.anode_uah[seen.row_charged].max(initial=capacity))
    low = float(np.median(seen.anode_uah[~seen.row_charged])) if (~seen.row_charged).any() else 0.0
    return replace(
        seen, until_s=seen.end_s,
        time_s=np.concatenate([seen.time_s[:-1], times]),
        current_ua=np.concatenate([seen.current_ua[:-1], currents]),
        row_s=np.array([row[0] for row in rows]), row_charged=charged,
        row_cycle=np.cumsum(charged).astype(np.int64), electrolyte_uah=np.zeros(size),
        covariance=(design.error**2 * own) * np.eye(size) + shared,
        anode_uah=np.where(charged, full, low), point_s=np.zeros(0), point_v=np.zeros(0),
    )  # fmt: skip


def _last_capacity(seen: Observed) -> float:
    """Charge of the last discharge that ended, uAh."""
    hours = np.diff(seen.time_s) / HOUR_S
    out = np.maximum(-seen.current_ua[:-1], 0.0) * hours
    flows = out > 0.0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flows.astype(int), [0]])))
    halves = [float(out[a:b].sum()) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return halves[-1] if halves else float(np.maximum(seen.current_ua[:-1], 0) @ hours)


def _errors(covariance: Floats) -> tuple[float, float]:
    """Variance of one row of its own, and what all rows share."""
    n = covariance.shape[0]
    whole, own = float(covariance.sum()), float(np.trace(covariance))
    shared = max((whole - own) / max(n * (n - 1), 1), 0.0)
    return max(own / n - shared, 1e-6), shared


def _predicted(common: Common, one: Tried) -> tuple[Floats, Floats]:
    """New rows by a hypothesis, (n,), and their slopes in z, (n, p)."""
    forward = Forward(common, one.forward.shape, one.forward.drive)
    z = one.top.z
    step = STEP * np.eye(z.size)
    both = forward.ledger(forward.numbers(np.concatenate([z[None, :], z + step, z - step])))
    p = z.size
    return both[0], np.asarray((both[1 : p + 1] - both[p + 1 :]).T / (2.0 * STEP))


def _silicon(common: Common, one: Tried) -> tuple[float, Floats]:
    """Silicon moved by the end, uAh/cm2, and its slope in z."""
    forward = Forward(common, one.forward.shape, one.forward.drive)
    z = one.top.z
    step = STEP * np.eye(z.size)
    numbers = forward.numbers(np.concatenate([z[None, :], z + step, z - step]))
    moved = forward.grown(numbers, forward.rows.u[-1:])[:, 0]
    return float(moved[0]), np.asarray((moved[1 : z.size + 1] - moved[z.size + 1 :]) / (2.0 * STEP))


def _divergence(
    ours: tuple[Floats, Floats], theirs: tuple[Floats, Floats], noise: Floats, one: Tried,
    other: Tried,
) -> float:  # fmt: skip
    """Expected ln B of one hypothesis over another, were the first true."""
    mine = noise + ours[1] @ one.top.covariance @ ours[1].T
    its = noise + theirs[1] @ other.top.covariance @ theirs[1].T
    away = ours[0] - theirs[0]
    _, det_mine = np.linalg.slogdet(mine)
    _, det_its = np.linalg.slogdet(its)
    trace = float(np.trace(np.linalg.solve(its, mine)))
    square = float(away @ np.linalg.solve(its, away))
    return 0.5 * (trace - away.size + square + float(det_its - det_mine))


def _kappa_std(common: Common, one: Tried, covariance: Floats) -> float:
    """Relative uncertainty of kappa for a covariance of z."""
    forward = Forward(common, one.forward.shape, one.forward.drive)
    z = one.top.z
    step = STEP * np.eye(z.size)
    kappa = np.log(forward.numbers(np.concatenate([z + step, z - step])).kappa)
    slope = (kappa[: z.size] - kappa[z.size :]) / (2.0 * STEP)
    return float(np.sqrt(slope @ covariance @ slope))


def best_step(steps: Sequence[NextStep], what: str) -> NextStep | None:
    """The step that is expected to say most of ``phase``, ``law`` or ``kappa``."""
    if not steps:
        return None
    if what == "kappa":
        return min(steps, key=lambda one: one.kappa_rel_std)
    return max(steps, key=lambda one: one.phase_ln_b if what == "phase" else one.law_ln_b)
