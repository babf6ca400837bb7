"""Neware: .nda and .ndax through fastnda, and the csv that BTSDA exports."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, Truncated, WrongFormat
from lidepth.files._text import read_bytes
from lidepth.files.cyclers._clock import MOST_UNIX_S, read_date, since_1970
from lidepth.files.cyclers._log import make_log
from lidepth.files.cyclers._table import (
    Convert,
    Table,
    Words,
    cells,
    collect,
    decode,
    duration,
    find_header,
    number,
    read_columns,
    text_lines,
    unended,
)
from lidepth.files.cyclers._zip import check_zip
from lidepth.files.cyclers.format import MAX_BYTES, ColumnMap, CyclerFormat
from lidepth.model.cycling import CyclerLog

_NDA = b"NEWARE"
_LEAST_NDA = 1024

_KEPT = {
    "cycle_count": ("Cycle Count", 1.0), "step_count": ("Step Count", 1.0),
    "step_index": ("Step Index", 1.0), "capacity_mAh": ("Step Capacity / Ah", 1e-3),
    "energy_mWh": ("Step Energy / Wh", 1e-3), "unix_time_s": ("Unix Time / s", 1.0),
}  # fmt: skip


def read_binary(path: Path, how: ColumnMap) -> CyclerLog:
    """Read .nda or .ndax through fastnda.

    The wall time of these files jumps back by up to seconds, so rows follow the test time, anchored
    at the first wall time, which is UTC.  ``Unix Time / s`` keeps what was recorded.  A row's
    current is the one that flowed before it: the first row of a step still shows none.
    Raises BadInput without fastnda, and WrongFormat, Truncated or OutOfRange.
    """
    if path.suffix.lower() == ".ndax":
        check_zip(path, needs="data.ndc")
    else:
        content = read_bytes(path, limit_bytes=MAX_BYTES)
        if not content.startswith(_NDA) or len(content) < _LEAST_NDA:
            kind: type[BadInput] = Truncated if _NDA.startswith(content[:6]) else WrongFormat
            raise kind(
                "this is no Neware file", where=str(path), expected="one that begins with NEWARE",
                remedy="copy it again from the cycler's computer",
            )  # fmt: skip
    column = _through_fastnda(path)
    absent = {"voltage_V", "current_mA", "total_time_s"} - column.keys()
    if absent or not column["voltage_V"].size:
        raise WrongFormat(
            f"there is no {sorted(absent)[0]}" if absent else "there are no rows", where=str(path),
            expected="voltage, current and time", remedy="export the test again with BTSDA",
        )  # fmt: skip
    elapsed_s = column["total_time_s"].astype(np.float64)
    vendor: dict[str, NDArray[Any]] = {
        label: column[name].astype(np.float64) * factor
        for name, (label, factor) in _KEPT.items()
        if name in column
    }
    if "step_type" in column:
        vendor["Step Type"] = np.array(column["step_type"].tolist(), dtype="U")
    first = None
    unix_s = vendor.get("Unix Time / s")
    if unix_s is not None and abs(unix_s[0]) < MOST_UNIX_S:
        first = since_1970(float(unix_s[0]))
    return make_log(
        path,
        how,
        elapsed_s=elapsed_s,
        voltage_v=column["voltage_V"].astype(np.float64),
        current_ua=column["current_mA"].astype(np.float64) * 1e3,
        first=first,
        in_utc=True,
        timing="before",
        vendor=vendor,
    )


def _through_fastnda(path: Path) -> dict[str, NDArray[Any]]:
    """Return fastnda's columns as arrays."""
    kept = zlib.decompress, zlib.decompressobj
    try:
        import fastnda
        import fastnda.nda
        import fastnda.ndax
        from polars.exceptions import PanicException
    except ImportError as error:
        raise BadInput(
            "Neware's binary files need fastnda, which is not installed", where=str(path),
            expected="fastnda", remedy="pip install 'lidepth[neware]', or export csv from BTSDA",
        ) from error  # fmt: skip
    finally:
        # fastnda puts another decompressor into the standard library for everyone, whose errors
        # are not zlib's; it works with the standard one as well.
        zlib.decompress, zlib.decompressobj = kept
    log = logging.getLogger("fastnda")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        frame = fastnda.read(path, cycle_mode="raw")
        return {name: frame[name].to_numpy() for name in frame.columns}
    except (Exception, PanicException) as error:  # damaged files raise anything
        raise WrongFormat(
            f"fastnda cannot read this file ({type(error).__name__}: {str(error)[:80]})",
            where=str(path), expected="a whole Neware file of a version that fastnda knows",
            remedy="copy the file again, or export it as csv with BTSDA",
        ) from error  # fmt: skip
    finally:
        log.setLevel(level)


def read_csv(path: Path, how: ColumnMap) -> CyclerLog:
    """Read what BTSDA exports as csv: one table of records, or cycles, steps and records layered.

    Raises WrongFormat, Truncated, OutOfRange or BadInput with file and line.
    """
    lines = text_lines(path)
    if lines[0].startswith(b"Cycle Index,") and len(lines) > 2 and lines[2].startswith(b",,"):
        table, names = _layered(path, lines)
    else:
        table, names = _flat(path, lines)
    column = {what: table.columns[name] for what, name in names.items()}
    elapsed_s = column["time"]
    current, factor = names["current"], 1e3 if names["current"] == "Current(mA)" else 1e6
    first = None
    if "date" in column:
        first = since_1970(float(column["date"][0]))
    vendor = {label: column[what] for what, label in _LABELS.items() if what in column}
    return make_log(
        path,
        how,
        elapsed_s=elapsed_s,
        voltage_v=column["voltage"],
        current_ua=table.columns[current] * factor,
        first=first,
        timing="before",
        vendor=vendor,
        lines=table.lines,
    )


_HEADINGS: dict[str, tuple[str, ...]] = {
    "time": ("Total Time", "Cumulative Time"), "voltage": ("Voltage(V)",),
    "current": ("Current(A)", "Current(mA)"), "date": ("Date",), "cycle": ("Cycle Index",),
    "step": ("Step Index",), "kind": ("Step Type",), "charge": ("Chg. Cap.(Ah)",),
    "discharge": ("DChg. Cap.(Ah)",), "capacity": ("Capacity(Ah)",),
}  # fmt: skip
_LABELS = {
    "cycle": "Cycle Count", "step": "Step Index", "number": "Step Count", "kind": "Step Type",
    "charge": "Charging Capacity / Ah", "discharge": "Discharging Capacity / Ah",
    "capacity": "Step Capacity / Ah",
}  # fmt: skip


def _wall(cell: str) -> float:
    return float(read_date(cell).astype(np.int64)) / 1e9


def _convert(what: str) -> Convert:
    known: dict[str, Convert] = {"time": duration, "date": _wall, "kind": Words()}
    return known.get(what, number)


def _names(path: Path, header: list[str], line: int) -> dict[str, str]:
    found = {
        what: next(name for name in names if name in header)
        for what, names in _HEADINGS.items()
        if any(name in header for name in names)
    }
    missing = {"time", "voltage", "current"} - found.keys()
    if missing:
        raise WrongFormat(
            f"there is no column of {sorted(missing)[0]}", where=f"{path}, line {line}",
            expected="Total Time, Voltage(V), Current(A)", remedy="export these columns too",
        )  # fmt: skip
    return found


def _flat(path: Path, lines: list[bytes]) -> tuple[Table, dict[str, str]]:
    head = find_header(path, lines, ["DataPoint", "Voltage(V)"], ",", within=100)
    names = _names(path, cells(lines[head], ","), head + 1)
    plan = {name: _convert(what) for what, name in names.items()}
    return read_columns(path, lines, head=head, delimiter=",", columns=plan), names


_CYCLE_CELLS = 8


def _layered(path: Path, lines: list[bytes]) -> tuple[Table, dict[str, str]]:
    """Read cycles (first cell filled), their steps (second) and the records of these."""
    header = cells(lines[2], ",")
    names = _names(path, header, 3)
    kinds = Words()
    kinds("")
    now = ["nan", "nan", "nan", ""]
    own = ("Cycle Index", "Step Index", "Step Number", "Step Type")

    def rows() -> Iterator[tuple[int, list[str]]]:
        for place, line in enumerate(lines[3:], start=4):
            row = decode(line).split(",")
            if row[0]:
                now[0] = row[0]
                row = ["", *row[_CYCLE_CELLS:]] if len(row) > _CYCLE_CELLS else []
                if len(row) > 1:
                    _step(row, place)
            elif len(row) > 1 and row[1]:
                _step(row, place)
            elif any(row):
                yield place, [*now, *row]

    def _step(row: list[str], place: int) -> None:
        if len(row) < 4:
            raise Truncated(
                "a step without a type", where=f"{path}, line {place}",
                expected="step index, step number, step type", remedy="copy the file again",
            )  # fmt: skip
        now[1:] = row[1:4]

    plan: list[tuple[str, int, Convert]] = [
        (name, len(own) + header.index(name), _convert(what)) for what, name in names.items()
    ]
    for k, name in enumerate(own):
        plan.append((name, k, kinds if name == "Step Type" else number))
    table = collect(path, rows(), plan, len(own) + len(header), unended=unended(lines))
    added = {"cycle": own[0], "step": own[1], "number": own[2], "kind": own[3]}
    return table, {**names, **added}


NEWARE = CyclerFormat(
    key="neware", maker="Neware", suffixes=(".ndax", ".nda"), read=read_binary,
    recognises=lambda head: head.startswith((_NDA, b"PK")), extra="neware",
    note="through fastnda; test time, anchored in UTC",
)  # fmt: skip

NEWARE_CSV = CyclerFormat(
    key="neware-csv", maker="Neware", suffixes=(".csv",), read=read_csv,
    recognises=lambda head: b"DataPoint" in head and b"Voltage(V)" in head,
    note="csv of BTSDA, one table or layered",
)  # fmt: skip
