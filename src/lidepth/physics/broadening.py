"""How wide a line becomes on its way out: straggling, scattering, exit angles, uneven layers.

All widths are standard deviations in keV of the energy with which a particle born at one depth
reaches the detector side.  One rule carries every disturbance outwards: a change of path dx in
layer i changes the exit energy by

    dE_exit = g_i dx,   g_i = S_i(out_i) * prod_(j<i) S_j(out_j) / S_j(in_j)

where in_j and out_j are the energies on entering and on leaving layer j (layer 0 is outermost).
It holds because R_i(out_i) = R_i(in_i) - x_i in every layer, and to first order in dx.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from lidepth.constants import AMU_KEV, BOHR_KEV2_PER_1E15
from lidepth.errors import BadData, OutOfRange, UsageError
from lidepth.model.material import Material, atomic_number
from lidepth.model.stack import Stack
from lidepth.physics.range_table import Array, RangeTable, range_of_root, stopping_at
from lidepth.physics.transport import StackTransport

if TYPE_CHECKING:
    from lidepth.physics.reactions import Projectile

FixedDirection = Literal["exit", "birth"]

_POINTS = 16  # Gauss-Legendre points in sqrt(E) per layer: 1e-9 of the integrals in thick layers
_FINE_STRUCTURE = 1.0 / 137.035999
_CORE_FRACTION = 0.98  # F of Lynch and Dahl: the Gaussian is fitted to this part of the angles


@dataclass(frozen=True, kw_only=True, eq=False)
class EnergyWidths:
    """Standard deviations of the exit energy, in keV, and their causes; all of one shape.

    ``scattering_angle_rad`` is the planar angle that the particle has turned through.  Particles
    that stop inside have exit energy 0 and every width 0.
    """

    exit_energy_kev: Array
    straggling_kev: Array
    scattering_kev: Array
    angle_kev: Array
    thickness_kev: Array
    scattering_angle_rad: Array

    @property
    def total_kev(self) -> Array:
        """All causes in quadrature: they are independent of each other."""
        parts = (self.straggling_kev, self.scattering_kev, self.angle_kev, self.thickness_kev)
        return np.sqrt(sum((np.square(part) for part in parts), np.zeros(())))


def energy_widths(
    transport: StackTransport,
    stack: Stack,
    projectile: Projectile,
    *,
    depth_1e15: ArrayLike,
    birth_energy_kev: ArrayLike,
    angle_spread_deg: float = 0.0,
    thickness_spread: Sequence[float] | None = None,
    fixed_direction: FixedDirection = "exit",
) -> EnergyWidths:
    """Return the widths of the lines of particles born at the given depths.

    ``angle_spread_deg`` is the standard deviation of the accepted exit angles, in and out of the
    plane of emission; ``thickness_spread`` the relative lateral standard deviation of each layer's
    thickness over the spot.  ``fixed_direction``: a detector far away fixes the direction in which
    particles leave ("exit"); a beam of particles all sent off in one direction, as transport
    codes simulate it, fixes the direction of birth ("birth").

    Valid while each width is small beside the exit energy, and below about 60 degrees from the
    normal, where scattering is still a first-order change of path.  Where a particle barely gets
    out, the scattering width is held to the energy that it has lost.
    """
    spreads = _checked(transport, stack, angle_spread_deg, thickness_spread, fixed_direction)
    depth, birth = np.broadcast_arrays(
        np.asarray(depth_1e15, np.float64), np.asarray(birth_energy_kev, np.float64)
    )
    energies = transport.interface_energies(depth, birth)
    out = energies[0] > 0.0
    walk = _walk(transport, stack, projectile, depth.reshape(-1)[out], energies[:, out])
    tangent = math.sqrt(transport.path_factor**2 - 1.0)
    turned, log_factor = _scattering_sums(walk)
    parts = (
        np.sqrt(walk[0].variance),
        np.minimum(
            tangent * np.sqrt(log_factor * _scattering_variance(walk, fixed_direction)),
            energies[-1, out] - energies[0, out],
        ),
        _angle_width(walk, tangent, math.radians(angle_spread_deg)),
        np.sqrt(
            sum(
                (
                    np.square(f * step.gain * step.path)
                    for f, step in zip(spreads, walk, strict=True)
                ),
                np.zeros(out.sum()),
            )
        ),
        np.sqrt(log_factor * turned),
    )
    full = [np.zeros(out.size) for _ in parts]
    for whole, part in zip(full, parts, strict=True):
        whole[out] = part
    straggling, scattering, angle, thickness, turn = (a.reshape(depth.shape) for a in full)
    return EnergyWidths(
        exit_energy_kev=energies[0].reshape(depth.shape),
        straggling_kev=straggling,
        scattering_kev=scattering,
        angle_kev=angle,
        thickness_kev=thickness,
        scattering_angle_rad=turn,
    )


def bohr_kev2_per_1e15(material: Material, projectile: Projectile) -> float:
    """Bohr's energy-loss variance per 1e15 atoms/cm2, in keV^2.

    W = 4 pi e^4 z^2 sum_k f_k Z_k (N. Bohr, Mat. Fys. Medd. Dan. Vid. Selsk. 18 (1948) no. 8);
    for fast bare projectiles, alphas above about 1 MeV and tritons above 0.3 MeV.
    """
    electrons = sum(share * atomic_number(k) for k, share in material.fractions.items())
    return BOHR_KEV2_PER_1E15 * projectile.atomic_number**2 * electrons


def lynch_dahl_variance(chi_c2: Array, chi_a2: Array) -> Array:
    """Return the planar variance of multiple scattering, in rad^2.

    sigma^2 = chi_c^2 / (1 + F^2) [(1 + v)/v ln(1 + v) - 1], v = Omega / (2 (1 - F)),
    Omega = chi_c^2 / chi_a^2, F = 0.98: Lynch and Dahl, Nucl. Instr. Meth. B 58 (1991) 6, eq. 7;
    good to 2 % of Moliere's theory for 10 < Omega < 1e8.
    """
    safe = np.maximum(chi_a2, 1e-300)
    v = np.maximum(0.5 * chi_c2 / safe / (1.0 - _CORE_FRACTION), 1e-12)
    shape: Array = (1.0 + v) / v * np.log1p(v) - 1.0
    return np.asarray(chi_c2 * shape / (1.0 + _CORE_FRACTION**2))


def scattering_power(
    material: Material, projectile: Projectile, energy_kev: Array
) -> tuple[Array, Array]:
    """Return chi_c^2 per 1e15 atoms/cm2 and the mean ln(chi_a^2) of a compound, in rad^2.

    chi_c^2 = 4 pi e^4 z^2 sum f_k Z_k (Z_k + 1) / (p v)^2;
    chi_a^2 = 2.007e-5 Z^(2/3) [1 + 3.34 (Z z alpha / beta)^2] / (p c / MeV)^2, its logarithm
    averaged with the weights f_k Z_k (Z_k + 1): Lynch and Dahl, Nucl. Instr. Meth. B 58 (1991) 6.
    """
    mass_kev = projectile.mass_u * AMU_KEV
    momentum2 = energy_kev * (energy_kev + 2.0 * mass_kev)
    beta2 = momentum2 / (energy_kev + mass_kev) ** 2
    charge = projectile.atomic_number
    weights, logs = 0.0, np.zeros_like(energy_kev)
    for symbol, share in material.fractions.items():
        z = atomic_number(symbol)
        weight = share * z * (z + 1)
        screen = 1.0 + 3.34 * (z * charge * _FINE_STRUCTURE) ** 2 / beta2
        logs += weight * np.log(20.07 * z ** (2.0 / 3.0) * screen / momentum2)
        weights += weight
    power = BOHR_KEV2_PER_1E15 * charge**2 * weights / (momentum2 * beta2)
    return power, logs / weights


@dataclass(kw_only=True, eq=False)
class _Step:
    """One layer on the way out: path, Bohr variance at its outer edge, moments of scattering.

    ``moments`` are int T s^k ds for k = 0, 1, 2, s counted from where the particle enters;
    ``gain`` is g of the module's head, filled in on the way back in.
    """

    path: Array
    variance: Array
    moments: Array
    logs: Array
    stopping_in: Array
    stopping_out: Array
    gain: Array


def _walk(
    transport: StackTransport, stack: Stack, projectile: Projectile, depth: Array, energies: Array
) -> list[_Step]:
    """Carry the variance outwards, then the gains inwards; the list starts at the outer layer."""
    variance = np.zeros(depth.size)
    steps: list[_Step] = []
    for layer in range(len(transport.tables) - 1, -1, -1):
        step = _step(
            transport.tables[layer],
            stack.layers[layer].material,
            projectile,
            energies[layer + 1],
            energies[layer],
            variance,
        )
        steps.insert(0, step)
        variance = step.variance
    chain = np.ones(depth.size)
    for step in steps:
        step.gain = chain * step.stopping_out
        chain = step.gain / step.stopping_in
    return steps


def _step(
    table: RangeTable,
    material: Material,
    projectile: Projectile,
    energy_in: Array,
    energy_out: Array,
    variance: Array,
) -> _Step:
    """Cross one layer: V2 = (S2/S1)^2 V1 + S2^2 W int dE/S^3, and the scattering moments."""
    points, weights = np.polynomial.legendre.leggauss(_POINTS)
    root_in, root_out = np.sqrt(energy_in), np.sqrt(energy_out)
    half = 0.5 * (root_in - root_out)
    root = root_out + half * (points[:, None] + 1.0)
    energy = np.square(root)
    stopping = stopping_at(table.stopping, energy.reshape(-1)).reshape(energy.shape)
    ds = weights[:, None] * half * 2.0 * root / stopping
    range_in = range_of_root(table, root_in)
    travelled = range_in - range_of_root(table, root)
    power, log_screen = scattering_power(material, projectile, energy)
    first, last = (stopping_at(table.stopping, edge) for edge in (energy_in, energy_out))
    bohr = bohr_kev2_per_1e15(material, projectile)
    spread = (last / first) ** 2 * variance + last**2 * bohr * np.sum(ds / stopping**2, axis=0)
    return _Step(
        path=range_in - range_of_root(table, root_out),
        variance=spread,
        moments=np.stack([np.sum(ds * power * travelled**k, axis=0) for k in range(3)]),
        logs=np.sum(ds * power * log_screen, axis=0),
        stopping_in=first,
        stopping_out=last,
        gain=np.empty(0),
    )


def _scattering_sums(walk: Sequence[_Step]) -> tuple[Array, Array]:
    """Return chi_c^2 of the whole path, and sigma^2 / chi_c^2 by Lynch and Dahl for all of it."""
    chi_c2 = np.sum([step.moments[0] for step in walk], axis=0)
    some = chi_c2 > 0.0
    safe = np.where(some, chi_c2, 1.0)
    chi_a2 = np.exp(np.sum([step.logs for step in walk], axis=0) / safe)
    return chi_c2, np.where(some, lynch_dahl_variance(safe, chi_a2) / safe, 0.0)


def _scattering_variance(walk: Sequence[_Step], fixed: FixedDirection) -> Array:
    """Return int T(s) C(s)^2 ds, C the energy per radian and tangent of a deflection at s.

    A deflection by phi lengthens the path that lies on its far side of the fixed direction by
    tan(theta) phi ds: everything between birth and s when the direction of exit is fixed,
    everything between s and the surface when that of birth is.
    """
    total = np.zeros(walk[0].path.size)
    outside = np.zeros_like(total)
    inside = np.sum([step.gain * step.path for step in walk], axis=0)
    for step in walk:
        whole = step.gain * step.path
        inside = inside - whole
        base, slope = (inside, step.gain) if fixed == "exit" else (outside + whole, -step.gain)
        zeroth, first, second = step.moments
        total += base**2 * zeroth + 2.0 * base * slope * first + slope**2 * second
        outside = outside + whole
    return np.maximum(total, 0.0)


def _angle_width(walk: Sequence[_Step], tangent: float, spread_rad: float) -> Array:
    """Return the width from a spread of exit angles, to second order in the spread.

    E' = G tan(theta), E'' = G (tan^2 + sec^2) in the plane and G across it, with G = sum g_i x_i;
    variance E'^2 s^2 + (E''^2 + E''_across^2) s^4 / 2.  The change of g itself is left out.
    """
    whole = np.sum([step.gain * step.path for step in walk], axis=0)
    second = ((2.0 * tangent**2 + 1.0) ** 2 + 1.0) * spread_rad**4 / 2.0
    width: Array = np.abs(whole) * math.sqrt(tangent**2 * spread_rad**2 + second)
    return width


def _checked(
    transport: StackTransport,
    stack: Stack,
    angle_spread_deg: float,
    thickness_spread: Sequence[float] | None,
    fixed_direction: str,
) -> tuple[float, ...]:
    if fixed_direction not in get_args(FixedDirection):
        raise UsageError(
            f"unknown fixed_direction {fixed_direction!r}",
            expected=" or ".join(get_args(FixedDirection)),
        )
    if len(stack) != len(transport.tables):
        raise BadData(f"{len(stack)} layers in the stack, {len(transport.tables)} in its transport")
    if not 0.0 <= angle_spread_deg < 30.0:
        raise OutOfRange(
            f"a spread of exit angles of {angle_spread_deg!r} deg cannot be handled",
            expected="a standard deviation from 0 to 30 degrees",
        )
    spreads = tuple(thickness_spread) if thickness_spread is not None else (0.0,) * len(stack)
    if len(spreads) != len(stack) or not all(0.0 <= f <= 1.0 for f in spreads):
        raise OutOfRange(
            f"thickness spreads {spreads!r} do not fit {len(stack)} layers",
            expected="one relative spread from 0 to 1 for every layer",
        )
    return spreads
