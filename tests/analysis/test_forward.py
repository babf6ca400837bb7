"""The forward model: nothing gets lost in it, and its derivatives are derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from made import cell_at_work, described_run, pristine_model, vector
from numpy.typing import NDArray

from lidepth.analysis.build import interface_energies_kev, require_escape
from lidepth.analysis.forward import (
    ANODE,
    CATHODE,
    HATS,
    LNBACK,
    LNFLUX,
    OFFSET,
    ForwardModel,
    Setting,
    region_rows,
)
from lidepth.analysis.parameters import knot_weights
from lidepth.analysis.sensitivity import Sensitivity
from lidepth.errors import BadData
from lidepth.virtual.plan import paper_stack

Floats = NDArray[np.float64]

CYCLED = Setting(exposure=3600.0, live_s=3500.0, run_fraction=0.6, cycle=2.5)
BUILDS = {"normal": 0.0, "slanted": 25.0}


@lru_cache
def model_of(build: str) -> ForwardModel:
    return cell_at_work(described_run(exit_angle_deg=BUILDS[build]))


@lru_cache
def worked(build: str) -> tuple[ForwardModel, Floats, Floats]:
    """A cell at work, everything away from its start: the model, shared parameters, a state."""
    model = model_of(build)
    shared = vector(
        model, areal__0=1.04, stopping__3=1.02, shape__3=0.01, content__3=1.01, triton__4=0.99,
        tail=0.02, tail_length=25.0, roughness=3.0, straggling=1.05, eps_li=1.03, gain_drift=2e-4,
        offset_drift=0.4, silicon__0=22.0, silicon__1=15.0, profile__0__0=0.05, profile__1__2=0.02,
    )  # fmt: skip
    state = np.zeros(model.state_size)
    state[[LNFLUX, OFFSET, LNBACK, ANODE, CATHODE]] = 0.01, 0.3, 0.05, 650.0, 700.0
    state[HATS:] = 0.01 * np.cos(np.arange(model.hats))
    return model, shared, state


def assert_column(closed: Floats, difference: Floats, name: str) -> None:
    """A derivative agrees with central differences to a thousandth of its largest value.

    Bins are cut at eight sigma and stopping is straight between points of the tables: central
    differences know no better.  A thousandth is what a fit bears: nearly degenerate parameters
    cancel a hundredfold.
    """
    largest = np.abs(difference).max()
    np.testing.assert_allclose(closed, difference, atol=1e-3 * largest, err_msg=name)


def central(of: Callable[[Floats], Floats], at: Floats, place: int, step: float) -> Floats:
    ahead, behind = at.copy(), at.copy()
    ahead[place] += step
    behind[place] -= step
    return np.asarray((of(ahead) - of(behind)) / (2 * step))


def moves_of(model: ForwardModel, shared: Floats, state: Floats) -> Sensitivity:
    at = model.predict(shared, CYCLED, state)
    return Sensitivity(model=model, shared=shared, setting=CYCLED, state=state, at=at)


STEPS = {LNFLUX: 1e-4, OFFSET: 1e-2, LNBACK: 1e-4, ANODE: 0.5, CATHODE: 0.5}


@pytest.mark.parametrize("build", BUILDS)
def test_derivatives_by_the_state_are_central_differences(build: str) -> None:
    model, shared, state = worked(build)
    jacobian = moves_of(model, shared, state).by_state
    for place in range(model.state_size):
        difference = central(
            lambda s: model.predict(shared, CYCLED, s).total, state, place, STEPS.get(place, 1e-4)
        )
        assert_column(jacobian[:, place], difference, f"state {place}")


@pytest.mark.parametrize("build", BUILDS)
def test_derivatives_by_every_shared_parameter_are_central_differences(build: str) -> None:
    model, shared, state = worked(build)
    jacobian = moves_of(model, shared, state).by_shared
    for place, parameter in enumerate(model.parameters.items):
        difference = central(
            lambda p: model.predict(p, CYCLED, state).total, shared, place, 2e-3 * parameter.scale
        )
        # The electrode's area turns lithium into charge; no spectrum depends on it.
        assert np.any(difference) == (parameter.name != "area"), parameter.name
        assert_column(jacobian[:, place], difference, parameter.name)


def test_every_kind_of_parameter_is_differentiated_above() -> None:
    """A slanted exit and a cell at work show what a fresh cell on the normal does not."""
    kinds = {name.split(":")[0] for name in model_of("slanted").parameters.names}
    assert kinds >= {"scattering", "eps_li", "gain_drift", "offset_drift", "silicon", "profile"}


def test_derivatives_by_cell_are_those_of_lithium_put_there() -> None:
    model, shared, state = worked("normal")
    moves = moves_of(model, shared, state)
    anode, cathode, _ = model.lithium_maps
    for direction, place in ((anode, ANODE), (cathode, CATHODE)):
        exact = moves.by_state[:, place]
        # The same sums in another order.
        np.testing.assert_allclose(
            moves.by_cell @ direction, exact, atol=1e-10 * np.abs(exact).max()
        )


def test_derivative_by_moved_silicon_is_a_central_difference() -> None:
    model, shared, state = worked("normal")
    place = model.parameters.index["silicon:0"]
    weight = knot_weights(model.knots, CYCLED.cycle)[0]
    film = model.grid.stack.layer("anode").areal_density_1e15
    difference = central(
        lambda p: model.predict(p, CYCLED, state).total, shared, place, 1e-3 * film
    )
    assert_column(weight * moves_of(model, shared, state).by_silicon, difference, "silicon")


# --- what is conserved ---------------------------------------------------------------------------


def wide_model() -> ForwardModel:
    """The cell with bins from far below the cathode's alphas to far above the tritons."""
    return replace(model_of("normal"), channel_edges=np.arange(0.0, 1400.0, 2.0))


def test_every_particle_born_is_counted_once() -> None:
    _, shared, state = worked("normal")
    model = wide_model()
    at = model.predict(shared, CYCLED, state)
    for particle in model.particles:
        expected = at.born.sum() * model.share(particle, shared)
        # Eight sigma of the widest line are on the axis; a tail of 25 keV loses e^-10 at its end.
        assert at.raw[particle.name].sum() == pytest.approx(expected, rel=1e-9)
        assert at.components[particle.name].sum() == pytest.approx(expected, rel=1e-5)


def test_the_tail_moves_counts_down_and_loses_none() -> None:
    _, shared, _ = worked("normal")
    model = wide_model()
    line = np.zeros(model.channel_edges.size - 1)
    line[400] = 1000.0
    tailed = model.tailed(shared, line)
    assert tailed.sum() == pytest.approx(1000.0, rel=1e-12)
    assert not np.any(tailed[401:])
    middle = np.arange(line.size) @ tailed / 1000.0
    # 2 % of the counts lose 25 keV on average, in bins of 6 keV (to within half a bin of those).
    assert (400 - middle) * 6.0 == pytest.approx(0.02 * 25.0, abs=0.02 * 3.5)
    np.testing.assert_array_equal(model.tailed(vector(model), line), line)


def test_lithium_is_where_the_state_says_and_nowhere_else() -> None:
    model, shared, state = worked("normal")
    whole = state + model.lift(CYCLED) @ shared
    gained = model.gained(shared, CYCLED, state)
    electrolyte = model.grid.of("electrolyte")
    rows = region_rows(model) @ whole
    assert gained[model.grid.of("anode")].sum() == pytest.approx(650.0, rel=1e-12)
    assert gained[model.grid.of("cathode")].sum() == pytest.approx(-700.0, rel=1e-12)
    assert gained[electrolyte].sum() == pytest.approx(rows[1], rel=1e-12)
    assert rows[[0, 2]] == pytest.approx([650.0, 700.0])
    assert gained.sum() == pytest.approx(rows[0] + rows[1] - rows[2], rel=1e-9)
    assert not np.any(gained[model.grid.layer < model.grid.stack.index("anode")])


def test_hats_of_equal_height_are_an_evenly_enriched_electrolyte() -> None:
    model, _, _ = worked("normal")
    _, _, hats = model.lithium_maps
    even = hats @ np.ones(model.hats)
    electrolyte = model.grid.of("electrolyte")
    np.testing.assert_allclose(even[electrolyte], model.grid.lithium_1e15[electrolyte], rtol=1e-12)


def test_silicon_that_arrives_in_the_electrolyte_has_left_the_anode() -> None:
    model, shared, _ = worked("normal")
    grid, profile = model.grid, model.silicon_profile(shared)
    assert profile.sum() == pytest.approx(0.0, abs=1e-12)
    assert profile[grid.of("anode")].sum() == pytest.approx(-1.0)
    top = grid.of("electrolyte")[:15]
    assert np.all(np.diff(profile[top] / grid.share[top]) < 0)
    assert not np.any(profile[grid.of("cathode")])


def test_moved_silicon_is_linear_between_its_knots_and_none_before_the_first_cycle() -> None:
    model, shared, _ = worked("normal")
    found = [
        model.silicon(shared, Setting(exposure=1.0, live_s=1.0, cycle=cycle))
        for cycle in (0.0, 1.0, 2.0, 4.0, 6.0, 9.0)
    ]
    assert found == pytest.approx([0.0, 11.0, 22.0, 29.5, 37.0, 37.0])


def test_more_beam_is_more_particles_and_more_live_time_more_background() -> None:
    model, shared, state = worked("normal")
    at = model.predict(shared, CYCLED, state)
    double = Setting(exposure=7200.0, live_s=10500.0, run_fraction=0.6, cycle=2.5)
    more = model.predict(shared, double, state).components
    np.testing.assert_allclose(more["alpha"], 2.0 * at.components["alpha"])
    np.testing.assert_allclose(more["background"], 3.0 * at.components["background"])


def test_a_steeper_exit_lowers_every_edge() -> None:
    straight, slanted = (pristine_model(described_run(exit_angle_deg=a)) for a in (0.0, 25.0))
    upright = interface_energies_kev(straight, straight.parameters.start)
    inclined = interface_energies_kev(slanted, slanted.parameters.start)
    for role, (low, high) in upright.items():
        assert inclined[role][0] < low - 10
        assert inclined[role][1] < high - 10
        assert low < high


def test_a_stack_that_no_alpha_can_leave_is_refused_by_its_name() -> None:
    model = pristine_model(described_run(stack=paper_stack(9000.0)))
    with pytest.raises(BadData, match="no alpha from the electrolyte can leave") as caught:
        require_escape(model, model.parameters.start)
    assert caught.value.where == "cell.stack"
