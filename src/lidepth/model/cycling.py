"""What the cycler recorded, and the phases found in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lidepth.model._arrays import readonly, require
from lidepth.model.spectra import seconds

StepKind = Literal["pristine", "charge", "discharge", "rest"]
StepMode = Literal["CC", "CV", "rest", "mixed"]
StateName = Literal["pristine", "charged", "discharged", "range"]


@dataclass(frozen=True, kw_only=True)
class CyclerLog:
    """Voltage and current of the whole cell.

    ``time`` (n,) datetime64[ns], increasing; ``voltage_v`` (n,); ``current_ua`` (n,), charge
    positive; a current holds from its time until the next row.  ``anchored`` is False when the
    file gives no wall time: ``time`` then counts from 1970.  ``vendor`` holds what else the file
    had, by its name in the Battery Data Format (such as ``Step Count`` or ``Charging Capacity /
    Ah``), (n,) each: for comparison, never used in place of our own derivation.
    """

    time: NDArray[np.datetime64]
    voltage_v: NDArray[np.float64]
    current_ua: NDArray[np.float64]
    source: str = ""
    anchored: bool = True
    vendor: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        time = np.array(self.time, dtype="datetime64[ns]")
        time.setflags(write=False)
        object.__setattr__(self, "time", time)
        for name in ("voltage_v", "current_ua"):
            column = readonly(getattr(self, name))
            require(column.shape == time.shape, f"{name} has one value per time")
            require(bool(np.all(np.isfinite(column))), f"{name} is finite")
            object.__setattr__(self, name, column)
        kept = {}
        for name, values in self.vendor.items():
            kept[name] = np.array(values)
            kept[name].setflags(write=False)
            require(kept[name].shape == time.shape, f"{name} has one value per time")
        object.__setattr__(self, "vendor", MappingProxyType(kept))
        require(time.size >= 2, "a cycler log has at least two rows")
        require(bool(np.all(np.diff(time.astype(np.int64)) >= 0)), "cycler times do not run back")

    def seconds(self, origin: np.datetime64) -> NDArray[np.float64]:
        """Times in s since ``origin``; shape (n,)."""
        return seconds(self.time, origin)

    def shifted(self, offset_s: float) -> CyclerLog:
        """Return the log with ``offset_s`` added to every time."""
        return replace(self, time=self.time + np.timedelta64(round(offset_s * 1e9), "ns"))

    @property
    def charge_uah(self) -> NDArray[np.float64]:
        """Net charge passed before each row, charge positive, in uAh; shape (n,)."""
        return self._added_up(self.current_ua)

    @property
    def passed_uah(self) -> NDArray[np.float64]:
        """Charge passed either way before each row, in uAh; shape (n,)."""
        return self._added_up(np.abs(self.current_ua))

    def _added_up(self, current_ua: NDArray[np.float64]) -> NDArray[np.float64]:
        hours = np.diff(self.time.astype(np.int64)) / 3.6e12
        return np.concatenate([[0.0], np.cumsum(current_ua[:-1] * hours)])


@dataclass(frozen=True, kw_only=True)
class Step:
    """One phase of a cycle, in s since the run's origin.

    ``charge_uah`` is the charge passed in it (charge positive), ``current_ua`` its mean current.
    ``mode`` is what was held constant.  Rows ``first_row`` to ``last_row`` of the log, the last
    not included, carry it, from ``start_v`` to ``end_v``; nought and NaN where there is no log.
    """

    kind: StepKind
    cycle: int
    start_s: float
    stop_s: float
    charge_uah: float = 0.0
    current_ua: float = 0.0
    mode: StepMode = "mixed"
    first_row: int = 0
    last_row: int = 0
    start_v: float = np.nan
    end_v: float = np.nan


@dataclass(frozen=True, kw_only=True)
class StateSpectrum:
    """The sum of the usable spectra of one state of the cell.

    ``counts`` (channels,); ``live_s`` total live time; ``monitor`` total monitor counts scaled to
    live time, NaN if unknown; ``indices`` of the summed spectra in the series; ``charge_uah`` the
    net charge passed since the pristine state at the middle of the state, with the independent
    standard uncertainty ``charge_std_uah`` of the integration (NaN without a cycler log).
    """

    name: StateName
    cycle: int
    start_s: float
    stop_s: float
    counts: NDArray[np.float64]
    live_s: float
    monitor: float
    indices: tuple[int, ...]
    charge_uah: float = np.nan
    charge_std_uah: float = np.nan
    label: str = field(default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", readonly(self.counts))
        default = self.name if self.name == "pristine" else f"cycle {self.cycle} {self.name}"
        object.__setattr__(self, "label", self.label or default)

    @property
    def time_s(self) -> float:
        """Middle of the state, in s since the run's origin."""
        return 0.5 * (self.start_s + self.stop_s)
