"""Slab and default on simulated campaigns: in the slab's family, outside it, and without one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

from lidepth.analysis import analyze
from lidepth.model.interlayer import Interlayer
from lidepth.physics.stopping import stopping_source
from lidepth.virtual.plan import CampaignPlan, Cycling, Growth
from lidepth.virtual.spectra import simulate_campaign

Floats = NDArray[np.float64]
Record = Callable[[str, object], None]

pytestmark = pytest.mark.nightly

CAMPAIGNS = 40
HOUR_S = 3600.0
FAST = Cycling(cycles=4, current_ua=30.0)
LONG_RESTS = Cycling(cycles=2, current_ua=30.0, rest_s=4 * HOUR_S, pristine_s=14 * HOUR_S)
PLANS = {
    "none": (Growth(driver="none"), FAST),
    "front": (
        Growth(fast=0.49, fast_cycles=1.0, slow=0.0, li_per_silicon=0.0, saturation_li_cm3=9e21),
        LONG_RESTS,
    ),
    "tail": (
        Growth(
            fast=0.49, fast_cycles=1.0, slow=0.0, li_per_silicon=0.0, shape="exponential",
            width_nm=180.0,
        ),
        LONG_RESTS,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Study:
    """Campaigns of one plan: (campaigns, rows) of the electrolyte, in per cent of 60 uAh."""

    default: Floats
    default_std: Floats
    slab: Floats
    pulls: Floats
    mean_pulls: Floats
    found: tuple[Interlayer, ...]

    def line(self) -> str:
        inside = [np.mean(np.abs(self.default) <= k * self.default_std) for k in (1.0, 1.96)]
        return (
            f"default {self.default.mean():+.2f}, covers {inside[0]:.2f}/{inside[1]:.2f}; slab "
            f"{self.slab.mean():+.2f}; difference: rows {self.pulls.mean():+.2f} sd "
            f"{self.pulls.std():.2f}, runs {self.mean_pulls.mean():+.2f} sd "
            f"{self.mean_pulls.std():.2f}, beyond 2: {np.mean(np.abs(self.mean_pulls) > 2):.2f}"
        )


@lru_cache
def study(name: str) -> Study:
    source = stopping_source("icru49")
    growth, cycling = PLANS[name]
    rows = []
    for seed in range(1, CAMPAIGNS + 1):
        plan = CampaignPlan(seed=seed, growth=growth, cycling=cycling)
        campaign = simulate_campaign(plan, source=source)
        analysis = analyze(campaign.run, source)
        found = analysis.interlayer
        assert found is not None
        default, slab = analysis.ledgers["default"], analysis.ledgers["slab"]
        true = campaign.truth.values[:, 1]
        mean_pull = found.mean_disagreement_uah / found.mean_disagreement_std_uah
        pulls = found.disagreement_uah[:, 1] / found.disagreement_std_uah[:, 1]
        rows.append(
            (default.values[:, 1] - true, default.std[:, 1], slab.values[:, 1] - true, pulls,
             mean_pull, found)
        )  # fmt: skip
    columns = list(zip(*rows, strict=True))
    misses, std, slab_misses = (np.array(column) / 0.6 for column in columns[:3])
    return Study(
        misses, std, slab_misses, np.array(columns[3]), np.array(columns[4]), tuple(columns[5])
    )


def test_where_there_is_none_none_is_found(record_property: Record) -> None:
    found = study("none")
    record_property("none", found.line())
    runs = np.array([one.run_ln_bayes for one in found.found])
    states = np.array([one.ln_bayes for one in found.found])
    assert np.median(runs) < -3.0
    assert np.all(runs < 3.0)
    # A factor of e^3 in favour of what is not there: a chance below 5 % for each state.
    assert np.mean(states > 3.0) < 0.05


@pytest.mark.parametrize("name", ["none", "front"])
def test_slab_and_default_differ_as_chance_allows(name: str, record_property: Record) -> None:
    found = study(name)
    record_property(name, found.line())
    # 1.3: the scatter of 40 campaigns is known to 11 %, and the covariance is one of linear fits.
    assert found.pulls.std() < 1.3
    assert found.mean_pulls.std() < 1.3
    # Two of forty are expected at two sigma; six have a chance of 1 %.
    assert np.sum(np.abs(found.mean_pulls) > 2.0) <= 6
    assert np.mean(np.abs(found.pulls) > 3.5) < 0.01


def true_thickness_nm(cycle: int) -> float:
    """Twice the mean depth of the simulator's front after ``cycle`` cycles."""
    growth, cycling = PLANS["front"]
    plan = CampaignPlan(growth=growth, cycling=cycling)
    amount = plan.li_1e15(cycling.first_charge_uah * growth.fraction(cycle))
    depth = np.linspace(0.0, 2000.0, 20001)
    reach = amount / (growth.saturation_li_cm3 * 1e-22)
    density = 1.0 / (1.0 + np.exp(-(reach - depth) / growth.width_nm))
    return float(2.0 * np.sum(density * depth) / np.sum(density))


def test_a_certain_interlayer_has_its_thickness(record_property: Record) -> None:
    """Charged and discharged of cycles 1 and 2: 31 and 42 % of the first charge at 9e21 per cm3."""
    found = study("front").found
    true = np.array([true_thickness_nm(1), true_thickness_nm(1), *2 * [true_thickness_nm(2)]])
    medians = np.array([one.thickness_nm[:, 2] for one in found])
    inside = np.array(
        [(one.thickness_nm[:, 0] < true) & (one.thickness_nm[:, 4] > true) for one in found]
    )
    record_property("thickness", f"{medians.mean(axis=0)} of {true}, inside {inside.mean():.2f}")
    assert all(one.run_ln_bayes > 20.0 for one in found)
    assert all(np.all(one.thickness_known) for one in found)
    # Each is known to 4 %; a bias of as much would show in the mean of forty.
    assert np.all(np.abs(medians.mean(axis=0) / true - 1.0) < 0.04)
    assert inside.mean() > 0.8


def test_a_tail_biases_the_slab_and_not_the_default(record_property: Record) -> None:
    """The default within 2.5 % of the first charge, covering; the slab low, and seen to be."""
    found = study("tail")
    record_property("tail", found.line())
    assert abs(found.default.mean()) <= 2.5
    assert np.mean(np.abs(found.default) <= found.default_std) >= 0.60
    assert np.mean(np.abs(found.default) <= 1.96 * found.default_std) >= 0.88
    assert found.slab.mean() < found.default.mean() - 0.3
    assert found.mean_pulls.mean() < -1.0
