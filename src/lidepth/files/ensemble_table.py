"""An ensemble as a table (ensemble.csv) and for machines (ensemble.json)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from lidepth.files._provenance import plain, versions
from lidepth.files._store import write_table, write_text
from lidepth.model.ensemble import BANDS, Ensemble
from lidepth.model.ledger import REGIONS

ENSEMBLE_COLUMNS = (
    "cycle", "state", "time_s", "region", "stated_uAh", "stated_std_uAh", "stated_stat_uAh",
    "mean_uAh", "std_uAh", "predicted_std_uAh", "std_over_predicted", "std_over_stated",
    *(f"q{level:g}_uAh" for level in BANDS),
)  # fmt: skip


def ensemble_rows(found: Ensemble) -> list[dict[str, Any]]:
    """One mapping per row and region of the ledger; unknown numbers are NaN."""
    stated = found.stated
    quantiles, mean, std, ratio = found.quantiles(), found.mean, found.std, found.ratio
    predicted, over = found.predicted_std, found.stated_ratio
    rows = []
    for i in range(len(stated)):
        for k, region in enumerate(REGIONS):
            cells = (
                int(stated.cycle[i]), stated.state[i], float(stated.time_s[i]), region,
                *(float(a[i, k]) for a in (stated.values, stated.std, stated.stat, mean, std)),
                *(float(a[i, k]) for a in (predicted, ratio, over)),
                *map(float, quantiles[:, i, k]),
            )  # fmt: skip
            rows.append(dict(zip(ENSEMBLE_COLUMNS, cells, strict=True)))
    return rows


def ensemble_summary(found: Ensemble) -> dict[str, Any]:
    """The ensemble for machines; numbers may still be NaN."""
    return {
        "kind": found.kind, "method": found.method, "seed": found.seed, "members": len(found),
        "failed": [{"member": number, "reason": reason} for number, reason in found.failed],
        "effective_size": found.effective_size,
        "laplace_size": found.laplace_size,
        "most_memory": _largest(found.memory),
        "median_std_over_predicted": _median(found.ratio),
        "median_std_over_stated": _median(found.stated_ratio),
        "ratio_rel_std": found.ratio_error,
        "median_seconds_per_member": float(np.median(found.seconds)),
        "versions": versions(),
        "rows": ensemble_rows(found),
    }  # fmt: skip


def _median(values: Any) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


def _largest(values: Any) -> float:
    known = np.abs(values[np.isfinite(values)])
    return float(known.max()) if known.size else float("nan")


def ensemble_json(found: Ensemble) -> str:
    """Strict JSON; unknown numbers are null."""
    return json.dumps(plain(ensemble_summary(found)), indent=2, allow_nan=False)


def write_ensemble(folder: Path, found: Ensemble) -> None:
    """Write ensemble.csv and ensemble.json, each whole or not at all.  Raises StoreError."""
    rows = (
        [f"{v:.6g}" if isinstance(v, float) else v for v in row.values()]
        for row in ensemble_rows(found)
    )
    write_table(folder / "ensemble.csv", ENSEMBLE_COLUMNS, rows)
    write_text(folder / "ensemble.json", ensemble_json(found) + "\n")
