"""The cell in NumPy: the same implicit step written with arrays and a banded solver of SciPy.

Slow, and independent of the loops in ``_kernels``: what the compiled cell is tested against.  The
driver (step control, cut-offs, search for a current) is the compiled one, run as plain Python.
"""

from __future__ import annotations

from functools import cache
from types import FunctionType
from typing import Any

import numpy as np

from lidepth.mechanism import _setup as at
from lidepth.mechanism._setup import Floats, Setup, Work


@cache
def driver() -> dict[str, Any]:
    """Return the driver's functions, uncompiled, around the step below."""
    from lidepth.mechanism import _kernels

    names = vars(_kernels)
    plain: dict[str, Any] = dict(names)
    for name, function in names.items():
        if hasattr(function, "py_func"):
            source = function.py_func
            plain[name] = FunctionType(source.__code__, plain, name)
    plain["one_step"] = one_step
    return plain


def _phi(p: Setup, y: Floats) -> Floats:
    steep = p.decades * np.log(10.0)
    below = np.exp(steep * (np.minimum(y, p.knee) - p.knee)) / steep
    return np.asarray(p.diffusivity * (below + np.maximum(y - p.knee, 0.0)))


def _slope(p: Setup, y: Floats) -> Floats:
    return np.asarray(p.diffusivity * 10.0 ** (p.decades * (np.minimum(y, p.knee) - p.knee)))


def spread_lithium(p: Setup, lithium: Floats, left: float, inward: float, hours: float) -> Floats:
    """Lithium per pristine silicon after a step, (cells,)."""
    from scipy.linalg import solve_banded

    n = lithium.size
    r = hours * (n / (left * p.film_nm)) ** 2
    links = np.full(n, 2.0)
    links[[0, -1]] = 1.0 if n > 1 else 0.0
    start = lithium / left
    y = start.copy()
    for _ in range(6):
        slope = _slope(p, y)
        rest = _phi(p, y) - slope * y
        rhs = start - r * links * rest
        rhs[1:] += r * rest[:-1]
        rhs[:-1] += r * rest[1:]
        rhs[0] += inward * hours * n / (p.film_uah * left)
        bands = np.zeros((3, n))
        bands[0, 1:], bands[1], bands[2, :-1] = (
            -r * slope[1:],
            1.0 + r * links * slope,
            -r * slope[:-1],
        )
        before, y = y[0], solve_banded((1, 1), bands, rhs)
        if abs(y[0] - before) < 1e-8:
            break
    return np.asarray(y * left)


def spread_silicon(p: Setup, silicon: Floats, dq: float, inlet: float, inflow: float) -> Floats:
    """Silicon per phosphorus after dq of the clock, (cells,)."""
    from scipy.linalg import solve_banded

    n = silicon.size
    bands = np.zeros((3, n))
    bands[0, 1:] = bands[2, :-1] = -dq * p.link
    bands[1] = p.width_nm
    bands[1, 1:] += dq * p.link
    bands[1, :-1] += dq * p.link
    bands[1, 0] += dq * inlet
    rhs = p.width_nm * silicon
    rhs[0] += dq * (inlet * p.saturation + inflow)
    return np.asarray(solve_banded((1, 1), bands, rhs))


def grow(p: Setup, silicon: Floats, now: Floats, dq: float) -> tuple[float, Floats]:
    """Silicon added in total, uAh/cm2, and per phosphorus."""
    from lidepth.mechanism._kernels import reduced

    most = at.MOST_MOVED * p.film_uah
    here = float(now[at.SILICON])
    if dq <= 0.0 or here >= most:
        return here, silicon.copy()
    if p.law != at.DIFFUSION_LAW:
        wanted = reduced.py_func(p.law, p.growth_a, p.growth_s, p.growth_b, now[at.CLOCK] + dq)
        return max(here, min(wanted, most, p.most_silicon)), silicon.copy()
    if p.growth_a <= 0.0 or p.inlet <= 0.0:
        return here, silicon.copy()
    left = 1.0 - here / p.film_uah
    inlet = 1.0 / (1.0 / (p.inlet * left) + 0.5 * p.width_nm[0] / p.growth_a)
    after = spread_silicon(p, silicon, dq, inlet, 0.0)
    added = p.site_uah_nm * float(np.dot(p.width_nm, after - silicon))
    if here + added > most:
        after = spread_silicon(p, silicon, dq, 0.0, (most - here) / (p.site_uah_nm * dq))
        added = most - here
    return here + added, after


def one_step(
    p: Setup, lithium: Floats, silicon: Floats, now: Floats, current: float, hours: float,
    work: Work,
) -> None:  # fmt: skip
    """As ``_kernels.one_step``."""
    plain = driver()
    then = work.scalars
    then[:] = now
    dq = plain["clock_step"](p, now, current, hours)
    then[at.SILICON], work.silicon[:] = grow(p, silicon, now, dq)
    wanted = max(p.kappa * then[at.SILICON] - now[at.BOUND], 0.0)
    bound = min(wanted, plain["supply"](p, lithium, now, current, hours))
    inward = current - bound / hours
    left = 1.0 - then[at.SILICON] / p.film_uah
    work.lithium[:] = spread_lithium(p, lithium, left, inward, hours)
    charged = max(current, 0.0) * hours
    then[[at.TIME_H, at.CLOCK, at.BOUND, at.CHARGED, at.MOVED]] += (
        hours,
        dq,
        bound,
        charged,
        abs(current) * hours,
    )
    then[at.ANODE] += inward * hours
    then[at.ACTIVE] *= np.exp(-p.cathode_loss * charged)
    passed = current * hours / p.cathode_uah
    missing = now[at.X] * now[at.ACTIVE] + now[at.LOST] + passed
    then[at.LOST] += (now[at.ACTIVE] - then[at.ACTIVE]) * (
        now[at.X] + 0.5 * passed / now[at.ACTIVE]
    )
    then[at.X] = (missing - then[at.LOST]) / then[at.ACTIVE]
    if current != 0.0:
        side = np.sign(current)
        share = np.exp(-abs(current) * hours / (p.film_uah * left) / p.memory)
        then[at.HYSTERESIS] = side + (now[at.HYSTERESIS] - side) * share
    then[at.CURRENT] = current
    then[at.VOLTAGE] = plain["voltage_of"](p, work.lithium, then, current, inward)
