"""A whole campaign, reduced counts to smoothed lithium, against its limits of time.

    python benchmarks/bench_campaign.py [--cycles N] [--channels N]

A virtual campaign is simulated first (not counted): 364 cycles are about 22,500 spectra.  Each part
is given as a ratio to the time it may take, and, where a machine sets the pace, to what this
machine needs for reading or multiplying the same numbers in the same run.  Limits are meant for two
idle cores.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.build import build_model
from lidepth.analysis.calibrate import Calibrated, calibrate
from lidepth.analysis.campaign.live import LiveFilter
from lidepth.analysis.campaign.smooth import Campaign, campaign_of, smooth
from lidepth.analysis.campaign.timetable import Moments
from lidepth.analysis.fit import EMPTY
from lidepth.analysis.invert import Inversion, invert, untie
from lidepth.analysis.reduce import Reduction, reduce_run
from lidepth.model.calibration import Calibration
from lidepth.model.result import Run
from lidepth.physics.stopping import stopping_source
from lidepth.virtual.plan import Beam, CampaignPlan, Counting, Cycling, paper_instrument
from lidepth.virtual.spectra import simulate_campaign

Floats = NDArray[np.float64]

REBIN_S, LINEAR_S, STATE_S, SMOOTHER_S, LIVE_S = 0.5, 0.2, 8e-3, 40.0, 20e-3
LIVE = 200


@dataclass(frozen=True)
class Prepared:
    """Everything before the smoother."""

    run: Run
    reduction: Reduction
    calibrated: Calibrated
    inversion: Inversion


def seconds(work: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """Best time of ``repeats``, and the outcome."""
    best, outcome = np.inf, None
    for _ in range(repeats):
        begin = time.perf_counter()
        outcome = work()
        best = min(best, time.perf_counter() - begin)
    return best, outcome


def simulated(cycles: int, channels: int) -> Run:
    """A campaign of the published cell at ten alphas per second."""
    instrument = paper_instrument()
    scale = Calibration(offset_kev=2.0, gain_kev=3072.0 / channels)
    plan = CampaignPlan(
        seed=7, cell_nm=8.0, beam=Beam(flux_cm2_s=6.2e6), counting=Counting(channels=channels),
        instrument=type(instrument)(detector=instrument.detector, calibration=scale),
        cycling=Cycling(cycles=cycles, pristine_s=100 * 480.0),
    )  # fmt: skip
    return simulate_campaign(plan, source=stopping_source("icru49")).run


def prepared(run: Run, cycles: int) -> Prepared:
    """Fit the states, told part by part."""
    source = stopping_source("icru49")
    reduce_s, reduction = seconds(lambda: reduce_run(run))
    model = build_model(run, source, cycles=cycles)
    calibrate_s, calibrated = seconds(lambda: calibrate(run, model, reduction.pristine))
    invert_s, inversion = seconds(lambda: invert(run, calibrated, reduction))
    states = len(reduction.states)
    print(f"{'reduce':34s}{reduce_s:9.3f} s")
    print(f"{'calibrate':34s}{calibrate_s:9.3f} s")
    passes = inversion.solution.passes
    told(f"fit of {states} states together, {passes} passes", invert_s, STATE_S * states)
    untie_s, _ = seconds(lambda: untie(run, calibrated, reduction, inversion))
    told("Gauss-Newton, per state alone", untie_s / states, STATE_S)
    return Prepared(run, reduction, calibrated, inversion)


def told(name: str, took_s: float, limit_s: float, floor_s: float = np.nan) -> None:
    """One line: seconds, share of the limit, and multiple of what the machine needs at least."""
    pace = f"   {took_s / floor_s:7.1f} x the machine's {1e3 * floor_s:.1f} ms"
    print(
        f"{name:34s}{took_s:9.4f} s   {took_s / limit_s:7.2f} x the limit of {limit_s:g} s"
        + ("" if np.isnan(floor_s) else pace),
        flush=True,
    )


def rebinning(p: Prepared) -> None:
    """Channels to bins, beside merely reading the same numbers."""
    counts = p.run.series.counts
    per_bin = p.calibrated.per_bin
    whole = counts.shape[1] - counts.shape[1] % per_bin

    def work() -> NDArray[Any]:
        return counts[:, :whole].reshape(len(counts), -1, per_bin).sum(axis=2, dtype=np.int32)

    read_s, _ = seconds(lambda: np.max(counts.view(np.int32)), 3)
    told("rebin all spectra", seconds(work, 3)[0], REBIN_S, read_s)


def linear_inversion(p: Prepared, campaign: Campaign) -> None:
    """One matrix of common weights for all spectra, beside the bare product."""
    seen, solution, model = p.inversion.observations[1], p.inversion.solution, p.inversion.model
    counts = campaign.spectra.counts

    def work() -> Floats:
        at = model.predict(solution.shared, seen.setting, solution.states[1])
        slopes = model.state_jacobian(solution.shared, seen.setting, solution.states[1], at)
        slopes = slopes[p.calibrated.mask]
        weighted = slopes / (at.total[p.calibrated.mask] + EMPTY)[:, None]
        gain = np.linalg.solve(weighted.T @ slopes + seen.precision, weighted.T)
        return np.asarray(counts @ gain.T)

    floor = np.random.default_rng(0).random((counts.shape[1], model.state_size))
    told("linear inversion, common weights", seconds(work, 3)[0], LINEAR_S,
         seconds(lambda: counts @ floor, 3)[0])  # fmt: skip


def smoothing(p: Prepared) -> Campaign:
    """The whole smoother."""
    ready_s, campaign = seconds(lambda: campaign_of(p.run, p.reduction, p.calibrated))
    took_s, found = seconds(lambda: smooth(campaign, p.inversion))
    spectra = len(campaign.moments)
    told(f"smoother of {spectra} spectra", ready_s + took_s, SMOOTHER_S)
    print(f"{'':34s}{1e3 * took_s / spectra / found.passes:9.3f} ms per spectrum and pass, "
          f"{found.passes} passes, {campaign.anchors.size} anchors")  # fmt: skip
    return campaign


def first_of(moments: Moments, count: int) -> Moments:
    """The moments as they were when so many spectra had come."""
    short = {
        f.name: getattr(moments, f.name)[:count]
        for f in fields(moments)
        if isinstance(getattr(moments, f.name), np.ndarray)
    }
    return replace(moments, **short)


def live(campaign: Campaign) -> None:
    """The filter from the beginning, spectrum by spectrum, as they would come."""
    follow, took = LiveFilter(campaign), []
    for k in range(min(LIVE, len(campaign.moments))):
        moments = first_of(campaign.moments, k + 1)
        begin = time.perf_counter()
        follow.take(moments, campaign.spectra)
        took.append(time.perf_counter() - begin)
    told("live update, mean", float(np.mean(took)), LIVE_S)
    told("live update, slowest in twenty", float(np.quantile(took, 0.95)), LIVE_S)


def main() -> None:
    """All parts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--cycles", type=int, default=364)
    parser.add_argument("--channels", type=int, default=1024)
    chosen = parser.parse_args()
    took_s, run = seconds(lambda: simulated(chosen.cycles, chosen.channels))
    size = f"{len(run.series)} spectra of {run.series.channels} channels"
    print(f"{size}, simulated in {took_s:.0f} s", flush=True)
    p = prepared(run, chosen.cycles)
    rebinning(p)
    campaign = smoothing(p)
    linear_inversion(p, campaign)
    live(campaign)


if __name__ == "__main__":
    main()
