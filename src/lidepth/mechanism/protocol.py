"""What a cycler does to a cell: phases of held current or voltage, and the paper's own protocol."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from lidepth.errors import OutOfRange

Kind = Literal["charge", "discharge", "rest"]
HOUR_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One held current or voltage.

    ``current_ua`` positive on charge, negative on discharge, zero at rest; or ``voltage_v``, held.
    It ends at ``until_v`` (held current), when the current has fallen to ``until_ua`` (held
    voltage) or after ``longest_s``, whichever comes first; nan and inf: never.

    Raises OutOfRange for a phase that cannot end or that contradicts its kind.
    """

    kind: Kind
    cycle: int
    current_ua: float | None = None
    voltage_v: float | None = None
    until_v: float = math.nan
    until_ua: float = math.nan
    longest_s: float = math.inf

    def __post_init__(self) -> None:
        self._require(
            (self.current_ua is None) != (self.voltage_v is None),
            "holds both a current and a voltage, or neither", "one of the two",
        )  # fmt: skip
        current = self.current_ua
        if current is not None:
            sign = {"charge": 1, "discharge": -1, "rest": 0}[self.kind]
            self._require(
                math.isfinite(current) and (current > 0) - (current < 0) == sign,
                f"holds {current!r} uA", "above zero to charge, below to discharge, zero to rest",
            )  # fmt: skip
        ends = self.until_v if self.voltage_v is None else self.until_ua
        self._require(
            (math.isfinite(self.longest_s) and self.longest_s >= 0)
            or (self.kind != "rest" and math.isfinite(ends)),
            "cannot end", "a cut-off (until_v or until_ua) or a longest time",
        )  # fmt: skip
        self._require(
            self.longest_s >= 0 and not self.until_ua <= 0,
            "ends at no current or before it begins", "a positive cut-off current and time",
        )  # fmt: skip

    def _require(self, holds: bool, what: str, expected: str) -> None:
        if not holds:
            raise OutOfRange(
                f"{self.kind} of cycle {self.cycle} {what}", where="protocol", expected=expected
            )


def cycle(
    number: int, current_ua: float, *, charge_v: float = 4.0, discharge_v: float = 3.0,
    rest_s: float = HOUR_S, charged_rest_s: float | None = None,
    hold_until_ua: float | None = None,
) -> tuple[Phase, ...]:  # fmt: skip
    """Charge, rest, discharge, rest.

    With ``hold_until_ua`` each half ends at constant voltage until the current has fallen that far
    (CCCV).  Raises OutOfRange where the cut-off voltages are the wrong way round.
    """
    if not charge_v > discharge_v:
        raise OutOfRange(
            f"cycle {number} charges to {charge_v:g} V and discharges to {discharge_v:g} V",
            where="protocol", expected="a charge that ends above the end of the discharge",
            remedy="exchange the two: 4 V ends a charge, 3 V a discharge",
        )  # fmt: skip
    phases: list[Phase] = []
    rests = (rest_s if charged_rest_s is None else charged_rest_s, rest_s)
    halves: tuple[tuple[Kind, float, float], ...] = (
        ("charge", current_ua, charge_v), ("discharge", -current_ua, discharge_v),
    )  # fmt: skip
    for (kind, current, limit), rest in zip(halves, rests, strict=True):
        phases.append(Phase(kind=kind, cycle=number, current_ua=current, until_v=limit))
        if hold_until_ua is not None:
            phases.append(Phase(kind=kind, cycle=number, voltage_v=limit, until_ua=hold_until_ua))
        if rest > 0:
            phases.append(Phase(kind="rest", cycle=number, current_ua=0.0, longest_s=rest))
    return tuple(phases)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Phases one after another."""

    phases: tuple[Phase, ...]
    title: str = ""

    def __post_init__(self) -> None:
        if not self.phases:
            raise OutOfRange("a protocol without a phase", where="protocol", expected="one or more")

    @classmethod
    def of(cls, cycles: Iterable[tuple[Phase, ...]], title: str = "") -> Protocol:
        """Put cycles one after another."""
        return cls(phases=tuple(phase for each in cycles for phase in each), title=title)


def paper_protocol(
    cycles: int = 364, *, current_ua: float = 10.0, later_current_ua: float = 20.0,
    switch_cycle: int = 30, last_constant: int = 350, hold_until_ua: float = 2.0,
    rest_s: float = HOUR_S, long_rest_s: float = 21 * HOUR_S, storage_s: float = 0.0,
    charge_v: float = 4.0, discharge_v: float = 3.0, long_rest_cycle: int | None = 1,
) -> Protocol:  # fmt: skip
    """10 uA for 30 cycles, 20 uA to 350, then CCCV to 364; 1 h rests, 21 h after the first charge.

    ``storage_s`` of open circuit come first (the paper: three weeks).  The current at which its
    constant-voltage phases ended is not printed; 2 uA, a tenth, is assumed.  Its cut-offs are
    printed the wrong way round.  ``long_rest_cycle``: another cycle for the long rest, None: none.
    """
    storage = Phase(kind="rest", cycle=0, current_ua=0.0, longest_s=storage_s)
    first = [(storage,)] if storage_s > 0 else []
    rest = [
        cycle(
            n, current_ua if n <= switch_cycle else later_current_ua, rest_s=rest_s,
            charged_rest_s=long_rest_s if n == long_rest_cycle else None, charge_v=charge_v,
            discharge_v=discharge_v, hold_until_ua=hold_until_ua if n > last_constant else None,
        )
        for n in range(1, cycles + 1)
    ]  # fmt: skip
    return Protocol.of([*first, *rest], title="the protocol of the paper")
