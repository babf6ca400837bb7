"""Fixtures for every test: shared real data (skipped when absent) and small campaigns."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from lidepth.files.raw import write_campaign
from lidepth.model.calibration import Calibration
from lidepth.model.cycling import CyclerLog
from lidepth.model.instrument import Detector, Instrument
from lidepth.model.spectra import SpectrumSeries
from lidepth.model.stack import Stack

settings.register_profile(
    "lidepth", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("lidepth")

STACK_TEXT = (
    "Kapton 2000 nm | Cu 150 nm | Si 50 nm [anode] | Li3PO4 2000 nm @ 2.32 g/cm^3 [electrolyte] "
    "| LiCoO2 550 nm @ 4.45 g/cm^3 [cathode] | Pt 200 nm"
)
START = np.datetime64("2020-01-01T00:00:00", "ns")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of shared example campaigns and real files; skips where there is none."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("LIDEPTH_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}")
    return folder


def make_series(spectra: int = 12, channels: int = 64, dwell_s: float = 480.0) -> SpectrumSeries:
    """Spectra of random counts, one after the other, with a beam monitor."""
    rng = np.random.default_rng(5)
    step = np.timedelta64(round(dwell_s * 1e9), "ns")
    return SpectrumSeries.from_arrays(
        counts=rng.poisson(20.0, (spectra, channels)),
        start=START + step * np.arange(spectra),
        live_s=np.full(spectra, dwell_s - 0.31),
        real_s=np.full(spectra, dwell_s),
        monitor=rng.poisson(28800.0, spectra),
    )


def make_log(spectra: int = 12, dwell_s: float = 480.0) -> CyclerLog:
    """No current for the first third of the spectra, then 10 uA, then rest."""
    time = START + np.timedelta64(60, "s") * np.arange(round(spectra * dwell_s / 60) + 1)
    seconds = (time - START) / np.timedelta64(1, "s")
    on = (seconds >= spectra * dwell_s / 3) & (seconds < spectra * dwell_s * 0.8)
    return CyclerLog(
        time=time, voltage_v=1.0 + 0.1 * on, current_ua=np.where(on, 10.0, 0.0), source="made"
    )


def make_instrument() -> Instrument:
    return Instrument(
        detector=Detector(fwhm_kev=18.0), calibration=Calibration(offset_kev=2.0, gain_kev=3.0)
    )


@pytest.fixture
def series_of() -> Callable[..., SpectrumSeries]:
    """Make spectra: ``series_of(spectra=12, channels=64, dwell_s=480.0)``."""
    return make_series


@pytest.fixture
def log_of() -> Callable[..., CyclerLog]:
    """Make a cycler log that goes with ``series_of``: ``log_of(spectra=12, dwell_s=480.0)``."""
    return make_log


@pytest.fixture
def campaign(tmp_path: Path) -> Callable[..., Path]:
    """Write a small campaign; keyword arguments replace parts of it; returns experiment.yaml."""

    def write(name: str = "run", **changes: object) -> Path:
        parts: dict[str, object] = {
            "title": "small", "area_cm2": 1.79, "stack": Stack.parse(STACK_TEXT),
            "instrument": make_instrument(), "series": make_series(), "log": make_log(),
        }  # fmt: skip
        return write_campaign(tmp_path / name, **{**parts, **changes})  # type: ignore[arg-type]

    return write
