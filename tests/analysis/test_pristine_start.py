"""Pristine fits that used to get stuck: a scale printed far off, a detector without background."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lidepth.analysis.build import build_model
from lidepth.analysis.calibrate import Calibrated, calibrate
from lidepth.analysis.reduce import reduce_run
from lidepth.model.calibration import Calibration
from lidepth.model.result import Run
from lidepth.model.spectra import SpectrumSeries
from lidepth.physics.stopping import stopping_source
from lidepth.virtual.expected import expected_spectra
from lidepth.virtual.history import history_of
from lidepth.virtual.plan import CampaignPlan, Cycling, paper_stack

SOURCE = stopping_source("icru49")
SEEDS = (1, 2, 3, 4, 5, 6)


def calibrated(plan: CampaignPlan, *, seed: int) -> Calibrated:
    """One pristine spectrum of the plan's length, fitted."""
    live_s = plan.cycling.pristine_s
    mean = expected_spectra(history_of(plan), np.zeros((1, 3)), SOURCE).counts(live_s)
    series = SpectrumSeries.from_arrays(
        counts=np.random.default_rng(seed).poisson(mean), live_s=[live_s], real_s=[live_s],
        start=np.array([np.datetime64(plan.start, "ns")]),
    )  # fmt: skip
    run = Run(
        title="pristine", area_cm2=plan.area_cm2, stack=plan.believed_stack,
        instrument=plan.believed_instrument, series=series, log=None, pristine=np.array([True]),
        source="made",
    )  # fmt: skip
    return calibrate(run, build_model(run, SOURCE, cycles=1), reduce_run(run).pristine)


def test_a_scale_printed_two_and_a_half_errors_off_is_found() -> None:
    """7 keV and 0.4 %: tritons lie 18 keV from where the print has them, under another cover."""
    printed = paper_stack(2000.0)
    true = printed.scaled(np.array([1.173, 0.969, 1.007, 1.065, 1.044, 0.905]))
    made = CampaignPlan().instrument
    believed = replace(
        made, calibration=Calibration(offset_kev=-5.34, gain_kev=2.98796),
        detector=replace(made.detector, fwhm_kev=18.6),
    )  # fmt: skip
    plan = CampaignPlan(
        cycling=Cycling(cycles=0, pristine_s=48_000.0), stack=true, printed_stack=printed,
        stopping_scales=(1.034, 1.028, 1.023, 0.998, 0.973, 0.983), printed_instrument=believed,
    )  # fmt: skip
    found = calibrated(plan, seed=1).result
    value = {p.name: p.value for p in found.parameters}
    scale = made.calibration
    at_2700 = value["offset"] + value["gain"] * (2700.0 - scale.offset_kev) / scale.gain_kev
    # The scale is known to a few keV after half a day; 18 keV were to be found.
    assert at_2700 == pytest.approx(2700.0, abs=6.0)
    assert not any("not credible" in note for note in found.warnings)


@pytest.mark.parametrize("seed", SEEDS)
def test_hardly_any_background_is_no_obstacle(seed: int) -> None:
    """A count in two bins between the particles: a tail a little below nothing is no end."""
    plan = CampaignPlan(
        cycling=Cycling(cycles=0, pristine_s=9600.0), stack=paper_stack(),
        printed_stack=paper_stack(),
    )  # fmt: skip
    fit = calibrated(plan, seed=seed).result.fit
    assert fit.deviance < 1.3 * fit.degrees_of_freedom  # six sigma for some 400 bins
