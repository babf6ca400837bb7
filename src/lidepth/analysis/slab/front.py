"""The slab's profile: a plateau below the interface that ends in a front.

The concentration at the depth z below the interface is proportional to Phi((L - z) / w), with the
normal distribution function Phi: at the reach L it has fallen to half of the plateau, the width w
is the standard deviation of the front.  Integrals over cells are exact; with u = (L - z) / w,

    F(z) = integral from z to infinity of Phi((L - x) / w) dx = w (u Phi(u) + phi(u)),
    integral from z to infinity of F = w^2 ((u^2 + 1) Phi(u) + u phi(u)) / 2.

Reach and width are hardly told apart where the front is as wide as the slab is thick.  What the
data know best is how deep the lithium lies in the mean: the thickness that is reported is twice
that, the reach of a slab with a sharp front.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

_THINNEST_NM = 1e-6  # thinner and sharper than any cell: a box, or a sheet in the first cell


@dataclass(frozen=True, kw_only=True)
class Fronts:
    """Many fronts at once: ``reach_nm`` and ``width_nm`` (m,).

    ``edges_nm`` (cells + 1,) of the electrolyte's cells, zero at the interface with the anode.
    """

    edges_nm: Floats
    reach_nm: Floats
    width_nm: Floats

    @property
    def _columns(self) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Reach, width, u, Phi(u) and phi(u); (m, 1) and (m, cells + 1)."""
        reach = np.maximum(np.asarray(self.reach_nm, np.float64), _THINNEST_NM)[:, None]
        width = np.maximum(np.asarray(self.width_nm, np.float64), _THINNEST_NM)[:, None]
        u = (reach - self.edges_nm) / width
        bell = np.exp(-0.5 * np.minimum(u * u, 1400.0)) / np.sqrt(2.0 * np.pi)
        return reach, width, u, ndtr(u), bell

    def _below(self) -> Floats:
        """Integral from each edge downwards; (m, cells + 1)."""
        _, width, u, share, bell = self._columns
        return np.asarray(width * (u * share + bell))

    @property
    def content_nm(self) -> Floats:
        """Plateau-equivalent thickness inside the electrolyte: the whole integral; (m,)."""
        below = self._below()
        return np.asarray(below[:, 0] - below[:, -1])

    @property
    def shares(self) -> Floats:
        """Share of the slab's lithium in each cell, sums are one; (m, cells)."""
        below = self._below()
        held = np.maximum(-np.diff(below, axis=1), 0.0)  # far below the front only rounding is left
        return np.asarray(held / (below[:, :1] - below[:, -1:]))

    @property
    def slopes(self) -> Floats:
        """Derivative of the shares by ln reach and ln width; sums are zero; (m, cells, 2)."""
        reach, width, _, share, bell = self._columns
        whole, shares = self.content_nm[:, None], self.shares
        return np.stack(
            [
                (-np.diff(by, axis=1) - shares * (by[:, :1] - by[:, -1:])) / whole
                for by in (reach * share, width * bell)
            ],
            axis=2,
        )

    @property
    def thickness_nm(self) -> Floats:
        """Twice the mean depth of the slab's lithium; (m,)."""
        _, width, u, share, bell = self._columns
        twice = 0.5 * width**2 * ((u * u + 1.0) * share + u * bell)
        moment = self.edges_nm * self._below() + twice
        return np.asarray(2.0 * (moment[:, 0] - moment[:, -1]) / self.content_nm)


def front(edges_nm: Floats, reach_nm: float, width_nm: float) -> Fronts:
    """One front."""
    return Fronts(edges_nm=edges_nm, reach_nm=np.array([reach_nm]), width_nm=np.array([width_nm]))
