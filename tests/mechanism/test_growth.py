"""The interlayer grows as its law says, when its clock runs, and as far as there is silicon."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidepth.errors import BadInput, OutOfRange
from lidepth.mechanism import _reference
from lidepth.mechanism.cell import Cell, CellState
from lidepth.mechanism.depth import interlayer_nm, silicon_by_depth
from lidepth.mechanism.growth import (
    LAWS,
    PHASES,
    PRODUCTS,
    InterlayerDiffusion,
    Phase,
    ReducedLaw,
)  # fmt: skip
from lidepth.mechanism.history import run_protocol
from lidepth.mechanism.modes import half_cell, half_cell_protocol, saturation
from lidepth.mechanism.parameters import CellParameters
from lidepth.mechanism.protocol import Protocol, cycle
from lidepth.model.material import parse_formula

HOUR_S = 3600.0


def charged(growth, hours: float = 5.0, **changes) -> CellState:
    cell = Cell(CellParameters(growth=growth, **changes))
    return cell.step(cell.pristine(), hours * HOUR_S, current_ua=10.0)


def per_cm2(state: CellState) -> float:
    return state.moved_silicon_uah / state.parameters.area_cm2


def test_with_an_open_inlet_silicon_follows_the_square_root_of_the_charge() -> None:
    growth = InterlayerDiffusion(inlet_nm_cm2_uah=1e6, diffusivity_nm2_cm2_uah=3.0)
    for hours in (1.0, 3.0, 6.0):
        state = charged(growth, hours)
        q = 10.0 * hours / 1.75
        expected = state.parameters.site_uah_cm2_nm * 0.5 * 2 * math.sqrt(3.0 * q / math.pi)
        # Cells of 1 nm against a layer of 4 to 10 nm, and implicit steps.
        assert per_cm2(state) == pytest.approx(expected, rel=0.02)


def test_the_depth_profile_is_the_complementary_error_function() -> None:
    from scipy.special import erfc

    growth = InterlayerDiffusion(inlet_nm_cm2_uah=1e6, diffusivity_nm2_cm2_uah=20.0)
    state = charged(growth)
    edges = state.parameters.electrolyte_edges_nm
    middles = 0.5 * (edges[1:] + edges[:-1])
    q = 50.0 / 1.75
    expected = 0.5 * erfc(middles / (2 * math.sqrt(20.0 * q)))
    assert state.silicon == pytest.approx(expected, abs=0.5 * 0.01)


def test_a_closed_inlet_is_linear_in_charge() -> None:
    growth = InterlayerDiffusion(inlet_nm_cm2_uah=1e-4, diffusivity_nm2_cm2_uah=100.0)
    state = charged(growth)
    expected = state.parameters.site_uah_cm2_nm * 1e-4 * 0.5 * 50.0 / 1.75
    assert per_cm2(state) == pytest.approx(expected, rel=1e-3)  # c(0) and n stay at 0 and 1


def test_a_blocked_inlet_lets_nothing_pass() -> None:
    for growth in (
        InterlayerDiffusion(inlet_nm_cm2_uah=0.0), InterlayerDiffusion(diffusivity_nm2_cm2_uah=0.0),
        InterlayerDiffusion(phase="none"), InterlayerDiffusion(start=0.5),
    ):  # fmt: skip
        state = charged(growth)
        assert state.moved_silicon_uah == pytest.approx(0.0, abs=1e-12)
        assert state.qe_uah == pytest.approx(0.0, abs=1e-12)


def test_without_lithium_per_silicon_no_lithium_is_lost() -> None:
    cell = Cell(CellParameters(growth=InterlayerDiffusion(li_per_silicon=0.0)))
    run = run_protocol(cell, Protocol.of(cycle(n, 20.0) for n in range(1, 6)))
    assert run.states[-1].qe_uah == 0.0
    assert run.states[-1].moved_silicon_uah > 0.1
    residue = [state.qa_uah for state in run.ends("discharge")]
    missing = [state.qc_uah for state in run.ends("discharge")]
    assert missing == pytest.approx(residue, abs=1e-9)


def test_kappa_is_lithium_per_silicon() -> None:
    for kappa in (1.0, 2.5, 4.0):
        state = charged(InterlayerDiffusion(li_per_silicon=kappa))
        assert state.qe_uah == pytest.approx(kappa * state.moved_silicon_uah, rel=1e-12)


ACTIVE: dict[Phase, set[str]] = {
    "charge": {"charge"}, "discharge": {"discharge"}, "both": {"charge", "discharge"},
    "rest": {"rest"}, "time": {"charge", "rest", "discharge"},
    "concentration": {"storage", "charge", "rest", "discharge"}, "none": set(),
}  # fmt: skip


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("law", ["diffusion", "sqrt"])
def test_silicon_moves_in_the_phases_that_drive_it_and_in_no_other(phase: Phase, law: str) -> None:
    kind = InterlayerDiffusion if law == "diffusion" else ReducedLaw
    cell = Cell(CellParameters(growth=kind(phase=phase)))
    moved = {}
    state = cell.pristine()
    for name, current in (("storage", 0.0), ("charge", 10.0), ("rest", 0.0), ("discharge", -10.0)):
        after = cell.step(state, (2 if current < 0 else 3) * HOUR_S, current_ua=current)
        moved[name] = after.moved_silicon_uah - state.moved_silicon_uah
        state = after
    assert {name for name, amount in moved.items() if amount > 0} == ACTIVE[phase]


def test_a_law_that_follows_current_weighs_currents_by_their_exponent() -> None:
    for exponent, ratio in ((0.0, 1.0), (1.0, 2.0), (-1.0, 0.5)):
        growth = ReducedLaw(law="power", exponent=1.0, clock_ua_cm2=5.0, current_exponent=exponent)
        cell = Cell(CellParameters(growth=growth))
        slow = cell.step(cell.pristine(), 2 * HOUR_S, current_ua=8.75)
        fast = cell.step(cell.pristine(), HOUR_S, current_ua=17.5)
        assert fast.moved_silicon_uah / slow.moved_silicon_uah == pytest.approx(ratio)


def test_lithium_is_bound_only_where_there_is_some() -> None:
    # Silicon that moves in storage finds no free lithium; the first charge pays the debt.
    cell = Cell(CellParameters(growth=InterlayerDiffusion(phase="concentration")))
    stored = cell.step(cell.pristine(), 500 * HOUR_S, current_ua=0.0)
    assert stored.moved_silicon_uah > 0.5
    assert stored.qe_uah == 0.0
    state = cell.step(stored, 4 * HOUR_S, current_ua=10.0)
    assert state.qe_uah == pytest.approx(4 * state.moved_silicon_uah, rel=1e-9)
    assert state.qc_uah == pytest.approx(state.qa_uah + state.qe_uah, abs=1e-9)


def test_the_film_cannot_give_more_silicon_than_it_has() -> None:
    for growth in (
        InterlayerDiffusion(diffusivity_nm2_cm2_uah=1e5, inlet_nm_cm2_uah=1e5),
        ReducedLaw(law="power", amplitude_uah_cm2=1e4),
    ):
        state = charged(growth, hours=1.0)
        film = state.parameters.silicon_uah_cm2
        assert per_cm2(state) == pytest.approx(0.999 * film, rel=1e-9)
        assert state.qc_uah == pytest.approx(state.qa_uah + state.qe_uah, abs=1e-8)


def test_a_thin_electrolyte_saturates_and_then_takes_no_more() -> None:
    growth = InterlayerDiffusion(diffusivity_nm2_cm2_uah=300.0, inlet_nm_cm2_uah=300.0)
    thin = half_cell(CellParameters(growth=growth), electrolyte_nm=100.0)
    run = run_protocol(Cell(thin), half_cell_protocol(8))
    amount = [saturation(state) for state in run.ends("discharge")]
    assert amount[0] > 0.8
    assert all(np.diff(amount) >= 0)
    assert amount[-1] == pytest.approx(1.0, abs=1e-3)
    reduced = ReducedLaw(law="sqrt", amplitude_uah_cm2=50.0)
    run = run_protocol(Cell(replace(thin, growth=reduced)), half_cell_protocol(2))
    assert saturation(run.states[-1]) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("law", LAWS)
def test_a_reduced_law_is_met_exactly_whatever_the_steps(law) -> None:
    growth = ReducedLaw(law=law, amplitude_uah_cm2=0.8, scale_uah_cm2=20.0, exponent=0.7)
    state = charged(growth)
    assert per_cm2(state) == pytest.approx(growth.silicon_uah_cm2(50.0 / 1.75), rel=1e-9)


def test_laws_have_the_limits_of_their_physics() -> None:
    def at(law, q):
        return ReducedLaw(law=law, amplitude_uah_cm2=2.0, scale_uah_cm2=10.0).silicon_uah_cm2(q)

    assert at("sqrt", 40.0) == pytest.approx(4.0)
    assert at("power", 40.0) == pytest.approx(4.0)
    assert at("exponential", 1e4) == pytest.approx(2.0)
    assert at("logarithmic", 10.0) == pytest.approx(2.0 * math.log(2.0))
    assert at("linear-parabolic", 1e-6) == pytest.approx(1e-7, rel=1e-4)  # injection: linear
    assert at("linear-parabolic", 1e8) == pytest.approx(2.0 * math.sqrt(1e7), rel=1e-3)  # transport


@given(st.floats(0.0, 1e5), st.floats(0.0, 1e5), st.sampled_from(LAWS))
def test_no_law_gives_silicon_back(q, more, law) -> None:
    growth = ReducedLaw(law=law)
    assert growth.silicon_uah_cm2(q + more) >= growth.silicon_uah_cm2(q) >= 0.0


def test_a_law_without_depth_fills_the_electrolyte_from_the_anode() -> None:
    state = charged(ReducedLaw(amplitude_uah_cm2=2.0))
    p = state.parameters
    silicon = silicon_by_depth(state)
    held = p.site_uah_cm2_nm * float(np.dot(silicon, np.diff(p.electrolyte_edges_nm)))
    assert held == pytest.approx(per_cm2(state), rel=1e-9)
    assert all(np.diff(silicon) <= 0)
    reach = per_cm2(state) / (0.5 * p.site_uah_cm2_nm)
    assert interlayer_nm(state) == pytest.approx(0.9 * reach, rel=1e-6)


def test_numpy_spreads_silicon_as_the_compiled_cell_does() -> None:
    growth = InterlayerDiffusion(diffusivity_nm2_cm2_uah=9.0)
    fast = Cell(CellParameters(growth=growth))
    slow = Cell(fast.parameters, engine="numpy")
    states = [cell.step(cell.pristine(), 1800.0, current_ua=10.0) for cell in (fast, slow)]
    assert states[0].silicon == pytest.approx(states[1].silicon, rel=1e-9, abs=1e-15)
    assert _reference.driver()["one_step"] is _reference.one_step


def test_products_are_balanced() -> None:
    for product in PRODUCTS:
        if "->" not in product.reaction:
            continue
        sides = []
        for side in product.reaction.split("->"):
            count: dict[str, float] = {}
            for term in side.split(" + "):
                *number, formula = term.split()
                for symbol, atoms in parse_formula(formula):
                    factor = float(number[0]) if number else 1.0
                    count[symbol] = count.get(symbol, 0.0) + factor * atoms
            sides.append(count)
        assert sides[0] == sides[1], product.name


@pytest.mark.parametrize(
    ("kind", "change", "error"),
    [
        (InterlayerDiffusion, {"phase": "weekends"}, BadInput),
        (InterlayerDiffusion, {"li_per_silicon": -1.0}, OutOfRange),
        (InterlayerDiffusion, {"saturation": 0.0}, OutOfRange),
        (InterlayerDiffusion, {"start": 0.9}, OutOfRange),
        (ReducedLaw, {"law": "moore"}, BadInput),
        (ReducedLaw, {"scale_uah_cm2": 0.0}, OutOfRange),
    ],
)
def test_growth_that_cannot_be_is_refused(kind, change, error) -> None:
    with pytest.raises(error):
        kind(**change)
