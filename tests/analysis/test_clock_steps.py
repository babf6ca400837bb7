"""A clock that is set while spectra are taken: found where the charge shows it, else left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from clock_campaigns import HOUR_S, Campaign, made, with_drift

from lidepth.analysis.clock_steps import (
    Place,
    SetClock,
    clock_step,
    log_gaps,
    pauses,
    without_log_step,
)
from lidepth.model.cycling import CyclerLog
from lidepth.model.spectra import SpectrumSeries

DWELL_S = 480.0


@pytest.fixture(scope="module")
def campaign() -> Campaign:
    return made(5, cycles=3, counts=15000.0)


def later(
    campaign: Campaign, seconds: float, *, at: int = 120, lost: int = 0, by: float = 1.0
) -> Campaign:
    """The spectra from number ``at`` on ``seconds`` late, ``lost`` of them never taken.

    From there on the counts of the upper half of the channels are ``by`` times as many.
    """
    s = campaign.series
    after = np.arange(len(s)) >= at
    kept = ~after | (np.arange(len(s)) >= at + lost)
    counts = s.counts.astype(np.int64)
    counts[at:, s.channels // 2 :] = np.round(counts[at:, s.channels // 2 :] * by)
    moved = np.where(after, round(seconds * 1e9), 0).astype("timedelta64[ns]")
    series = SpectrumSeries.from_arrays(
        counts=counts[kept], start=(s.start + moved)[kept], live_s=s.live_s[kept],
        real_s=s.real_s[kept],
    )  # fmt: skip
    return replace(campaign, series=series)


def found(campaign: Campaign, places: list[Place] | None = None) -> SetClock | None:
    series = campaign.series
    at = pauses(series) if places is None else places
    return clock_step(series, campaign.log, campaign.instrument, campaign.stack, at)


@pytest.mark.parametrize("ahead_s", [900.0, HOUR_S, 20 * HOUR_S])
def test_a_clock_that_was_set_ahead_is_found_to_the_second(
    campaign: Campaign, ahead_s: float
) -> None:
    step = found(later(campaign, ahead_s))
    assert step is not None
    assert step.step_s == pytest.approx(ahead_s, abs=1e-6)  # what the times themselves show
    assert abs(step.fitted_s - ahead_s) < 4.0 * step.std_s
    assert step.place.at_s == pytest.approx(120 * DWELL_S + ahead_s)


def test_where_something_paused_too_the_charge_says_how_much_was_the_clock(
    campaign: Campaign,
) -> None:
    step = found(later(campaign, 2 * HOUR_S, lost=10))
    assert step is not None
    assert step.place.shown_s == pytest.approx(2 * HOUR_S + 10 * DWELL_S)
    assert step.step_s == step.fitted_s
    assert abs(step.fitted_s - 2 * HOUR_S) < 4.0 * step.std_s


@pytest.mark.parametrize("lost", [1, 3, 10, 40])
def test_a_pause_is_no_step(campaign: Campaign, lost: int) -> None:
    paused = later(campaign, 0.0, lost=lost)
    assert len(pauses(paused.series)) == 1
    assert found(paused) is None


def test_a_change_of_the_spectra_after_a_pause_is_no_step(campaign: Campaign) -> None:
    assert found(later(campaign, 0.0, lost=5, by=1.03)) is None


def test_a_clock_that_was_set_back_is_found_where_the_order_of_files_shows_it(
    campaign: Campaign,
) -> None:
    back_s = 1800.0
    set_back = later(campaign, -back_s, lost=0).series
    # Times that are claimed twice are not used; 1800 s are 3.75 dwells.
    kept = np.r_[0:116, 124 : len(set_back)]
    series = SpectrumSeries.from_arrays(
        counts=set_back.counts[kept], start=set_back.start[kept], live_s=set_back.live_s[kept],
        real_s=set_back.real_s[kept],
    )  # fmt: skip
    place = Place(at_s=120 * DWELL_S - back_s, shown_s=-back_s)
    step = found(replace(campaign, series=series), [place])
    assert step is not None
    assert step.step_s == pytest.approx(-back_s)
    assert abs(step.fitted_s + back_s) < 4.0 * step.std_s


def test_a_drifting_clock_is_not_taken_for_one_that_was_set() -> None:
    campaign = made(7, cycles=3, counts=3e5)
    slow = replace(campaign, log=with_drift(campaign.log, 900.0))
    clock = slow.clock(slow.log)
    assert clock.drift_applied
    assert found(later(slow, 0.0, lost=5)) is None


def test_a_step_before_any_charge_is_not_seen(campaign: Campaign) -> None:
    assert found(later(campaign, HOUR_S, at=20)) is None


def test_too_few_counts_decide_nothing() -> None:
    assert found(later(made(6, counts=100.0), 900.0, at=60)) is None


def jumped(log: CyclerLog, row: int, seconds: float) -> CyclerLog:
    """The log of a clock that is set ahead after a row."""
    later_s = np.where(np.arange(log.time.size) > row, seconds, 0.0)
    return replace(log, time=log.time + (later_s * 1e9).astype("timedelta64[ns]"))


# Within a charge, within the rest after it, within a discharge; in rows of a minute.
@pytest.mark.parametrize("row", [480, 620, 800])
def test_a_clock_of_the_cycler_that_was_set_ahead_is_put_right(
    campaign: Campaign, row: int
) -> None:
    log = jumped(campaign.log, row, HOUR_S)
    assert log_gaps(log) == [row]
    parts = (campaign.series, log, campaign.instrument, campaign.stack)
    found = without_log_step(*parts)
    assert found is not None
    right, at, step = found
    assert at == row
    assert abs(step.fitted_s + HOUR_S) < 4.0 * step.std_s
    np.testing.assert_array_equal(right.time, campaign.log.time)
    np.testing.assert_allclose(right.charge_uah, campaign.log.charge_uah, rtol=1e-12)


def test_a_log_with_a_test_time_has_no_steps_of_a_clock(campaign: Campaign) -> None:
    log = jumped(campaign.log, 480, HOUR_S)
    timed = replace(log, vendor={"Test Time / s": log.seconds(log.time[0])})
    assert without_log_step(campaign.series, timed, campaign.instrument, campaign.stack) is None


def test_rows_that_were_never_written_are_no_step_of_the_clock(campaign: Campaign) -> None:
    log = campaign.log
    kept = np.r_[0:480, 560 : log.time.size]
    short = CyclerLog(
        time=log.time[kept], voltage_v=log.voltage_v[kept], current_ua=log.current_ua[kept]
    )
    assert log_gaps(short) == [479]
    assert without_log_step(campaign.series, short, campaign.instrument, campaign.stack) is None


@pytest.mark.nightly
def test_no_pause_is_taken_for_a_step_and_stated_errors_cover() -> None:
    """150 campaigns drawn at random, each with pauses, and again with a step."""
    rng = np.random.default_rng(177)
    pulls = []
    for number in range(150):
        drawn = made(
            2000 + number, cycles=int(rng.integers(1, 6)), counts=float(10 ** rng.uniform(3, 4.7)),
            dwell_s=float(rng.choice([240.0, 480.0, 960.0])),
        )  # fmt: skip
        n = len(drawn.series)
        late = np.timedelta64(int(rng.integers(-40000, 40000)), "s")
        drawn = replace(drawn, log=replace(drawn.log, time=drawn.log.time + late))
        at, lost = int(rng.integers(10, n - 40)), int(rng.integers(1, 30))
        assert found(later(drawn, 0.0, at=at, lost=lost)) is None, number
        ahead_s = float(np.exp(rng.uniform(np.log(400.0), np.log(6 * HOUR_S))))
        step = found(later(drawn, ahead_s, at=at, lost=lost if number % 2 else 0))
        if step is not None:
            assert abs(step.step_s - ahead_s) < 4.0 * step.std_s + 1.0, number
            pulls.append((step.fitted_s - ahead_s) / step.std_s)
    assert len(pulls) > 75
    # An rms of m pulls scatters by 1/sqrt(2m), below 0.08: within four of these.
    assert 0.7 < np.sqrt(np.mean(np.square(pulls))) < 1.3
