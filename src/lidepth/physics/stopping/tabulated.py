"""Stopping powers that come as points: interpolation and choice, for files and for samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from lidepth.errors import BadInput, OutOfRange, Truncated, WrongFormat
from lidepth.model.material import Material
from lidepth.physics.reactions import Projectile
from lidepth.physics.stopping.nist import loglog_curve
from lidepth.physics.stopping.nuclear import bragg_nuclear
from lidepth.physics.stopping.source import Array, checked_energies, prior_relative_std

_MASS_TOLERANCE = 0.01
_FRACTION_TOLERANCE = 2e-3
_HIGHEST_START_KEV = 100.0
_FEWEST_POINTS = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class StoppingPoints:
    """Stopping powers of one projectile in one material, in keV per 1e15 atoms/cm2.

    ``nuclear`` is None where the file had none; the universal curve then stands in.  Points are
    joined by a cubic spline of logarithms.  Below the first energy both parts fall as sqrt(E).
    """

    atomic_number: int
    mass_u: float
    fractions: Mapping[str, float]
    energy_kev: Array
    electronic_kev_1e15: Array
    nuclear_kev_1e15: Array | None
    where: str

    def __post_init__(self) -> None:
        energies = self.energy_kev
        if energies.size < _FEWEST_POINTS:
            raise Truncated(
                f"only {energies.size} stopping powers",
                where=self.where,
                expected=f"at least {_FEWEST_POINTS} energies",
            )
        if not (
            np.all(np.isfinite(energies)) and energies[0] > 0 and np.all(np.diff(energies) > 0)
        ):
            raise WrongFormat(
                "the energies do not rise from line to line",
                where=self.where,
                expected="each energy once, in rising order",
            )
        columns = [self.electronic_kev_1e15]
        columns += [] if self.nuclear_kev_1e15 is None else [self.nuclear_kev_1e15]
        for column in columns:
            if not (np.all(np.isfinite(column)) and np.all(column > 0)):
                raise OutOfRange(
                    "a stopping power is not a positive number",
                    where=self.where,
                    expected="stopping powers above zero",
                )

    def serves(self, projectile: Projectile, material: Material) -> bool:
        """Tell whether these points are of this particle in this composition."""
        fractions = material.fractions
        return (
            self.atomic_number == projectile.atomic_number
            and math.isclose(self.mass_u, projectile.mass_u, rel_tol=_MASS_TOLERANCE)
            and fractions.keys() == self.fractions.keys()
            and all(
                abs(fractions[symbol] - share) < _FRACTION_TOLERANCE
                for symbol, share in self.fractions.items()
            )
        )

    @cached_property
    def _electronic_curve(self) -> Callable[[Array], Array]:
        return loglog_curve(self.energy_kev, self.electronic_kev_1e15)

    @cached_property
    def _nuclear_curve(self) -> Callable[[Array], Array] | None:
        points = self.nuclear_kev_1e15
        return None if points is None else loglog_curve(self.energy_kev, points)

    def electronic(self, energy_kev: ArrayLike) -> Array:
        """Electronic stopping power; raises OutOfRange above the last energy."""
        energies = self._inside(energy_kev)
        return self._electronic_curve(energies) * self._below(energies)

    def nuclear(self, projectile: Projectile, material: Material, energy_kev: ArrayLike) -> Array:
        """Nuclear stopping power; raises OutOfRange above the last energy."""
        energies = self._inside(energy_kev)
        if self._nuclear_curve is None:
            return bragg_nuclear(projectile, material, energies)
        return self._nuclear_curve(energies) * self._below(energies)

    def _below(self, energies: Array) -> Array:
        return np.asarray(np.sqrt(np.minimum(energies / self.energy_kev[0], 1.0)), dtype=np.float64)

    def _inside(self, energy_kev: ArrayLike) -> Array:
        energies = checked_energies(energy_kev)
        first, last = float(self.energy_kev[0]), float(self.energy_kev[-1])
        highest = float(np.max(energies, initial=0.0))
        if highest > last * (1.0 + 1e-9):
            raise OutOfRange(
                f"no stopping power at {highest:g} keV: the table ends at {last:g} keV",
                where=self.where,
                remedy="make the table again up to a higher energy",
            )
        if first > _HIGHEST_START_KEV and energies.size and float(np.min(energies)) < first:
            raise OutOfRange(
                f"the table starts at {first:g} keV, too high to continue it downwards",
                where=self.where,
                expected=f"a first energy of {_HIGHEST_START_KEV:g} keV or less",
            )
        return energies


@dataclass(frozen=True)
class TabulatedSource:
    """A source made of tables from files, each used only for exactly its particle and material."""

    name: str
    tables: tuple[StoppingPoints, ...]

    def _table(self, projectile: Projectile, material: Material) -> StoppingPoints:
        for table in self.tables:
            if table.serves(projectile, material):
                return table
        raise BadInput(
            f"no stopping table for {projectile.name} in {material.name}",
            where=self.name,
            expected="one of the tables read: " + "; ".join(t.where for t in self.tables),
            remedy=f"add a table of Z = {projectile.atomic_number}, mass {projectile.mass_u:.3f} u "
            f"in {material.formula}, or choose another source",
        )

    def electronic(
        self, projectile: Projectile, material: Material, energy_kev: ArrayLike
    ) -> Array:
        """Electronic stopping power, keV per 1e15 atoms/cm2."""
        return self._table(projectile, material).electronic(energy_kev)

    def nuclear(self, projectile: Projectile, material: Material, energy_kev: ArrayLike) -> Array:
        """Nuclear stopping power, keV per 1e15 atoms/cm2."""
        return self._table(projectile, material).nuclear(projectile, material, energy_kev)

    def relative_std(
        self, projectile: Projectile, material: Material, energy_kev: ArrayLike
    ) -> Array:
        """Relative standard uncertainty of any published table."""
        return prior_relative_std(projectile, material, energy_kev, measured=False)
