"""PLAN.yaml: every key reaches the plan, mistakes are named, the truth can be written."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from lidepth.errors import BadInput, OutOfRange, UnknownKey, WrongUnit
from lidepth.files.plan import _SECTIONS, read_plan, truth_json
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


def test_an_almost_empty_plan_is_the_published_cell(tmp_path: Path) -> None:
    plan = read_plan(write(tmp_path, "title: cell"))
    assert repr(plan) == repr(CampaignPlan(title="cell", start=plan.start))
    assert plan.start == CampaignPlan().start


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
        ("stack: [{material: Si, thickness: 5 nm, li6_fraction: x}]", BadInput, "stack.0"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, error: type, words: str) -> None:
    with pytest.raises(error, match=f"(?s)PLAN.yaml.*{words}"):
        read_plan(write(tmp_path, text))


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
