"""BioLogic: the text that EC-Lab exports (.mpt)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, Truncated, WrongFormat
from lidepth.files.cyclers._clock import date_number, read_date, since_1970
from lidepth.files.cyclers._log import LONGEST_S, make_log
from lidepth.files.cyclers._table import (
    Convert,
    cells,
    comma_number,
    decode,
    number,
    read_columns,
    text_lines,
)
from lidepth.files.cyclers.format import ColumnMap, CyclerFormat
from lidepth.model.cycling import CyclerLog

_MAGIC = b"EC-Lab ASCII FILE"
_COUNT = re.compile(rb"Nb header lines\s*:\s*(\d{1,6})")
_START = re.compile(r"Acquisition started on\s*:\s*(\S.*)")

VOLTAGES = (
    "Ecell/V", "<Ecell>/V", "Ewe-Ece/V", "<Ewe-Ece>/V", "Ewe/V", "<Ewe>/V",
)  # fmt: skip
"""Headings of the voltage, the whole cell's first."""

MEANS = {"<I>/mA": 1e3, "<I>/A": 1e6, "<I>/µA": 1.0}
"""Currents that are the mean since the row before, and their factor to uA."""

MOMENTS = {"I/mA": 1e3, "I/A": 1e6, "I/µA": 1.0}
"""Currents of the moment, and their factor to uA."""

CHARGES = {"dq/mA.h": 3.6e6, "dQ/mA.h": 3.6e6, "dQ/C": 1e6}
"""Charge since the row before, and its factor to uA s."""

_VENDOR: dict[str, tuple[str, float]] = {
    "Ns": ("Step Index", 1.0), "cycle number": ("Cycle Count", 1.0),
    "half cycle": ("half cycle", 1.0), "mode": ("mode", 1.0),
    "(Q-Qo)/mA.h": ("Net Capacity / Ah", 1e-3), "(Q-Qo)/C": ("Net Capacity / Ah", 1 / 3600),
    "Q charge/mA.h": ("Charging Capacity / Ah", 1e-3),
    "Q discharge/mA.h": ("Discharging Capacity / Ah", 1e-3),
    "Energy charge/W.h": ("Charging Energy / Wh", 1.0),
    "Energy discharge/W.h": ("Discharging Energy / Wh", 1.0),
    "Temperature/°C": ("Ambient Temperature / degC", 1.0),
}  # fmt: skip


def read_mpt(path: Path, how: ColumnMap) -> CyclerLog:
    """Read what EC-Lab exports as text, with decimal points or commas.

    A mean current ``<I>`` belongs to the time before its row.  Dates have the month first, as
    EC-Lab writes them whatever the country; one above 12 is a day.
    Raises WrongFormat, Truncated, OutOfRange or BadInput with file and line.
    """
    lines = text_lines(path)
    head = _header(path, lines)
    header = cells(lines[head], "\t")
    voltage = _first(path, header, VOLTAGES, head)
    currents = [*MEANS, *MOMENTS, *CHARGES]
    current = _first(path, header, currents, head)
    time = _first(path, header, ("time/s",), head)
    first_row = lines[head + 1] if head + 1 < len(lines) else b""
    plain: Convert = comma_number if b"," in first_row else number
    absolute = re.search(rb"\d[/.]\d{1,2}[/.]\d{4} ", first_row) is not None
    plan = {name: plain for name in (voltage, current, *_VENDOR) if name in header}
    plan[time] = date_number if absolute else plain
    table = read_columns(path, lines, head=head, delimiter="\t", columns=plan, quoted=False)
    elapsed_s, first = table.columns[time], _start(path, lines[:head])
    if first is not None and abs(elapsed_s[0]) < LONGEST_S:
        first = first + np.timedelta64(round(float(elapsed_s[0]) * 1e9), "ns")
    if absolute:
        first = since_1970(float(elapsed_s[0]))
        elapsed_s = elapsed_s - elapsed_s[0]
    return make_log(
        path,
        how,
        elapsed_s=elapsed_s,
        voltage_v=table.columns[voltage],
        current_ua=_current_ua(current, table.columns[current], elapsed_s),
        first=first,
        timing="holds" if current in MOMENTS else "before",
        vendor={
            label: table.columns[name] * factor
            for name, (label, factor) in _VENDOR.items()
            if name in table.columns
        },
        lines=table.lines,
    )


def _current_ua(
    name: str, values: NDArray[np.float64], elapsed_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the current in uA, from charges as the mean since the row before."""
    if name not in CHARGES:
        return values * (MEANS | MOMENTS)[name]
    took = np.diff(elapsed_s, prepend=np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(took > 0, values * CHARGES[name] / took, 0.0)


def _header(path: Path, lines: list[bytes]) -> int:
    """Return the place of the headings."""
    count = _COUNT.search(lines[1]) if len(lines) > 1 else None
    if not lines[0].startswith(_MAGIC) or count is None:
        kind: type[BadInput] = Truncated if _MAGIC.startswith(lines[0]) else WrongFormat
        raise kind(
            "this is no EC-Lab text", where=f"{path}, line 1",
            expected=f"{_MAGIC.decode()} and the number of header lines",
            remedy="export the measurement as text from EC-Lab",
        )  # fmt: skip
    head = int(count[1]) - 1
    if not 2 <= head < len(lines):
        short: type[BadInput] = Truncated if head >= len(lines) else WrongFormat
        raise short(
            f"the header has {len(lines)} lines, not {head + 1}", where=str(path),
            expected="a whole header and rows below it", remedy="copy the file again",
        )  # fmt: skip
    return head


def _first(path: Path, header: list[str], names: tuple[str, ...] | list[str], head: int) -> str:
    for name in names:
        if name in header:
            return name
    raise WrongFormat(
        f"there is no column {names[0]}", where=f"{path}, line {head + 1}",
        expected="one of " + ", ".join(names),
        remedy="export the text with time, voltage and current",
    )  # fmt: skip


def _start(path: Path, header: list[bytes]) -> np.datetime64 | None:
    for place, line in enumerate(header):
        found = _START.match(decode(line))
        if found is None:
            continue
        for month_first in (True, False):
            try:
                return read_date(found[1], month_first=month_first)
            except ValueError:
                continue
        raise WrongFormat(
            f"{found[1][:40]!r} is not a time", where=f"{path}, line {place + 1}",
            expected="month/day/year hours:minutes:seconds",
            remedy="correct it, or remove the line and give data.cycler.start",
        )  # fmt: skip
    return None


MPT = CyclerFormat(
    key="biologic", maker="BioLogic", suffixes=(".mpt", ".txt"), read=read_mpt,
    recognises=lambda head: head.startswith(_MAGIC),
    note="EC-Lab text export; dates month first",
)  # fmt: skip
