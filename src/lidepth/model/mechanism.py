"""Statements about how a cell ages, with their odds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lidepth.model._arrays import readonly, require

Floats = NDArray[np.float64]

PHASES = ("charge", "discharge", "rest")
"""Phases between which growth is split, in the order of every triple of shares."""

HYPOTHESES = ("charge", "discharge", "both", "time", "rest", "none")
"""When the interlayer grows: with the charge passed on charge, on discharge or either way, with
time, at rest, or not at all."""

DECIDED = 5.0
"""Difference of log evidence from which one speaks of a decision: odds of 150 to 1."""

Verdict = Literal["supported", "favoured", "undecided", "disfavoured", "excluded", "not tested"]


def verdict_of(log_odds: float) -> Verdict:
    """Words for log odds in favour of a statement."""
    if not np.isfinite(log_odds):
        return "not tested"
    if abs(log_odds) < 1.0:
        return "undecided"
    if log_odds > 0:
        return "supported" if log_odds >= DECIDED else "favoured"
    return "excluded" if log_odds <= -DECIDED else "disfavoured"


@dataclass(frozen=True, kw_only=True)
class Shares:
    """How growth is split between the phases, in the order of PHASES.

    ``best`` (3,) the most likely shares, not held between 0 and 1, with ``covariance`` (3, 3);
    ``mean`` and ``std`` (3,) of the shares that are possible (none below 0), all equally likely
    beforehand.
    """

    best: Floats
    covariance: Floats
    mean: Floats
    std: Floats
    probability: float

    def __post_init__(self) -> None:
        for name, shape in (("best", (3,)), ("covariance", (3, 3)), ("mean", (3,)), ("std", (3,))):
            object.__setattr__(self, name, readonly(getattr(self, name)))
            require(getattr(self, name).shape == shape, f"{name} has the shape {shape}")

    @property
    def contrast(self) -> float:
        """Share on charge less share on discharge: 1 for charge alone; may err beyond 1."""
        return float(self.best[0] - self.best[1])

    @property
    def contrast_std(self) -> float:
        """Standard uncertainty of the contrast."""
        row = np.array([1.0, -1.0, 0.0])
        return float(np.sqrt(row @ self.covariance @ row))


@dataclass(frozen=True, kw_only=True)
class GrowthOdds:
    """When the interlayer grows: the evidence of every hypothesis from all spectra of a run.

    ``log_evidence`` (h,) in the order of HYPOTHESES, the best being 0; ``by_cycle`` (cycles, h)
    the same from the spectra up to the end of each of ``cycles``.  ``shares`` with the leak free,
    ``shares_without_leak`` with none.  ``leak`` the share of the anode's lithium that appears as
    the electrolyte's, with ``leak_std`` and the ``leak_prior_std`` about 0.
    """

    log_evidence: Floats
    cycles: NDArray[np.int64]
    by_cycle: Floats
    shares: Shares
    shares_without_leak: Shares
    leak: float
    leak_std: float
    leak_prior_std: float

    def __post_init__(self) -> None:
        for name in ("log_evidence", "by_cycle"):
            object.__setattr__(self, name, readonly(getattr(self, name)))
        require(self.log_evidence.shape == (len(HYPOTHESES),), "one evidence per hypothesis")
        require(self.by_cycle.shape == (self.cycles.size, len(HYPOTHESES)), "one row per cycle")

    @property
    def best(self) -> str:
        """The hypothesis with the largest evidence."""
        return HYPOTHESES[int(np.argmax(self.log_evidence))]

    @property
    def probability(self) -> dict[str, float]:
        """Probability of every hypothesis, all being equally likely beforehand."""
        weights = np.exp(self.log_evidence - self.log_evidence.max())
        return dict(zip(HYPOTHESES, (weights / weights.sum()).tolist(), strict=True))

    def log_odds(self, name: str) -> float:
        """Log odds of one hypothesis against the best of the others."""
        place = HYPOTHESES.index(name)
        return float(self.log_evidence[place] - np.delete(self.log_evidence, place).max())

    def cycles_to_decide(self) -> int | None:
        """Cycles after which the best stays DECIDED above all others; None if it never does."""
        place = int(np.argmax(self.log_evidence))
        lead = self.by_cycle[:, place] - np.delete(self.by_cycle, place, axis=1).max(axis=1)
        below = np.flatnonzero(lead < DECIDED)
        last = int(below[-1]) + 1 if below.size else 0
        return int(self.cycles[last]) if last < self.cycles.size else None


@dataclass(frozen=True, kw_only=True)
class PhaseGrowth:
    """What the electrolyte gained in every phase of the run with a spectrum, each by itself.

    Arrays (e,) per phase: ``cycle``, ``kind``, ``start_s``, ``stop_s``; ``profile_1e15`` and
    ``profile_std_1e15`` (e, cells) lithium gained per depth cell between ``edges_nm`` (cells + 1,)
    below the anode; ``top_uah`` (e,) gained within ``top_nm``, with ``top_covariance`` (e, e).
    """

    cycle: NDArray[np.int64]
    kind: tuple[str, ...]
    start_s: Floats
    stop_s: Floats
    edges_nm: Floats
    profile_1e15: Floats
    profile_std_1e15: Floats
    top_nm: float
    top_uah: Floats
    top_covariance: Floats

    @property
    def top_std(self) -> Floats:
        """Standard uncertainty of every ``top_uah``; (e,)."""
        return np.asarray(np.sqrt(np.diag(self.top_covariance)))

    def rows(self, kind: str) -> NDArray[np.int64]:
        """Phases of one kind."""
        return np.flatnonzero(np.array([one == kind for one in self.kind], dtype=bool))

    def mean(self, kind: str) -> tuple[float, float]:
        """Mean growth per phase of one kind and its standard uncertainty, uAh; NaN without any."""
        rows = self.rows(kind)
        if rows.size == 0:
            return float("nan"), float("nan")
        block = self.top_covariance[np.ix_(rows, rows)]
        return float(self.top_uah[rows].mean()), float(np.sqrt(block.sum()) / rows.size)


@dataclass(frozen=True, kw_only=True)
class DifferenceSpectra:
    """Raw differences of count rates, per cycle (rows) and energy (columns).

    ``charging`` charged less the discharged state before it (B - A), ``discharging`` discharged
    less charged (D - C), in counts per second of the pristine beam and keV, with standard
    uncertainties of counting; NaN where a state has no spectrum.
    """

    cycles: NDArray[np.int64]
    edges_kev: Floats
    charging: Floats
    charging_std: Floats
    discharging: Floats
    discharging_std: Floats


@dataclass(frozen=True, kw_only=True)
class LongRest:
    """The longest rest after a charge.

    ``middle_h`` (s,) of its slices since it began; ``change`` and ``change_std`` (s, bins) of the
    count rate against the first slice, per keV; ``growth_uah`` of the electrolyte's first
    ``top_nm`` over the whole rest; ``log_odds`` of growth at this rest, of a size that one cycle
    may have, against none.
    """

    cycle: int
    hours: float
    middle_h: Floats
    edges_kev: Floats
    change: Floats
    change_std: Floats
    top_nm: float
    growth_uah: float
    growth_std: float
    log_odds: float

    @property
    def mean_change(self) -> tuple[Floats, Floats]:
        """Mean of ``change`` over the slices, by their errors, and its own error; (bins,) each."""
        weight = self.change_std**-2.0
        whole = weight.sum(axis=0)
        return np.sum(weight * self.change, axis=0) / whole, np.asarray(whole**-0.5)

    @property
    def rate_uah_h(self) -> float:
        """Mean rate of growth, uAh per hour."""
        return self.growth_uah / self.hours

    @property
    def rate_std(self) -> float:
        """Standard uncertainty of ``rate_uah_h``."""
        return self.growth_std / self.hours


@dataclass(frozen=True, kw_only=True)
class Trend:
    """A straight line through one region's lithium in one state, against the cycle number.

    ``values`` and ``std`` (n,) at ``cycles``, in uAh; ``slope`` per cycle with ``slope_std``;
    ``prior_std`` the slope that is expected if there is one; ``log_odds`` of none against one.
    """

    method: str
    cycles: NDArray[np.int64]
    values: Floats
    std: Floats
    slope: float
    slope_std: float
    prior_std: float
    log_odds: float

    @property
    def line(self) -> Floats:
        """The line at ``cycles``, through the middle of ``values`` by their errors; (n,)."""
        weight = self.std**-2.0
        middle = float(weight @ self.values / weight.sum())
        place = float(weight @ self.cycles / weight.sum())
        return np.asarray(middle + self.slope * (self.cycles - place))


@dataclass(frozen=True, kw_only=True)
class Residue:
    """Lithium left in the anode after discharges that ended with a constant voltage, or did not.

    ``current_only`` and ``voltage_held`` mean of either, uAh (NaN where there is none);
    ``released`` their difference with ``released_std``; ``log_odds`` that any share from none to
    all of it comes out, against none.  ``reason`` why it could not be told, or nothing.
    """

    method: str
    current_only: float
    current_only_std: float
    voltage_held: float
    voltage_held_std: float
    released: float
    released_std: float
    log_odds: float
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One sentence of the publication, and what this run says of it."""

    topic: str
    paper: str
    found: str
    log_odds: float
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Mechanism:
    """Everything that ``lidepth mechanism growth`` finds; parts that cannot be told are None."""

    title: str
    growth: GrowthOdds
    phases: PhaseGrowth
    differences: DifferenceSpectra
    long_rest: LongRest | None
    cathode: tuple[Trend, ...]
    residue_trend: Trend | None
    residue: Residue
    statements: tuple[Statement, ...] = ()
    warnings: tuple[str, ...] = ()
