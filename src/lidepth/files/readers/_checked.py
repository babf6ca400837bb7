"""What readers of binary and XML files share: numbers checked before they become a spectrum."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import OutOfRange, Truncated, WrongFormat
from lidepth.files.readers.raw_spectrum import MAX_CHANNELS, MAX_COUNTS

COPY = "copy the file again from the analyser"

Scale = tuple[float, float]

_KEV = {"ev": 1e-3, "kev": 1.0, "mev": 1e3}
_LONGEST_S = 1e10


def check_channels(channels: int, where: str) -> None:
    """Raise OutOfRange for a number of channels that no analyser has."""
    if not 1 <= channels <= MAX_CHANNELS:
        raise OutOfRange(
            f"{channels} channels are announced", where=where,
            expected=f"from 1 to {MAX_CHANNELS} channels", remedy=COPY,
        )  # fmt: skip


def check_holds(content: bytes, stop: int, what: str, where: str) -> None:
    """Raise Truncated when ``what``, which ends at byte ``stop``, lies beyond the file."""
    if stop > len(content):
        raise Truncated(
            f"the file ends at byte {len(content)}, within {what}", where=where,
            expected=f"{what} up to byte {stop}", remedy=COPY,
        )  # fmt: skip


def whole_counts(numbers: NDArray[np.generic], where: str) -> NDArray[np.int64]:
    """Return numbers (n,) as counts; raises OutOfRange and WrongFormat if they are none."""
    values = numbers.astype(np.float64)
    possible = (values >= 0) & (values < MAX_COUNTS)
    if not possible.all():
        worst = int(np.argmin(possible))
        raise OutOfRange(
            f"{numbers[worst]} counts cannot be", where=f"{where}, count {worst}",
            expected="counts from 0 up, below 2^53",
            remedy="use the raw spectrum as the analyser wrote it",
        )  # fmt: skip
    counts = values.astype(np.int64)
    whole = values == counts
    if not whole.all():
        worst = int(np.argmin(whole))
        raise WrongFormat(
            f"{numbers[worst]} is no number of counts", where=f"{where}, count {worst}",
            expected="whole numbers of counts",
            remedy="use the raw spectrum as the analyser wrote it",
        )  # fmt: skip
    return counts


def check_times(live_s: float, real_s: float, where: str) -> None:
    """Raise WrongFormat for times that are negative, infinite or longer than any run.

    NaN stands for a time that the file does not give.
    """
    for name, value in (("live", live_s), ("real", real_s)):
        if not (math.isnan(value) or 0 <= value < _LONGEST_S):
            raise WrongFormat(
                f"the {name} time is {value:g} s", where=where,
                expected="a time in seconds from 0 up", remedy=COPY,
            )  # fmt: skip


def times_in_counts(counts: NDArray[np.int64], live_s: float, real_s: float) -> tuple[str, ...]:
    """Return a remark when the first two channels hold the times instead of counts.

    Some analysers keep whole seconds of live and real time there.
    """
    if counts.size < 2 or not (math.isfinite(live_s) and math.isfinite(real_s)):
        return ()
    first = (int(counts[0]), int(counts[1]))
    times = (int(live_s), int(real_s))
    if min(times) > 0 and first in (times, times[::-1]):
        return ("channels 0 and 1 hold the live and the real time in s, not counts",)
    return ()


def short(value: float) -> float:
    """Return the shortest decimal number that a 32-bit float may have been written for."""
    return float(str(np.float32(value)))


def linear_scale(
    coefficients: Sequence[float], channels: int, *, unit: str = "keV"
) -> tuple[Scale | None, tuple[str, ...]]:
    """Return ((offset in keV, keV per channel) or None, remarks) for a polynomial in the channel.

    Zeros are no scale.  Terms above the linear one are left out, with a remark when they amount to
    more than a channel within the spectrum.
    """
    terms = [float(value) for value in coefficients]
    if len(terms) < 2 or not any(terms[1:]):
        return None, ()
    factor = _KEV.get(unit.strip().lower() or "kev")
    if factor is None:
        return None, (f"the energy scale is in {unit.strip()[:20]!r} and is not used",)
    if not all(map(math.isfinite, terms)) or terms[1] <= 0:
        return None, ("the energy scale does not rise with the channel and is not used",)
    channel = np.linspace(0.0, channels, 65)
    with np.errstate(over="ignore", invalid="ignore"):
        bend = np.polynomial.polynomial.polyval(channel, [0.0, 0.0, *terms[2:]]) / terms[1]
        most = float(np.max(np.abs(bend)))
    remarks: tuple[str, ...] = ()
    if not most <= 1.0:
        remarks = (f"the energy scale bends by {most:.3g} channels; only offset and gain are used",)
    return (terms[0] * factor, terms[1] * factor), remarks
