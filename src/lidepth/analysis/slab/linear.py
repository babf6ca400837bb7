"""What one state's counts say about lithium in each electrolyte cell, to second order.

Near the settled slab the log likelihood is a quadratic in a long vector: flux, offset, background,
anode, cathode, the electrolyte's lithium cell by cell, and the shared parameters.  Any profile in
the electrolyte is then a matter of small matrices: no spectrum has to be computed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis._threads import one_thread
from lidepth.analysis.fit import EMPTY, Observation, inverse_of
from lidepth.analysis.forward import HATS
from lidepth.analysis.sensitivity import Sensitivity
from lidepth.analysis.slab.model import AMOUNT, BULK, SlabModel

Floats = NDArray[np.float64]

_OWN = HATS  # flux, offset, background, anode, cathode


@dataclass(frozen=True, kw_only=True)
class Quadratic:
    """Log likelihood of one state, ties and priors of flux, offset and background included.

    ``curvature`` (m, m) and ``gradient`` (m,) at the settled ``state``, by flux, offset,
    background, anode, cathode, each electrolyte cell and each shared parameter;
    ``bulk_precision`` of the bulk's prior; ``host_1e15`` (cells,) and ``slab_1e15`` (cells,) the
    electrolyte's own lithium and the settled slab's.
    """

    state: Floats
    curvature: Floats
    gradient: Floats
    bulk_precision: float
    host_1e15: Floats
    slab_1e15: Floats

    @property
    def _cells(self) -> int:
        return int(self.host_1e15.size)

    @cached_property
    def profiled(self) -> tuple[Floats, Floats]:
        """Curvature and gradient by cells and shared parameters, own nuisances marginalised.

        Flux, offset, background, anode, cathode and bulk are integrated out; the bulk with its
        prior.
        """
        nuisances = np.zeros((self.gradient.size, _OWN + 1))
        nuisances[:_OWN, :_OWN] = np.eye(_OWN)
        nuisances[_OWN : _OWN + self._cells, _OWN] = self.host_1e15
        across = self.curvature @ nuisances
        inner = nuisances.T @ across
        inner[_OWN, _OWN] += self.bulk_precision
        pull = nuisances.T @ self.gradient
        pull[_OWN] -= self.bulk_precision * self.state[BULK]
        lever = across @ inverse_of(inner)
        curvature = self.curvature - lever @ across.T
        gradient = self.gradient - lever @ pull
        return curvature[_OWN:, _OWN:], gradient[_OWN:]

    def without_shared(self, shared_covariance: Floats) -> tuple[Floats, Floats]:
        """Curvature and gradient by cells alone, the shared parameters marginalised too.

        They are believed to lie where they are held, with ``shared_covariance``.
        """
        curvature, gradient = self.profiled
        n = self._cells
        across = curvature[:n, n:]
        lever = across @ _woodbury(curvature[n:, n:], shared_covariance)
        return curvature[:n, :n] - lever @ across.T, gradient[:n] - lever @ gradient[n:]


def _woodbury(information: Floats, covariance: Floats) -> Floats:
    """Inverse of information + covariance^-1, for a covariance that may be singular."""
    size = len(covariance)
    return np.asarray(np.linalg.solve(np.eye(size) + covariance @ information, covariance))


@one_thread
def quadratics(
    slab: SlabModel, observations: Sequence[Observation], mask: NDArray[np.bool_], shared: Floats,
    states: Sequence[Floats],
) -> list[Quadratic]:  # fmt: skip
    """Expand every state's log likelihood."""
    return [
        quadratic(slab, seen, mask, shared, state)
        for seen, state in zip(observations, states, strict=True)
    ]


def quadratic(
    slab: SlabModel, seen: Observation, mask: NDArray[np.bool_], shared: Floats, state: Floats
) -> Quadratic:
    """Expand one state's log likelihood about ``state``."""
    moves = Sensitivity.of(slab, shared, seen.setting, state)
    by_cell = moves.by_cell[:, slab.electrolyte]
    jacobian = np.concatenate([moves.by_state[:, :_OWN], by_cell, moves.by_shared], axis=1)[mask]
    expected = moves.at.total[mask] + EMPTY
    weighted = jacobian / expected[:, None]
    curvature = weighted.T @ jacobian
    gradient = weighted.T @ (seen.counts[mask] - expected)
    prior = seen.precision[:3, :3]
    curvature[:3, :3] += prior
    gradient[:3] -= prior @ (state - seen.prior)[:3]
    for tie in seen.ties:
        row = _long_row(tie.state_row, tie.shared_row, slab)
        miss = tie.value - tie.state_row @ state - tie.shared_row @ shared
        curvature += np.outer(row, row) / tie.std**2
        gradient += row * (miss / tie.std**2)
    return Quadratic(
        state=state, curvature=curvature, gradient=gradient,
        bulk_precision=float(seen.precision[BULK, BULK]), host_1e15=slab.host_1e15,
        slab_1e15=state[AMOUNT] * slab.front(state).shares[0],
    )  # fmt: skip


def _long_row(state_row: Floats, shared_row: Floats, slab: SlabModel) -> Floats:
    """A tie of the slab's state vector as a tie of the long vector: any lithium counts alike."""
    cells = np.full(slab.host_1e15.size, state_row[AMOUNT])
    return np.concatenate([state_row[:_OWN], cells, shared_row])


def slab_rows(slab: SlabModel, state: Floats) -> Floats:
    """How the long vector (without shared parameters) follows a slab's state; (m, slab size)."""
    rows = np.zeros((_OWN + slab.host_1e15.size, slab.state_size))
    rows[:_OWN, :_OWN] = np.eye(_OWN)
    rows[_OWN:, _OWN:] = slab.electrolyte_slopes(state)
    return rows
