"""From columns to a CyclerLog: clocks joined, signs and ranges checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, LidepthError, OutOfRange, Truncated, WrongFormat
from lidepth.files.cyclers._clock import to_utc
from lidepth.files.cyclers.format import ColumnMap
from lidepth.model.cycling import CyclerLog

Floats = NDArray[np.float64]

Timing = Literal["holds", "before", "sampled"]

LONGEST_S = 3e9  # a century
MOST_V, MOST_UA = 1e4, 1e12


def make_log(
    path: Path,
    how: ColumnMap,
    *,
    elapsed_s: Floats,
    voltage_v: Floats,
    current_ua: Floats,
    first: np.datetime64 | None = None,
    in_utc: bool = False,
    timing: Timing = "holds",
    step: NDArray[Any] | None = None,
    vendor: Mapping[str, NDArray[Any]] | None = None,
    lines: NDArray[np.int64] | None = None,
) -> CyclerLog:
    """Return a log from the cycler's own test time; (n,) each.

    ``first`` is the wall time of the first row, None if the file has none; ``in_utc`` says that it
    needs no time zone.  ``how.start`` wins over it.  ``lines`` names the rows in errors.

    ``timing`` says what a current means: it ``holds`` until the next row, as a CyclerLog has it;
    it flowed ``before`` its row; or it was ``sampled``, so that the mean with the next row of the
    same ``step`` flowed between the two.  The last two become the first, and ``Current / A`` keeps
    what was written.
    Raises BadInput, OutOfRange, WrongFormat or Truncated with file and line.
    """
    if elapsed_s.size < 2:
        raise Truncated(
            "a single row is no cycler log", where=str(path), expected="at least two rows",
            remedy="export the whole log",
        )  # fmt: skip
    check_column(path, elapsed_s, LONGEST_S, "test time", lines)
    check_order(path, elapsed_s, lines)
    check_column(path, voltage_v, MOST_V, "voltage", lines)
    check_column(path, current_ua, MOST_UA, "current", lines)
    since = (elapsed_s * 1e9).round().astype(np.int64)
    if how.start is not None:
        first = how.start
    elif first is not None and how.time_zone is not None and not in_utc:
        first = to_utc(np.array([first], dtype="datetime64[ns]"), how.time_zone, path=path)[0]
    zero = np.datetime64(0, "ns")
    if first is not None:
        zero = first.astype("datetime64[ns]") - np.timedelta64(int(since[0]), "ns")
    known = {"Test Time / s": elapsed_s, **(vendor or {})}
    if timing != "holds":
        known["Current / A"] = current_ua / 1e6
    log = CyclerLog(
        time=zero + since.astype("timedelta64[ns]"),
        voltage_v=voltage_v,
        current_ua=_until_next(current_ua, timing, step),
        source=str(path),
        anchored=first is not None,
        vendor=known,
    )
    check_sign(path, log)
    return log


def _until_next(current_ua: Floats, timing: Timing, step: NDArray[Any] | None) -> Floats:
    """Return the current that flowed from each row to the next; the last row keeps its own."""
    following = np.append(current_ua[1:], current_ua[-1])
    if timing == "before":
        return following
    if timing == "sampled" and step is not None:
        same = np.append(step[1:] == step[:-1], False)
        return np.where(same, 0.5 * (current_ua + following), current_ua)
    return current_ua


def check_column(
    path: Path, values: Floats, most: float, name: str, lines: NDArray[np.int64] | None
) -> None:
    """Refuse what is not finite or beyond ``most``."""
    bad = np.flatnonzero(~(np.abs(values) <= most))
    if bad.size:
        value = float(values[bad[0]])
        kind: type[LidepthError] = OutOfRange if np.isfinite(value) else WrongFormat
        raise kind(
            f"the {name} {value:g} cannot be" if np.isfinite(value) else f"no {name}",
            where=_row(path, int(bad[0]), lines), expected=f"a number up to {most:g}",
            remedy="correct or remove the row",
        )  # fmt: skip


def check_order(path: Path, elapsed_s: Floats, lines: NDArray[np.int64] | None) -> None:
    """Refuse times that run back."""
    backwards = np.flatnonzero(np.diff(elapsed_s) < 0)
    if backwards.size:
        raise BadInput(
            "time runs backwards", where=_row(path, int(backwards[0]) + 1, lines),
            expected="rows in order of time",
            remedy="sort the rows, or split the file where a new test begins",
        )  # fmt: skip


def check_sign(path: Path, log: CyclerLog) -> None:
    """Refuse a log whose current contradicts its own charge counters or step names.

    A counter of charge that grows by more during negative than during positive current means that
    the file's sign is the other one.
    """
    for name, sign in (("Charging Capacity / Ah", 1.0), ("Discharging Capacity / Ah", -1.0)):
        if name in log.vendor:
            grown = np.clip(np.diff(np.nan_to_num(log.vendor[name].astype(float))), 0, None)
            current = sign * log.current_ua[:-1]
            if grown[current < 0].sum() > 2 * grown[current > 0].sum():
                raise _contradiction(path, name)
    steps = log.vendor.get("Step Type")
    if steps is not None and steps.dtype.kind == "U":
        for word, sign in _STEP_SIGN:
            current = sign * log.current_ua[np.char.lower(steps) == word]
            if np.sum(current < 0) > np.sum(current > 0):
                raise _contradiction(path, f"Step Type {word!r}")


_STEP_SIGN = (("charge", 1.0), ("discharge", -1.0))


def _contradiction(path: Path, name: str) -> BadInput:
    return BadInput(
        f"the sign of the current contradicts the column {name}", where=str(path),
        expected="positive currents on charge",
        remedy="set data.cycler.positive: discharge, with data.cycler.format: bdf or csv "
            "(lidepth cycler: --positive discharge)",
    )  # fmt: skip


def signed(how: ColumnMap, current: Floats) -> Floats:
    """Return the current with charge positive, as data.cycler.positive says."""
    return current if how.positive == "charge" else -current


def _row(path: Path, index: int, lines: NDArray[np.int64] | None) -> str:
    return f"{path}, row {index + 1}" if lines is None else f"{path}, line {lines[index]}"
