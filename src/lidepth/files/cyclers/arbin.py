"""Arbin: .xlsx, the csv of the same columns, and .res databases."""

from __future__ import annotations

import logging
import re
from array import array
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, LidepthError, OutOfRange, Truncated, WrongFormat
from lidepth.files._text import read_bytes
from lidepth.files.cyclers._clock import MOST_UNIX_S, date_number, since_1970
from lidepth.files.cyclers._log import make_log
from lidepth.files.cyclers._table import cells, number, read_columns, text_lines
from lidepth.files.cyclers._zip import check_zip
from lidepth.files.cyclers.format import MAX_BYTES, ColumnMap, CyclerFormat
from lidepth.model.cycling import CyclerLog

_LABELS: dict[str, str] = {
    "datetime": "Unix Time / s", "testtime": "Test Time / s", "stepindex": "Step Index",
    "cycleindex": "Cycle Count", "voltage": "Voltage / V", "current": "Current / A",
    "chargecapacity": "Charging Capacity / Ah", "dischargecapacity": "Discharging Capacity / Ah",
    "chargeenergy": "Charging Energy / Wh", "dischargeenergy": "Discharging Energy / Wh",
}  # fmt: skip
"""Label by heading, without units, blanks, lines and capitals, which differ between versions."""

_UNIT = {"testtime": "s", "voltage": "V", "current": "A", "chargecapacity": "Ah",
         "dischargecapacity": "Ah", "chargeenergy": "Wh", "dischargeenergy": "Wh"}  # fmt: skip
_REQUIRED = ("Test Time / s", "Voltage / V", "Current / A")
_SHEET = re.compile(r"Channel[_ -]?\d", re.IGNORECASE)
MOST_ROWS = 2**20
MOST_COLUMNS = 64
_EPOCH_DAYS = 25569.0  # 1970-01-01 in days since 1899-12-30, as spreadsheets and Access count
_ACCESS = b"\x00\x01\x00\x00Standard "


def read_xlsx(path: Path, how: ColumnMap) -> CyclerLog:
    """Read Arbin's spreadsheet: the sheets of one channel, one after the other.

    Raises BadInput without openpyxl, and WrongFormat, Truncated or OutOfRange with file and sheet.
    """
    check_zip(path, needs="xl/workbook.xml")
    try:
        import defusedxml  # noqa: F401 - openpyxl then reads with it
        import openpyxl
    except ImportError as error:
        raise BadInput(
            "spreadsheets need openpyxl and defusedxml, which are not installed", where=str(path),
            expected="both", remedy="pip install 'lidepth[arbin]', or export the table as csv",
        ) from error  # fmt: skip
    try:
        with open(path, "rb") as stream:
            book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
            columns = _sheets(book, path)
    except LidepthError:
        raise
    except Exception as error:  # damaged spreadsheets raise anything
        raise _unreadable("openpyxl", error, path) from error
    return _log(path, how, columns)


def _sheets(book: Any, path: Path) -> dict[str, NDArray[np.float64]]:
    kept: dict[str, array[float]] = {}
    for name in book.sheetnames:
        if not _SHEET.match(name):
            continue
        rows = book[name].iter_rows(values_only=True, max_col=MOST_COLUMNS)
        header = [str(cell or "") for cell in next(rows, ())]
        labels = _labels(header, f"{path}, sheet {name[:60]}")
        if kept and kept.keys() != labels.keys():
            raise WrongFormat(
                "its columns differ from those of the sheet before",
                where=f"{path}, sheet {name[:60]}", expected="one test per file",
                remedy="export each channel into a file of its own",
            )  # fmt: skip
        kept = kept or {label: array("d") for label in labels}
        _gather(rows, labels, kept, f"{path}, sheet {name[:60]}")
    if not kept:
        raise WrongFormat(
            "there is no sheet of a channel", where=str(path),
            expected="a sheet named Channel_1 or alike", remedy="export the channel's data",
        )  # fmt: skip
    return {label: np.frombuffer(values, dtype=np.float64) for label, values in kept.items()}


def _gather(
    rows: Iterator[tuple[Any, ...]],
    labels: dict[str, int],
    kept: dict[str, array[float]],
    where: str,
) -> None:
    for line, row in enumerate(rows, start=2):
        if line > MOST_ROWS:
            raise OutOfRange("too many rows", where=where, expected=f"at most {MOST_ROWS}")
        if not any(cell is not None for cell in row):
            continue
        for label, place in labels.items():
            value = row[place] if place < len(row) else None
            if isinstance(value, datetime):
                found = (value - datetime(1970, 1, 1)).total_seconds()
            elif isinstance(value, int | float) and not isinstance(value, bool):
                found = float(value)
            elif value is None and label not in _REQUIRED:
                found = np.nan
            else:
                raise WrongFormat(
                    f"{str(value)[:40]!r} is no number", where=f"{where}, row {line}, {label}",
                    expected="a number", remedy="export the sheet again",
                )  # fmt: skip
            kept[label].append(found)


def _labels(header: list[str], where: str) -> dict[str, int]:
    """Return the place of each known column; raises WrongFormat for a missing one or wrong unit."""
    found: dict[str, int] = {}
    for place, heading in enumerate(header):
        name, _, unit = heading.strip().rstrip(")").partition("(")
        key = re.sub(r"[\s_]", "", name).lower()
        if key not in _LABELS or _LABELS[key] in found:
            continue
        if unit.strip() and key in _UNIT and unit.strip() != _UNIT[key]:
            raise WrongFormat(
                f"{heading[:40]!r} is not in {_UNIT[key]}", where=where,
                expected=f"{_UNIT[key]}", remedy="export Arbin's own units",
            )  # fmt: skip
        found[_LABELS[key]] = place
    missing = [label for label in _REQUIRED if label not in found]
    if missing:
        raise WrongFormat(
            f"there is no column of {missing[0]}", where=where,
            expected="Test_Time(s), Voltage(V), Current(A)", remedy="export these columns",
        )  # fmt: skip
    return found


def read_csv(path: Path, how: ColumnMap) -> CyclerLog:
    """Read the same columns as csv; raises WrongFormat, Truncated, OutOfRange or BadInput."""
    lines = text_lines(path)
    header = cells(lines[0], ",")
    labels = _labels(header, f"{path}, line 1")
    heading = {label: header[place] for label, place in labels.items()}
    plan = {
        name: date_number if label == "Unix Time / s" else number for label, name in heading.items()
    }
    table = read_columns(path, lines, head=0, delimiter=",", columns=plan)
    columns = {label: table.columns[name] for label, name in heading.items()}
    return _log(path, how, columns, lines=table.lines)


def read_res(path: Path, how: ColumnMap) -> CyclerLog:
    """Read Arbin's Access database through access-parser; a file must hold one test.

    Raises BadInput without access-parser, and WrongFormat, Truncated or OutOfRange.
    """
    head = read_bytes(path, limit_bytes=MAX_BYTES)
    if not head.startswith(_ACCESS) or len(head) < 3 * 4096:
        kind: type[BadInput] = (
            Truncated if head[: len(_ACCESS)] == _ACCESS[: len(head)] else WrongFormat
        )
        raise kind(
            "this is no Access database", where=str(path), expected="an Arbin .res file",
            remedy="copy the file again, or export it as csv or xlsx",
        )  # fmt: skip
    try:
        from access_parser import AccessParser
    except ImportError as error:
        raise BadInput(
            "Arbin's databases need access-parser, which is not installed", where=str(path),
            expected="access-parser", remedy="pip install 'lidepth[arbin]', or export csv or xlsx",
        ) from error  # fmt: skip
    log = logging.getLogger("access_parser")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        table = AccessParser(str(path)).parse_table("Channel_Normal_Table")
        labels = _labels(list(table), str(path))
        names = {label: list(table)[place] for label, place in labels.items()}
        columns = {label: np.array(table[name], dtype=np.float64) for label, name in names.items()}
        tests = {int(one) for one in table["Test_ID"]}
        order = np.argsort(np.array(table["Data_Point"], dtype=np.float64), kind="stable")
    except LidepthError:
        raise
    except Exception as error:  # damaged databases raise anything
        raise _unreadable("access-parser", error, path) from error
    finally:
        log.setLevel(level)
    if len(tests) != 1 or len({column.size for column in columns.values()}) != 1:
        raise WrongFormat(
            f"the database holds {len(tests)} tests, or columns of different lengths",
            where=str(path), expected="one test", remedy="export each test as csv or xlsx",
        )  # fmt: skip
    if "Unix Time / s" in columns:
        columns["Unix Time / s"] = (columns["Unix Time / s"] - _EPOCH_DAYS) * 86400.0
    return _log(path, how, {label: column[order] for label, column in columns.items()})


def _log(
    path: Path,
    how: ColumnMap,
    columns: dict[str, NDArray[np.float64]],
    lines: NDArray[np.int64] | None = None,
) -> CyclerLog:
    elapsed_s, wall_s = columns["Test Time / s"], columns.pop("Unix Time / s", None)
    first = None
    if wall_s is not None and wall_s.size and abs(wall_s[0]) < MOST_UNIX_S:
        # To the millisecond: a day counted in a float holds no more.
        first = since_1970(round(float(wall_s[0]), 3))
    return make_log(
        path,
        how,
        elapsed_s=elapsed_s,
        voltage_v=columns["Voltage / V"],
        current_ua=columns["Current / A"] * 1e6,
        first=first,
        timing="sampled",
        step=columns.get("Step Index"),
        vendor={label: values for label, values in columns.items() if label not in _REQUIRED},
        lines=lines,
    )


def _unreadable(library: str, error: Exception, path: Path) -> WrongFormat:
    return WrongFormat(
        f"{library} cannot read this file ({type(error).__name__}: {str(error)[:80]})",
        where=str(path), expected="a whole Arbin file",
        remedy="copy the file again, or export it as csv",
    )  # fmt: skip


def _is_csv(head: bytes) -> bool:
    first = head.split(b"\n")[0].replace(b" ", b"_").lower()
    return b"test_time" in first and b"cycle_index" in first


ARBIN_XLSX = CyclerFormat(
    key="arbin-xlsx", maker="Arbin", suffixes=(".xlsx",), read=read_xlsx, extra="arbin",
    recognises=lambda head: head.startswith(b"PK"), note="through openpyxl",
)  # fmt: skip

ARBIN_RES = CyclerFormat(
    key="arbin", maker="Arbin", suffixes=(".res",), read=read_res, extra="arbin",
    recognises=lambda head: head.startswith(_ACCESS),
    note="Access database, through access-parser; slow: 2 s per MB",
)  # fmt: skip

ARBIN_CSV = CyclerFormat(
    key="arbin-csv", maker="Arbin", suffixes=(".csv",), read=read_csv, recognises=_is_csv,
    note="csv with Arbin's headings",
)  # fmt: skip
