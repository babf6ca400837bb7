"""A recorded cell under the virtual instrument: no atom lost, no charge lost, dirt on request."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from lidepth.errors import BadInput
from lidepth.mechanism.cell import Cell
from lidepth.mechanism.history import CellHistory, run_protocol
from lidepth.mechanism.parameters import CellParameters
from lidepth.mechanism.protocol import HOUR_S, paper_protocol
from lidepth.mechanism.record import record_of
from lidepth.model.cell_record import CellRecord
from lidepth.model.spectra import Quality
from lidepth.model.stack import Stack
from lidepth.physics.stopping import stopping_source
from lidepth.virtual.events import Ways
from lidepth.virtual.expected import expected_spectra
from lidepth.virtual.history import History, history_of
from lidepth.virtual.plan import Beam, CampaignPlan, Counting
from lidepth.virtual.spectra import VirtualCampaign, simulate_campaign
from lidepth.virtual.transit import Passage

SOURCE = stopping_source("icru49")
BARE = CampaignPlan(seed=2)


@lru_cache
def model() -> CellHistory:
    """Two fast cycles of the published stack; the second ends at held voltages."""
    parameters = CellParameters.from_stack(BARE.stack, BARE.area_cm2)
    protocol = paper_protocol(
        2, current_ua=40.0, long_rest_cycle=None, storage_s=2 * HOUR_S, last_constant=1
    )
    return run_protocol(Cell(parameters, engine="numpy"), protocol)


@lru_cache
def record(within: float = 2e-4) -> CellRecord:
    return record_of(model(), within=within, engine="numpy")


@lru_cache
def campaign() -> VirtualCampaign:
    return simulate_campaign(replace(BARE, cell=record()), source=SOURCE)


def history(**changes: Any) -> History:
    return history_of(replace(BARE, cell=record(), **changes))


def electrolyte(of: History) -> np.ndarray:
    return of.cells.layer == of.plan.stack.index("electrolyte")


@pytest.mark.parametrize("cell_nm", [0.7, 4.0, 13.0, 20.0])
def test_the_fine_cells_hold_the_atoms_of_the_record(cell_nm: float) -> None:
    """Cell for cell below each edge, by the closed form: the cumulative amounts agree.

    1e-12 of the whole: sums over some thousand cells, each good to 1e-16.
    """
    found = history(cell_nm=cell_nm)
    inside, states = electrolyte(found), found.course.states
    edges = np.concatenate([[0.0], np.cumsum(found.cells.width_nm[inside])])
    pairs = (
        (found.lithium_1e15(states) - found.cells.lithium_1e15, record().bound_1e15),
        (found.silicon_1e15(states) - found.cells.silicon_1e15, record().silicon_1e15),
    )
    for fine, coarse in pairs:
        upto = np.cumsum(np.pad(coarse, ((0, 0), (1, 0))), axis=1)
        expected = [np.interp(edges, record().edges_nm, row) for row in upto]
        np.testing.assert_allclose(
            np.cumsum(np.pad(fine[:, inside], ((0, 0), (1, 0))), axis=1), expected,
            atol=1e-12 * record().film_1e15[0] + 1e-12 * found.cells.lithium_1e15.sum(),
        )  # fmt: skip


def test_lithium_and_silicon_are_conserved_at_all_times() -> None:
    found = history()
    states = found.states(np.linspace(0.0, found.duration_s, 97))
    lithium, silicon = found.lithium_1e15(states), found.silicon_1e15(states)
    assert np.ptp(lithium.sum(axis=1)) / found.cells.lithium_1e15.sum() < 1e-12
    assert np.ptp(silicon.sum(axis=1)) / found.cells.silicon_1e15.sum() < 1e-12
    assert lithium.min() > -1e-9
    assert silicon.min() > -1e-9
    np.testing.assert_allclose(found.contents_uah(found.node_s) @ [1, 1, -1], 0.0, atol=1e-9)


def test_an_anode_below_the_electrolyte_gets_its_interlayer_there() -> None:
    """The same films the other way round: the record counts from the anode, the stack does not."""
    coat, _, anode, solid, cathode, _ = BARE.stack.layers
    turned = Stack(layers=(coat, cathode, solid, anode))
    found = history(stack=turned, printed_stack=None)
    added = (found.lithium_1e15(found.course.states[-1:]) - found.cells.lithium_1e15)[0]
    bound = added[electrolyte(found)]
    assert bound[-5:].sum() > 0.5 * bound.sum()
    assert np.argmax(bound) == bound.size - 1


def test_states_are_averaged_over_a_spectrum_exactly() -> None:
    found = history()
    start = np.array([record().steps[1].stop_s - 200.0, 7300.0])
    grid = start[:, None] + (np.arange(20000) + 0.5) / 20000 * 480.0
    brute = [found.states(times).mean(axis=0) for times in grid]
    np.testing.assert_allclose(found.mean_states(start, start + 480.0), brute, atol=1e-5)


def test_the_truth_is_the_model_at_its_rests() -> None:
    truth = campaign().truth
    states = [s for s, p in zip(model().states[1:], model().protocol.phases, strict=True)
              if p.kind == "rest" and p.cycle > 0]  # fmt: skip
    rows = [[s.qa_uah, s.qe_uah, s.qc_uah] for s in states]
    np.testing.assert_allclose(truth.values, rows, atol=1e-9)  # growth on charge: rests are still
    assert truth.state == ("charged", "discharged") * 2
    np.testing.assert_allclose(truth.balance, 0.0, atol=1e-9)
    moved = campaign().silicon
    ends = [s.moved_silicon_uah * record().li_1e15_per_uah for s in model().ends("discharge")]
    np.testing.assert_allclose(moved.amount_1e15, ends, rtol=1e-9)


def test_the_log_adds_up_to_the_capacities_of_the_model() -> None:
    """A current holds until the next row; times are kept to 1 ns, so 1e-6 uAh is ample."""
    log, steps = campaign().log, campaign().history.steps
    passed = np.interp([0.0, *(s.stop_s for s in steps)], log.seconds(log.time[0]), log.charge_uah)
    charge = np.diff(passed)
    for kind in ("charge", "discharge"):
        each = [
            abs(sum(q for q, s in zip(charge, steps, strict=True)
                    if (s.kind, s.cycle) == (kind, n))) for n in (1, 2)
        ]  # fmt: skip
        np.testing.assert_allclose(each, model().capacity_uah(kind), atol=1e-6)  # type: ignore[arg-type]


def test_the_log_shows_the_voltage_of_the_model() -> None:
    """Within noise of 0.2 mV (6 sd) and one step of the model, 12 mV, where rows lie between."""
    log = campaign().log
    time = log.seconds(log.time[0])
    for step in campaign().history.steps:
        inside = (time > step.start_s - 1e-6) & (time < step.stop_s - 1e-6)  # kept to 1 ns
        volts, rows = log.voltage_v[inside], log.current_ua[inside]
        assert np.all(np.diff(time[inside])[:-1] == pytest.approx(60.0))
        assert step.stop_s - time[inside][-1] == pytest.approx(0.1)
        if step.mode == "CC":
            limit = {"charge": 4.0, "discharge": 3.0}[step.kind]
            assert volts[-1] == pytest.approx(limit, abs=8e-3)  # seen 0.1 s early
        assert np.all(np.sign(rows) == {"charge": 1, "discharge": -1}.get(step.kind, 0))
        k = int(np.argmin(np.abs(model().end_s - step.stop_s)))
        own = model().phase == k
        if step.mode == "CV":
            np.testing.assert_allclose(volts[1:], round(float(volts[1])), atol=1.3e-3)  # noise
            assert abs(rows[-1]) < abs(rows[0])
            continue
        expected = np.interp(time[inside], model().time_s[own], model().voltage_v[own])
        np.testing.assert_allclose(volts, expected, atol=13e-3)
        assert volts[0] == pytest.approx(model().voltage_v[own][0], abs=1.3e-3)


def test_between_grid_states_energies_are_linear_to_a_fiftieth_of_a_kev() -> None:
    found = history()
    ways, passage = Ways(found, SOURCE), Passage("alpha", found, SOURCE)
    for time_s in np.linspace(found.node_s[1], found.duration_s, 7)[1:-1] + 137.0:
        states = found.states(time_s)
        out = passage.out(found.lithium_1e15(states), found.silicon_1e15(states), 0.0)
        energy, _ = ways.at(float(time_s))[0]
        assert np.max(np.abs(energy[0, 0] - out.energy_kev[:, 0])) < 0.02


def test_spectra_do_not_depend_on_how_dense_the_nodes_are() -> None:
    """In the middle of the first charge, where the interlayer grows fastest.

    A state of 1 h has some 1e5 counts in its peaks: a change of a tenth of their square root over
    the whole spectrum is below what chance does by a factor of ten.
    """
    rates = []
    for within in (2e-4, 2e-5):
        found = history_of(replace(BARE, cell=record(within)))
        middle = 0.5 * (record().steps[1].start_s + record().steps[1].stop_s)
        rates.append(expected_spectra(found, found.states(middle), SOURCE).counts(3600.0)[0])
    coarse, fine = rates
    chi2 = np.sum((coarse - fine) ** 2 / np.maximum(fine, 1.0))
    assert chi2 < 0.1**2 * coarse.size


def test_the_same_seed_gives_the_same_campaign_and_another_seed_another() -> None:
    again = simulate_campaign(replace(BARE, cell=record()), source=SOURCE)
    other = simulate_campaign(replace(BARE, cell=record(), seed=3), source=SOURCE)
    np.testing.assert_array_equal(campaign().series.counts, again.series.counts)
    np.testing.assert_array_equal(campaign().log.voltage_v, again.log.voltage_v)
    assert np.any(campaign().series.counts != other.series.counts)
    assert campaign().run.pristine.sum() == 15  # 2 h of 8 min


def test_beam_gaps_drift_tails_and_roughness_act_on_a_recorded_cell() -> None:
    dirty = simulate_campaign(
        replace(
            BARE, cell=record(), beam=Beam(wander_rel=0.0, off=((9600.0, 14400.0),)),
            counting=Counting(
                tail_fraction=0.2, tail_kev=200.0, gain_drift=0.02, roughness_nm=40.0
            ),
        ),
        source=SOURCE,
    ).series  # fmt: skip
    clean = campaign().series
    off = (dirty.flags & int(Quality.BEAM_OFF)) != 0
    np.testing.assert_array_equal(np.nonzero(off)[0], np.arange(20, 30))
    assert dirty.counts[off].sum(axis=1).max() < 30
    valley = slice(580, 780)  # between alphas and tritons only tails reach
    assert dirty.counts[~off, valley].sum() > 5 * clean.counts[~off, valley].sum()
    channel = np.arange(dirty.channels)[780:]
    early, late = (
        [np.average(channel, weights=s.counts[part, 780:].sum(axis=0)) for s in (dirty, clean)]
        for part in (slice(0, 15), slice(-15, None))
    )
    assert late[0] - late[1] < early[0] - early[1] - 5.0  # 2 % of 880 channels at the end


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"area_cm2": 1.5}, r"area: 1.5 cm2 in the plan, 1.79 cm2 .* 10 uAh are 149.8 and 125.5"),
        ({"stack": BARE.stack.scaled(np.array([1, 1, 1.02, 1, 1, 1.0]))},
         r"anode: Si 51 nm .* in the stack, Si 50 nm @ 2.33 g/cm\^3 \(249.8"),
        ({"stack": Stack.parse(
            "Si 50 nm @ 2.33 g/cm^3 [anode] | Li3PO4 2 um @ 2.4 g/cm^3 [electrolyte] | "
            "LiMn2O4 550 nm @ 4.2 g/cm^3 [cathode]")},
         "electrolyte: Li3PO4 2000 nm @ 2.4.*cathode: LiMn2O4"),
    ],
)  # fmt: skip
def test_another_cell_than_the_stack_is_refused_with_the_arithmetic(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        history(**changes)
