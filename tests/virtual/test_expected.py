"""Expected spectra against the events that they stand for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lidepth.model.calibration import Calibration
from lidepth.physics.stopping import stopping_source
from lidepth.virtual.events import background_cps
from lidepth.virtual.expected import expected_spectra
from lidepth.virtual.history import history_of
from lidepth.virtual.plan import CampaignPlan, Counting, Cycling, paper_instrument
from lidepth.virtual.spectra import rates_cps, simulate_campaign

SOURCE = stopping_source("icru49")
STILL = CampaignPlan(cycling=Cycling(cycles=0, pristine_s=4 * 3600))


@pytest.mark.parametrize(
    "plan",
    [
        STILL,
        replace(STILL, counting=Counting(tail_fraction=0.2, tail_kev=40.0)),
        replace(STILL, counting=Counting(roughness_nm=60.0)),
        replace(STILL, instrument=replace(paper_instrument(), exit_angle_deg=30.0,
                                          exit_angle_spread_deg=4.0)),
    ],
    ids=["plain", "tail", "rough", "tilted"],
)  # fmt: skip
def test_events_scatter_about_the_expected_spectrum_as_counts_do(plan: CampaignPlan) -> None:
    made = simulate_campaign(plan, source=SOURCE)
    expected = expected_spectra(made.history, [[0.0, 0.0, 0.0]], SOURCE)
    live = made.series.live_s
    mean = expected.counts(live, beam=made.beam).sum(axis=0)
    counts = made.series.counts.sum(axis=0)
    edges = plan.instrument.calibration.edges_kev(counts.size)
    inside = (edges[:-1] > 200.0) & (mean > 10.0)
    chi2 = float(np.sum((counts - mean)[inside] ** 2 / mean[inside]))
    freedom = int(inside.sum())
    # Four sigma of a chi square; a shift of a tenth of a channel would be seen.
    assert abs(chi2 - freedom) < 4.0 * np.sqrt(2.0 * freedom)


def test_no_particle_and_no_background_is_lost() -> None:
    """Every alpha, triton and background count above the discriminator is in some channel."""
    scale = Calibration(offset_kev=0.0, gain_kev=3.0)
    plan = replace(
        STILL, counting=Counting(threshold_kev=0.0, channels=1100),
        instrument=replace(paper_instrument(), calibration=scale),
    )  # fmt: skip
    history = history_of(plan)
    expected = expected_spectra(history, [[50.0, 5.0, 55.0]], SOURCE)
    born = 2.0 * rates_cps(history, np.array([[50.0, 5.0, 55.0]])).sum()
    total = born + background_cps(plan)
    # The deepest particles keep their width of 30 keV at 400 keV: 1e-9 of a Gaussian is all that
    # can fall below zero.
    assert expected.beam_cps.sum() == pytest.approx(total, rel=1e-9)
    assert expected.dark_cps.sum() == pytest.approx(plan.counting.dark_cps, rel=1e-12)


def test_a_drift_moves_the_channels_at_the_end() -> None:
    plan = replace(STILL, counting=Counting(offset_drift_kev=-3.0))
    history = history_of(plan)
    early, late = (
        expected_spectra(history, [[0.0, 0.0, 0.0]], SOURCE, elapsed=e).beam_cps[0]
        for e in (0.0, 1.0)
    )
    # One channel of 3 keV up: the energies are the same, their channels are not.
    np.testing.assert_allclose(late[100:900], early[99:899], rtol=1e-9)


def test_charge_that_moves_no_lithium_is_counted_and_does_not_come_back() -> None:
    lossy = history_of(CampaignPlan(cycling=Cycling(cycles=4, coulomb_loss=0.005)))
    sound = history_of(CampaignPlan(cycling=Cycling(cycles=4)))
    np.testing.assert_allclose(lossy.nodes_uah, sound.nodes_uah)
    for step, true in zip(lossy.steps, sound.steps, strict=True):
        more = 1.0 / 0.995 if step.kind == "charge" else 1.0
        assert step.charge_uah == pytest.approx(true.charge_uah * more)
        assert step.charge_uah == pytest.approx(
            step.current_ua * (step.stop_s - step.start_s) / 3600.0
        )
