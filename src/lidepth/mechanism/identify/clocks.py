"""Clocks of growth from a measured current: what each hypothesis of a phase counts."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput
from lidepth.mechanism.identify.observed import Observed

Floats = NDArray[np.float64]
Drive = Literal["charge", "discharge", "both", "rest", "time", "concentration", "cycle"]
DRIVES: tuple[Drive, ...] = ("charge", "discharge", "both", "rest", "time", "concentration")
"""Phases of growth as ``lidepth.mechanism.growth`` has them, without ``none``; ``cycle`` counts
cycles, whatever their charge, and is only there to be compared with the throughput."""
CURRENTS: tuple[Drive, ...] = ("charge", "discharge", "both")
CLOCK_UA_CM2 = 5.7  # as the cell's: time counts as if this flowed


class Cycler:
    """Integrals of the current of one campaign, per cm2, in uAh/cm2 (hours for time)."""

    def __init__(self, seen: Observed) -> None:
        self.seen = seen
        self.time_h = seen.time_s / 3600.0
        self.current = seen.current_ua / seen.films.area_cm2
        moving = np.flatnonzero(self.current != 0.0)
        if moving.size == 0:
            raise BadInput("no current flows in the cycler log", where="identify")
        self.begin_h = float(self.time_h[moving[0]])

    def _sum(self, rate: Floats) -> Floats:
        return np.concatenate([[0.0], np.cumsum(rate[:-1] * np.diff(self.time_h))])

    def _at(self, total: Floats, time_s: Floats) -> Floats:
        return np.asarray(np.interp(time_s / 3600.0, self.time_h, total), dtype=np.float64)

    @cached_property
    def net(self) -> Floats:
        """Net charge, (t,)."""
        return self._sum(self.current)

    @cached_property
    def charged(self) -> Floats:
        """Charge passed on charging, (t,)."""
        return self._sum(np.maximum(self.current, 0.0))

    @cached_property
    def charged_end(self) -> float:
        """Charge passed on charging by the end of the campaign."""
        return float(self._at(self.charged, np.array([self.seen.end_s]))[0])

    def clock_end(self, drive: Drive) -> float:
        """The clock at the end of the campaign; 1 where it never ran."""
        end = float(self._at(self.clock(drive), np.array([self.seen.end_s]))[0])
        return end if end > 0.0 else 1.0

    @cached_property
    def first_charge_uah(self) -> float:
        """Net charge before the first discharge, whole cell."""
        back = np.flatnonzero(self.current < 0.0)
        last = back[0] if back.size else self.current.size - 1
        return float(self.net[last]) * self.seen.films.area_cm2

    def net_at(self, time_s: Floats) -> Floats:
        """Net charge at some times."""
        return self._at(self.net, time_s)

    def charged_at(self, time_s: Floats) -> Floats:
        """Charge passed on charging up to some times."""
        return self._at(self.charged, time_s)

    def current_at(self, time_s: Floats) -> Floats:
        """Current per cm2 at some times, (n,)."""
        place = np.searchsorted(self.seen.time_s, time_s, side="right") - 1
        return self.current[np.clip(place, 0, self.current.size - 1)]

    @cached_property
    def half(self) -> NDArray[np.int64]:
        """Number of the half cycle; a rest belongs to what went before it, (t,)."""
        sign = np.sign(self.current)
        flows = np.flatnonzero(sign)
        last = np.zeros(sign.size, dtype=np.int64)
        last[flows] = flows
        held = sign[np.maximum.accumulate(last)]
        return np.cumsum(np.diff(np.concatenate([[0.0], held])) != 0)

    def half_at(self, time_s: Floats) -> NDArray[np.int64]:
        """Number of the half cycle at some times, (n,)."""
        place = np.searchsorted(self.seen.time_s, time_s, side="right") - 1
        return self.half[np.clip(place, 0, self.half.size - 1)]

    def since_reversal(self, time_s: Floats) -> Floats:
        """Charge passed in the present half cycle, (n,)."""
        begins = np.concatenate([[0], np.flatnonzero(np.diff(self.half)) + 1])
        number = self.half[begins]
        start = self.net[begins][np.searchsorted(number, self.half_at(time_s))]
        return np.asarray(np.abs(self.net_at(time_s) - start), dtype=np.float64)

    def clock(self, drive: Drive) -> Floats:
        """What a hypothesis counts, uAh/cm2, (t,)."""
        begun = self.time_h >= self.begin_h
        rates: dict[Drive, Floats] = {
            "charge": np.maximum(self.current, 0.0),
            "discharge": np.maximum(-self.current, 0.0),
            "both": np.abs(self.current),
            "rest": np.where((self.current == 0.0) & begun, CLOCK_UA_CM2, 0.0),
            "time": np.where(begun, CLOCK_UA_CM2, 0.0),
            "concentration": np.full_like(self.current, CLOCK_UA_CM2),
        }
        if drive == "cycle":
            return self._cycles()
        stored = CLOCK_UA_CM2 * (self.time_h[0] - self.seen.made_s / 3600.0)
        return self._sum(rates[drive]) + (stored if drive == "concentration" else 0.0)

    def _cycles(self) -> Floats:
        """Cycles so far: a charge adds one over its own length, in shares of its charge."""
        charging = self._in_charge
        begins = np.flatnonzero(np.diff(np.concatenate([[False], charging]).astype(int)) == 1)
        total = np.zeros_like(self.net)
        edges = np.append(self.charged[begins], self.charged[-1])
        for k in range(begins.size):
            width = edges[k + 1] - edges[k]
            if width > 0.0:
                total += np.clip((self.charged - edges[k]) / width, 0.0, 1.0)
        return total

    @cached_property
    def _in_charge(self) -> NDArray[np.bool_]:
        """True from the first current of a charge until a discharge begins, (t,)."""
        charges = np.unique(self.half[self.current > 0.0])
        return np.asarray(np.isin(self.half, charges), dtype=bool)
