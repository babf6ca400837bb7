"""What every reader returns, and the limits that hold for all of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MAX_CHANNELS = 2**20
MAX_FILE_BYTES = 64 * 1024**2
MAX_COUNTS = 2**53
"""Counts from here on cannot be told apart as floats."""


@dataclass(frozen=True, kw_only=True)
class RawSpectrum:
    """One spectrum as its file has it.

    ``counts`` (channels,) int64, read-only; ``start`` datetime64[ns], None where the file does
    not say; ``live_s`` and ``real_s`` in s, NaN where the file does not say; ``calibration`` is
    (offset in keV, keV per channel), None where the file has no energy scale (zeros count as
    none); ``sha256`` of the file's content.  ``detector`` names the input it came from, empty for
    the only one; ``record`` counts the spectra of one detector in the file from 0; ``monitor``
    counts of the beam monitor where the file has them, else NaN; ``remarks`` are for the user:
    what the file says and should not be trusted; ``after_s`` is when, in s since the start of the
    measurement in the file, this spectrum of it begins.
    """

    counts: NDArray[np.int64]
    start: np.datetime64 | None
    live_s: float
    real_s: float
    calibration: tuple[float, float] | None
    sha256: str
    detector: str = ""
    record: int = 0
    monitor: float = math.nan
    remarks: tuple[str, ...] = ()
    after_s: float = 0.0

    def __post_init__(self) -> None:
        self.counts.setflags(write=False)


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How to read what a file does not say of itself; from ``data.dialect`` and ``data.dwell``.

    ``columns`` names the columns of a text file in order (``channel``, ``energy``, ``counts`` or
    ``-`` for one to be passed over), ``delimiter`` parts them (empty: any blanks), ``skip`` lines
    come before the numbers, lines that begin with ``comment`` are passed over.  ``dwell_s`` is the
    time over which events of a list-mode file are gathered into one spectrum, ``channels`` how
    many channels they fall into, ``start`` when its clock was at zero.
    """

    columns: tuple[str, ...] = ("counts",)
    delimiter: str = ""
    skip: int = 0
    comment: str = "#"
    dwell_s: float = math.nan
    channels: int = 0
    start: np.datetime64 | None = None


@dataclass(frozen=True, kw_only=True)
class Format:
    """One analyser format.

    ``key`` is its name in ``data.format``; ``suffixes`` in lower case; ``parse`` turns the bytes of
    a file into its spectra; ``recognises`` looks at the first 4 kB where several formats share a
    suffix; ``explicit`` formats are never guessed; files larger than ``limit_bytes`` are refused.
    ``maker`` and ``note`` are for the table in the docs; ``reads_with`` names the library that
    decodes it, empty for our own reader.
    """

    key: str
    maker: str
    suffixes: tuple[str, ...]
    parse: Callable[[bytes, Path, Dialect], tuple[RawSpectrum, ...]]
    recognises: Callable[[bytes], bool] = field(default=lambda head: bool(head))
    explicit: bool = False
    limit_bytes: int = MAX_FILE_BYTES
    note: str = ""
    reads_with: str = ""
