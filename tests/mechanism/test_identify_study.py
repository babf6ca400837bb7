"""Fifty drawn truths: what the odds promise happens, and errors cover."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.identify_study import SEEDS, drawn, outcome, score

from lidepth.mechanism.identify.compare import compare
from lidepth.mechanism.identify.priors import Prior


@pytest.fixture(scope="module")
def scored() -> dict[str, float]:
    return score([outcome(seed) for seed in SEEDS])


@pytest.mark.nightly
@pytest.mark.parametrize("what", ["phase", "law"])
def test_truth_is_named_as_often_as_the_odds_promise(scored: dict[str, float], what: str) -> None:
    off = scored[f"{what}_hits"] - scored[f"{what}_promised"]
    # Two and a half deviations of fifty independent promises: one study in eighty is beyond.
    assert abs(off) < 2.5 * scored[f"{what}_promised_std"]
    # The Brier score of fifty cases scatters by some 0.05 about what the odds say of themselves.
    assert scored[f"{what}_brier"] < scored[f"{what}_brier_promised"] + 0.12


@pytest.mark.nightly
def test_kappa_and_what_moved_are_covered(scored: dict[str, float]) -> None:
    assert scored["kappa_z_rms"] < 1.3
    for name in ("kappa", "bound", "silicon", "lost"):
        n = scored[f"{name}_cases"]
        # Two and a half binomial deviations below what is promised.
        assert scored[f"{name}_in68"] > 0.68 - 2.5 * np.sqrt(0.68 * 0.32 / n)
        assert scored[f"{name}_in95"] > 0.95 - 2.5 * np.sqrt(0.95 * 0.05 / n)
    assert scored["seconds_most"] < 30.0  # a slow machine; some seconds on ours


@pytest.mark.nightly
@pytest.mark.parametrize("seed", [111, 112])
def test_the_evidence_is_that_of_nested_sampling(seed: int) -> None:
    dynesty = pytest.importorskip("dynesty")
    from scipy.special import ndtri

    one = compare(drawn(seed).seen, Prior()).tried[0]
    assert one.posterior is not None
    sampler = dynesty.NestedSampler(
        lambda z: float(-0.5 * np.sum(one.forward(z[None, :])[0] ** 2)),
        lambda u: ndtri(np.clip(u, 1e-12, 1.0 - 1e-12)), one.forward.size, nlive=300,
        sample="rwalk", rstate=np.random.default_rng(1),
    )  # fmt: skip
    sampler.run_nested(print_progress=False, dlogz=0.1)
    found = sampler.results
    # Three of its own errors (0.17), of which random walks of this length use one.
    assert one.posterior.log_evidence == pytest.approx(
        found.logz[-1], abs=3 * float(found.logzerr[-1])
    )
