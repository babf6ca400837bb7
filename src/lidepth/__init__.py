"""Neutron depth profiling of batteries: from raw spectra to a lithium ledger.

Everything a script needs is here by name and loaded when first used::

    import lidepth as ld

    run = ld.read_run("experiment.yaml")
    analysis = ld.analyze(run, ld.stopping_source(run.instrument.stopping))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lidepth.analysis import analyze
    from lidepth.analysis.check import check_run
    from lidepth.analysis.electrochemistry import examine
    from lidepth.analysis.ensemble import ensemble
    from lidepth.analysis.statements.examine import examine_growth
    from lidepth.errors import LidepthError
    from lidepth.files.cyclers import read_cycler
    from lidepth.files.experiment import read_experiment
    from lidepth.files.plan import read_plan
    from lidepth.files.profiles_nc import write_profiles_nc
    from lidepth.files.raw import write_campaign
    from lidepth.files.readers import read_spectra
    from lidepth.files.run_file import RunFile
    from lidepth.files.run_folder import read_run
    from lidepth.files.smooth_nc import write_smooth_nc
    from lidepth.files.tables import write_ledger_csv, write_summary_json
    from lidepth.mechanism.cell import Cell
    from lidepth.mechanism.history import run_protocol
    from lidepth.mechanism.identify.identify import identify
    from lidepth.mechanism.parameters import CellParameters
    from lidepth.mechanism.protocol import Protocol
    from lidepth.model.calibration import Calibration
    from lidepth.model.cycling import CyclerLog
    from lidepth.model.ensemble import Ensemble
    from lidepth.model.instrument import Detector, Instrument
    from lidepth.model.ledger import Ledger
    from lidepth.model.material import Material
    from lidepth.model.profile import DepthProfile
    from lidepth.model.response import Response
    from lidepth.model.result import Analysis, Run
    from lidepth.model.spectra import SpectrumSeries
    from lidepth.model.stack import Layer, Stack
    from lidepth.physics.reactions import projectile
    from lidepth.physics.stopping import StoppingSource, stopping_rows, stopping_source
    from lidepth.show.report import write_report
    from lidepth.show.save import save_figures
    from lidepth.virtual.plan import CampaignPlan
    from lidepth.virtual.spectra import simulate_campaign

__version__ = "0.1.0"

_HOME = {
    "Analysis": "model.result",
    "Calibration": "model.calibration",
    "CampaignPlan": "virtual.plan",
    "Cell": "mechanism.cell",
    "CellParameters": "mechanism.parameters",
    "CyclerLog": "model.cycling",
    "DepthProfile": "model.profile",
    "Detector": "model.instrument",
    "Ensemble": "model.ensemble",
    "Instrument": "model.instrument",
    "Layer": "model.stack",
    "Ledger": "model.ledger",
    "LidepthError": "errors",
    "Material": "model.material",
    "Protocol": "mechanism.protocol",
    "Response": "model.response",
    "Run": "model.result",
    "RunFile": "files.run_file",
    "SpectrumSeries": "model.spectra",
    "Stack": "model.stack",
    "StoppingSource": "physics.stopping",
    "analyze": "analysis",
    "check_run": "analysis.check",
    "ensemble": "analysis.ensemble",
    "examine": "analysis.electrochemistry",
    "examine_growth": "analysis.statements.examine",
    "identify": "mechanism.identify.identify",
    "projectile": "physics.reactions",
    "read_cycler": "files.cyclers",
    "read_experiment": "files.experiment",
    "read_plan": "files.plan",
    "read_run": "files.run_folder",
    "read_spectra": "files.readers",
    "run_protocol": "mechanism.history",
    "save_figures": "show.save",
    "simulate_campaign": "virtual.spectra",
    "stopping_rows": "physics.stopping",
    "stopping_source": "physics.stopping",
    "write_campaign": "files.raw",
    "write_ledger_csv": "files.tables",
    "write_profiles_nc": "files.profiles_nc",
    "write_report": "show.report",
    "write_smooth_nc": "files.smooth_nc",
    "write_summary_json": "files.tables",
}
"""Public name: the module it lives in."""

__all__ = [
    "Analysis",
    "Calibration",
    "CampaignPlan",
    "Cell",
    "CellParameters",
    "CyclerLog",
    "DepthProfile",
    "Detector",
    "Ensemble",
    "Instrument",
    "Layer",
    "Ledger",
    "LidepthError",
    "Material",
    "Protocol",
    "Response",
    "Run",
    "RunFile",
    "SpectrumSeries",
    "Stack",
    "StoppingSource",
    "__version__",
    "analyze",
    "check_run",
    "ensemble",
    "examine",
    "examine_growth",
    "identify",
    "projectile",
    "read_cycler",
    "read_experiment",
    "read_plan",
    "read_run",
    "read_spectra",
    "run_protocol",
    "save_figures",
    "simulate_campaign",
    "stopping_rows",
    "stopping_source",
    "write_campaign",
    "write_ledger_csv",
    "write_profiles_nc",
    "write_report",
    "write_smooth_nc",
    "write_summary_json",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lidepth' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"lidepth.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
