"""Whatever the plan of a virtual campaign, lithium and silicon are conserved."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lidepth.errors import LidepthError
from lidepth.virtual.history import history_of
from lidepth.virtual.plan import CampaignPlan, Cycling, Growth

growths = st.builds(
    Growth,
    driver=st.sampled_from(["charge", "discharge", "throughput", "time", "none"]),
    fast=st.floats(0, 0.4),
    fast_cycles=st.floats(0.5, 50),
    slow=st.floats(0, 0.05),
    shape=st.sampled_from(["front", "exponential"]),
    saturation_li_cm3=st.floats(1e21, 2e22),
    width_nm=st.floats(1, 400),
    li_per_silicon=st.just(0.0) | st.floats(0.1, 5),
    silicon_cap=st.floats(0, 0.9),
)
cyclings = st.builds(
    Cycling,
    pristine_s=st.floats(600, 1e5),
    cycles=st.integers(0, 6),
    first_charge_uah=st.floats(5, 80),
    current_ua=st.floats(1, 100),
    switch_cycle=st.integers(0, 6),
    rest_s=st.floats(0, 7200),
    long_rest_cycle=st.none() | st.integers(1, 6),
    residue=st.floats(0, 0.3),
    residue_wander=st.floats(0, 0.02),
    cathode_loss=st.floats(0, 0.05),
    coulomb_loss=st.floats(0, 0.02),
)


@settings(max_examples=60)
@given(growth=growths, cycling=cyclings, seed=st.integers(0, 2**31), area=st.floats(1.5, 5))
def test_nothing_is_lost(growth: Growth, cycling: Cycling, seed: int, area: float) -> None:
    try:
        plan = CampaignPlan(growth=growth, cycling=cycling, seed=seed, area_cm2=area, cell_nm=20)
        history = history_of(plan)
    except LidepthError:
        return  # too little lithium for this plan: refused, not simulated
    contents = history.contents_uah(np.linspace(0, history.duration_s, 50))
    lithium, silicon = history.lithium_1e15(contents), history.silicon_1e15(contents)
    np.testing.assert_allclose(lithium.sum(axis=1), history.cells.lithium_1e15.sum(), rtol=1e-9)
    np.testing.assert_allclose(silicon.sum(axis=1), history.cells.silicon_1e15.sum(), rtol=1e-9)
    assert lithium.min() > -1e-9
    assert silicon.min() > -1e-9
    assert np.all(np.diff(history.node_s) > 0)
    assert np.all(np.diff(history.nodes_uah[:, 1]) > -1e-9)


@settings(max_examples=60)
@given(growth=growths, cycling=cyclings)
def test_the_ledger_balances(growth: Growth, cycling: Cycling) -> None:
    try:
        history = history_of(CampaignPlan(growth=growth, cycling=cycling, cell_nm=20))
    except LidepthError:
        return
    truth = history.truth()
    np.testing.assert_allclose(truth.balance, 0.0, atol=1e-9)
    assert truth.values.min(initial=0.0) >= -1e-9
    assert len(history.moved().amount_1e15) == cycling.cycles
