"""What is believed of every number before the data, the same for all hypotheses.

Every number is a function of a standard normal z, so that one prior serves least squares, Laplace
and sampling.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Widths of all priors; see docs/physics/identify.md.

    Lithium bound at the end, were there no limits: ``growth_low`` to ``growth_high`` of the first
    charge, evenly in the logarithm.  ``kappa_low`` to ``kappa_high``: evenly in the
    logarithm, and never so small that more than ``most_film`` of the film has moved; or, with
    ``kappa`` given, log-normal about it with ``kappa_spread``.  Films by ``silicon_rel`` and
    ``cathode_rel``; resistance by ``resistance_spread``; what resistance gains (relative) and
    cathode loses (share) by the end: log-normal, medians and spreads.  ``loss_rel`` charge that
    moved no lithium, of all charged; ``leak`` share of the anode's lithium that appears as the
    electrolyte's.  ``potential_v`` how far off the open-circuit potentials are, along composition.
    """

    growth_low: float = 0.02
    growth_high: float = 0.6
    kappa_low: float = 1.0
    kappa_high: float = 8.0
    most_film: float = 0.6
    kappa: float | None = None
    kappa_spread: float = 0.2
    silicon_rel: float = 0.05
    cathode_rel: float = 0.03
    resistance_spread: float = 0.5
    resistance_gain: float = 0.2
    resistance_gain_spread: float = 1.5
    cathode_loss: float = 0.01
    cathode_loss_spread: float = 1.2
    loss_rel: float = 3e-4
    leak: float = 0.01
    potential_v: float = 0.03

    def with_kappa(self, value: float, std: float) -> Prior:
        """The same with kappa known from elsewhere."""
        return replace(self, kappa=value, kappa_spread=float(np.sqrt(np.log1p((std / value) ** 2))))


COMMON = (
    "silicon film", "cathode film", "resistance", "resistance gain", "cathode loss", "lost charge",
    "leak",
)  # fmt: skip
"""Numbers that every hypothesis has, in their order."""
GROWING = ("growth", "kappa")
"""Numbers of every hypothesis in which something grows; its shape's number comes after them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Numbers:
    """Physical numbers of some draws, (draws,) each.

    ``silicon_film`` and ``cathode_film`` relative to the description; ``resistance`` relative;
    ``growth_uah_cm2`` lithium bound at the clock's end were nothing short; ``kappa``; ``shape``.
    """

    silicon_film: Floats
    cathode_film: Floats
    resistance: Floats
    resistance_gain: Floats
    cathode_loss: Floats
    lost_charge: Floats
    leak: Floats
    growth_uah_cm2: Floats
    kappa: Floats
    shape_z: Floats


def names_of(shape_numbers: int | None) -> tuple[str, ...]:
    """Names of the columns of z; None where nothing grows."""
    if shape_numbers is None:
        return COMMON
    return (*COMMON, *GROWING, *(("shape",) if shape_numbers else ()))


def numbers(z: Floats, prior: Prior, first_uah_cm2: float, film_uah_cm2: float) -> Numbers:
    """Physical numbers of z, (draws, p)."""
    from scipy.special import ndtr

    grows = z.shape[1] > len(COMMON)
    none = np.zeros(z.shape[0])
    at = len(COMMON)
    growth = none
    kappa = np.ones(z.shape[0])
    if grows:
        wide = np.log(prior.growth_high / prior.growth_low)
        growth = prior.growth_low * first_uah_cm2 * np.exp(wide * ndtr(z[:, at]))
        kappa = _kappa(z[:, at + 1], growth, prior, film_uah_cm2)
    return Numbers(
        silicon_film=np.exp(prior.silicon_rel * z[:, 0]),
        cathode_film=np.exp(prior.cathode_rel * z[:, 1]),
        resistance=np.exp(prior.resistance_spread * z[:, 2]),
        resistance_gain=prior.resistance_gain * np.exp(prior.resistance_gain_spread * z[:, 3]),
        cathode_loss=-np.expm1(-prior.cathode_loss * np.exp(prior.cathode_loss_spread * z[:, 4])),
        lost_charge=prior.loss_rel * z[:, 5], leak=prior.leak * z[:, 6], growth_uah_cm2=growth,
        kappa=kappa, shape_z=z[:, at + 2] if z.shape[1] > at + 2 else none,
    )  # fmt: skip


def _kappa(z: Floats, growth: Floats, prior: Prior, film: float) -> Floats:
    from scipy.special import ndtr

    if prior.kappa is not None:
        return np.asarray(prior.kappa * np.exp(prior.kappa_spread * z))
    least = growth / (prior.most_film * film)
    low = np.log(np.clip(least, prior.kappa_low, 0.95 * prior.kappa_high))
    return np.asarray(np.exp(low + (np.log(prior.kappa_high) - low) * ndtr(z)))
