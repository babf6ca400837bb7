"""The instrument: reaction, exit geometry, detector."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lidepth.errors import OutOfRange
from lidepth.model.calibration import Calibration


@dataclass(frozen=True, kw_only=True)
class Detector:
    """A charged-particle detector.

    ``fwhm_kev`` is its energy resolution (full width at half maximum), known to the relative
    standard uncertainty ``fwhm_rel_std``; ``dead_time_s`` per count, if live times were not given.
    """

    fwhm_kev: float
    fwhm_rel_std: float = 0.15
    dead_time_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.fwhm_kev < 500:
            raise OutOfRange(
                f"detector resolution {self.fwhm_kev!r} keV cannot be",
                expected="a full width at half maximum between 0 and 500 keV",
            )

    @property
    def sigma_kev(self) -> float:
        """Standard deviation of the Gaussian resolution, in keV."""
        return self.fwhm_kev / (2.0 * math.sqrt(2.0 * math.log(2.0)))


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """What stands around the cell.

    ``exit_angle_deg`` is the angle between the surface normal and the particle path to the
    detector (not the angle between the cell and the neutron beam); ``exit_angle_spread_deg`` is
    the standard deviation of that angle over the detector's aperture.  ``isotope`` names the
    reaction (lidepth.physics.reactions); ``stopping`` the stopping-power source.
    """

    detector: Detector
    calibration: Calibration
    exit_angle_deg: float = 0.0
    exit_angle_spread_deg: float = 0.0
    isotope: str = "6Li"
    stopping: str = "icru49"

    def __post_init__(self) -> None:
        if not 0 <= self.exit_angle_deg < 85:
            raise OutOfRange(
                f"exit angle {self.exit_angle_deg!r} deg cannot be",
                expected="0 deg (along the surface normal) to less than 85 deg",
            )
        if not 0 <= self.exit_angle_spread_deg < 30:
            raise OutOfRange(f"exit-angle spread {self.exit_angle_spread_deg!r} deg cannot be")

    @property
    def path_factor(self) -> float:
        """Path length over depth, 1/cos(exit angle)."""
        return 1.0 / math.cos(math.radians(self.exit_angle_deg))
