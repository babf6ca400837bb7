"""One cycler log as the programs of five makers would have written it; no reader has a part in it.

What they share: a row when a step ends, which still shows the step's current, and one when the next
begins, which shows the new one.  What differs: when a current flowed (Neware and EC-Lab before the
row, Maccor and Arbin at it), its sign, how times are written and how far apart the two rows lie.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of a cycler; (n,) each.

    ``elapsed_s`` since ``start``; ``current_a`` at the row, charge positive; ``capacity_ah``
    moved since the step began; ``step`` counts from 1.
    """

    start: np.datetime64
    elapsed_s: Floats
    voltage_v: Floats
    current_a: Floats
    capacity_ah: Floats
    step: NDArray[np.int64]


def rows_of(
    time: NDArray[np.datetime64], voltage_v: Floats, current_ua: Floats, *, apart_s: float
) -> Rows:
    """Rows of a log whose currents hold until the next row; (n,) each.

    The first row of every step comes ``apart_s`` after the last of the step before.
    """
    since = (time - time[0]) / np.timedelta64(1, "s")
    begins = np.flatnonzero(np.diff(current_ua) != 0) + 1
    elapsed_s = np.insert(since, begins, since[begins])
    volts = np.insert(voltage_v, begins, voltage_v[begins])
    current = np.insert(current_ua, begins, current_ua[begins - 1]) * 1e-6
    firsts = begins + np.arange(1, begins.size + 1)  # rows that begin a step
    step = 1 + np.cumsum(np.isin(np.arange(elapsed_s.size), firsts))
    elapsed_s[firsts] += apart_s
    moved = np.append(0.0, np.cumsum(np.abs(current[:-1]) * np.diff(elapsed_s)) / 3600)
    starts = np.append(0.0, moved[firsts])
    return Rows(
        start=time[0], elapsed_s=elapsed_s, voltage_v=volts, current_a=current,
        capacity_ah=moved - starts[step - 1], step=step,
    )  # fmt: skip


def _each(rows: Rows) -> list[tuple[float, float, float, float, int]]:
    columns = (rows.elapsed_s, rows.voltage_v, rows.current_a, rows.capacity_ah, rows.step)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _wall(rows: Rows) -> list[str]:
    """Times of day in whole seconds, as month/day/year."""
    times = rows.start + (rows.elapsed_s * 1e9).astype(np.int64).astype("timedelta64[ns]")
    texts = np.datetime_as_string(times.astype("datetime64[s]")).tolist()
    return [f"{t[5:7]}/{t[8:10]}/{t[:4]} {t[11:]}" for t in texts]


def _iso(rows: Rows) -> list[str]:
    return [f"{wall[6:10]}-{wall[:2]}-{wall[3:5]} {wall[11:]}" for wall in _wall(rows)]


def _hms(seconds: float) -> str:
    return f"{int(seconds) // 3600:02d}:{int(seconds) // 60 % 60:02d}:{int(seconds) % 60:02d}"


def bdf(rows: Rows) -> bytes:
    """Currents hold from their row, charge positive; Unix time."""
    unix_s = (rows.start - np.datetime64("1970-01-01")) / np.timedelta64(1, "s")
    held = rows.current_a.copy()
    last = np.flatnonzero(np.diff(rows.step))  # nothing is to flow between the two rows
    held[last] = rows.current_a[last + 1]
    lines = ["Test Time / s,Voltage / V,Current / A,Unix Time / s,Step Count / 1"]
    for (t, v, _, _, s), i in zip(_each(rows), held.tolist(), strict=True):
        lines.append(f"{t:.3f},{v:.4f},{i:.9f},{unix_s + t:.3f},{s}")
    return ("\n".join(lines) + "\n").encode()


def neware(rows: Rows) -> bytes:
    """The flat csv of BTSDA: whole seconds, current with a sign."""
    lines = ["DataPoint,Cycle Index,Step Index,Step Type,Time,Cumulative Time,Current(A),Voltage(V)"
             ",Capacity(Ah),Date"]  # fmt: skip
    begun = {step: t for t, _, _, _, step in reversed(_each(rows))}
    kinds = {0.0: "Rest", 1.0: "CC Chg", -1.0: "CC DChg"}
    for k, ((t, v, i, q, s), date) in enumerate(zip(_each(rows), _iso(rows), strict=True), start=1):
        lines.append(
            f"{k},1,{s},{kinds[float(np.sign(i))]},{_hms(t - begun[s])},{_hms(t)},{i:.8f},{v:.4f}"
            f",{q:.9f},{date}"
        )
    return ("\n".join(lines) + "\n").encode()


def ec_lab(rows: Rows) -> bytes:
    """The text of EC-Lab on a computer with decimal commas: mean current since the row before."""
    names = ["mode", "ox/red", "Ns", "time/s", "(Q-Qo)/mA.h", "Ewe/V", "<I>/mA", ""]
    date = _wall(rows)[0]
    head = ["EC-Lab ASCII FILE", "Nb header lines : 7", "", f"Acquisition started on : {date}.000",
            "Cycle Definition : Charge/Discharge alternance", "", "\t".join(names)]  # fmt: skip
    charge = 0.0
    for k, (t, v, i, _, s) in enumerate(_each(rows)):
        before = rows.elapsed_s[k - 1] if k else 0.0
        charge += i * (t - before) / 3.6
        numbers = f"{t:.9E}\t{charge:.15E}\t{v:.7E}\t{i * 1e3:.15E}\t".replace(".", ",")
        head.append(f"{3 if i == 0 else 1}\t{int(i > 0)}\t{s - 1}\t{numbers}")
    return ("\r\n".join(head) + "\r\n").encode("latin-1")


def _state(current: float) -> str:
    return "R" if current == 0 else "C" if current > 0 else "D"


def maccor_days(rows: Rows) -> bytes:
    """Maccor's text with days in the test time: currents without a sign."""
    names = ["Rec#", "Cyc#", "Step", "TestTime", "StepTime", "Amp-hr", "Watt-hr", "Amps", "Volts",
             "State", "ES", "DPt Time"]  # fmt: skip
    lines = ["Today's Date:\t10 March 2017\tDate of Test:\t06 March 2017", "\t".join(names)]
    for k, ((t, v, i, q, s), date) in enumerate(zip(_each(rows), _wall(rows), strict=True)):
        day, rest = divmod(t, 86400)
        shown = f"  {int(day)}d {_hms(rest)[:6]}{rest % 60:.2f}"
        lines.append(
            f"{k + 1}\t0\t{s}\t{shown}\t  0d 00:00:0\t{q:.9f}\t0.0\t{abs(i):.8f}\t{v:.4f}"
            f"\t{_state(i)}\t1\t{date}"
        )
    return ("\r\n".join(lines) + "\r\n").encode()


def maccor_minutes(rows: Rows) -> bytes:
    """Maccor's other text: minutes, and dates that could be of March or of June."""
    names = ["Rec", "Cycle P", "Cycle C", "Step", "TestTime", "StepTime", "Cap. [Ah]", "Ener. [Wh]",
             "Current [A]", "Voltage [V]", "Md", "ES", "DPT Time"]  # fmt: skip
    lines = ["Name:\tquick", f"Started\t{_wall(rows)[0]}", "", "\t".join(names), ""]
    for k, ((t, v, i, q, s), date) in enumerate(zip(_each(rows), _wall(rows), strict=True)):
        lines.append(
            f"{k + 1}\t0\t1\t{s}\t{t / 60:.6f}\t0.000000\t{q:.8f}\t0.0\t{abs(i):.8f}\t{v:.4f}"
            f"\t{_state(i)}\t1\t{date}\t"
        )
    return ("\r\n".join(lines) + "\r\n").encode("latin-1")


def arbin(rows: Rows) -> bytes:
    """Arbin's columns as csv; current with a sign."""
    lines = ["Data_Point,Date_Time,Test_Time(s),Step_Index,Cycle_Index,Voltage(V),Current(A)"]
    for k, ((t, v, i, _, s), date) in enumerate(zip(_each(rows), _wall(rows), strict=True)):
        lines.append(f"{k + 1},{date},{t:.4f},{s},1,{v:.5f},{i:.9f}")
    return ("\n".join(lines) + "\n").encode()


Writer = Callable[[Rows], bytes]
# Writer, file name, time between the two rows at a change: what the format can tell apart.
MAKERS: dict[str, tuple[Writer, str, float]] = {
    "BDF": (bdf, "log.bdf.csv", 0.001), "Neware csv": (neware, "log.csv", 0.0),
    "EC-Lab text": (ec_lab, "log.mpt", 4e-5), "Maccor, days": (maccor_days, "log.txt", 0.01),
    "Maccor, minutes": (maccor_minutes, "log.txt", 0.04), "Arbin csv": (arbin, "log.csv", 0.001),
}  # fmt: skip
"""Writer, file name, and s between the last row of a step and the first of the next."""
