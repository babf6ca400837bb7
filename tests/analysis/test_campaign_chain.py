"""The chain of filter and smoother against the dense multivariate normal that it factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from lidepth.analysis.campaign.chain import (
    Evidence,
    Move,
    Track,
    filter_chain,
    predict,
    shared_posterior,
    smooth_chain,
    start,
    update,
)

Floats = NDArray[np.float64]
SIZE, SHARED, STEPS = 3, 2, 6


@dataclass(frozen=True)
class Toy:
    """A random linear chain and its measurements."""

    moves: list[Move]
    seen: list[Evidence]
    first: tuple[Floats, Floats]
    prior: tuple[Floats, Floats]

    def track(self) -> Track:
        begin = start(*self.first, prior=self.prior[0], precision=self.prior[1])
        return smooth_chain(filter_chain(begin, self.moves, self.seen), self.moves)


def toy(seed: int, *, mixing: bool = False) -> Toy:
    rng = np.random.default_rng(seed)
    moves, seen = [], []
    for k in range(STEPS):
        root = rng.normal(size=(SIZE, SIZE))
        mix = 0.3 * rng.normal(size=(SIZE, SIZE)) if mixing else None
        lever = rng.normal(size=(SIZE, SHARED)) if k % 2 else None
        moves.append(
            Move(keep=rng.uniform(0.5, 1.0, SIZE), push=rng.normal(size=SIZE), lever=lever,
                 noise=root @ root.T + 0.1 * np.eye(SIZE), mix=mix)
        )  # fmt: skip
        slopes = rng.normal(size=(4, SIZE + SHARED))  # four bins of unit error
        counts = rng.normal(size=4)
        normal, score = slopes.T @ slopes, slopes.T @ counts
        seen.append(
            Evidence(a=normal[:SIZE, :SIZE], b=normal[:SIZE, SIZE:], c=normal[SIZE:, SIZE:],
                     state=score[:SIZE], shared=score[SIZE:], constant=0.5 * counts @ counts)
        )  # fmt: skip
    return Toy(
        moves, seen, (rng.normal(size=SIZE), np.eye(SIZE)),
        (rng.normal(size=SHARED), 2.0 * np.eye(SHARED)),
    )  # fmt: skip


def dense(case: Toy) -> tuple[Floats, Floats, float]:
    """Posterior of (all states, shared parameters) and log evidence, from one big matrix."""
    whole = STEPS * SIZE + SHARED
    precision, gradient = np.zeros((whole, whole)), np.zeros(whole)
    constant, logdet = 0.0, 0.0
    shared = slice(STEPS * SIZE, whole)
    mean, covariance = case.first
    for k, (move, seen) in enumerate(zip(case.moves, case.seen, strict=True)):
        here = slice(k * SIZE, (k + 1) * SIZE)
        through = np.diag(move.keep) + (move.mix if move.mix is not None else 0.0)
        noise, offset = move.noise, move.push
        row = np.zeros((SIZE, whole))
        row[:, here] = np.eye(SIZE)
        if k == 0:  # the state before the first measurement is integrated out
            noise = noise + through @ covariance @ through.T
            offset = offset + through @ mean
        else:
            row[:, (k - 1) * SIZE : k * SIZE] = -through
        if move.lever is not None:
            row[:, shared] = -move.lever
        weight = np.linalg.inv(noise)
        precision += row.T @ weight @ row
        gradient += row.T @ weight @ offset
        constant += 0.5 * offset @ weight @ offset
        logdet += np.linalg.slogdet(noise)[1]
        both = np.r_[here, shared]
        assert seen.c is not None
        assert seen.shared is not None
        precision[np.ix_(both, both)] += np.block([[seen.a, seen.b], [seen.b.T, seen.c]])
        gradient[both] += np.concatenate([seen.state, seen.shared])
        constant += seen.constant
    value, weight = case.prior
    precision[shared, shared] += weight
    gradient[shared] += weight @ value
    constant += 0.5 * value @ weight @ value
    inverse = np.linalg.inv(precision)
    evidence = -constant + 0.5 * gradient @ inverse @ gradient
    evidence += -0.5 * np.linalg.slogdet(precision)[1] - 0.5 * logdet
    return inverse @ gradient, inverse, float(evidence)


@pytest.mark.parametrize("mixing", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_states_and_errors_are_those_of_the_dense_posterior(seed: int, mixing: bool) -> None:
    case = toy(seed, mixing=mixing)
    track, (mean, covariance, _) = case.track(), dense(case)
    states = mean[: STEPS * SIZE].reshape(STEPS, SIZE)
    assert track.states == pytest.approx(states, abs=1e-10)
    for k in range(STEPS):
        here = slice(k * SIZE, (k + 1) * SIZE)
        assert track.total_covariance(k) == pytest.approx(covariance[here, here], abs=1e-10)


@pytest.mark.parametrize("seed", [4, 5])
def test_the_shared_parameters_have_their_exact_posterior(seed: int) -> None:
    case = toy(seed, mixing=True)
    track, (mean, covariance, _) = case.track(), dense(case)
    assert track.shared == pytest.approx(mean[-SHARED:], abs=1e-10)
    assert track.shared_covariance == pytest.approx(covariance[-SHARED:, -SHARED:], abs=1e-10)


@pytest.mark.parametrize("seed", [6, 7])
def test_two_states_have_the_covariance_of_the_dense_posterior(seed: int) -> None:
    case = toy(seed)
    track, (_, covariance, _) = case.track(), dense(case)
    shared = covariance[-SHARED:, -SHARED:]
    for i, j in ((0, 3), (2, 5)):
        rows, columns = slice(i * SIZE, (i + 1) * SIZE), slice(j * SIZE, (j + 1) * SIZE)
        between = (
            track.joint([j, i], np.eye(SIZE))[1, :, 0] + track.lever[i] @ shared @ track.lever[j].T
        )
        assert between == pytest.approx(covariance[rows, columns], abs=1e-10)


@pytest.mark.parametrize("seed", [8, 9, 10])
def test_the_evidence_is_that_of_the_dense_normal(seed: int) -> None:
    """Relative to the normalisation of the shared prior, which both leave out."""
    case = toy(seed, mixing=True)
    assert case.track().evidence == pytest.approx(dense(case)[2], abs=1e-9)


def test_what_is_said_of_shared_parameters_may_be_added_up_beforehand() -> None:
    case = toy(11)
    together = [seen._replace(c=None, shared=None) for seen in case.seen]
    begin = start(*case.first, prior=case.prior[0], precision=case.prior[1])
    for seen in case.seen:
        assert seen.c is not None
        assert seen.shared is not None
        begin.precision, begin.gradient = begin.precision + seen.c, begin.gradient + seen.shared
    early = smooth_chain(filter_chain(begin, case.moves, together), case.moves)
    assert early.states == pytest.approx(case.track().states, abs=1e-10)
    assert early.evidence == pytest.approx(case.track().evidence, abs=1e-9)


def test_a_part_known_exactly_stays_what_it_is() -> None:
    """The pristine cell has moved nothing: a prior without width is no division by zero."""
    case = toy(12)
    belief = start(np.zeros(SIZE), np.zeros((SIZE, SIZE)), prior=np.zeros(SHARED),
                   precision=np.eye(SHARED))  # fmt: skip
    still = Move(keep=np.ones(SIZE), push=np.zeros(SIZE), lever=None, noise=np.zeros((SIZE, SIZE)))
    after = update(predict(belief, still), case.seen[0])
    assert np.all(after.mean == 0.0)
    assert np.all(after.covariance == 0.0)


def test_the_filter_knows_of_a_state_only_what_came_before() -> None:
    case = toy(13)
    begin = start(*case.first, prior=case.prior[0], precision=case.prior[1])
    whole = filter_chain(begin, case.moves, case.seen)
    half = filter_chain(begin, case.moves[:3], case.seen[:3])
    assert whole.mean[:3] == pytest.approx(half.mean)
    shared, _, _ = shared_posterior(begin)
    assert shared == pytest.approx(case.prior[0])
