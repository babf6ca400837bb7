"""Where the capacity went: lithium bound, silicon gone, resistance, cathode lost.

The charged end closes the books: at the voltage where charging stopped, the cathode's potential
less the anode's and the drop must give that voltage, which fixes the charge at the end; less what
is bound and what stays in the film (or in lost cathode material), that is the capacity.  Each loss
is switched on in every order and the mean of what it takes is its share (Shapley), so that shares
add up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lidepth.mechanism.identify.compare import Compared, Tried
from lidepth.mechanism.identify.fit import STEP
from lidepth.mechanism.identify.forward import Forward
from lidepth.mechanism.identify.found import LOSSES, LossShare
from lidepth.mechanism.identify.priors import Numbers

Floats = NDArray[np.float64]
RESIDUE_Y = 0.18  # lithium per silicon that a discharge leaves, as the cell's first ones do
_HALVINGS = 24  # of some 80 uAh/cm2: 5e-6


def shares(forward: Forward, z: Floats) -> Floats:
    """Capacity taken by each of LOSSES at the last charge, whole cell, uAh; (draws, 4)."""
    n = forward.numbers(z)
    every = range(len(LOSSES))
    capacity: dict[frozenset[int], Floats] = {}
    for size in range(len(LOSSES) + 1):
        for on in combinations(every, size):
            capacity[frozenset(on)] = _capacity(forward, n, frozenset(on))
    taken = np.zeros((z.shape[0], len(LOSSES)))
    for loss in every:
        others = [k for k in every if k != loss]
        for size in range(len(LOSSES)):
            weight = 1.0 / (len(LOSSES) * math.comb(len(LOSSES) - 1, size))
            for on in combinations(others, size):
                before = capacity[frozenset(on)]
                taken[:, loss] += weight * (before - capacity[frozenset({*on, loss})])
    return taken * forward.common.seen.films.area_cm2


def _capacity(forward: Forward, n: Numbers, on: frozenset[int]) -> Floats:
    """Capacity, uAh/cm2, with some losses on, by halving; (draws,)."""
    c = forward.common
    last = np.flatnonzero(c.point_side > 0.0)[-1]
    none = np.zeros(n.kappa.size)
    bound = forward.bound(n, forward.points, c.point_most)[:, last] if 0 in on else none
    # Growth may go on at the rest after the charge, and takes from the discharge, too.
    end = int(np.argmax(c.seen.row_s))
    by_then = forward.bound(n, forward.rows, c.row_most)[:, end] if 0 in on else none
    moved = forward.grown(n, forward.points.u)[:, last] if 1 in on else none
    n = replace(
        n, lost_charge=none, resistance_gain=n.resistance_gain if 2 in on else none,
        cathode_loss=n.cathode_loss if 3 in on else none,
    )  # fmt: skip
    low, high = bound.copy(), bound + c.cathode * n.cathode_film
    wanted = float(c.seen.point_v[last])
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        above = _voltage(forward, n, int(last), middle, bound, moved) > wanted
        high, low = np.where(above, middle, high), np.where(above, low, middle)
    left = c.film * n.silicon_film - moved
    # A discharge ends with an empty film, or with a full cathode: what the lost part of it keeps.
    kept = n.cathode_loss * c.cathode * n.cathode_film * c.point_mean_x[last]
    return np.asarray(middle - np.maximum(np.maximum(by_then, bound) + RESIDUE_Y * left, kept))


def _voltage(
    forward: Forward, n: Numbers, last: int, charge: Floats, bound: Floats, moved: Floats
) -> Floats:
    """Voltage at the last charged point if ``charge`` had passed in net, (draws,)."""
    return forward.common.voltage_of(n, last, charge, bound, moved)


def loss_shares(
    found: Compared, drawn: Sequence[tuple[Tried, Floats]]
) -> tuple[tuple[LossShare, ...], tuple[float, float]]:
    """Shares over all draws, which data tell them, and mean and deviation of their sum.

    Nothing and NaN without a charging curve.
    """
    common = found.common
    if not np.any(common.point_side > 0.0):
        return (), (np.nan, np.nan)
    every = np.concatenate([shares(one.forward, z) for one, z in drawn])
    most = np.argmax(every, axis=1)
    without = _without(found.tried[0])
    total = every.sum(axis=1)
    told = tuple(
        LossShare(
            loss=name, mean_uah=float(every[:, k].mean()), std_uah=float(every[:, k].std()),
            dominant=float(np.mean(most == k)),
            without={group: float(std[k]) for group, std in without.items()},
        )
        for k, name in enumerate(LOSSES)
    )  # fmt: skip
    return told, (float(total.mean()), float(total.std()))


def _without(one: Tried) -> dict[str, Floats]:
    """Standard uncertainties of the shares if a group of data were missing, linearly, (4,)."""
    z, forward = one.top.z, one.forward
    step = STEP * np.eye(z.size)
    both = np.concatenate([z + step, z - step])
    p = z.size
    moved = shares(forward, both)
    gradient = (moved[:p] - moved[p:]) / (2.0 * STEP)
    r = forward(both)
    slope = (r[:p] - r[p:]) / (2.0 * STEP)
    found = {}
    groups = {"nothing": slice(0, 0), **forward.groups()}
    for name, place in groups.items():
        rest = np.delete(slope, np.arange(place.start, place.stop), axis=1)
        covariance = np.linalg.inv(np.eye(p) + rest @ rest.T)
        found[name] = np.sqrt(np.einsum("pk,pq,qk->k", gradient, covariance, gradient))
    return found
