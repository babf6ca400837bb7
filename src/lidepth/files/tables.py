"""What an analysis leaves behind: ledger.csv, profiles.nc, summary.json."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from lidepth.errors import WrongFormat
from lidepth.files._provenance import files_digest, plain, versions
from lidepth.files._store import write_table, write_text
from lidepth.files._text import read_text
from lidepth.files.diagnosis_json import diagnosis, fitted, smoother
from lidepth.files.profiles_nc import write_profiles_nc
from lidepth.model.calibration import SpectrumFit
from lidepth.model.interlayer import LEVELS, Interlayer
from lidepth.model.ledger import REGIONS, Ledger
from lidepth.model.result import Analysis, MovedSilicon
from lidepth.model.stack import Stack

__all__ = [
    "LEDGER_COLUMNS",
    "read_ledger_csv",
    "summary",
    "write_ledger_csv",
    "write_profiles_nc",
    "write_summary_json",
]

LEDGER_COLUMNS = (
    "cycle", "state", "time_s",
    *(f"{region}_{kind}" for region in REGIONS for kind in ("uAh", "std_uAh", "stat_uAh")),
    "balance_uAh", "balance_std_uAh", "method", "flags",
)  # fmt: skip
_TEXT_COLUMNS = ("state", "method", "flags")
_MAX_LEDGER_BYTES = 64 * 1024**2


def write_ledger_csv(path: str | Path, analysis: Analysis) -> None:
    """Write one row per cycle, state and method; charges in uAh with six significant digits.

    Raises StoreError; the file is written whole or not at all.
    """
    tables = (_ledger_rows(method, ledger) for method, ledger in analysis.ledgers.items())
    write_table(Path(path), LEDGER_COLUMNS, chain.from_iterable(tables))


def _ledger_rows(method: str, ledger: Ledger) -> list[list[str]]:
    std, stat, balance, balance_std = ledger.std, ledger.stat, ledger.balance, ledger.balance_std
    rows = []
    for i in range(len(ledger)):
        triples = [(ledger.values[i, k], std[i, k], stat[i, k]) for k in range(len(REGIONS))]
        numbers = [value for triple in triples for value in triple] + [balance[i], balance_std[i]]
        rows.append([
            str(ledger.cycle[i]), ledger.state[i], f"{ledger.time_s[i]:.10g}",
            *(f"{value:.6g}" for value in numbers), method, ledger.flags[i],
        ])  # fmt: skip
    return rows


def read_ledger_csv(path: str | Path) -> dict[str, list[Any]]:
    """Return ledger.csv by column: cycle as int, text as str, everything else as float.

    Raises WrongFormat with file and line.
    """
    file = Path(path)
    rows = list(csv.reader(io.StringIO(read_text(file, limit_bytes=_MAX_LEDGER_BYTES))))
    if tuple(rows[0]) != LEDGER_COLUMNS:
        raise WrongFormat(
            "this is not a ledger", where=f"{file}, line 1", expected=",".join(LEDGER_COLUMNS),
            remedy="use the ledger.csv that lidepth analyze wrote",
        )  # fmt: skip
    table: dict[str, list[Any]] = {name: [] for name in LEDGER_COLUMNS}
    for line, row in enumerate(rows[1:], start=2):
        try:
            for name, cell in zip(LEDGER_COLUMNS, row, strict=True):
                table[name].append(_cell(name, cell))
        except ValueError as error:
            raise WrongFormat(
                f"cannot read the row ({error})", where=f"{file}, line {line}",
                expected="a value for every column", remedy="write the ledger again",
            ) from error  # fmt: skip
    return table


def _cell(column: str, text: str) -> str | int | float:
    if column in _TEXT_COLUMNS:
        return text
    return int(text) if column == "cycle" else float(text)


def write_summary_json(path: str | Path, analysis: Analysis) -> None:
    """Write what was assumed, fitted and warned of, as strict JSON (unknown numbers are null).

    Raises StoreError; the file is written whole or not at all.
    """
    text = json.dumps(plain(summary(analysis)), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(Path(path), text + "\n")


def summary(analysis: Analysis) -> dict[str, Any]:
    """Return the content of summary.json; numbers may still be NaN."""
    run = analysis.run
    return {
        "title": run.title,
        "source": run.source,
        "detector": run.series.detector,
        "area_cm2": run.area_cm2,
        "area_rel_std": run.area_rel_std,
        "spectra": len(run.series),
        "spectra_used": int(np.sum(run.series.usable)),
        "clock": dataclasses.asdict(run.clock) if run.clock is not None else None,
        "notes": list(run.notes),
        "stopping": analysis.stopping,
        "isotope": run.instrument.isotope,
        "first_charge_uah": analysis.first_charge_uah,
        "stack": _stack_rows(run.stack, analysis.stack),
        "calibration": [fitted(one) for one in analysis.calibration.parameters],
        "calibration_fit": _fit(analysis.calibration.fit),
        "calibration_warnings": list(analysis.calibration.warnings),
        "common": [fitted(one) for one in analysis.common],
        "states": _states(analysis),
        "ledgers": {
            method: {"rows": len(ledger), "balance_spent": ledger.balance_spent,
                     "remark": ledger.remark}
            for method, ledger in analysis.ledgers.items()
        },
        "window_bias_uah": analysis.window_bias,
        "information_bound_uah": analysis.information_uah,
        "modes": analysis.modes,
        "moved_silicon": _silicon(analysis.silicon),
        "smoother": smoother(analysis.track),
        "diagnostics": diagnosis(analysis.diagnosis),
        "interlayer": _interlayer(analysis.interlayer),
        "warnings": list(analysis.warnings),
        "versions": versions(),
        "files_sha256": files_digest(run.series.sources, run.series.digests),
        "provenance": dict(analysis.provenance),
    }  # fmt: skip


def _stack_rows(before: Stack, after: Stack) -> list[dict[str, Any]]:
    return [
        {
            "name": old.name, "role": old.role, "material": old.material.formula,
            "density_g_cm3": new.material.density_g_cm3,
            "thickness_nm_before": old.thickness_nm, "thickness_nm_after": new.thickness_nm,
            "thickness_rel_std_before": old.thickness_rel_std,
            "thickness_rel_std_after": new.thickness_rel_std,
            "areal_density_1e15_per_cm2_before": old.areal_density_1e15,
            "areal_density_1e15_per_cm2_after": new.areal_density_1e15,
        }
        for old, new in zip(before, after, strict=True)
    ]  # fmt: skip


def _fit(fit: SpectrumFit) -> dict[str, Any]:
    freedom = fit.degrees_of_freedom
    return {
        "deviance": fit.deviance,
        "degrees_of_freedom": freedom,
        "deviance_per_degree": fit.deviance / freedom if freedom > 0 else math.nan,
    }


def _states(analysis: Analysis) -> list[dict[str, Any]]:
    rows = []
    for i, state in enumerate(analysis.states):
        parameters = analysis.state_parameters[i] if i < len(analysis.state_parameters) else ()
        rows.append({
            "label": state.label, "cycle": state.cycle, "state": state.name,
            "start_s": state.start_s, "stop_s": state.stop_s, "live_s": state.live_s,
            "spectra": len(state.indices), "counts": float(state.counts.sum()),
            "charge_uah": state.charge_uah, "charge_std_uah": state.charge_std_uah,
            "fit": _fit(analysis.fits[i]) if i < len(analysis.fits) else None,
            "parameters": [fitted(one) for one in parameters],
        })  # fmt: skip
    return rows


def _silicon(moved: MovedSilicon) -> dict[str, Any]:
    return {
        "cycle": moved.cycle, "amount_1e15_per_cm2": moved.amount_1e15,
        "std_1e15_per_cm2": moved.std_1e15, "film_1e15_per_cm2": moved.film_1e15,
        "mean_1e15_per_cm2": moved.mean_1e15, "mean_std_1e15_per_cm2": moved.mean_std_1e15,
        "significance": moved.significance,
    }  # fmt: skip


def _interlayer(found: Interlayer | None) -> dict[str, Any] | None:
    if found is None:
        return None
    names = (
        "amount_1e15", "amount_std_1e15", "thickness_nm", "width_nm", "enrichment",
        "thickness_known", "width_known", "ln_bayes", "disagreement_uah", "disagreement_std_uah",
        "model_uah",
    )  # fmt: skip
    return {
        "run_ln_bayes": found.run_ln_bayes,
        "mean_disagreement_uah": found.mean_disagreement_uah,
        "mean_disagreement_std_uah": found.mean_disagreement_std_uah,
        "quantile_levels": list(LEVELS),
        "states": [
            {"cycle": int(found.cycle[i]), "state": found.state[i]}
            | {name: getattr(found, name)[i] for name in names}
            for i in range(len(found))
        ],
        "nested": [dataclasses.asdict(one) for one in found.nested],
    }
