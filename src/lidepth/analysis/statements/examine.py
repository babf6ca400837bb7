"""``lidepth mechanism growth``: the publication's statements about ageing, tested on a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.account import account
from lidepth.analysis.build import build_model
from lidepth.analysis.calibrate import Calibrated, calibrate, misfit_factor
from lidepth.analysis.campaign.rows import smooth_ledger
from lidepth.analysis.campaign.smooth import (
    Smoothed,
    at_first,
    campaign_of,
    linearise,
    smooth,
)
from lidepth.analysis.forward import Setting
from lidepth.analysis.invert import Inversion, first_charge_uah, invert, untie
from lidepth.analysis.reduce import Reduction, reduce_run
from lidepth.analysis.statements.growth import Problem, growth_odds, problem_of
from lidepth.analysis.statements.halves import phase_growth
from lidepth.analysis.statements.ledgers import AGEING, held_cycles, residue, trend
from lidepth.analysis.statements.phases import cycle_clocks, step_clock
from lidepth.analysis.statements.raw import difference_spectra, longest_rest, rest_changes
from lidepth.analysis.statements.words import statements_of, warnings_of
from lidepth.analysis.windows import window_regions_kev
from lidepth.errors import BadData
from lidepth.model.cycling import Step
from lidepth.model.ledger import Ledger
from lidepth.model.mechanism import LongRest, Mechanism, PhaseGrowth
from lidepth.model.result import Run
from lidepth.physics.stopping import StoppingSource

Floats = NDArray[np.float64]
Progress = Callable[[str, float], None]

_LONG_H = 4.0  # a rest that is watched like that of Fig. 5c is at least this long


@dataclass(frozen=True, kw_only=True)
class _Fitted:
    """What all statements start from."""

    run: Run
    reduction: Reduction
    calibrated: Calibrated
    inversion: Inversion
    smoothed: Smoothed
    working: tuple[Step, ...]


def examine_growth(
    run: Run, source: StoppingSource, *, progress: Progress | None = None
) -> Mechanism:
    """Test the statements about the interlayer, the cathode and the anode's residue.

    Raises BadData without a cycler log, without usable spectra at rest, and without a whole cycle;
    NotConverged when the smoother does not settle.
    """
    tell = progress or _silent
    fitted = _fit(run, source, tell)
    problem = _problem(fitted, tell)
    cycles = np.unique([step.cycle for step in fitted.working]).astype(np.int64)
    odds = growth_odds(problem, cycles, lambda share: tell("weigh the hypotheses", share))
    tell("weigh the hypotheses", 1.0)
    tell("every phase by itself", 0.0)
    moments = fitted.smoothed.campaign.moments
    clock = step_clock(run, fitted.reduction.steps, moments)
    cell = fitted.smoothed.campaign.cell
    phases, phase_odds = phase_growth(problem, cell, clock, fitted.working)
    tell("every phase by itself", 1.0)
    inside = _inside(fitted)
    ledgers = _ledgers(fitted)
    ageing = AGEING * first_charge_uah(run)
    cathode = [trend(ledger, "charged", "cathode", prior_std=ageing) for ledger in ledgers]
    found = Mechanism(
        title=run.title, growth=odds, phases=phases,
        differences=difference_spectra(
            fitted.inversion.observations, fitted.reduction.states, _edges_kev(fitted), inside
        ),
        long_rest=_long_rest(fitted, phases, phase_odds),
        cathode=tuple(one for one in cathode if one is not None),
        residue_trend=trend(ledgers[0], "discharged", "anode", prior_std=ageing),
        residue=residue(ledgers[0], held_cycles(run, fitted.reduction.steps)),
    )  # fmt: skip
    return replace(found, statements=statements_of(found), warnings=warnings_of(found))


def _silent(stage: str, fraction: float) -> None:
    """Progress that nobody asked for."""


def _fit(run: Run, source: StoppingSource, tell: Progress) -> _Fitted:
    if run.log is None:
        raise BadData(
            "no cycler log: nothing says when the cell was charged", where=run.source,
            expected="data.cycler in the experiment file",
            remedy="name the cycler's file; without it no statement about growth can be tested",
        )  # fmt: skip
    tell("reduce", 0.0)
    reduction = reduce_run(run)
    working = tuple(step for step in reduction.steps if step.cycle > 0)
    if not reduction.states or not any(step.kind == "discharge" for step in working):
        raise BadData(
            "not one whole cycle with a usable spectrum after it", where=run.source,
            expected="spectra at rest after a charge and after a discharge",
            remedy="measure until the first discharge is over",
        )  # fmt: skip
    cycles = max(state.cycle for state in reduction.states)
    tell("calibrate", 0.0)
    calibrated = calibrate(
        run, build_model(run, source, cycles=cycles), reduction.pristine,
        progress=lambda _, share: tell("calibrate", share),
    )  # fmt: skip
    inversion = invert(
        run, calibrated, reduction, progress=lambda _, share: tell("fit the run", share)
    )
    campaign = campaign_of(run, reduction, calibrated)
    smoothed = smooth(campaign, inversion, tell=lambda share: tell("smooth the campaign", share))
    return _Fitted(
        run=run, reduction=reduction, calibrated=calibrated, inversion=inversion,
        smoothed=smoothed, working=working,
    )  # fmt: skip


def _problem(fitted: _Fitted, tell: Progress) -> Problem:
    """Evidence about the smoother's result, one linearisation for all hypotheses."""
    tell("weigh the hypotheses", 0.0)
    campaign, track = fitted.smoothed.campaign, fitted.smoothed.track
    cell = campaign.cell
    linear = linearise(campaign, track.shared, track.states[campaign.anchors], apart=True)
    rows, slack = cell.regions
    return problem_of(
        cell, campaign.moments,
        cycle_clocks(fitted.run, fitted.reduction.steps, campaign.moments), linear.evidence,
        (linear.c, linear.gradient), track.states @ rows[0] + slack[0] @ track.shared,
        at_first(cell.size),
    )  # fmt: skip


def _ledgers(fitted: _Fitted) -> list[Ledger]:
    """Rows by the default fit, by each spectrum alone, and by the smoother."""
    run, reduction, inversion = fitted.run, fitted.reduction, fitted.inversion
    widen = misfit_factor(fitted.calibrated.result.fit)
    free = untie(run, fitted.calibrated, reduction, inversion)
    return [
        account(run, reduction, inversion, method="default", widen=widen, remark=""),
        account(run, reduction, free, method="untied", widen=widen, remark=""),
        smooth_ledger(fitted.smoothed, widen=widen),
    ]


def _edges_kev(fitted: _Fitted) -> Floats:
    model, shared = fitted.inversion.model, fitted.inversion.solution.shared
    return model.energies_kev(shared, Setting(exposure=1.0, live_s=1.0))


def _inside(fitted: _Fitted) -> NDArray[np.bool_]:
    """Bins (all of the fit's) between the cathode's back and the anode's front, as alphas."""
    edges = _edges_kev(fitted)
    regions = window_regions_kev(fitted.calibrated)
    low, high = regions["cathode"][0], regions["anode"][1]
    return (edges[:-1] >= low) & (edges[1:] <= high) & fitted.calibrated.mask


def _long_rest(fitted: _Fitted, phases: PhaseGrowth, odds: Floats) -> LongRest | None:
    """The longest rest after a charge, where it is long enough to be watched."""
    place = longest_rest(fitted.working)
    if place is None:
        return None
    rest = fitted.working[place]
    hours = (rest.stop_s - rest.start_s) / 3600.0
    watched = np.flatnonzero(phases.start_s == rest.start_s)
    if hours < _LONG_H or watched.size == 0:
        return None
    row = int(watched[0])
    campaign, mask = fitted.smoothed.campaign, fitted.calibrated.mask
    edges, inside = _edges_kev(fitted), _inside(fitted)
    middle, change, std = rest_changes(
        campaign.spectra, campaign.moments, rest, np.diff(edges)[mask], inside[mask]
    )
    kept = np.flatnonzero(inside)
    return LongRest(
        cycle=rest.cycle, hours=hours, middle_h=middle, change=change, change_std=std,
        edges_kev=edges[kept[0] : kept[-1] + 2], top_nm=phases.top_nm,
        growth_uah=float(phases.top_uah[row]), growth_std=float(phases.top_std[row]),
        log_odds=float(odds[row]),
    )  # fmt: skip
