"""Our own cycler.csv: time, voltage_V, current_uA."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, Truncated, WrongFormat
from lidepth.files._text import parse_times, read_bytes
from lidepth.files._zones import way_back
from lidepth.files.cyclers._clock import to_utc
from lidepth.files.cyclers._table import check_end
from lidepth.files.cyclers.format import MAX_BYTES, ColumnMap, CyclerFormat
from lidepth.files.sidecars import read_table
from lidepth.model.cycling import CyclerLog

COLUMNS = ("time", "voltage_V", "current_uA")


def read_own_csv(path: Path, columns: ColumnMap | None = None) -> CyclerLog:
    """Read cycler.csv: time, voltage_V, current_uA (charge positive); column order is free.

    Times that do not say UTC themselves become it where ``columns`` gives their time zone.
    Raises WrongFormat, OutOfRange, Truncated or BadInput with file and line.
    """
    header, rows, lines = read_table(path, required=COLUMNS, known=COLUMNS)
    column = {name: header.index(name) for name in COLUMNS}
    texts = [row[column["time"]].strip() for row in rows]
    time = parse_times(texts, path=path, lines=lines)
    if columns is not None and columns.time_zone and not texts[0].endswith(("Z", "+00:00")):
        time = to_utc(time, columns.time_zone, path=path)
    backwards = np.flatnonzero(np.diff(time.astype(np.int64)) < 0)
    if backwards.size:
        first = int(backwards[0])
        raise BadInput(
            "time runs backwards", where=f"{path}, line {lines[first + 1]}",
            expected="rows in order of time", remedy=way_back(time[first], time[first + 1]),
        )  # fmt: skip
    if len(rows) < 2:
        raise Truncated(
            "a single row is no cycler log", where=f"{path}, line {lines[0]}",
            expected="at least two rows", remedy="export the whole log",
        )  # fmt: skip
    if not read_bytes(path, limit_bytes=MAX_BYTES).endswith((b"\n", b"\r")):
        check_end(path, lines[-1], rows[-1], rows[-2])
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
    recognises=lambda head: any(name.encode() in head.split(b"\n")[0] for name in COLUMNS[1:]),
    note="time, voltage_V, current_uA; charge positive",
)  # fmt: skip
