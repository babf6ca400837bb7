"""Stopping sources that differ as much as published ones do: to see what a result owes to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec

import numpy as np

from lidepth.model.material import Material
from lidepth.model.stack import Stack
from lidepth.physics.reactions import Projectile
from lidepth.physics.stopping.icru49 import Icru49Source
from lidepth.physics.stopping.lunasrim_source import LunasrimSource
from lidepth.physics.stopping.source import Array, StoppingSource

COMPOUND_SCALE = 0.04
"""Relative error of Bragg additivity in compounds, alphas above 1.5 MeV (prior_relative_std)."""


@dataclass(frozen=True)
class ScaledSource:
    """Another source with the stopping of some materials, by formula, times a factor."""

    base: StoppingSource
    factors: Mapping[str, float] = field(hash=False)
    name: str = "scaled"

    def electronic(self, projectile: Projectile, material: Material, energy_kev: Array) -> Array:
        """Electronic stopping power, keV per 1e15 atoms/cm2."""
        stopping = self.base.electronic(projectile, material, energy_kev)
        return np.asarray(stopping * self.factors.get(material.formula, 1.0))

    def nuclear(self, projectile: Projectile, material: Material, energy_kev: Array) -> Array:
        """Nuclear stopping power, keV per 1e15 atoms/cm2."""
        return self.base.nuclear(projectile, material, energy_kev)

    def relative_std(self, projectile: Projectile, material: Material, energy_kev: Array) -> Array:
        """Relative standard uncertainty, as the other source states it."""
        return self.base.relative_std(projectile, material, energy_kev)


def stopping_ensemble(stack: Stack, source: StoppingSource) -> tuple[StoppingSource, ...]:
    """Sources to compare ``source`` with.

    The same with all compounds of the stack stopping more and less by COMPOUND_SCALE, ICRU49, and
    SRIM by LunaSRIM where that is installed; ``source`` itself is not repeated.
    """
    compounds = {layer.material.formula for layer in stack if len(layer.material.composition) > 1}
    found: list[StoppingSource] = [
        ScaledSource(
            base=source, factors=dict.fromkeys(compounds, factor),
            name=f"{source.name}, compounds {100 * (factor - 1):+.0f} %",
        )
        for factor in (1.0 + COMPOUND_SCALE, 1.0 - COMPOUND_SCALE)
    ]  # fmt: skip
    if source.name != "icru49":
        found.append(Icru49Source())
    if source.name != "lunasrim" and find_spec("lunasrim") is not None:
        found.append(LunasrimSource())
    return tuple(found)
