"""What an identification finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.mechanism.parameters import CellParameters
from lidepth.model._arrays import readonly

Floats = NDArray[np.float64]
BANDS = (0.025, 0.16, 0.5, 0.84, 0.975)
LOSSES = ("inventory", "silicon", "resistance", "cathode")


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """One law driven in one phase; ``none`` and ``none`` where nothing grows.

    ``log_evidence`` relative to the best hypothesis, by sampling where ``effective`` is above
    nought (with ``log_evidence_std``), otherwise ``laplace``.  ``misfit`` is the sum of squares of
    ``data`` standard normal residuals.
    """

    law: str
    phase: str
    log_evidence: float
    log_evidence_std: float
    laplace: float
    effective: float
    misfit: float
    data: int
    probability: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number after the data, over all hypotheses by their odds, and before.

    Kappa is over those in which something grows.

    ``bands`` and ``prior_bands`` are the quantiles ``BANDS``; ``mean`` and ``std`` of the
    posterior, ``log_std`` of its logarithm (NaN where it may be nought or less).
    """

    name: str
    unit: str
    mean: float
    std: float
    log_std: float
    bands: tuple[float, ...]
    prior_bands: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class LossShare:
    """What one way of losing took of the capacity that is gone, in uAh of the whole cell.

    ``mean`` and ``std``; ``dominant`` the probability that it took most.  ``without`` maps a group
    of data to the standard uncertainty if that group had been missing, linearly (``nothing``: with
    all of them).
    """

    loss: str
    mean_uah: float
    std_uah: float
    dominant: float
    without: dict[str, float]

    @property
    def told_by(self) -> str:
        """The group of data without which the share would be known least."""
        groups = [name for name in self.without if name != "nothing"]
        return max(groups, key=lambda name: self.without[name])


@dataclass(frozen=True, kw_only=True)
class NextStep:
    """What a further measurement is expected to say.

    ``phase_ln_b`` and ``law_ln_b``: expected ln B of the best hypothesis over the best one with
    another phase, or another law, were the best one true; with what is known already.
    ``kappa_rel_std`` expected relative uncertainty of kappa.
    """

    name: str
    what: str
    phase_ln_b: float
    law_ln_b: float
    kappa_rel_std: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """Lithium bound at ``time_s``, uAh, for one hypothesis or (``law`` empty) for all.

    Arrays (n,): ``cycle`` and ``throughput_uah`` (charged so far); ``bands`` (5, n).
    """

    law: str
    phase: str
    probability: float
    cycle: Floats
    throughput_uah: Floats
    bands: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Identification:
    """Laws, phases, numbers, losses and what to do next.

    ``rows`` (n, 5): cycle, throughput in uAh, electrolyte's lithium and its independent and total
    uncertainty in uAh.  ``charged`` (n,).  ``throughput_log_odds``: ln B of charge passed on
    charging against the number of the cycle as what growth is counted by, the same laws.
    ``samples`` (k, p) equally likely draws of ``names``, over all hypotheses; ``cells`` the same as
    model cells, to predict with.
    """

    title: str
    hypotheses: tuple[Hypothesis, ...]
    throughput_log_odds: float
    estimates: tuple[Estimate, ...]
    names: tuple[str, ...]
    samples: Floats
    cells: tuple[CellParameters, ...]
    rows: Floats
    charged: NDArray[np.bool_]
    curves: tuple[Curve, ...]
    losses: tuple[LossShare, ...]
    capacity_lost_uah: tuple[float, float]
    next_steps: tuple[NextStep, ...]
    seed: int
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("samples", "rows"):
            object.__setattr__(self, name, readonly(getattr(self, name)))

    @property
    def best(self) -> Hypothesis:
        """The hypothesis with the largest evidence."""
        return self.hypotheses[0]

    def odds(self, what: str) -> dict[str, float]:
        """Probability of every ``law`` or every ``phase``, the most likely first."""
        total: dict[str, float] = {}
        for one in self.hypotheses:
            name = one.law if what == "law" else one.phase
            total[name] = total.get(name, 0.0) + one.probability
        return dict(sorted(total.items(), key=lambda item: -item[1]))

    def estimate(self, name: str) -> Estimate:
        """The estimate of a name; KeyError for another."""
        for one in self.estimates:
            if one.name == name:
                return one
        raise KeyError(name)
