"""The table beside the spectra: monitor.csv."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidepth.errors import BadInput, OutOfRange, Truncated, WrongFormat
from lidepth.files._text import nearest, parse_time, read_text

MAX_BYTES = 256 * 1024**2
# Lines one by one: a text stream would hold the whole table once more, four bytes a letter.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
MONITOR_COLUMNS = ("file", "start", "live_s", "monitor_counts")


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
    header, rows, lines = read_table(path, required=("file",), known=MONITOR_COLUMNS)
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


def read_table(
    path: Path, *, required: Sequence[str], known: Sequence[str]
) -> tuple[list[str], list[list[str]], list[int]]:
    """Return header, rows and the line number of each row of a csv; blank lines are skipped.

    Raises WrongFormat or Truncated with file and line.
    """
    text = read_text(path, limit_bytes=MAX_BYTES)
    reader = csv.reader(line[0] for line in _LINE.finditer(text))
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
