"""How far slab and default may differ by chance, being two readings of one spectrum.

Both fits are linear in the counts near where they settle, and both follow the same shared
parameters.  So the covariance of their difference has a closed form: with the scores u of a state
(derivatives of its log likelihood, covariance H), the shared parameters' error d (covariance
Sigma, itself a sum of all states' scores) and the rows R of the regions,

    slab - default = (R A^-1 T' - R A_0^-1 T_0') u + (R lever - R lever_0) d.

Counting noise and the errors of stack and stopping mostly cancel: what is left is small, and a
difference beyond it says that lithium does not lie as one of the two families can draw it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.forward import HATS, region_rows
from lidepth.analysis.invert import Inversion
from lidepth.analysis.slab.linear import Quadratic, slab_rows
from lidepth.analysis.slab.model import SlabModel

Floats = NDArray[np.float64]


def difference_covariance(
    inversion: Inversion, slab: SlabModel, found: Sequence[Quadratic], local: Sequence[Floats],
    levers: Sequence[Floats], *, widen: float,
) -> Floats:  # fmt: skip
    """Covariance of slab less default for all rows and regions, in (1e15/cm2)^2; (3n, 3n).

    ``local`` (slab size, slab size) and ``levers`` (slab size, shared) of the slab's states;
    ``widen`` as in account.
    """
    solution = inversion.solution
    sigma = solution.shared_covariance * widen**2
    rows, rows_0 = region_rows(slab), region_rows(inversion.model)
    by_hats = _hat_rows(inversion, slab)
    n, size = len(found), len(sigma)
    own, swing, link = [], np.zeros((3 * n, size)), np.zeros((3 * n, size))
    for k, (one, block, lever) in enumerate(zip(found, local, levers, strict=True)):
        m = len(by_hats)
        lift = inversion.model.lift(inversion.observations[k + 1].setting)
        lever_0 = lift + solution.leverage[k + 1]
        reads = rows @ block @ slab_rows(slab, one.state).T
        reads -= rows_0 @ solution.local[k + 1] @ by_hats.T
        place = slice(3 * k, 3 * k + 3)
        swing[place] = -rows_0 @ lever_0
        swing[place, : lever.shape[1]] += rows @ lever
        # Covariance of this state's scores with the error of the shared parameters.
        shared = one.curvature[:m, :m] @ by_hats @ lever_0
        shared[:, : lever.shape[1]] += one.curvature[:m, m:]
        link[place] = reads @ shared @ sigma
        own.append(reads @ one.curvature[:m, :m] @ reads.T)
    covariance = swing @ sigma @ swing.T + link @ swing.T + swing @ link.T
    for k, block in enumerate(own):
        covariance[3 * k : 3 * k + 3, 3 * k : 3 * k + 3] += block
    return np.asarray(0.5 * (covariance + covariance.T))


def _hat_rows(inversion: Inversion, slab: SlabModel) -> Floats:
    """How the long vector follows a state of the default; (m, state size)."""
    _, _, hats = inversion.model.lithium_maps
    rows = np.zeros((HATS + slab.host_1e15.size, inversion.model.state_size))
    rows[:HATS, :HATS] = np.eye(HATS)
    rows[HATS:, HATS:] = hats[slab.electrolyte]
    return rows


def model_error(difference: Floats, std: Floats) -> Floats:
    """What of a difference is more than chance allows, as a standard uncertainty; any shape.

    The root of difference^2 - std^2, nought where chance alone explains it: added in quadrature to
    a stated uncertainty it makes room for the other model's value, and no more.
    """
    return np.asarray(np.sqrt(np.maximum(difference**2 - std**2, 0.0)))
