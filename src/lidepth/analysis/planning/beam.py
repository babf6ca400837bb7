"""Count rates from beam and geometry.

Rate per 1e15 target atoms/cm2 and kind of particle: R = sigma phi A Omega / (4 pi) 1e15, with the
thermal cross section sigma, the thermal equivalent flux phi, the irradiated area A and the solid
angle Omega of the detector.  A round detector of radius a on the axis at the distance d covers
Omega = 2 pi (1 - d / sqrt(d^2 + a^2)); its exit angles, and those of a round spot of radius s,
spread by sqrt(a^2 + s^2) / (2 d) about the mean (a uniform disc has the variance a^2/4 along each
axis; first order in a/d).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from lidepth.errors import OutOfRange
from lidepth.physics.reactions import reactions_of

WIDEST_DEG = 20.0
"""Spread of exit angles beyond which the second-order width of physics.broadening is not used."""


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """A round detector on the axis of the exit angle.

    ``distance_cm`` from the irradiated spot of ``spot_cm2`` to the detector of ``detector_cm2``.
    """

    distance_cm: float
    detector_cm2: float
    spot_cm2: float = 0.5

    def __post_init__(self) -> None:
        for name in ("distance_cm", "detector_cm2", "spot_cm2"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise OutOfRange(f"{name} = {value!r} cannot be", expected="more than zero")

    @property
    def solid_angle_sr(self) -> float:
        """Solid angle of the detector seen from the middle of the spot."""
        slant_cm = math.hypot(self.distance_cm, math.sqrt(self.detector_cm2 / math.pi))
        return 2.0 * math.pi * (1.0 - self.distance_cm / slant_cm)

    @property
    def angle_spread_deg(self) -> float:
        """Standard deviation of the exit angle over detector and spot."""
        radius = math.sqrt((self.detector_cm2 + self.spot_cm2) / math.pi)
        return math.degrees(radius / (2.0 * self.distance_cm))

    def at(self, distance_cm: float) -> Geometry:
        """Return the same detector at another distance."""
        return replace(self, distance_cm=distance_cm)


def rate_per_1e15(isotope: str, *, flux_cm2_s: float, geometry: Geometry) -> float:
    """Counts per second of each kind of particle per 1e15/cm2 of the isotope.

    ``flux_cm2_s`` is the thermal equivalent flux on the spot, in 1/cm2/s.
    """
    if not (math.isfinite(flux_cm2_s) and flux_cm2_s > 0):
        raise OutOfRange(f"a flux of {flux_cm2_s!r} /cm2/s cannot be", expected="more than zero")
    barns = sum(reaction.cross_section_b for reaction in reactions_of(isotope))
    captures = barns * 1e-24 * 1e15 * flux_cm2_s * geometry.spot_cm2
    return captures * geometry.solid_angle_sr / (4.0 * math.pi)
