"""The clock of the cycler against that of the spectra: found where it can be, else left alone."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from lidepth.analysis.clocks import LEAST_S, clock_difference, on_spectra_clock
from lidepth.model.calibration import Calibration
from lidepth.model.clock import ClockDifference
from lidepth.model.cycling import CyclerLog
from lidepth.model.instrument import Detector, Instrument
from lidepth.model.spectra import SpectrumSeries
from lidepth.model.stack import Stack

Floats = NDArray[np.float64]

HOUR_S = 3600.0
CYCLE_S = 10 * HOUR_S
START = np.datetime64("2021-05-04T06:00:00", "ns")
LAYERS = ("Cu 150 nm", "Si 50 nm [anode]", "Li3PO4 2 um @ 2.32 g/cm^3 [electrolyte]",
          "LiCoO2 550 nm @ 4.45 g/cm^3 [cathode]", "Pt 200 nm")  # fmt: skip
ANODE_FIRST, CATHODE_FIRST = Stack.parse(" | ".join(LAYERS)), Stack.parse(" | ".join(LAYERS[::-1]))
FULL_UAH = 60.0


@dataclass(frozen=True)
class Campaign:
    series: SpectrumSeries
    log: CyclerLog
    instrument: Instrument
    stack: Stack = ANODE_FIRST

    def clock(self, log: CyclerLog, declared_s: float | None = None) -> ClockDifference:
        return clock_difference(
            self.series, log, self.instrument, self.stack, declared_s=declared_s
        )


def cycler(cycles: int, *, pristine_s: float, last_s: float = HOUR_S) -> CyclerLog:
    """Charges and discharges of 4 h, the first discharge shorter, rests of 1 h, a row a minute."""
    pattern = [(4 * HOUR_S, 15.0), (HOUR_S, 0.0), (4 * HOUR_S, -15.0), (HOUR_S, 0.0)]
    first = [*pattern[:2], (3.8 * HOUR_S, -15.0), pattern[3]]
    phases = [(pristine_s, 0.0), *first, *(pattern * (cycles - 1)), (last_s, 0.0)]
    ends = np.cumsum([length for length, _ in phases])
    seconds = np.unique(np.concatenate([np.arange(0.0, ends[-1], 60.0), [0.0], ends]))
    seconds = seconds[seconds <= ends[-1]]
    phase = np.minimum(np.searchsorted(ends, seconds, "right"), len(phases) - 1)
    current = np.array([current for _, current in phases])[phase]
    return CyclerLog(
        time=START + np.round(seconds * 1e9).astype("timedelta64[ns]"),
        voltage_v=np.full(seconds.size, 3.5), current_ua=current,
    )  # fmt: skip


def made(
    seed: int, *, cycles: int = 2, counts: float = 8000.0, dwell_s: float = 480.0,
    pristine_s: float = 6 * HOUR_S, channels: int = 256, cathode_first: bool = False,
    stuck: float = 0.04, log: CyclerLog | None = None,
) -> Campaign:  # fmt: skip
    """Spectra of which a part moves with the charge, under a beam that wanders.

    Tritons and alphas of three layers are Gaussians; a share ``stuck`` of what was charged stays
    in the electrolyte after the first cycle, which is not in proportion to the charge.
    """
    rng = np.random.default_rng(seed)
    log = log or cycler(cycles, pristine_s=pristine_s)
    total_s = log.seconds(START)[-1]
    start_s = np.arange(0.0, total_s - dwell_s, dwell_s)
    gain_kev = 3072.0 / channels
    energy = gain_kev * (np.arange(channels) + 0.5)
    peaks = {"anode": ((2600.0, 40.0), (1300.0, 60.0)), "middle": ((2500.0, 80.0), (900.0, 150.0)),
             "cathode": ((2350.0, 60.0), (400.0, 90.0))}  # fmt: skip
    if cathode_first:
        peaks["anode"], peaks["cathode"] = peaks["cathode"], peaks["anode"]

    def shape(layer: str) -> Floats:
        lines = [np.exp(-0.5 * ((energy - at) / width) ** 2) for at, width in peaks[layer]]
        return np.asarray(sum(line / line.sum() for line in lines))

    grid = start_s[:, None] + dwell_s * (np.arange(16) + 0.5) / 16
    charge = log.charge_uah / FULL_UAH
    out = np.interp(grid, log.seconds(START), charge).mean(axis=1)
    highest = np.interp(grid, log.seconds(START), np.maximum.accumulate(charge)).mean(axis=1)
    reached = stuck * highest
    flux = 1.0 + 0.01 * np.cumsum(rng.standard_normal(start_s.size)) / np.sqrt(start_s.size)
    rate = (
        np.outer(out - reached, shape("anode"))
        + np.outer(2.0 + reached, shape("middle"))
        + np.outer(2.0 - out, shape("cathode"))
        + 0.01 * np.exp(-energy / 300.0)
    )
    series = SpectrumSeries.from_arrays(
        counts=rng.poisson(rate * flux[:, None] * counts / rate.sum(axis=1).mean()),
        start=START + np.round(start_s * 1e9).astype("timedelta64[ns]"),
        live_s=np.full(start_s.size, dwell_s), real_s=np.full(start_s.size, dwell_s),
    )  # fmt: skip
    instrument = Instrument(
        detector=Detector(fwhm_kev=18.0), calibration=Calibration(offset_kev=0.0, gain_kev=gain_kev)
    )
    return Campaign(series, log, instrument, CATHODE_FIRST if cathode_first else ANODE_FIRST)


def with_drift(log: CyclerLog, ppm: float) -> CyclerLog:
    """The log of a clock that runs slow by ``ppm``, right in the middle."""
    middle = log.time[0] + (log.time[-1] - log.time[0]) // 2
    since = (log.time - middle).astype(np.int64)
    return replace(log, time=middle + np.round(since * (1 - ppm * 1e-6)).astype("timedelta64[ns]"))


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
