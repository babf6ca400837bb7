"""The tables beside the spectra: monitor.csv and cycler.csv."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, OutOfRange, Truncated, WrongFormat
from lidepth.files._text import nearest, parse_time, parse_times, read_text
from lidepth.model.cycling import CyclerLog

MAX_BYTES = 256 * 1024**2
MONITOR_COLUMNS = ("file", "start", "live_s", "monitor_counts")
CYCLER_COLUMNS = ("time", "voltage_V", "current_uA")


@dataclass(frozen=True, kw_only=True)
class MonitorRow:
    """What monitor.csv says of one spectrum; None or NaN where it says nothing."""

    file: str
    line: int
    start: np.datetime64 | None
    live_s: float
    counts: float


def read_monitor(path: Path) -> tuple[MonitorRow, ...]:
    """Read monitor.csv: file, and any of start, live_s, monitor_counts; column order is free.

    Raises WrongFormat, OutOfRange, Truncated or BadInput with file and line.
    """
    header, rows, lines = _table(path, required=("file",), known=MONITOR_COLUMNS)
    found: dict[str, MonitorRow] = {}
    for row, line in zip(rows, lines, strict=True):
        cells = dict(zip(header, row, strict=True))
        name, where = cells["file"].strip(), f"{path}, line {line}"
        if not name or name in found:
            first = f" (first in line {found[name].line})" if name else ""
            raise BadInput(
                f"the file {name!r} is listed twice{first}" if name else "no file is named",
                where=where, expected="one row per spectrum", remedy="remove the wrong row",
            )  # fmt: skip
        start = cells.get("start", "").strip()
        found[name] = MonitorRow(
            file=name,
            line=line,
            start=parse_time(start, where=where) if start else None,
            live_s=_number(cells.get("live_s", ""), where, "live_s"),
            counts=_number(cells.get("monitor_counts", ""), where, "monitor_counts"),
        )
    return tuple(found.values())


def read_cycler(path: Path, *, clock_offset_s: float = 0.0) -> CyclerLog:
    """Read cycler.csv: time, voltage_V, current_uA (charge positive); column order is free.

    ``clock_offset_s`` is added to every time.  Raises WrongFormat, OutOfRange, Truncated or
    BadInput with file and line.
    """
    header, rows, lines = _table(path, required=CYCLER_COLUMNS, known=CYCLER_COLUMNS)
    column = {name: header.index(name) for name in CYCLER_COLUMNS}
    time = parse_times([row[column["time"]].strip() for row in rows], path=path, lines=lines)
    backwards = np.flatnonzero(np.diff(time.astype(np.int64)) < 0)
    if backwards.size:
        raise BadInput(
            "time runs backwards", where=f"{path}, line {lines[int(backwards[0]) + 1]}",
            expected="rows in order of time",
            remedy="sort the rows, or correct the clock change (winter time?) in the export",
        )  # fmt: skip
    if len(rows) < 2:
        raise Truncated(
            "a single row is no cycler log", where=f"{path}, line {lines[0]}",
            expected="at least two rows", remedy="export the whole log",
        )  # fmt: skip
    offset = np.timedelta64(round(clock_offset_s * 1e9), "ns")
    return CyclerLog(
        time=time + offset,
        voltage_v=_column(rows, lines, column["voltage_V"], path, "voltage_V"),
        current_ua=_column(rows, lines, column["current_uA"], path, "current_uA"),
        source=str(path),
    )


def _table(
    path: Path, *, required: Sequence[str], known: Sequence[str]
) -> tuple[list[str], list[list[str]], list[int]]:
    """Return header, rows and the line number of each row; blank lines are skipped."""
    reader = csv.reader(io.StringIO(read_text(path, limit_bytes=MAX_BYTES), newline=""))
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise WrongFormat(
            f"this is not a table ({error})", where=f"{path}, line {reader.line_num}",
            expected="comma-separated values",
        ) from error  # fmt: skip
    header = [cell.strip() for cell in rows[0]]
    _check_header(header, required, known, f"{path}, line {lines[0]}")
    for row, line in zip(rows[1:], lines[1:], strict=True):
        if len(row) != len(header):
            raise WrongFormat(
                f"{len(row)} values in a table of {len(header)} columns",
                where=f"{path}, line {line}", expected=",".join(header),
                remedy="complete or remove the row; a short last row means the file was cut off",
            )  # fmt: skip
    if len(rows) < 2:
        raise Truncated(
            "the table has no rows", where=str(path), expected="a header and rows",
            remedy="export it again",
        )  # fmt: skip
    return header, rows[1:], lines[1:]


def _check_header(
    header: list[str], required: Sequence[str], known: Sequence[str], where: str
) -> None:
    """Refuse a missing column, a repeated one, and one that is nearly the name of an absent one."""
    absent = [name for name in known if name not in header]
    if len(header) == 1 and len(required) > 1:
        raise WrongFormat(
            f"one column only, {header[0][:60]!r}", where=where,
            expected=",".join(known) + " (separated by commas, decimal points)",
            remedy="export the table with commas between the columns",
        )  # fmt: skip
    for name in header:
        near = nearest(name, absent) if name not in known and name else ""
        if near or header.count(name) > 1:
            raise WrongFormat(
                f"unknown column {name!r}" if near else f"the column {name!r} appears twice",
                where=where, expected="the columns " + ", ".join(known),
                remedy=f"rename it to {near!r}" if near else "remove one of them",
            )  # fmt: skip
    missing = [name for name in required if name in absent]
    if missing:
        raise WrongFormat(
            f"the column {missing[0]!r} is missing", where=where,
            expected="a header line with " + ", ".join(known) + ", separated by commas",
            remedy="name the columns so, and convert the values to these units",
        )  # fmt: skip


def _number(text: str, where: str, column: str) -> float:
    """Return a number from 0 up, NaN for an empty cell."""
    if not text.strip():
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise WrongFormat(
            f"{text[:40]!r} is not a number", where=f"{where}, {column}", expected="a number",
            remedy="correct it, or leave the cell empty if it is unknown",
        )  # fmt: skip
    if not 0 <= value < 1e18:
        raise OutOfRange(f"{text} cannot be", where=f"{where}, {column}", expected="0 or more")
    return value


def _column(
    rows: list[list[str]], lines: list[int], index: int, path: Path, name: str
) -> NDArray[np.float64]:
    values = np.empty(len(rows))
    for i, row in enumerate(rows):
        try:
            values[i] = float(row[index])
        except ValueError:
            values[i] = np.nan
    bad = np.flatnonzero(~(np.abs(values) < 1e12))
    if bad.size:
        row_number = int(bad[0])
        raise WrongFormat(
            f"{rows[row_number][index][:40]!r} is not a number",
            where=f"{path}, line {lines[row_number]}, {name}", expected="a finite number",
            remedy="correct or remove the row",
        )  # fmt: skip
    return values
