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
from lidepth.mechanism.protocol import Protocol, cycle, paper_protocol
from lidepth.mechanism.pybamm_model import run_pybamm

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
