"""Acceptance of the ledger's statistics: row 9 of the table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from acceptance import C1, DWELL_S, FEW, noise_free, told
from numpy.typing import NDArray
from scipy import linalg, stats

from lidepth.analysis import analyze
from lidepth.analysis.account import account, respond
from lidepth.analysis.build import build_model
from lidepth.analysis.calibrate import Calibrated, calibrate
from lidepth.analysis.fit import EMPTY
from lidepth.analysis.forward import region_rows
from lidepth.analysis.invert import Inversion, invert, untie
from lidepth.analysis.reduce import reduce_run
from lidepth.analysis.sensitivity import Sensitivity
from lidepth.model.ledger import Ledger
from lidepth.model.result import Run
from lidepth.model.spectra import SpectrumSeries
from lidepth.physics.stopping import stopping_source
from lidepth.show.report import write_report
from lidepth.virtual.cycler import log_of
from lidepth.virtual.expected import expected_spectra
from lidepth.virtual.history import history_of
from lidepth.virtual.plan import CampaignPlan, Cycling, paper_stack

Floats = NDArray[np.float64]

pytestmark = pytest.mark.nightly

CYCLES, PRISTINE, DRAWS = 30, 20, 3000
BALANCE = np.array([1.0, 1.0, -1.0])
SOURCE = stopping_source("icru49")


def thirty_discharged_states() -> Run:
    """Twenty pristine spectra, and an hour's rest after each of thirty discharges."""
    plan = CampaignPlan(
        printed_stack=paper_stack(), cell_nm=8.0,
        cycling=Cycling(
            cycles=CYCLES, pristine_s=PRISTINE * DWELL_S, rest_s=FEW * DWELL_S, current_ua=60.0,
            switch_cycle=CYCLES,
        ),
    )  # fmt: skip
    history = history_of(plan)
    truth = history.truth()
    rows = truth.rows_of("discharged")
    expected = expected_spectra(history, np.vstack([np.zeros(3), truth.values[rows]]), SOURCE)
    real = np.append(PRISTINE * DWELL_S, np.full(CYCLES, FEW * DWELL_S))
    start = np.append(0.0, truth.time_s[rows] - 0.5 * FEW * DWELL_S)
    counts = np.random.default_rng(1).poisson(expected.counts(real))
    series = SpectrumSeries.from_arrays(
        counts=counts, live_s=real, real_s=real, monitor=np.round(plan.beam.monitor_cps * real),
        start=np.datetime64(plan.start, "ns") + (start * 1e9).astype("timedelta64[ns]"),
    )  # fmt: skip
    return Run(
        title="thirty", area_cm2=plan.area_cm2, stack=plan.believed_stack,
        instrument=plan.believed_instrument, series=series,
        log=log_of(history, np.random.default_rng(0)),
        pristine=np.arange(CYCLES + 1) == 0, source="acceptance",
    )  # fmt: skip


@dataclass(frozen=True)
class Both:
    """The tied fit and the untied one that takes its stack and scale from it, and its ledger."""

    calibrated: Calibrated
    tied: Inversion
    untied: Inversion
    ledger: Ledger


@lru_cache
def both() -> Both:
    run = thirty_discharged_states()
    reduction = reduce_run(run)
    calibrated = calibrate(run, build_model(run, SOURCE, cycles=CYCLES), reduction.pristine)
    tied = invert(run, calibrated, reduction)
    untied = untie(run, calibrated, reduction, tied)
    ledger = account(run, reduction, untied, method="untied", widen=1.0, remark="")
    return Both(calibrated, tied, untied, ledger)


def root(matrix: Floats) -> Floats:
    """Any square root R of a semidefinite matrix with very unlike units: R R' = matrix."""
    scale = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    inverse = np.where(scale > 0, 1.0 / np.where(scale > 0, scale, 1.0), 0.0)
    value, vector = linalg.eigh(matrix * np.outer(inverse, inverse))
    return np.asarray(scale[:, None] * vector * np.sqrt(np.maximum(value, 0.0)))


@dataclass(frozen=True)
class Pushes:
    """Gradients that noise puts on one state, tied and untied, and on what all share; by draw."""

    tied: Floats
    untied: Floats
    shared: Floats


def pushes(rng: np.random.Generator, *, apart: bool) -> Iterator[Pushes]:
    """Noise of every spectrum, pristine first: Poisson counts, priors of states, counted charge.

    States differ from their mean profile as the untied fit believes (``apart``) or, much less, as
    the tied one does.
    """
    b = both()
    model, shared, mask = b.tied.model, b.tied.solution.shared, b.calibrated.mask
    for place, (seen, free) in enumerate(
        zip(b.tied.observations, b.untied.observations, strict=True)
    ):
        state = b.tied.solution.states[place]
        at = model.predict(shared, seen.setting, state)
        moves = Sensitivity(model=model, shared=shared, setting=seen.setting, state=state, at=at)
        mean = at.total[mask] + EMPTY
        noise = (rng.poisson(mean, (DRAWS, mean.size)) - mean) / mean
        own = noise @ (moves.by_state[mask] * seen.free)
        common = noise @ moves.by_shared[mask]
        off = rng.standard_normal((DRAWS, model.state_size))
        believed = free.precision if apart else seen.precision
        off = off @ root(np.linalg.pinv(believed, rcond=1e-15)).T * seen.free
        tied, untied = own - off @ seen.precision, own - off @ free.precision
        for tie in seen.ties[1:]:  # the first is conservation, which holds
            miss = rng.standard_normal(DRAWS)[:, None] / tie.std
            row = tie.shared_row + tie.state_row @ model.lift(seen.setting)
            tied, common = tied + miss * tie.state_row, common + miss * row
        yield Pushes(tied * seen.free, untied * seen.free, common)


def balances(seed: int, *, apart: bool) -> Floats:
    """Errors of the untied balance in every draw, uAh; (draws, states)."""
    b, rng = both(), np.random.default_rng(seed)
    model, solution = b.tied.model, b.tied.solution
    own = list(pushes(rng, apart=apart))
    prior = rng.standard_normal((DRAWS, len(model.parameters)))
    shared = prior @ root(model.parameters.precision).T + np.sum([p.shared for p in own], axis=0)
    area = model.parameters.index["area"]
    row = BALANCE @ region_rows(model) / (b.tied.per_uah * (1.0 - solution.shared[area]))
    found = np.zeros((DRAWS, CYCLES))
    moves = np.array(
        [
            respond(solution, [p.tied[draw] for p in own], shared[draw])[1]
            for draw in range(DRAWS)
        ]
    )  # fmt: skip
    for k in range(CYCLES):
        place = k + 1
        block, lever = b.untied.solution.local[place], b.untied.solution.leverage[place]
        whole = lever + model.lift(b.tied.observations[place].setting)
        found[:, k] = own[place].untied @ block @ row + moves @ (row @ whole)
    return found


def balance_covariance(matrix: Floats) -> Floats:
    blocks = matrix.reshape(CYCLES, 3, CYCLES, 3)
    return np.asarray(np.einsum("i,aibj,j->ab", BALANCE, blocks, BALANCE))


def rejected(found: Floats, covariance: Floats) -> float:
    """Share of draws that a chi-square test at 5 % throws out."""
    statistic = np.einsum("di,di->d", found, np.linalg.solve(covariance, found.T).T)
    return float(np.mean(statistic > stats.chi2.ppf(0.95, CYCLES)))


def test_a_true_balance_is_thrown_out_at_most_one_time_in_twenty() -> None:
    """Row 9: rows called untied, common pristine, stack and scale included.

    At most: stack and scale come from the tied fit of the same spectra, in which the balance was
    imposed.  So the mean of all balances scatters by far less than its stated error, which a test
    of the common offset never exceeds: the rows say how states differ, not whether all are off.
    """
    ledger, told_of = both().ledger, {}
    whole, counted = (balance_covariance(m) for m in (ledger.covariance, ledger.independent))
    ones = np.ones(CYCLES)
    weights = np.linalg.solve(whole, ones)
    for apart in (True, False):
        found = balances(seed=9, apart=apart)
        common = found @ weights / np.sqrt(ones @ weights)
        told_of[apart] = {
            "whole": rejected(found, whole), "counting": rejected(found, counted),
            "common": float(np.mean(np.abs(common) > 1.96)),
            "mean_std": [float(found.mean(axis=1).std()), float(np.sqrt(ones @ whole @ ones)) / 30],
        }  # fmt: skip
        told(f"row 9, {apart=}", **told_of[apart])
        assert told_of[apart]["whole"] <= 0.070, told_of
        assert told_of[apart]["common"] <= 0.070, told_of
    # Where states differ as the untied fit believes they do, its test is nearly exact.
    assert told_of[True]["whole"] >= 0.020, told_of


def test_the_balance_of_windows_holds_however_wrong_they_are(tmp_path: Path) -> None:
    """Row 9: an identity, marked as spent, and the report prints no check of it."""
    found, true = noise_free(C1, SOURCE, SOURCE)
    analysis = analyze(replace(found.run, title="windows"), SOURCE)
    windows, default = analysis.ledgers["windows"], analysis.ledgers["default"]
    percent = 100.0 / analysis.first_charge_uah
    miss = (windows.values * percent - true)[C1.row]
    balance = float(windows.balance[C1.row]) * percent
    told("row 9, windows", miss=miss, balance=balance)
    assert abs(miss[0]) > 10.0
    # Alphas beyond the outer edges of the three windows are all that the balance can miss.
    assert abs(balance) < 1.0
    assert windows.balance_spent
    assert default.balance_spent
    page = tmp_path / "report.html"
    write_report(page, analysis, ())
    text = page.read_text()
    assert "The balance is spent." in text
    assert "it is not printed as a check" in text
