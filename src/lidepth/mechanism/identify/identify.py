"""Identify a cell: from observation to odds, numbers, losses and what to measure next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lidepth.mechanism.identify.cells import cell_of
from lidepth.mechanism.identify.compare import Compared, Progress, Tried, compare, draws_of
from lidepth.mechanism.identify.following import next_steps
from lidepth.mechanism.identify.forward import Forward
from lidepth.mechanism.identify.found import (
    BANDS,
    Curve,
    Estimate,
    Hypothesis,
    Identification,
)
from lidepth.mechanism.identify.losses import loss_shares
from lidepth.mechanism.identify.observed import Observed
from lidepth.mechanism.identify.priors import Numbers, Prior, names_of
from lidepth.mechanism.parameters import CellParameters

Floats = NDArray[np.float64]
DRAWS = 400
LINES = 3  # hypotheses with a line of their own in the figures
PRIOR_DRAWS = 4000
COLUMNS: tuple[tuple[str, str], ...] = (
    ("kappa", "Li per Si"), ("bound at the end", "uAh"), ("silicon moved", "share of the film"),
    ("silicon film", "nm"), ("cathode film", "nm"), ("resistance", "ohm cm2"),
    ("resistance gain", "1"), ("cathode loss", "1"), ("lost charge", "1"), ("leak", "1"),
)  # fmt: skip
"""Numbers that are reported, with units; ``at the end``: of the campaign."""


def identify(
    seen: Observed, prior: Prior | None = None, *, seed: int = 1, draws: int = DRAWS,
    phase_log_odds: dict[str, float] | None = None, progress: Progress | None = None,
) -> Identification:  # fmt: skip
    """Everything that a ledger, a cycler log and evidence of silicon say together.

    Raises BadInput where there is no current in the log.
    """
    prior = prior or Prior()
    found = compare(seen, prior, seed=seed, phase_log_odds=phase_log_odds, progress=progress)
    drawn = draws_of(found, draws, seed)
    samples = np.concatenate([_columns(one.forward, z) for one, z in drawn])
    losses = loss_shares(found, drawn)
    return Identification(
        title=seen.title, hypotheses=_hypotheses(found),
        throughput_log_odds=found.throughput_log_odds,
        estimates=_estimates(samples, found), names=tuple(name for name, _ in COLUMNS),
        samples=samples, cells=_cells(drawn), rows=_rows(found), charged=seen.row_charged,
        curves=_curves(found, drawn), losses=losses,
        capacity_lost_uah=_lost(drawn) if losses else (np.nan, np.nan),
        next_steps=next_steps(found), seed=seed, remarks=_remarks(found, losses != ()),
    )  # fmt: skip


def _hypotheses(found: Compared) -> tuple[Hypothesis, ...]:
    data = sum(place.stop - place.start for place in found.tried[0].forward.groups().values())
    best = found.tried[0].log_weight
    return tuple(
        Hypothesis(
            law=one.law, phase=one.phase, log_evidence=one.log_weight - best,
            log_evidence_std=one.posterior.log_evidence_std if one.posterior else np.nan,
            laplace=one.top.log_evidence + one.log_prior - best,
            effective=one.posterior.effective if one.posterior else 0.0, misfit=one.top.misfit,
            data=data, probability=float(p),
        )
        for one, p in zip(found.tried, found.probability, strict=True)
    )  # fmt: skip


def _columns(forward: Forward, z: Floats) -> Floats:
    """The numbers of COLUMNS, (draws, columns); kappa is unknown where nothing grows."""
    n, seen, c = forward.numbers(z), forward.common.seen, forward.common
    films = seen.films
    last = np.argmax(seen.row_s)
    moved = forward.grown(n, forward.rows.u[last : last + 1])[:, 0]
    bound = forward.bound(n, forward.rows, c.row_most)[:, last] * films.area_cm2
    kappa = n.kappa if forward.shape is not None else np.full(z.shape[0], np.nan)
    return np.column_stack([
        kappa, bound, moved / (c.film * n.silicon_film), n.silicon_film * films.silicon_nm,
        n.cathode_film * films.cathode_nm, n.resistance * films.resistance_ohm_cm2,
        n.resistance_gain, n.cathode_loss, n.lost_charge, n.leak,
    ])  # fmt: skip


def _estimates(samples: Floats, found: Compared) -> tuple[Estimate, ...]:
    """Posterior beside prior; the prior is that of the best hypothesis."""
    before = _prior_columns(found.tried[0])
    estimates = []
    for k, (name, unit) in enumerate(COLUMNS):
        values = samples[np.isfinite(samples[:, k]), k]
        first = before[np.isfinite(before[:, k]), k]
        positive = values.size > 0 and bool(np.all(values > 0.0))
        estimates.append(
            Estimate(
                name=name, unit=unit, mean=_or_nan(np.mean, values), std=_or_nan(np.std, values),
                log_std=float(np.std(np.log(values))) if positive else np.nan,
                bands=_bands(values), prior_bands=_bands(first),
            )
        )
    return tuple(estimates)


def _or_nan(function: object, values: Floats) -> float:
    if not values.size or not callable(function):
        return float("nan")
    return float(function(values))


def _bands(values: Floats) -> tuple[float, ...]:
    if not values.size:
        return (float("nan"),) * len(BANDS)
    return tuple(float(q) for q in np.quantile(values, BANDS))


def _prior_columns(one: Tried) -> Floats:
    rng = np.random.default_rng(0)
    shape = one.forward.shape
    size = len(names_of(None if shape is None else shape.numbers))
    return _columns(one.forward, rng.standard_normal((PRIOR_DRAWS, size)))


def _cells(drawn: Sequence[tuple[Tried, Floats]]) -> tuple[CellParameters, ...]:
    cells = []
    for one, z in drawn:
        forward = one.forward
        n: Numbers = forward.numbers(z)
        cycler = forward.common.cycler
        cells += [
            cell_of(
                forward.common.seen.films, n, k, shape=forward.shape, drive=forward.drive,
                clock_end=forward.end, charged_end=cycler.charged_end,
            )
            for k in range(z.shape[0])
        ]
    return tuple(cells)


def _rows(found: Compared) -> Floats:
    seen = found.common.seen
    passed = found.common.cycler.charged_at(seen.row_s) * seen.films.area_cm2
    total = np.sqrt(np.diag(seen.covariance))
    n = total.size
    shared = (seen.covariance.sum() - total @ total) / max(n * (n - 1), 1)
    own = np.sqrt(np.maximum(total**2 - max(float(shared), 0.0), 1e-6))
    return np.column_stack([seen.row_cycle, passed, seen.electrolyte_uah, own, total])


def _curves(found: Compared, drawn: Sequence[tuple[Tried, Floats]]) -> tuple[Curve, ...]:
    """Bands over all hypotheses first, then the most likely ones by themselves."""
    seen, common = found.common.seen, found.common
    throughput = common.cycler.charged_at(seen.row_s) * seen.films.area_cm2
    area = seen.films.area_cm2

    def bound(one: Tried, z: Floats) -> Floats:
        n = one.forward.numbers(z)
        return one.forward.bound(n, one.forward.rows, common.row_most) * area

    def curve(values: Floats, law: str, phase: str, probability: float) -> Curve:
        return Curve(
            law=law, phase=phase, probability=probability, cycle=seen.row_cycle.astype(float),
            throughput_uah=throughput, bands=np.quantile(values, BANDS, axis=0),
        )  # fmt: skip

    every = np.concatenate([bound(one, z) for one, z in drawn])
    curves = [curve(every, "", "", 1.0)]
    for one, p in list(zip(found.tried, found.probability, strict=True))[:LINES]:
        if one.posterior is not None:
            curves.append(curve(bound(one, one.top.z[None, :]), one.law, one.phase, float(p)))
    for other in found.by_cycle[:0]:
        curves.append(curve(bound(other, other.top.z[None, :]), other.law, other.phase, 0.0))
    return tuple(curves)


def _lost(drawn: Sequence[tuple[Tried, Floats]]) -> tuple[float, float]:
    from lidepth.mechanism.identify.losses import shares

    total = np.concatenate([shares(one.forward, z).sum(axis=1) for one, z in drawn])
    return float(total.mean()), float(total.std())


def _remarks(found: Compared, has_curves: bool) -> tuple[str, ...]:
    seen, best = found.common.seen, found.tried[0]
    remarks = []
    data = sum(place.stop - place.start for place in best.forward.groups().values())
    if best.top.misfit > data + 4.0 * np.sqrt(2.0 * data):
        remarks.append(
            f"the best hypothesis misses the data: chi2 {best.top.misfit:.0f} of {data}; its odds "
            "are those among hypotheses that all fail"
        )
    thin = [t for t in found.tried if t.posterior and t.posterior.effective < 50.0]
    if thin:
        remarks.append(
            f"{len(thin)} hypotheses were sampled thinly (least {min(t.posterior.effective for t in thin if t.posterior):.0f} effective draws)"
        )
    if not has_curves:
        remarks.append("no voltage curve: losses of resistance and cathode are not told apart")
    if not seen.silicon.time_s.size:
        remarks.append("nobody looked for silicon: kappa rests on the cell's arithmetic alone")
    return tuple(remarks)
