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
from lidepth.mechanism.identify.clocks import CURRENTS, Cycler, Drive
from lidepth.mechanism.identify.laws import Shape
from lidepth.mechanism.identify.observed import Observed
from lidepth.mechanism.identify.priors import Numbers, Prior, numbers

Floats = NDArray[np.float64]
NM2_H = 3.6e17  # of a diffusivity in cm2/s
SETTLED_V = 2e-3  # what the quasi-steady film misses, and a voltmeter
REACH_X, REACH_Y = 0.2, 0.8  # along which an error of a potential stays the same
_FLOOR_UAH = 0.03  # of a ledger row: a state is no moment, and the closed form no cell
_EMPTY_Y = 0.35  # below it diffusion brings no lithium to the film's surface: none is at hand


@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """Where a set of times lies: clock at which lithium was last at hand, charge, clock itself."""

    bound_u: Floats
    clock_u: Floats
    charge: Floats
    charged: Floats


class Forward:
    """Residuals of one hypothesis: z (draws, p) to (draws, data), each standard normal.

    ``shape`` and ``drive`` None: nothing grows.
    """

    def __init__(
        self, common: Common, shape: Shape | None, drive: Drive | None
    ) -> None:
        self.common = common
        self.shape, self.drive = shape, drive
        seen, cycler = common.seen, common.cycler
        clock = np.zeros(seen.time_s.size) if drive is None else cycler.clock(drive)
        self.end = float(clock[-1]) if clock[-1] > 0.0 else 1.0
        self._u = clock / self.end
        self._at_hand = common.at_hand(drive, self._u)
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
            bound_u=np.interp(time_s, seen.time_s, self._at_hand),
            clock_u=np.interp(time_s, seen.time_s, self._u),
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
        wanted = n.kappa[:, None] * self.grown(n, places.bound_u)
        return np.asarray(np.minimum(wanted, available[None, :]))

    def voltage(self, n: Numbers) -> Floats:
        """Voltage at the points of the curves, (draws, points)."""
        return self.common.voltage(
            n, self.points, self.bound(n, self.points, self.common.point_most),
            self.grown(n, self.points.clock_u),
        )  # fmt: skip

    def ledger(self, n: Numbers) -> Floats:
        """What the ledger's electrolyte column should say, uAh, (draws, rows)."""
        seen = self.common.seen
        bound = self.bound(n, self.rows, self.common.row_most) * seen.films.area_cm2
        return np.asarray(bound + n.leak[:, None] * seen.anode_uah[None, :])

    def __call__(self, z: Floats) -> Floats:
        n, c = self.numbers(z), self.common
        parts = [(c.seen.electrolyte_uah - self.ledger(n)) @ c.white_rows]
        if c.seen.point_s.size:
            parts.append((c.seen.point_v - self.voltage(n)) @ c.white_points)
        if c.seen.silicon.time_s.size:
            moved = self.grown(n, self.silicon.clock_u) * c.seen.films.area_cm2
            parts.append((c.seen.silicon.value_uah - moved) @ c.white_silicon)
        return np.nan_to_num(np.concatenate(parts, axis=1), nan=1e3, posinf=1e3, neginf=-1e3)


class Common:
    """What all hypotheses share: integrals of the current, whitening, tables of potentials."""

    def __init__(self, seen: Observed, prior: Prior) -> None:
        self.seen, self.prior = seen, prior
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

    @cached_property
    def near_y(self) -> Floats:
        """Rough composition of the film along the log, from charge and ledger alone, (t,)."""
        return (self.cycler.net - self._rough(self.seen.time_s)) / self.film

    def _rough(self, time_s: Floats) -> Floats:
        """The ledger's bound lithium at any time, uAh/cm2, by a root of the charge passed."""
        seen, q = self.seen, self.cycler.charged
        rows = np.sqrt(self.cycler.charged_at(seen.row_s))
        weight = 1.0 / (np.diag(seen.covariance) + 1e-6)
        slope = float((weight * rows) @ seen.electrolyte_uah / ((weight * rows) @ rows))
        total = max(slope, 0.0) * np.sqrt(np.interp(time_s, seen.time_s, q))
        return np.asarray(total / seen.films.area_cm2)

    def at_hand(self, drive: Drive | None, u: Floats) -> Floats:
        """The clock when lithium was last at hand; itself where the drive brings its own."""
        if drive is None or drive in ("charge", "cycle"):
            return u
        flows = self.cycler.current > 0.0
        there = flows | (self.near_y > _EMPTY_Y)
        last = np.maximum.accumulate(np.where(there, u, 0.0))
        return np.asarray(last)

    def voltage(self, n: Numbers, places: Places, bound: Floats, moved: Floats) -> Floats:
        """Voltage of the points for draws of numbers."""
        films = self.seen.films
        current = self.point_current[None, :]
        lost = n.lost_charge[:, None] * places.charged[None, :]
        charge = places.charge[None, :] - lost
        end = float(self.cycler.charged[-1])
        rate = -np.log1p(-n.cathode_loss) / end
        active = np.exp(-rate[:, None] * places.charged[None, :])
        cathode = self.cathode * n.cathode_film[:, None]
        x = (charge / cathode - (1.0 - active) * self.point_mean_x[None, :]) / active
        left = self.film * n.silicon_film[:, None] - moved
        y = (charge - bound) / left + current / left * self._settling * (left / self.film) ** 2
        side = self.point_side[None, :]
        passed = self.point_passed[None, :] / (self.film * films.hysteresis_memory)
        turn = side * (1.0 - 2.0 * np.exp(-passed))
        anode = np.interp(y, self._y, self._anode_v) - turn * np.interp(y, self._y, self._gap_v)
        gain = n.resistance_gain[:, None] * places.charged[None, :] / end
        ohm = films.resistance_ohm_cm2 * 1e-6 * n.resistance[:, None] * (1.0 + gain)
        return np.asarray(
            np.interp(x, self._x, self._cathode_v) - anode + current * ohm + self._kinetic
        )

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
        points = self.seen.point_s
        x = self.cycler.net_at(points) / self.cathode
        y = np.interp(points, self.seen.time_s, self.near_y)
        return whitening(potential_covariance(x, y, self.point_side, self.prior.potential_v))


def potential_covariance(x: Floats, y: Floats, side: Floats, off_v: float) -> Floats:
    """Covariance of voltages whose potentials are off, V2: cathode, anode, hysteresis, noise.

    The three share the variance ``off_v``^2: two fifths each for the electrodes, one for the gap.
    """
    same_x = np.exp(-0.5 * ((x[:, None] - x) / REACH_X) ** 2)
    same_y = np.exp(-0.5 * ((y[:, None] - y) / REACH_Y) ** 2)
    parts = 0.4 * same_x + 0.4 * same_y + 0.2 * side[:, None] * side * same_y
    return np.asarray(off_v**2 * parts + SETTLED_V**2 * np.eye(x.size))


def whitening(covariance: Floats) -> Floats:
    """W with r @ W standard normal for r of this covariance; directions without variance vanish."""
    values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
    good = values > 1e-12 * max(float(values[-1]), 1e-300)
    return np.asarray(vectors[:, good] / np.sqrt(values[good]))


def brings_its_own(drive: Drive | None) -> bool:
    """Whether the clock runs only where lithium flows."""
    return drive in CURRENTS
