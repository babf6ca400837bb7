"""What one hypothesis predicts for all data, in closed form, for many draws at once.

The measured current is imposed, so that charge is exact and nothing has to be stepped: growth
follows from its clock, composition of both electrodes from charge, and voltage from composition
while the film is near rest with itself.  tests/mechanism holds it against the stepped cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lidepth.mechanism import _setup as at
from lidepth.mechanism.identify.clocks import Cycler, Drive
from lidepth.mechanism.identify.laws import Shape
from lidepth.mechanism.identify.observed import Observed
from lidepth.mechanism.identify.priors import Numbers, Prior, numbers

Floats = NDArray[np.float64]
NM2_H = 3.6e17  # of a diffusivity in cm2/s
SETTLED_V = 2e-3  # what the quasi-steady film misses, and a voltmeter
HALF_V = 3e-3  # from half cycle to half cycle: temperature, contacts
REACH_X, REACH_Y = 0.2, 0.8  # along which an error of a potential stays the same
_FLOOR_UAH = 0.03  # of a ledger row: a state is no moment, and the closed form no cell


@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """Where a set of times lies: share of the clock, net charge, charge passed on charging."""

    u: Floats
    charge: Floats
    charged: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Near:
    """Where the points of the curves about lie: x and y, (points,) each.

    Errors of the potentials are alike where compositions are, so their covariance needs to know.
    """

    x: Floats
    y: Floats


class Forward:
    """Residuals of one hypothesis: z (draws, p) to (draws, data), each standard normal.

    ``shape`` and ``drive`` None: nothing grows.
    """

    def __init__(self, common: Common, shape: Shape | None, drive: Drive | None) -> None:
        self.common = common
        self.shape, self.drive = shape, drive
        seen, cycler = common.seen, common.cycler
        clock = np.zeros(seen.time_s.size) if drive is None else cycler.clock(drive)
        self.end = 1.0 if drive is None else cycler.clock_end(drive)
        self._u = clock / self.end
        self.rows = self._places(seen.row_s)
        self.points = self._places(seen.point_s)
        self.silicon = self._places(seen.silicon.time_s)

    @property
    def size(self) -> int:
        """How many numbers the hypothesis has."""
        grows = 0 if self.shape is None else 2 + self.shape.numbers
        return 7 + grows

    def _places(self, time_s: Floats) -> Places:
        seen, cycler = self.common.seen, self.common.cycler
        return Places(
            u=np.interp(time_s, seen.time_s, self._u),
            charge=cycler.net_at(time_s), charged=cycler.charged_at(time_s),
        )  # fmt: skip

    def numbers(self, z: Floats) -> Numbers:
        """Physical numbers of z."""
        c = self.common
        return numbers(z, c.prior, c.first, c.film)

    def grown(self, n: Numbers, u: Floats) -> Floats:
        """Silicon moved at shares u of the clock, uAh/cm2, (draws, n); never all of the film."""
        if self.shape is None:
            return np.zeros((n.kappa.size, u.size))
        share = self.shape.share(self.shape.value(n.shape_z), np.clip(u, 0.0, None))
        wanted = (n.growth_uah_cm2 / n.kappa)[:, None] * share
        most = at.MOST_MOVED * self.common.film * n.silicon_film[:, None]
        return np.asarray(np.minimum(wanted, most))

    def bound(self, n: Numbers, places: Places, available: Floats) -> Floats:
        """Lithium bound in the electrolyte, uAh/cm2: never more than was there to bind."""
        wanted = n.kappa[:, None] * self.grown(n, places.u)
        return np.asarray(np.minimum(wanted, available[None, :]))

    def voltage(self, n: Numbers) -> Floats:
        """Voltage at the points of the curves, (draws, points)."""
        return self.common.voltage(
            n, self.points, self.bound(n, self.points, self.common.point_most),
            self.grown(n, self.points.u),
        )  # fmt: skip

    def near(self, z: Floats) -> Near:
        """Compositions at the points by one z, (p,)."""
        n = self.numbers(z[None, :])
        bound = self.bound(n, self.points, self.common.point_most)
        x, y, _ = self.common.compositions(n, self.points, bound, self.grown(n, self.points.u))
        return Near(x=x[0], y=y[0])

    def ledger(self, n: Numbers) -> Floats:
        """What the ledger's electrolyte column should say, uAh, (draws, rows)."""
        seen = self.common.seen
        bound = self.bound(n, self.rows, self.common.row_most) * seen.films.area_cm2
        return np.asarray(bound + n.leak[:, None] * seen.anode_uah[None, :])

    def groups(self) -> dict[str, slice]:
        """Which residuals come from which data."""
        c = self.common
        sizes = {"ledger": c.white_rows.shape[1]}
        if c.seen.point_s.size:
            sizes["voltage curves"] = c.white_points.shape[1]
        if c.seen.silicon.time_s.size:
            sizes["silicon"] = c.white_silicon.shape[1]
        ends = np.cumsum([0, *sizes.values()]).tolist()
        return {name: slice(ends[k], ends[k + 1]) for k, name in enumerate(sizes)}

    def __call__(self, z: Floats) -> Floats:
        """Residuals of z (draws, p): ledger, curves, silicon; (draws, data)."""
        n, c = self.numbers(z), self.common
        parts = [(c.seen.electrolyte_uah - self.ledger(n)) @ c.white_rows]
        if c.seen.point_s.size:
            parts.append((c.seen.point_v - self.voltage(n)) @ c.white_points)
        if c.seen.silicon.time_s.size:
            moved = self.grown(n, self.silicon.u) * c.seen.films.area_cm2
            parts.append((c.seen.silicon.value_uah - moved) @ c.white_silicon)
        return np.nan_to_num(np.concatenate(parts, axis=1), nan=1e3, posinf=1e3, neginf=-1e3)


class Common:
    """What all hypotheses share: integrals of the current, whitening, tables of potentials."""

    def __init__(
        self, seen: Observed, prior: Prior, near: Near | None = None, stray: float = 1.0
    ) -> None:
        self.seen, self.prior, self.near, self.stray = seen, prior, near, stray
        self.cycler = Cycler(seen)
        films = seen.films
        self.film, self.cathode = films.silicon_uah_cm2, films.cathode_uah_cm2
        self.first = self.cycler.first_charge_uah / films.area_cm2
        self.row_most = self._most(seen.row_s)
        self.point_most = self._most(seen.point_s)
        grid_x = np.linspace(at.X_LOW, at.X_HIGH, 513)
        grid_y = np.linspace(at.Y_LOW, at.Y_HIGH, 513)
        self._x, self._cathode_v = grid_x, films.cathode_potential.at(grid_x)
        self._y, self._anode_v = grid_y, films.anode_potential.at(grid_y)
        self._gap_v = np.maximum(films.anode_potential.gap_at(np.clip(grid_y, 0.0, 4.4)), 0.0)

    def _most(self, time_s: Floats) -> Floats:
        """Lithium that had ever been there to bind: the largest net charge so far."""
        highest = np.maximum.accumulate(self.cycler.net)
        return np.maximum(np.interp(time_s, self.seen.time_s, highest), 0.0)

    def _first_guess(self) -> Near:
        """Compositions from charge, and a root of the charge passed through the ledger."""
        seen = self.seen
        rows = np.sqrt(self.cycler.charged_at(seen.row_s))
        weight = rows / (np.diag(seen.covariance) + 1e-6)
        slope = max(float(weight @ seen.electrolyte_uah / (weight @ rows)), 0.0)
        charge, passed = self.cycler.net_at(seen.point_s), self.cycler.charged_at(seen.point_s)
        bound = slope * np.sqrt(passed) / seen.films.area_cm2
        return Near(x=charge / self.cathode, y=(charge - bound) / self.film)

    def voltage(self, n: Numbers, places: Places, bound: Floats, moved: Floats) -> Floats:
        """Voltage of the points for draws of numbers, (draws, points)."""
        x, y, left = self.compositions(n, places, bound, moved)
        return self._potential(n, x, y, left, slice(None))

    def voltage_of(
        self, n: Numbers, k: int, charge: Floats, bound: Floats, moved: Floats
    ) -> Floats:
        """Voltage of point ``k`` had another net charge passed, (draws,) each, uAh/cm2."""
        place = slice(k, k + 1)
        x, y, left = self._compositions(
            n, charge[:, None], self._passed[place], bound[:, None], moved[:, None], place
        )
        return self._potential(n, x, y, left, place)[:, 0]

    def compositions(
        self, n: Numbers, places: Places, bound: Floats, moved: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Living cathode's x, y at the film's surface, silicon left; (draws, points) each."""
        lost = n.lost_charge[:, None] * places.charged[None, :]
        charge = places.charge[None, :] - lost
        return self._compositions(n, charge, places.charged, bound, moved, slice(None))

    def _compositions(
        self, n: Numbers, charge: Floats, passed: Floats, bound: Floats, moved: Floats, at: slice
    ) -> tuple[Floats, Floats, Floats]:
        rate = -np.log1p(-np.minimum(n.cathode_loss, 0.9)) / self.cycler.charged_end
        active = np.exp(-rate[:, None] * passed[None, :])
        cathode = self.cathode * n.cathode_film[:, None]
        x = (charge / cathode - (1.0 - active) * self.point_mean_x[None, at]) / active
        left = self.film * n.silicon_film[:, None] - moved
        settle = self._settling * left / self.film**2
        y = (charge - bound) / left + self.point_current[None, at] * settle
        return np.asarray(x), np.asarray(y), np.asarray(left)

    def _potential(self, n: Numbers, x: Floats, y: Floats, left: Floats, at: slice) -> Floats:
        films, current = self.seen.films, self.point_current[None, at]
        passed = self.point_passed[None, at] / (left * films.hysteresis_memory)
        turn = self.point_side[None, at] * (1.0 - 2.0 * np.exp(-passed))
        anode = np.interp(y, self._y, self._anode_v) - turn * np.interp(y, self._y, self._gap_v)
        gain = n.resistance_gain[:, None] * self._passed[None, at] / self.cycler.charged_end
        ohm = films.resistance_ohm_cm2 * 1e-6 * n.resistance[:, None] * (1.0 + gain)
        cathode = np.interp(x, self._x, self._cathode_v)
        return np.asarray(cathode - anode + current * ohm + self._kinetic[None, at])

    @cached_property
    def _passed(self) -> Floats:
        """Charge passed on charging up to the points."""
        return self.cycler.charged_at(self.seen.point_s)

    @cached_property
    def _settling(self) -> float:
        """Hours for lithium to spread through the film, a third of L2/D: surface above mean."""
        films = self.seen.films
        return films.silicon_nm**2 / (3.0 * films.silicon_diffusivity_cm2_s * NM2_H)

    @cached_property
    def point_current(self) -> Floats:
        """Current at the points, uA/cm2."""
        return self.cycler.current_at(self.seen.point_s)

    @cached_property
    def point_side(self) -> Floats:
        """Direction of the current at the points."""
        return np.sign(self.point_current)

    @cached_property
    def point_passed(self) -> Floats:
        """Charge passed since the current turned, at the points."""
        return self.cycler.since_reversal(self.seen.point_s)

    @cached_property
    def point_mean_x(self) -> Floats:
        """Mean x while charging, so far: the lithium that lost cathode material keeps."""
        c = self.cycler
        steps = np.diff(c.charged)
        middle = 0.5 * (c.net[1:] + c.net[:-1]) / self.cathode
        total = np.concatenate([[0.0], np.cumsum(steps * middle)])
        mean = total / np.maximum(c.charged, 1e-12)
        return np.asarray(np.interp(self.seen.point_s, self.seen.time_s, mean))

    @cached_property
    def _kinetic(self) -> Floats:
        from lidepth.mechanism.parameters import GAS_OVER_FARADAY_V_K

        films, half = self.seen.films, 0.5 * self.point_current
        part = np.arcsinh(half / films.anode_exchange_ua_cm2)
        part = part + np.arcsinh(half / films.cathode_exchange_ua_cm2)
        return np.asarray(2.0 * GAS_OVER_FARADAY_V_K * films.temperature_k * part)

    @cached_property
    def white_rows(self) -> Floats:
        """What makes ledger residuals (row vectors) standard normal."""
        return whitening(self.seen.covariance + _FLOOR_UAH**2 * np.eye(self.seen.row_s.size))

    @cached_property
    def white_silicon(self) -> Floats:
        """The same for silicon."""
        return whitening(self.seen.silicon.covariance)

    @cached_property
    def white_points(self) -> Floats:
        """The same for voltages: potentials that are off along composition, and noise."""
        return whitening(self.point_covariance)

    @cached_property
    def point_covariance(self) -> Floats:
        """Covariance of the voltages, V2: potentials, half cycles (by ``stray``), points."""
        near = self.near or self._first_guess()
        off = potential_covariance(near.x, near.y, self.point_side, self.prior.potential_v)
        half = self.cycler.half_at(self.seen.point_s)
        whole = (self.stray * HALF_V) ** 2 * (half[:, None] == half)
        return np.asarray(off + whole + SETTLED_V**2 * np.eye(half.size))


def potential_covariance(x: Floats, y: Floats, side: Floats, off_v: float) -> Floats:
    """Covariance of voltages whose potentials are off, V2: cathode, anode, hysteresis.

    The three share the square of ``off_v``: two fifths each for the electrodes, one for the gap.
    """
    same_x, same_y = _alike(x, REACH_X), _alike(y, REACH_Y)
    parts = 0.4 * same_x + 0.4 * same_y + 0.2 * side[:, None] * side * same_y
    return np.asarray(off_v**2 * parts)


def _alike(at: Floats, reach: float) -> Floats:
    """Correlation over a distance: Matern 3/2, which allows a kink where a plateau ends."""
    away = np.sqrt(3.0) * np.abs(at[:, None] - at) / reach
    return np.asarray((1.0 + away) * np.exp(-away))


def whitening(covariance: Floats) -> Floats:
    """W with r @ W standard normal for r of this covariance; directions without variance vanish."""
    values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
    good = values > 1e-12 * max(float(values[-1]), 1e-300)
    return np.asarray(vectors[:, good] / np.sqrt(values[good]))
