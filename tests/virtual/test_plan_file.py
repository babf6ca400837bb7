"""PLAN.yaml: every key reaches the plan, mistakes are named, the truth can be written."""

from __future__ import annotations

import dataclasses
import inspect
import json
from pathlib import Path

import numpy as np
import pytest

from lidepth.errors import BadInput, OutOfRange, UnknownKey, WrongUnit
from lidepth.files.plan import _SECTIONS, read_plan, truth_json
from lidepth.files.plan_cell import published_plan
from lidepth.mechanism.growth import InterlayerDiffusion, ReducedLaw
from lidepth.mechanism.protocol import paper_protocol
from lidepth.physics.stopping import stopping_source
from lidepth.virtual.plan import Beam, CampaignPlan, Counting, Cycling, Growth
from lidepth.virtual.spectra import simulate_campaign

TEXT = """
title: tilted
seed: 5
start: 2023-05-01T10:00:00
area: 1.5 cm^2
stack:
  - {material: Kapton, thickness: 1900 nm, true_thickness: 2000 nm, uncertainty: 25 %}
  - {material: Cu, thickness: 150 nm, stopping_scale: 1.01}
  - {role: anode, material: Si, density: 2.33 g/cm^3, thickness: 50 nm}
  - {role: electrolyte, material: Li3PO4, density: 2.32 g/cm^3, thickness: 2 um}
  - {role: cathode, material: LiCoO2, density: 4.45 g/cm^3, thickness: 550 nm, li6_fraction: 5 %}
instrument: {exit_angle: 0 deg, true_exit_angle: 2 deg, fwhm: 18 keV, true_fwhm: 20 keV}
cycling: {pristine: 2 h, cycles: 1, first_charge: 40 uAh, current: 20 uA, rest: 30 min}
growth: {driver: time, shape: exponential, width: 80 nm, fast: 10 %}
beam: {flux: 2e7 1/cm^2/s, gaps: [[1 h, 90 min]], monitor: 50 Hz}
counting: {dwell: 10 min, roughness: 20 nm, tail_fraction: 1 %}
"""
MODEL = """
area: 1.5 cm^2
stack:
  - {material: Kapton, thickness: 2 um}
  - {role: anode, material: Si, density: 2.33 g/cm^3, thickness: 55 nm, true_thickness: 60 nm}
  - {role: electrolyte, material: Li3PO4, density: 2.32 g/cm^3, thickness: 2 um}
  - {role: cathode, material: LiCoO2, density: 4.45 g/cm^3, thickness: 550 nm}
cell: {mode: kappa 1, kappa: 2, law: power, exponent: 0.7, amplitude: 3 uAh/cm^2, phase: both,
       saturation: 0.4, resistance: 500 ohm*cm^2, temperature: 310 K, capacity: 50 uAh}
protocol: {pristine: 2 h, cycles: 2, current: 40 uA, later_current: 30 uA, switch_cycle: 1,
           charge_to: 3.9 V, rest: 30 min, long_rest: 2 h, long_rest_cycle: 2, hold_from: 2,
           hold_until: 5 uA}
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "PLAN.yaml"
    file.write_text(text)
    return file


def test_every_value_arrives(tmp_path: Path) -> None:
    plan = read_plan(write(tmp_path, TEXT))
    assert (plan.title, plan.seed, plan.area_cm2) == ("tilted", 5, 1.5)
    assert plan.start.startswith("2023-05-01T10:00:00")
    assert plan.stack.layers[0].thickness_nm == 2000
    assert plan.believed_stack.layers[0].thickness_nm == 1900
    assert plan.scales[1] == 1.01
    assert plan.stack.layers[4].material.li6_fraction == 0.05
    assert plan.instrument.detector.fwhm_kev == 20
    assert plan.believed_instrument.detector.fwhm_kev == 18
    assert (plan.instrument.exit_angle_deg, plan.believed_instrument.exit_angle_deg) == (2, 0)
    assert plan.cycling.pristine_s == 7200
    assert plan.growth.fast == 0.1
    assert plan.beam.off == ((3600.0, 5400.0),)
    assert plan.counting.dwell_s == 600


def test_an_almost_empty_plan_is_the_published_cell_as_the_model_has_it(tmp_path: Path) -> None:
    plan = read_plan(write(tmp_path, "title: cell"))
    assert repr(plan) == repr(CampaignPlan(title="cell", start=plan.start))
    assert plan.start == CampaignPlan().start
    assert plan.cell is not None
    assert [s.kind for s in plan.cell.steps] == [
        "pristine", *["charge", "rest", "discharge", "rest"] * 3,
    ]  # fmt: skip
    assert plan.cell.steps[0].stop_s == 12 * 3600.0
    same = published_plan(title="cell", seed=1, cycles=3).cell
    assert same is not None
    np.testing.assert_array_equal(plan.cell.contents_uah, same.contents_uah)


def test_a_plan_that_tells_its_cell_has_no_model_of_it(tmp_path: Path) -> None:
    for text in ("cycling: {}", "growth: {fast: 10 %}", TEXT):
        assert read_plan(write(tmp_path, text)).cell is None


def test_cell_and_protocol_reach_the_model(tmp_path: Path) -> None:
    plan = read_plan(write(tmp_path, MODEL))
    assert plan.cell is not None
    told = plan.cell.parameters
    assert told["silicon_nm"] == 60.0
    assert told["area_cm2"] == 1.5
    assert told["resistance_ohm_cm2"] == 500.0
    assert told["temperature_k"] == 310.0
    assert told["growth"] == {
        "law": "power", "li_per_silicon": 2.0, "phase": "both", "clock_ua_cm2": 5.7,
        "current_exponent": 0.0, "saturation": 0.4, "start": 0.0, "amplitude_uah_cm2": 3.0,
        "scale_uah_cm2": 890.0, "exponent": 0.7,
    }  # fmt: skip
    steps = [(s.kind, s.cycle, s.mode) for s in plan.cell.steps]
    assert steps == [
        ("pristine", 0, "rest"),
        ("charge", 1, "CC"), ("rest", 1, "rest"), ("discharge", 1, "CC"), ("rest", 1, "rest"),
        ("charge", 2, "CC"), ("charge", 2, "CV"), ("rest", 2, "rest"),
        ("discharge", 2, "CC"), ("discharge", 2, "CV"), ("rest", 2, "rest"),
    ]  # fmt: skip
    by_name = {(s.kind, s.cycle): s for s in reversed(plan.cell.steps)}
    assert by_name["charge", 1].current_ua == 40.0
    assert by_name["charge", 2].current_ua == 30.0
    lengths = [s.stop_s - s.start_s for s in plan.cell.steps if s.kind == "rest"]
    assert lengths == pytest.approx([1800.0, 1800.0, 7200.0, 1800.0])


def test_every_number_of_growth_and_protocol_has_a_key() -> None:
    """The grid, the films and the swelling, which no particle sees, have none."""
    growth = {
        f.name for kind in (InterlayerDiffusion, ReducedLaw) for f in dataclasses.fields(kind)
    }
    assert growth < {field for field, _ in _SECTIONS["cell"].values()}
    own = set(inspect.signature(paper_protocol).parameters) - {"last_constant"} | {"hold_from"}
    assert own == {field for field, _ in _SECTIONS["protocol"].values()}


def test_every_field_of_the_plan_has_a_key() -> None:
    for name, kind in (
        ("cycling", Cycling), ("growth", Growth), ("beam", Beam), ("counting", Counting),
    ):  # fmt: skip
        fields = {field.name for field in dataclasses.fields(kind)}
        assert fields == {field for field, _ in _SECTIONS[name].values()}


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("cyclng: {cycles: 3}", UnknownKey, "did you mean 'cycling'"),
        ("title: a\ncycling: {cylces: 3}", UnknownKey, "line 2.*\n.*\n.*did you mean 'cycles'"),
        ("stack: [{material: Cu, thickness: 1 nm, true_thicknes: 2 nm}]", UnknownKey, "true_thick"),
        ("instrument: {true_fwmh: 3 keV}", UnknownKey, "true_fwhm"),
        ("area: 1.79", WrongUnit, "no unit"),
        ("cycling: {rest: 1 nm}", WrongUnit, "line 1, cycling.rest"),
        ("beam: {gaps: [[1 h]]}", BadInput, "not an interval"),
        ("cycling: {rest: -1 h}", OutOfRange, "line 1, cycling"),
        ("growth: {driver: magic}", BadInput, "charge, discharge"),
        ("cycling: {cycles: many}", BadInput, "cycling.cycles"),
        ("cycling: {first_charge: 500 uAh}", OutOfRange, "cathode cannot give"),
        ("instrument: {fwhm: 0 keV}", OutOfRange, "line 1, instrument"),
        ("cell: 4 nm", BadInput, "line 1, cell.*fine_cell: 4 nm"),
        ("cell: {kapa: 1}", UnknownKey, "did you mean 'kappa'"),
        ("cell: {resistance: 3 nm}", WrongUnit, "line 1, cell.resistance"),
        ("cell: {clock: 3}", WrongUnit, "cell.clock.*no unit"),
        ("cell: {law: magic}", BadInput, "line 1, cell, law.*diffusion, sqrt"),
        ("cell: {law: sqrt, inlet: 2 nm*cm^2/uAh}", BadInput, "inlet means nothing to .*'sqrt'"),
        ("cell: {amplitude: 2 uAh/cm^2}", BadInput, "amplitude means nothing to .*'diffusion'"),
        ("cell: {phase: magic}", BadInput, "line 1, cell.*charge, discharge, both"),
        ("cell: {mode: magic}", BadInput, "line 1, cell.*kappa 4"),
        ("cell: {capacity: 300 uAh}", BadInput, "line 1, cell.*cannot hold 300 uAh.*72 uAh"),
        ("protocol: {cycels: 2}", UnknownKey, "did you mean 'cycles'"),
        ("protocol: {rest: -1 h}", OutOfRange, "line 1, protocol.*rest is negative"),
        ("protocol: {cycles: -1}", OutOfRange, "line 1, protocol.*cycles is negative"),
        ("protocol: {charge_to: 2 V}", OutOfRange, "line 1, protocol.*exchange the two"),
        ("protocol: {current: 2 mA}", OutOfRange, "at 2000 uA is over before it begins"),
        ("title: a\ncycling: {}\nprotocol: {}", BadInput, "line 2, cycling.*not both"),
        (
            "stack: [{role: anode, material: C, density: 2.2 g/cm^3, thickness: 50 nm},"
            " {role: electrolyte, material: LiF, density: 2.6 g/cm^3, thickness: 1 um},"
            " {role: cathode, material: LiCoO2, density: 4.45 g/cm^3, thickness: 500 nm}]",
            BadInput, "stack: the anode is C.*cycling: {}",
        ),
        ("stack: [{material: Si, thickness: 5 nm, li6_fraction: x}]", BadInput, "stack.0"),
    ],
)  # fmt: skip
def test_mistakes_are_named(tmp_path: Path, text: str, error: type, words: str) -> None:
    with pytest.raises(error, match=f"(?s)PLAN.yaml.*{words}"):
        read_plan(write(tmp_path, text))


def test_the_truth_of_a_model_cell_has_its_parameters(tmp_path: Path) -> None:
    plan = read_plan(write(tmp_path, MODEL.replace("phase: both", "phase: charge")))
    campaign = simulate_campaign(plan, source=stopping_source("icru49"))
    truth = json.loads(truth_json(campaign))
    assert set(truth["config"]) == {"cell", "beam", "counting"}
    assert truth["config"]["cell"]["growth"]["li_per_silicon"] == 2.0
    assert truth["config"]["cell"]["growth"]["phase"] == "charge"
    assert [row["cycle"] for row in truth["ledger"]] == [1, 2]
    for row in truth["ledger"]:
        assert row["qa_uAh"] + row["qe_uAh"] == pytest.approx(row["qc_uAh"], abs=1e-9)
        # While charging there is lithium at hand: every silicon atom binds kappa, two, at once.
        lithium = row["qe_uAh"] * truth["li_per_uAh_1e15"]
        assert lithium == pytest.approx(2.0 * row["moved_si_1e15"], rel=1e-6)
    second = truth["ledger"][1]
    charged = truth["ledger"][0]["qc_uAh"] + second["q_charge_uAh"]
    assert second["qc_charged_uAh"] == pytest.approx(charged, abs=1e-9)


def test_the_truth_is_written_per_cycle(tmp_path: Path) -> None:
    plan = read_plan(write(tmp_path, TEXT))
    campaign = simulate_campaign(plan, source=stopping_source("icru49"))
    truth = json.loads(truth_json(campaign))
    (row,) = truth["ledger"]
    assert row["cycle"] == 1
    assert row["q_charge_uAh"] == pytest.approx(40)
    assert row["qa_uAh"] + row["qe_uAh"] == pytest.approx(row["qc_uAh"], abs=1e-9)
    assert row["qa_charged_uAh"] + row["qe_charged_uAh"] == pytest.approx(40, abs=1e-9)
    assert [phase[2] for phase in truth["phases"]] == [s.kind for s in campaign.history.steps]
    assert truth["n_spectra"] == len(campaign.series)
