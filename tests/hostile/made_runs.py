"""Small made runs for the tests of the run file, quick to make and to compare."""

from __future__ import annotations

import math
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from lidepth.files.experiment import Experiment, parse_experiment
from lidepth.files.readers import RawSpectrum
from lidepth.files.records import Record, Recorded
from lidepth.model.cycling import CyclerLog

START = np.datetime64("2020-01-01T00:00:00", "ns")
TEXT = """\
title: made
cell:
  area: 1.79 cm^2
  stack:
    - {material: Cu, thickness: 150 nm}
    - {role: anode, material: Si, thickness: 50 nm}
    - {role: electrolyte, material: Li3PO4, density: 2.32 g/cm^3, thickness: 2 um}
    - {role: cathode, material: LiCoO2, density: 4.45 g/cm^3, thickness: 550 nm}
instrument:
  detector: {fwhm: 18 keV}
  calibration: {offset: 2 keV, gain: 30 keV}
data:
  spectra: spectra/*.Spe
  cycler: cycler.csv
"""


def made_experiment(folder: Path) -> Experiment:
    return parse_experiment(TEXT, folder / "experiment.yaml")


def made_record(number: int, channels: int = 64) -> Record:
    """One spectrum; its number decides everything."""
    random = np.random.default_rng(number)
    counts = random.poisson(40.0, channels).astype(np.int64)
    if number % 7 == 3:
        counts[0] = 70_000  # more than 16 bits
    noted = number % 3 == 0
    return Record(
        source=f"spectra/spec_{number:05d}.Spe", group="background" if number % 11 == 5 else "run",
        noted_start=START + np.timedelta64(480 * number, "s") if noted else None,
        noted_live_s=479.5 if noted else math.nan,
        noted_monitor=2e4 + number if noted else math.nan,
        noted_line=number + 2 if noted else -1, pristine=number < 4,
        raw=RawSpectrum(
            counts=counts, start=START + np.timedelta64(480 * number, "s"),
            live_s=479.0 if number % 5 else math.nan, real_s=480.0,
            calibration=(2.0, 30.0) if number % 2 else None,
            sha256=sha256(counts.tobytes()).hexdigest(), detector="a" if number % 13 else "",
            record=number % 2, after_s=0.25 * (number % 2), monitor=float(number),
            remarks=("ROI 1: µ",) if number % 4 else (),
        ),
    )  # fmt: skip


def made_log(rows: int = 500, first: float = 0.0) -> CyclerLog:
    seconds = 60 * np.arange(rows)
    return CyclerLog(
        time=START + seconds.astype("timedelta64[s]"),
        voltage_v=3.0 + first + 1e-4 * np.arange(rows),
        current_ua=np.where(seconds > 6e3, 10.0, 0.0),
        source="/somewhere/else/cycler.csv",
        vendor={
            "Step Count": np.arange(rows) // 100,
            "Charging Capacity / Ah": np.where(seconds > 6e3, 1e-6 * seconds, np.nan),
            "Mode": np.where(seconds > 6e3, "charge", "rest"),
        },
    )  # fmt: skip


def made_run(spectra: int = 40, *, rows: int = 500, channels: int = 64) -> Recorded:
    records = tuple(made_record(number, channels) for number in range(spectra))
    return Recorded(records=records, log=made_log(rows))


def assert_same_record(found: Record, want: Record) -> None:
    np.testing.assert_array_equal(found.raw.counts, want.raw.counts)
    empty = np.zeros(0, np.int64)
    bare = [replace(one, raw=replace(one.raw, counts=empty)) for one in (found, want)]
    assert repr(bare[0]) == repr(bare[1])  # NaN is NaN


def assert_same_log(found: CyclerLog | None, want: CyclerLog | None) -> None:
    assert found is not None
    assert want is not None
    assert found.anchored == want.anchored
    for name in ("time", "voltage_v", "current_ua"):
        np.testing.assert_array_equal(getattr(found, name), getattr(want, name))
    assert set(found.vendor) == set(want.vendor)
    for name, values in want.vendor.items():
        np.testing.assert_array_equal(found.vendor[name], values)
