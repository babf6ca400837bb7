"""The history of a virtual cell: nothing is lost, phases follow each other, growth has its time."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lidepth.errors import BadInput, OutOfRange
from lidepth.virtual.history import History, history_of
from lidepth.virtual.plan import CampaignPlan, Cycling, Growth


def grown(history: History, kind: str) -> float:
    """Lithium immobilised in all phases of one kind, uAh."""
    gain = np.diff(history.nodes_uah[:, 1])
    return float(sum(g for g, step in zip(gain, history.steps, strict=True) if step.kind == kind))


@pytest.mark.parametrize("driver", ["charge", "discharge", "throughput", "rest", "time", "none"])
@pytest.mark.parametrize("shape", ["front", "exponential"])
def test_lithium_and_silicon_are_conserved(driver: str, shape: str) -> None:
    growth = Growth(driver=driver, shape=shape)  # type: ignore[arg-type]
    history = history_of(CampaignPlan(growth=growth))
    contents = history.contents_uah(np.linspace(0, history.duration_s, 97))
    lithium = history.lithium_1e15(contents).sum(axis=1)
    silicon = history.silicon_1e15(contents).sum(axis=1)
    assert np.ptp(lithium) / lithium[0] < 1e-12
    assert np.ptp(silicon) / silicon[0] < 1e-12
    np.testing.assert_allclose(contents @ [1, 1, -1], 0.0, atol=1e-9)
    assert np.all(history.lithium_1e15(contents) >= -1e-9)
    assert np.all(history.silicon_1e15(contents) >= 0)


def test_the_first_cycles_are_those_of_the_published_growth() -> None:
    """0.16 (1 - exp(-n/9)) + 0.012 sqrt(n) of 60 uAh, as in the example campaigns."""
    truth = history_of(CampaignPlan()).truth()
    charged = truth.values[truth.rows_of("charged")]
    np.testing.assert_allclose(charged[:, 1], [1.72954255858, 2.93115469690, 3.96837599994])
    np.testing.assert_allclose(charged[:, 2], 60.0)
    np.testing.assert_allclose(truth.balance, 0.0, atol=1e-9)


def test_phases_have_no_gaps_and_carry_the_charge_of_their_current() -> None:
    history = history_of(CampaignPlan())
    kinds = [step.kind for step in history.steps]
    assert kinds == ["pristine"] + ["charge", "rest", "discharge", "rest"] * 3
    for before, after in zip(history.steps, history.steps[1:], strict=False):
        assert before.stop_s == after.start_s
    for step in history.steps:
        hours = (step.stop_s - step.start_s) / 3600
        assert step.charge_uah == pytest.approx(step.current_ua * hours, abs=1e-9)


@pytest.mark.parametrize(
    ("driver", "silent"),
    [
        ("charge", ("rest", "discharge")),
        ("discharge", ("rest", "charge")),
        ("throughput", ("rest",)),
        ("rest", ("charge", "discharge")),
        ("none", ("rest", "charge", "discharge")),
    ],
)
def test_growth_keeps_to_its_phases(driver: str, silent: tuple[str, ...]) -> None:
    history = history_of(CampaignPlan(growth=Growth(driver=driver)))  # type: ignore[arg-type]
    for kind in ("charge", "rest", "discharge"):
        assert (grown(history, kind) < 1e-12) == (kind in silent)


def test_growth_at_rest_is_split_by_the_lengths_of_the_rests() -> None:
    growth = Growth(driver="rest")
    history = history_of(CampaignPlan(growth=growth, cycling=Cycling(cycles=1, long_rest_cycle=1)))
    first, second = np.diff(history.nodes_uah[:, 1])[[2, 4]]  # 21 h and 1 h
    assert first == pytest.approx(21.0 * second)
    assert first + second == pytest.approx(60.0 * growth.fraction(1.0))


def test_a_constant_voltage_lets_the_residue_out_and_the_charge_counts() -> None:
    plan = CampaignPlan(cycling=Cycling(cycles=2, hold_cycle=2, hold_released=0.75))
    history = history_of(plan)
    held = [step for step in history.steps if step.mode == "CV"]
    begin = history.contents_uah(held[0].start_s)[0]
    end = history.contents_uah(held[-1].stop_s)[0]
    assert end[0] == pytest.approx(0.25 * begin[0])
    assert end[1] == begin[1]
    assert sum(step.charge_uah for step in held) == pytest.approx(end[2] - begin[2])
    currents = [step.current_ua for step in held]
    assert currents == sorted(currents)  # dies off: discharge is negative
    assert len(history.truth()) == 4
    assert history.moved().cycle.tolist() == [1, 2]


def test_growth_by_the_clock_runs_on_in_a_long_rest() -> None:
    growth = Growth(driver="time")
    short = history_of(CampaignPlan(growth=growth, cycling=Cycling(cycles=1)))
    long = history_of(CampaignPlan(growth=growth, cycling=Cycling(cycles=1, long_rest_cycle=1)))
    assert grown(long, "rest") > 5 * grown(short, "rest")
    assert grown(short, "charge") > 0
    assert grown(short, "discharge") > 0


def test_silicon_moves_with_lithium_up_to_its_cap() -> None:
    growth = Growth(fast=0.5, silicon_cap=0.1, li_per_silicon=2.0)
    history = history_of(CampaignPlan(growth=growth))
    per_uah = history.plan.li_1e15(1.0)
    moved = history.moved_silicon_1e15([[0.0, q, q] for q in (0.0, 1.0, 1e3)])
    np.testing.assert_allclose(moved, [0, per_uah / 2, 0.1 * history.film_1e15])
    still = history_of(CampaignPlan(growth=Growth(li_per_silicon=0.0)))
    assert not still.moved().amount_1e15.any()


def test_the_interlayer_is_a_front_or_falls_off_exponentially() -> None:
    plan = CampaignPlan(growth=Growth(width_nm=5.0))
    history = history_of(plan)
    contents = np.array([[0.0, 10.0, 10.0]])
    added = (
        history.lithium_1e15(contents)[0] - history.cells.lithium_1e15
    ) / history.cells.width_nm
    layer = history.cells.layer == 3
    reach = 10.0 * plan.li_1e15(1.0) / 0.6
    depth = history.cells.depth_nm[layer]
    np.testing.assert_allclose(added[layer][depth < reach - 40], 0.6, rtol=1e-3)
    assert np.all(np.abs(added[layer][depth > reach + 120]) < 1e-6)
    soft = history_of(dataclasses.replace(plan, growth=Growth(shape="exponential", width_nm=80.0)))
    gained = soft.lithium_1e15(contents)[0] - soft.cells.lithium_1e15
    ratio = gained[layer][20] / gained[layer][0]
    assert ratio == pytest.approx(np.exp(-(depth[20] - depth[0]) / 80.0), rel=1e-9)


def test_mean_contents_are_exact_across_the_end_of_a_phase() -> None:
    history = history_of(CampaignPlan())
    start = np.array([history.node_s[1] - 200.0])
    stop = start + 480.0
    grid = (start + (np.arange(200000) + 0.5) / 200000 * 480.0).ravel()
    brute = history.contents_uah(grid).mean(axis=0)
    np.testing.assert_allclose(history.mean_contents_uah(start, stop)[0], brute, atol=1e-6)


def test_a_dead_cell_and_unknown_words_are_refused() -> None:
    with pytest.raises(OutOfRange, match="no lithium is left"):
        history_of(CampaignPlan(growth=Growth(fast=1.5, fast_cycles=1.0)))
    with pytest.raises(BadInput, match="not known"):
        Growth(driver="magic")  # type: ignore[arg-type]
    with pytest.raises(OutOfRange, match="cathode cannot give"):
        history_of(CampaignPlan(cycling=Cycling(first_charge_uah=500.0)))
