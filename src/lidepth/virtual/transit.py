"""The way out: energy loss, straggling and scattering, step by step through the fine cells.

Written for the virtual campaigns alone, on purpose in another way than the analysis does it:
midpoint (second-order Runge-Kutta) steps on the stopping power of the local composition, a Bragg
sum over the elements with the moved lithium and silicon included; one step per fine cell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lidepth.constants import AMU_KEV, AVOGADRO, BOHR_KEV2_PER_1E15
from lidepth.model.material import Material, atomic_number
from lidepth.physics.reactions import Projectile, projectile, reactions_of
from lidepth.virtual.cells import FineCells
from lidepth.virtual.history import History

Floats = NDArray[np.float64]

_REACTION = reactions_of("6Li")[0]
CROSS_SECTION_CM2 = _REACTION.cross_section_b * 1e-24
BIRTH_KEV = {
    product.projectile.name: product.energy_kev for product in (_REACTION.heavy, _REACTION.light)
}
"""Energies of alpha and triton at birth, in keV."""
_Table = tuple[Floats, Floats]  # values every 1 keV, and the rise to the next
_Term = tuple[_Table, Floats | float]  # a table in keV per 1e15 atoms/cm2, and the atoms
_FLOOR_KEV = 10.0  # below this a particle counts as stopped


class StoppingPowers(Protocol):
    """What is needed of a stopping source: keV per 1e15 atoms/cm2, per atom of the material."""

    def electronic(self, projectile: Projectile, material: Material, energy_kev: Floats) -> Floats:
        """Electronic stopping at each energy."""

    def nuclear(self, projectile: Projectile, material: Material, energy_kev: Floats) -> Floats:
        """Nuclear stopping at each energy."""


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How particles born at the cell edges leave; arrays (edges, states).

    Mean energy and standard deviation (straggling and scattering, no detector), in keV.
    """

    energy_kev: Floats
    sigma_kev: Floats


class Passage:
    """One kind of particle on its way out of one virtual cell."""

    def __init__(self, particle: str, history: History, source: StoppingPowers) -> None:
        plan = history.plan
        self.birth_kev = BIRTH_KEV[particle]
        self._history = history
        ion = projectile(particle)
        self._z = ion.atomic_number
        self._mass_mev = ion.mass_u * AMU_KEV * 1e-3
        self._kev = np.arange(0.0, math.ceil(self.birth_kev) + 2.0)
        stack = plan.stack
        symbols = {s for layer in stack for s in layer.material.fractions} | {"Li", "Si"}
        self._loss = {s: self._table(source, ion, s) for s in symbols}
        self._electrons = {s: float(atomic_number(s)) for s in symbols}
        self._layers = [layer.material.fractions for layer in stack]
        self._layer_loss = [self._bragg(fractions) for fractions in self._layers]
        self._scales = plan.scales

    def _table(self, source: StoppingPowers, ion: Projectile, symbol: str) -> _Table:
        """Stopping power of one element in steps of 1 keV, and its rise to the next step."""
        element = Material(formula=symbol, density_g_cm3=1.0)
        energy = np.maximum(self._kev, _FLOOR_KEV)
        electronic = np.asarray(source.electronic(ion, element, energy), dtype=np.float64)
        total = electronic + np.asarray(source.nuclear(ion, element, energy), dtype=np.float64)
        return total, np.append(np.diff(total), 0.0)

    def _bragg(self, fractions: dict[str, float]) -> _Table:
        """Stopping power per average atom of a composition."""
        at, rise = (
            np.sum([share * self._loss[s][k] for s, share in fractions.items()], axis=0)
            for k in (0, 1)
        )
        return at, rise

    def out(
        self, lithium: Floats, silicon: Floats, angle_deg: float, cover_scale: float = 1.0
    ) -> Exit:
        """Bring particles from every edge of the cell to the surface.

        ``lithium`` and ``silicon`` (states, cells) in 1e15 atoms/cm2; ``cover_scale`` is the
        thickness of the outermost layer, relative to the plan.
        """
        cells, cover = self._history.cells, self._history.cover
        born = _births(cells)
        energy = np.full((born.size, lithium.shape[0]), self.birth_kev)
        flight = _Flight(energy, self._kick(angle_deg), 1.0 / math.cos(math.radians(angle_deg)))
        extra_li = (lithium - cells.lithium_1e15).T
        extra_si = (silicon - cells.silicon_1e15).T
        for c in range(len(cells) - 1, -1, -1):
            first = int(np.searchsorted(born, c, "right"))
            self._cross(flight, first, cells, c, (extra_li[c], extra_si[c]))
        for c in range(len(cover) - 1, -1, -1):
            scale = cover_scale if cover.layer[c] == 0 else 1.0
            self._cross(flight, 0, cover, c, None, scale)
        at, known = _edge_depths(cells), _edge_depths(cells)[born]
        # A particle cannot scatter away more than it loses; matters where it barely gets out.
        sigma = np.minimum(np.sqrt(flight.variance), self.birth_kev - flight.energy)
        return Exit(
            energy_kev=_between(at, known, flight.energy),
            sigma_kev=_between(at, known, sigma),
        )

    def _cross(
        self, flight: _Flight, first: int, cells: FineCells, c: int,
        extra: tuple[Floats, Floats] | None, scale: float = 1.0,
    ) -> None:  # fmt: skip
        """Let the particles born at edge number ``first`` and deeper cross cell ``c``."""
        layer = int(cells.layer[c])
        atoms = scale * float(cells.atoms_1e15[c])
        factor = self._scales[layer]
        content = {s: f * atoms for s, f in self._layers[layer].items()}
        terms: list[_Term] = [(self._layer_loss[layer], factor * atoms)]
        electrons: Floats | float = sum(n * self._electrons[s] for s, n in content.items())
        for symbol, amount in zip(("Li", "Si"), extra or (), strict=False):
            if np.max(np.abs(amount)) > 1e-9 * atoms:
                terms.append((self._loss[symbol], factor * amount))
                electrons = electrons + self._electrons[symbol] * amount
        bohr = BOHR_KEV2_PER_1E15 * self._z**2 * electrons
        flight.step(first, terms, bohr, self._scattering(content))

    def _scattering(self, content: dict[str, float]) -> float:
        """chi_c^2 (p beta)^2 of Lynch and Dahl for one cell on the normal, in MeV^2."""
        return 0.157 * self._z**2 * sum(
            n * 1e15 / AVOGADRO * self._electrons[s] * (self._electrons[s] + 1.0)
            for s, n in content.items()
        )  # fmt: skip

    def _kick(self, angle_deg: float) -> _Kick | None:
        """Scattering, which at normal exit costs no energy to first order."""
        if angle_deg == 0.0:
            return None
        return _Kick(math.tan(math.radians(angle_deg)), self._mass_mev, self._log_factor(angle_deg))

    def _log_factor(self, angle_deg: float) -> float:
        """Lynch and Dahl's logarithm over (1 + F^2), for the whole way out at half the energy.

        G. R. Lynch and O. I. Dahl, Nucl. Instrum. Methods B 58 (1991) 6, with F = 0.98.
        """
        strength, weighted = 0.0, 0.0
        momentum2 = 2.0 * self._mass_mev * 0.7e-3 * self.birth_kev  # MeV^2
        beta2 = momentum2 / self._mass_mev**2
        for layer in self._history.plan.stack:
            if layer.name == self._history.plan.stack.layers[-1].name:
                break
            content = {s: f * layer.areal_density_1e15 for s, f in layer.material.fractions.items()}
            share = self._scattering(content) / math.cos(math.radians(angle_deg))
            z = sum(n * self._electrons[s] for s, n in content.items()) / sum(content.values())
            screening = (
                2.007e-5 * z ** (2 / 3) * (1 + 3.34 * (z * self._z / 137.036) ** 2 / beta2)
            ) / momentum2
            strength += share
            weighted += share * math.log(screening)
        chi_c2 = strength / (momentum2 * beta2)
        v = 0.5 * chi_c2 / math.exp(weighted / strength) / (1.0 - 0.98)
        return ((1.0 + v) / v * math.log1p(v) - 1.0) / (1.0 + 0.98**2)


@dataclass
class _Kick:
    """Scattering of a tilted path."""

    tangent: float
    mass_mev: float
    log_factor: float


class _Flight:
    """Particles under way: arrays (edges, states), changed in place."""

    def __init__(self, energy: Floats, kick: _Kick | None, path: float) -> None:
        self.energy = energy
        self.variance = np.zeros_like(energy)
        self._arm = np.zeros_like(energy) if kick else None
        self._kick = kick
        self._path = path

    def step(self, first: int, terms: list[_Term], bohr: Floats | float, scattering: float) -> None:
        """One midpoint step.

        ``terms`` are stopping powers with the atoms of one cell on the normal; ``bohr``
        (states,) its straggling in keV^2.
        """
        energy, variance = self.energy[first:], self.variance[first:]
        if energy.size == 0:
            return
        guess, _ = _read(terms, energy)
        middle = np.maximum(energy - (0.5 * self._path) * guess, _FLOOR_KEV)
        lost, slope = _read(terms, middle)
        lost *= self._path
        stretch = 1.0 - self._path * slope
        if self._kick is not None and self._arm is not None:
            arm = self._arm[first:]
            arm *= stretch
            arm += lost * self._kick.tangent
            variance += arm**2 * self._angle2(middle, scattering)
        variance *= stretch**2
        variance += bohr * self._path
        energy -= lost
        np.maximum(energy, 0.0, out=energy)

    def _angle2(self, energy: Floats, scattering: float) -> Floats:
        """Variance of the plane scattering angle in one cell, rad^2."""
        kick = self._kick
        if kick is None:
            return np.zeros_like(energy)
        total = energy * 1e-3 + kick.mass_mev
        momentum_beta = (energy * 1e-3) * (total + kick.mass_mev) / total  # MeV
        angle2: Floats = scattering * self._path * kick.log_factor / momentum_beta**2
        return angle2


def _read(terms: list[_Term], energy: Floats) -> tuple[Floats, Floats]:
    """Energy loss (keV) and its slope (per keV), read linearly from tables of 1 keV."""
    cell = energy.astype(np.int64)
    fraction = energy - cell
    value, total = np.zeros_like(energy), np.zeros_like(energy)
    for (at, rise), amount in terms:
        slope = rise.take(cell)
        value += amount * (at.take(cell) + fraction * slope)
        total += amount * slope
    return value, total


def _edge_depths(cells: FineCells) -> Floats:
    """Depths of the cell edges below the first one, in nm; shape (cells + 1,)."""
    return np.concatenate([[0.0], np.cumsum(cells.width_nm)])


def _births(cells: FineCells) -> NDArray[np.int64]:
    """Edges from which particles are followed: those between layers and every fourth.

    In between, energies are linear to better than 0.02 keV.
    """
    every = np.arange(0, len(cells) + 1, 4)
    borders = np.nonzero(np.diff(cells.layer))[0] + 1
    return np.unique(np.concatenate([every, borders, [len(cells)]]))


def _between(at: Floats, known: Floats, values: Floats) -> Floats:
    """Read each column of ``values`` (known, states) at the depths ``at``."""
    return np.stack([np.interp(at, known, column) for column in values.T], axis=1)
