"""``import lidepth``: what it offers, and how fast."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

import lidepth

PUBLIC = [
    "Analysis", "Calibration", "CampaignPlan", "Cell", "CellParameters", "CyclerLog",
    "DepthProfile", "Detector", "Ensemble", "Instrument", "Layer", "Ledger", "LidepthError",
    "Material", "Protocol", "Response", "Run", "RunFile", "SpectrumSeries", "Stack",
    "StoppingSource", "__version__", "analyze", "check_run", "ensemble", "examine",
    "examine_growth", "identify", "projectile", "read_cycler", "read_experiment", "read_plan",
    "read_run", "read_spectra", "run_protocol", "save_figures", "simulate_campaign",
    "stopping_rows", "stopping_source", "write_campaign", "write_ledger_csv",
    "write_profiles_nc", "write_report", "write_smooth_nc", "write_summary_json",
]  # fmt: skip
HEAVY = ("scipp", "scipy", "numba", "matplotlib", "pydantic", "typer")


def test_the_public_list_changes_only_on_purpose():
    assert lidepth.__all__ == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there_and_documented(name):
    value = getattr(lidepth, name)
    assert name == "__version__" or value.__doc__
    assert name in dir(lidepth)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        _ = lidepth.analyse


def test_importing_loads_nothing_heavy():
    code = f"import sys, lidepth; print([m for m in {HEAVY!r} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.strip() == "[]", answer.stderr


def test_importing_takes_less_than_half_a_second():
    def seconds() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import lidepth"], check=True)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(3)) < 0.5


def test_the_package_is_typed():
    assert (Path(lidepth.__file__).parent / "py.typed").is_file()
