"""A simulated campaign from raw counts to ledgers, against the times that were agreed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks import bench_pipeline, bench_run_file
from benchmarks.common import Line, Size, contest
from lidepth.analysis.build import build_model
from lidepth.analysis.calibrate import Calibrated, calibrate
from lidepth.analysis.campaign.live import LiveFilter
from lidepth.analysis.campaign.rows import smooth_ledger
from lidepth.analysis.campaign.smooth import Campaign, campaign_of, smooth
from lidepth.analysis.forward import region_rows
from lidepth.analysis.invert import Inversion, invert, untie, whole_states
from lidepth.analysis.reduce import Reduction, reduce_run
from lidepth.physics.stopping import stopping_source
from lidepth.virtual.plan import CampaignPlan, Cycling
from lidepth.virtual.spectra import VirtualCampaign, simulate_campaign

Floats = NDArray[np.float64]
T = TypeVar("T")

STATE_LIMIT_S, CAMPAIGN_LIMIT_S, LIVE_LIMIT_S, REPORT_LIMIT_S = 8e-3, 40.0, 20e-3, 60.0
IMPORT_LIMIT_S = 0.5
CAMPAIGN_SPECTRA = 22_500


@dataclass(frozen=True)
class Made:
    """A simulated campaign, calibrated and inverted once for all rows."""

    virtual: VirtualCampaign
    reduction: Reduction
    calibrated: Calibrated
    inversion: Inversion


def made(size: Size) -> Made:
    """The campaign of this size; simulated at the first call."""
    return _made(size.cycles, size.current_ua, size.pristine_s)


@lru_cache(maxsize=1)
def _made(cycles: int, current_ua: float, pristine_s: float) -> Made:
    source = stopping_source()
    cycling = Cycling(cycles=cycles, current_ua=current_ua, pristine_s=pristine_s)
    virtual = simulate_campaign(CampaignPlan(seed=4, cycling=cycling), source=source)
    reduction = reduce_run(virtual.run)
    model = build_model(virtual.run, source, cycles=cycles)
    calibrated = calibrate(virtual.run, model, reduction.pristine)
    return Made(virtual, reduction, calibrated, invert(virtual.run, calibrated, reduction))


def states_row(size: Size) -> list[Line]:
    """The default method: Gauss-Newton on the states of a campaign, per state."""
    all_of = made(size)
    run, reduction, calibrated = all_of.virtual.run, all_of.reduction, all_of.calibrated
    number = len(reduction.states)
    lines = []
    for label, call in (
        ("all states together", lambda: invert(run, calibrated, reduction)),
        ("each state by itself", lambda: untie(run, calibrated, reduction, all_of.inversion)),
    ):
        wall, cpu, found = _both_clocks(call)
        lines.append(
            Line(
                ours=label, reference="agreed limit", work="one state", ours_s=cpu / number,
                reference_s=STATE_LIMIT_S, error=_error(all_of, _contents(found)), unit="%",
                note=f"{number} states in {wall:.2f} s by the wall clock, "
                f"{found.solution.passes} passes",
            )
        )  # fmt: skip
    return lines


def smoother_row(size: Size) -> list[Line]:
    """Reduced counts to smoothed ledger, in proportion for a campaign of 22,500 spectra."""
    all_of = made(size)
    campaign = smoothing(size)

    def ours() -> Floats:
        again = campaign_of(all_of.virtual.run, all_of.reduction, all_of.calibrated)
        return smooth_ledger(smooth(again, all_of.inversion), widen=1.0).values

    wall, cpu, values = _both_clocks(ours)
    whole = CAMPAIGN_SPECTRA / len(campaign.moments)
    return [
        Line(
            ours="smoother", reference="agreed limit", work=f"{CAMPAIGN_SPECTRA:,} spectra",
            ours_s=cpu * whole, reference_s=CAMPAIGN_LIMIT_S, error=_error(all_of, values),
            unit="%", note=f"measured on {len(campaign.moments):,} spectra: {cpu:.1f} s of "
            f"processor, {wall:.1f} s by the wall clock",
        )
    ]  # fmt: skip


def live_row(size: Size) -> list[Line]:
    """One spectrum after the other, as they come."""
    all_of, campaign = made(size), smoothing(size)
    live, spent, found = LiveFilter(campaign), [], []
    for count in range(1, min(size.live, len(campaign.moments)) + 1):
        moments = campaign.moments.first(count)
        start = time.perf_counter()
        found += live.take(moments, campaign.spectra)
        spent.append(time.perf_counter() - start)
    series, rows = all_of.virtual.series, campaign.moments.rows[: len(found)]
    history = all_of.virtual.history
    true = history.mean_contents_uah(series.start_s[rows], series.stop_s[rows])
    off = np.array([point.contents_uah for point in found]) - true
    error = _percent(all_of, off)
    return [
        Line(
            ours=f"live filter, {label} spectrum", reference="agreed limit", work="one spectrum",
            ours_s=float(np.quantile(spent, share)), reference_s=LIVE_LIMIT_S, error=error,
            unit="%", note=f"of {len(spent)}",
        )
        for label, share in (("median", 0.5), ("slowest", 1.0))
    ]  # fmt: skip


def smoothing(size: Size) -> Campaign:
    """The campaign ready for filter and smoother."""
    all_of = made(size)
    return campaign_of(all_of.virtual.run, all_of.reduction, all_of.calibrated)


def report_row(size: Size) -> list[Line]:
    """Raw files to report, against the minute it may take and against reading the files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        experiment = bench_pipeline.written(made(size).virtual, folder)
        parts = bench_pipeline.timed(experiment, folder)
    total = sum(parts.values())
    series = made(size).virtual.series
    work = f"{len(series):,} spectra of {series.channels} channels"
    read = parts.pop("read")
    lines = [
        Line(ours="raw files to report", reference="agreed limit", work=work, ours_s=total,
             reference_s=REPORT_LIMIT_S)
    ]  # fmt: skip
    lines += [
        Line(ours=part, reference="reading the files", work=work, ours_s=spent, reference_s=read)
        for part, spent in parts.items()
    ]
    return [*lines, _import(size)]


def _import(size: Size) -> Line:
    times = contest(
        {"import lidepth": _process("import lidepth"), "an empty interpreter": _process("pass")},
        size.slow_rounds + 1,
    )
    spent = times["import lidepth"].best - times["an empty interpreter"].best
    return Line(ours="import lidepth, beyond an empty interpreter", reference="agreed limit",
                work="once", ours_s=max(spent, 1e-4), reference_s=IMPORT_LIMIT_S)  # fmt: skip


def _process(code: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)


def run_file_row(size: Size) -> list[Line]:
    """A long run in a run file, against the same arithmetic on an array in memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench_run_file.make(folder, size.file_spectra, size.channels)
        plain = bench_run_file.in_a_process("numpy", folder)
        ours = bench_run_file.in_a_process("run_file", folder)
    base = plain["spent"]["arithmetic"][0]
    work = f"{size.file_spectra:,} spectra of {size.channels} channels"
    total = sum(spent[0] for spent in ours["spent"].values())
    error = abs(plain["check"] - ours["check"]) / plain["check"]
    return [
        Line(ours="from run file to grouped counts", reference="NumPy, in memory already",
             work=work, ours_s=total, reference_s=base, error=error, unit="relative",
             note=", ".join(f"{part} {spent[0]:.2f} s" for part, spent in ours["spent"].items()))
    ]  # fmt: skip


def _both_clocks(call: Callable[[], T]) -> tuple[float, float, T]:
    """Seconds by the wall clock and of processor, all threads together, and the outcome."""
    wall, processor = time.perf_counter(), time.process_time()
    found = call()
    return time.perf_counter() - wall, time.process_time() - processor, found


def _contents(inversion: Inversion) -> Floats:
    """Lithium per region and state, uAh; (states, 3)."""
    values: Floats = whole_states(inversion)[1:] @ region_rows(inversion.model).T
    return values / inversion.per_uah


def _error(all_of: Made, contents_uah: Floats) -> float:
    return _percent(all_of, contents_uah - all_of.virtual.truth.values)


def _percent(all_of: Made, off_uah: Floats) -> float:
    """Root mean square over anode and electrolyte, per cent of the first charge."""
    first = all_of.virtual.plan.cycling.first_charge_uah
    return float(100.0 * np.sqrt(np.mean(off_uah[:, :2] ** 2)) / first)
