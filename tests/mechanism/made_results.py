"""Results as lidepth analyze leaves them, of a drawn cell: ledger.nc and the run for its log."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "show"))
from fake_analysis import fake_analysis

from lidepth.files.ledger_nc import write_ledger_nc
from lidepth.files.run_folder import read_run
from lidepth.mechanism.identify.observed import Observed
from lidepth.model.cycling import CyclerLog
from lidepth.model.ledger import Ledger
from lidepth.model.result import Analysis, MovedSilicon
from lidepth.model.stack import Stack

START = np.datetime64("2020-01-01T00:00:00", "ns")
LATER_S = 7200.0  # spectra of the pristine cell come first
FILMS = (
    "Cu 150 nm | Si 50 nm @ 2.33 g/cm^3 [anode] | Li3PO4 2000 nm @ 2.54 g/cm^3 [electrolyte] | "
    "LiCoO2 550 nm @ 5.06 g/cm^3 [cathode] | Pt 200 nm"
)


def ledger_of(seen: Observed, method: str = "default") -> Ledger:
    """The electrolyte's rows of an observation, the other columns rough."""
    n = seen.row_s.size
    values = np.column_stack(
        [seen.anode_uah, seen.electrolyte_uah, seen.anode_uah + seen.electrolyte_uah]
    )
    covariance = np.eye(3 * n)
    covariance[1::3, 1::3] = seen.covariance
    return Ledger(
        method=method, cycle=seen.row_cycle,
        state=tuple("charged" if up else "discharged" for up in seen.row_charged),
        time_s=seen.row_s + LATER_S, values=values, covariance=covariance,
        independent=0.5 * covariance,
        flags=("",) * n, balance_spent=method == "default",
    )  # fmt: skip


def log_of(seen: Observed, voltage_v: np.ndarray) -> CyclerLog:
    """The cycler's rows of an observation; times in whole nanoseconds that do not run back."""
    after = np.round((seen.time_s + LATER_S) * 1e9).astype(np.int64)
    return CyclerLog(
        time=START + after.astype("timedelta64[ns]"), voltage_v=voltage_v,
        current_ua=seen.current_ua,
    )  # fmt: skip


@cache
def _fake() -> Analysis:
    return fake_analysis()


def analysis_of(run_file: Path, seen: Observed) -> Analysis:
    """An analysis with the ledgers of an observation and no moved silicon seen."""
    run = replace(read_run(run_file), source=str(run_file))
    silicon = MovedSilicon(
        cycle=np.array([1, 2]), amount_1e15=np.array([1.0, 2.0]), std_1e15=np.array([20.0, 18.0]),
        film_1e15=250.0, mean_1e15=1.5, mean_std_1e15=17.0,
    )  # fmt: skip
    return replace(
        _fake(), run=run, stack=Stack.parse(FILMS), silicon=silicon,
        ledgers={name: ledger_of(seen, name) for name in ("default", "untied")},
    )  # fmt: skip


def results_of(
    folder: Path, campaign: Callable[..., Path], seen: Observed, voltage_v: np.ndarray
) -> Path:
    """Write run and ledger.nc; returns the folder of results."""
    run = campaign(
        "run", log=log_of(seen, voltage_v), area_cm2=seen.films.area_cm2, stack=Stack.parse(FILMS)
    )
    results = folder / "results"
    results.mkdir()
    write_ledger_nc(results / "ledger.nc", analysis_of(run, seen))
    return results
