"""Fisher information of what is planned, and the error that it leaves.

A spectrum with expected counts m(x) holds J' diag(1/m) J about x (Poisson; J = dm/dx), which goes
as the counting time.  States of the cell touch each other only through shared parameters, so the
whole is an arrow, as in analysis.fit; states that are all alike need only one block:

    C_s = (P_s + t_p I_p + m (c - b' a^-1 b))^-1,   a = t I_xx + P_x,  b = t I_xs,  c = t I_ss
    var(q'x + r's) = q' a^-1 q / m + g C_s g',      g = r - q' a^-1 b

for the mean over m states of t seconds each, with t_p seconds of the pristine cell (self-
calibration) and Gaussian priors P.  Other states of the run add their c - b' a^-1 b to C_s^-1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from lidepth.analysis.forward import ForwardModel, Setting
from lidepth.analysis.sensitivity import Sensitivity
from lidepth.errors import BadData

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Known = Callable[[str], bool]

_STARVED = 1e-12  # counts per s in a bin, below which its information is left out


@dataclass(frozen=True, kw_only=True)
class Companion:
    """Another state of the same run: what it tells of the shared parameters.

    ``per_second`` and ``ties`` as in Design; ``number`` how many there are of its kind.
    """

    per_second: Floats
    ties: Floats
    number: float


@dataclass(frozen=True, kw_only=True)
class Design:
    """Information of one state and what is believed beforehand.

    ``local`` (n) and ``shared`` (p) are the names of the parameters; ``per_second`` (n + p, n + p)
    the information of one second; ``local_prior`` (n, n) and ``shared_prior`` (p, p) precisions;
    ``pristine`` (p, p) the information of one second of the pristine cell; ``ties`` (k, n + p)
    relations believed of each state, each divided by its standard uncertainty; ``companions`` the
    other states of the run.
    """

    local: tuple[str, ...]
    shared: tuple[str, ...]
    per_second: Floats
    local_prior: Floats
    shared_prior: Floats
    pristine: Floats
    ties: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    companions: tuple[Companion, ...] = ()

    def std(
        self, row: Floats, *, count_s: float, pristine_s: float = 0.0, states: float = 1.0,
        known: Known | None = None, tied: bool = True, others_tied: bool | None = None,
        others_s: float = 0.0, more: float = 1.0,
    ) -> float:  # fmt: skip
        """Standard uncertainty of ``row`` (n + p,) times the parameters, mean of ``states``.

        ``known`` tells, by name, which parameters are taken as known; ``tied`` whether the ties
        of the states hold, ``others_tied`` those of the companions (None: the same), each
        counted for ``others_s``, their numbers multiplied by ``more``.  Raises BadData when the
        data and the priors leave the combination open.
        """
        free = np.array([not (known and known(name)) for name in self.local + self.shared])
        n = len(self.local)
        at, border = free[:n], free[n:]
        inverse, b, schur = self._block(self.per_second, self.ties, count_s, free, tied=tied)
        common = (self.shared_prior + pristine_s * self.pristine)[np.ix_(border, border)]
        common = common + states * schur
        together = tied if others_tied is None else others_tied
        for one in self.companions:
            *_, schur = self._block(one.per_second, one.ties, others_s, free, tied=together)
            common = common + more * one.number * schur
        q, r = row[:n][at], row[n:][border]
        g = r - q @ inverse @ b
        return float(np.sqrt(q @ inverse @ q / states + g @ inverted(common) @ g))

    def _block(
        self, per_second: Floats, ties: Floats, count_s: float, free: Bools, *, tied: bool
    ) -> tuple[Floats, Floats, Floats]:
        """Of one state: a^-1, b and c - b' a^-1 b, of the free parameters only."""
        n = len(self.local)
        whole = count_s * per_second
        whole[:n, :n] += self.local_prior
        if tied and ties.size:
            whole = whole + ties.T @ ties
        whole = whole[np.ix_(free, free)]
        k = int(np.count_nonzero(free[:n]))
        inverse, b = inverted(whole[:k, :k]), whole[:k, k:]
        return inverse, b, whole[k:, k:] - b.T @ inverse @ b


def inverted(matrix: Floats) -> Floats:
    """Inverse of a symmetric matrix of parameters with unlike units.

    A parameter that nothing touches (a row of zeros) stays at zero variance: nothing depends on
    it.  Raises BadData when a combination of the others is not determined at all.
    """
    diagonal = np.diag(matrix)
    seen = diagonal > 0.0
    inverse = np.zeros_like(matrix)
    if not np.any(seen):
        return inverse
    scale = 1.0 / np.sqrt(diagonal[seen])
    scaled = matrix[np.ix_(seen, seen)] * np.outer(scale, scale)
    try:
        factor = linalg.cho_factor(0.5 * (scaled + scaled.T))
    except linalg.LinAlgError as error:
        raise BadData(
            "the spectra do not determine what is asked: two parameters do the same to them",
            expected="a question about layers that the detector can tell apart",
            remedy="ask about a thicker layer, or count for longer than nothing",
        ) from error
    inside = linalg.cho_solve(factor, np.eye(scale.size)) * np.outer(scale, scale)
    inverse[np.ix_(seen, seen)] = inside
    return inverse


def poisson_information(jacobian: Floats, expected: Floats) -> Floats:
    """J' diag(1/m) J of ``jacobian`` (bins, k) at ``expected`` (bins,) counts; empty bins out."""
    seen = expected > _STARVED
    weighted = jacobian[seen] / expected[seen, None]
    return np.asarray(weighted.T @ jacobian[seen])


def state_information(
    model: ForwardModel, shared: Floats, setting: Setting, state: Floats, mask: NDArray[np.bool_]
) -> Floats:
    """Information of one state's spectrum about state vector and shared parameters together.

    Of the exposure of ``setting``; shape (state size + shared, ...).
    """
    moves = Sensitivity.of(model, shared, setting, state)
    jacobian = np.hstack([moves.by_state, moves.by_shared])
    return poisson_information(jacobian[mask], moves.at.total[mask])
