"""Maccor: text exports, of two dialects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, WrongFormat
from lidepth.files.cyclers._clock import dates, month_is_first
from lidepth.files.cyclers._log import make_log
from lidepth.files.cyclers._table import (
    Convert,
    Words,
    cells,
    decode,
    duration,
    find_header,
    number,
    read_columns,
    text_lines,
)
from lidepth.files.cyclers.format import ColumnMap, CyclerFormat
from lidepth.model.cycling import CyclerLog

# Heading in either dialect, by what it is.
_DIALECTS: tuple[dict[str, str], ...] = (
    {
        "time": "TestTime", "current": "Amps", "voltage": "Volts", "state": "State",
        "date": "DPt Time", "charge": "Amp-hr", "energy": "Watt-hr", "cycle": "Cyc#",
        "step": "Step",
    },
    {
        "time": "TestTime", "current": "Current [A]", "voltage": "Voltage [V]", "state": "Md",
        "date": "DPT Time", "charge": "Cap. [Ah]", "energy": "Ener. [Wh]", "cycle": "Cycle P",
        "step": "Step",
    },
)  # fmt: skip

_LABELS = {
    "charge": "Step Capacity / Ah", "energy": "Step Energy / Wh", "cycle": "Cycle Count",
    "step": "Step Index", "state": "Step Type",
}  # fmt: skip

_RESTING = 1e-3
"""Of the largest current: what a row that neither charges nor discharges may show."""


def read_maccor(path: Path, how: ColumnMap) -> CyclerLog:
    """Read a Maccor text export.

    Maccor writes currents without a sign and says in another column whether it charged (C) or
    discharged (D).  Test times without a unit are told by the wall times beside them.
    Raises WrongFormat, Truncated, OutOfRange or BadInput with file and line.
    """
    lines = text_lines(path)
    names, head = _dialect(path, lines)
    raw_dates: list[str] = []

    def keep(cell: str) -> float:
        raw_dates.append(cell)
        return len(raw_dates)

    clocked = any(b":" in cell.encode() for cell in _cell(lines, head, names["time"]))
    plan: dict[str, Convert] = {
        name: number for what, name in names.items() if what not in {"state", "date", "time"}
    }
    plan[names["time"]] = duration if clocked else number
    plan[names["state"]] = Words()
    plan[names["date"]] = keep
    table = read_columns(path, lines, head=head, delimiter="\t", columns=plan, quoted=False)
    elapsed_s = table.columns[names["time"]]
    where = f"{path}, {names['date']}"
    if not clocked:
        elapsed_s = elapsed_s * _unit_s(elapsed_s, raw_dates, where)
    month_first = True
    if how.start is None:
        length_s = float(elapsed_s[-1] - elapsed_s[0])
        month_first = month_is_first(raw_dates[0], raw_dates[-1], length_s, where=where)
    state = table.columns[names["state"]]
    vendor = {
        label: table.columns[names[what]] for what, label in _LABELS.items() if what != "state"
    }
    vendor["Step Type"] = state
    first = None
    if how.start is None:
        wall = dates(raw_dates, path=path, lines=table.lines, month_first=month_first)
        first = wall[0]
        vendor["Date Time"] = wall
    return make_log(
        path,
        how,
        elapsed_s=elapsed_s,
        voltage_v=table.columns[names["voltage"]],
        current_ua=_signed(path, table.columns[names["current"]], state, table.lines) * 1e6,
        first=first,
        timing="sampled",
        step=table.columns[names["step"]],
        vendor=vendor,
        lines=table.lines,
    )


def _dialect(path: Path, lines: list[bytes]) -> tuple[dict[str, str], int]:
    """Return the headings and where they are."""
    for names in _DIALECTS:
        try:
            return names, find_header(path, lines, list(names.values()), "\t", within=100)
        except WrongFormat:
            continue
    raise WrongFormat(
        "no line has the headings of a Maccor text export", where=str(path),
        expected=" or ".join(", ".join(names.values()) for names in _DIALECTS),
        remedy="export these columns as tab-separated text",
    )  # fmt: skip


def _cell(lines: list[bytes], head: int, name: str) -> list[str]:
    """Return the cell of a heading in the first row, in a list, empty without one."""
    place = cells(lines[head], "\t").index(name)
    for line in lines[head + 1 :]:
        row = decode(line).split("\t")
        if any(row):
            return row[place : place + 1]
    return []


def _unit_s(values: NDArray[np.float64], raw_dates: list[str], where: str) -> float:
    """Return the unit of the test time in s, as the wall times show it."""
    length = float(values[-1] - values[0])
    fits = []
    for unit_s in (1.0, 60.0, 3600.0):
        for order in (True, False):
            try:
                ends = dates([raw_dates[0], raw_dates[-1]], path=Path(where), lines=np.arange(2),
                             month_first=order)  # fmt: skip
            except WrongFormat:
                continue
            wall_s = float((ends[1] - ends[0]) / np.timedelta64(1, "s"))
            # Wall times are whole seconds; 1 % is for clocks that run differently.
            if length > 0 and abs(wall_s - length * unit_s) <= max(2.0, 0.01 * wall_s):
                fits.append(unit_s)
    if len(set(fits)) == 1:
        return fits[0]
    raise BadInput(
        "the unit of the test time cannot be told", where=where,
        expected="s, min or h, as wall times beside them show",
        remedy="read the file with data.cycler.format: csv, which asks for the unit",
    )  # fmt: skip


def _signed(
    path: Path,
    current: NDArray[np.float64],
    state: NDArray[np.str_],
    lines: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the current with charge positive, by the state of each row."""
    charging, discharging = state == "C", state == "D"
    if np.any(current < 0):
        raise BadInput(
            "a negative current in a file whose currents have no sign",
            where=f"{path}, line {lines[int(np.argmax(current < 0))]}", expected="0 or more",
            remedy="read the file with data.cycler.format: csv, which asks for the sign",
        )  # fmt: skip
    largest = float(np.max(current, initial=0.0))
    unknown = ~charging & ~discharging & (current > _RESTING * largest)
    if unknown.any():
        row = int(np.argmax(unknown))
        raise BadInput(
            f"the state {state[row]!r} does not say where {current[row]:g} A went",
            where=f"{path}, line {lines[row]}", expected="C or D where a current flows",
            remedy="read the file with data.cycler.format: csv, which asks for the sign",
        )  # fmt: skip
    return np.where(charging, current, np.where(discharging, -current, 0.0))


MACCOR = CyclerFormat(
    key="maccor", maker="Maccor", suffixes=(".txt",), read=read_maccor,
    recognises=lambda head: b"TestTime\t" in head, note="text export, two dialects",
)  # fmt: skip
