"""The clock of the cycler against that of the spectra: found where it can be, else left alone."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from clock_campaigns import (
    ANODE_FIRST,
    CATHODE_FIRST,
    CYCLE_S,
    HOUR_S,
    START,
    Campaign,
    cycler,
    made,
    with_drift,
)
from numpy.typing import NDArray

from lidepth.analysis.clocks import LEAST_S, clock_difference, on_spectra_clock
from lidepth.model.calibration import Calibration
from lidepth.model.spectra import SpectrumSeries

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def campaign() -> Campaign:
    return made(1)


@pytest.mark.parametrize("late_s", [420.0, -420.0, HOUR_S, -14 * HOUR_S, 6 * 24 * HOUR_S])
def test_an_offset_is_found_and_applied(campaign: Campaign, late_s: float) -> None:
    log = campaign.log.shifted(late_s)
    clock = campaign.clock(log)
    assert clock.decided
    assert clock.applied
    assert clock.doubtful  # two clocks that differ are worth a warning
    assert abs(clock.offset_s + late_s) < 4.0 * clock.std_s
    assert clock.std_s < 60.0
    assert f"data.clock_offset: {clock.offset_s:.0f} s" in clock.words
    back = on_spectra_clock(log, campaign.series, clock)
    off_s = back.seconds(START) - campaign.log.seconds(START)
    np.testing.assert_allclose(off_s, clock.offset_s + late_s, atol=1e-6)


def test_a_whole_number_of_hours_is_named(campaign: Campaign) -> None:
    assert "−1 h: daylight saving" in campaign.clock(campaign.log.shifted(HOUR_S)).words
    assert "+9 h: a time zone" in campaign.clock(campaign.log.shifted(-9 * HOUR_S)).words
    assert " h: " not in campaign.clock(campaign.log.shifted(420.0)).words


def test_clocks_that_agree_are_left_alone(campaign: Campaign) -> None:
    clock = campaign.clock(campaign.log)
    assert clock.decided
    assert not clock.applied
    assert not clock.doubtful
    assert on_spectra_clock(campaign.log, campaign.series, clock).time[0] == START


def test_a_difference_too_small_to_matter_is_left_alone() -> None:
    rich = made(2, counts=4e5)
    clock = rich.clock(rich.log.shifted(-20.0))
    assert clock.std_s < 0.25 * 20.0  # it is significant,
    assert abs(clock.offset_s - 20.0) < 4.0 * clock.std_s
    assert not clock.applied  # but below 30 s
    assert LEAST_S == 30.0


def test_a_log_without_dates_is_placed_by_the_spectra(campaign: Campaign) -> None:
    epoch = np.datetime64("1970-01-01", "ns")
    loose = replace(campaign.log, time=epoch + (campaign.log.time - START), anchored=False)
    clock = campaign.clock(loose)
    assert clock.applied
    assert not clock.doubtful  # nothing was wrong
    first_s = on_spectra_clock(loose, campaign.series, clock).seconds(START)[0]
    assert abs(first_s) < 4.0 * clock.std_s
    assert "data.cycler.start: 2021-05-04T0" in clock.words


def test_what_is_declared_is_applied_and_compared(campaign: Campaign) -> None:
    late = campaign.log.shifted(HOUR_S)
    right = campaign.clock(late, declared_s=-HOUR_S)
    assert not right.doubtful
    assert "bear it out" in right.words
    wrong = campaign.clock(late, declared_s=-0.5 * HOUR_S)
    assert wrong.doubtful
    assert "contradict" in wrong.words
    assert abs(wrong.offset_s + HOUR_S) < 4.0 * wrong.std_s
    kept = on_spectra_clock(late, campaign.series, wrong)
    assert kept.time[0] == START + np.timedelta64(30, "m")


def test_a_detector_on_the_other_side_sees_the_same_clock() -> None:
    other = made(3, cathode_first=True)
    clock = other.clock(other.log.shifted(HOUR_S))
    assert clock.applied
    assert abs(clock.offset_s + HOUR_S) < 4.0 * clock.std_s


def test_half_a_cycle_is_told_from_none_by_the_order_of_the_layers() -> None:
    """Without a pristine period a charge looks like a discharge seen from the other side."""
    log = cycler(1, pristine_s=0.0, last_s=0.0)
    seen = made(4, log=log, stuck=0.0)
    assert abs(seen.clock(log).offset_s) < 4.0 * seen.clock(log).std_s
    turned = replace(seen, stack=CATHODE_FIRST).clock(log)
    assert not (turned.decided and abs(turned.offset_s) < HOUR_S)


def test_a_window_of_many_like_cycles_does_not_say_which() -> None:
    """Spectra of two cycles in the middle of ten fit the log at several places."""
    whole = made(5, cycles=10, stuck=0.0)
    begin_s = 6 * HOUR_S + 3 * CYCLE_S
    seen = (whole.series.start_s > begin_s) & (whole.series.start_s < begin_s + 2 * CYCLE_S)
    series = SpectrumSeries.from_arrays(
        counts=whole.series.counts[seen], start=whole.series.start[seen],
        live_s=whole.series.live_s[seen], real_s=whole.series.real_s[seen],
    )  # fmt: skip
    clock = replace(whole, series=series).clock(whole.log.shifted(HOUR_S))
    assert not clock.decided
    assert not clock.applied
    assert "fits nearly as well" in clock.words
    assert on_spectra_clock(whole.log, series, clock).time[0] == whole.log.time[0]


def test_thirty_like_cycles_after_a_pristine_period_are_told_apart() -> None:
    many = made(6, cycles=30, dwell_s=960.0)
    clock = many.clock(many.log.shifted(CYCLE_S))
    assert clock.decided
    assert abs(clock.offset_s + CYCLE_S) < 4.0 * clock.std_s


@pytest.mark.parametrize(
    ("case", "reason"),
    [("no charge", "no charge"), ("few counts", "too few counts"), ("no change", "no change")],
)
def test_what_cannot_be_decided_is_said_and_nothing_is_done(
    campaign: Campaign, case: str, reason: str
) -> None:
    seen, log = campaign, campaign.log.shifted(HOUR_S)
    if case == "no charge":
        log = replace(log, current_ua=np.zeros(log.current_ua.size))
    elif case == "few counts":
        seen = made(1, counts=0.2)
    else:
        seen = made(1, log=replace(campaign.log, current_ua=np.zeros(log.current_ua.size)))
    clock = seen.clock(log)
    assert reason in clock.words
    assert not clock.decided
    assert not clock.applied
    assert np.isnan(clock.offset_s)


def test_a_drift_is_found_and_taken_out_where_the_counts_allow() -> None:
    """50 ppm over a month: 130 s from end to end, which needs some 10^6 counts in half an hour."""
    month = made(7, cycles=72, counts=5e5, dwell_s=960.0, channels=64)
    late = with_drift(month.log, 50.0)
    clock = month.clock(late)
    assert clock.drift_applied
    assert abs(clock.drift_ppm - 50.0) < 4.0 * clock.drift_std_ppm
    back = on_spectra_clock(late, month.series, clock)
    off_s = np.abs(back.seconds(START) - month.log.seconds(START))
    assert off_s.max() < 5.0


def test_a_drift_below_its_error_is_not_applied(campaign: Campaign) -> None:
    clock = campaign.clock(with_drift(campaign.log, 50.0))
    assert clock.drift_std_ppm > 12.5
    assert not clock.drift_applied
    assert not clock.applied


def pulls(number: int) -> Floats:
    """(offset, drift) errors over stated ones, of campaigns that differ in every way."""
    rng = np.random.default_rng(11)
    found = []
    for seed in range(number):
        seen = made(
            100 + seed, cycles=int(rng.integers(1, 5)), counts=float(rng.choice([300, 3000, 3e4])),
            dwell_s=float(rng.choice([240.0, 480.0, 1800.0])), stuck=float(rng.choice([0.0, 0.04])),
            channels=int(rng.choice([128, 256])),
        )  # fmt: skip
        late_s = float(rng.uniform(-20, 20) * HOUR_S)
        clock = seen.clock(seen.log.shifted(late_s))
        if clock.decided:
            offset_s = clock.offset_s + late_s
            found.append((offset_s / clock.std_s, clock.drift_ppm / clock.drift_std_ppm))
    assert len(found) > 0.8 * number  # 300 counts per spectrum and one cycle are too few
    return np.array(found)


@pytest.mark.parametrize("number", [40, pytest.param(400, marks=pytest.mark.nightly)])
def test_stated_errors_cover(number: int) -> None:
    for found in pulls(number).T:
        known = found[np.isfinite(found)]  # one charge and one discharge may leave the drift open
        # The mean of n pulls scatters by 1/sqrt(n), their rms by 1/sqrt(2n): four of these.
        assert abs(known.mean()) < 4.0 / np.sqrt(known.size), known.mean()
        rms = np.sqrt((known**2).mean())
        assert abs(rms - 1.0) < 4.0 / np.sqrt(2.0 * known.size), rms
        assert np.abs(known).max() < 4.5


@pytest.mark.nightly
def test_a_long_run_takes_seconds() -> None:
    """22,500 spectra of 4,096 channels; 5 s is what was promised."""
    log = cycler(30, pristine_s=6 * HOUR_S)
    small = made(8, log=log, dwell_s=48.0, channels=64, counts=500.0)
    n = 22_500
    counts = np.zeros((n, 4096), dtype=np.int32)
    counts[:, ::64] = small.series.counts[:n]
    series = SpectrumSeries.from_arrays(
        counts=counts, start=small.series.start[:n], live_s=small.series.live_s[:n],
        real_s=small.series.real_s[:n],
    )  # fmt: skip
    instrument = replace(
        small.instrument, calibration=Calibration(offset_kev=0.0, gain_kev=0.75)
    )  # fmt: skip
    begin = time.thread_time()
    clock_difference(series, log, instrument, ANODE_FIRST)
    assert time.thread_time() - begin < 5.0


def test_a_drift_that_no_clock_has_is_not_applied() -> None:
    """4 %, as where a clock was set during the run; nothing is done, and that is said."""
    one = made(4, cycles=3)
    since_s = one.log.seconds(START)
    middle_s = 0.5 * float(since_s[-1])
    late = np.round(0.04e9 * (since_s - middle_s)).astype("timedelta64[ns]")
    clock = one.clock(replace(one.log, time=one.log.time + late))
    assert not clock.applied
    assert not clock.decided
    assert clock.doubtful
    assert "more than any clock has" in clock.words


def test_a_gain_that_jumps_is_not_taken_for_a_clock() -> None:
    one = made(4)
    counts = np.array(one.series.counts)
    late = 2 * len(counts) // 3
    counts[late:] = np.roll(counts[late:], 8, axis=1)
    series = one.series
    jumped = SpectrumSeries.from_arrays(
        counts=counts, start=series.start, live_s=series.live_s, real_s=series.real_s,
        monitor=series.monitor,
    )  # fmt: skip
    clock = replace(one, series=jumped).clock(one.log)
    assert not clock.applied
    assert clock.doubtful


def test_counts_above_the_fastest_particles_tell_nothing_of_the_clock() -> None:
    """A full last channel in a few spectra moves no lithium."""
    one = made(4)
    counts = np.array(one.series.counts, dtype=np.int64)
    counts[10:16, -1] = 5000
    series = one.series
    full = SpectrumSeries.from_arrays(
        counts=counts, start=series.start, live_s=series.live_s, real_s=series.real_s,
        monitor=series.monitor,
    )  # fmt: skip
    sound, found = one.clock(one.log), replace(one, series=full).clock(one.log)
    assert found.offset_s == pytest.approx(sound.offset_s)
    assert not found.applied
