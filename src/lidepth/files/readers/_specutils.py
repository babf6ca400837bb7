"""The binary formats that SandiaSpecUtils decodes, checked against what the bytes hold.

The library is C++ and forgiving, so a reader checks the structure of the file in Python first:
what is cut off or points outside the file never gets there.  Counts and times are 32-bit floats in
the library (2^24 + 1 counts are 2^24 there, 841.42 s are 841.41998 s); the exact ones are read
from the bytes, and a file of which both do not say the same is refused.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import WrongFormat

_EPOCH = np.datetime64(0, "ns")


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """One spectrum as the library has it.

    ``start`` datetime64[ns] or None; ``coefficients`` of the energy polynomial in the channel,
    empty where the file has none.
    """

    start: np.datetime64 | None
    coefficients: tuple[float, ...]


def decode(
    content: bytes,
    path: Path,
    *,
    loader: str,
    counts: NDArray[np.int64],
    live_s: float,
    real_s: float,
) -> Decoded:
    """Let the library read the bytes, which have been checked, and compare.

    ``loader`` names the method of ``SpecUtils.SpecFile``; ``counts`` (channels,), ``live_s`` and
    ``real_s`` are what the bytes say.  Raises WrongFormat when the library refuses the file or
    understands it otherwise.
    """
    import SpecUtils

    file = SpecUtils.SpecFile()
    loaded = getattr(file, loader)(io.BytesIO(content))
    found = file.measurements() if loaded else []
    if len(found) != 1:
        raise WrongFormat(
            f"SandiaSpecUtils finds {len(found)} spectra in this file", where=str(path),
            expected="one", remedy="export the spectrum again, or as ASCII .Spe",
        )  # fmt: skip
    record = found[0]
    theirs = np.asarray(record.gammaCounts()) if record.numGammaChannels() else np.zeros(0)
    if not np.array_equal(theirs, counts.astype(np.float32)):
        raise _differs("counts", path)
    times = np.array([record.liveTime(), record.realTime()])
    if not np.allclose(times, np.array([live_s, real_s], dtype=np.float32), rtol=1e-6, atol=1e-6):
        raise _differs("times", path)
    start = np.datetime64(record.startTime(), "ns")
    # A file without a scale gets one from 0 to 3000 keV of the library's making.
    known = record.energyCalibrationModel() == SpecUtils.EnergyCalType.Polynomial
    return Decoded(
        start=None if start == _EPOCH else start,
        coefficients=tuple(map(float, record.calibrationCoeffs())) if known else (),
    )


def _differs(what: str, path: Path) -> WrongFormat:
    return WrongFormat(
        f"two ways to read the {what} of this file do not agree", where=str(path),
        expected="a file whose header fits its content",
        remedy="export the spectrum again, or as ASCII .Spe",
    )  # fmt: skip
