"""Any delimited text whose columns, units and sign are named in data.cycler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, WrongFormat, WrongUnit
from lidepth.files._text import nearest
from lidepth.files.cyclers._clock import read_date, to_utc
from lidepth.files.cyclers._log import make_log, signed
from lidepth.files.cyclers._table import (
    Convert,
    cells,
    comma_number,
    duration,
    number,
    read_columns,
    text_lines,
)
from lidepth.files.cyclers.format import ColumnMap, CyclerFormat
from lidepth.model.cycling import CyclerLog
from lidepth.units import quantity

DELIMITERS = (",", ";", "\t", "|")
_INSIDE = {"elapsed": "s", "voltage": "V", "current": "uA"}
_SEARCHED = 1000


def read_generic(path: Path, how: ColumnMap) -> CyclerLog:
    """Read the columns that ``how.names`` names, in the units of ``how.units``.

    The first line with all these headings is the header; its delimiter is that of the file.
    Decimal commas are taken where the delimiter is no comma and no number has a point.  ``time``
    is a date and time of day, ``elapsed`` a number with a unit or ``h:mm:ss``; with both, elapsed
    time spaces the rows and the first ``time`` anchors them.
    Raises WrongUnit, WrongFormat, Truncated, OutOfRange or BadInput with file and line.
    """
    names = dict(how.names)
    _check_names(path, names)
    lines = text_lines(path)
    head, delimiter = _header(path, lines, list(names.values()))
    header = cells(lines[head], delimiter)
    sample = [cells(line, delimiter) for line in lines[head + 1 : head + 101]]
    plain = _decimal(sample, [header.index(names[k]) for k in names if k != "time"], delimiter)
    clocked = _holds(sample, header.index(names["elapsed"])) if "elapsed" in names else False
    raw_times: list[str] = []

    def keep(cell: str) -> float:
        raw_times.append(cell)
        return len(raw_times)

    factor = {
        what: _factor(how, what, path) for what in names
        if what != "time" and not (what == "elapsed" and clocked)
    }  # fmt: skip
    plan: dict[str, Convert] = {}
    for what, name in names.items():
        plan[name] = keep if what == "time" else plain
    if clocked:
        plan[names["elapsed"]] = duration
    if len(plan) != len(names):
        raise BadInput(
            "one heading is named twice", where="data.cycler.columns", expected="different columns"
        )
    table = read_columns(path, lines, head=head, delimiter=delimiter, columns=plan)
    wall = _wall(path, raw_times, table.lines, names.get("time", "")) if raw_times else None
    in_utc = False
    if "elapsed" in names:
        elapsed_s = table.columns[names["elapsed"]] * factor.get("elapsed", 1.0)
    elif wall is not None:
        if how.time_zone is not None and how.start is None:
            wall, in_utc = to_utc(wall, how.time_zone, path=path), True
        elapsed_s = (wall - wall[0]) / np.timedelta64(1, "s")
    log = make_log(
        path,
        how,
        elapsed_s=elapsed_s,
        voltage_v=table.columns[names["voltage"]] * factor["voltage"],
        current_ua=signed(how, table.columns[names["current"]] * factor["current"]),
        first=None if wall is None else wall[0],
        in_utc=in_utc,
        lines=table.lines,
    )
    # The cycler's own test time, which a clock that is set does not reach: only if it has one.
    return log if "elapsed" in names else replace(log, vendor={})


def _check_names(path: Path, names: dict[str, str]) -> None:
    missing = [what for what in ("voltage", "current") if what not in names]
    if not {"time", "elapsed"} & names.keys():
        missing.insert(0, "time or elapsed")
    if missing:
        raise BadInput(
            f"the column of {missing[0]} is not named", where=f"{path}, data.cycler.columns",
            expected="time or elapsed, voltage and current",
            remedy="give the heading of each, as in the file",
        )  # fmt: skip


def _header(path: Path, lines: list[bytes], wanted: Sequence[str]) -> tuple[int, str]:
    """Return where the headings are and what separates them."""
    best: list[str] = []
    for place, line in enumerate(lines[:_SEARCHED]):
        for delimiter in DELIMITERS:
            found = cells(line, delimiter)
            if all(name in found for name in wanted):
                twice = [name for name in wanted if found.count(name) > 1]
                if twice:
                    raise WrongFormat(
                        f"the column {twice[0]!r} appears twice",
                        where=f"{path}, line {place + 1}", expected="one of each",
                        remedy="rename one of them",
                    )  # fmt: skip
                return place, delimiter
            if len(set(found) & set(wanted)) >= max(1, len(set(best) & set(wanted))):
                best = found
    missing = next(name for name in wanted if name not in best)
    near = nearest(missing, [name[:80] for name in best])
    raise WrongFormat(
        f"no line has the heading {missing!r}", where=str(path),
        expected="a header with " + ", ".join(wanted),
        remedy=f"did you mean {near!r}?" if near else "correct data.cycler.columns",
    )  # fmt: skip


def _decimal(sample: list[list[str]], places: list[int], delimiter: str) -> Convert:
    seen = [row[place] for row in sample for place in places if place < len(row)]
    commas, points = (any(mark in cell for cell in seen) for mark in ",.")
    return comma_number if commas and not points and delimiter != "," else number


def _holds(sample: list[list[str]], place: int) -> bool:
    return any(":" in row[place] for row in sample[:10] if place < len(row))


def _factor(how: ColumnMap, what: str, path: Path) -> float:
    if what not in how.units:
        raise WrongUnit(
            f"the unit of {what} is not given", where=f"{path}, data.cycler.units",
            expected=f"a unit that converts to {_INSIDE[what]}",
            remedy=f"add {what}: {_INSIDE[what]}, or the unit that the file has",
        )  # fmt: skip
    return quantity(f"1 {how.units[what]}", _INSIDE[what], where=f"data.cycler.units.{what}")


def _wall(
    path: Path, texts: list[str], lines: NDArray[np.int64], name: str
) -> NDArray[np.datetime64]:
    """Return the wall times; the order of day and month must show in the dates themselves."""
    readings = []
    for month_first in (True, False):
        found = np.empty(len(texts), dtype="datetime64[ns]")
        failed = -1
        for i, text in enumerate(texts):
            try:
                found[i] = read_date(text, month_first=month_first)
            except (ValueError, OverflowError):
                failed = i
                break
        readings.append((found, failed))
    (early, bad), (late, worse) = readings
    if bad >= 0 and worse >= 0:
        row = max(bad, worse)
        raise WrongFormat(
            f"{texts[row][:40]!r} is not a time", where=f"{path}, line {lines[row]}, {name}",
            expected="a time such as 2017-03-06 09:00:00", remedy="correct or remove the row",
        )  # fmt: skip
    if bad >= 0:
        return late
    if worse >= 0 or np.array_equal(early, late):
        return early
    raise BadInput(
        f"{texts[0].strip()[:40]!r} may have the day or the month first", where=f"{path}, {name}",
        expected="dates that can be told apart, such as 2017-03-06 09:00:00",
        remedy="name a column of elapsed time instead, and give data.cycler.start",
    )  # fmt: skip


GENERIC = CyclerFormat(
    key="csv", maker="any", suffixes=(".csv", ".txt", ".dat", ".tsv"), read=read_generic,
    explicit=True, note="columns, units and sign as named in `data.cycler`",
)  # fmt: skip
