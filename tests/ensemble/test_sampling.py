"""What is drawn again, against algebra: closed forms, dense matrices, known posteriors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from toys import Tiny

from lidepth.analysis.account import ledger_rows, respond
from lidepth.analysis.ensemble.posterior import Arrow, root_of, walk
from lidepth.analysis.ensemble.problem import (
    StatesProblem,
    _sheets,
    misfit,
    predicted_covariance,
)
from lidepth.analysis.ensemble.redraw import FEWEST, Sheets, spectra_again
from lidepth.analysis.fit import EMPTY, Observation
from lidepth.analysis.forward import ForwardModel
from lidepth.analysis.reduce import reduce_run
from lidepth.analysis.sensitivity import Sensitivity
from lidepth.model.ensemble import Kind

Floats = np.ndarray


def problem_of(tiny: Tiny) -> StatesProblem:
    assert isinstance(tiny.prepared.problem, StatesProblem)
    return tiny.prepared.problem


# --- the posterior sampler -------------------------------------------------------------------


def gaussian_toy(rng: np.random.Generator) -> tuple[Arrow, Floats, Floats]:
    """Two shared parameters and two states of three parts, one of them held; and the covariance."""
    shared_root = np.array([[2.0, 0.0], [1.0, 0.5]])
    roots = [np.diag([1.0, 3.0, 0.0])[:, :2], rng.normal(size=(3, 3))]
    leverage = [rng.normal(size=(3, 2)) * [[1.0], [1.0], [0.0]], rng.normal(size=(3, 2))]
    arrow = Arrow(
        shared=np.array([10.0, -4.0]), states=rng.normal(size=(2, 3)), shared_root=shared_root,
        roots=tuple(roots), leverage=tuple(leverage),
    )  # fmt: skip
    whole = np.block(
        [
            [shared_root, np.zeros((2, 5))],
            [leverage[0] @ shared_root, roots[0], np.zeros((3, 3))],
            [leverage[1] @ shared_root, np.zeros((3, 2)), roots[1]],
        ]
    )
    return arrow, whole @ whole.T, np.concatenate([arrow.shared, arrow.states.ravel()])


def quadratic(arrow: Arrow, place: int, shared: Floats, state: Floats) -> float:
    """Minus the log of the Gaussian of one state, given the shared parameters."""
    off = state - arrow.states[place] - arrow.leverage[place] @ (shared - arrow.shared)
    return float(0.5 * np.sum((np.linalg.pinv(arrow.roots[place]) @ off) ** 2))


def test_of_a_gaussian_posterior_every_walk_is_an_independent_exact_draw() -> None:
    arrow, covariance, centre = gaussian_toy(np.random.default_rng(1))
    rng = np.random.default_rng(2)

    def prior(shared: Floats) -> float:
        return float(0.5 * np.sum(np.linalg.solve(arrow.shared_root, shared - arrow.shared) ** 2))

    walks = [
        walk(arrow, lambda i, c, s: quadratic(arrow, i, c, s), prior, rng, sweeps=2)
        for _ in range(800)
    ]
    weights = np.array([w.log_weight for w in walks])
    # Posterior and Gaussian are the same, so their quotient is one everywhere but for rounding.
    np.testing.assert_allclose(weights, weights[0], atol=1e-9)
    ends = np.array([np.concatenate([w.end[0], w.end[1].ravel()]) for w in walks])
    std = np.sqrt(np.diag(covariance))
    moves = std > 0
    z = (ends[:, moves].mean(axis=0) - centre[moves]) / std[moves] * math.sqrt(len(walks))
    assert np.abs(z).max() < 4.0
    found = np.cov(ends[:, moves].T)
    scale = np.outer(std[moves], std[moves])
    # A correlation from 800 draws is known to 0.035 (0.05 on the diagonal); four of these.
    expected = covariance[np.ix_(moves, moves)]
    np.testing.assert_allclose(found / scale, expected / scale, atol=0.2)
    assert np.array_equal(ends[:, ~moves], np.broadcast_to(centre[~moves], ends[:, ~moves].shape))
    starts = np.array([np.concatenate([w.start[0], w.start[1].ravel()]) for w in walks])
    for k in np.flatnonzero(moves):
        memory = np.corrcoef(starts[:, k], ends[:, k])[0, 1]
        assert abs(memory) < 4.0 / math.sqrt(len(walks))


def test_of_a_skewed_posterior_the_walks_find_the_tail_that_the_gaussian_lacks() -> None:
    """A rate from k counts and a flat prior is Gamma(k + 1): mean k + 1, variance k + 1."""
    k = 4.0
    arrow = Arrow(
        shared=np.zeros(0), states=np.array([[k]]), shared_root=np.zeros((0, 0)),
        roots=(np.array([[math.sqrt(k)]]),), leverage=(np.zeros((1, 0)),),
    )  # fmt: skip

    def poisson(_: int, __: Floats, state: Floats) -> float:
        rate = float(state[0])
        return rate - k * math.log(rate) if rate > 0 else math.inf

    rng = np.random.default_rng(3)
    walks = [walk(arrow, poisson, lambda _: 0.0, rng, sweeps=12) for _ in range(1500)]
    ends = np.array([w.end[1][0, 0] for w in walks])
    assert ends.min() > 0
    # The Gaussian says mean k and variance k.  Mean and variance of 1500 draws are known to 0.058
    # and to 4.6 % (kurtosis of the Gamma distribution included); four of these.
    assert ends.mean() == pytest.approx(k + 1.0, abs=0.23)
    assert ends.var() == pytest.approx(k + 1.0, rel=0.19)
    skewness = np.mean((ends - ends.mean()) ** 3) / ends.std() ** 3
    assert skewness == pytest.approx(2.0 / math.sqrt(k + 1.0), abs=0.4)
    starts = np.array([w.start[1][0, 0] for w in walks])
    assert starts.mean() == pytest.approx(k, abs=0.23)


def test_what_does_not_scatter_has_no_coordinate() -> None:
    root = root_of(np.array([[4.0, 0.0, 2.0], [0.0, 0.0, 0.0], [2.0, 0.0, 1.0]]))
    assert root.shape == (3, 1)
    np.testing.assert_allclose(root @ root.T, [[4, 0, 2], [0, 0, 0], [2, 0, 1]], atol=1e-12)


def test_the_sampler_and_the_fit_have_one_objective(tiny: Tiny) -> None:
    problem = problem_of(tiny)
    inversion, solution = problem.inversion, problem.inversion.solution
    whole = sum(
        misfit(inversion.model, seen, problem.mask, solution.shared, state)
        for seen, state in zip(inversion.observations, solution.states, strict=True)
    )
    off = solution.shared - inversion.model.parameters.prior
    whole += 0.5 * off @ inversion.model.parameters.precision @ off
    assert whole == pytest.approx(solution.objective, rel=1e-12)


# --- what a linear model predicts ------------------------------------------------------------


def slopes_of(problem: StatesProblem) -> list[tuple[Floats, Floats, Floats]]:
    """Expected counts and slopes by state and shared parameters of every spectrum."""
    inversion, solution = problem.inversion, problem.inversion.solution
    found = []
    for seen, state in zip(inversion.observations, solution.states, strict=True):
        model: ForwardModel = inversion.model
        at = model.predict(solution.shared, seen.setting, state)
        moves = Sensitivity(
            model=model, shared=solution.shared, setting=seen.setting, state=state, at=at
        )
        by_state, by_shared = moves.by_state[problem.mask], moves.by_shared[problem.mask]
        found.append((at.total[problem.mask] + EMPTY, by_state * seen.free, by_shared))
    return found


def dense(problem: StatesProblem) -> tuple[Floats, Floats, Floats]:
    """Information of the counts F and of the beliefs P about all unknowns; the ledger's rows."""
    inversion, solution = problem.inversion, problem.inversion.solution
    model, p, size = inversion.model, solution.shared.size, inversion.model.state_size
    total = p + size * len(inversion.observations)
    counted, believed = np.zeros((total, total)), np.zeros((total, total))
    believed[:p, :p] = model.parameters.precision
    for i, (seen, (mean, js, jc)) in enumerate(
        zip(inversion.observations, slopes_of(problem), strict=True)
    ):
        own = slice(p + i * size, p + (i + 1) * size)
        both = np.zeros((mean.size, total))
        both[:, :p], both[:, own] = jc, js
        counted += both.T @ (both / mean[:, None])
        believed[own, own] += seen.precision + np.diag((~seen.free).astype(float))
        for tie in seen.ties:
            row = np.zeros(total)
            row[:p] = tie.shared_row + tie.state_row @ model.lift(seen.setting)
            row[own] = tie.state_row
            believed += np.outer(row, row) / tie.std**2
    _, rows, borders = ledger_rows(inversion)
    area = model.parameters.index["area"]
    ledger = np.zeros((3 * len(rows), total))
    for i, (row, border, lever) in enumerate(
        zip(rows, borders, solution.leverage[1:], strict=True), start=1
    ):
        part = slice(3 * i - 3, 3 * i)
        ledger[part, p + i * size : p + (i + 1) * size] = row
        ledger[part, :p] = border - row @ lever  # the border follows the states; here they are free
    assert area < p
    return counted, believed, ledger


@pytest.mark.parametrize("kind", ["bootstrap", "prior", "total", "posterior"])
def test_the_predicted_covariance_is_that_of_the_dense_normal_equations(
    tiny: Tiny, kind: Kind
) -> None:
    problem = problem_of(tiny)
    counted, believed, ledger = dense(problem)
    scale = 1.0 / np.sqrt(np.diag(counted + believed))
    inverse = np.linalg.inv((counted + believed) * np.outer(scale, scale))
    gain = ledger @ (inverse * np.outer(scale, scale))
    middle = {"bootstrap": counted, "prior": believed}.get(kind, counted + believed)
    expected = gain @ middle @ gain.T
    found = predicted_covariance(problem, kind)
    std = np.sqrt(np.diag(predicted_covariance(problem, "total")))
    # Of the cathode, which the charge decides, dense inversion keeps six digits.
    np.testing.assert_allclose(found / np.outer(std, std), expected / np.outer(std, std), atol=1e-5)


@pytest.mark.parametrize("kind", ["bootstrap", "total"])
def test_members_of_a_linear_gaussian_problem_have_the_predicted_covariance(
    tiny: Tiny, kind: Kind
) -> None:
    """The fit made linear: what is drawn again pushes it, and it gives way to first order."""
    problem = problem_of(tiny)
    inversion, solution = problem.inversion, problem.inversion.solution
    slopes = slopes_of(problem)
    _, rows, borders = ledger_rows(inversion)
    draws = 500
    values = np.zeros((draws, 3 * len(rows)))
    for number in range(draws):
        model, seen = problem.again(kind, np.random.default_rng([8, number]))
        pushes, push = gradients(problem, model, seen, slopes, kind)
        moves, move = respond(solution, pushes, push)
        values[number] = np.concatenate(
            [
                row @ (own - lever @ move) + border @ move
                for row, own, lever, border in zip(
                    rows, moves[1:], solution.leverage[1:], borders, strict=True
                )
            ]
        )
    expected = predicted_covariance(problem, kind)
    std = np.sqrt(np.diag(expected))
    moved = std > 1e-3 * np.sqrt(np.diag(predicted_covariance(problem, "total")))
    found = np.cov(values[:, moved].T)
    scale = np.outer(std[moved], std[moved])
    # 500 draws know a correlation to 0.045 and a variance to 6.3 %: four of these.
    np.testing.assert_allclose(
        found / scale, expected[np.ix_(moved, moved)] / scale, atol=4 * 0.063
    )
    assert np.abs(values[:, moved].mean(axis=0) / std[moved]).max() < 4.0 / math.sqrt(draws)


def gradients(
    problem: StatesProblem, model: ForwardModel, seen: list[Observation],
    slopes: list[tuple[Floats, Floats, Floats]], kind: Kind,
) -> tuple[list[Floats], Floats]:  # fmt: skip
    """What new counts and beliefs push states and shared parameters with, against the old ones."""
    inversion, solution = problem.inversion, problem.inversion.solution
    old = inversion.model.parameters
    # "total" draws beliefs about what was fitted, "prior" about what was believed.
    centre = solution.shared if kind == "total" else old.prior
    known = np.diag(old.precision) > 0
    push = np.where(known, old.precision @ np.where(known, model.parameters.prior - centre, 0), 0)
    pushes = []
    for place, (new, before, (mean, js, jc)) in enumerate(
        zip(seen, inversion.observations, slopes, strict=True)
    ):
        state, lift = solution.states[place], inversion.model.lift(before.setting)
        residual = np.zeros(mean.size)
        if kind != "prior":
            residual = new.counts[problem.mask] + EMPTY - mean
        own = js.T @ (residual / mean)
        push = push + jc.T @ (residual / mean)
        at = state if kind == "total" else before.prior
        believed = np.diag(before.precision) > 0
        own = own + before.precision @ np.where(believed, new.prior - at, 0.0)
        for tie, was in zip(new.ties, before.ties, strict=True):
            row = tie.shared_row + tie.state_row @ lift
            value = was.value
            if kind == "total":
                value = float(tie.state_row @ state + row @ solution.shared)
            own = own + tie.state_row * (tie.value - value) / tie.std**2
            push = push + row * (tie.value - value) / tie.std**2
        pushes.append(np.where(before.free, own, 0.0))
    return pushes, push


# --- counts drawn again ----------------------------------------------------------------------


def test_counts_are_drawn_about_what_was_fitted(tiny: Tiny) -> None:
    problem = problem_of(tiny)
    drawn = [problem.again("bootstrap", np.random.default_rng(i))[1] for i in range(300)]
    for place, expected in enumerate(problem.expected):
        counts = np.array([seen[place].counts for seen in drawn])
        full = expected > 5.0
        z = (counts.mean(axis=0) - expected)[full] / np.sqrt(expected[full] / len(drawn))
        assert abs(z.mean()) < 4.0 / math.sqrt(full.sum())
        assert z.std() == pytest.approx(1.0, abs=4.0 / math.sqrt(2 * full.sum()))


def test_resampled_spectra_bring_their_exposure_and_scatter_as_spectra_do(
    tiny: Tiny,
) -> None:
    reduction = reduce_run(tiny.run)
    states = (reduction.pristine, *reduction.states)
    piles = tuple(_sheets(tiny.run, state, 2) for state in states)
    problem = replace(problem_of(tiny), sheets=piles)
    for pile, seen in zip(problem.sheets, problem.inversion.observations, strict=True):
        np.testing.assert_array_equal(pile.counts.sum(axis=0), seen.counts)
        assert pile.exposure.sum() == pytest.approx(1.0)
    seen, pile = problem.inversion.observations[0], problem.sheets[0]
    k = len(pile.counts)
    expected = problem.expected[0]
    rates = []
    for number in range(1000):
        (new,) = spectra_again([seen], [pile], expected[None], np.random.default_rng(number))
        rates.append(new.counts.sum() / new.setting.exposure)
        assert new.setting.live_s == pytest.approx(seen.setting.live_s * (k - 1) / k, rel=1e-3)
    own = pile.counts.sum(axis=1) / (pile.exposure * seen.setting.exposure)
    error = own.std(ddof=1) / math.sqrt(k)  # of the mean of k spectra, by their own scatter
    assert np.std(rates) == pytest.approx(error, rel=4.0 / math.sqrt(2 * 1000) + 0.02)


def test_a_state_of_few_spectra_is_drawn_about_what_was_fitted(tiny: Tiny) -> None:
    seen = problem_of(tiny).inversion.observations[1]
    few = Sheets(
        counts=np.tile(seen.counts, (FEWEST - 1, 1)), exposure=np.full(FEWEST - 1, 0.25),
        live_s=np.full(FEWEST - 1, 0.25),
    )  # fmt: skip
    (new,) = spectra_again([seen], [few], np.full((1, seen.counts.size), 9.0),
                           np.random.default_rng(0))  # fmt: skip
    assert new.setting == seen.setting
    assert new.counts.mean() == pytest.approx(9.0, abs=4 * 3.0 / math.sqrt(seen.counts.size))


def test_members_settle_at_the_optimum_of_their_own_data(tiny: Tiny) -> None:
    """The counts as measured, told to be drawn again, lead back to where the fit was."""
    problem = problem_of(tiny)
    measured = np.array([seen.counts for seen in problem.inversion.observations])

    class Still:
        def poisson(self, mean: Floats) -> Floats:
            return mean

    again = replace(problem, expected=measured).draw("bootstrap", Still())  # type: ignore[arg-type]
    stated = tiny.prepared.stated
    # Both end within a tenth of a standard deviation of the one optimum.
    assert np.all(np.abs(again.values - stated.values) <= 0.2 * stated.std)
