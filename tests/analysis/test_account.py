"""What of an error that adds up along a run tells its rows apart."""

from __future__ import annotations

import numpy as np
import pytest

from lidepth.analysis.account import lost_charges, strays


def test_independent_errors_keep_their_variance() -> None:
    names = np.array(["charged", "discharged"] * 4)
    np.testing.assert_allclose(strays(np.diag(np.full(8, 0.3)), names), 0.3)


def test_an_error_that_all_rows_share_tells_none_apart() -> None:
    names = np.array(["charged"] * 5)
    np.testing.assert_allclose(strays(np.full((5, 5), 2.0), names), 0.0, atol=1e-12)


def test_a_single_row_keeps_its_own_variance() -> None:
    np.testing.assert_allclose(strays(np.array([[4.0]]), np.array(["range"])), 4.0)


@pytest.mark.parametrize("steps", [2, 5, 30])
def test_a_random_walk_strays_as_drawn_walks_do(steps: int) -> None:
    variance = np.arange(1.0, steps + 1)
    stated = strays(np.minimum.outer(variance, variance), np.array(["charged"] * steps))
    walks = np.cumsum(np.random.default_rng(1).standard_normal((40_000, steps)), axis=1)
    drawn = np.var(walks - walks.mean(axis=1, keepdims=True), axis=0) * steps / (steps - 1)
    # A variance from 40 000 draws is good to 0.7 %; five of those, for sixty comparisons.
    np.testing.assert_allclose(stated, drawn, rtol=0.036)


def test_after_whole_cycles_a_loss_either_way_is_as_uncertain_as_one_of_all_charge() -> None:
    net, passed = np.array([60.0, 0.0]), np.array([60.0, 120.0])  # charged, discharged; uAh
    out, back = lost_charges(net, passed)
    assert np.hypot(out, back)[1] == pytest.approx(120.0)
    # All of a side reaction on charge is there by the first charged state.
    assert np.hypot(out, back)[0] == pytest.approx(60.0 * np.sqrt(2.0))
    assert back[0] == 0.0
