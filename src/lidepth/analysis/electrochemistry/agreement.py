"""How well our steps, cycles and charges agree with what the cycler's own software says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.electrochemistry.steps import find_steps, parts_of
from lidepth.model.cycling import CyclerLog, Step
from lidepth.model.electrochemistry import Cycle

Floats = NDArray[np.float64]

_STEP_LABELS = ("Step Count", "Step Index")
_TO_UAH = 1e6
_SMALL = 0.01  # of the largest half cycle: smaller ones are written with too few digits


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Our reading of a log against its maker's.

    ``worst`` and ``total`` are relative differences of charge: of the worst half cycle (of those
    above 1 % of the largest), and of all together, against the column ``counter``; NaN where the
    file has no such column.  ``rules``
    holds ``total`` for three readings of the written current: it ``holds`` until the next row, it
    flowed ``before`` its row, or the ``mean`` of two rows flowed between them.  Of the maker's
    ``boundaries`` between steps ``missed`` are not among ours; ``extra`` of ours are not among
    them.  ``cycles`` and ``maker_cycles`` are numbers of cycles, the latter 0 where not said.
    """

    counter: str
    worst: float
    total: float
    rules: Mapping[str, float]
    boundaries: int
    missed: int
    extra: int
    cycles: int
    maker_cycles: int


def agreement(log: CyclerLog, cycles: tuple[Cycle, ...]) -> Agreement:
    """Compare steps, cycles and charges with the columns that the maker's software wrote."""
    counted, name = _counted_uah(log)
    halves = [half for cycle in cycles for half in cycle.halves]
    rows = [(half.parts[0].first_row, half.parts[-1].last_row) for half in halves]
    ours = np.array([half.capacity_uah for half in halves])
    worst = total = np.nan
    rules: dict[str, float] = {}
    if counted is not None:
        theirs = np.array([counted[first + 1 : last + 1].sum() for first, last in rows])
        if theirs.any():
            counts = theirs > _SMALL * theirs.max()
            worst = float(np.max(np.abs(ours / np.where(counts, theirs, ours) - 1.0)))
            total = float(ours.sum() / theirs.sum() - 1.0)
            rules = _rules(log, rows, theirs.sum())
    boundaries, missed, extra = _boundaries(log)
    maker = log.vendor.get("Cycle Count")
    return Agreement(
        counter=name, worst=worst, total=total, rules=rules, boundaries=boundaries, missed=missed,
        extra=extra, cycles=len(cycles), maker_cycles=0 if maker is None else np.unique(maker).size,
    )  # fmt: skip


def _counted_uah(log: CyclerLog) -> tuple[Floats | None, str]:
    """Charge between each row and the one before, either way, by the file's own counters."""
    both = ("Charging Capacity / Ah", "Discharging Capacity / Ah")
    if all(label in log.vendor for label in both):
        return sum(_grown(log.vendor[label]) for label in both) * _TO_UAH, " and ".join(both)  # type: ignore[return-value]
    if "Step Capacity / Ah" in log.vendor:
        return _grown(log.vendor["Step Capacity / Ah"]) * _TO_UAH, "Step Capacity / Ah"
    return None, ""


def _grown(counter: NDArray[np.generic]) -> Floats:
    """Growth of a counter at each row; where it starts again it has grown by what it shows."""
    values = np.abs(np.nan_to_num(counter.astype(np.float64)))
    growth = np.diff(values, prepend=values[0])
    fresh = growth < -0.5 * np.abs(np.append(values[0], values[:-1]))
    return np.where(fresh, values, growth)


def _rules(log: CyclerLog, rows: list[tuple[int, int]], total_uah: float) -> dict[str, float]:
    """Relative difference of all charge, by each rule of integration of the written current."""
    written = log.current_ua
    if "Current / A" in log.vendor:
        written = np.nan_to_num(log.vendor["Current / A"].astype(np.float64)) * _TO_UAH
    hours = np.diff(log.time.astype(np.int64)) / 3.6e12
    between = {
        "holds": np.abs(written[:-1]),
        "before": np.abs(written[1:]),
        "mean": np.abs(0.5 * (written[:-1] + written[1:])),
    }
    return {
        rule: float(sum((c * hours)[f:last].sum() for f, last in rows) / total_uah - 1.0)
        for rule, c in between.items()
    }


def _boundaries(log: CyclerLog) -> tuple[int, int, int]:
    """Boundaries between the maker's steps, those that we miss, and those that only we have."""
    label = next((name for name in _STEP_LABELS if name in log.vendor), None)
    if label is None:
        return 0, 0, 0
    column = log.vendor[label]
    theirs = np.flatnonzero(column[1:] != column[:-1]) + 1
    theirs = theirs[log.time[theirs] < log.time[-1]]  # a step without any time is none
    origin = log.time[0]
    parts = [part for step in find_steps(log, origin) for part in parts_of(log, step, origin)]
    ours = np.array([part.first_row for part in parts[1:]], dtype=np.int64)
    return theirs.size, _apart(theirs, ours), _apart(ours, theirs)


def _apart(these: NDArray[np.int64], others: NDArray[np.int64]) -> int:
    """How many of these rows are further than three rows from all of the others."""
    if not others.size:
        return int(these.size)
    distance = np.abs(these[:, None] - others[None, :]).min(axis=1, initial=10**9)
    return int(np.sum(distance > 3))


def all_parts(log: CyclerLog, origin: np.datetime64) -> tuple[Step, ...]:
    """Every constant current, constant voltage and rest of a log, in order of time."""
    return tuple(p for step in find_steps(log, origin) for p in parts_of(log, step, origin))
