"""The smoother on a small campaign of the independent simulator."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lidepth.analysis.campaign import linear
from lidepth.analysis.campaign.anchoring import anchoring
from lidepth.analysis.campaign.cellstate import BACK, CATHODE, FLUX, HATS, OFFSET, SILICON
from lidepth.analysis.campaign.live import LiveFilter
from lidepth.analysis.campaign.motion import Wander, moves, slow_clock
from lidepth.analysis.campaign.rows import contents, lithium_track, smooth_ledger
from lidepth.analysis.campaign.smooth import (
    Campaign,
    Smoothed,
    campaign_of,
    filter_linear,
    linearise,
    smooth,
    starting_point,
)
from lidepth.analysis.campaign.timetable import Moments, moments_of
from lidepth.analysis.ensemble.drive import make_members
from lidepth.analysis.ensemble.smoothed import pack
from lidepth.analysis.forward import Setting
from lidepth.errors import BadData
from lidepth.model.cycling import Step, StepKind
from lidepth.model.spectra import Quality

if TYPE_CHECKING:
    from conftest import Fitted, Small


@pytest.fixture(scope="module")
def campaign(small: Small, fitted: Fitted) -> Campaign:
    return campaign_of(small.run, fitted.reduction, fitted.calibrated)


@pytest.fixture(scope="module")
def smoothed(campaign: Campaign, fitted: Fitted) -> Smoothed:
    return smooth(campaign, fitted.inversion)


def test_the_smoothed_ledger_holds_the_truth(small: Small, smoothed: Smoothed) -> None:
    """All rows within 2.6 standard errors: 18 dependent values, 1 % each beyond."""
    ledger, truth = smooth_ledger(smoothed, widen=1.0), small.campaign.truth
    assert ledger.state == truth.state
    assert np.all(np.abs(ledger.values - truth.values) < 2.6 * ledger.std)
    # The first charge is 60 uAh: an interval that said nothing would hold anything.
    assert np.all(ledger.std[:, :2] < 0.03 * 60.0)


def test_the_smoother_knows_more_of_the_campaign_than_single_rests_do(
    small: Small, smoothed: Smoothed
) -> None:
    """On average: its priors differ from the default's, so a single row may know less."""
    smooth_std = smooth_ledger(smoothed, widen=1.0).std[:, :2].mean(axis=0)
    assert np.all(smooth_std < 0.9 * small.analysis.ledgers["default"].std[:, :2].mean(axis=0))


def test_lithium_is_where_it_was_at_every_spectrum(small: Small, smoothed: Smoothed) -> None:
    """Charging spectra too, against the mean contents over each spectrum's time."""
    series, track = small.run.series, lithium_track(smoothed, widen=1.0)
    rows = track.rows
    true = small.campaign.history.mean_contents_uah(series.start_s[rows], series.stop_s[rows])
    inside = np.abs(track.contents_uah - true) < 1.96 * track.std_uah
    assert np.all(inside.mean(axis=0) > 0.85)


def test_no_lithium_appears_or_vanishes(smoothed: Smoothed) -> None:
    """Anode + electrolyte - cathode is one number for the whole campaign, the slack."""
    cell, track = smoothed.campaign.cell, smoothed.track
    balance = contents(cell, track) @ np.array([1.0, 1.0, -1.0])
    assert np.ptp(balance) < 1e-9
    assert abs(track.shared[cell.place("slack")]) < 2 * cell.items[cell.place("slack")].std


def test_the_pristine_cell_is_where_the_chain_begins(smoothed: Smoothed) -> None:
    """The first spectrum after the pristine period, before much charge has passed."""
    first = contents(smoothed.campaign.cell, smoothed.track)[0]
    assert np.all(np.abs(first) < 0.1 * 60.0)


def test_the_interpolated_response_is_the_exact_one(campaign: Campaign, fitted: Fitted) -> None:
    """In between two anchors of a charge, to 0.1 % of the expected counts' own error per bin.

    A bin of n counts is uncertain by sqrt(n); systematic errors must be far below what all
    spectra of a half cycle (some twenty) resolve.
    """
    shared, states = starting_point(campaign, fitted.inversion)
    turning = campaign.linearisation
    for i in range(len(campaign.anchors) - 1):
        begin = turning.anchor(int(campaign.anchors[i]), shared, states[i])
        end = turning.anchor(int(campaign.anchors[i + 1]), shared, states[i + 1])
        if np.abs(end.state - begin.state).max() > 100.0:  # 1e15/cm2: a stretch with current
            break
    k = int(campaign.anchors[i] + campaign.anchors[i + 1]) // 2
    _, (expected,), (state,) = turning._between(np.array([k]), begin, end)
    setting = linear.Setting(
        exposure=float(campaign.spectra.exposure[k]), live_s=float(campaign.spectra.live_s[k]),
        run_fraction=float(campaign.spectra.run_fraction[k]), cycle=1.0,
    )  # fmt: skip
    exact = campaign.cell.expected(shared, setting, state)[campaign.calibrated.mask]
    assert np.all(np.abs(expected - exact) < 0.1 * np.sqrt(exact + 1.0))


def test_slopes_by_the_state_alone_are_those_of_the_whole(
    campaign: Campaign, fitted: Fitted
) -> None:
    shared, states = starting_point(campaign, fitted.inversion)
    setting = linear.Setting(exposure=480.0, live_s=470.0, run_fraction=0.5, cycle=1.0)
    state = states[len(states) // 2]
    _, whole, _, _ = campaign.cell.linearised(shared, setting, state)
    total, alone = campaign.cell.by_state(shared, setting, state)
    assert total == pytest.approx(campaign.cell.expected(shared, setting, state))
    np.testing.assert_array_equal(alone, whole)


@pytest.mark.parametrize("column", range(HATS + 1))
def test_slopes_by_the_state_are_central_differences(
    campaign: Campaign, fitted: Fitted, column: int
) -> None:
    shared, states = starting_point(campaign, fitted.inversion)
    setting = linear.Setting(exposure=480.0, live_s=470.0, run_fraction=0.5, cycle=1.0)
    state = states[len(states) // 2].copy()
    _, slopes = campaign.cell.by_state(shared, setting, state)
    step = {FLUX: 1e-3, OFFSET: 1e-2, BACK: 1e-3, CATHODE: 1.0, SILICON: 0.5}.get(column, 1e-4)
    ends = []
    for sign in (1.0, -1.0):
        moved = state.copy()
        moved[column] += sign * step
        ends.append(campaign.cell.expected(shared, setting, moved))
    difference = (ends[0] - ends[1]) / (2.0 * step)
    # The knots of the stopping tables are crossed at a few places: 1e-3 of the largest.
    assert np.abs(slopes[:, column] - difference).max() < 1e-3 * np.abs(difference).max()


def test_the_live_filter_ends_where_the_filter_of_the_whole_run_ends(
    campaign: Campaign, smoothed: Smoothed
) -> None:
    live = LiveFilter(campaign)
    points = live.take(campaign.moments, campaign.spectra)
    assert len(points) == len(campaign.moments) == live.taken
    cell, track = campaign.cell, smoothed.track
    apart = np.abs(points[-1].contents_uah - contents(cell, track)[-1])
    # Linearised once at the expected state, with older slopes: within half a standard error.
    assert np.all(apart < 0.5 * points[-1].std_uah)


def test_the_live_filter_takes_spectra_as_they_come(campaign: Campaign) -> None:
    """In two portions as at once."""
    half, most = 10, 20
    once, twice = LiveFilter(campaign), LiveFilter(campaign)
    moments, early = campaign.moments.first(most), campaign.moments.first(half)
    first = twice.take(early, campaign.spectra)
    points = [*first, *twice.take(moments, campaign.spectra)]
    whole = once.take(moments, campaign.spectra)
    assert np.array([p.contents_uah for p in points]) == pytest.approx(
        np.array([p.contents_uah for p in whole])
    )


def test_hindsight_never_knows_less(campaign: Campaign, smoothed: Smoothed) -> None:
    steps = campaign.steps
    forward = filter_linear(campaign, smoothed.linear.evidence, smoothed.linear, steps)
    both = zip(smoothed.track.covariance, forward.covariance, strict=True)
    for after, before in both:
        assert np.all(np.diag(after) <= np.diag(before) * (1.0 + 1e-6))


def test_a_spectrum_that_is_flagged_unusable_is_left_out(small: Small, fitted: Fitted) -> None:
    series = small.run.series
    flags = series.flags.copy()
    flags[-3:] |= int(Quality.BEAM_OFF)
    marked = replace(small.run, series=series.with_flags(flags))
    whole, fewer = moments_of(small.run, fitted.reduction), moments_of(marked, fitted.reduction)
    assert len(whole) - len(fewer) == 3


def test_without_a_cycler_log_there_is_no_smoother(small: Small, fitted: Fitted) -> None:
    with pytest.raises(BadData, match="no cycler log"):
        campaign_of(replace(small.run, log=None), fitted.reduction, fitted.calibrated)


def test_a_charge_that_moves_no_lithium_is_found(
    small: Small, campaign: Campaign, fitted: Fitted
) -> None:
    """A cycler that counts 3 % too much on charge alone."""
    assert small.run.log is not None
    log = small.run.log
    inflated = replace(log, current_ua=np.where(log.current_ua > 0, 1.03, 1.0) * log.current_ua)
    run = replace(small.run, log=inflated)
    false = campaign_of(run, fitted.reduction, fitted.calibrated, wander=Wander())
    shared, states = starting_point(campaign, fitted.inversion)
    line = linearise(campaign, shared, states)
    found = filter_linear(false, line.evidence, line, false.steps)
    # What neutrons see drift is the difference of the two losses; their mean is the area's too.
    apart = np.zeros(false.cell.shared)
    apart[false.cell.place("loss")], apart[false.cell.place("loss_discharge")] = 1.0, -1.0
    drift, error = (
        float(apart @ found.shared),
        float(np.sqrt(apart @ found.shared_covariance @ apart)),
    )
    assert drift > 3.0 * error
    assert drift == pytest.approx(0.03, abs=3.0 * error)


def long_run(cycles: int) -> tuple[Moments, list[Step]]:
    """Half an hour each of charge, rest, discharge, rest at 60 uA, a spectrum every 5 min."""
    kinds: tuple[StepKind, ...] = ("charge", "rest", "discharge", "rest")
    steps = [
        Step(kind=kind, cycle=cycle, start_s=1800.0 * (4 * cycle + i - 4),
             stop_s=1800.0 * (4 * cycle + i - 3))
        for cycle in range(1, cycles + 1) for i, kind in enumerate(kinds)
    ]  # fmt: skip
    time = np.arange(150.0, 7200.0 * cycles, 300.0)
    ends = np.arange(0.0, 7200.0 * cycles + 1.0, 1800.0)
    way = np.concatenate([[0.0], np.cumsum(np.tile([30.0, 0.0, 30.0, 0.0], cycles))])
    net = np.concatenate([[0.0], np.cumsum(np.tile([30.0, 0.0, -30.0, 0.0], cycles))])
    moments = Moments(
        rows=np.arange(time.size), time_s=time, charge_uah=np.interp(time, ends, net),
        passed_uah=np.interp(time, ends, way), rounding_uah2=np.zeros(time.size), origin_s=0.0,
        first_uah=30.0, monitored=True,
    )  # fmt: skip
    return moments, steps


def test_late_cycles_borrow_the_anchors_of_the_nearest_in_the_same_phase() -> None:
    moments, steps = long_run(60)
    found = anchoring(moments, steps)
    assert np.all(np.diff(found.place[found.rows]) >= 0)
    cycle = np.asarray(moments.time_s // 7200.0 + 1, dtype=np.int64)
    late = cycle[found.rows] > 31
    own = np.unique(cycle[found.rows][late])
    # Every eighth has its own, and the last; with at most one spectrum of a neighbour.
    assert {32, 40, 48, 56, 60} <= set(own) <= {c for c in range(32, 61) if c % 8 < 2} | {59, 60}
    at = np.searchsorted(found.place[found.rows], found.place, side="right")
    after = found.rows[np.clip(at, 1, found.rows.size - 1)]
    before = found.rows[np.clip(at, 1, found.rows.size - 1) - 1]
    lent = (cycle == 37) | (cycle == 46)
    for k in np.flatnonzero(lent):
        low, high = sorted((moments.charge_uah[before[k]], moments.charge_uah[after[k]]))
        assert low - 2.6 <= moments.charge_uah[k] <= high + 2.6  # uAh: one spectrum's charge


def test_all_cycles_of_a_short_campaign_have_anchors() -> None:
    moments, steps = long_run(12)
    found = anchoring(moments, steps)
    assert np.all(np.diff(found.place) >= 0)
    assert set(found.rows) <= set(range(len(moments)))


def test_the_slow_clock_runs_fast_at_first() -> None:
    ticks = slow_clock(np.array([0.0, 2.0, 6.0, 15.0, 40.0, 600.0]))
    assert ticks == pytest.approx([0, 1, 2, 3, 4, 7])
    assert slow_clock(np.array([950.0]))[0] == pytest.approx(8.0)


def test_later_moves_are_those_of_the_whole_campaign(campaign: Campaign) -> None:
    whole = moves(campaign.cell, campaign.moments, Wander())
    late = moves(campaign.cell, campaign.moments, Wander(), first=len(whole) - 4)
    for one, other in zip(whole[-4:], late, strict=True):
        assert one.noise == pytest.approx(other.noise)
        assert one.push == pytest.approx(other.push)


def test_the_same_campaign_gives_the_same_numbers(campaign: Campaign, fitted: Fitted) -> None:
    shared, states = starting_point(campaign, fitted.inversion)
    one, two = linearise(campaign, shared, states), linearise(campaign, shared, states)
    assert np.array_equal(one.gradient, two.gradient)
    assert one.deviance == pytest.approx(two.deviance, rel=0, abs=0)


def test_the_counts_that_every_spectrum_should_have_are_those_of_the_model(
    smoothed: Smoothed,
) -> None:
    """The interpolated counts of all spectra, from which an ensemble draws, against the exact."""
    campaign, track = smoothed.campaign, smoothed.track
    mask, spectra = campaign.calibrated.mask, campaign.spectra
    for k, mean, by_beam in campaign.linearisation.means(track.shared, track.states):
        if k % 17:
            continue
        setting = Setting(
            exposure=float(spectra.exposure[k]), live_s=float(spectra.live_s[k]), cycle=1.0,
            run_fraction=float(spectra.run_fraction[k]),
        )  # fmt: skip
        exact = campaign.cell.expected(track.shared, setting, track.states[k])[mask]
        apart = (mean - exact) / np.sqrt(exact + 1.0)
        assert np.sqrt(np.mean(apart**2)) < 0.1  # a tenth of the counting error of one spectrum
        assert 0.0 < by_beam.sum() < mean.sum()


def test_a_member_of_an_ensemble_is_found_near_what_it_was_drawn_from(smoothed: Smoothed) -> None:
    problem = pickle.loads(pickle.dumps(pack(smoothed)))  # noqa: S301  # as it travels to a worker
    (member,) = make_members(problem, "bootstrap", 3, [0])
    assert not member.failure
    ledger = smooth_ledger(smoothed, widen=1.0)
    apart = np.abs(member.values - ledger.values)[:, :2] / ledger.std[:, :2]
    # Its counts scatter as those of the campaign did: 12 dependent values, one in 500 beyond.
    assert 0.0 < apart.max() < 3.5
