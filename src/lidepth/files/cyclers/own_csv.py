"""Our own cycler.csv: time, voltage_V, current_uA."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, Truncated, WrongFormat
from lidepth.files._text import parse_times
from lidepth.files.cyclers.format import ColumnMap, CyclerFormat
from lidepth.files.sidecars import read_table
from lidepth.model.cycling import CyclerLog

COLUMNS = ("time", "voltage_V", "current_uA")


def read_own_csv(path: Path, columns: ColumnMap | None = None) -> CyclerLog:  # noqa: ARG001
    """Read cycler.csv: time, voltage_V, current_uA (charge positive); column order is free.

    Raises WrongFormat, OutOfRange, Truncated or BadInput with file and line.
    """
    header, rows, lines = read_table(path, required=COLUMNS, known=COLUMNS)
    column = {name: header.index(name) for name in COLUMNS}
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
    return CyclerLog(
        time=time,
        voltage_v=_column(rows, lines, column["voltage_V"], path, "voltage_V"),
        current_ua=_column(rows, lines, column["current_uA"], path, "current_uA"),
        source=str(path),
    )


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


OWN_CSV = CyclerFormat(
    key="lidepth", maker="lidepth, Keithley programs", suffixes=(".csv",), read=read_own_csv,
    recognises=lambda head: b"voltage_V" in head.splitlines()[0],
    note="time, voltage_V, current_uA; charge positive",
)  # fmt: skip
