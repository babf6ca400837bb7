"""Acceptance of the smoother on whole campaigns with known truth: rows 7 and 8 of the table.

Simulated event by event by lidepth.virtual.  All in per cent of the first charge, in the order
anode, electrolyte, cathode; over every spectrum, not only those of rests.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import process_time

import numpy as np
import pytest
from acceptance import told
from numpy.typing import NDArray

from lidepth.analysis.build import build_model
from lidepth.analysis.calibrate import Calibrated, calibrate, misfit_factor
from lidepth.analysis.campaign import cellstate
from lidepth.analysis.campaign.motion import Wander
from lidepth.analysis.campaign.rows import lithium_track
from lidepth.analysis.campaign.smooth import campaign_of, smooth
from lidepth.analysis.invert import Inversion, invert
from lidepth.analysis.reduce import Reduction, reduce_run
from lidepth.model.track import LithiumTrack
from lidepth.physics.stopping import stopping_source
from lidepth.virtual.plan import Beam, CampaignPlan, Counting, Cycling
from lidepth.virtual.spectra import VirtualCampaign, simulate_campaign

Floats = NDArray[np.float64]

pytestmark = pytest.mark.nightly

SOURCE = stopping_source("icru49")
FLUX = 6.2e6  # 10 alphas per second reach the detector, as in the study the limits come from
PRISTINE_S = 100 * 480.0

WHOLE = CampaignPlan(
    seed=7, cell_nm=8.0, beam=Beam(flux_cm2_s=FLUX),
    cycling=Cycling(cycles=364, pristine_s=PRISTINE_S, switch_cycle=220),
)  # fmt: skip
# Beam 2 % rms, watched to 0.3 %; the energy scale moves; half a per cent of each charge is lost.
STRESSED = CampaignPlan(
    seed=8, cell_nm=8.0,
    beam=Beam(flux_cm2_s=FLUX, wander_rel=0.02, monitor_cps=231.0, monitor_drift=0.003),
    counting=Counting(offset_drift_kev=-1.6),
    cycling=Cycling(cycles=40, pristine_s=PRISTINE_S, switch_cycle=10, coulomb_loss=0.005),
)  # fmt: skip
HELD = Wander(flux=1e-8, offset_kev=1e-8)  # zero, but for what the smoother has to divide by
HELD_TOO = 1e-9


@dataclass(frozen=True)
class Made:
    """A campaign, and the fit of its states from which the smoother starts."""

    campaign: VirtualCampaign
    reduction: Reduction
    calibrated: Calibrated
    inversion: Inversion


def made(plan: CampaignPlan) -> Made:
    campaign = simulate_campaign(plan, source=SOURCE)
    run = campaign.run
    reduction = reduce_run(run)
    model = build_model(run, SOURCE, cycles=plan.cycling.cycles)
    calibrated = calibrate(run, model, reduction.pristine)
    return Made(campaign, reduction, calibrated, invert(run, calibrated, reduction))


@dataclass(frozen=True)
class Score:
    """What a smoother's track is worth, over all spectra; (3,) each."""

    rmse: Floats
    in_68: Floats
    in_95: Floats


def smoothed(m: Made, wander: Wander | None = None) -> LithiumTrack:
    campaign = campaign_of(m.campaign.run, m.reduction, m.calibrated, wander=wander)
    found = smooth(campaign, m.inversion)
    return lithium_track(found, widen=misfit_factor(m.calibrated.result.fit))


def score(m: Made, track: LithiumTrack) -> Score:
    series = m.campaign.series
    start, stop = series.start_s[track.rows], series.stop_s[track.rows]
    true = m.campaign.history.mean_contents_uah(start, stop)
    first = m.campaign.plan.cycling.first_charge_uah
    miss, std = track.contents_uah - true, track.std_uah
    return Score(
        rmse=100.0 * np.sqrt((miss**2).mean(axis=0)) / first,
        in_68=(np.abs(miss) < std).mean(axis=0), in_95=(np.abs(miss) < 1.96 * std).mean(axis=0),
    )  # fmt: skip


def test_a_campaign_of_22_thousand_spectra_is_known_to_a_per_cent() -> None:
    """Row 7: rmse over all spectra, and 68 % intervals that hold at least .60."""
    m = made(WHOLE)
    begin = process_time()
    track = smoothed(m)
    found = score(m, track)
    told(
        "row 7", spectra=len(track), rmse=found.rmse, in_68=found.in_68, in_95=found.in_95,
        passes=track.passes, cpu_s=process_time() - begin,
    )  # fmt: skip
    assert len(track) > 22_000
    assert np.all(found.rmse <= [1.0, 1.2, 0.6]), found.rmse
    # The cathode's error is one number, the charge lost on both halves, shared by all spectra: of
    # one campaign its 68 % interval holds all or none.  40 campaigns are in the coverage study.
    assert np.all(found.in_68[:2] >= 0.60), found.in_68
    assert found.in_95[2] >= 0.95, found.in_95


def test_drifts_of_beam_scale_and_charge_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 8: forty cycles; the same without anything that follows drifts is wrong by far more."""
    m = made(STRESSED)
    track = smoothed(m)
    found = score(m, track)
    elapsed = m.campaign.series.start_s[track.rows] / m.campaign.history.duration_s
    shift = track.nuisances[:, 1] - STRESSED.counting.offset_drift_kev * elapsed
    off = float(np.sqrt(np.mean(shift**2)))
    with monkeypatch.context() as patched:
        patched.setattr(cellstate, "LOSS_STD", HELD_TOO)
        patched.setattr(cellstate, "GAIN_DRIFT", HELD_TOO)
        blind = score(m, smoothed(m, HELD))
    loss = track["loss"]
    told(
        "row 8", spectra=len(track), rmse=found.rmse, in_68=found.in_68, in_95=found.in_95,
        offset_kev=off, loss=[loss.value, loss.std], blind=blind.rmse, blind_68=blind.in_68,
    )  # fmt: skip
    assert np.all(found.rmse <= [1.5, 1.6, 1.0]), found.rmse
    assert np.all(found.in_95 >= 0.85), found.in_95
    assert off <= 0.4
    # Stack, stopping and the mean scale stay free, and take the worst off the anode.
    assert blind.rmse[:2].max() > 3.0, blind.rmse


def test_the_stress_is_what_it_is_called() -> None:
    """The beam of row 8 wanders by 2 % rms, and its monitor counts to 0.3 %."""
    quick = replace(STRESSED, cycling=replace(STRESSED.cycling, cycles=3))
    campaign = simulate_campaign(quick, source=SOURCE)
    ratio = campaign.series.monitor / (231.0 * 480.0) / campaign.beam
    assert np.std(ratio) == pytest.approx(0.003, rel=0.2)
    assert 0.01 < np.std(campaign.beam) < 0.03
