"""All hypotheses on one campaign: evidence, odds, numbers over all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lidepth.mechanism.identify.clocks import DRIVES, Drive
from lidepth.mechanism.identify.fit import Posterior, Top, climb, sample
from lidepth.mechanism.identify.forward import Common, Forward
from lidepth.mechanism.identify.laws import SHAPES, Shape
from lidepth.mechanism.identify.observed import Observed, without_curves
from lidepth.mechanism.identify.priors import Prior

Floats = NDArray[np.float64]
REFITS = 2  # of the compositions at which potentials are read
STRAYS = (1.0, 2.0, 4.0)
"""How far half cycles may stray, in units of what is usual; with the last they say nothing."""
TOO_FAR = 3.0  # standard deviations of chi2 beyond which curves are not of this cell
SAMPLED = 7.0  # hypotheses within that of the best in ln evidence are sampled: odds of 1000 to 1
NONE_PRIOR = 1.0 / (1 + len(DRIVES))
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tried:
    """One hypothesis on the data; ``posterior`` None where it was too unlikely to be sampled."""

    forward: Forward
    top: Top
    log_prior: float
    posterior: Posterior | None = None

    @property
    def law(self) -> str:
        """Name of the law."""
        return "none" if self.forward.shape is None else self.forward.shape.name

    @property
    def phase(self) -> str:
        """What drives it."""
        return self.forward.drive or "none"

    @property
    def log_evidence(self) -> float:
        """The best estimate there is of the logarithm of the evidence."""
        return self.top.log_evidence if self.posterior is None else self.posterior.log_evidence

    @property
    def log_weight(self) -> float:
        """Evidence and prior odds of the hypothesis."""
        return self.log_evidence + self.log_prior


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """All hypotheses, the most likely first; ``by_cycle`` those that count cycles instead.

    ``curves_misfit``: chi2 of the voltage curves over its degrees of freedom, where they were left
    out because the model cell cannot draw them; NaN otherwise.
    """

    common: Common
    tried: tuple[Tried, ...]
    probability: Floats
    by_cycle: tuple[Tried, ...]
    curves_misfit: float = np.nan

    @property
    def throughput_log_odds(self) -> float:
        """Charge passed on charging over the number of the cycle, ln B, laws alike."""
        ours = [t.top.log_evidence for t in self.tried if t.phase == "charge"]
        theirs = [t.top.log_evidence for t in self.by_cycle]
        return float(np.logaddexp.reduce(ours) - np.logaddexp.reduce(theirs))


def compare(
    seen: Observed, prior: Prior, *, seed: int = 1, phase_log_odds: dict[str, float] | None = None,
    progress: Progress | None = None,
) -> Compared:  # fmt: skip
    """Fit, weigh and sample every law in every phase, and none.

    Voltage curves that the best hypothesis misses by more than ``TOO_FAR``, or that stray most, are
    not of the model cell; they are left out, and everything is fitted again.
    ``phase_log_odds``: ln evidence of phases from elsewhere, added to the prior odds of the phases
    named in it.  They must not come from the same counts as the ledger's charged states.
    """
    tried, common = _fitted(seen, prior, progress)
    misfit = np.nan
    if seen.point_s.size:
        best = max(tried, key=lambda one: one.log_weight)
        place = best.forward.groups()["voltage curves"]
        size = place.stop - place.start
        r = best.forward(best.top.z[None, :])[0, place]
        too_far = float(r @ r) > size + TOO_FAR * np.sqrt(2.0 * size)
        if too_far or common.stray == STRAYS[-1]:
            misfit = float(r @ r) / size
            tried, common = _fitted(without_curves(seen), prior, progress)
    tried = [_with_odds(one, phase_log_odds or {}) for one in tried]
    found = _weighed(common, _sampled(tried, seed), _cycles(common))
    return replace(found, curves_misfit=misfit)


def _fitted(seen: Observed, prior: Prior, progress: Progress | None) -> tuple[list[Tried], Common]:
    """Fit all hypotheses, again with potentials read where the best one says the cell was."""
    kinds: list[tuple[Shape | None, Drive | None]] = [
        *((shape, drive) for drive in DRIVES for shape in SHAPES), (None, None),
    ]  # fmt: skip
    refits = REFITS if seen.point_s.size else 0
    common = Common(seen, prior)
    tops: dict[tuple[Shape | None, Drive | None], Top] = {}
    tried: list[Tried] = []
    for round_number in range(refits + 1):
        if tried:
            best = max(tried, key=lambda one: one.log_weight)
            common = _read_at(best)
            tried = []
        for k, (shape, drive) in enumerate(kinds):
            forward = Forward(common, shape, drive)
            start = tops.get((shape, drive))
            top = climb(forward, forward.size, None if start is None else start.z[None, :])
            tops[shape, drive] = top
            tried.append(Tried(forward=forward, top=top, log_prior=_log_prior(drive)))
            if progress is not None:
                progress(round_number * len(kinds) + k + 1, (refits + 1) * len(kinds))
    return tried, common


def _read_at(best: Tried) -> Common:
    """Potentials read where the best hypothesis says the cell was; how far half cycles stray.

    The scatter is the one of STRAYS with the largest evidence of that hypothesis.
    """
    seen, prior = best.forward.common.seen, best.forward.common.prior
    near = best.forward.near(best.top.z)
    found = []
    for stray in STRAYS if seen.point_s.size else STRAYS[:1]:
        common = Common(seen, prior, near=near, stray=stray)
        forward = Forward(common, best.forward.shape, best.forward.drive)
        top = climb(forward, forward.size, best.top.z[None, :])
        _, log_det = np.linalg.slogdet(common.point_covariance)
        found.append((top.log_evidence - 0.5 * float(log_det), common))
    return max(found, key=lambda one: one[0])[1]


def _log_prior(drive: Drive | None) -> float:
    share = NONE_PRIOR if drive is None else (1.0 - NONE_PRIOR) / (len(DRIVES) * len(SHAPES))
    return float(np.log(share))


def _with_odds(one: Tried, odds: dict[str, float]) -> Tried:
    return replace(one, log_prior=one.log_prior + odds.get(one.phase, 0.0))


def _sampled(tried: list[Tried], seed: int) -> list[Tried]:
    best = max(one.log_weight for one in tried)
    # Something may grow even where it is unlikely: kappa is asked for that case.
    grows = max(one.log_weight for one in tried if one.law != "none")
    found = []
    for k, one in enumerate(tried):
        if one.log_weight < best - SAMPLED and one.log_weight < grows:
            found.append(one)
            continue
        rng = np.random.default_rng([seed, k])
        found.append(replace(one, posterior=sample(one.forward, one.top, rng)))
    return found


def _cycles(common: Common) -> tuple[Tried, ...]:
    """Every law counted by cycles."""
    found = []
    for shape in SHAPES:
        forward = Forward(common, shape, "cycle")
        top = climb(forward, forward.size)
        found.append(Tried(forward=forward, top=top, log_prior=_log_prior("charge")))
    return tuple(found)


def _weighed(common: Common, tried: list[Tried], by_cycle: tuple[Tried, ...]) -> Compared:
    ordered = tuple(sorted(tried, key=lambda one: -one.log_weight))
    log_w = np.array([one.log_weight for one in ordered])
    w = np.exp(log_w - log_w[0])
    return Compared(common=common, tried=ordered, probability=w / w.sum(), by_cycle=by_cycle)


def draws_of(
    found: Compared, count: int, seed: int, *, growing: bool = False
) -> list[tuple[Tried, Floats]]:
    """Equally likely draws of z over all sampled hypotheses, by their odds: (hypothesis, z).

    ``growing``: over those in which something grows.
    """
    rng = np.random.default_rng([seed, 99])
    sampled = [
        (one, p)
        for one, p in zip(found.tried, found.probability, strict=True)
        if one.posterior and not (growing and one.law == "none")
    ]
    odds = np.array([p for _, p in sampled])
    counts = rng.multinomial(count, odds / odds.sum())
    drawn = []
    for (one, _), n in zip(sampled, counts, strict=True):
        posterior = one.posterior
        if n and posterior is not None:
            rows = rng.choice(posterior.weights.size, size=int(n), p=posterior.weights)
            drawn.append((one, posterior.z[rows]))
    return drawn
