"""The virtual cell keeps its books, obeys closed forms, and is the same cell in both engines."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidepth.errors import BadInput, NotConverged, OutOfRange, UsageError
from lidepth.mechanism import _setup as at
from lidepth.mechanism.cell import Cell, CellState
from lidepth.mechanism.depth import profile_of, silicon_by_depth
from lidepth.mechanism.growth import InterlayerDiffusion, ReducedLaw
from lidepth.mechanism.history import CellHistory, run_protocol
from lidepth.mechanism.ocv import LICOO2, SILICON, OpenCircuit
from lidepth.mechanism.parameters import UAH_PER_1E15, CellParameters
from lidepth.mechanism.protocol import Phase, Protocol, cycle, paper_protocol
from lidepth.model.stack import Stack

HOUR_S = 3600.0


@pytest.fixture(scope="module")
def campaign() -> CellHistory:
    return run_protocol(Cell(), paper_protocol())


def deficit_uah(state: CellState) -> float:
    return state.qc_uah - state.qa_uah - state.qe_uah


def test_a_whole_campaign_loses_no_lithium(campaign: CellHistory) -> None:
    assert campaign.balance() < 1e-8
    # The sum over the film's cells and the running total are kept apart: they must agree.
    for state in campaign.states[::100]:
        total = state.scalars[at.ANODE] * campaign.parameters.area_cm2
        assert state.qa_uah == pytest.approx(total, abs=1e-8)


def test_a_whole_campaign_loses_no_silicon(campaign: CellHistory) -> None:
    p = campaign.parameters
    for state in campaign.states[::100]:
        held = p.site_uah_cm2_nm * np.dot(state.silicon, np.diff(p.electrolyte_edges_nm))
        assert state.moved_silicon_uah == pytest.approx(held * p.area_cm2, rel=1e-9, abs=1e-12)
        profile = profile_of(state)
        assert profile.silicon_1e15.sum() == pytest.approx(profile.pristine_si_1e15.sum(), rel=1e-9)


def test_a_campaign_takes_less_than_a_second_of_processor_time(campaign: CellHistory) -> None:
    def seconds() -> float:
        start = time.process_time()
        run_protocol(Cell(), paper_protocol())
        return time.process_time() - start

    assert campaign.cycles.size == 364
    assert min(seconds() for _ in range(2)) < 1.0  # measured 0.3; compiled by the fixture


def test_a_grid_four_times_finer_changes_nothing_by_more_than_a_percent(
    campaign: CellHistory,
) -> None:
    fine = run_protocol(Cell(CellParameters().refined(4)), paper_protocol())
    for kind in ("charge", "discharge"):
        assert campaign.capacity_uah(kind) == pytest.approx(fine.capacity_uah(kind), rel=0.01)
        for name in ("qa_uah", "qe_uah", "qc_uah"):
            ours = [getattr(state, name) for state in campaign.ends(kind)]
            theirs = [getattr(state, name) for state in fine.ends(kind)]
            assert ours == pytest.approx(theirs, rel=0.01)


def test_numpy_and_compiled_cell_are_the_same_cell() -> None:
    protocol = Protocol.of(
        [cycle(1, 20.0, hold_until_ua=4.0, rest_s=600.0), cycle(2, 40.0, rest_s=600.0)]
    )
    parameters = CellParameters(cathode_loss_cm2_uah=1e-4, resistance_growth_cm2_uah=1e-3)
    fast = run_protocol(Cell(parameters), protocol)
    slow = run_protocol(Cell(parameters, engine="numpy"), protocol)
    assert fast.time_s.size == slow.time_s.size
    # Rounding enters the search for cut-offs, which are met to 1e-7 V.
    for name in ("time_s", "voltage_v", "qa_uah", "qe_uah", "qc_uah", "x", "y", "silicon_uah"):
        assert getattr(fast, name) == pytest.approx(getattr(slow, name), rel=1e-5, abs=1e-6), name
    assert fast.states[-1].silicon == pytest.approx(slow.states[-1].silicon, rel=1e-5, abs=1e-12)
    assert slow.balance() < 1e-8


def test_steps_in_pieces_end_where_one_step_ends() -> None:
    cell = Cell()
    start = cell.step(cell.pristine(), 3 * HOUR_S, current_ua=10.0)
    for control in ({"current_ua": 10.0}, {"current_ua": -10.0}, {"current_ua": 0.0}):
        once, pieces = cell.step(start, HOUR_S, **control), start
        for _ in range(60):
            pieces = cell.step(pieces, 60.0, **control)
        assert pieces.time_s == pytest.approx(once.time_s)
        assert pieces.qc_uah == pytest.approx(once.qc_uah, abs=1e-9)
        # First order in time: a minute against two, a thousandth of what changes in an hour.
        assert pieces.qe_uah == pytest.approx(once.qe_uah, rel=2e-3)
        assert pieces.voltage_v == pytest.approx(once.voltage_v, abs=1e-3)


def test_a_held_voltage_is_held_and_its_current_dies_away() -> None:
    cell = Cell()
    state = cell.stretch(cell.pristine(), current_ua=10.0, longest_s=1e6, until=4.0).state
    currents = []
    for _ in range(30):
        state = cell.step(state, 120.0, voltage_v=4.0)
        assert state.voltage_v == pytest.approx(4.0, abs=1e-5)
        currents.append(state.current_ua)
    assert all(np.diff(currents) < 0)
    assert currents[-1] > 0
    assert abs(deficit_uah(state)) < 1e-8


def test_the_instant_of_switching_shows_resistance_and_kinetics_alone() -> None:
    cell = Cell(CellParameters(silicon_diffusivity_cm2_s=1e-7))  # no gradient in the film
    p = cell.parameters
    rested = cell.step(
        cell.step(cell.pristine(), 2 * HOUR_S, current_ua=10.0), 3600.0, current_ua=0.0
    )
    rows = cell.stretch(rested, current_ua=25.0, longest_s=1.0, until=math.nan).rows
    density = 25.0 / p.area_cm2
    kinetic = 2 * 8.617333262e-5 * 298.15 * 2 * math.asinh(density / (2 * 60.0))
    expected = density * p.resistance_ohm_cm2 * 1e-6 + kinetic
    # What is left of the film's gradient is a few uV.
    assert rows[0, at.VOLTAGE] - rested.voltage_v == pytest.approx(expected, abs=1e-4)


def test_a_rested_cell_shows_the_difference_of_its_open_circuit_potentials() -> None:
    cell = Cell()
    state = cell.step(cell.pristine(), 4 * HOUR_S, current_ua=10.0)
    state = cell.step(state, 200 * HOUR_S, current_ua=0.0)
    y = np.array([state.y])
    anode = SILICON.at(y) - state.scalars[at.HYSTERESIS] * SILICON.gap_at(y)
    expected = float(LICOO2.at(np.array([state.x]))[0] - anode[0])
    assert state.voltage_v == pytest.approx(expected, abs=1e-4)  # the kernels' table: 4 mV in y


def test_hysteresis_costs_voltage_between_charge_and_discharge() -> None:
    cell = Cell(CellParameters(anode_exchange_ua_cm2=1e6, cathode_exchange_ua_cm2=1e6))
    half = cell.step(cell.pristine(), 4 * HOUR_S, current_ua=5.0)
    more = cell.step(half, HOUR_S, current_ua=5.0)
    back = cell.step(more, HOUR_S, current_ua=-5.0)
    gap = 2 * float(SILICON.gap_at(np.array([half.y]))[0])
    drop = 2 * 5.0 / 1.75 * 1e-3
    # A fifth for the gradients in the film and the memory of the last branch.
    assert half.voltage_v - back.voltage_v == pytest.approx(gap + drop, rel=0.2)


def test_lithium_reaches_the_back_of_the_film_as_diffusion_says() -> None:
    # D constant: below the knee nothing falls.  A constant flux into a film of thickness L ends in
    # a parabola, y(0) - y(L) = J L / 2 D (Crank, The Mathematics of Diffusion, 4.3.6).
    p = CellParameters(silicon_knee=-50.0, silicon_diffusivity_cm2_s=2e-15, silicon_cells=96,
                       growth=InterlayerDiffusion(phase="none"))  # fmt: skip
    cell = Cell(p)
    state = cell.step(cell.pristine(), 5 * HOUR_S, current_ua=4.0)
    rate = 4.0 / p.area_cm2 / p.silicon_uah_cm2 / HOUR_S
    drop = rate * (50e-7) ** 2 / (2 * 2e-15)
    middles = (np.arange(96) + 0.5) / 96
    assert state.lithium - state.lithium[-1] == pytest.approx(
        drop * (1 - middles) ** 2, abs=0.01 * drop
    )


def test_profiles_hold_what_the_ledger_says(campaign: CellHistory) -> None:
    p = campaign.parameters
    for moment in (0.0, 3 * HOUR_S, 40 * HOUR_S, campaign.end_s[-1]):
        state, profile = campaign.state_at(moment), campaign.profile(moment)
        expected = [state.qa_uah, state.qe_uah, -state.qc_uah]
        assert profile.added_uah_cm2 * p.area_cm2 == pytest.approx(expected, rel=1e-9, abs=1e-9)
        assert profile.lithium_1e15.sum() == pytest.approx(profile.pristine_li_1e15.sum(), rel=1e-9)


def test_the_areal_axis_stays_and_the_nanometres_swell(campaign: CellHistory) -> None:
    empty, full = campaign.profile(0.0), campaign.profile(float(campaign.end_s[0]))
    assert np.array_equal(empty.edges_1e15, full.edges_1e15)
    assert empty.edges_nm[0] == pytest.approx(-50.0)
    y = campaign.states[1].y
    left = campaign.states[1].silicon_left
    assert full.edges_nm[0] == pytest.approx(-50.0 * left * (1 + 0.738 * y), rel=1e-9)
    assert full.edges_nm[-1] == pytest.approx(2550.0)
    assert empty.edges_nm[-1] == pytest.approx(2550.0)


def test_any_moment_lies_on_the_curve(campaign: CellHistory) -> None:
    for row in (50, 300, 4000, 60000):
        moment = float(campaign.time_s[row])
        state = campaign.state_at(moment)
        assert state.time_s == pytest.approx(moment, abs=0.01)
        assert state.qc_uah == pytest.approx(campaign.qc_uah[row], abs=1e-3)
    with pytest.raises(OutOfRange, match="outside the history"):
        campaign.state_at(-1.0)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([-30.0, -10.0, 0.0, 10.0, 30.0]), st.floats(10.0, 7200.0)),
        min_size=1, max_size=8,
    ),
    st.sampled_from([0.0, 1.0, 4.0]),
    st.sampled_from(["charge", "discharge", "both", "rest", "time", "concentration", "none"]),
)  # fmt: skip
def test_whatever_is_done_to_it_the_cell_keeps_its_books(steps, kappa, phase) -> None:
    growth = InterlayerDiffusion(li_per_silicon=kappa, phase=phase, diffusivity_nm2_cm2_uah=30.0)
    cell = Cell(CellParameters(growth=growth))
    state = cell.step(cell.pristine(), HOUR_S, current_ua=20.0)
    for current, seconds in steps:
        try:
            after = cell.step(state, seconds, current_ua=current)
        except OutOfRange:  # more than it holds was asked of it
            continue
        assert abs(deficit_uah(after)) < 1e-7
        assert after.qc_uah - state.qc_uah == pytest.approx(current * seconds / HOUR_S, abs=1e-9)
        assert after.moved_silicon_uah >= state.moved_silicon_uah
        assert -1e-9 <= after.qe_uah <= kappa * after.moved_silicon_uah + 1e-9
        assert np.all(silicon_by_depth(after) <= growth.saturation + 1e-12)
        state = after


def test_a_stack_gives_the_same_films() -> None:
    stack = Stack.parse(
        "Cu 150 nm | Si 60 nm [anode] | Li3PO4 1 um @ 2.2 g/cm^3 [electrolyte] | "
        "LiCoO2 500 nm @ 4.5 g/cm^3 [cathode] | Pt 200 nm"
    )
    p = CellParameters.from_stack(stack, 1.5)
    assert p.silicon_uah_cm2 == pytest.approx(
        stack.layer("anode").element_1e15("Si") * UAH_PER_1E15
    )
    assert p.cathode_uah_cm2 == pytest.approx(
        stack.layer("cathode").element_1e15("Li") * UAH_PER_1E15
    )
    assert (p.electrolyte_nm, p.electrolyte_g_cm3, p.area_cm2) == (1000.0, 2.2, 1.5)


def test_films_of_other_materials_are_refused() -> None:
    other = "Ge 50 nm [anode] | Li3PO4 2 um @ 2.2 g/cm^3 [electrolyte]"
    with pytest.raises(BadInput, match="the anode is Ge"):
        CellParameters.from_stack(Stack.parse(other), 1.5)


def test_the_inventories_are_those_of_the_elements() -> None:
    p = CellParameters()
    # 2.33 g/cm3 / 28.085 g/mol * 26.801 Ah/mol * 50 nm, and the same for LiCoO2 and Li3PO4.
    assert p.silicon_uah_cm2 == pytest.approx(2.33 / 28.085 * 26.801e6 * 50e-7, rel=1e-3)
    assert p.cathode_uah_cm2 == pytest.approx(5.06 / 97.87 * 26.801e6 * 550e-7, rel=1e-3)
    assert p.site_uah_cm2_nm == pytest.approx(2.54 / 115.79 * 26.801e6 * 1e-7, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"area_cm2": 0.0}, "area_cm2"),
        ({"silicon_nm": math.nan}, "silicon_nm"),
        ({"resistance_ohm_cm2": -1.0}, "resistance"),
        ({"silicon_cells": 2}, "film cells"),
    ],
)
def test_numbers_that_cannot_be_are_refused(change, words) -> None:
    with pytest.raises(OutOfRange, match=words):
        replace(CellParameters(), **change)


def test_films_that_cannot_hold_the_capacity_are_refused_with_the_arithmetic() -> None:
    with pytest.raises(BadInput, match=r"76\.2 uAh/cm2 per unit of x.*11\.1 uAh/cm2 per unit of y"):
        CellParameters(stated_capacity_uah=120.0)
    assert CellParameters(stated_capacity_uah=60.0)


def test_protocols_that_cannot_end_are_refused() -> None:
    with pytest.raises(OutOfRange, match="cannot end"):
        Phase(kind="charge", cycle=1, current_ua=10.0)
    with pytest.raises(OutOfRange, match="cannot end"):
        Phase(kind="rest", cycle=1, current_ua=0.0, until_v=3.0)
    with pytest.raises(OutOfRange, match="-5"):
        Phase(kind="charge", cycle=1, current_ua=-5.0, until_v=4.0)
    with pytest.raises(OutOfRange, match="both a current and a voltage"):
        Phase(kind="charge", cycle=1, current_ua=5.0, voltage_v=4.0)
    with pytest.raises(OutOfRange, match="a charge that ends above"):
        cycle(1, 10.0, charge_v=3.0, discharge_v=4.0)
    with pytest.raises(OutOfRange, match="without a phase"):
        Protocol(phases=())
    with pytest.raises(OutOfRange, match=r"never reaches 9 V.*more lithium than the cathode's 133"):
        run_protocol(Cell(), Protocol.of([cycle(1, 10.0, charge_v=9.0)]))


def test_a_held_voltage_that_growth_feeds_for_ever_is_refused_with_the_arithmetic() -> None:
    growth = ReducedLaw(
        law="power", exponent=1.0, scale_uah_cm2=2000.0, phase="time", li_per_silicon=10.0
    )
    with pytest.raises(OutOfRange, match=r"never falls to 0\.005 uA.*growth alone takes"):
        run_protocol(
            Cell(CellParameters(growth=growth)), Protocol.of([cycle(1, 10.0, hold_until_ua=0.005)])
        )


def test_currents_beyond_the_cell_are_refused_with_the_arithmetic() -> None:
    with pytest.raises(OutOfRange, match=r"over before it begins.*ohm cm2 alone is 2\.86 V"):
        run_protocol(Cell(), Protocol.of([cycle(1, 5000.0)]))
    cell = Cell()
    with pytest.raises(OutOfRange, match=r"cannot carry -1e\+04 uA"):
        cell.step(cell.pristine(), 60.0, current_ua=-1e4)
    with pytest.raises(NotConverged, match="no current holds 400 V"):
        cell.step(cell.pristine(), 60.0, voltage_v=400.0)


def test_calls_that_make_no_sense_are_refused() -> None:
    cell, other = Cell(), Cell(CellParameters(area_cm2=2.0))
    state = cell.pristine()
    for call in (
        {"dt_s": 1.0}, {"dt_s": 1.0, "current_ua": 1.0, "voltage_v": 3.0},
        {"dt_s": 0.0, "current_ua": 1.0}, {"dt_s": 1.0, "current_ua": math.nan},
    ):  # fmt: skip
        with pytest.raises(UsageError):
            cell.step(state, **call)
    with pytest.raises(UsageError, match="other parameters"):
        other.step(state, 1.0, current_ua=1.0)
    with pytest.raises(UsageError, match="engine"):
        Cell(engine="abacus")  # type: ignore[arg-type]


def test_a_state_cannot_be_written_to() -> None:
    state = Cell().pristine()
    with pytest.raises(ValueError, match="read-only"):
        state.lithium[0] = 1.0


def test_potentials_can_be_replaced_and_bad_ones_are_refused() -> None:
    flat = OpenCircuit(composition=np.array([0.0, 1.0]), potential_v=np.array([3.9, 3.9001]))
    cell = Cell(CellParameters(cathode_potential=flat))
    state = cell.step(cell.pristine(), HOUR_S, current_ua=10.0)
    assert 3.9 - 1.3 < state.voltage_v < 3.95
    for bad in (
        {"composition": np.array([0.0, 1.0]), "potential_v": np.array([1.0])},
        {"composition": np.array([1.0, 0.0]), "potential_v": np.array([1.0, 2.0])},
        {"composition": np.array([0.0, 1.0, 2.0]), "potential_v": np.array([1.0, 2.0, 1.5])},
    ):
        with pytest.raises(BadInput):
            OpenCircuit(**bad)


@pytest.mark.parametrize("curve", [LICOO2, SILICON])
def test_a_curve_passes_through_its_points_and_goes_on_straight(curve: OpenCircuit) -> None:
    assert curve.at(curve.composition) == pytest.approx(curve.potential_v)
    beyond = curve.at(curve.composition[-1] + np.array([0.1, 0.2]))
    assert beyond[1] - beyond[0] == pytest.approx(beyond[0] - curve.potential_v[-1])
    assert curve.source
