"""The slab beside the default: closed forms, recovery, evidence, and how far the two may differ."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lidepth.analysis.fit import EMPTY, Observation
from lidepth.analysis.forward import ANODE, CATHODE, HATS, Setting, region_rows
from lidepth.analysis.sensitivity import Sensitivity
from lidepth.analysis.slab.disagreement import model_error
from lidepth.analysis.slab.evidence import Grid, front_grid, posterior, quantiles
from lidepth.analysis.slab.find import SlabStates, slab_states
from lidepth.analysis.slab.front import Fronts, front
from lidepth.analysis.slab.linear import Quadratic, quadratic, slab_rows
from lidepth.analysis.slab.model import (
    AMOUNT,
    AMOUNT_STD,
    BULK,
    LNREACH,
    LNWIDTH,
    SLAB_SIZE,
    SlabModel,
    slab_model,
)
from lidepth.analysis.slab.nested import nested_evidence, sample_state, state_likelihood
from lidepth.analysis.slab.settle import settle
from lidepth.analysis.slab.together import run_ln_bayes
from lidepth.errors import BadInput

if TYPE_CHECKING:
    from conftest import Fitted, Small

Floats = NDArray[np.float64]
EDGES = np.array([0.0, 30.0, 70.0, 120.0, 200.0, 400.0, 900.0, 2000.0])
LENGTHS = st.floats(1e-3, 3e3)


# --- the profile ---------------------------------------------------------------------------------


@given(LENGTHS, LENGTHS)
def test_the_slab_s_lithium_is_all_in_the_cells_whatever_its_shape(
    reach: float, width: float
) -> None:
    one = front(EDGES, reach, width)
    assert np.all(one.shares >= 0.0)
    # Rounding of differences of integrals that reach 3e3 + 2e3 nm.
    np.testing.assert_allclose(one.shares.sum(), 1.0, atol=1e-9)
    np.testing.assert_allclose(one.slopes.sum(axis=1), 0.0, atol=1e-7)
    assert 0.0 < one.thickness_nm[0] <= 2.0 * EDGES[-1]


def test_a_sharp_front_is_a_box_and_a_thin_slab_is_in_the_first_cell() -> None:
    box = front(EDGES, 150.0, 0.0)
    np.testing.assert_allclose(
        box.shares[0], [30, 40, 50, 30, 0, 0, 0] / np.float64(150), atol=1e-9
    )
    np.testing.assert_allclose(box.thickness_nm, 150.0, atol=1e-6)
    np.testing.assert_allclose(box.content_nm, 150.0, atol=1e-6)
    np.testing.assert_allclose(front(EDGES, 0.0, 0.0).shares[0], np.eye(7)[0], atol=1e-9)


@given(st.floats(10.0, 600.0), st.floats(10.0, 300.0))
def test_cells_hold_the_integral_of_the_profile(reach: float, width: float) -> None:
    from scipy.special import ndtr

    depth = np.linspace(0.0, EDGES[-1], 40001)
    density = ndtr((reach - depth) / width)
    middle = 0.5 * (density[1:] + density[:-1]) * np.diff(depth)
    whole = np.concatenate([[0.0], np.cumsum(middle)])
    one = front(EDGES, reach, width)
    # The trapezoid of steps of 0.05 nm on a front of 10 nm is good to 1e-6.
    np.testing.assert_allclose(
        one.shares[0], np.diff(np.interp(EDGES, depth, whole)) / whole[-1], atol=1e-5
    )
    moment = np.sum(middle * 0.5 * (depth[1:] + depth[:-1])) / whole[-1]
    np.testing.assert_allclose(one.thickness_nm, 2.0 * moment, rtol=1e-4)
    np.testing.assert_allclose(one.content_nm, whole[-1], rtol=1e-5)


@given(st.floats(10.0, 600.0), st.floats(10.0, 300.0))
def test_slopes_are_those_of_the_shares(reach: float, width: float) -> None:
    step = 1e-5
    ups = Fronts(
        edges_nm=EDGES, reach_nm=reach * np.exp([step, -step, 0, 0]),
        width_nm=width * np.exp([0, 0, step, -step]),
    ).shares  # fmt: skip
    slopes = np.stack([ups[0] - ups[1], ups[2] - ups[3]], axis=1) / (2 * step)
    # Central differences: rounding 1e-16 / 1e-5, curvature 1e-10.
    np.testing.assert_allclose(front(EDGES, reach, width).slopes[0], slopes, atol=1e-7)


# --- the model -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def states(small: Small, fitted: Fitted) -> SlabStates:
    return slab_states(small.run, fitted.calibrated, fitted.inversion)


def slab_state(states: SlabStates, *, amount: float, reach: float = 180.0) -> Floats:
    """A discharged state with ``amount`` of the first charge in a slab."""
    first = states.amount_std_1e15 / AMOUNT_STD
    vector = np.zeros(SLAB_SIZE)
    vector[ANODE], vector[AMOUNT] = 0.06 * first, amount * first
    vector[CATHODE] = vector[ANODE] + vector[AMOUNT]
    vector[LNREACH], vector[LNWIDTH] = np.log(reach), np.log(60.0)
    return vector


def seen_with(
    states: SlabStates, vector: Floats, *, rng: np.random.Generator | None, longer: float = 1.0
) -> Observation:
    """The last state's observation as ``vector`` would make it; without ``rng`` without noise."""
    last = states.observations[-1]
    setting = replace(
        last.setting, exposure=longer * last.setting.exposure, live_s=longer * last.setting.live_s
    )
    total = np.maximum(states.slab.predict(states.shared, setting, vector).total, 0.0)
    counts = total if rng is None else rng.poisson(total).astype(np.float64)
    ties = tuple(
        replace(tie, value=float(tie.state_row @ vector + tie.shared_row @ states.shared))
        for tie in last.ties
    )
    return replace(last, counts=counts, setting=setting, ties=ties)


def test_a_slab_conserves_what_its_state_says(states: SlabStates) -> None:
    slab = states.slab
    vector = slab_state(states, amount=0.2)
    vector[BULK] = 0.002
    gained = slab.gained(states.shared, Setting(exposure=1.0, live_s=1.0), vector)
    of_regions = [gained[slab.grid.of(r)].sum() for r in ("anode", "electrolyte", "cathode")]
    np.testing.assert_allclose(region_rows(slab) @ vector, of_regions * np.array([1, 1, -1]))


def test_counts_move_as_the_slab_s_jacobian_says(states: SlabStates) -> None:
    slab, seen = states.slab, states.observations[-1]
    vector = slab_state(states, amount=0.2)
    at = slab.predict(states.shared, seen.setting, vector)
    jacobian = Sensitivity(
        model=slab, shared=states.shared, setting=seen.setting, state=vector, at=at
    ).by_state
    steps = np.array([1e-4, 1e-2, 1e-4, 0.1, 0.1, 1e-5, 0.1, 1e-3, 1e-3])
    for place, step in enumerate(steps):
        ends = []
        for sign in (1.0, -1.0):
            moved = vector.copy()
            moved[place] += sign * step
            ends.append(slab.predict(states.shared, seen.setting, moved).total)
        slope = (ends[0] - ends[1]) / (2 * step)
        # 1 % of the largest slope: what curvature and one-sided steps of the analysis leave.
        np.testing.assert_allclose(
            jacobian[:, place], slope, atol=1e-2 * np.abs(slope).max(), err_msg=str(place)
        )


def test_a_tie_of_the_default_is_the_same_tie_for_a_slab(
    states: SlabStates, fitted: Fitted
) -> None:
    hats = np.zeros(fitted.inversion.model.state_size)
    hats[HATS:] = 0.01  # all hats alike are a change of the bulk
    hats[ANODE], hats[CATHODE] = 30.0, 70.0
    slab = np.zeros(SLAB_SIZE)
    slab[BULK], slab[ANODE], slab[CATHODE] = 0.01, 30.0, 70.0
    for old, new in zip(
        fitted.inversion.observations[2].ties, states.observations[2].ties, strict=True
    ):
        np.testing.assert_allclose(new.state_row @ slab, old.state_row @ hats)
        electrolyte = np.any(old.state_row[HATS:] != 0.0)
        np.testing.assert_allclose(new.state_row[AMOUNT], 1.0 if electrolyte else 0.0)


def test_a_slab_without_noise_is_found_again(states: SlabStates, fitted: Fitted) -> None:
    truth = slab_state(states, amount=0.3)
    seen = seen_with(states, truth, rng=None, longer=30.0)
    start = slab_state(states, amount=0.1, reach=60.0)
    start[CATHODE] = truth[CATHODE]
    found = settle(states.slab, seen, fitted.calibrated.mask, states.shared, start)
    std = np.sqrt(np.diag(np.linalg.inv(found.normal.a)))
    assert found.converged
    # The priors of shape and amount pull: by less than a third of the counting error at 30 h.
    assert np.all(np.abs(found.state - truth) < 0.33 * std), (found.state - truth) / std


# --- evidence ------------------------------------------------------------------------------------


def made_quadratic(rng: np.random.Generator, *, cells: int = 3, shared: int = 2) -> Quadratic:
    size = HATS + cells + shared
    root = rng.normal(size=(size, 2 * size))
    state = np.zeros(SLAB_SIZE)
    state[BULK] = 0.3
    return Quadratic(
        state=state, curvature=root @ root.T, gradient=rng.normal(size=size), bulk_precision=2.0,
        host_1e15=np.array([1.0, 2.0, 1.5])[:cells], slab_1e15=0.7 * np.array([0.6, 0.3, 0.1]),
    )  # fmt: skip


def one_front(cells: int = 3) -> Grid:
    shares = np.array([[0.5, 0.4, 0.1]])[:, :cells]
    one = np.ones(1)
    fronts = Fronts(edges_nm=np.arange(cells + 1.0), reach_nm=one, width_nm=one)
    return Grid(fronts=fronts, log_prior=0.0 * one, shares=shares, content_nm=one, thickness_nm=one)


def brute_ln_bayes(one: Quadratic, shares: Floats, covariance: Floats, std: float) -> float:
    """ln Bayes factor of an amount of either sign, all parameters integrated out at once."""
    cells, shared = one.host_1e15.size, len(covariance)

    def evidence(with_slab: bool) -> float:
        columns = np.zeros((one.gradient.size, HATS + 1 + shared + with_slab))
        columns[:HATS, :HATS] = np.eye(HATS)
        columns[HATS : HATS + cells, HATS] = one.host_1e15
        columns[HATS + cells :, HATS + 1 : HATS + 1 + shared] = np.eye(shared)
        prior = np.zeros((columns.shape[1], columns.shape[1]))
        prior[HATS, HATS] = one.bulk_precision
        prior[HATS + 1 : HATS + 1 + shared, HATS + 1 : HATS + 1 + shared] = np.linalg.inv(
            covariance
        )
        if with_slab:
            columns[HATS : HATS + cells, -1] = shares
            prior[-1, -1] = std**-2
        off = np.zeros(one.gradient.size)
        off[HATS : HATS + cells] = -one.slab_1e15
        pull = columns.T @ (one.gradient - one.curvature @ off)
        pull[HATS] -= one.bulk_precision * one.state[BULK]
        matrix = columns.T @ one.curvature @ columns + prior
        value = 0.5 * pull @ np.linalg.solve(matrix, pull) - 0.5 * np.linalg.slogdet(matrix)[1]
        return float(value + (0.5 * np.log(std**-2) if with_slab else 0.0))

    return evidence(True) - evidence(False)


@pytest.mark.parametrize("seed", range(5))
def test_the_state_s_factor_is_the_whole_gaussian_integral(seed: int) -> None:
    from scipy.special import log_ndtr

    one, grid = made_quadratic(np.random.default_rng(seed)), one_front()
    covariance = np.array([[0.5, 0.1], [0.1, 0.3]])
    found = posterior(one, grid, shared_covariance=covariance, amount_std_1e15=3.0)
    positive = np.log(2.0) + log_ndtr(found.mean_1e15[0] / found.std_1e15[0])
    brute = brute_ln_bayes(one, grid.shares[0], covariance, 3.0)
    np.testing.assert_allclose(found.ln_bayes, brute + positive, atol=1e-9)


def test_the_run_s_factor_of_one_state_is_that_state_s() -> None:
    one, grid = made_quadratic(np.random.default_rng(1)), one_front()
    covariance = np.array([[0.5, 0.1], [0.1, 0.3]])
    alone = posterior(one, grid, shared_covariance=covariance, amount_std_1e15=3.0)
    run = run_ln_bayes(
        [one], grid, amounts=np.array([[9.0]]), shared_information=np.linalg.inv(covariance),
        shared_gradient=np.zeros(2),
    )  # fmt: skip
    np.testing.assert_allclose(run, alone.ln_bayes, atol=1e-9)


def test_what_states_share_is_counted_once() -> None:
    """Many states that say the same through one badly known parameter add little together."""
    rng = np.random.default_rng(3)
    one, grid = made_quadratic(rng), one_front()
    vague = np.diag([50.0, 50.0])
    alone = posterior(one, grid, shared_covariance=vague, amount_std_1e15=3.0).ln_bayes
    several = [one] * 6
    run = run_ln_bayes(
        several, grid, amounts=9.0 * (np.ones((6, 6)) + 0.04 * np.eye(6)),
        shared_information=np.linalg.inv(vague), shared_gradient=np.zeros(2),
    )  # fmt: skip
    known = run_ln_bayes(
        several, grid, amounts=9.0 * (np.ones((6, 6)) + 0.04 * np.eye(6)),
        shared_information=1e9 * np.eye(2), shared_gradient=np.zeros(2),
    )  # fmt: skip
    assert np.isfinite(alone)
    assert run < known


def factor_of(
    states: SlabStates, fitted: Fitted, *, amount: float, rng: np.random.Generator
) -> float:
    truth = slab_state(states, amount=amount)
    seen = seen_with(states, truth, rng=rng)
    mask = fitted.calibrated.mask
    found = settle(states.slab, seen, mask, states.shared, truth)
    one = quadratic(states.slab, seen, mask, states.shared, found.state)
    return posterior(
        one, front_grid(states.slab, reaches=30, widths=6),
        shared_covariance=states.shared_covariance, amount_std_1e15=states.amount_std_1e15,
    ).ln_bayes  # fmt: skip


def test_no_interlayer_is_mostly_denied_and_a_thick_one_is_certain(
    states: SlabStates, fitted: Fitted
) -> None:
    rng = np.random.default_rng(11)
    none = np.array([factor_of(states, fitted, amount=0.0, rng=rng) for _ in range(8)])
    thick = factor_of(states, fitted, amount=0.3, rng=rng)
    # A factor of e^3 for a slab that is not there has a chance below e^-3 each.
    assert np.median(none) < 0.0
    assert np.sum(none > 3.0) <= 2
    assert thick > 20.0


def test_quantiles_of_a_known_distribution() -> None:
    values = np.exp(np.linspace(-6.0, 6.0, 400))
    weights = np.exp(-0.5 * np.log(values) ** 2)
    found = quantiles(values, weights, np.array([0.16, 0.5, 0.84]))
    np.testing.assert_allclose(np.log(found), [-0.994, 0.0, 0.994], atol=0.01)


# --- nested sampling -----------------------------------------------------------------------------


def test_nested_sampling_gives_the_evidence_of_a_gaussian() -> None:
    pytest.importorskip("dynesty")
    from scipy.special import ndtri

    covariance = np.array([[0.01, 0.01, 0.0], [0.01, 0.09, -0.1], [0.0, -0.1, 0.36]])
    centre = np.array([0.5, 0.3, -0.2])
    precision = np.linalg.inv(covariance)
    total = covariance + np.eye(3)
    exact = -0.5 * centre @ np.linalg.solve(total, centre) + 0.5 * (
        np.linalg.slogdet(covariance)[1] - np.linalg.slogdet(total)[1]
    )

    def likelihood(point: Floats) -> float:
        return float(-0.5 * (point - centre) @ precision @ (point - centre))

    one = nested_evidence(likelihood, ndtri, 3, seed=3)
    again = nested_evidence(likelihood, ndtri, 3, seed=3)
    assert one.ln_evidence == again.ln_evidence
    assert abs(one.ln_evidence - exact) < 3.0 * one.ln_evidence_std
    assert one.ln_evidence_std < 0.3


def test_without_dynesty_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dynesty", None)
    with pytest.raises(BadInput, match=r"lidepth\[evidence\]"):
        nested_evidence(lambda _: 0.0, lambda unit: unit, 1, seed=1)


def test_no_slab_however_absurd_beats_the_best_one(states: SlabStates, fitted: Fitted) -> None:
    """Far from the optimum the expansion of the nuisances must not promise what is not there."""
    one = states.quadratics[-1]
    exact = state_likelihood(
        states.slab, states.observations[-1], fitted.calibrated.mask, states.shared, one,
        shared_covariance=states.shared_covariance,
    )  # fmt: skip
    state = one.state
    best = exact.at(state[AMOUNT], float(np.exp(state[LNREACH])), float(np.exp(state[LNWIDTH])))
    rng = np.random.default_rng(4)
    far = [
        exact.at(amount, reach, width)
        for amount, reach, width in zip(
            states.amount_std_1e15 * np.abs(rng.normal(size=150)),
            120.0 * np.exp(1.2 * rng.normal(size=150)), 50.0 * np.exp(rng.normal(size=150)),
            strict=True,
        )
    ]  # fmt: skip
    # The best has priors of shape in it that these are free of: they are worth 0.5 at most here.
    assert max(far) < best + 1.0


@pytest.mark.nightly
def test_closed_forms_and_nested_sampling_agree(states: SlabStates, fitted: Fitted) -> None:
    """Near a Gaussian posterior: amounts to 0.3 of a sigma, spreads and odds to what sampling has.

    A hundred live points know the mean to a tenth of a sigma and the spread to a tenth.
    """
    pytest.importorskip("dynesty")
    mask, covariance = fitted.calibrated.mask, states.shared_covariance
    truth = slab_state(states, amount=0.25)
    seen = seen_with(states, truth, rng=np.random.default_rng(5))
    found = settle(states.slab, seen, mask, states.shared, truth)
    one = quadratic(states.slab, seen, mask, states.shared, found.state)
    std = states.amount_std_1e15
    closed = posterior(
        one, front_grid(states.slab), shared_covariance=covariance, amount_std_1e15=std
    )
    nested = sample_state(
        states.slab, seen, mask, states.shared, one, shared_covariance=covariance,
        amount_std_1e15=std, seed=2,
    )  # fmt: skip
    assert abs(nested.amount_1e15 - closed.amount) < 0.3 * closed.amount_std
    assert 0.8 < nested.amount_std_1e15 / closed.amount_std < 1.25
    # Without a slab the linear form is far from where it was expanded: a tenth of the odds.
    assert abs(nested.ln_bayes - closed.ln_bayes) < 0.1 * abs(closed.ln_bayes) + 1.0


# --- beside the default --------------------------------------------------------------------------


def test_model_error_is_what_chance_does_not_explain() -> None:
    np.testing.assert_allclose(model_error(np.array([5.0, 1.0]), np.array([3.0, 2.0])), [4.0, 0.0])


def test_every_analysis_has_slab_rows_beside_the_default(small: Small) -> None:
    default, slab = small.analysis.ledgers["default"], small.analysis.ledgers["slab"]
    assert slab.state == default.state
    assert slab.method == "slab"
    np.testing.assert_allclose(slab.values[:, 2], default.values[:, 2], atol=2e-3)
    np.testing.assert_allclose(slab.balance, 0.0, atol=0.002 * 60.0)  # conserved to 0.2 %
    pulls = (slab.values - small.campaign.truth.values)[:, :2] / slab.std[:, :2]
    assert np.all(np.abs(pulls) < 3.5)  # of twelve, a chance of 0.5 %


def test_slab_and_default_differ_by_no_more_than_chance_on_a_front(small: Small) -> None:
    found = small.analysis.interlayer
    assert found is not None
    pulls = found.disagreement_uah[:, 1] / found.disagreement_std_uah[:, 1]
    assert np.all(np.abs(pulls) < 3.5)
    assert not any("slab and default disagree" in note for note in small.analysis.warnings)
    # Both are read from one spectrum: their difference is known better than either of them.
    assert np.all(found.disagreement_std_uah[:, 1] < small.analysis.ledgers["slab"].std[:, 1])


def test_the_interlayer_s_numbers_are_ordered(small: Small) -> None:
    found = small.analysis.interlayer
    assert found is not None
    for values in (found.thickness_nm, found.width_nm, found.enrichment):
        assert np.all(np.diff(values, axis=1) > 0.0)
        assert np.all(values > 0.0)
    assert found.change_1e15.shape == (len(found), len(small.analysis.profiles[0].regions))


def local_covariance(slab: SlabModel, one: Quadratic, seen: Observation) -> Floats:
    rows = slab_rows(slab, one.state)
    m = len(rows)
    precision = rows.T @ one.curvature[:m, :m] @ rows
    precision[HATS:, HATS:] += seen.precision[HATS:, HATS:]
    return np.asarray(np.linalg.inv(precision))


@pytest.mark.nightly
def test_a_slab_is_found_at_the_bound(
    states: SlabStates, fitted: Fitted, record_property: object
) -> None:
    """80 draws of a discharged state: rms over the Cramer-Rao bound at most 1.25 per layer.

    The ratio of 80 draws scatters by 8 %.
    """
    rng = np.random.default_rng(7)
    slab, mask = states.slab, fitted.calibrated.mask
    truth = slab_state(states, amount=0.34)
    rows = region_rows(slab)
    misses, bounds = [], []
    for _ in range(80):
        seen = seen_with(states, truth, rng=rng)
        found = settle(slab, seen, mask, states.shared, truth)
        misses.append(rows @ (found.state - truth))
        one = quadratic(slab, seen, mask, states.shared, found.state)
        bounds.append(np.diag(rows @ local_covariance(slab, one, seen) @ rows.T))
    ratio = np.sqrt(np.mean(np.square(misses), axis=0) / np.mean(bounds, axis=0))
    record_property("ratio", ratio)  # type: ignore[operator]
    assert np.all(ratio[:2] <= 1.25), ratio


def test_the_slab_model_leaves_the_default_s_spectrum_alone(fitted: Fitted) -> None:
    """With no slab and no bulk, both models expect the same counts."""
    model = fitted.inversion.model
    slab = slab_model(model)
    shared = fitted.inversion.solution.shared.copy()
    for name, place in model.parameters.index.items():
        if name.startswith("profile:"):
            shared[place] = 0.0
    seen = fitted.inversion.observations[1]
    hats, flat = np.zeros(model.state_size), np.zeros(SLAB_SIZE)
    for vector in (hats, flat):
        vector[ANODE], vector[CATHODE] = 300.0, 310.0
    both = [
        model.predict(shared, seen.setting, hats).total,
        slab.predict(shared[: len(slab.parameters)], seen.setting, flat).total,
    ]
    np.testing.assert_allclose(both[0], both[1], atol=1e-9 * EMPTY)
