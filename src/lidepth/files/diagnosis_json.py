"""The smoother and the diagnostics in summary.json."""

from __future__ import annotations

from typing import Any

import numpy as np

from lidepth.model.calibration import FittedParameter
from lidepth.model.diagnosis import (
    Diagnosis,
    ModeSpectrum,
    ResidualStrip,
    Sensitivity,
    SensitivityTable,
    SourceEnsemble,
)
from lidepth.model.ledger import REGIONS
from lidepth.model.track import LithiumTrack


def fitted(one: FittedParameter) -> dict[str, Any]:
    """One fitted parameter, with what was believed before."""
    return {
        "name": one.name, "label": one.label, "unit": one.unit, "prior": one.prior,
        "prior_std": one.prior_std, "value": one.value, "std": one.std, "pull": one.pull,
    }  # fmt: skip


def smoother(track: LithiumTrack | None) -> dict[str, Any] | None:
    """What the smoother of a campaign was and found; its numbers are in smooth.nc."""
    if track is None:
        return None
    return {
        "spectra": len(track), "passes": track.passes, "smoothed": track.smoothed,
        "log_evidence": track.log_evidence, "bins": track.bins,
        "mean_deviance": float(np.mean(track.deviance)) if len(track) else None,
        "shared": [fitted(one) for one in track.shared],
    }  # fmt: skip


def diagnosis(found: Diagnosis) -> dict[str, Any]:
    """Residuals, modes, sensitivities, other sources; null where there is none."""
    return {
        "residuals": _strip(found.strip) if found.strip is not None else None,
        "modes": _modes(found.modes) if found.modes is not None else None,
        "sensitivity": _table(found.sensitivity) if found.sensitivity is not None else None,
        "ensemble": _ensemble(found.ensemble) if found.ensemble is not None else None,
    }


def _strip(strip: ResidualStrip) -> dict[str, Any]:
    place = int(np.abs(strip.scan_z).argmax()) if strip.scan_z.size else None
    return {
        "of": "states" if strip.labels else "spectra",
        "rows": len(strip), "rows_beyond": int(strip.beyond.sum()),
        "row_limit_sigma": strip.row_limit, "limit_sigma": strip.limit,
        "largest_sigma": None if place is None else float(strip.scan_z[place]),
        "largest_kev": None if place is None else float(strip.scan_kev[place]),
        "largest_excess": None if place is None else float(strip.scan_excess[place]),
    }  # fmt: skip


def _modes(modes: ModeSpectrum) -> list[dict[str, Any]]:
    return [
        {"label": label, "modes": int(number), "information": known, "information_freed": freed}
        for label, number, known, freed in zip(
            modes.labels, modes.supported, modes.information, modes.freed, strict=True
        )
    ]


def _table(table: SensitivityTable) -> dict[str, Any]:
    return {
        "common_error_uah": _by_kind(table, table.common),
        "parameters": [_sensitivity(table, row) for row in table.rows],
    }


def _sensitivity(table: SensitivityTable, row: Sensitivity) -> dict[str, Any]:
    return {
        "name": row.name, "label": row.label, "unit": row.unit, "prior_std": row.prior_std,
        "std": row.std, "step": row.step, "step_words": row.step_words,
        "per_prior_std_uah": _by_kind(table, row.believed),
        "per_step_uah": _by_kind(table, row.forced),
        "per_std_left_uah": _by_kind(table, row.share),
    }  # fmt: skip


def _by_kind(table: SensitivityTable, values: Any) -> dict[str, dict[str, float]]:
    return {
        kind: dict(zip(REGIONS, map(float, row), strict=True))
        for kind, row in zip(table.kinds, values, strict=True)
    }


def _ensemble(found: SourceEnsemble) -> dict[str, Any]:
    low, high = found.band
    return {
        "cycle": found.cycle, "state": list(found.state), "common_std_uah": found.common,
        "lowest_move_uah": low, "highest_move_uah": high,
        "sources": [
            {"name": name, "misfit_factor": misfit, "values_uah": values}
            for name, misfit, values in zip(found.names, found.misfit, found.values, strict=True)
        ],
    }  # fmt: skip
