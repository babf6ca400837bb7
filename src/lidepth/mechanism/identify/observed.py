"""What an identification is made from: ledger, current, voltage curves, silicon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput
from lidepth.mechanism.parameters import CellParameters
from lidepth.model._arrays import readonly
from lidepth.model.cycling import CyclerLog
from lidepth.model.ledger import Ledger

Floats = NDArray[np.float64]
CYCLES_OF_CURVES = 12
POINTS_OF_HALF = 6
LEAST_CYCLES = 2
REST_SHARE = 0.005


@dataclass(frozen=True, kw_only=True, eq=False)
class SiliconSeen:
    """Silicon in the electrolyte, one charge per atom, whole cell, in uAh.

    ``time_s`` and ``value_uah`` (s,), ``covariance`` (s, s).  From XPS or EDX (integral of silicon
    per phosphorus over depth), or from the stopping of the spectra themselves.
    """

    time_s: Floats
    value_uah: Floats
    covariance: Floats

    def __post_init__(self) -> None:
        for name in ("time_s", "value_uah", "covariance"):
            object.__setattr__(self, name, readonly(getattr(self, name)))
        n = self.value_uah.size
        if self.time_s.shape != (n,) or self.covariance.shape != (n, n):
            raise BadInput("silicon, its times and its covariance differ in size")

    @classmethod
    def of(cls, rows: Sequence[tuple[float, float, float]]) -> SiliconSeen:
        """Independent sightings: time in s, amount and standard uncertainty in uAh."""
        table = np.array(rows, dtype=np.float64).reshape(-1, 3)
        return cls(time_s=table[:, 0], value_uah=table[:, 1], covariance=np.diag(table[:, 2] ** 2))


def no_silicon() -> SiliconSeen:
    """Nobody looked."""
    return SiliconSeen.of(())


@dataclass(frozen=True, kw_only=True, eq=False)
class Observed:
    """Data of one campaign.

    ``films`` is the cell as described (thicknesses, densities, area, potentials).  The cycler:
    ``time_s`` (t,) since the first spectrum and ``current_ua`` (t,), charge positive; a current
    holds until the next time.  The ledger: ``row_s`` (n,), ``row_cycle`` (n,), ``row_charged``
    (n,) true after a charge, lithium added to the electrolyte ``electrolyte_uah`` (n,) with
    ``covariance`` (n, n), and ``anode_uah`` (n,), which a leak of the windows would copy.
    Points of voltage curves: ``point_s`` (m,) and ``point_v`` (m,), where a constant current flows.
    ``made_s`` is when the cell was put together: storage counts where a gradient alone drives.
    ``until_s`` the end of the campaign in which sizes are expressed, the last time by default.
    """

    films: CellParameters
    time_s: Floats
    current_ua: Floats
    row_s: Floats
    row_cycle: NDArray[np.int64]
    row_charged: NDArray[np.bool_]
    electrolyte_uah: Floats
    covariance: Floats
    anode_uah: Floats
    point_s: Floats
    point_v: Floats
    made_s: float = 0.0
    until_s: float | None = None
    silicon: SiliconSeen = field(default_factory=no_silicon)
    title: str = ""

    def __post_init__(self) -> None:
        for name in (
            "time_s", "current_ua", "row_s", "electrolyte_uah", "covariance", "anode_uah",
            "point_s", "point_v",
        ):  # fmt: skip
            object.__setattr__(self, name, readonly(getattr(self, name)))
        n = self.row_s.size
        sizes = (
            self.time_s.shape == self.current_ua.shape and self.time_s.size >= 2,
            self.row_cycle.shape == self.row_charged.shape == (n,),
            self.electrolyte_uah.shape == self.anode_uah.shape == (n,),
            self.covariance.shape == (n, n),
            self.point_s.shape == self.point_v.shape,
        )
        if not all(sizes):
            raise BadInput("arrays of the observation differ in size", where="identify")
        if np.unique(self.row_cycle).size < LEAST_CYCLES:
            raise BadInput(
                f"the ledger has {np.unique(self.row_cycle).size} cycles", where="identify",
                expected=f"at least {LEAST_CYCLES}: growth is a change from cycle to cycle",
            )  # fmt: skip

    @property
    def end_s(self) -> float:
        """End of the campaign in which sizes are expressed."""
        return float(self.time_s[-1] if self.until_s is None else self.until_s)


def without_curves(seen: Observed) -> Observed:
    """The same observation without its voltages."""
    return replace(seen, point_s=np.zeros(0), point_v=np.zeros(0))


def observe(
    films: CellParameters, ledger: Ledger, log: CyclerLog, origin: np.datetime64, *,
    silicon: SiliconSeen | None = None, made_s: float | None = None, title: str = "",
    discharged_only: bool = False,
) -> Observed:  # fmt: skip
    """Put a ledger and the cycler log of its run together.

    ``origin`` is the moment from which the ledger counts.  Rows of the pristine cell are left out:
    they are nought by definition.  Only the electrolyte's column is used: with the charge passed it
    implies the other two, which the default ledger takes from there.  ``discharged_only`` leaves
    out what charged states say: for phase odds from the same spectra, which used it up.

    Raises BadInput with fewer than two cycles, or rows that the log does not cover.
    """
    time, current = log.seconds(origin), quiet(log.current_ua)
    wanted = ("discharged",) if discharged_only else ("charged", "discharged")
    keep = np.array([name in wanted for name in ledger.state], dtype=bool)
    rows = np.flatnonzero(keep)
    if rows.size and ledger.time_s[rows].min() < time[0]:
        raise BadInput(
            "the ledger begins before the cycler log", where="identify",
            expected="a log that covers every row", remedy="give the log of the same run",
        )  # fmt: skip
    places = 3 * rows + 1
    point_s, point_v = curve_points(time, current, log.voltage_v)
    return Observed(
        films=films, time_s=time, current_ua=current, row_s=ledger.time_s[rows],
        row_cycle=ledger.cycle[rows],
        row_charged=np.array([ledger.state[k] == "charged" for k in rows], dtype=bool),
        electrolyte_uah=ledger.values[rows, 1],
        covariance=ledger.covariance[np.ix_(places, places)], anode_uah=ledger.values[rows, 0],
        point_s=point_s, point_v=point_v, silicon=silicon or no_silicon(), title=title,
        made_s=float(time[0] if made_s is None else made_s),
    )  # fmt: skip


def quiet(current_ua: Floats) -> Floats:
    """Currents below ``REST_SHARE`` of the largest usual one are the cycler's noise at rest."""
    size = np.abs(current_ua)
    flows = size[size > 0.0]
    least = REST_SHARE * float(np.quantile(flows, 0.9)) if flows.size else 0.0
    return np.asarray(np.where(size < least, 0.0, current_ua))


def curve_points(time_s: Floats, current_ua: Floats, voltage_v: Floats) -> tuple[Floats, Floats]:
    """Choose points of some half cycles: where the curve says most and the surface is near rest.

    Half cycles are runs of one sign of current; of the first ``CYCLES_OF_CURVES`` in even steps of
    the logarithm of their number.  Points lie at even shares of the charge: 0.3 to 1 of a charge,
    0.25 to 0.7 of a discharge (later the film's surface runs empty).  Held voltages are left out.
    """
    sign = np.sign(current_ua)
    starts = np.flatnonzero(np.diff(np.concatenate([[0.0], sign])) != 0)
    stops = np.append(starts[1:], sign.size)
    halves = [(a, b) for a, b in zip(starts, stops, strict=True) if sign[a] != 0 and b - a > 3]
    picked: list[tuple[float, float]] = []
    for side, low, high in ((1.0, 0.3, 1.0), (-1.0, 0.25, 0.7)):
        ours = [half for half in halves if sign[half[0]] == side]
        for k in _spaced(len(ours), CYCLES_OF_CURVES):
            a, b = ours[k]
            picked += _points(time_s[a:b], current_ua[a:b], voltage_v[a:b], low, high)
    picked.sort()
    found = np.array(picked, dtype=np.float64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _spaced(count: int, most: int) -> NDArray[np.int64]:
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    return np.unique(np.round(np.geomspace(1, count, min(most, count))).astype(np.int64)) - 1


def _points(
    time: Floats, current: Floats, volts: Floats, low: float, high: float
) -> list[tuple[float, float]]:
    size = np.abs(current)
    held = size > 0.98 * np.median(size)
    steady = int(held.size if held.all() else np.argmin(held))
    if steady < 4:
        return []
    time, volts = time[:steady], volts[:steady]
    share = np.linspace(low, high, POINTS_OF_HALF)
    # The very last row may be the cut-off's overshoot of the current; stay just inside.
    at = time[0] + np.minimum(share, 0.995) * (time[-1] - time[0])
    return list(zip(at.tolist(), np.interp(at, time, volts).tolist(), strict=True))
