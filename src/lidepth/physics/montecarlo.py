"""Condensed-history Monte Carlo: the check on the closed formulas, and nothing else.

Particles walk outwards in short steps of depth.  Every step takes the stopping at its own middle,
adds a Gaussian of Bohr's variance to the energy and a Gaussian kick to each of two planar angles,
and lengthens with the angle it has.  No range table, no propagated variance, no expansion in
angles: what the formulas of :mod:`lidepth.physics.broadening` assume, this finds out.  Shared with
them: Bohr's variance per atom and the scattering power of Lynch and Dahl.

Use it for shapes and widths; means come from the range tables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lidepth.constants import AMU_KEV
from lidepth.errors import BadData, OutOfRange
from lidepth.model.material import Material
from lidepth.model.stack import Stack
from lidepth.physics.broadening import (
    bohr_kev2_per_1e15,
    lynch_dahl_variance,
    scattering_power,
)
from lidepth.physics.range_table import Array, StoppingFunction, stopping_at

if TYPE_CHECKING:
    from lidepth.physics.reactions import Projectile

_STOPPED_KEV = 5.0  # below this a history ends: less than 0.1 um is left to go in any solid
_LEAST_COSINE = 0.05  # a particle that runs flatter than 87 degrees to the normal is given up
_BLOCK = 4096  # particles walked together: their work arrays stay in the cache
_TABLE_POINTS = 4000  # stopping on a uniform grid of sqrt(E), joined by straight lines


@dataclass(frozen=True, kw_only=True, eq=False)
class Histories:
    """What became of each history: shape (histories,).

    ``exit_energy_kev`` is 0 for those that stopped inside; angles are from the surface normal, in
    the plane of emission (``exit_angle_rad``, ``birth_angle_rad``) and across it.
    """

    exit_energy_kev: Array
    exit_angle_rad: Array
    across_angle_rad: Array
    birth_angle_rad: Array

    @property
    def left(self) -> NDArray[np.bool_]:
        """Which histories left the stack."""
        return self.exit_energy_kev > 0.0

    def leaving_near(self, angle_deg: float, half_width_deg: float) -> Array:
        """Exit energies of those that left within ``half_width_deg`` of a planar angle."""
        off = np.abs(self.exit_angle_rad - math.radians(angle_deg))
        energies: Array = self.exit_energy_kev[self.left & (off <= math.radians(half_width_deg))]
        return energies


def simulate(
    stack: Stack,
    stopping: Sequence[StoppingFunction],
    projectile: Projectile,
    *,
    depth_1e15: float,
    birth_energy_kev: float,
    emission_angle_deg: float,
    emission_half_width_deg: float = 0.0,
    histories: int,
    seed: int,
    steps: int = 48,
    straggling: bool = True,
    scattering: bool = True,
) -> Histories:
    """Follow particles born at one depth to the detector side.

    ``stopping`` gives S in keV per 1e15 atoms/cm2 for each layer.  With
    ``emission_half_width_deg`` the planar birth angles are uniform about ``emission_angle_deg``:
    a local piece of an isotropic source, from which :meth:`Histories.leaving_near` picks what a
    far detector sees.
    """
    _check(stack, stopping, depth_1e15, histories, steps)
    rng = np.random.default_rng(seed)
    slabs = _slabs(stack, stopping, projectile, depth_1e15, birth_energy_kev, steps)
    centre = math.radians(emission_angle_deg)
    log_factor = _central_log_factor(slabs, projectile, birth_energy_kev, centre)
    half = math.radians(emission_half_width_deg)
    born = centre + (rng.uniform(-half, half, histories) if half > 0 else np.zeros(histories))
    energy = np.full(histories, float(birth_energy_kev))
    plane, across = born.copy(), np.zeros(histories)
    strengths = (log_factor if scattering else 0.0, float(straggling))
    for start in range(0, histories, _BLOCK):
        part = slice(start, start + _BLOCK)
        for slab in slabs:
            _leave(slab, energy[part], plane[part], across[part], strengths, rng)
    return Histories(
        exit_energy_kev=energy,
        exit_angle_rad=plane,
        across_angle_rad=across,
        birth_angle_rad=born,
    )


def _leave(
    slab: _Slab,
    energy: Array,
    plane: Array,
    across: Array,
    strengths: tuple[float, float],
    rng: np.random.Generator,
) -> None:
    """Walk one block of particles out of one slab, in place.

    ``strengths`` multiply the variances of scattering and of straggling.
    """
    scatter, straggle = strengths
    cosine = _cosine(plane, across)
    for _ in range(slab.steps):
        normal = rng.standard_normal((3, energy.size))
        sigma = np.sqrt(scatter * slab.depth_step * slab.power(energy) / cosine)
        normal[:2] *= sigma
        path = slab.depth_step / _cosine(plane + 0.5 * normal[0], across + 0.5 * normal[1])
        energy[:] = _slowed(slab, energy, path)
        energy += np.sqrt(straggle * slab.bohr * path) * normal[2]
        plane += normal[0]
        across += normal[1]
        cosine = _cosine(plane, across)
        energy[(energy < _STOPPED_KEV) | (cosine <= _LEAST_COSINE)] = 0.0


def sigma68(energies_kev: Array) -> float:
    """Half the span of the middle 68.27 % of the values: a width that tails do not inflate."""
    low, high = np.quantile(energies_kev, [0.158655, 0.841345])
    return float(high - low) / 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class _Slab:
    """One layer, or the part of it above the birth depth, cut into equal steps of depth."""

    material: Material
    projectile: Projectile
    steps: int
    depth_step: float
    bohr: float
    power_at_speed: float
    per_root: float
    values: Array

    def stopping(self, energy_kev: Array) -> Array:
        position = np.sqrt(np.maximum(energy_kev, 0.0)) * self.per_root
        cell = np.minimum(position.astype(np.intp), self.values.size - 2)
        low = self.values.take(cell)
        result: Array = low + (position - cell) * (self.values.take(cell + 1) - low)
        return result

    def power(self, energy_kev: Array) -> Array:
        """chi_c^2 per 1e15 atoms/cm2, which goes as (p v)^-2."""
        speed = _momentum_speed(np.maximum(energy_kev, _STOPPED_KEV), self.projectile)
        result: Array = self.power_at_speed / (speed * speed)
        return result


def _power_at_speed(material: Material, projectile: Projectile) -> float:
    """Scattering power times (p v)^2, which no longer depends on energy."""
    at = np.array([1000.0])
    power, _ = scattering_power(material, projectile, at)
    return float(power[0] * _momentum_speed(at, projectile)[0] ** 2)


def _momentum_speed(energy_kev: Array | float, projectile: Projectile) -> Array:
    """Momentum times speed, p v = T (T + 2 M) / (T + M)."""
    mass = projectile.mass_u * AMU_KEV
    return np.asarray(energy_kev * (energy_kev + 2.0 * mass) / (energy_kev + mass))


def _slowed(slab: _Slab, energy: Array, path: Array) -> Array:
    """One step of the midpoint rule for dE/dx = -S(E)."""
    middle = energy - 0.5 * path * slab.stopping(energy)
    return np.asarray(energy - path * slab.stopping(middle))


def _cosine(plane: Array, across: Array) -> Array:
    return np.asarray(np.maximum(np.cos(plane) * np.cos(across), _LEAST_COSINE))


def _slabs(
    stack: Stack,
    stopping: Sequence[StoppingFunction],
    projectile: Projectile,
    depth_1e15: float,
    birth_energy_kev: float,
    steps: int,
) -> list[_Slab]:
    """Layers above the birth depth, deepest first, steps shared out by areal density."""
    top = 1.2 * birth_energy_kev + 100.0
    roots = np.linspace(0.0, math.sqrt(top), _TABLE_POINTS)
    edges = stack.interfaces_1e15
    slabs = []
    for number in range(len(stack) - 1, -1, -1):
        thick = min(depth_1e15, float(edges[number + 1])) - float(edges[number])
        if thick <= 0.0:
            continue
        material = stack.layers[number].material
        count = max(4, round(steps * thick / depth_1e15))
        slabs.append(
            _Slab(
                material=material,
                projectile=projectile,
                steps=count,
                depth_step=thick / count,
                bohr=bohr_kev2_per_1e15(material, projectile),
                power_at_speed=_power_at_speed(material, projectile),
                per_root=(_TABLE_POINTS - 1) / math.sqrt(top),
                values=stopping_at(stopping[number], roots**2),
            )
        )
    return slabs


def _central_log_factor(
    slabs: Sequence[_Slab], projectile: Projectile, birth_energy_kev: float, angle_rad: float
) -> float:
    """Lynch and Dahl's sigma^2 / chi_c^2 for the whole undisturbed path.

    Their width is not additive over steps (it holds a logarithm of the number of collisions), so
    the factor is taken once for all, and the steps share chi_c^2, which is additive.
    """
    energy = np.array([float(birth_energy_kev)])
    chi_c2, logs = 0.0, 0.0
    for slab in slabs:
        path = np.array([slab.depth_step / math.cos(angle_rad)])
        for _ in range(slab.steps):
            after = _slowed(slab, energy, path)
            middle = np.maximum(0.5 * (energy + after), _STOPPED_KEV)
            power, log_screen = scattering_power(slab.material, projectile, middle)
            chi_c2 += float(power[0] * path[0])
            logs += float(power[0] * path[0] * log_screen[0])
            energy = np.maximum(after, _STOPPED_KEV)
    if chi_c2 == 0.0:
        return 0.0
    chi_a2 = math.exp(logs / chi_c2)
    return float(lynch_dahl_variance(np.array(chi_c2), np.array(chi_a2))) / chi_c2


def _check(
    stack: Stack,
    stopping: Sequence[StoppingFunction],
    depth_1e15: float,
    histories: int,
    steps: int,
) -> None:
    if len(stopping) != len(stack):
        raise BadData(f"{len(stopping)} stopping functions for {len(stack)} layers")
    total = float(stack.interfaces_1e15[-1])
    if not 0.0 <= depth_1e15 <= total + 0.01:
        raise OutOfRange(
            f"birth depth {depth_1e15!r} is not in the stack",
            expected=f"0 to {total:g} (1e15 atoms/cm2)",
        )
    if histories < 1 or steps < 1:
        raise OutOfRange("a simulation needs at least one history and one step")
