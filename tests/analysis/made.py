"""Runs made by hand: a cycler log of phases, spectra that are easy to add up in the head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.build import build_model
from lidepth.analysis.forward import ForwardModel
from lidepth.analysis.invert import working_model
from lidepth.analysis.parameters import shared_parameters
from lidepth.model.cycling import CyclerLog
from lidepth.model.instrument import Instrument
from lidepth.model.result import Run
from lidepth.model.spectra import SpectrumSeries
from lidepth.model.stack import Stack
from lidepth.physics.stopping import stopping_source
from lidepth.virtual.plan import paper_instrument, paper_stack

Floats = NDArray[np.float64]
START = np.datetime64("2024-01-08T09:00:00", "ns")

Phase = tuple[float, float]
"""Seconds and uA."""

ONE_CYCLE: tuple[Phase, ...] = (
    (7200.0, 0.0), (3600.0, 30.0), (1200.0, 0.0), (2700.0, -30.0), (1200.0, 0.0),
)  # fmt: skip


def log_of(*phases: Phase, beat_s: float = 60.0, writes_changes: bool = True) -> CyclerLog:
    """A row at every beat of each phase, or on the beat only; a last row without current."""
    ends = np.cumsum([seconds for seconds, _ in phases])
    currents = np.array([current for _, current in phases])
    if writes_changes:
        times = np.concatenate(
            [
                np.arange(end - seconds, end - 1e-6, beat_s)
                for end, (seconds, _) in zip(ends, phases, strict=True)
            ]
        )
    else:
        times = np.arange(0.0, ends[-1] - 1e-6, beat_s)
    phase = np.searchsorted(ends, times + 1e-9, side="right")
    times = np.append(times, ends[-1])
    current = np.append(currents[phase], 0.0)
    return CyclerLog(
        time=START + (times * 1e9).round().astype("timedelta64[ns]"),
        voltage_v=np.full(times.size, 3.5), current_ua=current, source="made",
    )  # fmt: skip


def series_of(spectra: int, *, dwell_s: float = 300.0, channels: int = 8) -> SpectrumSeries:
    """Spectrum i holds i counts per channel and 100 i monitor counts; live for 99 %."""
    number = np.arange(spectra)
    return SpectrumSeries.from_arrays(
        counts=np.repeat(number[:, None], channels, axis=1),
        start=START + (number * dwell_s * 1e9).round().astype("timedelta64[ns]"),
        live_s=np.full(spectra, 0.99 * dwell_s), real_s=np.full(spectra, dwell_s),
        monitor=100.0 * number,
    )  # fmt: skip


def run_of(*phases: Phase, log: CyclerLog | None = None, dwell_s: float = 300.0) -> Run:
    """Spectra over the whole of ``phases``; pristine before the second phase."""
    spectra = int(sum(seconds for seconds, _ in phases) / dwell_s)
    series = series_of(spectra, dwell_s=dwell_s)
    return Run(
        title="made", area_cm2=1.79, stack=paper_stack(), instrument=paper_instrument(),
        series=series, log=log or log_of(*phases), pristine=series.stop_s <= phases[0][0],
        source="made.yaml",
    )  # fmt: skip


def described_run(*, stack: Stack | None = None, exit_angle_deg: float = 0.0) -> Run:
    """A description with 1024 empty channels, for what needs no counts."""
    series = SpectrumSeries.from_arrays(
        counts=np.zeros((1, 1024)), start=np.array([START]), live_s=[1.0], real_s=[1.0]
    )
    instrument: Instrument = replace(
        paper_instrument(), exit_angle_deg=exit_angle_deg,
        exit_angle_spread_deg=1.5 if exit_angle_deg else 0.0,
    )  # fmt: skip
    return Run(
        title="described", area_cm2=1.79, stack=stack or paper_stack(2000.0),
        instrument=instrument, series=series, log=None, pristine=np.array([True]), source="made",
    )  # fmt: skip


def pristine_model(run: Run, *, cycles: int = 3) -> ForwardModel:
    """The model that self-calibration fits: 2 counts per s in all, some background."""
    model = build_model(run, stopping_source("icru49"), cycles=cycles)
    return model.with_parameters(
        shared_parameters(run.stack, run.instrument, rate=3e-3, background=0.002)
    )


def cell_at_work(run: Run, *, cycles: int = 3) -> ForwardModel:
    """The model that the whole run is fitted with."""
    return working_model(run, pristine_model(run, cycles=cycles))


def vector(model: ForwardModel, **values: float) -> Floats:
    """Shared parameters at their start, with some set to natural ``values`` (``_`` for ``:``)."""
    shared = model.parameters.start
    for name, value in values.items():
        place = model.parameters.index[name.replace("__", ":")]
        logarithmic = model.parameters.items[place].logarithmic
        shared[place] = np.log(value) if logarithmic else value
    return shared
