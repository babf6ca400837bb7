"""The compiled cell: one implicit step, and a stretch of steps under one control.

Imported inside functions only, so that importing lidepth stays fast.  ``_reference`` has the same
step in NumPy and runs the driver below as plain Python around it.

Lithium in the film is kept per silicon atom of the *pristine* film, silicon per phosphorus, and
every flux is taken from one cell and given to the next, so Qc = Qa + Qe holds to rounding whatever
the step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba

from lidepth.mechanism import _setup as at
from lidepth.mechanism._setup import Floats, Setup, Work

_NEWTON = 6  # rounds; the steps are short, two or three usually do
_SETTLED = 1e-8  # y; the next round of Newton would be the square of that
_SECANT = 60
_VOLT = 1e-7  # how well a cut-off is met, V
_SHORTEST_H = 1e-9
_VOLTS = 20.0  # beyond, it is no cell


def _compiled(function: Callable[..., Any]) -> Any:
    """Compile, and keep the machine code on disk where a cache folder can be written."""
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # numba found no writable cache folder
        return numba.njit(nogil=True, error_model="numpy")(function)


@_compiled
def _read(table: Floats, low: float, high: float, at: float) -> float:
    """Value of an even table; beyond its ends along its last steps."""
    last = table.size - 1
    place = (at - low) / (high - low) * last
    k = min(max(int(place), 0), last - 1)
    return float(table[k] + (place - k) * (table[k + 1] - table[k]))


@_compiled
def reduced(law: int, a: float, s: float, b: float, q: float) -> float:
    """Silicon by a law without depth: the order is that of growth.LAWS."""
    if law == 0:
        return a * math.sqrt(q / s)
    if law == 1:
        return a * (math.sqrt(1.0 + q / s) - 1.0)
    if law == 2:
        return -a * math.expm1(-q / s)
    if law == 3:
        return a * math.log1p(q / s)
    return float(a * (q / s) ** b)


@_compiled
def clock_step(p: Setup, now: Floats, current: float, hours: float) -> float:
    """By how much the clock of growth advances; the order of phases is that of growth.PHASES."""
    by_time = p.clock_current * hours
    if p.phase == 3:
        return by_time if current == 0.0 and now[at.MOVED] > 0.0 else 0.0
    if p.phase == 4:
        return by_time if now[at.MOVED] > 0.0 or current != 0.0 else 0.0
    if p.phase == 5:
        return by_time
    runs = (
        (p.phase == 0 and current > 0.0)
        or (p.phase == 1 and current < 0.0)
        or (p.phase == 2 and current != 0.0)
    )
    if not runs:
        return 0.0
    size = abs(current)
    return float(size * hours * (size / p.clock_current) ** p.current_exponent)


@_compiled
def potential(p: Setup, s: Floats, current: float, inside: float, depth_flux: float) -> float:
    """Voltage of the cell; leaves the composition of the film's surface in ``s``.

    ``inside`` is y of the first film cell; ``depth_flux`` how far the integrated diffusivity
    Phi(y) rises from there to the surface.
    """
    steep = p.decades * math.log(10.0)
    least = p.diffusivity * 1e-9
    phi = _phi(p, inside) + depth_flux
    if phi < least:  # more is drawn than diffusion can bring: the voltage runs away
        floor = p.knee + math.log(1e-9 * steep) / steep
        surface = floor - (least - phi) / p.diffusivity * 10.0
    elif phi < p.diffusivity / steep:
        surface = p.knee + math.log(phi * steep / p.diffusivity) / steep
    else:
        surface = p.knee + phi / p.diffusivity - 1.0 / steep
    s[at.SURFACE] = surface
    gap = max(_read(p.anode_gap_v, at.Y_LOW, at.Y_HIGH, min(max(surface, 0.0), 4.4)), 0.0)
    anode = _read(p.anode_v, at.Y_LOW, at.Y_HIGH, surface) - s[at.HYSTERESIS] * gap
    cathode = _read(p.cathode_v, at.X_LOW, at.X_HIGH, s[at.X])
    drop = current * p.resistance * (1.0 + p.resistance_growth * s[at.CHARGED])
    kinetic = math.asinh(0.5 * current / p.anode_exchange)
    kinetic += math.asinh(0.5 * current / p.cathode_exchange)
    return float(cathode - anode + drop + 2.0 * p.thermal_v * kinetic)


@_compiled
def _phi(p: Setup, y: float) -> float:
    """Integral of the diffusivity over y (Kirchhoff), nm2/h."""
    steep = p.decades * math.log(10.0)
    if y >= p.knee:
        return p.diffusivity * (1.0 / steep + y - p.knee)
    return p.diffusivity / steep * math.exp(steep * (y - p.knee))


@_compiled
def _thomas(a: Floats, b: Floats, c: Floats, d: Floats, out: Floats, n: int) -> None:
    """Solve a tridiagonal system; b and d are spoilt."""
    for k in range(1, n):
        w = a[k] / b[k - 1]
        b[k] -= w * c[k - 1]
        d[k] -= w * d[k - 1]
    out[n - 1] = d[n - 1] / b[n - 1]
    for k in range(n - 2, -1, -1):
        out[k] = (d[k] - c[k] * out[k + 1]) / b[k]


@_compiled
def _spread_silicon(
    p: Setup, silicon: Floats, dq: float, inlet: float, inflow: float, out: Floats, work: Work
) -> float:
    """Diffuse for dq, with an inlet conductance or a given inflow; returns the silicon added."""
    n = silicon.size
    for k in range(n):
        left = p.link[k - 1] if k > 0 else inlet
        right = p.link[k] if k < n - 1 else 0.0
        work.a[k] = -dq * left
        work.c[k] = -dq * right
        work.b[k] = p.width_nm[k] + dq * (left + right)
        work.d[k] = p.width_nm[k] * silicon[k]
    work.d[0] += dq * (inlet * p.saturation + inflow)
    _thomas(work.a, work.b, work.c, work.d, out, n)
    return float(p.site_uah_nm * dq * (inlet * (p.saturation - out[0]) + inflow))


@_compiled
def grow(p: Setup, silicon: Floats, now: Floats, dq: float, out: Floats, work: Work) -> float:
    """Advance the silicon in the electrolyte; returns its total added, uAh/cm2."""
    room = at.MOST_MOVED * p.film_uah - now[at.SILICON]
    out[:] = silicon
    if dq <= 0.0 or room <= 0.0:
        return float(now[at.SILICON])
    if p.law != at.DIFFUSION_LAW:
        wanted = reduced(p.law, p.growth_a, p.growth_s, p.growth_b, now[at.CLOCK] + dq)
        return float(
            max(now[at.SILICON], min(wanted, min(at.MOST_MOVED * p.film_uah, p.most_silicon)))
        )  # never back: the clock only runs on
    if p.growth_a <= 0.0 or p.inlet <= 0.0:
        return float(now[at.SILICON])
    left = 1.0 - now[at.SILICON] / p.film_uah
    inlet = 1.0 / (1.0 / (p.inlet * left) + 0.5 * p.width_nm[0] / p.growth_a)
    added = _spread_silicon(p, silicon, dq, inlet, 0.0, out, work)
    if added > room:
        inflow = room / (p.site_uah_nm * dq)
        added = _spread_silicon(p, silicon, dq, 0.0, inflow, out, work)
    return float(now[at.SILICON] + added)


@_compiled
def _spread_lithium(
    p: Setup, lithium: Floats, left: float, inward: float, hours: float, out: Floats, work: Work
) -> None:
    """Bring ``inward`` uA/cm2 into the film and let it spread: implicit, Newton in Phi(y)."""
    n = lithium.size
    r = hours * (n / (left * p.film_nm)) ** 2
    source = inward * hours * n / (p.film_uah * left)
    steep = p.decades * math.log(10.0)
    slope, rest = work.slope, work.rest
    for k in range(n):
        out[k] = lithium[k] / left
    for _ in range(_NEWTON):
        for k in range(n):  # Phi is nearly slope y + rest
            if out[k] >= p.knee:
                slope[k] = r * p.diffusivity
                rest[k] = slope[k] * (1.0 / steep - p.knee)
            else:
                slope[k] = r * p.diffusivity * math.exp(steep * (out[k] - p.knee))
                rest[k] = slope[k] * (1.0 / steep - out[k])
        for k in range(n):
            links, rhs = 0.0, lithium[k] / left
            if k > 0:
                work.a[k] = -slope[k - 1]
                rhs += rest[k - 1]
                links += 1.0
            if k < n - 1:
                work.c[k] = -slope[k + 1]
                rhs += rest[k + 1]
                links += 1.0
            work.b[k] = 1.0 + links * slope[k]
            work.d[k] = rhs - links * rest[k]
        work.d[0] += source
        before = out[0]
        _thomas(work.a, work.b, work.c, work.d, out, n)
        if abs(out[0] - before) < _SETTLED:
            break
    for k in range(n):
        out[k] *= left


@_compiled
def supply(p: Setup, lithium: Floats, now: Floats, current: float, hours: float) -> float:
    """Lithium that a step can bind: what passes, and what the film's surface can give.

    The surface gives half of what it holds, and no faster than half of what diffusion brings.
    """
    left = 1.0 - now[at.SILICON] / p.film_uah
    held = max(lithium[0], 0.0) / lithium.size * p.film_uah
    per_h = _phi(p, lithium[0] / left) * 2.0 * lithium.size * p.film_uah / (left * p.film_nm**2)
    return float(max(current * hours + 0.5 * min(held, per_h * hours), 0.0))


@_compiled
def one_step(
    p: Setup, lithium: Floats, silicon: Floats, now: Floats, current: float, hours: float,
    work: Work,
) -> None:  # fmt: skip
    """One implicit step from (lithium, silicon, now) into ``work``; sets the voltage there."""
    then = work.scalars
    then[:] = now
    dq = clock_step(p, now, current, hours)
    then[at.SILICON] = grow(p, silicon, now, dq, work.silicon, work)
    then[at.CLOCK] += dq
    wanted = p.kappa * then[at.SILICON] - now[at.BOUND]
    bound = min(max(wanted, 0.0), supply(p, lithium, now, current, hours))
    then[at.BOUND] = now[at.BOUND] + bound
    inward = current - bound / hours
    left = 1.0 - then[at.SILICON] / p.film_uah
    _spread_lithium(p, lithium, left, inward, hours, work.lithium, work)
    then[at.ANODE] = now[at.ANODE] + inward * hours
    charged = max(current, 0.0) * hours
    then[at.CHARGED] += charged
    then[at.MOVED] += abs(current) * hours
    then[at.ACTIVE] = now[at.ACTIVE] * math.exp(-p.cathode_loss * charged)
    middle = now[at.X] + 0.5 * current * hours / (p.cathode_uah * now[at.ACTIVE])
    lost = now[at.ACTIVE] - then[at.ACTIVE]
    # What is lost keeps the lithium of the middle of the step: x m + lost is exact in total.
    then[at.LOST] += lost * middle
    total = now[at.X] * now[at.ACTIVE] + now[at.LOST] + current * hours / p.cathode_uah
    then[at.X] = (total - then[at.LOST]) / then[at.ACTIVE]
    if current != 0.0:
        side = 1.0 if current > 0.0 else -1.0
        passed = abs(current) * hours / (p.film_uah * left)
        then[at.HYSTERESIS] = side + (now[at.HYSTERESIS] - side) * math.exp(-passed / p.memory)
    then[at.TIME_H] += hours
    then[at.CURRENT] = current
    then[at.VOLTAGE] = voltage_of(p, work.lithium, then, current, inward)


@_compiled
def voltage_of(p: Setup, lithium: Floats, s: Floats, current: float, inward: float) -> float:
    """Voltage of a state while ``inward`` uA/cm2 of lithium enter the film."""
    left = 1.0 - s[at.SILICON] / p.film_uah
    half = 0.5 * left * p.film_nm / lithium.size
    # J = film/d dPhi/dz in the film's pristine coordinate: Phi rises by J half d / film.
    rise = inward * half * p.film_nm / p.film_uah
    return float(potential(p, s, current, lithium[0] / left, rise))


@_compiled
def _take(lithium: Floats, silicon: Floats, now: Floats, work: Work) -> None:
    lithium[:] = work.lithium
    silicon[:] = work.silicon
    now[:] = work.scalars


@_compiled
def _gone(lithium: Floats, s: Floats) -> bool:
    """Whether more was asked of the cell than it holds."""
    inside = at.X_LOW < s[at.X] < at.X_HIGH and lithium[0] > at.Y_LOW
    return bool(not inside or abs(s[at.VOLTAGE]) > _VOLTS)


@_compiled
def _hours_to(
    p: Setup, lithium: Floats, silicon: Floats, now: Floats, current: float, start_v: float,
    hours: float, until: float, work: Work,
) -> float:  # fmt: skip
    """Length of the step that ends at the cut-off, which ``hours`` oversteps (Illinois)."""
    low, high = 0.0, hours
    at_low, at_high = start_v - until, work.scalars[at.VOLTAGE] - until
    side = 0
    trial = hours
    for _ in range(_SECANT):
        trial = (low * at_high - high * at_low) / (at_high - at_low)
        trial = min(max(trial, _SHORTEST_H), high)
        one_step(p, lithium, silicon, now, current, trial, work)
        miss = work.scalars[at.VOLTAGE] - until
        if abs(miss) < _VOLT or high - low < _SHORTEST_H:
            break
        if miss * at_high > 0.0:
            high, at_high = trial, miss
            at_low = 0.5 * at_low if side == 1 else at_low
            side = 1
        else:
            low, at_low = trial, miss
            at_high = 0.5 * at_high if side == -1 else at_high
            side = -1
    return trial


@_compiled
def _current_for(
    p: Setup, lithium: Floats, silicon: Floats, now: Floats, wanted_v: float, hours: float,
    guess: float, work: Work,
) -> bool:  # fmt: skip
    """Find the current that ends the step at a voltage and leave that step in ``work``."""
    span = max(0.05 * abs(guess), 1e-3)
    low = high = guess
    one_step(p, lithium, silicon, now, guess, hours, work)
    at_low = at_high = work.scalars[at.VOLTAGE] - wanted_v
    for _ in range(_SECANT):
        if at_low <= 0.0 <= at_high:
            break
        if at_high < 0.0:
            low, at_low, high = high, at_high, high + span
            one_step(p, lithium, silicon, now, high, hours, work)
            at_high = work.scalars[at.VOLTAGE] - wanted_v
        else:
            high, at_high, low = low, at_low, low - span
            one_step(p, lithium, silicon, now, low, hours, work)
            at_low = work.scalars[at.VOLTAGE] - wanted_v
        span *= 2.0
    if not at_low <= 0.0 <= at_high:
        return False
    side = 0
    for _ in range(_SECANT):
        trial = high if at_high == at_low else (low * at_high - high * at_low) / (at_high - at_low)
        one_step(p, lithium, silicon, now, trial, hours, work)
        miss = work.scalars[at.VOLTAGE] - wanted_v
        if abs(miss) < _VOLT or high - low < 1e-12:
            return True
        if miss > 0.0:
            high, at_high = trial, miss
            at_low = 0.5 * at_low if side == 1 else at_low
            side = 1
        else:
            low, at_low = trial, miss
            at_high = 0.5 * at_high if side == -1 else at_high
            side = -1
    return abs(miss) < 1e3 * _VOLT


@_compiled
def at_current(
    p: Setup, lithium: Floats, silicon: Floats, now: Floats, current: float, most_h: float,
    until: float, rows: Floats, work: Work,
) -> tuple[int, int]:  # fmt: skip
    """Hold a current for ``most_h``, or until the voltage ``until`` (nan: none) is passed.

    The arrays are advanced in place; each step is a row.  Returns how it ended, and the rows used.
    """
    now[at.CURRENT] = current
    start_v = voltage_of(p, lithium, now, current, current)
    now[at.VOLTAGE] = start_v
    rows[0] = now
    count = 1
    end = now[at.TIME_H] + most_h
    side = 1.0 if current > 0.0 else -1.0
    if side * (start_v - until) >= 0.0:
        return at.LIMIT_REACHED, count
    if abs(start_v) > _VOLTS:
        return at.TOO_FAST, count
    while end - now[at.TIME_H] > _SHORTEST_H:
        if count == rows.shape[0]:
            return at.ROWS_FULL, count
        longest = p.step_h if current != 0.0 else 5.0 * p.step_h
        hours = min(max(now[at.STEP_H], 1e-3 * p.step_h), longest, end - now[at.TIME_H])
        one_step(p, lithium, silicon, now, current, hours, work)
        change = abs(work.scalars[at.VOLTAGE] - start_v)
        over = side * (work.scalars[at.VOLTAGE] - until) >= 0.0
        if change > 2.0 * p.step_v and hours > 2e-3 * p.step_h:
            now[at.STEP_H] = 0.5 * hours
            continue
        if over:
            _hours_to(p, lithium, silicon, now, current, start_v, hours, until, work)
        elif change > 100.0 * p.step_v or _gone(work.lithium, work.scalars):
            return at.TOO_FAST, count
        if hours >= now[at.STEP_H] or change > p.step_v:
            factor = min(max(p.step_v / max(change, 1e-12), 0.5), 1.5)
            work.scalars[at.STEP_H] = min(hours * factor, longest)
        _take(lithium, silicon, now, work)
        start_v = now[at.VOLTAGE]
        rows[count] = now
        count += 1
        if over:
            return at.LIMIT_REACHED, count
    return at.TIME_UP, count


@_compiled
def at_voltage(
    p: Setup, lithium: Floats, silicon: Floats, now: Floats, wanted_v: float, most_h: float,
    until: float, rows: Floats, work: Work,
) -> tuple[int, int]:  # fmt: skip
    """Hold a voltage for ``most_h``, or until the current falls to ``until`` (nan: none)."""
    count = 0
    end = now[at.TIME_H] + most_h
    now[at.STEP_H] = min(now[at.STEP_H], 0.05 * p.step_h)
    while end - now[at.TIME_H] > _SHORTEST_H:
        if count == rows.shape[0]:
            return at.ROWS_FULL, count
        hours = min(max(now[at.STEP_H], 1e-3 * p.step_h), p.step_h, end - now[at.TIME_H])
        before = now[at.CURRENT]
        if not _current_for(p, lithium, silicon, now, wanted_v, hours, before, work):
            return at.NO_CURRENT_HOLDS_IT, count
        if _gone(work.lithium, work.scalars):
            return at.NO_CURRENT_HOLDS_IT, count
        current = work.scalars[at.CURRENT]
        change = abs(current - before) / max(abs(before), abs(current), 1e-3)
        if change > 0.3 and hours > 2e-3 * p.step_h and count > 0:
            now[at.STEP_H] = 0.5 * hours
            continue
        if hours >= now[at.STEP_H]:
            work.scalars[at.STEP_H] = hours * min(max(0.15 / max(change, 1e-12), 0.5), 1.5)
        _take(lithium, silicon, now, work)
        rows[count] = now
        count += 1
        if abs(current) <= until:
            return at.LIMIT_REACHED, count
    return at.TIME_UP, count
