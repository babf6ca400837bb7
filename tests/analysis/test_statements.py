"""Statements about ageing: closed forms of their parts, and what may not change an answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm

from lidepth.analysis.campaign.chain import Evidence, Move, filter_chain, start
from lidepth.analysis.campaign.timetable import moments_of
from lidepth.analysis.electrochemistry.steps import find_steps
from lidepth.analysis.reduce import reduce_run
from lidepth.analysis.statements.growth import kinship, lattice, shares_of
from lidepth.analysis.statements.halves import _odds
from lidepth.analysis.statements.increments import Increments, growing, padded
from lidepth.analysis.statements.ledgers import (
    held_cycles,
    log_odds_of_effect,
    log_odds_of_share,
    residue,
    trend,
)
from lidepth.analysis.statements.phases import Clock, cycle_clocks, mixed, step_clock
from lidepth.analysis.statements.raw import longest_rest
from lidepth.model.ledger import Ledger
from lidepth.model.mechanism import HYPOTHESES, GrowthOdds, verdict_of
from lidepth.virtual.cycler import log_of
from lidepth.virtual.history import history_of
from lidepth.virtual.plan import CampaignPlan, Cycling

Floats = NDArray[np.float64]

STARTS = np.array([0.0, 10.0, 20.0])
TIMES = np.array([2.0, 6.0, 9.0, 14.0, 23.0, 27.0])
CLOCK = Clock(
    at=np.array([0.5, 1.0, 1.0, 1.3, 2.2, 3.0]), starts_s=STARTS,
    at_starts=np.array([0.0, 1.0, 2.0]), times_s=TIMES,
)  # fmt: skip
MEMORY = np.array([0.0, 0.6, 0.3])
COVARIANCE = np.array([[2.0, 0.5], [0.5, 1.0]])
NOISE, WALK, SHARED = 0.4, 0.05, 1.5


def increments() -> Increments:
    return Increments(places=np.array([0, 2]), covariance=COVARIANCE, memory=MEMORY)


def measured(values: Floats, row: Floats) -> list[Evidence]:
    """Evidence of y = row . x + shared + noise."""
    return [
        Evidence(
            a=np.outer(row, row) / NOISE**2, b=row[:, None] / NOISE**2, state=row * y / NOISE**2,
            constant=0.5 * y**2 / NOISE**2 + 0.5 * np.log(2 * np.pi * NOISE**2),
            c=np.array([[NOISE**-2]]), shared=np.array([y / NOISE**2]),
        )
        for y in values
    ]  # fmt: skip


def by_the_chain(values: Floats, row: Floats) -> float:
    step = Move(keep=np.ones(3), push=np.zeros(3), lever=None, noise=WALK**2 * np.eye(3))
    added = increments()
    first = start(
        np.zeros(5), np.zeros((5, 5)), prior=np.zeros(1), precision=np.array([[SHARED**-2]])
    )
    # The prior's own normaliser, which the chain leaves out.
    first.constant += np.log(SHARED)
    moves = growing([step] * len(TIMES), CLOCK, added)
    return filter_chain(first, moves, padded(measured(values, row), added.size)).evidence


def by_hand(values: Floats, row: Floats) -> float:
    """The same as one normal distribution of all values: nothing of the chain is used."""
    root = np.linalg.cholesky(COVARIANCE)
    # Increments of the three epochs as columns of unit normals: D_0, m D_0 + ..., (2 each).
    first = np.hstack([root, np.zeros((2, 4))])
    second = 0.6 * first + 0.8 * np.hstack([np.zeros((2, 2)), root, np.zeros((2, 2))])
    third = 0.3 * second + np.sqrt(1 - 0.09) * np.hstack([np.zeros((2, 4)), root])
    within = [np.clip(CLOCK.at - begun, 0.0, 1.0) for begun in CLOCK.at_starts]
    seen = np.array([row[0], row[2]])
    grown = sum(
        np.outer(share, seen @ one)
        for share, one in zip(within, (first, second, third), strict=True)
    )
    number = np.arange(1, len(TIMES) + 1)
    walk = WALK**2 * (row @ row) * np.minimum.outer(number, number)
    covariance = grown @ grown.T + walk + SHARED**2 + NOISE**2 * np.eye(len(TIMES))
    return float(multivariate_normal(np.zeros(len(TIMES)), covariance).logpdf(values))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_chains_evidence_is_that_of_one_normal_distribution(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, row = rng.normal(size=len(TIMES)), rng.normal(size=3)
    assert by_the_chain(values, row) == pytest.approx(by_hand(values, row), abs=1e-9)


def test_an_epoch_between_two_spectra_is_not_lost() -> None:
    """With spectra at the ends only, the whole of all three increments is in the last one."""
    added = increments()
    ends = replace(CLOCK, at=CLOCK.at[[0, 5]], times_s=TIMES[[0, 5]])
    step = Move(keep=np.ones(3), push=np.zeros(3), lever=None, noise=np.zeros((3, 3)))
    covariance = np.zeros((5, 5))
    for move in growing([step] * 2, ends, added):
        through = np.diag(move.keep) + (move.mix if move.mix is not None else 0.0)
        covariance = through @ covariance @ through.T + move.noise
    # D0 + D1 + D2 with correlations 0.6, 0.3 and 0.18, in units of the prior.
    expected = (3.0 + 2.0 * (0.6 + 0.3 + 0.18)) * COVARIANCE
    np.testing.assert_allclose(covariance[np.ix_([0, 2], [0, 2])], expected, rtol=1e-12)
    np.testing.assert_allclose(covariance[3:, 3:], COVARIANCE, rtol=1e-12)


def test_kinship_has_no_scale_of_its_own() -> None:
    """Correlation between two cycles depends on their ratio alone."""
    memory = kinship(41)
    assert memory[0] == 0.0
    apart = [np.prod(memory[n : 2 * n]) for n in (5, 10, 20)]  # of cycles n and 2n
    np.testing.assert_allclose(apart, apart[0], rtol=1e-12)


# --- clocks ------------------------------------------------------------------------------------


def clocks_of(cycles: int = 2, **changes: object) -> tuple[dict[str, Clock], Clock, Cycling]:
    cycling = Cycling(cycles=cycles, **changes)  # type: ignore[arg-type]
    history = history_of(CampaignPlan(cycling=cycling))
    from lidepth.model.calibration import Calibration
    from lidepth.model.instrument import Detector, Instrument
    from lidepth.model.result import Run
    from lidepth.model.spectra import SpectrumSeries
    from lidepth.virtual.plan import paper_stack

    log = log_of(history, np.random.default_rng(1))
    dwell = 480.0
    number = int(history.duration_s / dwell)
    begin = dwell * np.arange(number)
    series = SpectrumSeries.from_arrays(
        counts=np.ones((number, 64), dtype=np.int64),
        start=log.time[0] + (begin * 1e9).astype("timedelta64[ns]"),
        live_s=np.full(number, dwell), real_s=np.full(number, dwell),
        monitor=np.full(number, 1e4),
    )  # fmt: skip
    run = Run(
        title="clocks", area_cm2=1.79, stack=paper_stack(), log=log, series=series,
        instrument=Instrument(
            detector=Detector(fwhm_kev=18.0), calibration=Calibration(offset_kev=2.0, gain_kev=3.0)
        ),
        pristine=series.stop_s <= cycling.pristine_s,
    )  # fmt: skip
    reduction = reduce_run(run)
    moments = moments_of(run, reduction)
    return (
        cycle_clocks(run, reduction.steps, moments), step_clock(run, reduction.steps, moments),
        cycling,
    )  # fmt: skip


def test_every_clock_gives_one_per_cycle_and_runs_in_its_phase_alone() -> None:
    clocks, steps, cycling = clocks_of()
    for clock in clocks.values():
        np.testing.assert_allclose(clock.at_starts, [0.0, 1.0], atol=1e-6)
        assert clock.at[-1] == pytest.approx(2.0, abs=0.1)  # half of 8 min and a part, of 2 h
        assert np.all(np.diff(clock.at) >= -1e-12)
    hours = (clocks["charge"].times_s - cycling.pristine_s) / 3600.0
    resting = (hours > 6.1) & (hours < 6.9)  # charge of 6 h, rest of 1 h
    assert np.ptp(clocks["charge"].at[resting]) < 1e-9
    assert np.ptp(clocks["both"].at[resting]) < 1e-9
    assert np.ptp(clocks["rest"].at[resting]) > 0.2
    assert steps.at[-1] == pytest.approx(8.0, abs=0.2)


def test_shares_of_a_mixed_clock_add_up() -> None:
    clocks, _, _ = clocks_of()
    for name, share in (("charge", (1, 0, 0)), ("rest", (0, 0, 1))):
        np.testing.assert_allclose(mixed(clocks, share).at, clocks[name].at)
    half = mixed(clocks, (0.5, 0.5, 0.0)).at
    np.testing.assert_allclose(half, 0.5 * (clocks["charge"].at + clocks["discharge"].at))


def test_a_paced_clock_gives_each_epoch_its_own_size() -> None:
    paced = CLOCK.paced(np.array([3.0, 2.0, 1.0]))
    np.testing.assert_allclose(paced.at, [1.5, 3.0, 3.0, 3.6, 5.2, 6.0])
    np.testing.assert_allclose(paced.at_starts, [0.0, 3.0, 5.0])


# --- shares and odds ---------------------------------------------------------------------------


def test_shares_of_a_quadratic_surface_are_its_top_and_width() -> None:
    top, precision = np.array([0.6, 0.3]), np.array([[9.0, 2.0], [2.0, 5.0]])
    points = lattice()
    off = points[:, :2] - top
    found = shares_of(points, -0.5 * np.einsum("ij,jk,ik->i", off, precision, off))
    np.testing.assert_allclose(found.best, [0.6, 0.3, 0.1])
    np.testing.assert_allclose(found.covariance[:2, :2], np.linalg.inv(precision))
    assert found.contrast == pytest.approx(0.3)
    row = np.array([1.0, -1.0])
    assert found.contrast_std == pytest.approx(np.sqrt(row @ np.linalg.inv(precision) @ row))


@pytest.mark.parametrize("bend", [0.5, -1e-3], ids=["a saddle", "a top far away"])
def test_no_shares_are_claimed_beyond_those_that_were_tried(bend: float) -> None:
    points = lattice()
    level = points[:, 0] - points[:, 1]
    found = shares_of(points, 0.3 * level + bend * level**2 - points[:, 2] ** 2)
    assert found.best.min() > points.min()
    # All contrasts that were tried, -2 to 2, are still about as likely.
    assert 0.7 < found.contrast_std < 1.5
    assert 0.0 < found.contrast < 1.0


def test_charge_and_discharge_are_treated_alike() -> None:
    points = lattice()
    surface = -4.0 * (points[:, 0] - 0.8) ** 2 - 3.0 * (points[:, 1] - 0.1) ** 2
    mirrored = -4.0 * (points[:, 1] - 0.8) ** 2 - 3.0 * (points[:, 0] - 0.1) ** 2
    one, other = shares_of(points, surface), shares_of(points, mirrored)
    assert one.contrast == pytest.approx(-other.contrast)
    np.testing.assert_allclose(one.mean, other.mean[[1, 0, 2]], atol=1e-6)
    assert one.probability == pytest.approx(1.0 - other.probability, abs=1e-6)


def test_a_flat_surface_leaves_all_shares_possible() -> None:
    found = shares_of(lattice(), np.zeros(len(lattice())))
    np.testing.assert_allclose(found.mean, 1.0 / 3.0, atol=0.01)  # of the triangle, by its grid
    assert found.probability == pytest.approx(0.5, abs=0.01)
    # An even density over a triangle of side 2: twice the root of 1/6.
    assert found.contrast_std == pytest.approx(2.0 / np.sqrt(6.0), rel=0.01)


def odds(log_evidence: list[float], by_cycle: list[list[float]] | None = None) -> GrowthOdds:
    shares = shares_of(lattice(), np.zeros(len(lattice())))
    table = np.array(by_cycle or [log_evidence])
    return GrowthOdds(
        log_evidence=np.array(log_evidence), cycles=np.arange(1, len(table) + 1), by_cycle=table,
        shares=shares, shares_without_leak=shares, leak=0.0, leak_std=0.01, leak_prior_std=0.01,
    )  # fmt: skip


def test_odds_are_against_the_best_other_answer() -> None:
    found = odds([0.0, -9.0, -2.0, -4.0, -7.0, -50.0])
    assert found.best == HYPOTHESES[0]
    assert found.log_odds("charge") == pytest.approx(2.0)
    assert found.log_odds("rest") == pytest.approx(-7.0)
    assert sum(found.probability.values()) == pytest.approx(1.0)
    assert found.probability["charge"] == pytest.approx(1 / (1 + np.exp(-2) + np.exp(-4)), rel=2e-3)


def test_a_decision_must_last_to_the_end_of_the_run() -> None:
    def row(lead: float) -> list[float]:
        return [0.0, -lead, -lead, -lead, -lead, -lead]

    assert odds(row(9.0), [row(1.0), row(6.0), row(9.0)]).cycles_to_decide() == 2
    assert odds(row(9.0), [row(6.0), row(4.0), row(9.0)]).cycles_to_decide() == 3
    assert odds(row(4.0), [row(6.0), row(4.0)]).cycles_to_decide() is None


@pytest.mark.parametrize(
    ("log_odds", "word"),
    [(6.0, "supported"), (2.0, "favoured"), (0.5, "undecided"), (-2.0, "disfavoured"),
     (-8.0, "excluded"), (float("nan"), "not tested")],
)  # fmt: skip
def test_verdicts_follow_the_odds(log_odds: float, word: str) -> None:
    assert verdict_of(log_odds) == word


@pytest.mark.parametrize(("value", "std"), [(0.3, 0.2), (-0.4, 0.3), (2.0, 0.5)])
def test_odds_of_an_effect_are_the_ratio_of_two_integrals(value: float, std: float) -> None:
    width, whole = 0.7, 1.2
    either = quad(lambda x: norm.pdf(value, x, std) * norm.pdf(x, 0, width), -9, 9)[0]
    share = quad(lambda x: norm.pdf(value, x, std) / whole, 0, whole)[0]
    none = norm.pdf(value, 0, std)
    assert log_odds_of_effect(value, std, width) == pytest.approx(np.log(either / none), abs=1e-7)
    assert log_odds_of_share(value, std, whole) == pytest.approx(np.log(share / none), abs=1e-7)


def test_odds_of_an_increment_under_another_prior_are_those_of_a_new_fit() -> None:
    rng = np.random.default_rng(4)
    prior, expected = np.diag([4.0, 9.0]), np.diag([1.0, 0.5])
    design, noise = rng.normal(size=(5, 2)), 0.3
    data = rng.normal(size=5)
    told = design.T @ design / noise**2
    covariance = np.linalg.inv(told + np.linalg.inv(prior))
    mean = covariance @ design.T @ data / noise**2
    flat = noise**2 * np.eye(5)
    direct = multivariate_normal(np.zeros(5), flat + design @ expected @ design.T).logpdf(data)
    direct -= multivariate_normal(np.zeros(5), flat).logpdf(data)
    assert _odds(mean, covariance, prior, expected) == pytest.approx(direct, abs=1e-8)


# --- ledgers -----------------------------------------------------------------------------------


def ledger(values: Floats, std: float, cycles: Floats, state: str = "charged") -> Ledger:
    n = len(cycles)
    own = std**2 * np.eye(3 * n)
    return Ledger(
        method="untied", cycle=cycles.astype(np.int64), state=(state,) * n,
        time_s=np.arange(n, dtype=np.float64), values=values, covariance=own + 4.0,
        independent=own, flags=("",) * n, balance_spent=False,
    )  # fmt: skip


def test_a_common_error_does_not_blur_a_slope() -> None:
    """All rows share an error of 2 uAh; the slope's error is that of independent rows."""
    cycles = np.arange(1.0, 21.0)
    values = np.column_stack([0 * cycles, 0 * cycles, 60.0 - 0.1 * cycles])
    found = trend(ledger(values, 0.5, cycles), "charged", "cathode", prior_std=0.12)
    assert found is not None
    assert found.slope == pytest.approx(-0.1)
    spread = np.sqrt(np.sum((cycles - cycles.mean()) ** 2))
    assert found.slope_std == pytest.approx(0.5 / spread, rel=1e-6)
    assert found.log_odds < -5.0  # 5 errors off nothing


def test_values_that_scatter_by_themselves_make_a_slope_less_sure() -> None:
    rng = np.random.default_rng(2)
    cycles = np.arange(1.0, 31.0)
    values = np.tile((4.0 + 0.5 * rng.normal(size=30))[:, None], 3)
    calm = trend(ledger(values, 0.5, cycles), "charged", "anode", prior_std=0.1)
    wild = trend(ledger(values, 0.05, cycles), "charged", "anode", prior_std=0.1)
    assert calm is not None
    assert wild is not None
    assert wild.slope_std == pytest.approx(calm.slope_std, rel=0.3)  # scatter of 30 values
    assert trend(ledger(values[:2], 0.5, cycles[:2]), "charged", "anode", prior_std=0.1) is None


def test_a_discharge_at_constant_voltage_is_found_and_its_residue_compared() -> None:
    history = history_of(CampaignPlan(cycling=Cycling(cycles=4, hold_cycle=4)))
    log = log_of(history, np.random.default_rng(1))
    steps = find_steps(log, log.time[0])
    rest = longest_rest(steps)
    assert rest is not None
    assert steps[rest - 1].kind == "charge"
    from types import SimpleNamespace

    run = SimpleNamespace(log=log, series=SimpleNamespace(origin=log.time[0]))
    held = held_cycles(run, steps)  # type: ignore[arg-type]
    assert held.tolist() == [4]
    truth = history.truth()
    rows = truth.rows_of("discharged")
    errors = 0.2**2 * np.eye(12)
    known = replace(
        truth, values=truth.values[rows], cycle=truth.cycle[rows], state=("discharged",) * 4,
        time_s=truth.time_s[rows], covariance=errors, independent=errors, flags=("",) * 4,
    )  # fmt: skip
    found = residue(known, held)
    assert found.released == pytest.approx(0.8 * 3.6, abs=0.4)  # 6 % of 60 uAh, wandering
    assert found.log_odds > 5.0
    none = residue(known, np.zeros(0, dtype=np.int64))
    assert "constant voltage" in none.reason
    assert np.isnan(none.log_odds)
