"""The fit: it finds what data determine, keeps the whole covariance, says when it cannot."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pytest
from made import described_run, pristine_model, vector
from numpy.typing import NDArray
from scipy import linalg

from lidepth.analysis.build import interface_energies_kev
from lidepth.analysis.calibrate import (
    Calibrated,
    calibrate,
    fit_mask,
    misfit_factor,
    misfit_probability,
    pristine_setting,
)
from lidepth.analysis.fit import Observation, Solution, Tie, solve, state_prior
from lidepth.analysis.forward import ANODE, CATHODE, ForwardModel, Setting, region_rows
from lidepth.analysis.invert import working_model
from lidepth.errors import BadData, NotConverged
from lidepth.model.cycling import StateSpectrum
from lidepth.model.result import Run
from lidepth.virtual.plan import paper_stack

Floats = NDArray[np.float64]

DAY_S = 86400.0
TRUE = {
    "areal__0": 1.035, "areal__3": 1.015, "areal__4": 0.98, "stopping__3": 1.02,
    "content__3": 1.02, "offset": 3.1, "gain": 3.004, "fwhm": 19.0, "flux": 3.1e-3,
    "ratio": 1.01,
}  # fmt: skip


def summed(counts_per_bin: Floats, channels: int) -> StateSpectrum:
    """A day of pristine spectra with these counts per bin, spread over the bins' channels."""
    per_bin = channels // counts_per_bin.size
    return StateSpectrum(
        name="pristine", cycle=0, start_s=0.0, stop_s=DAY_S,
        counts=np.repeat(counts_per_bin / per_bin, per_bin), live_s=DAY_S, monitor=np.nan,
        indices=(0,),
    )  # fmt: skip


@dataclass(frozen=True)
class Calibration:
    """A pristine cell whose counts are their expectation at true parameters, and its fit."""

    run: Run
    model: ForwardModel
    true: Floats
    found: Calibrated


@lru_cache
def noise_free() -> Calibration:
    run = described_run()
    model = pristine_model(run)
    true = vector(model, **TRUE)
    setting = Setting(exposure=DAY_S, live_s=DAY_S)
    expected = model.predict(true, setting, np.zeros(model.state_size)).total
    found = calibrate(run, model, summed(expected, run.series.channels))
    return Calibration(run=run, model=model, true=true, found=found)


def test_self_calibration_finds_the_edges_from_which_depth_is_read() -> None:
    """Thickness, stopping and energy scale trade places; where the edges lie is determined."""
    made = noise_free()
    shared, model = made.found.solution.shared, made.found.model
    gain, offset = (model.parameters.get(shared, name, 0.0) for name in ("gain", "offset"))
    truth = interface_energies_kev(made.model, made.true)
    before = interface_energies_kev(made.model, made.model.parameters.start)
    found = interface_energies_kev(model, shared)
    for role in truth:
        for side in (0, 1):
            channel = (truth[role][side] - TRUE["offset"]) / TRUE["gain"]
            seen = (found[role][side] - offset) / gain
            started = (before[role][side] - 2.0) / 3.0
            # 0.3 keV is the statistical error of an edge after a day; what was believed before
            # was ten times as far off.
            assert abs(seen - channel) * 3.0 < 0.3, role
            assert abs(started - channel) * 3.0 > 3.0, role


def test_self_calibration_finds_counts_per_lithium_scale_and_resolution() -> None:
    """Within its own stated errors, which are well below what was believed before."""
    made = noise_free()
    for name in ("fwhm", "gain", "areal:0"):
        fitted = made.found.result[name]
        assert abs(fitted.value - TRUE[name.replace(":", "__")]) < 2.0 * fitted.std, name
        assert fitted.std < 0.6 * fitted.prior_std, name


def test_counts_that_equal_their_expectation_leave_no_residual() -> None:
    fit = noise_free().found.result.fit
    # Priors pull a little: a hundredth of a standard deviation per bin, 500 bins.
    assert fit.deviance < 0.5
    assert misfit_probability(fit) > 0.99
    assert misfit_factor(fit) == 1.0
    assert noise_free().found.result.warnings == ()


def test_a_spectrum_that_the_model_cannot_make_widens_the_common_errors() -> None:
    fit = noise_free().found.result.fit
    ripple = fit.counts * (1.0 + 0.1 * np.sin(np.arange(fit.counts.size) / 6.0))
    worse = replace(fit, counts=ripple)
    assert misfit_probability(worse) < 1e-3
    expected = np.sqrt(worse.deviance / worse.degrees_of_freedom)
    assert misfit_factor(worse) == pytest.approx(expected)
    assert expected > 1.1


# --- the arrow -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """A pristine spectrum and two states, with counts equal to their expectation."""

    model: ForwardModel
    mask: NDArray[np.bool_]
    seen: tuple[Observation, ...]
    shared: Floats
    states: Floats


@lru_cache
def problem() -> Problem:
    made = noise_free()
    model = working_model(made.run, made.found.model)
    extra = len(model.parameters) - len(made.found.model.parameters)
    shared = np.concatenate([made.found.solution.shared, model.parameters.start[-extra:]])
    states = np.zeros((3, model.state_size))
    states[1, [ANODE, CATHODE]] = 700.0, 720.0
    states[2, [ANODE, CATHODE]] = 60.0, 80.0
    seen = [made.found.observation]
    for place in (1, 2):
        seen.append(_observation(model, shared, states[place], cycle=float(place)))
    return Problem(model, made.found.mask, tuple(seen), shared, states)


def _observation(model: ForwardModel, shared: Floats, state: Floats, cycle: float) -> Observation:
    setting = Setting(exposure=7200.0, live_s=7200.0, run_fraction=cycle / 2, cycle=cycle)
    deviation = model.basis.covariance(amplitude=0.05, bulk=0.002)
    free, prior, precision = state_prior(model, flux_std=0.005, deviation=deviation)
    anode, electrolyte, cathode = region_rows(model)
    none = np.zeros(len(model.parameters))
    ties = (
        Tie(state_row=anode + electrolyte - cathode, shared_row=none, value=0.0, std=1.5),
        Tie(state_row=cathode, shared_row=none, value=state[CATHODE], std=0.5),
    )
    return Observation(
        label=f"cycle {cycle:g}", counts=model.predict(shared, setting, state).total,
        setting=setting, free=free, prior=prior, precision=precision, ties=ties,
    )  # fmt: skip


@lru_cache
def solved() -> Solution:
    p = problem()
    return solve(p.model, p.seen, mask=p.mask, shared=p.shared, states=p.states, most=40)


def dense_precision(solution: Solution) -> Floats:
    """The normal matrix written out: data, priors and ties of all states and all shared."""
    from lidepth.analysis.sensitivity import Sensitivity

    p = problem()
    model, size, count = p.model, p.model.state_size, p.shared.size
    whole = np.zeros((3 * size + count, 3 * size + count))
    shared_block = slice(3 * size, None)
    whole[shared_block, shared_block] = model.parameters.precision
    for place, seen in enumerate(p.seen):
        state = solution.states[place]
        at = model.predict(solution.shared, seen.setting, state)
        moves = Sensitivity(
            model=model, shared=solution.shared, setting=seen.setting, state=state, at=at
        )
        rows = np.zeros((int(p.mask.sum()), len(whole)))
        own = slice(place * size, (place + 1) * size)
        rows[:, own] = moves.by_state[p.mask] * seen.free
        rows[:, shared_block] = moves.by_shared[p.mask]
        whole += rows.T @ (rows / (at.total[p.mask] + 0.01)[:, None])
        whole[own, own] += seen.precision + np.diag((~seen.free).astype(float))
        for tie in seen.ties:
            row = np.zeros(len(whole))
            row[own] = tie.state_row
            row[shared_block] = tie.shared_row + tie.state_row @ model.lift(seen.setting)
            whole += np.outer(row, row) / tie.std**2
    return whole


def inverse(matrix: Floats) -> Floats:
    scale = 1.0 / np.sqrt(np.diag(matrix))
    scaled = linalg.inv(matrix * np.outer(scale, scale))
    return np.asarray(scaled * np.outer(scale, scale))


def assert_same_covariance(found: Floats, expected: Floats) -> None:
    """Equal to a millionth of the standard deviations: the matrix's condition costs ten digits."""
    std = np.sqrt(np.diag(expected))
    unit = np.where(std > 0, std, 1.0)
    np.testing.assert_allclose(
        found / np.outer(unit, unit), expected / np.outer(unit, unit), atol=1e-5
    )


def test_the_arrow_holds_the_whole_covariance() -> None:
    """State blocks, leverage and shared block together are the inverse of the dense matrix."""
    solution = solved()
    p, size = problem(), problem().model.state_size
    dense = inverse(dense_precision(solution))
    shared_block = slice(3 * size, None)
    assert_same_covariance(solution.shared_covariance, dense[shared_block, shared_block])
    levers = solution.leverage
    for i, seen in enumerate(p.seen):
        if not np.any(seen.free):
            continue
        own = slice(i * size, (i + 1) * size)
        lever = levers[i] @ solution.shared_covariance
        assert_same_covariance(solution.local[i] + lever @ levers[i].T, dense[own, own])
        unit = np.outer(
            np.sqrt(np.diag(dense[own, own])), np.sqrt(np.diag(dense[shared_block, shared_block]))
        )
        np.testing.assert_allclose(lever / unit, dense[own, shared_block] / unit, atol=1e-5)


def test_counts_at_their_expectation_move_the_fit_by_less_than_its_tolerance() -> None:
    solution = solved()
    p = problem()
    std = np.sqrt(np.diag(solution.shared_covariance))
    # The start was the truth of the states; only the priors of the stack pull, within the
    # 0.1 standard deviations to which a fit is carried.
    assert np.max(np.abs(solution.shared - p.shared) / std) < 0.3
    for place in (1, 2):
        spread = np.sqrt(np.diag(solution.local[place]))
        assert np.max(np.abs(solution.states[place] - p.states[place]) / spread) < 0.5


def test_a_start_far_away_ends_in_the_same_place() -> None:
    p = problem()
    far = p.states.copy()
    far[1:, ANODE] *= 0.7
    far[1:, CATHODE] *= 1.2
    shared = p.shared.copy()
    shared[p.model.parameters.index["areal:0"]] += 0.01
    again = solve(p.model, p.seen, mask=p.mask, shared=shared, states=far, most=40)
    std = np.sqrt(np.diag(solved().shared_covariance))
    # Both stop within 0.1 standard deviations of the optimum.
    assert np.max(np.abs(again.shared - solved().shared) / std) < 0.25
    assert again.objective == pytest.approx(solved().objective, abs=0.02)


def test_held_shared_parameters_do_not_move() -> None:
    p = problem()
    held = solve(p.model, p.seen, mask=p.mask, shared=p.shared, states=p.states, hold_shared=True)
    np.testing.assert_array_equal(held.shared, p.shared)
    assert not np.any(held.shared_covariance)
    assert np.any(held.leverage[1])


# --- when it cannot ------------------------------------------------------------------------------


def test_a_fit_that_is_not_given_enough_passes_says_so() -> None:
    p = problem()
    shared = p.shared.copy()
    shared[p.model.parameters.index["areal:0"]] += 0.1
    with pytest.raises(NotConverged, match=r"still moves by .* after 1 passes") as caught:
        solve(p.model, p.seen, mask=p.mask, shared=shared, states=p.states, most=1)
    assert "overlayer" in caught.value.remedy


def test_a_fit_that_cannot_settle_blames_the_description(monkeypatch: pytest.MonkeyPatch) -> None:
    from lidepth.analysis import calibrate as room

    def never(*_: object, **__: object) -> Solution:
        raise NotConverged("the fit still moves by 7 standard deviations after 80 passes")

    made = noise_free()
    monkeypatch.setattr(room, "solve", never)
    with pytest.raises(BadData, match="cannot be fitted: the fit still moves by 7") as caught:
        calibrate(made.run, pristine_model(made.run), _day(made))
    assert "layer thicknesses" in caught.value.remedy


def _day(made: Calibration) -> StateSpectrum:
    counts = made.found.observation.counts
    return summed(counts, made.run.series.channels)


def badly_described(overlayer_nm: float) -> Run:
    """The cell of a 2000 nm overlayer, described with another one that is sure to one per cent."""
    stack = paper_stack(overlayer_nm)
    sure = tuple(replace(layer, thickness_rel_std=0.01) for layer in stack)
    return replace(noise_free().run, stack=replace(stack, layers=sure))


def verdict(run: Run) -> str:
    """What is said of a day of the good cell's spectra under this description."""
    try:
        found = calibrate(run, pristine_model(run), _day(noise_free()))
    except BadData as error:
        return error.what
    return "; ".join(found.result.warnings)


def test_a_hopeless_description_is_never_believed() -> None:
    """Refused, or fitted with a loud warning: where a fit from far away ends is chance."""
    said = verdict(badly_described(4000.0))
    words = ("pristine spectrum cannot be fitted", "fit is not credible", "areal density: fitted")
    assert any(word in said for word in words)


def test_a_wrong_description_that_can_be_fitted_is_named() -> None:
    assert "packaging areal density: fitted 0.7" in verdict(badly_described(3000.0))


def test_a_spectrum_without_tritons_is_refused() -> None:
    made = noise_free()
    empty = summed(np.zeros(512), made.run.series.channels)
    with pytest.raises(BadData, match="only 0 counts where tritons"):
        calibrate(made.run, pristine_model(made.run), empty)


def test_a_stack_whose_alphas_cannot_leave_is_named() -> None:
    made = noise_free()
    run = replace(made.run, stack=paper_stack(9000.0))
    with pytest.raises(BadData, match="no alpha from the electrolyte can leave") as caught:
        calibrate(run, pristine_model(run), _day(made))
    assert caught.value.where == "cell.stack"


def test_an_energy_axis_with_hardly_a_bin_is_refused() -> None:
    model = pristine_model(noise_free().run)
    few = replace(model, channel_edges=np.linspace(0.0, 1024.0, 41))
    assert np.count_nonzero(fit_mask(model, model.parameters.start)) >= 50
    with pytest.raises(BadData, match="fewer than 50 bins"):
        fit_mask(few, few.parameters.start)


def test_pristine_exposure_is_its_live_time_by_definition() -> None:
    setting = pristine_setting(_day(noise_free()))
    assert (setting.exposure, setting.live_s, setting.cycle) == (DAY_S, DAY_S, 0.0)
