"""The order in which spectra were taken, where their clock steps, changes hours or lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.files._text import Times
from lidepth.files._zones import is_change_day, to_utc

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]
Places = NDArray[np.int64]

_HOUR_S = 3600.0
_SLACK_S = 2.0  # headers round start and real time to whole seconds
_FEW_STEPS = 0.01
_DOUBLED = 0.25  # of a dwell: smaller overlaps come from imprecise times, not from a clock


@dataclass(frozen=True, kw_only=True)
class Ordered:
    """When the spectra were taken.

    ``order`` (n,) are their places by time; ``start`` (n,), ``stepped`` (n,) where a clock stepped
    and ``doubtful`` (n,) where two spectra claim one time are in the given order; ``notes`` say
    what was found.  ``after_back`` (n,) are the spectra after a clock ran back by ``back_s`` in
    the order of the files, where that happened once and was not put right.
    """

    order: Places
    start: Times
    stepped: Marks
    doubtful: Marks
    notes: tuple[str, ...]
    after_back: Marks
    back_s: float = 0.0


def put_in_order(
    start: Times,
    real_s: Floats,
    *,
    keys: Sequence[str],
    line: Places,
    names: Sequence[str],
    zone: str | None,
) -> Ordered:
    """Find the order of spectra and settle their times; everything of shape (n,).

    ``keys`` are equal for copies of one spectrum; ``line`` is the row of monitor.csv (-1: none),
    ``names`` are for messages, ``zone`` is that of ``start``.  The starts decide.  Where they
    claim one time twice, the order of the files or of monitor.csv goes before them if all but a few
    spectra follow one another in it.  Raises BadInput for times that the zone cannot have had.
    """
    by_start = np.lexsort((np.arange(start.size), line < 0, start))
    seen: set[tuple[str, int]] = set()
    first = np.zeros(start.size, dtype=bool)
    pairs = zip(keys, start.astype(np.int64).tolist(), strict=True)
    known = list(pairs)
    for i in by_start.tolist():
        first[i] = known[i] not in seen
        seen.add(known[i])
    once = by_start[first[by_start]]
    taken = _taken_in(once, start, real_s, line)
    settled = start.copy()
    notes: list[str] = []
    if zone is not None:
        # A copy has the time of its spectrum, whose pass through a doubled hour order tells.
        utc = dict(zip([known[i] for i in taken], to_utc(start[taken], zone), strict=True))
        settled = np.array([utc[key] for key in known], dtype="datetime64[ns]")
    stepped = np.zeros(start.size, dtype=bool)
    if not np.array_equal(taken, once):
        later = _daylight_saving(taken, settled, real_s, names, stepped, notes)
        settled = settled + _of_copies(known, taken, later)
    order = np.lexsort((np.arange(start.size), line < 0, settled))
    order_once = order[first[order]]
    doubled, overlap = _doubled(order_once, settled, real_s)
    stepped |= overlap
    if doubled.any():
        where = np.flatnonzero(doubled)
        notes.append(
            f"the clock of the spectra ran back{_size(taken, settled, real_s)}: {where.size} "
            f"spectra, such as {names[int(where[0])]}, claim times that others claim too; they "
            "are not used"
        )
    _note_hour_left_out(order_once, settled, real_s, zone, notes)
    after_back, back_s = _ran_back(taken, known, settled, real_s)
    return Ordered(
        order=order, start=settled, stepped=stepped, doubtful=doubled, notes=tuple(notes),
        after_back=after_back, back_s=back_s,
    )  # fmt: skip


def _slack_s(real_s: Floats) -> float:
    return max(_SLACK_S, 0.005 * float(np.median(real_s)))


def _pauses_s(order: Places, start: Times, real_s: Floats) -> Floats:
    """From the end of each spectrum to the start of the next, in s; shape (n - 1,)."""
    spans = np.diff(start[order]).astype("timedelta64[ns]").astype(np.int64) / 1e9
    return np.asarray(spans - real_s[order][:-1])


def _taken_in(once: Places, start: Times, real_s: Floats, line: Places) -> Places:
    """Return ``once``, by start, or the order of files or of monitor.csv if it explains more."""
    if once.size < 2:
        return once
    slack_s = _slack_s(real_s)
    overlaps = int(np.count_nonzero(_pauses_s(once, start, real_s) < -slack_s))
    if not overlaps:
        return once
    orders = [np.sort(once)]
    if np.all(line[once] >= 0):
        orders.append(once[np.argsort(line[once], kind="stable")])
    steps = [int(np.count_nonzero(_pauses_s(one, start, real_s) < -slack_s)) for one in orders]
    best = int(np.argmin(steps))
    few = max(1, int(_FEW_STEPS * once.size))
    return orders[best] if steps[best] < overlaps and steps[best] <= few else once


def _daylight_saving(
    taken: Places, start: Times, real_s: Floats, names: Sequence[str], stepped: Marks,
    notes: list[str],
) -> NDArray[np.timedelta64]:  # fmt: skip
    """Add the hour to every spectrum after a clock went back by it; returns what to add, (n,).

    Only on a day on which clocks are changed, by the hour exactly, the spectra following one
    another without a break otherwise.
    """
    added = np.zeros(start.size, dtype="timedelta64[ns]")
    pauses_s = _pauses_s(taken, start, real_s)
    usual_s = float(np.median(pauses_s))
    for i in np.flatnonzero(np.abs(pauses_s - usual_s + _HOUR_S) <= _slack_s(real_s)).tolist():
        after = int(taken[i + 1])
        if not is_change_day(start[after]):
            continue
        added[taken[i + 1 :]] += np.timedelta64(3600, "s")
        stepped[after] = True
        notes.append(
            f"the clock of the spectra went back one hour at {names[after]} (daylight saving): an "
            "hour was added to all later times; to declare it, write data.spectra.time_zone"
        )
    return added


def _of_copies(
    known: list[tuple[str, int]], taken: Places, added: NDArray[np.timedelta64]
) -> NDArray[np.timedelta64]:
    """Give every copy what its spectrum was given."""
    table = {known[i]: added[i] for i in taken.tolist()}
    return np.array([table[key] for key in known], dtype="timedelta64[ns]")


def _doubled(order: Places, start: Times, real_s: Floats) -> tuple[Marks, Marks]:
    """Where two spectra claim the same time by more than a quarter dwell; where they overlap."""
    doubled, overlap = np.zeros(start.size, dtype=bool), np.zeros(start.size, dtype=bool)
    if order.size < 2:
        return doubled, overlap
    at_s = (start[order] - start.min()).astype(np.int64) / 1e9
    stop_s = at_s + real_s[order]
    reach_s = np.maximum.accumulate(stop_s)[:-1] - at_s[1:]
    overlap[order[1:][reach_s > _slack_s(real_s)]] = True
    much_s = _DOUBLED * float(np.median(real_s))
    for i in np.flatnonzero(reach_s > much_s).tolist():
        doubled[order[i + 1]] = True
        doubled[order[i]] |= stop_s[i] - at_s[i + 1] > much_s
    return doubled, overlap


def _ran_back(
    taken: Places, known: list[tuple[str, int]], start: Times, real_s: Floats
) -> tuple[Marks, float]:
    """The spectra after the one step back in the order taken, copies too; by how much it was."""
    pauses_s = _pauses_s(taken, start, real_s)
    back = np.flatnonzero(pauses_s < -_slack_s(real_s))
    if back.size != 1:
        return np.zeros(start.size, dtype=bool), 0.0
    after = {known[i] for i in taken[back[0] + 1 :].tolist()}
    usual_s = float(np.median(pauses_s))
    return np.array([key in after for key in known]), usual_s - float(pauses_s[back[0]])


def _size(taken: Places, start: Times, real_s: Floats) -> str:
    """How far the clock ran back, where the order of the files tells it."""
    pauses_s = _pauses_s(taken, start, real_s)
    steps_s = (pauses_s - np.median(pauses_s))[pauses_s < -_slack_s(real_s)]
    return f" by {-steps_s[0]:.0f} s" if steps_s.size == 1 else ""


def _note_hour_left_out(
    order: Places, start: Times, real_s: Floats, zone: str | None, notes: list[str]
) -> None:
    """A pause of one hour on a day on which clocks go forward may be no pause."""
    if zone is not None or order.size < 3:
        return
    pauses_s = _pauses_s(order, start, real_s)
    usual_s = float(np.median(pauses_s))
    for i in np.flatnonzero(np.abs(pauses_s - usual_s - _HOUR_S) <= _slack_s(real_s)).tolist():
        moment = start[order[i + 1]]
        if is_change_day(moment):
            notes.append(
                f"the spectra pause for one hour before {np.datetime_as_string(moment, 's')}, a "
                "day on which clocks are changed: if nothing was paused, write "
                "data.spectra.time_zone"
            )
