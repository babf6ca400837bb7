"""Wall times as cyclers write them."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, WrongFormat
from lidepth.files import _zones

Times = NDArray[np.datetime64]

_DATE = re.compile(
    r"(\d{1,4})([-/.])(\d{1,2})\2(\d{1,4})[ T]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?"
    r" *([AaPp][Mm])?"
)
MOST_UNIX_S = 7e9
"""In the year 2191: what nanoseconds can still hold."""


def read_date(text: str, *, month_first: bool = True) -> np.datetime64:
    """Return a date and time as datetime64[ns]; raises ValueError when it is none.

    Years of four digits come first or last; ``month_first`` settles 03/02/2021, and dates with
    points have the day first.
    """
    match = _DATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    first, mark, second, third, hour, minute, second_s, fraction, half = match.groups()
    if len(first) == 4:
        year, month, day = first, second, third
    else:
        year = third
        month, day = (first, second) if month_first and mark != "." else (second, first)
    if len(year) != 4 or not 1970 <= int(year) <= 2200:
        raise ValueError(text)
    hours = int(hour)
    if half:
        if not 1 <= hours <= 12:
            raise ValueError(text)
        hours = hours % 12 + (12 if half.lower() == "pm" else 0)
    found = datetime(int(year), int(month), int(day), hours, int(minute), int(second_s or 0))
    nanoseconds = int((fraction or "0").ljust(9, "0"))
    return np.datetime64(found, "ns") + np.timedelta64(nanoseconds, "ns")


def since_1970(seconds: float) -> np.datetime64:
    """Return seconds since 1970 as a time, to the microsecond that a float can tell."""
    return np.datetime64(round(seconds * 1e6) * 1000, "ns")


def date_number(text: str, *, month_first: bool = True) -> float:
    """Return a date as s since 1970, NaN when empty; raises ValueError when it is none."""
    if not text.strip():
        return np.nan
    return float(read_date(text, month_first=month_first).astype(np.int64)) / 1e9


def month_is_first(first: str, last: str, elapsed_s: float, *, where: str) -> bool:
    """Decide between 5/11 of May and of November from how long the test took.

    Raises BadInput when both readings or none fit within a day or 10 % of the test.
    """
    fits = []
    for order in (True, False):
        try:
            begin, end = (read_date(text, month_first=order) for text in (first, last))
        except ValueError:
            continue
        off_s = abs(float((end - begin) / np.timedelta64(1, "s")) - elapsed_s)
        if off_s <= max(86400.0, 0.1 * elapsed_s):
            fits.append((order, begin))
    if len({begin for _, begin in fits}) == 1:
        return fits[0][0]
    raise BadInput(
        f"{first.strip()[:40]!r} may have the day or the month first" if fits
        else f"{first.strip()[:40]!r} .. {last.strip()[:40]!r} do not go with the test time",
        where=where, expected="dates that can be told apart",
        remedy="give the time of the first row with data.cycler.start",
    )  # fmt: skip


def to_utc(times: Times, zone: str, *, path: Path) -> Times:
    """Return wall times of a zone, in order of their rows, as UTC; (n,) datetime64[ns].

    Raises BadInput, naming the file, for times that this zone cannot have had.
    """
    try:
        return _zones.to_utc(times, zone)
    except BadInput as error:
        raise error.at(str(path)) from error


def dates(texts: list[str], *, path: Path, lines: NDArray[np.int64], month_first: bool) -> Times:
    """Return dates as datetime64[ns] (n,); raises WrongFormat with the line."""
    found = np.empty(len(texts), dtype="datetime64[ns]")
    for i, text in enumerate(texts):
        try:
            found[i] = read_date(text, month_first=month_first)
        except (ValueError, OverflowError) as error:
            raise WrongFormat(
                f"{text[:40]!r} is not a time", where=f"{path}, line {lines[i]}",
                expected="a date and a time of day", remedy="correct or remove the row",
            ) from error  # fmt: skip
    return found
