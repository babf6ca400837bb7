"""A record keeps what the history had: charge, atoms, phases; nodes only where they are needed."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from lidepth.errors import BadData, OutOfRange
from lidepth.mechanism.cell import Cell
from lidepth.mechanism.growth import InterlayerDiffusion, ReducedLaw
from lidepth.mechanism.history import CellHistory, run_protocol
from lidepth.mechanism.parameters import CellParameters
from lidepth.mechanism.protocol import HOUR_S, Phase, Protocol, paper_protocol
from lidepth.mechanism.record import record_cell, record_of
from lidepth.model.cell_record import CellRecord

PROTOCOL = paper_protocol(
    2, long_rest_cycle=None, storage_s=2 * HOUR_S, current_ua=30.0, last_constant=1
)


@lru_cache
def history(**growth: Any) -> CellHistory:
    cell = Cell(CellParameters(growth=InterlayerDiffusion(**growth)), engine="numpy")
    return run_protocol(cell, PROTOCOL)


@lru_cache
def record(within: float = 2e-4, **growth: Any) -> CellRecord:
    return record_of(history(**growth), within=within, engine="numpy")


def at(values: np.ndarray, of: CellRecord, time_s: np.ndarray) -> np.ndarray:
    """Values (nodes, k) at other times, linear in between."""
    return np.stack([np.interp(time_s, of.node_s, column) for column in values.T], axis=1)


@pytest.mark.parametrize("phase", ["charge", "both", "time", "rest"])
def test_contents_between_nodes_are_those_of_every_row(phase: str) -> None:
    """Closer than the 2e-4 of the cathode's charge that was asked for, at all rows but the first
    and last 10 s of a phase, in which the current moves no more than that tolerance, 0.01 uAh,
    times eight (30 uA for 10 s are 0.083 uAh)."""
    found, model = record(phase=phase), history(phase=phase)
    rows = np.stack([model.qa_uah, model.qe_uah, model.qc_uah], axis=1)
    off = np.abs(at(found.contents_uah, found, model.time_s) - rows).max(axis=1)
    edge = np.min(np.abs(model.time_s[:, None] - [0.0, *model.end_s]), axis=1) < 10.0
    within = 2e-4 * model.qc_uah.max()
    assert off[~edge].max() <= within * (1 + 1e-9)
    assert off.max() <= 8 * within
    assert found.node_s.size < 0.1 * model.time_s.size  # and there are few of them


def test_ten_times_closer_nodes_move_a_hundredth_of_a_uah_in_depth() -> None:
    """Half the sum of differences over the cells is the lithium that lies elsewhere.

    0.02 uAh is a fiftieth of what a run of three cycles can tell of the electrolyte (1 uAh).
    """
    coarse, fine = record(), record(2e-5)
    assert fine.node_s.size > 1.5 * coarse.node_s.size
    time = np.linspace(0.0, coarse.node_s[-1], 1000)
    for name in ("bound_1e15", "silicon_1e15"):
        moved = at(getattr(fine, name), fine, time) - at(getattr(coarse, name), coarse, time)
        uah = 0.5 * np.abs(moved).sum(axis=1).max() / coarse.li_1e15_per_uah
        assert uah < 0.02


def test_capacities_and_the_ledger_are_those_of_the_history() -> None:
    found, model = record(), history()
    for kind in ("charge", "discharge"):
        charge = [
            abs(sum(s.charge_uah for s in found.steps if (s.cycle, s.kind) == (n, kind)))
            for n in (1, 2)
        ]
        np.testing.assert_allclose(charge, model.capacity_uah(kind), rtol=1e-12)  # type: ignore[arg-type]
    ends = at(found.contents_uah, found, model.end_s)
    states = [[s.qa_uah, s.qe_uah, s.qc_uah] for s in model.states[1:]]
    np.testing.assert_allclose(ends, states, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.row_s, model.time_s)
    assert found.charge_uah[-1] == pytest.approx(model.qc_uah[-1])


def test_phases_are_steps_and_storage_is_pristine() -> None:
    steps = record().steps
    kinds = [(s.kind, s.cycle, s.mode) for s in steps]
    assert kinds[0] == ("pristine", 0, "rest")
    assert kinds[1:5] == [
        ("charge", 1, "CC"), ("rest", 1, "rest"), ("discharge", 1, "CC"), ("rest", 1, "rest"),
    ]  # fmt: skip
    assert [mode for kind, cycle, mode in kinds if cycle == 2 and kind == "charge"] == ["CC", "CV"]
    for step in steps:
        hours = (step.stop_s - step.start_s) / 3600.0
        assert step.charge_uah == pytest.approx(step.current_ua * hours, rel=1e-9, abs=1e-9)


def test_a_phase_that_is_over_at_once_leaves_no_step() -> None:
    """A charge begun at the cut-off: nothing happens, and the phases stay without gaps."""
    first = PROTOCOL.phases[:2]
    again = Phase(kind="charge", cycle=2, current_ua=30.0, until_v=4.0)
    rest = Phase(kind="rest", cycle=2, current_ua=0.0, longest_s=HOUR_S)
    found = record_cell(CellParameters(), Protocol(phases=(*first, again, rest)))
    assert [s.kind for s in found.steps] == ["pristine", "charge", "rest"]
    assert found.steps[2].start_s == found.steps[1].stop_s


def test_a_law_without_depth_is_a_front_that_holds_all_of_it() -> None:
    parameters = CellParameters(growth=ReducedLaw(amplitude_uah_cm2=5.0))
    found = record_cell(parameters, PROTOCOL)
    assert found.contents_uah[-1, 1] > 1.0
    total = found.film_1e15 + found.silicon_1e15.sum(axis=1)
    np.testing.assert_allclose(total, total[0], rtol=1e-12)
    full = 0.5 * parameters.site_uah_cm2_nm * np.diff(found.edges_nm)  # silicon per phosphorus
    reach = found.silicon_1e15[-1] / full
    assert np.all(np.diff(reach) <= 1e-12)
    assert found.parameters["growth"]["law"] == "sqrt"


def test_an_electrolyte_made_with_silicon_has_it_from_the_first_node() -> None:
    found = record(start=0.1)
    assert found.silicon_1e15[0].sum() > 100.0
    assert found.bound_1e15[0].sum() == 0.0
    assert found.film_1e15[0] == pytest.approx(found.films[0].element_1e15("Si"))


def test_both_engines_tell_the_same() -> None:
    """Cut-offs are met to 1e-7 V, which moves the end of a phase by some ms at most."""
    compiled = record_of(run_protocol(Cell(CellParameters()), PROTOCOL))
    slow = record()
    np.testing.assert_allclose(
        [s.stop_s for s in compiled.steps], [s.stop_s for s in slow.steps], atol=0.05
    )
    ends = np.array([s.stop_s for s in slow.steps])
    np.testing.assert_allclose(
        at(compiled.contents_uah, compiled, ends), at(slow.contents_uah, slow, ends), atol=1e-3
    )


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (lambda r: {"contents_uah": r.contents_uah + np.eye(3)[0]}, "cathode misses"),
        (lambda r: {"film_1e15": r.film_1e15 + r.node_s}, "silicon is"),
        (lambda r: {"bound_1e15": 1.01 * r.bound_1e15}, "bound lithium is"),
        (lambda r: {"silicon_1e15": r.silicon_1e15[:, 1:]}, "silicon_1e15 has the shape"),
        (lambda r: {"node_s": r.node_s[::-1]}, "node_s increases"),
        (lambda r: {"node_s": r.node_s + 0.5}, "limit of a phase"),
        (lambda r: {"steps": r.steps[1:]}, "without gaps"),
        (lambda r: {"row_s": -r.row_s}, "row_s runs on"),
        (lambda r: {"voltage_v": np.nan * r.voltage_v}, "voltage_v is finite"),
        (lambda r: {"films": r.films[::-1]}, "films: anode"),
        (lambda r: {"edges_nm": 0.5 * r.edges_nm}, "whole electrolyte"),
    ],
)  # fmt: skip
def test_a_record_that_contradicts_itself_is_refused(broken: Any, promise: str) -> None:
    with pytest.raises(BadData, match=promise):
        replace(record(), **broken(record()))


def test_a_protocol_in_which_nothing_happens_is_refused() -> None:
    instant = Phase(kind="rest", cycle=0, current_ua=0.0, longest_s=1e-4)
    with pytest.raises(OutOfRange, match="nothing happens"):
        record_cell(CellParameters(), Protocol(phases=(instant,)))


def test_a_record_survives_the_way_to_another_process() -> None:
    again = pickle.loads(pickle.dumps(record()))  # noqa: S301
    for name in ("node_s", "bound_1e15", "silicon_1e15", "row_s", "voltage_v"):
        np.testing.assert_array_equal(getattr(again, name), getattr(record(), name))
    assert str(again.steps) == str(record().steps)  # nan is not itself
    assert dict(again.parameters) == dict(record().parameters)


def test_a_record_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        record().bound_1e15[0, 0] = 1.0
    with pytest.raises(TypeError):
        record().parameters["growth"] = {}  # type: ignore[index]
