"""Battery Data Format (BDF) of the Battery Data Alliance, as csv: read and written."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np

from lidepth.errors import StoreError, WrongFormat, WrongUnit
from lidepth.files.cyclers._clock import MOST_UNIX_S, since_1970
from lidepth.files.cyclers._log import make_log, signed
from lidepth.files.cyclers._table import Convert, Words, cells, number, read_columns, text_lines
from lidepth.files.cyclers.format import ColumnMap, CyclerFormat
from lidepth.model.cycling import CyclerLog
from lidepth.units import quantity

NAMES: dict[str, str] = {
    "Test Time / s": "test_time_second", "Voltage / V": "voltage_volt",
    "Current / A": "current_ampere", "Unix Time / s": "unix_time_second",
    "Cycle Count / 1": "cycle_count", "Step Count / 1": "step_count",
    "Step Index / 1": "step_index", "Step Type / 1": "step_type",
    "Ambient Temperature / degC": "ambient_temperature_celsius",
    "Charging Capacity / Ah": "charging_capacity_ah",
    "Discharging Capacity / Ah": "discharging_capacity_ah",
    "Step Capacity / Ah": "step_capacity_ah", "Net Capacity / Ah": "net_capacity_ah",
    "Cumulative Capacity / Ah": "cumulative_capacity_ah",
    "Charging Energy / Wh": "charging_energy_wh",
    "Discharging Energy / Wh": "discharging_energy_wh",
    "Step Energy / Wh": "step_energy_wh", "Net Energy / Wh": "net_energy_wh",
    "Cumulative Energy / Wh": "cumulative_energy_wh", "Power / W": "power_watt",
    "Internal Resistance / ohm": "internal_resistance_ohm",
}  # fmt: skip
"""Machine name by preferred label."""

REQUIRED = ("Test Time / s", "Voltage / V", "Current / A")

# What earlier files, written before the terms were settled, call them.
_EARLIER = {
    "Charge Capacity": "Charging Capacity", "Discharge Capacity": "Discharging Capacity",
    "Charge Energy": "Charging Energy", "Discharge Energy": "Discharging Energy",
}  # fmt: skip
_MACHINE = {machine: label for label, machine in NAMES.items()}
_BARE = {label.partition(" / ")[0]: label for label in NAMES}


def read_bdf(path: Path, how: ColumnMap) -> CyclerLog:
    """Read BDF csv, by preferred labels in any unit of their kind, or by machine names.

    Columns that are no BDF terms are passed over.  Raises WrongFormat, WrongUnit, Truncated,
    OutOfRange or BadInput with file and line.
    """
    lines = text_lines(path)
    header = cells(lines[0], ",")
    found: dict[str, tuple[str, float]] = {}
    for heading in header:
        label, factor = _term(heading, f"{path}, line 1, {heading[:60]}")
        if label in found:
            raise WrongFormat(
                f"{label} appears twice", where=f"{path}, line 1", expected="one of each",
                remedy="remove one of them",
            )  # fmt: skip
        if label:
            found[label] = heading, factor
    missing = [label for label in REQUIRED if label not in found]
    if missing:
        raise WrongFormat(
            f"the column {missing[0]!r} is missing", where=f"{path}, line 1",
            expected=", ".join(REQUIRED), remedy="export these columns too",
        )  # fmt: skip
    plan: dict[str, Convert] = {
        heading: Words() if label == "Step Type / 1" else number
        for label, (heading, _) in found.items()
    }
    table = read_columns(path, lines, head=0, delimiter=",", columns=plan)
    column = {
        label: table.columns[heading] * factor if factor != 1.0 else table.columns[heading]
        for label, (heading, factor) in found.items()
    }
    elapsed_s, unix_s = column["Test Time / s"], column.get("Unix Time / s")
    first = None
    if unix_s is not None and abs(unix_s[0]) < MOST_UNIX_S:
        first = since_1970(float(unix_s[0]))
    return make_log(
        path,
        how,
        elapsed_s=elapsed_s,
        voltage_v=column["Voltage / V"],
        current_ua=signed(how, column["Current / A"] * 1e6),
        first=first,
        in_utc=True,
        vendor={
            label.removesuffix(" / 1"): values
            for label, values in column.items()
            if label not in REQUIRED
        },
        lines=table.lines,
    )


def write_bdf_csv(path: str | Path, log: CyclerLog) -> Path:
    """Write a log as BDF csv, with what the vendor said beside it; returns the path.

    ``Unix Time / s`` is written when the log is anchored, and then takes its times for UTC.
    Currents read back within rounding, times to a microsecond.  Raises StoreError when it cannot
    be written.
    """
    file = Path(path)
    since = (log.time - log.time[0]) / np.timedelta64(1, "s")
    columns: dict[str, list[str]] = {}
    first = float(log.vendor["Test Time / s"][0]) if "Test Time / s" in log.vendor else 0.0
    columns["Test Time / s"] = [f"{value:.6f}" for value in (since + first).tolist()]
    columns["Voltage / V"] = [repr(value) for value in log.voltage_v.tolist()]
    columns["Current / A"] = [repr(value / 1e6) for value in log.current_ua.tolist()]
    if log.anchored:
        micros = log.time.astype("datetime64[us]").astype(np.int64).tolist()
        columns["Unix Time / s"] = [f"{value // 10**6}.{value % 10**6:06d}" for value in micros]
    for name, values in log.vendor.items():
        label = name if name in NAMES else f"{name} / 1"
        if label in NAMES and label not in columns:
            whole = values.dtype.kind == "f" and bool(np.all(values == np.floor(values)))
            cast = values.astype(np.int64) if whole and label.endswith("/ 1") else values
            columns[label] = [str(value) for value in cast.tolist()]
    part = file.with_name(f"{file.name}.part")
    try:
        with open(part, "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
        os.replace(part, file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(
            f"cannot be written ({error.strerror})", where=str(file), expected="a folder with room",
        ) from error  # fmt: skip
    return file


def _term(heading: str, where: str) -> tuple[str, float]:
    """Return the preferred label of a heading and the factor to its unit, empty for none."""
    if heading in _MACHINE:
        return _MACHINE[heading], 1.0
    name, _, unit = (part.strip() for part in heading.partition("/"))
    label = _BARE.get(_EARLIER.get(name, name), "")
    if not label:
        return "", 1.0
    canonical = label.partition(" / ")[2]
    if unit == canonical or (canonical == "1" and not unit):
        return label, 1.0
    if canonical in {"1", "degC"} or not unit:
        raise WrongUnit(
            f"{heading!r} is not in {canonical}", where=where, expected=label,
            remedy="write the unit into the heading",
        )  # fmt: skip
    spelled = [u.replace("Ah", "A*h").replace("Wh", "W*h") for u in (unit, canonical)]
    return label, quantity(f"1 {spelled[0]}", spelled[1], where=where)


BDF = CyclerFormat(
    key="bdf", maker="Battery Data Alliance", suffixes=(".csv",), read=read_bdf,
    recognises=lambda head: b"Voltage / " in head.split(b"\n")[0]
    or b"voltage_volt" in head.split(b"\n")[0],
    note="BDF csv by labels or machine names; `Unix Time / s` is UTC",
)  # fmt: skip
