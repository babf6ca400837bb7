"""What a cycler log says by itself: half cycles, curves, compositions, and what they exclude."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lidepth.model._arrays import readonly, require
from lidepth.model.cycling import Step

Floats = NDArray[np.float64]

Direction = Literal["charge", "discharge"]
_ROUNDING = 1e-6  # of a composition: a charge and a discharge that are equal leave this at most

Verdict = Literal["excluded", "supported", "cannot be decided"]


@dataclass(frozen=True, kw_only=True)
class HalfCycle:
    """One charge or one discharge, from reversal to reversal.

    ``parts`` are its steps in order, each CC, CV, rest or mixed; ``capacity_uah`` (positive) is
    the charge passed, with the independent standard uncertainty ``capacity_std_uah`` of its two
    ends; ``cc_uah`` what passed before the constant voltage at its end, ``cv_uah`` during it, NaN
    without one, and ``split_std_uah`` the uncertainty of where one ends and the other begins.
    ``energy_uwh`` is positive; ``current_ua`` the magnitude of the current of its largest constant
    current part (else the mean).  ``jump_v`` is how far the voltage falls back at the first row
    after it, ``after_s`` seconds later; NaN where no rest follows.  Before it, ``moved_before_uah``
    have been moved either way and ``net_before_uah`` in sum (charge positive).  ``whole`` is False
    where the file begins or ends within it.
    """

    kind: Direction
    cycle: int
    parts: tuple[Step, ...]
    start_s: float
    stop_s: float
    capacity_uah: float
    capacity_std_uah: float
    cc_uah: float
    cv_uah: float
    split_std_uah: float
    energy_uwh: float
    current_ua: float
    end_v: float
    jump_v: float
    after_s: float
    moved_before_uah: float
    net_before_uah: float
    whole: bool

    @property
    def has_cv(self) -> bool:
        """Whether it ends at constant voltage."""
        return bool(np.isfinite(self.cv_uah))

    @property
    def cv_gain(self) -> float:
        """Capacity gained by the constant voltage, relative to that before; NaN without one."""
        return self.cv_uah / self.cc_uah if self.cc_uah > 0 else float("nan")

    @property
    def cv_gain_std(self) -> float:
        """Standard uncertainty of ``cv_gain``: a shifted split moves both parts."""
        if not self.cc_uah > 0:
            return float("nan")
        return float((1.0 + self.cv_gain) * self.split_std_uah / self.cc_uah)

    @property
    def resistance_ohm(self) -> float:
        """Fall of the voltage at the end over the current; includes what relaxes in ``after_s``."""
        last = next((p for p in reversed(self.parts) if p.mode != "rest"), None)
        ends_with_current = last is not None and last.mode == "CC"
        return 1e6 * self.jump_v / self.current_ua if ends_with_current else float("nan")


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """One cycle; a half that the file does not hold is None.  ``begins`` names its first half."""

    number: int
    begins: Direction
    charge: HalfCycle | None
    discharge: HalfCycle | None

    @property
    def halves(self) -> tuple[HalfCycle, ...]:
        """The halves that are there, in order of time."""
        order = (self.charge, self.discharge)
        ordered = order if self.begins == "charge" else order[::-1]
        return tuple(half for half in ordered if half is not None)

    @property
    def efficiency(self) -> float:
        """Coulombic efficiency: capacity of the second half over that of the first.

        NaN unless both are whole.
        """
        return self._ratio("capacity_uah")

    @property
    def efficiency_std(self) -> float:
        """Standard uncertainty of ``efficiency`` from the ends of both halves."""
        if not np.isfinite(self.efficiency):
            return float("nan")
        first, second = (half.capacity_std_uah / half.capacity_uah for half in self.halves)
        return float(self.efficiency * np.hypot(first, second))

    @property
    def energy_efficiency(self) -> float:
        """Energy of the discharge over that of the charge; NaN unless both are whole."""
        ratio = self._ratio("energy_uwh")
        return ratio if self.begins == "charge" else 1.0 / ratio

    def _ratio(self, name: str) -> float:
        halves = self.halves
        if len(halves) < 2 or not all(half.whole for half in halves):
            return float("nan")
        first, second = (float(getattr(half, name)) for half in halves)
        return second / first if first > 0 else float("nan")


@dataclass(frozen=True, kw_only=True)
class VoltageCurve:
    """Voltage of one half cycle; pauses taken out.

    ``time_s`` (n,) since its start, ``capacity_uah`` (n,) passed so far (positive), ``voltage_v``
    (n,).  ``span_s`` is the time at constant current, which ``time_s`` is normalised by, with
    standard uncertainty ``span_std_s``; ``noise_v`` the noise of one voltage; ``cc_rows`` how many
    rows come before the constant voltage.
    """

    kind: Direction
    cycle: int
    current_ua: float
    time_s: Floats
    voltage_v: Floats
    capacity_uah: Floats
    span_s: float
    span_std_s: float
    noise_v: float
    cc_rows: int

    def __post_init__(self) -> None:
        for name in ("time_s", "voltage_v", "capacity_uah"):
            object.__setattr__(self, name, readonly(getattr(self, name)))
        require(self.time_s.shape == self.voltage_v.shape, "one voltage per time")
        require(self.time_s.shape == self.capacity_uah.shape, "one capacity per time")

    @property
    def normalised(self) -> tuple[Floats, Floats]:
        """Time over the span, and voltage, of the part at constant current."""
        return self.time_s[: self.cc_rows] / self.span_s, self.voltage_v[: self.cc_rows]


@dataclass(frozen=True, kw_only=True)
class ShapeChange:
    """How much a normalised curve differs from that of a reference cycle at the same current.

    ``rms_mv`` is the root mean square difference; ``floor_mv`` what noise and logging alone would
    give; ``std_mv`` the standard uncertainty of ``rms_mv``.
    """

    kind: Direction
    cycle: int
    reference: int
    current_ua: float
    rms_mv: float
    floor_mv: float
    std_mv: float

    @property
    def excess_mv(self) -> float:
        """``rms_mv`` with what noise and logging give taken off in squares; never negative."""
        return float(np.sqrt(max(self.rms_mv**2 - self.floor_mv**2, 0.0)))


@dataclass(frozen=True, kw_only=True)
class IncrementalCapacity:
    """dQ/dV (n,) in uAh/V at ``voltage_v`` (n,), smoothed by a Gaussian of ``smoothing_mv``."""

    kind: Direction
    cycle: int
    current_ua: float
    voltage_v: Floats
    dq_dv_uah_v: Floats
    smoothing_mv: float


@dataclass(frozen=True, kw_only=True)
class Composition:
    """x of Li(1-x)CoO2 and y of Li(y)Si along time, from the charge.

    ``time_s`` (n,) since the run's origin.  ``x_std`` and ``y_std`` (n,) are standard
    uncertainties, almost wholly common to all times: thickness and area.  ``cathode_uah`` and
    ``anode_uah`` are the charges of x = 1 and of y = 1.  ``immobilised_uah`` (n,) was taken off
    before y was found; it is nought unless ``corrected``.  ``x_most`` and ``y_most`` are the limits
    beyond which Eq. 2 and 3 no longer describe the film.
    """

    time_s: Floats
    x: Floats
    x_std: Floats
    y: Floats
    y_std: Floats
    immobilised_uah: Floats
    cathode_uah: float
    anode_uah: float
    corrected: bool
    x_most: float
    y_most: float

    @property
    def x_outside(self) -> NDArray[np.bool_]:
        """True where x is beyond its limits by more than its standard uncertainty; shape (n,)."""
        return (self.x - self.x_std > self.x_most) | (self.x + self.x_std < -_ROUNDING)

    @property
    def y_outside(self) -> NDArray[np.bool_]:
        """True where y is beyond its limits by more than its standard uncertainty; shape (n,)."""
        return (self.y - self.y_std > self.y_most) | (self.y + self.y_std < -_ROUNDING)


@dataclass(frozen=True, kw_only=True)
class LossStatement:
    """What the curves say of one way to lose capacity.

    ``number`` with standard uncertainty ``std`` is what was observed, in ``unit``; ``why`` gives
    the physics and the threshold.
    """

    loss: str
    statement: str
    observation: str
    number: float
    std: float
    unit: str
    verdict: Verdict
    why: str


@dataclass(frozen=True, kw_only=True)
class Electrochemistry:
    """Everything that a cycler log says by itself.

    ``nominal_uah`` is the capacity behind rates and states of charge; ``moved_uah`` all charge
    moved either way.
    """

    steps: tuple[Step, ...]
    cycles: tuple[Cycle, ...]
    nominal_uah: float
    moved_uah: float
    curves: tuple[VoltageCurve, ...] = ()
    shapes: tuple[ShapeChange, ...] = ()
    incremental: tuple[IncrementalCapacity, ...] = ()
    composition: Composition | None = None
    losses: tuple[LossStatement, ...] = field(default=())

    def rate_per_h(self, half: HalfCycle) -> float:
        """C-rate: the current of a half cycle over the nominal capacity, in 1/h."""
        return half.current_ua / self.nominal_uah

    def state_of_charge(self, half: HalfCycle) -> tuple[float, float]:
        """States of charge before and after a half cycle.

        The net charge since the log's first row over the nominal capacity, counted in the direction
        of a cycle's first half: 0 for a cell as it was mounted, 1 after its first half cycle.
        """
        sign = 1.0 if self.cycles[0].begins == "charge" else -1.0
        passed = half.capacity_uah if half.kind == "charge" else -half.capacity_uah
        before = sign * half.net_before_uah / self.nominal_uah
        return before, before + sign * passed / self.nominal_uah

    @property
    def halves(self) -> tuple[HalfCycle, ...]:
        """All half cycles in order of time."""
        return tuple(half for cycle in self.cycles for half in cycle.halves)
