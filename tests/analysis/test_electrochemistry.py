"""The cycler log by itself: steps, cycles, curves, compositions, and what they exclude."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidepth.analysis.electrochemistry.agreement import agreement
from lidepth.analysis.electrochemistry.composition import composition
from lidepth.analysis.electrochemistry.curves import (
    incremental_capacity,
    shape_change,
    shape_changes,
    voltage_curve,
)
from lidepth.analysis.electrochemistry.cycles import find_cycles, nominal_capacity
from lidepth.analysis.electrochemistry.examine import examine
from lidepth.analysis.electrochemistry.losses import exclude_losses, resistance_needed
from lidepth.analysis.electrochemistry.steps import find_steps, parts_of, signs, voltage_noise
from lidepth.errors import BadData
from lidepth.files.cyclers import read_cycler
from lidepth.model.cycling import CyclerLog, Step
from lidepth.model.electrochemistry import LossStatement
from lidepth.model.ledger import Ledger
from lidepth.model.stack import Stack

START = np.datetime64("2020-01-01", "ns")
LOW_V, HIGH_V = 3.0, 4.0
CELL = Stack.parse(
    "Si 50 nm [anode] | Li3PO4 2000 nm @ 2.32 g/cm^3 [electrolyte] "
    "| LiCoO2 550 nm @ 4.45 g/cm^3 [cathode]"
)

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


def rest(hours: float, volts: float = 3.5, spacing_s: float = 60.0) -> Rows:
    time = np.arange(0.0, hours * 3600.0, spacing_s)
    return np.append(time, hours * 3600.0), np.full(time.size, volts), np.zeros(time.size)


def constant_current(
    hours: float, current_ua: float, *, ohm: float = 0.0, spacing_s: float = 60.0,
    shape: Callable[[np.ndarray], np.ndarray] = lambda share: share,
) -> Rows:  # fmt: skip
    """From one end of the voltages to the other along ``shape``, plus current times ``ohm``."""
    time = np.arange(0.0, hours * 3600.0, spacing_s)
    share = shape(time / (hours * 3600.0))
    done = share if current_ua > 0 else 1.0 - share
    volts = LOW_V + (HIGH_V - LOW_V) * done + 1e-6 * current_ua * ohm
    return np.append(time, hours * 3600.0), volts, np.full(time.size, current_ua)


def constant_voltage(
    hours: float, current_ua: float, decay_h: float, *, spacing_s: float = 10.0
) -> Rows:
    """A current that falls exponentially at one voltage."""
    time = np.arange(0.0, hours * 3600.0, spacing_s)
    volts = np.full(time.size, HIGH_V if current_ua > 0 else LOW_V)
    return np.append(time, hours * 3600.0), volts, current_ua * np.exp(-time / 3600.0 / decay_h)


def log_of(*phases: Rows, noise_v: float = 0.0, seed: int = 1) -> CyclerLog:
    times, volts, currents, begin = [], [], [], 0.0
    for time, voltage, current in phases:
        times.append(begin + time[:-1])
        begin += float(time[-1])
        volts.append(voltage)
        currents.append(current)
    since = np.append(np.concatenate(times), begin)
    voltage = np.append(np.concatenate(volts), volts[-1][-1])
    noise = noise_v * np.random.default_rng(seed).standard_normal(voltage.size)
    return CyclerLog(
        time=START + (since * 1e9).round().astype("timedelta64[ns]"), voltage_v=voltage + noise,
        current_ua=np.append(np.concatenate(currents), 0.0), source="made",
    )  # fmt: skip


def modes(log: CyclerLog) -> list[tuple[str, str]]:
    return [(part.kind, part.mode) for part in all_parts(log)]


def all_parts(log: CyclerLog) -> list[Step]:
    origin = log.time[0]
    return [part for step in find_steps(log, origin) for part in parts_of(log, step, origin)]


def cycled(*hours: float, current_ua: float = 10.0, **more: float) -> CyclerLog:
    """Rest, then a charge and a discharge of each length, with rests between."""
    phases = [rest(2.0)]
    for one in hours:
        phases += [
            constant_current(one, current_ua, **more), rest(1.0),
            constant_current(one, -current_ua, **more), rest(1.0),
        ]  # fmt: skip
    return log_of(*phases)


# --- steps ---------------------------------------------------------------------------------------


def test_constant_current_and_constant_voltage_are_told_apart_at_the_right_row() -> None:
    log = log_of(
        rest(1.0), constant_current(2.0, 20.0), constant_voltage(1.0, 20.0, 0.2), rest(1.0),
        constant_current(2.0, -20.0), constant_voltage(1.0, -20.0, 0.2), rest(1.0), noise_v=2e-4,
    )  # fmt: skip
    assert modes(log) == [
        ("pristine", "rest"), ("charge", "CC"), ("charge", "CV"), ("rest", "rest"),
        ("discharge", "CC"), ("discharge", "CV"), ("rest", "rest"),
    ]  # fmt: skip
    begins = [part.start_s for part in all_parts(log)]
    # The current must have fallen by 1 % before it is seen to fall: 7 s of a decay of 12 min.
    expected = np.cumsum([0.0, 1.0, 2.0, 1.0, 1.0, 2.0, 1.0]) * 3600.0
    np.testing.assert_allclose(begins, expected, atol=20.0)
    assert begins[1] == expected[1]
    assert [step.mode for step in find_steps(log, log.time[0])] == [
        "rest", "mixed", "rest", "mixed", "rest",
    ]  # fmt: skip


def test_a_flat_plateau_at_constant_current_is_no_constant_voltage() -> None:
    plateau = constant_current(3.0, 10.0, shape=lambda s: np.minimum(s * 5.0, 1.0))
    assert modes(log_of(rest(1.0), plateau, rest(1.0), noise_v=1e-4))[1] == ("charge", "CC")


def test_a_step_of_the_current_begins_a_new_part() -> None:
    log = log_of(rest(1.0), constant_current(1.0, 10.0), constant_current(1.0, 20.0), rest(1.0))
    assert modes(log)[1:3] == [("charge", "CC"), ("charge", "CC")]
    assert [round(part.current_ua) for part in all_parts(log)[1:3]] == [10, 20]


def test_a_current_that_follows_nothing_is_mixed() -> None:
    time, volts, _ = constant_current(2.0, 10.0)
    wild = 10.0 + 8.0 * np.sin(np.arange(volts.size) * 0.1)
    assert modes(log_of(rest(1.0), (time, volts, wild), rest(1.0)))[1] == ("charge", "mixed")


def test_a_hiccup_of_the_logger_does_not_cut_a_part() -> None:
    log = log_of(rest(1.0), constant_current(3.0, 10.0), constant_voltage(1.0, 10.0, 0.3),
                 rest(1.0))  # fmt: skip
    current = log.current_ua.copy()
    current[[100, 300]] = 0.0
    broken = CyclerLog(time=log.time, voltage_v=log.voltage_v, current_ua=current)
    assert modes(broken) == modes(log)


def test_the_weak_end_of_a_constant_voltage_is_charge_and_noise_in_a_rest_is_not() -> None:
    held = constant_voltage(2.0, 20.0, 0.25)  # falls to 0.03 %
    log = log_of(rest(2.0), constant_current(2.0, 20.0), held, rest(2.0))
    noise = 2e-3 * np.random.default_rng(2).standard_normal(log.current_ua.size)
    noisy = CyclerLog(time=log.time, voltage_v=log.voltage_v,
                      current_ua=log.current_ua + noise)  # fmt: skip
    charge = find_steps(noisy, START)[1]
    passed = 40.0 + 20.0 * 0.25 * (1.0 - np.exp(-8.0))
    # Lost below five times the noise: 0.01 uA for a decay time of 0.25 h.
    assert charge.charge_uah == pytest.approx(passed, abs=0.02)
    assert [step.kind for step in find_steps(noisy, START)] == ["pristine", "charge", "rest"]


def test_a_drop_to_a_trickle_in_one_row_ends_a_step() -> None:
    current = np.array([0.0, 0.0, 10.0, 10.0, 10.0, 0.05, 0.0, 0.0])
    assert signs(current).tolist() == [0, 0, 1, 1, 1, 0, 0, 0]


def test_noise_of_a_voltage_is_found_beside_any_smooth_curve() -> None:
    time = np.linspace(0.0, 3600.0, 400)
    curve = 3.0 + np.sqrt(time / 3600.0)
    noisy = curve + 3e-4 * np.random.default_rng(4).standard_normal(time.size)
    # 400 rows, of which a median uses about a third: 5 %; three times that.
    assert voltage_noise(time, noisy) == pytest.approx(3e-4, rel=0.15)


# --- cycles --------------------------------------------------------------------------------------


def test_capacities_efficiency_energy_and_rate_of_a_known_cycle() -> None:
    log = log_of(rest(1.0), constant_current(6.0, 10.0), rest(1.0), constant_current(5.4, -10.0),
                 rest(1.0))  # fmt: skip
    (cycle,) = find_cycles(log, log.time[0])
    assert cycle.charge is not None
    assert cycle.discharge is not None
    assert cycle.charge.capacity_uah == pytest.approx(60.0, rel=1e-12)
    assert cycle.discharge.capacity_uah == pytest.approx(54.0, rel=1e-12)
    assert cycle.efficiency == pytest.approx(0.9, rel=1e-12)
    # Mean voltage 3.5 V both ways; the last interval takes the voltage at its start.
    assert cycle.charge.energy_uwh == pytest.approx(210.0, rel=1e-4)
    assert cycle.energy_efficiency == pytest.approx(0.9, rel=1e-4)
    found = examine(log)
    assert found.nominal_uah == pytest.approx(60.0)
    assert found.rate_per_h(cycle.charge) == pytest.approx(1.0 / 6.0)
    assert found.state_of_charge(cycle.discharge) == pytest.approx((1.0, 0.1))
    assert found.moved_uah == pytest.approx(114.0)


def test_the_gain_of_constant_voltage_is_that_of_an_exponential() -> None:
    log = log_of(rest(1.0), constant_current(2.0, 20.0),
                 constant_voltage(1.0, 20.0, 0.1, spacing_s=1.0), rest(1.0))  # fmt: skip
    half = find_cycles(log, log.time[0])[0].halves[0]
    assert half.cc_uah + half.cv_uah == pytest.approx(half.capacity_uah)
    assert half.cv_gain == pytest.approx(20.0 * 0.1 / 40.0, rel=0.02)  # split known to 4 s of 72
    assert 0.0 < half.cv_gain_std < 0.02


def test_a_discharge_first_half_cell_begins_its_cycles_with_it() -> None:
    half_cell = log_of(
        rest(1.0), constant_current(6.0, -10.0), rest(1.0), constant_current(5.0, 10.0), rest(1.0),
        constant_current(5.0, -10.0), rest(1.0), constant_current(4.9, 10.0), rest(1.0),
    )  # fmt: skip
    cycles = find_cycles(half_cell, half_cell.time[0])
    assert [(c.number, c.begins) for c in cycles] == [(1, "discharge"), (2, "discharge")]
    assert cycles[0].efficiency == pytest.approx(5.0 / 6.0)
    assert nominal_capacity(cycles) == pytest.approx(60.0)
    forced = find_cycles(half_cell, half_cell.time[0], begins="charge")
    assert [len(c.halves) for c in forced] == [1, 2, 1]


def test_a_short_discharge_before_the_first_charge_is_no_half_cell() -> None:
    log = log_of(
        rest(1.0), constant_current(1.0, -10.0), constant_current(6.0, 10.0),
        constant_current(5.9, -10.0), rest(1.0),
    )  # fmt: skip
    cycles = find_cycles(log, log.time[0])
    assert [(c.number, c.begins, len(c.halves)) for c in cycles] == [
        (1, "charge", 1), (2, "charge", 2),
    ]  # fmt: skip


def test_a_pause_or_a_pulse_the_other_way_does_not_end_a_half_cycle() -> None:
    pulse = constant_current(10.0 / 3600.0, -10.0, spacing_s=5.0)
    log = log_of(
        rest(1.0), constant_current(3.0, 10.0), rest(1.0), constant_current(1.5, 10.0), pulse,
        constant_current(1.5, 10.0), rest(1.0), constant_current(5.9, -10.0), rest(1.0),
    )  # fmt: skip
    (cycle,) = find_cycles(log, log.time[0])
    assert cycle.charge is not None
    assert cycle.charge.capacity_uah == pytest.approx(60.0 - 10.0 * 10.0 / 3600.0)


def test_what_the_file_cuts_is_marked_and_has_no_efficiency() -> None:
    whole = cycled(6.0, 5.5)
    cut = CyclerLog(time=whole.time[300:-200], voltage_v=whole.voltage_v[300:-200],
                    current_ua=whole.current_ua[300:-200])  # fmt: skip
    cycles = find_cycles(cut, cut.time[0])
    assert [half.whole for c in cycles for half in c.halves] == [False, True, True, False]
    assert np.isnan(cycles[0].efficiency)


def test_a_log_without_current_is_refused() -> None:
    with pytest.raises(BadData, match="no current"):
        find_cycles(log_of(rest(2.0)), START)


@given(every=st.integers(1, 40), shift_s=st.floats(0.0, 1e6), scale=st.floats(0.01, 1e5))
@settings(max_examples=25)
def test_capacity_at_constant_current_depends_neither_on_rows_nor_on_time_nor_on_scale(
    every: int, shift_s: float, scale: float
) -> None:
    log = cycled(3.0, 2.5)
    changes = np.flatnonzero(np.diff(log.current_ua)) + 1
    kept = np.unique([*range(0, log.time.size, every), *changes, log.time.size - 1])
    thin = CyclerLog(time=log.time[kept], voltage_v=log.voltage_v[kept],
                     current_ua=scale * log.current_ua[kept]).shifted(shift_s)  # fmt: skip
    found = [half.capacity_uah / scale for c in find_cycles(thin, START) for half in c.halves]
    assert found == pytest.approx([30.0, 30.0, 25.0, 25.0], rel=1e-6)


def test_a_resistance_shows_in_the_fall_of_the_voltage_at_the_end() -> None:
    log = cycled(3.0, ohm=500.0)
    volts = log.voltage_v.copy()
    volts[log.current_ua == 0.0] = HIGH_V
    ends = CyclerLog(time=log.time, voltage_v=volts, current_ua=log.current_ua)
    charge = find_cycles(ends, START)[0].charge
    assert charge is not None
    # The last row lies a minute before the end: 1/180 V, 556 ohm at 10 uA.
    assert charge.resistance_ohm == pytest.approx(500.0 - 1e6 / 180.0 / 10.0, rel=1e-6)


# --- curves --------------------------------------------------------------------------------------


def test_curves_of_the_same_shape_differ_by_their_noise_only() -> None:
    log = log_of(
        *(p for h in (6.0, 5.0, 4.0, 3.0) for p in (
            rest(1.0), constant_current(h, 10.0), rest(1.0), constant_current(h, -10.0))),
        rest(1.0), noise_v=3e-4,
    )  # fmt: skip
    found = examine(log)
    assert {change.reference for change in found.shapes} == {2}
    for change in found.shapes:
        assert abs(change.rms_mv - change.floor_mv) < 5.0 * change.std_mv
        assert change.rms_mv < 0.6


def test_a_shift_of_one_curve_is_its_change_of_shape() -> None:
    log = log_of(rest(1.0), constant_current(4.0, 10.0), rest(1.0),
                 constant_current(4.0, -10.0), rest(1.0),
                 constant_current(4.0, 10.0, ohm=2000.0), rest(1.0))  # fmt: skip
    curves = [voltage_curve(log, h, START) for c in find_cycles(log, START) for h in c.halves]
    change = shape_change(curves[2], curves[0])
    assert change.rms_mv == pytest.approx(20.0, rel=1e-6)
    assert shape_changes([curves[0]]) == ()


def test_a_curve_leaves_pauses_out_and_ends_its_normalising_at_constant_voltage() -> None:
    log = log_of(rest(1.0), constant_current(1.0, 10.0), rest(1.0), constant_current(1.0, 10.0),
                 constant_voltage(1.0, 10.0, 0.2), rest(1.0))  # fmt: skip
    (half,) = find_cycles(log, START)[0].halves
    curve = voltage_curve(log, half, START)
    assert curve.span_s == pytest.approx(7200.0, abs=30.0)
    assert curve.time_s[-1] < 3.0 * 3600.0
    assert np.all(np.diff(curve.time_s) > 0)
    share, _ = curve.normalised
    assert share[-1] <= 1.0


def test_incremental_capacity_keeps_the_capacity_and_finds_a_plateau() -> None:
    def step(share: np.ndarray) -> np.ndarray:
        return 0.5 + 0.4 * (2.0 * share - 1.0) ** 3

    log = log_of(rest(1.0), constant_current(6.0, 10.0, shape=step), rest(1.0), noise_v=5e-4)
    (half,) = find_cycles(log, START)[0].halves
    found = incremental_capacity(voltage_curve(log, half, START))
    area = np.sum(found.dq_dv_uah_v) * np.diff(found.voltage_v)[0]
    assert area == pytest.approx(60.0 * 359 / 360, rel=1e-4)  # up to the last row
    peak = found.voltage_v[np.argmax(found.dq_dv_uah_v)]
    assert peak == pytest.approx(3.5, abs=0.01)


# --- compositions --------------------------------------------------------------------------------


def test_equations_2_and_3_from_the_charge() -> None:
    faraday, area = 96485.33212, 1.79
    cathode_mol = 550e-7 * area * 4.45 / (6.94 + 58.933194 + 2 * 15.999)
    silicon_mol = 50e-7 * area * 2.33 / 28.085
    found = composition(cycled(6.0), START, CELL, area, area_rel_std=0.03)
    coulomb = 60e-6 * 3600.0
    assert found.x.max() == pytest.approx(coulomb / faraday / cathode_mol, rel=2e-3)
    assert found.y.max() == pytest.approx(coulomb / faraday / silicon_mol, rel=2e-3)
    top = int(np.argmax(found.x))
    assert found.x_std[top] == pytest.approx(found.x[top] * np.hypot(0.10, 0.03))
    assert found.x[0] == found.y[0] == 0.0
    assert abs(found.x[-1]) < 1e-9
    assert not found.corrected


def test_compositions_beyond_their_limits_are_marked() -> None:
    found = composition(cycled(10.0), START, CELL, 1.79)
    assert found.x_outside.any()
    assert found.y_outside.any()
    assert not composition(cycled(5.0), START, CELL, 1.79).y_outside.any()


def test_immobilised_lithium_is_taken_off_the_anode() -> None:
    log = cycled(6.0, 6.0)
    rows = np.array([[50.0, 8.0, 58.0], [-10.0, 8.0, -2.0], [46.0, 12.0, 58.0]])
    middle_s = np.array([8.5, 15.5, 22.5]) * 3600.0
    table = Ledger(
        method="default", cycle=np.array([1, 1, 2]), state=("charged", "discharged", "charged"),
        time_s=middle_s, values=rows, covariance=np.eye(9), independent=np.eye(9),
        flags=("",) * 3, balance_spent=True,
    )  # fmt: skip
    plain, found = composition(log, START, CELL, 1.79), composition(
        log, START, CELL, 1.79, ledger=table)  # fmt: skip
    taken = (plain.y - found.y) * found.anode_uah
    at = np.interp(middle_s, found.time_s, taken)
    np.testing.assert_allclose(at, [8.0, 8.0, 12.0], atol=1e-6)
    np.testing.assert_allclose(found.x, plain.x)
    assert found.corrected
    assert found.y_std[-1] == pytest.approx(
        np.hypot(found.y[-1] * np.hypot(0.1, 0.02), 1.0 / found.anode_uah)
    )


def test_a_cell_without_silicon_has_no_composition() -> None:
    other = Stack.parse("C 50 nm @ 2 g/cm^3 [anode] | Li3PO4 2 um @ 2.3 g/cm^3 [electrolyte] "
                        "| LiCoO2 550 nm @ 4.45 g/cm^3 [cathode]")  # fmt: skip
    assert examine(cycled(3.0), stack=other, area_cm2=1.0).composition is None
    with pytest.raises(BadData, match="silicon"):
        composition(cycled(3.0), START, other, 1.0)


# --- losses --------------------------------------------------------------------------------------


def sloping(share: np.ndarray) -> np.ndarray:
    """Steep, flat, steep."""
    return 0.5 + 0.25 * (2.0 * share - 1.0) + 0.25 * (2.0 * share - 1.0) ** 5


def resistive(lost: float, *, cv: bool = False) -> CyclerLog:
    """Two good cycles, then one at a resistance that costs ``lost`` of 40 uAh."""
    edge = 0.5 * lost
    shift = sloping(np.array([edge]))[0]

    def inner(share: np.ndarray) -> np.ndarray:
        return sloping(edge + (1.0 - lost) * share)

    good = (constant_current(4.0, 10.0, shape=sloping), rest(1.0),
            constant_current(4.0, -10.0, shape=sloping), rest(1.0))  # fmt: skip
    hours = 4.0 * (1.0 - lost)
    tail = (constant_voltage(6.0, 10.0, 4.0 * lost),) if cv else ()
    bad = (constant_current(hours, 10.0, shape=inner, ohm=1e5 * shift), *tail, rest(1.0),
           constant_current(hours, -10.0, shape=inner, ohm=1e5 * shift), rest(1.0))  # fmt: skip
    return log_of(rest(1.0), *good, *good, *bad, noise_v=1e-4)


def statement(log: CyclerLog, loss: str) -> LossStatement:
    return next(one for one in examine(log).losses if one.loss == loss)


def test_the_resistance_that_a_loss_would_need_is_that_which_made_it() -> None:
    log = resistive(0.3)
    curves = examine(log).curves
    shift, (charge, discharge) = resistance_needed(curves[2], curves[3], 0.3)
    made = sloping(np.array([0.15]))[0]
    # The last row lies a minute before the end, where the voltage is 12.5 mV short of it.
    assert shift == pytest.approx(made, abs=0.013)
    seen = shape_change(curves[4], curves[2]).rms_mv
    assert 1e3 * np.sqrt(np.mean(charge**2)) == pytest.approx(seen, rel=0.05)
    assert np.sqrt(np.mean(discharge**2)) == pytest.approx(np.sqrt(np.mean(charge**2)), rel=0.05)


def test_a_growing_resistance_is_supported_and_not_taken_for_lost_lithium() -> None:
    log = resistive(0.3)
    assert statement(log, "growing resistance").verdict == "supported"
    assert statement(log, "lithium not returned").verdict == "excluded"


def test_lost_lithium_excludes_resistance_and_is_supported_by_the_charge() -> None:
    phases = [rest(1.0)]
    for charge_h, discharge_h in ((6.0, 5.4), (5.4, 5.0), (5.0, 4.6), (4.6, 4.2)):
        phases += [constant_current(charge_h, 10.0, shape=sloping), rest(1.0),
                   constant_current(discharge_h, -10.0, shape=sloping), rest(1.0)]  # fmt: skip
    log = log_of(*phases, noise_v=2e-4)
    assert statement(log, "growing resistance").verdict == "excluded"
    returned = statement(log, "lithium not returned")
    assert returned.verdict == "supported"
    assert returned.number == pytest.approx(18.0)
    undecided = ("cathode or mobile lithium", "anode or electrolyte")
    assert {statement(log, loss).verdict for loss in undecided} == {"cannot be decided"}


def test_constant_voltage_that_gives_the_loss_back_supports_kinetic_limits() -> None:
    assert statement(resistive(0.3, cv=True), "kinetic limits").verdict == "supported"
    faded = log_of(
        rest(1.0), constant_current(4.0, 10.0), rest(1.0), constant_current(4.0, -10.0), rest(1.0),
        constant_current(4.0, 10.0), rest(1.0), constant_current(4.0, -10.0), rest(1.0),
        constant_current(2.8, 10.0), constant_voltage(0.5, 10.0, 0.05), rest(1.0),
    )  # fmt: skip
    assert statement(faded, "kinetic limits").verdict == "excluded"


def test_a_loss_too_small_to_judge_is_not_judged() -> None:
    log = cycled(4.0, 4.0, 3.98)
    assert statement(log, "growing resistance").verdict == "cannot be decided"
    assert "anode or electrolyte" not in {one.loss for one in examine(log).losses}
    assert exclude_losses(find_cycles(cycled(4.0), START), ()) != ()


# --- what the makers' software says --------------------------------------------------------------


def test_our_charges_are_compared_with_the_files_own_counters() -> None:
    log = cycled(4.0, 3.0)
    hours = np.diff(log.time.astype(np.int64)) / 3.6e12
    amount = np.append(0.0, np.cumsum(np.abs(log.current_ua[:-1]) * hours))
    starts = np.flatnonzero(np.diff(log.current_ua)) + 1
    begin = amount[starts]
    count = np.searchsorted(starts, np.arange(log.time.size), side="left")
    counter = (amount - np.append(0.0, begin)[count]) * 1e-6 * 1.001
    labelled = CyclerLog(
        time=log.time, voltage_v=log.voltage_v, current_ua=log.current_ua,
        vendor={"Step Capacity / Ah": counter, "Step Count": np.searchsorted(
            starts, np.arange(log.time.size), side="right"),
            "Cycle Count": np.where(np.arange(log.time.size) < starts[3], 1, 2)},
    )  # fmt: skip
    found = agreement(labelled, find_cycles(labelled, START))
    assert found.worst == pytest.approx(0.001, rel=0.01)
    assert found.rules["holds"] == pytest.approx(-0.001, rel=0.01)
    assert (found.boundaries, found.missed, found.extra) == (starts.size, 0, 0)
    assert (found.cycles, found.maker_cycles) == (2, 2)


REAL = {
    "yadg/gcpl.issue_149.mpt": (1e-9, 4),
    "yadg/cp.mpt": (1e-5, 1),
    "cellpy/maccor_001.txt": (1e-4, 5),
    "cellpy/maccor_002.txt": (1e-4, 2),
    "cellpy/neware_uio.csv": (1e-4, 5),
    "navani/bs542_004_gr_li_50ua_50mv_1v_191020_Channel_11.xlsx": (1e-4, 2),
    # Of 120 uA written in steps of 0.1 uA, and charge in steps of 0.0001 mAh.
    "navani/test.ndax": (1.5e-3, 1),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_agree_with_their_own_counters(shared: Path, name: str) -> None:
    file = shared / "data" / "echem" / name
    if not file.is_file():
        pytest.skip(f"no {name}")
    if file.suffix == ".ndax":
        pytest.importorskip("fastnda")
    if file.suffix == ".xlsx":
        pytest.importorskip("openpyxl")
    log = read_cycler(file)
    found = agreement(log, find_cycles(log, log.time[0]))
    worst, cycles = REAL[name]
    assert found.worst < worst
    assert found.missed == 0
    assert found.cycles == cycles
