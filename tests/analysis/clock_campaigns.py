"""Spectra that follow the charge of a log, made for the tests of clocks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.clocks import clock_difference
from lidepth.model.calibration import Calibration
from lidepth.model.clock import ClockDifference
from lidepth.model.cycling import CyclerLog
from lidepth.model.instrument import Detector, Instrument
from lidepth.model.spectra import SpectrumSeries
from lidepth.model.stack import Stack

Floats = NDArray[np.float64]

HOUR_S = 3600.0
CYCLE_S = 10 * HOUR_S
START = np.datetime64("2021-05-04T06:00:00", "ns")
LAYERS = ("Cu 150 nm", "Si 50 nm [anode]", "Li3PO4 2 um @ 2.32 g/cm^3 [electrolyte]",
          "LiCoO2 550 nm @ 4.45 g/cm^3 [cathode]", "Pt 200 nm")  # fmt: skip
ANODE_FIRST, CATHODE_FIRST = Stack.parse(" | ".join(LAYERS)), Stack.parse(" | ".join(LAYERS[::-1]))
FULL_UAH = 60.0


@dataclass(frozen=True)
class Campaign:
    series: SpectrumSeries
    log: CyclerLog
    instrument: Instrument
    stack: Stack = ANODE_FIRST

    def clock(self, log: CyclerLog, declared_s: float | None = None) -> ClockDifference:
        return clock_difference(
            self.series, log, self.instrument, self.stack, declared_s=declared_s
        )


def cycler(cycles: int, *, pristine_s: float, last_s: float = HOUR_S) -> CyclerLog:
    """Charges and discharges of 4 h, the first discharge shorter, rests of 1 h, a row a minute."""
    pattern = [(4 * HOUR_S, 15.0), (HOUR_S, 0.0), (4 * HOUR_S, -15.0), (HOUR_S, 0.0)]
    first = [*pattern[:2], (3.8 * HOUR_S, -15.0), pattern[3]]
    phases = [(pristine_s, 0.0), *first, *(pattern * (cycles - 1)), (last_s, 0.0)]
    ends = np.cumsum([length for length, _ in phases])
    seconds = np.unique(np.concatenate([np.arange(0.0, ends[-1], 60.0), [0.0], ends]))
    seconds = seconds[seconds <= ends[-1]]
    phase = np.minimum(np.searchsorted(ends, seconds, "right"), len(phases) - 1)
    current = np.array([current for _, current in phases])[phase]
    return CyclerLog(
        time=START + np.round(seconds * 1e9).astype("timedelta64[ns]"),
        voltage_v=np.full(seconds.size, 3.5), current_ua=current,
    )  # fmt: skip


def made(
    seed: int, *, cycles: int = 2, counts: float = 8000.0, dwell_s: float = 480.0,
    pristine_s: float = 6 * HOUR_S, channels: int = 256, cathode_first: bool = False,
    stuck: float = 0.04, log: CyclerLog | None = None,
) -> Campaign:  # fmt: skip
    """Spectra of which a part moves with the charge, under a beam that wanders.

    Tritons and alphas of three layers are Gaussians; a share ``stuck`` of what was charged stays
    in the electrolyte after the first cycle, which is not in proportion to the charge.
    """
    rng = np.random.default_rng(seed)
    log = log or cycler(cycles, pristine_s=pristine_s)
    total_s = log.seconds(START)[-1]
    start_s = np.arange(0.0, total_s - dwell_s, dwell_s)
    gain_kev = 3072.0 / channels
    energy = gain_kev * (np.arange(channels) + 0.5)
    peaks = {"anode": ((2600.0, 40.0), (1300.0, 60.0)), "middle": ((2500.0, 80.0), (900.0, 150.0)),
             "cathode": ((2350.0, 60.0), (400.0, 90.0))}  # fmt: skip
    if cathode_first:
        peaks["anode"], peaks["cathode"] = peaks["cathode"], peaks["anode"]

    def shape(layer: str) -> Floats:
        lines = [np.exp(-0.5 * ((energy - at) / width) ** 2) for at, width in peaks[layer]]
        return np.asarray(sum(line / line.sum() for line in lines))

    grid = start_s[:, None] + dwell_s * (np.arange(16) + 0.5) / 16
    charge = log.charge_uah / FULL_UAH
    out = np.interp(grid, log.seconds(START), charge).mean(axis=1)
    highest = np.interp(grid, log.seconds(START), np.maximum.accumulate(charge)).mean(axis=1)
    reached = stuck * highest
    flux = 1.0 + 0.01 * np.cumsum(rng.standard_normal(start_s.size)) / np.sqrt(start_s.size)
    rate = (
        np.outer(out - reached, shape("anode"))
        + np.outer(2.0 + reached, shape("middle"))
        + np.outer(2.0 - out, shape("cathode"))
        + 0.01 * np.exp(-energy / 300.0)
    )
    series = SpectrumSeries.from_arrays(
        counts=rng.poisson(rate * flux[:, None] * counts / rate.sum(axis=1).mean()),
        start=START + np.round(start_s * 1e9).astype("timedelta64[ns]"),
        live_s=np.full(start_s.size, dwell_s), real_s=np.full(start_s.size, dwell_s),
    )  # fmt: skip
    instrument = Instrument(
        detector=Detector(fwhm_kev=18.0), calibration=Calibration(offset_kev=0.0, gain_kev=gain_kev)
    )
    return Campaign(series, log, instrument, CATHODE_FIRST if cathode_first else ANODE_FIRST)


def with_drift(log: CyclerLog, ppm: float) -> CyclerLog:
    """The log of a clock that runs slow by ``ppm``, right in the middle."""
    middle = log.time[0] + (log.time[-1] - log.time[0]) // 2
    since = (log.time - middle).astype(np.int64)
    return replace(log, time=middle + np.round(since * (1 - ppm * 1e-6)).astype("timedelta64[ns]"))
