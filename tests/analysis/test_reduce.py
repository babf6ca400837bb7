"""From raw spectra and a cycler log to the states of the cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made import ONE_CYCLE, Phase, log_of, run_of

from lidepth.analysis.electrochemistry.steps import find_steps
from lidepth.analysis.reduce import Reduction, analysed_bins, rebin, rebin_rows, reduce_run
from lidepth.errors import BadData
from lidepth.model.cycling import CyclerLog, StateSpectrum
from lidepth.model.result import Run
from lidepth.model.spectra import Quality


def kinds(*phases: Phase) -> list[tuple[str, int]]:
    """Kind and cycle of every step of a log."""
    log = log_of(*phases)
    return [(step.kind, step.cycle) for step in find_steps(log, log.time[0])]


def state(reduction: Reduction, label: str) -> StateSpectrum:
    return next(s for s in reduction.states if s.label == label)


def flagged(run: Run, start_s: float, stop_s: float, flag: Quality) -> Run:
    """The run with the spectra between two times flagged."""
    inside = (run.series.start_s >= start_s) & (run.series.stop_s <= stop_s)
    return replace(run, series=run.series.flagged(inside, flag))


# --- steps ---------------------------------------------------------------------------------------


def test_a_cycle_is_charge_rest_discharge_rest_after_the_pristine_cell() -> None:
    assert kinds(*ONE_CYCLE) == [
        ("pristine", 0), ("charge", 1), ("rest", 1), ("discharge", 1), ("rest", 1),
    ]  # fmt: skip


def test_every_charge_begins_a_cycle() -> None:
    steps = kinds(*ONE_CYCLE, *ONE_CYCLE[1:], *ONE_CYCLE[1:])
    assert [cycle for kind, cycle in steps if kind == "charge"] == [1, 2, 3]
    assert [cycle for kind, cycle in steps if kind == "discharge"] == [1, 2, 3]


def test_a_discharge_that_comes_first_belongs_to_cycle_one() -> None:
    steps = kinds((3600, 0), (1800, -10), (600, 0), (1800, 10), (600, 0), (1800, -10))
    assert steps == [
        ("pristine", 0), ("discharge", 1), ("rest", 1), ("charge", 2), ("rest", 2),
        ("discharge", 2),
    ]  # fmt: skip


def test_constant_current_and_the_constant_voltage_after_it_are_one_charge() -> None:
    falling = [(300.0, 30.0 * 0.7**k) for k in range(8)]
    log = log_of((3600, 0), (3600, 30), *falling, (3600, 0))
    charges = [s for s in find_steps(log, log.time[0]) if s.kind == "charge"]
    assert len(charges) == 1
    passed = 30.0 + sum(current for _, current in falling) / 12.0
    assert charges[0].charge_uah == pytest.approx(passed, rel=1e-9)  # exact: currents are held
    assert charges[0].stop_s == 3600 + 3600 + 8 * 300


def test_a_hiccup_of_the_current_does_not_end_a_charge_but_a_rest_does() -> None:
    hiccup = kinds((3600, 0), (1800, 10), (60, 0), (1800, 10), (3600, 0))
    pause = kinds((3600, 0), (1800, 10), (600, 0), (1800, 10), (3600, 0))
    assert [kind for kind, _ in hiccup] == ["pristine", "charge", "rest"]
    assert [kind for kind, _ in pause] == ["pristine", "charge", "rest", "charge", "rest"]


def test_the_noise_of_a_current_meter_is_a_rest() -> None:
    quiet = log_of(*ONE_CYCLE)
    noise = 0.02 * np.random.default_rng(1).standard_normal(quiet.current_ua.size)
    noisy = replace(quiet, current_ua=np.where(quiet.current_ua == 0, noise, quiet.current_ua))
    found = [(step.kind, step.cycle) for step in find_steps(noisy, noisy.time[0])]
    assert found == kinds(*ONE_CYCLE)


def test_charges_of_the_steps_add_up_to_the_log() -> None:
    log = log_of(*ONE_CYCLE, *ONE_CYCLE[1:])
    steps = find_steps(log, log.time[0])
    assert sum(s.charge_uah for s in steps) == pytest.approx(log.charge_uah[-1], abs=1e-9)
    assert [s.charge_uah for s in steps[:4]] == pytest.approx([0.0, 30.0, 0.0, -22.5])
    assert [s.stop_s for s in steps[:-1]] == [s.start_s for s in steps[1:]]


# --- charges -------------------------------------------------------------------------------------


def test_charge_is_exact_whatever_the_spacing_of_the_rows() -> None:
    """A current holds until the next row: the sum is exact, not a trapezium."""
    seconds = np.array([0.0, 7200.0, 7207.0, 9000.0, 10800.0, 13000.0])
    current = np.array([0.0, 30.0, 12.5, 40.0, 0.0, 0.0])
    log = CyclerLog(
        time=log_of(*ONE_CYCLE).time[0] + (seconds * 1e9).astype("timedelta64[ns]"),
        voltage_v=np.ones(6), current_ua=current,
    )  # fmt: skip
    expected = (30.0 * 7 + 12.5 * 1793 + 40.0 * 1800) / 3600.0
    run = run_of((7200, 0), (3600, 1), (2100, 0), log=log)
    charged = state(reduce_run(run), "cycle 1 charged")
    assert charged.charge_uah == pytest.approx(expected, rel=1e-12)


def test_states_carry_the_net_charge_and_the_charge_moved_either_way() -> None:
    reduction = reduce_run(run_of(*ONE_CYCLE))
    assert [s.charge_uah for s in reduction.states] == pytest.approx([30.0, 7.5], abs=1e-9)
    np.testing.assert_allclose(reduction.throughput_uah, [30.0, 52.5], atol=1e-9)
    assert reduction.pristine.charge_uah == 0.0


def test_a_range_within_a_charge_carries_the_charge_of_its_middle() -> None:
    reduction = reduce_run(run_of(*ONE_CYCLE), ranges=[(7200.0, 10800.0)])
    middle = state(reduction, "cycle 1 range")
    assert middle.charge_uah == pytest.approx(15.0, rel=1e-9)  # symmetric about half the charge


def test_a_log_that_only_follows_its_beat_knows_the_charge_less_well() -> None:
    """Changes off the beat: a row at each change knows it to 1 s, the beat alone to 60 s."""
    phases = [(seconds + 17.0, current) for seconds, current in ONE_CYCLE]
    sure = reduce_run(run_of(*phases, log=log_of(*phases)))
    vague = reduce_run(run_of(*phases, log=log_of(*phases, writes_changes=False)))
    for fine, coarse in zip(sure.states, vague.states, strict=True):
        assert coarse.charge_std_uah > 10 * fine.charge_std_uah
        # Uniform over one beat: 60 s / sqrt(12) at 30 uA for each of up to four changes.
        assert 0.14 < coarse.charge_std_uah < 0.3
        assert abs(coarse.charge_uah - fine.charge_uah) < 3 * coarse.charge_std_uah


# --- sums ----------------------------------------------------------------------------------------


def test_a_state_is_the_sum_of_the_spectra_of_its_rest() -> None:
    run = run_of(*ONE_CYCLE)
    reduction = reduce_run(run)
    assert [s.label for s in reduction.states] == ["cycle 1 charged", "cycle 1 discharged"]
    charged, discharged = reduction.states
    assert charged.indices == (36, 37, 38, 39)  # 10800 s to 12000 s in spectra of 300 s
    assert discharged.indices == (49, 50, 51, 52)
    np.testing.assert_array_equal(charged.counts, 36 + 37 + 38 + 39)
    assert charged.live_s == pytest.approx(4 * 297.0)
    # Counts are taken while live, monitor counts always: the monitor is scaled to live time.
    assert charged.monitor == pytest.approx(0.99 * 100 * (36 + 37 + 38 + 39))
    assert (charged.start_s, charged.stop_s) == (10800.0, 12000.0)


def test_the_pristine_state_is_what_came_before_the_first_current() -> None:
    reduction = reduce_run(run_of(*ONE_CYCLE))
    assert reduction.pristine.indices == tuple(range(24))
    np.testing.assert_array_equal(reduction.pristine.counts, sum(range(24)))


def test_a_spectrum_that_straddles_two_phases_is_in_no_sum() -> None:
    phases = ((7200.0, 0.0), (3700.0, 30.0), (1200.0, 0.0), (2700.0, -30.0))
    charged = state(reduce_run(run_of(*phases)), "cycle 1 charged")
    assert charged.indices == (37, 38, 39)  # 36 and 40 each saw current


def test_without_a_rest_the_spectra_about_the_end_of_the_charge_are_taken() -> None:
    phases = ((7200.0, 0.0), (3600.0, 30.0), (3600.0, -30.0), (1200.0, 0.0))
    charged = state(reduce_run(run_of(*phases)), "cycle 1 charged")
    assert charged.indices == (35, 36)
    assert charged.charge_uah == pytest.approx(30.0 - 300.0 / 2 * 30.0 / 3600.0)


@pytest.mark.parametrize("flag", [Quality.BEAM_OFF, Quality.SHORT, Quality.DUPLICATE])
def test_flagged_spectra_are_kept_out_of_the_sums(flag: Quality) -> None:
    run = flagged(run_of(*ONE_CYCLE), 11100.0, 11400.0, flag)
    assert state(reduce_run(run), "cycle 1 charged").indices == (36, 38, 39)


@pytest.mark.parametrize("flag", [Quality.GAP, Quality.CLOCK_STEP, Quality.NO_MONITOR])
def test_other_flags_only_mark(flag: Quality) -> None:
    run = flagged(run_of(*ONE_CYCLE), 11100.0, 11400.0, flag)
    assert state(reduce_run(run), "cycle 1 charged").indices == (36, 37, 38, 39)


def test_a_rest_without_beam_is_named_as_missing() -> None:
    run = flagged(run_of(*ONE_CYCLE, *ONE_CYCLE[1:]), 10700.0, 12100.0, Quality.BEAM_OFF)
    reduction = reduce_run(run)
    assert reduction.missing == ("cycle 1 charged",)
    assert [s.label for s in reduction.states] == [
        "cycle 1 discharged", "cycle 2 charged", "cycle 2 discharged",
    ]  # fmt: skip


def test_without_a_usable_pristine_spectrum_nothing_can_be_said() -> None:
    run = flagged(run_of(*ONE_CYCLE), 0.0, 7200.0, Quality.BEAM_OFF)
    with pytest.raises(BadData, match="no usable spectrum of the pristine cell") as caught:
        reduce_run(run)
    assert caught.value.where == "made.yaml"
    assert "data.pristine" in caught.value.remedy


# --- time ranges and runs without a log ----------------------------------------------------------


def test_time_ranges_become_states_of_their_cycle() -> None:
    run = run_of(*ONE_CYCLE, *ONE_CYCLE[1:])
    reduction = reduce_run(run, ranges=[(16000.0, 19600.0), (0.0, 3600.0)])
    second, early = reduction.states[-2:]
    assert (second.name, second.cycle, second.indices) == ("range", 2, tuple(range(54, 65)))
    assert (early.cycle, early.indices) == (0, tuple(range(12)))


def test_a_range_without_spectra_is_refused() -> None:
    with pytest.raises(BadData, match=r"no usable spectrum between 1e\+06 s"):
        reduce_run(run_of(*ONE_CYCLE), ranges=[(1e6, 2e6)])


def test_without_a_log_ranges_are_the_only_states_and_charges_are_unknown() -> None:
    run = replace(run_of(*ONE_CYCLE), log=None)
    reduction = reduce_run(run, ranges=[(10800.0, 12000.0)])
    assert reduction.steps == ()
    assert reduction.missing == ()
    (only,) = reduction.states
    assert only.indices == (36, 37, 38, 39)
    assert np.isnan([only.charge_uah, only.charge_std_uah, *reduction.throughput_uah]).all()


# --- bins ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gain", "fwhm", "per_bin"), [(3.0, 18.0, 2), (7.0, 18.0, 1), (1.0, 18.0, 6)]
)
def test_bins_are_no_wider_than_a_third_of_the_resolution(
    gain: float, fwhm: float, per_bin: int
) -> None:
    found, edges = analysed_bins(1025, gain_kev=gain, fwhm_kev=fwhm)
    assert found == per_bin
    assert edges[0] == 0
    assert edges[-1] <= 1025 < edges[-1] + per_bin
    counts = np.random.default_rng(3).poisson(9.0, 1025).astype(np.float64)
    assert rebin(counts, found).size == edges.size - 1


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.int64])
def test_many_spectra_are_rebinned_as_one_is(kind: type) -> None:
    counts = np.random.default_rng(3).integers(0, 60_000, (5, 103)).astype(kind)
    counts.setflags(write=False)  # as those of a series are
    rows = np.array([4, 0, 3])
    one_by_one = np.stack([rebin(counts[row], 7) for row in rows])
    assert np.array_equal(rebin_rows(counts, rows, 7), one_by_one)
