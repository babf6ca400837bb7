"""The published practice, kept beside the default: energy windows and Eq. 4.

Areas of the difference spectrum in three fixed windows, scaled so that the cathode's area after
the first charge equals the charge of the first charge:  Q_i(n) = A_i(n) / A_c(1) Q_c(1)
(Chen et al., Adv. Energy Mater. 8 (2018) 1801430, Eq. 4; the charged-state A_c(1) in magnitude).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.account import state_flags
from lidepth.analysis.build import interface_energies_kev
from lidepth.analysis.calibrate import Calibrated
from lidepth.analysis.invert import Inversion
from lidepth.analysis.reduce import Reduction
from lidepth.model.ledger import Ledger
from lidepth.model.result import Run

Floats = NDArray[np.float64]

_SIGNS = np.array([1.0, 1.0, -1.0])  # the cathode's row is what is missing
_LEAST_CATHODE_KEV = 300.0  # below this the cathode window holds nothing but background
_MARGIN_KEV = 60.0  # resolution tails beyond the outer edges of anode and cathode


def window_regions_kev(calibrated: Calibrated) -> dict[str, tuple[float, float]]:
    """Energy windows (low, high) at the pristine edges of anode, electrolyte and cathode."""
    edges = interface_energies_kev(calibrated.model, calibrated.solution.shared)
    return {
        "anode": (edges["anode"][0], edges["anode"][1] + _MARGIN_KEV),
        "electrolyte": edges["electrolyte"],
        "cathode": (max(edges["cathode"][0] - _MARGIN_KEV, 0.0), edges["cathode"][1]),
    }


def window_ledger(
    run: Run, reduction: Reduction, calibrated: Calibrated, inversion: Inversion, fitted: Ledger
) -> tuple[Ledger, Floats] | None:
    """Eq. 4 by windows, and the bias, in uAh, that the forward model predicts for it; (n, 3).

    None where Eq. 4 has no normaliser, because alphas of the cathode do not leave the cell.
    """
    selectors = _selectors(calibrated)
    cathode = interface_energies_kev(calibrated.model, calibrated.solution.shared)["cathode"]
    if cathode[1] < _LEAST_CATHODE_KEV:
        return None
    exposures = np.array([seen.setting.exposure for seen in inversion.observations])
    counts = np.array([seen.counts for seen in inversion.observations])
    expected = np.array([p.total for p in inversion.solution.predictions])
    charge = _first_charge(fitted)
    values, slope = _equation_four(counts, exposures, selectors, charge)
    modelled, _ = _equation_four(expected, exposures, selectors, charge)
    own, pristine = _area_covariances(counts, exposures, selectors, reduction)
    independent = slope @ own @ slope.T
    total = slope @ (own + pristine) @ slope.T
    ledger = Ledger(
        method="windows", cycle=fitted.cycle, state=fitted.state, time_s=fitted.time_s,
        values=values, covariance=total, independent=independent,
        flags=tuple(state_flags(run, state.indices) for state in reduction.states),
        balance_spent=True,
        remark="fixed windows and Eq. 4 as published; adjacent windows cut from one spectrum add "
        "up by construction, so the balance tests nothing",
    )  # fmt: skip
    return ledger, modelled - fitted.values


def _selectors(calibrated: Calibrated) -> Floats:
    """Rows (3, bins) that add up the bins whose middle lies in each window."""
    edges = calibrated.result.fit.edges_kev
    middle = 0.5 * (edges[1:] + edges[:-1])
    windows = window_regions_kev(calibrated)
    return np.array(
        [
            (middle >= windows[role][0]) & (middle < windows[role][1])
            for role in ("anode", "electrolyte", "cathode")
        ],
        dtype=np.float64,
    )


def _first_charge(fitted: Ledger) -> tuple[int, float]:
    """Row of the first charged state and its missing cathode lithium, in uAh."""
    charged = np.flatnonzero(fitted.rows_of("charged"))
    row = int(charged[0]) if charged.size else int(np.argmax(fitted.values[:, 2]))
    return row, float(fitted.values[row, 2])


def _areas(counts: Floats, exposures: Floats, selectors: Floats) -> Floats:
    """Window areas of the difference spectra per unit exposure, cathode negated; (n, 3)."""
    rates = counts / exposures[:, None]
    return np.asarray((rates[1:] - rates[0]) @ selectors.T * _SIGNS)


def _equation_four(
    counts: Floats, exposures: Floats, selectors: Floats, charge: tuple[int, float]
) -> tuple[Floats, Floats]:
    """Values (n, 3) and their derivative by all areas (3n, 3n)."""
    areas = _areas(counts, exposures, selectors)
    row, first = charge
    norm = float(areas[row, 2])
    values: Floats = areas * (first / norm)
    slope: Floats = np.asarray(np.eye(areas.size) * (first / norm), dtype=np.float64)
    slope[:, 3 * row + 2] -= values.ravel() / norm
    return values, slope


def _area_covariances(
    counts: Floats, exposures: Floats, selectors: Floats, reduction: Reduction
) -> tuple[Floats, Floats]:
    """Covariance of the areas from the states' own counts, and from the pristine they share."""
    states = counts.shape[0] - 1
    own = np.zeros((3 * states, 3 * states))
    for place, state in enumerate(reduction.states):
        variance = selectors @ (counts[place + 1] / exposures[place + 1] ** 2)
        rate = selectors @ counts[place + 1] / exposures[place + 1] * _SIGNS
        flux = 1.0 / state.monitor if state.monitor > 0 else 0.05**2
        block = slice(3 * place, 3 * place + 3)
        own[block, block] = np.diag(variance) + np.outer(rate, rate) * flux
    shared = np.diag(selectors @ (counts[0] / exposures[0] ** 2))
    return own, np.asarray(np.kron(np.ones((states, states)), shared), dtype=np.float64)
