"""The ledger: lithium per region and state in uAh, with one joint covariance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.fit import Solution
from lidepth.analysis.forward import region_rows
from lidepth.analysis.invert import Inversion, levers, whole_states
from lidepth.analysis.parameters import COULOMB_LOSS, SILICON_STEP, cycle_knots, knot_weights
from lidepth.analysis.reduce import Reduction
from lidepth.model.ledger import Ledger
from lidepth.model.result import MovedSilicon, Run
from lidepth.model.spectra import Quality

Floats = NDArray[np.float64]


def account(
    run: Run, reduction: Reduction, inversion: Inversion, *, method: str, widen: float, remark: str
) -> Ledger:
    """Turn fitted states into charge equivalents of the whole cell.

    ``widen`` is the factor by which common errors are widened for a pristine misfit.
    """
    values, rows = _values(inversion)
    solution = inversion.solution
    local = [row @ block @ row.T for row, block in zip(rows, solution.local[1:], strict=True)]
    independent = _block_diagonal(local)
    borders = np.concatenate(_borders(inversion, values, rows))
    common = borders @ solution.shared_covariance @ borders.T * widen**2
    if inversion.tied:
        net = np.array([state.charge_uah for state in reduction.states])
        moved = lost_charges(net, reduction.throughput_uah)
        lost = [_charge_loss(inversion, one, values, rows) for one in moved]
        own, together = _charge_walk(inversion, reduction, rows)
        common = common + sum(np.outer(shift, shift) for shift in lost) + together
        independent = independent + own
    return Ledger(
        method=method,
        cycle=np.array([state.cycle for state in reduction.states], dtype=np.int64),
        state=tuple(state.name for state in reduction.states),
        time_s=np.array([state.time_s for state in reduction.states]),
        values=values, covariance=independent + common, independent=independent,
        flags=tuple(state_flags(run, state.indices) for state in reduction.states),
        balance_spent=inversion.conserved, remark=remark,
    )  # fmt: skip


def state_flags(run: Run, indices: tuple[int, ...]) -> str:
    """Quality flags of the spectra summed in a state, in words."""
    together = int(np.bitwise_or.reduce(run.series.flags[list(indices)], initial=0))
    return Quality(together).words


def _values(inversion: Inversion) -> tuple[Floats, list[Floats]]:
    """Values (n, 3) in uAh and, per state, the rows (3, state size) that made them."""
    area = inversion.model.parameters.index["area"]
    per_uah = inversion.per_uah * (1.0 - inversion.solution.shared[area])
    row = region_rows(inversion.model) / per_uah
    states = whole_states(inversion)[1:]
    return states @ row.T, [row] * len(states)


def ledger_rows(inversion: Inversion) -> tuple[Floats, list[Floats], list[Floats]]:
    """Values (n, 3) in uAh, and per state how they move with its vector and the shared parameters.

    The latter are (3, state size) and (3, shared) each.
    """
    values, rows = _values(inversion)
    return values, rows, _borders(inversion, values, rows)


def _borders(inversion: Inversion, values: Floats, rows: list[Floats]) -> list[Floats]:
    """How the values of each state move with the shared parameters; (3, shared) each."""
    area = inversion.model.parameters.index["area"]
    borders = []
    for value, row, lever in zip(values, rows, levers(inversion)[1:], strict=True):
        border = row @ lever
        border[:, area] += value / (1.0 - inversion.solution.shared[area])
        borders.append(border)
    return borders


def lost_charges(net_uah: Floats, passed_uah: Floats) -> tuple[Floats, Floats]:
    """Charge of which a share may have moved no lithium, on charge and on discharge, uAh; (n,).

    From net charge and charge passed either way before each state.  Each is believed lost by itself
    to sqrt(2) COULOMB_LOSS, the second with the other sign: after whole cycles as uncertain as if
    COULOMB_LOSS of all charge passed had been lost.
    """
    half = np.sqrt(0.5)
    return half * (passed_uah + net_uah), half * (net_uah - passed_uah)


def _charge_loss(
    inversion: Inversion, moved_uah: Floats, values: Floats, rows: list[Floats]
) -> Floats:
    """Shift of all values if a share COULOMB_LOSS of ``moved_uah`` (n,) moved no lithium; (3n,).

    The share is considered, not fitted: it widens the common error of what the charge determines
    and leaves the estimate alone (docs/why/0005).
    """
    solution, size = inversion.solution, len(inversion.model.parameters)
    states = [np.zeros(inversion.model.state_size)]
    shared = np.zeros(size)
    for seen, moved in zip(inversion.observations[1:], moved_uah, strict=True):
        tie = seen.ties[-1]
        push = -COULOMB_LOSS * moved * inversion.per_uah / tie.std**2
        states.append(tie.state_row * push)
        lift = inversion.model.lift(seen.setting)
        shared = shared + (tie.shared_row + tie.state_row @ lift) * push
    moves, move = respond(solution, states, shared)
    area = inversion.model.parameters.index["area"]
    shifts = []
    for value, row, own, seen in zip(
        values, rows, moves[1:], inversion.observations[1:], strict=True
    ):
        whole = own + inversion.model.lift(seen.setting) @ move
        shifts.append(row @ whole + value * move[area])
    return np.concatenate(shifts)


def _charge_walk(
    inversion: Inversion, reduction: Reduction, rows: list[Floats]
) -> tuple[Floats, Floats]:
    """Corrections of the independent and the common covariance for errors of charge that add up.

    The fit takes the charge of each state as known to its own error.  But the error of a sum is
    still there in every later sum: two states share what the earlier one had, a random walk.  What
    of it tells the rows of one kind (charged, discharged) apart is independent, the rest is common;
    together they are the walk's whole covariance.  (3n, 3n) each, in uAh^2.
    """
    solution, per_uah = inversion.solution, inversion.per_uah
    variance = np.array([state.charge_std_uah**2 for state in reduction.states])
    known = np.isfinite(variance)
    variance = np.where(known, variance, 0.0)
    walk = np.where(np.outer(known, known), np.minimum.outer(variance, variance), 0.0)
    names = np.array([state.name for state in reduction.states])
    apart = np.diag(strays(walk, names))
    moves = np.zeros((3 * len(rows), len(rows)))
    for place, (row, block, seen) in enumerate(
        zip(rows, solution.local[1:], inversion.observations[1:], strict=True)
    ):
        if known[place]:
            tie = seen.ties[-1]
            move = row @ block @ (tie.state_row * per_uah / tie.std**2)
            moves[3 * place : 3 * place + 3, place] = move
    own = moves @ (apart - np.diag(variance)) @ moves.T
    together = moves @ (walk - apart) @ moves.T
    return own, together


def strays(walk: Floats, names: NDArray[np.str_]) -> Floats:
    """Variance of each value about the mean over the rows of its kind; (n,).

    Scaled by m / (m - 1) for m rows, so that independent errors keep their variance; a single row
    keeps its own.
    """
    strays = np.diag(walk).copy()
    for name in np.unique(names):
        rows = np.flatnonzero(names == name)
        m = rows.size
        if m > 1:
            centre = np.eye(m) - 1.0 / m
            strays[rows] = np.diag(centre @ walk[np.ix_(rows, rows)] @ centre) * m / (m - 1)
    return strays


def respond(
    solution: Solution, states: list[Floats], shared: Floats
) -> tuple[list[Floats], Floats]:
    """First-order move of states and shared parameters under extra gradients."""
    gradient = shared + sum(
        lever.T @ push for lever, push in zip(solution.leverage, states, strict=True)
    )
    move = solution.shared_covariance @ gradient
    moves = [
        block @ push + lever @ move
        for block, push, lever in zip(solution.local, states, solution.leverage, strict=True)
    ]
    return moves, move


def _block_diagonal(blocks: list[Floats]) -> Floats:
    size = 3 * len(blocks)
    matrix = np.zeros((size, size))
    for place, block in enumerate(blocks):
        matrix[3 * place : 3 * place + 3, 3 * place : 3 * place + 3] = block
    return matrix


def moved_silicon(run: Run, reduction: Reduction, inversion: Inversion) -> MovedSilicon:
    """Silicon that left the anode, per cycle, from the fitted steps."""
    model, solution = inversion.model, inversion.solution
    places = [model.parameters.index[f"silicon:{i}"] for i in range(model.knots.size)]
    cycles = np.unique([state.cycle for state in reduction.states if state.cycle > 0])
    weights = np.array([knot_weights(model.knots, float(cycle)) for cycle in cycles])
    weights = weights.reshape(len(cycles), model.knots.size)
    block = solution.shared_covariance[np.ix_(places, places)]
    covariance = weights @ block @ weights.T
    amount = weights @ solution.shared[places]
    even = np.full(len(cycles), 1.0 / max(len(cycles), 1))
    return MovedSilicon(
        cycle=cycles.astype(np.int64), amount_1e15=amount,
        std_1e15=np.sqrt(np.maximum(np.diag(covariance), 0.0)),
        film_1e15=run.stack.layer("anode").areal_density_1e15,
        mean_1e15=float(even @ amount), mean_std_1e15=float(np.sqrt(even @ covariance @ even)),
    )  # fmt: skip


def silicon_of_spectra(moved: MovedSilicon) -> tuple[float, float] | None:
    """What the spectra alone say of the last cycle's moved silicon, with its error, 1e15/cm2.

    The belief of the fit (a step of SILICON_STEP of the film between two knots) is taken off; None
    where nothing but that belief is left.
    """
    if not moved.cycle.size or moved.std_1e15[-1] <= 0:
        return None
    cycle, amount, std = int(moved.cycle[-1]), float(moved.amount_1e15[-1]), moved.std_1e15[-1]
    weights = knot_weights(cycle_knots(cycle), float(cycle))
    believed = (SILICON_STEP * moved.film_1e15) ** 2 * float(weights @ weights)
    precision = float(std**-2.0 - 1.0 / believed)
    if precision <= 0:
        return None
    return amount * float(std**-2.0) / precision, precision**-0.5
