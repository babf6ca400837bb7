"""Planning for boron and nitrogen in any stack."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from lidepth.analysis.planning import (
    Description,
    Geometry,
    Protocol,
    parse_question,
    plan,
)
from lidepth.analysis.planning.depths import (
    ADDED,
    content_design,
    resolution_design,
    thin_layer_design,
)
from lidepth.analysis.planning.layers import isotope_1e15, layer_model
from lidepth.errors import BadData, UsageError
from lidepth.model.calibration import Calibration
from lidepth.model.instrument import Detector, Instrument
from lidepth.model.stack import Stack
from lidepth.physics.stopping import stopping_source

SOURCE = stopping_source("icru49")
BORON = "SiO2 100 nm @ 2.2 g/cm^3 | B0.1Si0.9O1.95 500 nm @ 2.2 g/cm^3 | Si 20 um"


def boron(rate: float = 0.02, fwhm_kev: float = 20.0, spread_deg: float = 0.0) -> Description:
    instrument = Instrument(
        detector=Detector(fwhm_kev=fwhm_kev), isotope="10B", exit_angle_spread_deg=spread_deg,
        calibration=Calibration(offset_kev=0.0, gain_kev=2.0),
    )  # fmt: skip
    return Description(stack=Stack.parse(BORON), instrument=instrument, rate=rate, background=1e-9)


def test_boron_in_a_layer_is_known_to_the_root_of_its_alphas_and_recoils():
    model = layer_model(boron(), Protocol(), SOURCE)
    counts = 0.02 * isotope_1e15(model.stack.layers[1], "10B") * 2.0 * 3600.0  # alpha and 7Li
    design = content_design(model)
    row = np.eye(len(design.local) + len(design.shared))[0]
    error = design.std(row, count_s=3600.0, known=lambda name: not name.startswith("amount"))
    # 2 % of the recoils are below the threshold of 150 keV.
    assert error == pytest.approx(1.0 / math.sqrt(counts), rel=0.02)


def test_boron_cannot_be_known_better_than_the_reference_sample():
    (two, half) = plan(
        boron(), Protocol(reference_std=0.01), SOURCE,
        [parse_question("2 % in B0.1Si0.9O1.95"), parse_question("0.5 % in B0.1Si0.9O1.95")],
    )  # fmt: skip
    assert two.reachable
    time = two.need("counting time").value
    content = 0.02 * isotope_1e15(Stack.parse(BORON).layers[1], "10B") * 2.0
    # Counts and the rate of reference and monitor in quadrature: nothing else matters by 10 %.
    expected = 1.0 / (0.02**2 - 0.01**2 - 0.003**2) / content
    assert time == pytest.approx(expected, rel=0.1)
    assert not half.reachable
    assert not half.need("counting time").possible
    assert half.floor_limits[0][0] == "flux of the state"
    assert half.floor == pytest.approx(100 * math.hypot(0.01, 0.003), rel=0.01)


def test_a_better_detector_sees_a_thin_layer_sooner():
    errors = []
    for fwhm_kev in (10.0, 20.0, 40.0):
        design = thin_layer_design(
            layer_model(boron(fwhm_kev=fwhm_kev), Protocol(), SOURCE), depth_nm=300.0,
            thickness_nm=20.0,
        )  # fmt: skip
        row = np.eye(len(design.local) + len(design.shared))[0]
        errors.append(design.std(row, count_s=36000.0))
    assert errors[0] < errors[1] < errors[2]


def test_a_nearer_detector_counts_more_until_its_exit_angles_blur():
    question = [parse_question("layer of 20 nm at 300 nm at 20 sigma")]
    protocol = Protocol(count_s=36000.0)
    clean, blurred = (
        plan(boron(spread_deg=spread), protocol, SOURCE, question)[0] for spread in (0.0, 9.0)
    )
    assert clean.need("distance").unit == "x"
    # Without any spread the error goes with the distance itself, as long as counting limits.
    nearer = clean.need("distance").value
    assert nearer < 1.0
    assert nearer == pytest.approx(clean.target / clean.error, rel=0.15)
    # Exit angles spread the more the nearer: the same error takes a nearer place, or none does.
    assert clean.error < blurred.error
    assert not blurred.need("distance").value > nearer


def test_a_distance_is_told_in_cm_where_the_geometry_is_known():
    geometry = Geometry(distance_cm=15.0, detector_cm2=3.0)
    described = replace(boron(), geometry=geometry)
    (answer,) = plan(described, Protocol(), SOURCE, [parse_question("3 % in B0.1Si0.9O1.95")])
    need = answer.need("distance")
    assert (need.unit, need.planned) == ("cm", 15.0)
    assert need.possible


def test_finer_bins_are_known_worse_and_the_plan_says_which_it_reaches():
    protocol = Protocol(count_s=36000.0)
    (answer,) = plan(
        boron(), protocol, SOURCE, [parse_question("resolution of 60 nm at 350 nm to 10 %")]
    )
    model = layer_model(boron(), protocol, SOURCE)
    errors = []
    for width_nm in (40.0, 60.0, 120.0):
        design = resolution_design(model, depth_nm=350.0, width_nm=width_nm)
        row = np.zeros(len(design.local) + len(design.shared))
        row[design.local.index(ADDED)] = 1.0
        errors.append(100.0 * design.std(row, count_s=36000.0))
    assert errors[0] > 2.0 * errors[2]
    assert answer.error == pytest.approx(errors[1], rel=1e-6)
    reached = float(answer.remarks[0].split("bins of ")[1].split(" nm")[0])
    design = resolution_design(model, depth_nm=350.0, width_nm=reached)
    row = np.zeros(len(design.local) + len(design.shared))
    row[design.local.index(ADDED)] = 1.0
    # Bins come in whole numbers, so that their error is no smooth function of the width: 20 %.
    assert 100.0 * design.std(row, count_s=36000.0) == pytest.approx(10.0, rel=0.2)


def test_nitrogen_is_planned_by_its_protons():
    instrument = Instrument(
        detector=Detector(fwhm_kev=15.0), isotope="14N",
        calibration=Calibration(offset_kev=0.0, gain_kev=1.0),
    )  # fmt: skip
    stack = Stack.parse("Si3N4 100 nm @ 3.1 g/cm^3 | Si 1 um")
    described = Description(stack=stack, instrument=instrument, rate=0.001, background=1e-9)
    model = layer_model(described, Protocol(), SOURCE)
    assert {line.name for line in model.lines} == {"proton"}  # 42 keV carbon is below any noise
    (answer,) = plan(described, Protocol(), SOURCE, [parse_question("3 % in Si3N4")])
    counts = 0.001 * isotope_1e15(stack.layers[0], "14N")
    expected = 1.0 / (0.03**2 - 0.01**2 - 0.003**2) / counts
    assert answer.need("counting time").value == pytest.approx(expected, rel=0.1)


def test_what_a_stack_cannot_answer_is_refused_by_name():
    with pytest.raises(UsageError, match="about a lithium cell"):
        plan(boron(), Protocol(), SOURCE, [parse_question("growth only on charge")])
    with pytest.raises(UsageError, match="no layer is called"):
        plan(boron(), Protocol(), SOURCE, [parse_question("2 % in BPSG")])
    with pytest.raises(BadData, match="holds no 10B"):
        plan(boron(), Protocol(), SOURCE, [parse_question("2 % in SiO2")])
    with pytest.raises(BadData, match="not inside the stack"):
        plan(boron(), Protocol(), SOURCE, [parse_question("layer of 5 nm at 90000 nm")])
    bare = replace(boron(), stack=Stack.parse("SiO2 100 nm @ 2.2 g/cm^3"))
    with pytest.raises(BadData, match="no layer holds 10B"):
        layer_model(bare, Protocol(), SOURCE)
