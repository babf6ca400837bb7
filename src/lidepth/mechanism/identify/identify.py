"""Identify a cell: from observation to odds, numbers, losses and what to measure next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lidepth.mechanism.identify.cells import cell_of
from lidepth.mechanism.identify.compare import (
    TOO_FAR,
    Compared,
    Progress,
    Tried,
    compare,
    draws_of,
)
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
THIN = 50.0  # effective draws below which sampling is remarked on
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
    if_any = draws_of(found, draws, seed, growing=True)
    kappa = np.concatenate([one.forward.numbers(z).kappa for one, z in if_any])
    losses, lost = loss_shares(found, drawn)
    return Identification(
        title=seen.title, hypotheses=_hypotheses(found),
        throughput_log_odds=found.throughput_log_odds,
        estimates=_estimates(samples, kappa, found), names=tuple(name for name, _ in COLUMNS),
        samples=samples, cells=_cells(drawn), rows=_rows(found), charged=seen.row_charged,
        curves=_curves(found, drawn), losses=losses,
        capacity_lost_uah=lost,
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


def _estimates(samples: Floats, kappa: Floats, found: Compared) -> tuple[Estimate, ...]:
    """Posterior beside prior, that of the likeliest growth; kappa as it is if anything grows."""
    before = _prior_columns(next(one for one in found.tried if one.law != "none"))
    estimates = []
    for k, (name, unit) in enumerate(COLUMNS):
        values = kappa if name == "kappa" else samples[:, k]
        positive = bool(np.all(values > 0.0))
        estimates.append(
            Estimate(
                name=name,
                unit=unit,
                mean=float(values.mean()),
                std=float(values.std()),
                log_std=float(np.std(np.log(values))) if positive else np.nan,
                bands=_bands(values),
                prior_bands=_bands(before[:, k]),
            )
        )
    return tuple(estimates)


def _bands(values: Floats) -> tuple[float, ...]:
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
                forward.common.seen.films,
                n,
                k,
                shape=forward.shape,
                drive=forward.drive,
                clock_end=forward.end,
                charged_end=cycler.charged_end,
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
    return tuple(curves)


def _remarks(found: Compared, told: bool) -> tuple[str, ...]:
    seen, best = found.common.seen, found.tried[0]
    remarks = []
    if np.isfinite(found.curves_misfit):
        remarks.append(
            f"the model cell does not draw these voltage curves (chi2 {found.curves_misfit:.1f} "
            "per degree of freedom): they were left out"
        )
    r = best.forward(best.top.z[None, :])[0]
    for group, place in best.forward.groups().items():
        size = place.stop - place.start
        misfit = float(r[place] @ r[place])
        if misfit > size + TOO_FAR * np.sqrt(2.0 * size):
            remarks.append(
                f"{group}: chi2 {misfit:.0f} of {size}; every hypothesis fails, and odds among "
                "failures mean little"
            )
    thin = [t.posterior.effective for t in found.tried if t.posterior]
    if min(thin) < THIN:
        remarks.append(f"sampling was thin: {min(thin):.0f} effective draws at least")
    if not told:
        remarks.append("no voltage curves: the losses of capacity are not told apart")
    if not seen.silicon.time_s.size:
        remarks.append("nobody looked for silicon: kappa rests on the cell's arithmetic alone")
    return tuple(remarks)
