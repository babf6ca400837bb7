"""What readers of numbers written as text share: whole counts, dates, straight energy scales."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import LidepthError, OutOfRange, Truncated, WrongFormat
from lidepth.files.readers._checked import COPY, Scale
from lidepth.files.readers.raw_spectrum import MAX_CHANNELS, MAX_COUNTS

MONTH_FIRST = ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S.%f")

_NOT_COUNTS = b"0123456789 \t\r\n"
_LONGEST = 24
"""Bytes that one count and its line end can take."""

_KEV = {"ev": 1e-3, "kev": 1.0, "mev": 1e3}
_UNIT = re.compile(r"(?<![A-Za-z])([kM]?eV)(?![A-Za-z])", re.IGNORECASE)


def whole_counts(body: bytes, *, path: Path, first_line: int) -> NDArray[np.int64]:
    """Return the whole numbers in ``body``, which begins at ``first_line`` of the file.

    Raises WrongFormat or OutOfRange, naming the line, for anything but counts.
    """
    where = f"{path}, line {first_line}"
    if len(body) > _LONGEST * MAX_CHANNELS:
        raise too_many(where)
    if body.translate(None, _NOT_COUNTS):
        raise _bad_count(body, path, first_line)
    if not body.strip():
        return np.zeros(0, dtype=np.int64)
    counts = np.fromstring(body.decode("ascii"), dtype=np.int64, sep=" ")
    if counts.size > MAX_CHANNELS:
        raise too_many(where)
    if counts.max() >= MAX_COUNTS:
        raise OutOfRange(
            "a channel holds more counts than can be", where=where, expected="counts below 2^53",
            remedy=COPY,
        )  # fmt: skip
    return counts


def too_many(where: str) -> OutOfRange:
    """Return the error for more channels than any analyser has."""
    return OutOfRange(
        "more channels than any analyser has", where=where,
        expected=f"at most {MAX_CHANNELS} channels", remedy=COPY,
    )  # fmt: skip


def cut_off(path: Path, content: bytes, found: str, expected: str) -> Truncated:
    """Return the error for a file that ends too early."""
    return Truncated(
        f"the file ends too early ({found})",
        where=f"{path}, line {content.count(bytes([10])) + 1}", expected=expected, remedy=COPY,
    )  # fmt: skip


def a_time(text: str, forms: Sequence[str], *, where: str, shown: str) -> np.datetime64:
    """Return a wall time written in one of ``forms``; ``shown`` is one as it should be."""
    for form in forms:
        try:
            found = datetime.strptime(text.strip(), form)
        except ValueError:
            continue
        if 1970 <= found.year < 2200:
            return np.datetime64(found, "ns")
    raise WrongFormat(
        f"{text.strip()[:60]!r} is not a start time", where=where,
        expected=f"a time such as {shown}", remedy="correct the date in the file",
    )  # fmt: skip


def seconds(text: str, *, where: str, per_s: float = 1.0) -> float:
    """Return a duration in s, written in units of which one second has ``per_s``."""
    value = number(text) / per_s
    if not 0 <= value < 1e10:
        raise WrongFormat(
            f"{text.strip()[:40]!r} is not a time in seconds", where=where,
            expected="a time from 0 s up, such as 480.0", remedy=COPY,
        )  # fmt: skip
    return value


def number(word: str) -> float:
    """Return a number, NaN for anything else."""
    try:
        return float(word)
    except ValueError:
        return math.nan


def whole(word: str) -> int:
    """Return a whole number of at most 18 digits, -1 for anything else."""
    return int(word) if word.isascii() and word.isdigit() and len(word) < 19 else -1


def kev_per(label: str) -> float:
    """Return the size in keV of the energy unit named in ``label``, NaN when none is."""
    found = _UNIT.search(label)
    return _KEV[found[1].lower()] if found else math.nan


def through_points(points: Sequence[tuple[float, float]]) -> tuple[Scale | None, tuple[str, ...]]:
    """Fit a straight line to points (channel, keV); returns (offset, gain) and remarks.

    The scale is None with less than two channels, or when it does not rise.
    """
    channels, energies = np.array(points, dtype=np.float64).reshape(-1, 2).T
    with np.errstate(all="ignore"):
        spread = channels - channels.mean() if channels.size else channels
        gain = float(spread @ energies / (spread @ spread)) if channels.size > 1 else math.nan
        if not (math.isfinite(gain) and gain > 0):
            return None, ()
        offset = float(energies.mean() - gain * channels.mean())
        off_kev = float(np.abs(energies - offset - gain * channels).max())
    if not (math.isfinite(offset) and math.isfinite(off_kev)):
        return None, ()
    if off_kev > gain:
        return (offset, gain), (
            f"the calibration points lie up to {off_kev:.3g} keV off a straight line",
        )
    return (offset, gain), ()


def _bad_count(body: bytes, path: Path, first_line: int) -> LidepthError:
    bad = re.search(rb"[^0-9 \t\r\n]", body)
    place = bad.start() if bad else 0
    where = f"{path}, line {first_line + body.count(bytes([10]), 0, place)}"
    start = max(body.rfind(sep, 0, place) for sep in (b" ", b"\t", b"\n", b"\r")) + 1
    word = body[start : start + 40].split()[0] if body[start : start + 40].split() else b""
    shown = word.decode("ascii", "replace")
    if re.fullmatch(rb"-\d+", word):
        return OutOfRange(
            f"the count {shown} is negative", where=where, expected="counts from 0 up",
            remedy="use the raw spectrum, not one with a background taken off",
        )  # fmt: skip
    return WrongFormat(
        f"{shown!r} is not a number of counts", where=where, expected="whole numbers from 0 up",
        remedy="use the raw spectrum as the analyser wrote it",
    )  # fmt: skip
