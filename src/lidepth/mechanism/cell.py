"""A planar Si | Li3PO4 | LiCoO2 cell that can be run in real time.

    cell = Cell()
    state = cell.pristine()
    state = cell.step(state, 60.0, current_ua=10.0)
    state = cell.step(state, 60.0, voltage_v=4.0)

Charging is positive.  Inside everything is per cm2; what a state tells is for the whole cell, in uA
and uAh, as a cycler and the ledger count it.  Equations: docs/physics/mechanism_cell.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import NotConverged, OutOfRange, UsageError
from lidepth.mechanism import _setup as at
from lidepth.mechanism.parameters import CellParameters
from lidepth.model._arrays import readonly

Floats = NDArray[np.float64]
Engine = Literal["numba", "numpy"]
ROWS = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class CellState:
    """A cell at one moment; read-only.

    ``lithium`` (film cells,) per silicon of the pristine film, the electrolyte's side first;
    ``silicon`` (electrolyte cells,) per phosphorus, the anode's side first; ``scalars`` as in
    ``lidepth.mechanism._setup``.
    """

    parameters: CellParameters
    lithium: Floats
    silicon: Floats
    scalars: Floats

    def __post_init__(self) -> None:
        for name in ("lithium", "silicon", "scalars"):
            object.__setattr__(self, name, readonly(getattr(self, name)))

    def _total(self, place: int) -> float:
        return float(self.scalars[place]) * self.parameters.area_cm2

    @property
    def time_s(self) -> float:
        """Time since the cell was made, in s."""
        return float(self.scalars[at.TIME_H]) * 3600.0

    @property
    def voltage_v(self) -> float:
        """Voltage at the end of the last step."""
        return float(self.scalars[at.VOLTAGE])

    @property
    def current_ua(self) -> float:
        """Current of the last step."""
        return self._total(at.CURRENT)

    @property
    def x(self) -> float:
        """Composition of the living cathode, Li1-xCoO2."""
        return float(self.scalars[at.X])

    @property
    def silicon_left(self) -> float:
        """Share of the silicon film that has not moved."""
        return 1.0 - float(self.scalars[at.SILICON]) / self.parameters.silicon_uah_cm2

    @property
    def y(self) -> float:
        """Mean composition of the silicon that is left, LiySi."""
        return float(np.mean(self.lithium)) / self.silicon_left

    @property
    def qa_uah(self) -> float:
        """Lithium in the anode, summed over its cells."""
        film = self.parameters.silicon_uah_cm2 * self.parameters.area_cm2
        return float(np.mean(self.lithium)) * film

    @property
    def qe_uah(self) -> float:
        """Lithium bound in the electrolyte."""
        return self._total(at.BOUND)

    @property
    def qc_uah(self) -> float:
        """Lithium missing from the cathode since pristine, lost material included."""
        s = self.scalars
        full = self.parameters.cathode_uah_cm2 * self.parameters.area_cm2
        return float(s[at.X] * s[at.ACTIVE] + s[at.LOST]) * full

    @property
    def moved_silicon_uah(self) -> float:
        """Silicon in the electrolyte that was in the film, one charge per atom."""
        return self._total(at.SILICON)

    @property
    def throughput_uah(self) -> float:
        """Charge that has passed while charging."""
        return self._total(at.CHARGED)

    @property
    def anode_nm(self) -> float:
        """Thickness of the film, swollen by lithium and thinned by the silicon it lost."""
        p = self.parameters
        return p.silicon_nm * self.silicon_left * (1.0 + p.swelling_per_li * self.y)


class Cell:
    """Steps states of one cell; it holds no state itself.

    ``engine`` is ``numba`` (compiled at first use, some seconds once, then from numba's cache) or
    ``numpy``, a slow reference.
    """

    def __init__(self, parameters: CellParameters | None = None, *, engine: Engine = "numba"):
        self.parameters = parameters or CellParameters()
        if engine not in ("numba", "numpy"):
            raise UsageError(f"engine {engine!r} is not known", expected="numba or numpy")
        self.engine = engine

    def pristine(self) -> CellState:
        """The cell as made: all lithium in cathode and electrolyte, at rest."""
        p = self.parameters
        scalars = np.zeros(at.SCALARS)
        scalars[at.ACTIVE] = 1.0
        lithium = np.zeros(p.silicon_cells)
        silicon = np.full(p.electrolyte_edges_nm.size - 1, p.growth.start)
        scalars[at.VOLTAGE] = self._driver["voltage_of"](p.setup, lithium, scalars, 0.0, 0.0)
        return CellState(parameters=p, lithium=lithium, silicon=silicon, scalars=scalars)

    @property
    def _driver(self) -> Any:
        if self.engine == "numpy":
            from lidepth.mechanism import _reference

            return _reference.driver()
        from lidepth.mechanism import _kernels

        return vars(_kernels)

    def step(
        self, state: CellState, dt_s: float, *, current_ua: float | None = None,
        voltage_v: float | None = None,
    ) -> CellState:  # fmt: skip
        """The state ``dt_s`` later, at an imposed current (0: rest) or an imposed voltage.

        Cut into shorter steps as the voltage asks.  Raises UsageError unless exactly one of the
        two is imposed, OutOfRange for a current that the cell cannot carry for that long.
        """
        if (current_ua is None) == (voltage_v is None):
            raise UsageError("impose a current or a voltage", expected="one of the two")
        if not (math.isfinite(dt_s) and dt_s > 0):
            raise UsageError(f"a step of {dt_s!r} s", expected="a time above zero")
        value = current_ua if voltage_v is None else voltage_v
        if value is None or not math.isfinite(value):
            raise UsageError(f"cannot impose {value!r}", expected="a finite number")
        stretch = self.stretch(
            state, current_ua=current_ua, voltage_v=voltage_v, longest_s=dt_s, until=math.nan
        )
        return stretch.state

    def stretch(
        self, state: CellState, *, current_ua: float | None = None,
        voltage_v: float | None = None, longest_s: float, until: float,
    ) -> Stretch:  # fmt: skip
        """Hold a current until the voltage ``until``, or a voltage until a current.

        ``until`` is in V or, for a held voltage, in uA of either sign; nan: no limit but time.
        """
        self._own(state)
        p, drive = self.parameters, self._driver
        lithium, silicon = state.lithium.copy(), state.silicon.copy()
        now = state.scalars.copy()
        now[at.STEP_H] = 0.0  # from the shortest: a current was switched
        work = at.work_for(lithium.size, silicon.size)
        stop_h = now[at.TIME_H] + longest_s / 3600.0
        parts = []
        hold = drive["at_current" if voltage_v is None else "at_voltage"]
        value = voltage_v if current_ua is None else current_ua / p.area_cm2
        limit = until if voltage_v is None else until / p.area_cm2
        status = at.ROWS_FULL
        while status == at.ROWS_FULL:  # rows are streamed: none is ever lost
            rows = np.empty((ROWS, at.SCALARS))
            left_h = stop_h - now[at.TIME_H]
            status, used = hold(p.setup, lithium, silicon, now, value, left_h, limit, rows, work)
            parts.append(rows[:used])
        after = CellState(parameters=p, lithium=lithium, silicon=silicon, scalars=now)
        _say_why(int(status), after, value=float(value or 0.0))
        return Stretch(state=after, rows=np.concatenate(parts), reached=status == at.LIMIT_REACHED)

    def _own(self, state: CellState) -> None:
        if state.parameters is not self.parameters:
            raise UsageError(
                "this state belongs to a cell with other parameters",
                expected="a state that this cell made",
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Stretch:
    """What one held current or voltage did: the state after it, and a row (scalars) per step.

    ``reached`` says that a limit ended it, not the time.
    """

    state: CellState
    rows: Floats
    reached: bool


def _say_why(status: int, state: CellState, *, value: float) -> None:
    p, s = state.parameters, state.scalars
    if status == at.TOO_FAST or not np.all(np.isfinite(s)):
        rate = value / p.silicon_uah_cm2 / 3600.0
        spread_s = (p.silicon_nm * 1e-7) ** 2 / p.silicon_diffusivity_cm2_s
        raise OutOfRange(
            f"the cell cannot carry {value * p.area_cm2:.4g} uA at {state.time_s:.6g} s: "
            f"{value:.4g} uA/cm2 changes y by {rate:.3g} a second, lithium needs {spread_s:.3g} s "
            f"to spread through {p.silicon_nm:g} nm; here x = {state.x:.3f}, y = {state.y:.3f}, "
            f"{s[at.VOLTAGE]:.2f} V",
            where="cell", expected="a current that leaves the voltage within bounds",
            remedy="a smaller current, a cut-off voltage, or a shorter step",
        )  # fmt: skip
    if status == at.NO_CURRENT_HOLDS_IT:
        raise NotConverged(
            f"no current holds {value:g} V at {state.time_s:.6g} s (x = {state.x:.3f}, "
            f"y = {state.y:.3f}, {s[at.VOLTAGE]:.3f} V before)",
            where="cell", expected="a voltage near the open-circuit voltage of the cell",
        )  # fmt: skip
