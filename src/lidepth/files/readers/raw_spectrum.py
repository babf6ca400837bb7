"""What every reader returns, and the limits that hold for all of them."""

from __future__ import annotations

from dataclasses import dataclass

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
    none); ``sha256`` of the file's content.
    """

    counts: NDArray[np.int64]
    start: np.datetime64 | None
    live_s: float
    real_s: float
    calibration: tuple[float, float] | None
    sha256: str

    def __post_init__(self) -> None:
        self.counts.setflags(write=False)
