"""A small virtual campaign and its analysis, made once for all tests of the whole inversion."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from lidepth.analysis import analyze
from lidepth.analysis.build import build_model
from lidepth.analysis.calibrate import Calibrated, calibrate
from lidepth.analysis.invert import Inversion, invert
from lidepth.analysis.reduce import Reduction, reduce_run
from lidepth.model.result import Analysis, Run
from lidepth.physics.stopping import stopping_source
from lidepth.virtual.plan import CampaignPlan, Cycling
from lidepth.virtual.spectra import VirtualCampaign, simulate_campaign


@dataclass(frozen=True)
class Small:
    """Three cycles of the published cell: what was true, what was measured, what was found."""

    campaign: VirtualCampaign
    analysis: Analysis

    @property
    def run(self) -> Run:
        return self.campaign.run


@dataclass(frozen=True)
class Fitted:
    """The stages of the same analysis, to do parts of it again."""

    reduction: Reduction
    calibrated: Calibrated
    inversion: Inversion


@pytest.fixture(scope="session")
def small() -> Small:
    """Fast charges, for fewer spectra to simulate; rests, flux and noise are the published ones."""
    source = stopping_source("icru49")
    plan = CampaignPlan(seed=2, cycling=Cycling(current_ua=30.0))
    campaign = simulate_campaign(plan, source=source)
    return Small(campaign=campaign, analysis=analyze(campaign.run, source))


@pytest.fixture(scope="session")
def fitted(small: Small) -> Fitted:
    reduction = reduce_run(small.run)
    model = build_model(small.run, stopping_source("icru49"), cycles=3)
    calibrated = calibrate(small.run, model, reduction.pristine)
    return Fitted(reduction, calibrated, invert(small.run, calibrated, reduction))
