"""A spectrum as it was recorded: what its file says, and what was noted beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lidepth.files.readers import RawSpectrum
from lidepth.model.cycling import CyclerLog

Progress = Callable[[int, int], None]
"""Called with (files read, files in all)."""

Group = Literal["run", "background"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One spectrum of a run, unaltered; this is what a run file keeps.

    ``source`` is the path of its file from the folder of experiment.yaml; ``noted_start``,
    ``noted_live_s`` and ``noted_monitor`` are what monitor.csv says of it in row ``noted_line``
    (-1: nothing); ``pristine`` is True where a glob in data.pristine names it.  ``verified`` is
    False for one that a run file could not keep whole.
    """

    source: str
    raw: RawSpectrum
    noted_start: np.datetime64 | None = None
    noted_live_s: float = math.nan
    noted_monitor: float = math.nan
    noted_line: int = -1
    group: Group = "run"
    pristine: bool = False
    verified: bool = True

    @property
    def key(self) -> tuple[str, str, int, str]:
        """What tells this record from every other: the same content twice has one key."""
        return self.source, self.raw.detector, self.raw.record, self.raw.sha256


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """Everything that was recorded of one run, in the order in which it was read.

    ``notes`` tell the user what was not as it should be, and does no harm.
    """

    records: tuple[Record, ...]
    log: CyclerLog | None
    notes: tuple[str, ...] = ()


def joined(logs: Sequence[CyclerLog]) -> CyclerLog:
    """Return the logs of one run, one after the other, as one.

    Columns of the maker that not all of them have are left out.
    """
    if len(logs) == 1:
        return logs[0]
    ordered = sorted(logs, key=lambda log: log.time[0])
    shared = set.intersection(*(set(log.vendor) for log in ordered))
    return CyclerLog(
        time=np.concatenate([log.time for log in ordered]),
        voltage_v=np.concatenate([log.voltage_v for log in ordered]),
        current_ua=np.concatenate([log.current_ua for log in ordered]),
        source=", ".join(log.source for log in ordered),
        anchored=all(log.anchored for log in ordered),
        vendor={name: np.concatenate([log.vendor[name] for log in ordered]) for name in shared},
    )  # fmt: skip
