"""From a clock on the wall to UTC: the hour that comes twice, the hour that never comes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput
from lidepth.files._text import Times

_DAY_S = 86400
_SECOND = 1_000_000_000


def to_utc(local: Times, zone: str) -> Times:
    """Return the UTC of local times, given in the order in which they were written; shape (n,).

    In the hour that autumn repeats, a time that runs back belongs to the second pass; without a
    step back the first pass is taken.  A time in the hour that spring leaves out comes from a clock
    that was late to change: it counts on in winter time.  Raises BadInput when such a clock then
    contradicts itself, because its times run back, and for times that all lie in a repeated hour.
    """
    if local.size == 0:
        return local
    seconds = local.astype("datetime64[s]").astype(np.int64)
    changes_s, before_s, after_s = _changes(zone, int(seconds.min()), int(seconds.max()))
    offsets = np.concatenate([before_s[:1], after_s])
    # A wall time is surely past a change once both offsets say so (first pass), and surely before
    # it while neither does (second pass).
    nanos = local.astype("datetime64[ns]").astype(np.int64)
    late = (changes_s + np.maximum(before_s, after_s)) * _SECOND
    early = (changes_s + np.minimum(before_s, after_s)) * _SECOND
    first_pass = nanos - offsets[np.searchsorted(late, nanos, "right")] * _SECOND
    second_pass = nanos - offsets[np.searchsorted(early, nanos, "right")] * _SECOND
    twice = np.flatnonzero(second_pass > first_pass)
    utc = first_pass.copy()
    for i in twice.tolist():
        if i and first_pass[i] < utc[i - 1] <= second_pass[i]:
            utc[i] = second_pass[i]
    begin = int(np.argmin(np.append(second_pass > first_pass, False)))  # rows of such an hour
    if begin and np.array_equal(utc[:begin], first_pass[:begin]):
        raise BadInput(
            f"the time {_plain(local[0])} came twice in {zone}, and nothing tells which it was",
            expected="times that begin outside of the hour that autumn repeats",
            remedy="leave the time zone out, and give the times in UTC",
        )  # fmt: skip
    skipped = np.flatnonzero(second_pass < first_pass)
    back = np.flatnonzero(np.diff(utc) < 0)
    if skipped.size and np.any(np.abs(utc[back][:, None] - utc[skipped]) < _DAY_S * _SECOND):
        raise BadInput(
            f"the time {_plain(local[skipped[0]])} does not exist in {zone}, and later times run "
            "back",
            expected="times of a clock that keeps the daylight saving of its zone",
            remedy="if the clock kept winter time, give a zone without daylight saving, such as "
            "Etc/GMT-1 for one hour ahead of UTC",
        )  # fmt: skip
    return np.asarray(utc.astype("datetime64[ns]"))


def way_back(before: np.datetime64, after: np.datetime64) -> str:
    """What to do about rows that run back from one time to another."""
    hour = np.timedelta64(1, "h")
    # The step is the hour less the time between two rows.
    if 0.5 * hour <= before - after <= hour and is_change_day(after):
        return (
            "clocks went back an hour that day: name the time zone, such as data.cycler: "
            "{files: ..., time_zone: Europe/Amsterdam}"
        )
    return "sort the rows, or correct the clock change in the export"


def _changes(
    zone: str, first_s: int, last_s: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """When the offset from UTC changes (s since 1970), and the offsets before and after, in s."""
    known = ZoneInfo(zone)

    def offset(at_s: int) -> int:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at_s)
        shift = moment.astimezone(known).utcoffset() or timedelta(0)
        return round(shift.total_seconds())

    days = range(first_s - 2 * _DAY_S, last_s + 3 * _DAY_S, _DAY_S)
    at_day = [offset(day) for day in days]
    found = []
    for day, before, after in zip(days, at_day[:-1], at_day[1:], strict=False):
        if before == after:
            continue
        low, high = day, day + _DAY_S
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == before else (low, middle)
        found.append((high, before, after))
    if not found:
        found = [(last_s + 10 * _DAY_S, at_day[0], at_day[0])]
    table = np.array(found, dtype=np.int64)
    return table[:, 0], table[:, 1], table[:, 2]


def _plain(moment: np.datetime64) -> str:
    return str(np.datetime_as_string(moment, "s"))


def is_change_day(moment: np.datetime64) -> bool:
    """True on a Sunday in spring or autumn when Europe or North America change their clocks.

    Last Sunday of March and October; second Sunday of March and first of November.
    """
    day = moment.astype("datetime64[D]")
    month = int(day.astype("datetime64[M]").astype(np.int64)) % 12 + 1
    number = int((day - day.astype("datetime64[M]")) / np.timedelta64(1, "D")) + 1
    if (int(day.astype(np.int64)) + 4) % 7 != 0:  # 1 January 1970 was a Thursday
        return False
    return (month in (3, 10) and number > 24) or (month, (number - 1) // 7) in ((3, 1), (11, 0))
