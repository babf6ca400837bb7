"""What every reader of cycler files returns and is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from lidepth.model.cycling import CyclerLog

MAX_BYTES = 1024**3


@dataclass(frozen=True, kw_only=True)
class ColumnMap:
    """How to read what a file does not say of itself; from ``data.cycler``.

    ``names`` gives the heading of ``time`` (wall time), ``elapsed``, ``voltage`` and ``current``,
    ``units`` their units; ``positive`` is what a positive current does; ``start`` the wall time of
    the first row where the file has none; ``time_zone`` that of wall times without one (they then
    become UTC), None to leave them as they are.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    positive: Literal["charge", "discharge"] = "charge"
    start: np.datetime64 | None = None
    time_zone: str | None = None


@dataclass(frozen=True, kw_only=True)
class CyclerFormat:
    """One cycler format.

    ``key`` is its name in ``data.cycler.format``; ``suffixes`` in lower case; ``read`` turns a file
    into a log; ``recognises`` looks at the first 4 kB where several formats share a suffix;
    ``explicit`` formats are never guessed.  ``extra`` names what ``pip install lidepth[extra]``
    must bring, empty for none; ``maker`` and ``note`` are for the table in the docs.
    """

    key: str
    maker: str
    suffixes: tuple[str, ...]
    read: Callable[[Path, ColumnMap], CyclerLog]
    recognises: Callable[[bytes], bool] = field(default=lambda head: bool(head))
    explicit: bool = False
    extra: str = ""
    note: str = ""
