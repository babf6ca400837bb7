"""The cell written for PyBaMM is the same cell; where it is missing the extra is named."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import pytest

from lidepth.errors import BadInput, UsageError
from lidepth.mechanism.cell import Cell
from lidepth.mechanism.growth import InterlayerDiffusion, ReducedLaw
from lidepth.mechanism.history import run_protocol
from lidepth.mechanism.parameters import CellParameters
from lidepth.mechanism.protocol import Phase, Protocol, cycle, paper_protocol
from lidepth.mechanism.pybamm_model import experiment_steps, run_pybamm

THERE = importlib.util.find_spec("pybamm") is not None


@pytest.mark.skipif(not THERE, reason="PyBaMM is not installed")
@pytest.mark.filterwarnings("default")  # other people's deprecations
def test_pybamm_runs_the_same_cell() -> None:
    parameters, protocol = CellParameters(), paper_protocol(3, long_rest_s=3600.0)
    theirs = run_pybamm(parameters, protocol)
    ours = run_protocol(Cell(parameters), protocol).states[1:]
    # Another mesh, another integrator: 0.7 % at most was seen, in the residue.
    for name in ("time_s", "voltage_v", "x", "y", "qa_uah", "qe_uah", "qc_uah"):
        expected = [getattr(state, name) for state in ours]
        assert getattr(theirs, name) == pytest.approx(expected, rel=0.015), name


@pytest.mark.nightly
@pytest.mark.skipif(not THERE, reason="PyBaMM is not installed")
@pytest.mark.filterwarnings("default")
def test_over_350_cycles_they_stay_within_three_per_cent() -> None:
    parameters, protocol = CellParameters(), paper_protocol(350)
    theirs = run_pybamm(parameters, protocol)
    ours = run_protocol(Cell(parameters), protocol).states[1:]
    for name in ("time_s", "x", "y", "qa_uah", "qe_uah", "qc_uah"):
        expected = [getattr(state, name) for state in ours]
        assert getattr(theirs, name) == pytest.approx(expected, rel=0.03), name


def test_a_protocol_is_told_in_the_words_of_a_pybamm_experiment() -> None:
    steps = experiment_steps(Protocol.of([cycle(1, 10.0, hold_until_ua=2.0, rest_s=60.0)]))
    assert steps == [
        (
            "Charge at 1e-05 A until 4 V", "Hold at 4 V until 2e-06 A", "Rest for 60 seconds",
            "Discharge at 1e-05 A until 3 V", "Hold at 3 V until 2e-06 A", "Rest for 60 seconds",
        )
    ]  # fmt: skip


def test_a_phase_that_time_ends_says_so() -> None:
    timed = Phase(kind="charge", cycle=1, current_ua=5.0, longest_s=90.0)
    both = Phase(kind="discharge", cycle=1, current_ua=-5.0, until_v=3.1, longest_s=90.0)
    assert experiment_steps(Protocol.of([[timed, both]])) == [
        ("Charge at 5e-06 A for 90 seconds", "Discharge at 5e-06 A for 90 seconds or until 3.1 V")
    ]


@pytest.mark.skipif(not THERE, reason="PyBaMM is not installed")
@pytest.mark.filterwarnings("default")
def test_pybamm_understands_those_words() -> None:
    import pybamm

    experiment = pybamm.Experiment(experiment_steps(paper_protocol(364)))
    held = [step for step in experiment.steps if step.value == 4.0]
    assert len(held) == 14  # cycles 351 to 364


@pytest.mark.skipif(THERE, reason="PyBaMM is installed")
def test_without_pybamm_the_extra_is_named() -> None:
    with pytest.raises(UsageError, match=r"lidepth\[pybamm\]"):
        run_pybamm(CellParameters(), paper_protocol(1))


@pytest.mark.skipif(not THERE, reason="PyBaMM is not installed")
def test_what_the_model_does_not_know_is_refused() -> None:
    protocol = paper_protocol(1)
    for change in (
        {"growth": ReducedLaw()}, {"growth": InterlayerDiffusion(phase="time")},
        {"cathode_loss_cm2_uah": 1e-4},
    ):  # fmt: skip
        with pytest.raises(BadInput, match="not known"):
            run_pybamm(replace(CellParameters(), **change), protocol)
    with pytest.raises(BadInput, match="held voltages"):
        run_pybamm(CellParameters(), Protocol.of([cycle(1, 10.0, hold_until_ua=1.0)]))
