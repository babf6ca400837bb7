"""A protocol run on a cell: what the cycler saw, and where lithium and silicon were."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import OutOfRange
from lidepth.mechanism import _setup as at
from lidepth.mechanism.cell import Cell, CellState, Engine, Stretch
from lidepth.mechanism.depth import CellProfile, interlayer_nm, profile_of
from lidepth.mechanism.parameters import CellParameters
from lidepth.mechanism.protocol import Kind, Phase, Protocol
from lidepth.model._arrays import readonly

Floats = NDArray[np.float64]
_HELD_S = 1000.0 * 3600.0  # a held voltage that has not settled by then never does
_NOTHING_S = 1.0  # a first charge or discharge that is over sooner did not happen


@dataclass(frozen=True, kw_only=True, eq=False)
class CellHistory:
    """Everything that happened, row by row.

    All arrays (rows,): ``time_s`` since the cell was made, ``voltage_v``, ``current_ua`` (charging
    positive), lithium in anode, bound in electrolyte and missing from cathode ``qa_uah``,
    ``qe_uah``, ``qc_uah``, compositions ``x`` and ``y``, ``silicon_uah`` in the electrolyte (one
    charge per atom), ``throughput_uah`` charged so far, and ``phase``, the number of the phase in
    ``protocol``.  A held current begins with a row at the moment of switching.  ``states``
    (phases + 1,) are the cell before the first and after each phase; ``reached`` (phases,) whether
    a limit ended it.
    """

    parameters: CellParameters
    protocol: Protocol
    time_s: Floats
    voltage_v: Floats
    current_ua: Floats
    qa_uah: Floats
    qe_uah: Floats
    qc_uah: Floats
    x: Floats
    y: Floats
    silicon_uah: Floats
    throughput_uah: Floats
    phase: NDArray[np.int64]
    states: tuple[CellState, ...]
    reached: tuple[bool, ...]

    @property
    def end_s(self) -> Floats:
        """When each phase ended, (phases,)."""
        return np.array([state.time_s for state in self.states[1:]])

    @cached_property
    def charges(self) -> Floats:
        """Charge that passed in each phase, positive on charging, uAh, (phases,)."""
        return np.diff([state.qc_uah for state in self.states])

    @cached_property
    def cycles(self) -> NDArray[np.int64]:
        """Numbers of the cycles that have a charge and a discharge."""
        phases = self.protocol.phases
        both = [{p.cycle for p in phases if p.kind == kind} for kind in ("charge", "discharge")]
        return np.array(sorted(both[0] & both[1]), dtype=np.int64)

    def capacity_uah(self, kind: Kind = "discharge") -> Floats:
        """Charge of all phases of one kind in each cycle, (cycles,)."""
        numbers = np.array([p.cycle for p in self.protocol.phases])
        ours = np.array([p.kind == kind for p in self.protocol.phases])
        return np.array(
            [float(np.abs(self.charges[ours & (numbers == n)]).sum()) for n in self.cycles]
        )

    def ends(self, kind: Kind) -> tuple[CellState, ...]:
        """The state at the end of the last phase of one kind in each cycle."""
        last = {p.cycle: k for k, p in enumerate(self.protocol.phases) if p.kind == kind}
        return tuple(self.states[last[int(n)] + 1] for n in self.cycles)

    def grown_uah(self) -> dict[Kind, float]:
        """Lithium bound in all phases of each kind, uAh."""
        bound = np.diff([state.qe_uah for state in self.states])
        kinds = [p.kind for p in self.protocol.phases]
        each: tuple[Kind, ...] = ("charge", "rest", "discharge")
        return {
            k: float(sum(b for b, own in zip(bound, kinds, strict=True) if own == k)) for k in each
        }

    def curve(self, number: int, kind: Kind) -> tuple[Floats, Floats]:
        """Hours since the beginning and voltage of one half cycle."""
        ours = [
            k for k, p in enumerate(self.protocol.phases) if (p.cycle, p.kind) == (number, kind)
        ]
        rows = np.isin(self.phase, ours)
        if not rows.any():
            raise OutOfRange(f"there is no {kind} in cycle {number}", where="history")
        time = self.time_s[rows]
        return (time - time[0]) / 3600.0, self.voltage_v[rows]

    def balance(self) -> float:
        """Largest size of Qc - Qa - Qe anywhere, as a fraction of the cathode's lithium."""
        full = self.parameters.cathode_uah_cm2 * self.parameters.area_cm2
        rows = np.abs(self.qc_uah - self.qa_uah - self.qe_uah).max()
        states = max(abs(s.qc_uah - s.qa_uah - s.qe_uah) for s in self.states)
        return float(max(rows, states)) / full

    def state_at(self, time_s: float, *, engine: Engine = "numba") -> CellState:
        """The cell at any time: the phase that covers it, run again up to there by ``engine``.

        Raises OutOfRange before the first and after the last moment.
        """
        start, stop = self.states[0].time_s, self.states[-1].time_s
        if not start <= time_s <= stop:
            raise OutOfRange(
                f"{time_s!r} s is outside the history", where="history",
                expected=f"{start:.6g} to {stop:.6g} s",
            )  # fmt: skip
        k = int(np.searchsorted(self.end_s, time_s))
        before = self.states[k]
        if time_s - before.time_s < 1e-3:
            return before
        if self.states[k + 1].time_s - time_s < 1e-3:
            return self.states[k + 1]
        cell = Cell(self.parameters, engine=engine)
        return _run(cell, before, self.protocol.phases[k], time_s - before.time_s).state

    def profile(self, time_s: float) -> CellProfile:
        """Lithium and silicon by depth at any time."""
        return profile_of(self.state_at(time_s))


def _run(cell: Cell, state: CellState, phase: Phase, longest_s: float | None = None) -> Stretch:
    longest = phase.longest_s if longest_s is None else min(phase.longest_s, longest_s)
    until = phase.until_v if phase.voltage_v is None else phase.until_ua
    return cell.stretch(
        state,
        current_ua=phase.current_ua,
        voltage_v=phase.voltage_v,
        longest_s=longest,
        until=until,
    )


def run_protocol(cell: Cell, protocol: Protocol, state: CellState | None = None) -> CellHistory:
    """Run every phase, from the cell as made unless ``state`` is given.

    Raises OutOfRange where a current is beyond the cell or a held current would never meet its
    cut-off, with the arithmetic.
    """
    states = [state or cell.pristine()]
    stretches = []
    for phase in protocol.phases:
        found = _run(cell, states[-1], _bounded(cell, phase))
        _check(cell, phase, states[-1], found)
        stretches.append(found)
        states.append(found.state)
    rows = np.concatenate([one.rows for one in stretches])
    number = np.repeat(np.arange(len(stretches)), [len(one.rows) for one in stretches])
    return _history(cell.parameters, protocol, rows, number, tuple(states), stretches)


def _bounded(cell: Cell, phase: Phase) -> Phase:
    """Give a phase that only a limit would end a time after which the limit is never met.

    At a current: when more lithium than there is would have passed; at a voltage: ``_HELD_S``.
    """
    if math.isfinite(phase.longest_s):
        return phase
    if not phase.current_ua:
        return replace(phase, longest_s=_HELD_S)
    p = cell.parameters
    longest = 1.02 * p.cathode_uah_cm2 * p.area_cm2 / abs(phase.current_ua) * 3600.0
    return replace(phase, longest_s=longest)


def _check(cell: Cell, phase: Phase, before: CellState, found: Stretch) -> None:
    after, current = found.state, phase.current_ua
    if not found.reached and math.isinf(phase.longest_s):
        raise _never(cell.parameters, phase, before, after)
    at_once = found.reached and after.time_s - before.time_s < _NOTHING_S
    if current and at_once and phase.cycle == 1:
        raise _at_once(cell.parameters, phase, current, before)


def _never(p: CellParameters, phase: Phase, before: CellState, after: CellState) -> OutOfRange:
    moved = abs(after.qc_uah - before.qc_uah)
    if phase.voltage_v is not None:
        return OutOfRange(
            f"the current of the {phase.kind} of cycle {phase.cycle} never falls to "
            f"{phase.until_ua:g} uA: after {_HELD_S / 3600.0:g} h at {phase.voltage_v:g} V it is "
            f"{after.current_ua:.3g} uA, of which growth alone takes "
            f"{(after.qe_uah - before.qe_uah) / _HELD_S * 3600.0:.3g}",
            where="protocol", expected="a cut-off current above what growth takes",
        )  # fmt: skip
    return OutOfRange(
        f"the {phase.kind} of cycle {phase.cycle} never reaches {phase.until_v:g} V: after "
        f"{moved:.4g} uAh, more lithium than the cathode's {p.cathode_uah_cm2 * p.area_cm2:.4g} "
        f"uAh, it is at {after.voltage_v:.3g} V",
        where="protocol", expected="a cut-off that the cell reaches",
    )  # fmt: skip


def _at_once(p: CellParameters, phase: Phase, current: float, before: CellState) -> OutOfRange:
    density = abs(current) / p.area_cm2
    return OutOfRange(
        f"the {phase.kind} of cycle 1 at {current:g} uA is over before it begins: the cell rests "
        f"at {before.voltage_v:.3g} V, and {density:.4g} uA/cm2 times {p.resistance_ohm_cm2:g} ohm "
        f"cm2 alone is {density * p.resistance_ohm_cm2 * 1e-6:.3g} V; the limit is "
        f"{phase.until_v:g} V",
        where="protocol",
        expected="a current that the cell carries, and cut-offs around its voltage",
        remedy="a smaller current or wider cut-offs",
    )  # fmt: skip


def _history(
    p: CellParameters, protocol: Protocol, rows: Floats, number: NDArray[np.int64],
    states: tuple[CellState, ...], stretches: list[Stretch],
) -> CellHistory:  # fmt: skip
    area = p.area_cm2
    missing = rows[:, at.X] * rows[:, at.ACTIVE] + rows[:, at.LOST]
    left = 1.0 - rows[:, at.SILICON] / p.silicon_uah_cm2
    columns = {
        "time_s": rows[:, at.TIME_H] * 3600.0, "voltage_v": rows[:, at.VOLTAGE],
        "current_ua": rows[:, at.CURRENT] * area, "qa_uah": rows[:, at.ANODE] * area,
        "qe_uah": rows[:, at.BOUND] * area, "qc_uah": missing * p.cathode_uah_cm2 * area,
        "x": rows[:, at.X], "y": rows[:, at.ANODE] / (p.silicon_uah_cm2 * left),
        "silicon_uah": rows[:, at.SILICON] * area, "throughput_uah": rows[:, at.CHARGED] * area,
    }  # fmt: skip
    number.setflags(write=False)
    return CellHistory(
        parameters=p, protocol=protocol, phase=number, states=states,
        reached=tuple(one.reached for one in stretches),
        **{name: readonly(values) for name, values in columns.items()},
    )  # fmt: skip


def cycle_rows(history: CellHistory) -> list[dict[str, float]]:
    """One row per cycle, for tables: capacities, ledger of both states, compositions, interlayer.

    Charges are for the whole cell, in uAh; ``throughput_uAh`` was charged up to the cycle's end.
    """
    charge, discharge = history.capacity_uah("charge"), history.capacity_uah("discharge")
    halves = zip(history.ends("charge"), history.ends("discharge"), strict=True)
    return [
        {
            "cycle": int(history.cycles[k]), "charge_uAh": float(charge[k]),
            "capacity_uAh": float(discharge[k]), "throughput_uAh": empty.throughput_uah,
            "qa_charged_uAh": full.qa_uah, "qa_uAh": empty.qa_uah, "qe_uAh": empty.qe_uah,
            "qc_charged_uAh": full.qc_uah, "qc_uAh": empty.qc_uah, "charged_x": full.x,
            "charged_y": full.y, "silicon_left": empty.silicon_left,
            "interlayer_nm": interlayer_nm(empty), "anode_charged_nm": full.anode_nm,
        }
        for k, (full, empty) in enumerate(halves)
    ]  # fmt: skip
