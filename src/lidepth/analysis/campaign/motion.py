"""What may happen to a cell between two spectra, and how sure that is.

Lithium follows the charge out of the cathode; what the electrolyte keeps, the silicon that moves,
the beam, the energy scale and the background wander.  The wander is the same in charge and
discharge and, more slowly, at rest: it does not say when the interlayer grows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.campaign.cellstate import (
    BACK,
    CATHODE,
    FLUX,
    HATS,
    OFFSET,
    SILICON,
    CellModel,
)
from lidepth.analysis.campaign.chain import Move
from lidepth.analysis.campaign.timetable import Moments
from lidepth.analysis.parameters import SILICON_STEP, cycle_knots

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Wander:
    """Standard deviation of what changes by itself, per root of its clock.

    Per day: ``flux`` of the beam against the monitor (relative; ``unmonitored`` without one),
    ``offset_kev`` of the energy scale, ``back`` of the background (relative).  Per equivalent full
    cycle: ``amplitude`` and ``bulk`` of the electrolyte's lithium, as fractions of its own at the
    interface and in the bulk.  ``silicon`` of the film, between two of the knots 0, 2, 6, 15, 40
    ... cycles: what moves, moves mostly at first.  ``idle_days`` at rest count as one cycle.
    """

    flux: float = 0.003
    unmonitored: float = 0.03
    offset_kev: float = 0.5
    back: float = 0.10
    amplitude: float = 0.03
    bulk: float = 0.0008
    silicon: float = SILICON_STEP
    idle_days: float = 5.0


# A logged current is a rounded number: the charge of every interval is uncertain by this much.
_CHARGE_REL, _CHARGE_FLOOR_UAH = 1e-5, 1e-4
_STILL = 1e-9  # no part is ever known exactly: the smoother divides by what is added here


def moves(cell: CellModel, moments: Moments, wander: Wander, *, first: int = 0) -> list[Move]:
    """The way from the pristine cell to the first moment, and from each to the next.

    ``first`` leaves out those that lead to earlier moments.
    """
    steps = zip(
        moments.charge_step_uah[first:], moments.passed_step_uah[first:],
        _noise(cell, moments, wander, first), strict=True,
    )  # fmt: skip
    return [_move(cell, charge, passed, noise) for charge, passed, noise in steps]


def _move(cell: CellModel, charge: float, passed: float, noise: Floats) -> Move:
    """One step, with the net charge and the charge either way in it, in uAh."""
    push, lever = np.zeros(cell.size), np.zeros((cell.size, cell.shared))
    push[CATHODE] = cell.per_uah * charge
    # The charge is the whole cell's; its lithium per area goes down as the area goes up.
    lever[CATHODE, cell.place("area")] = -cell.per_uah * charge
    lever[CATHODE, cell.place("loss")] = -cell.per_uah * 0.5 * (passed + charge)
    lever[CATHODE, cell.place("loss_discharge")] = cell.per_uah * 0.5 * (passed - charge)
    return Move(keep=np.ones(cell.size), push=push, lever=lever, noise=noise)


def _noise(cell: CellModel, moments: Moments, wander: Wander, first: int) -> Floats:
    """Covariance of what each step from ``first`` on adds; (k - first, n, n)."""
    days = moments.day_steps
    growth = moments.cycle_steps + days / wander.idle_days
    slow = np.diff(slow_clock(np.concatenate([[0.0], np.cumsum(growth)])))[first:]
    days, growth = days[first:], growth[first:]
    hats = cell.forward.basis.covariance(amplitude=wander.amplitude, bulk=wander.bulk)
    film = cell.forward.grid.stack.layer("anode").areal_density_1e15
    flux = wander.flux if moments.monitored else wander.unmonitored
    noise = np.zeros((days.size, cell.size, cell.size))
    noise[:, FLUX, FLUX] = flux**2 * (days + _STILL)
    noise[:, OFFSET, OFFSET] = wander.offset_kev**2 * (days + _STILL)
    noise[:, BACK, BACK] = wander.back**2 * (days + _STILL)
    charge = moments.rounding_uah2 + (_CHARGE_REL * moments.passed_step_uah) ** 2
    charge = charge[first:]
    noise[:, CATHODE, CATHODE] = cell.per_uah**2 * (charge + _CHARGE_FLOOR_UAH**2)
    noise[:, SILICON, SILICON] = (wander.silicon * film) ** 2 * (slow + _STILL)
    noise[:, HATS:, HATS:] = hats * (growth + _STILL)[:, None, None]
    return noise


def slow_clock(cycles: Floats) -> Floats:
    """Number of knot intervals passed after so many cycles; (n,).

    Linear between the knots 0, 2, 6, 15, 40, 100, 250, 600 at which slow changes are bent in the
    default fit, too.
    """
    knots = np.concatenate([[0.0], cycle_knots(600)])
    inside = np.interp(cycles, knots, np.arange(knots.size, dtype=np.float64))
    beyond = np.maximum(cycles - knots[-1], 0.0) / (knots[-1] - knots[-2])
    return np.asarray(inside + beyond)
