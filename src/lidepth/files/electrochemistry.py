"""What a cycler log says by itself, as rows: cycles.csv, steps.csv, and for JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lidepth.files._store import write_table
from lidepth.model.cycling import Step
from lidepth.model.electrochemistry import Cycle, Electrochemistry, HalfCycle

_HALF = (
    "uAh", "std_uAh", "cc_uAh", "cv_uAh", "cv_gain_percent", "cv_gain_std_percent", "energy_uWh",
    "current_uA", "c_rate_per_h", "end_V", "resistance_ohm", "start_s", "stop_s", "soc_before",
    "soc_after", "shape_mV", "shape_std_mV", "shape_reference", "whole",
)  # fmt: skip
CYCLE_COLUMNS = (
    "cycle", "begins", "efficiency", "efficiency_std", "energy_efficiency", "moved_before_uAh",
    *(f"{kind}_{name}" for kind in ("charge", "discharge") for name in _HALF),
)  # fmt: skip
STEP_COLUMNS = (
    "kind", "mode", "cycle", "start_s", "stop_s", "charge_uAh", "current_uA", "start_V", "end_V",
    "first_row", "last_row",
)  # fmt: skip


def cycle_rows(found: Electrochemistry) -> list[dict[str, Any]]:
    """One row per cycle with the keys of ``CYCLE_COLUMNS``; what is not known is None."""
    return [_cycle_row(found, cycle) for cycle in found.cycles]


def step_rows(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """One row per constant current, constant voltage and rest; keys of ``STEP_COLUMNS``."""
    return [
        dict(
            zip(
                STEP_COLUMNS,
                (s.kind, s.mode, s.cycle, s.start_s, s.stop_s, s.charge_uah, s.current_ua,
                 s.start_v, s.end_v, s.first_row, s.last_row),
                strict=True,
            )
        )
        for s in steps
    ]  # fmt: skip


def write_cycles_csv(path: str | Path, found: Electrochemistry) -> None:
    """Write one row per cycle, unknown values empty; raises StoreError."""
    _write(Path(path), CYCLE_COLUMNS, cycle_rows(found))


def write_steps_csv(path: str | Path, steps: Sequence[Step]) -> None:
    """Write one row per step; raises StoreError."""
    _write(Path(path), STEP_COLUMNS, step_rows(steps))


def _cycle_row(found: Electrochemistry, cycle: Cycle) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(CYCLE_COLUMNS)
    first = cycle.halves[0]
    row |= {
        "cycle": cycle.number, "begins": cycle.begins, "efficiency": _known(cycle.efficiency),
        "efficiency_std": _known(cycle.efficiency_std),
        "energy_efficiency": _known(cycle.energy_efficiency),
        "moved_before_uAh": first.moved_before_uah,
    }  # fmt: skip
    for half in cycle.halves:
        row |= {f"{half.kind}_{name}": value for name, value in _half(found, half).items()}
    return row


def _half(found: Electrochemistry, half: HalfCycle) -> dict[str, Any]:
    before, after = found.state_of_charge(half)
    here = [s for s in found.shapes if (s.kind, s.cycle) == (half.kind, half.cycle)]
    shape = here[0] if here else None
    values = (
        half.capacity_uah, half.capacity_std_uah, half.cc_uah, half.cv_uah, 100 * half.cv_gain,
        100 * half.cv_gain_std, half.energy_uwh, half.current_ua, found.rate_per_h(half),
        half.end_v, half.resistance_ohm, half.start_s, half.stop_s, before, after,
    )  # fmt: skip
    changes = (shape.rms_mv, shape.std_mv, shape.reference) if shape else (None, None, None)
    numbers = [_known(float(value)) for value in values]
    return dict(zip(_HALF, (*numbers, *changes, half.whole), strict=True))


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _write(path: Path, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    write_table(path, columns, ([_cell(row[name]) for name in columns] for row in rows))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)
