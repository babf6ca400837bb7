"""What is planned: the description of cell and instrument, and how the run is to go."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from lidepth.analysis.invert import MONITOR_STABILITY
from lidepth.analysis.planning.beam import Geometry
from lidepth.errors import OutOfRange
from lidepth.model.instrument import Instrument
from lidepth.model.stack import Stack

HOUR_S = 3600.0

BACKGROUND_SHARE = 5e-3
"""Background at 300 keV, counts/s/keV per count/s of one kind of particle, for want of a spectrum.

Assumed, with an e-fold of 60 keV; it weighs on what lies deepest alone."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """Cell and instrument, and how many particles reach the detector.

    ``rate`` counts/s of each kind of particle per 1e15/cm2 of the isotope; ``background``
    counts/s/keV at 300 keV, NaN for the usual share of the rate; ``geometry`` where it is known;
    ``area_cm2`` of the electrode; ``fitted`` the shared parameters, by name and as they are fitted
    (logarithms), where pristine spectra were there to fit.
    """

    stack: Stack
    instrument: Instrument
    rate: float
    background: float = math.nan
    geometry: Geometry | None = None
    area_cm2: float = 1.0
    area_rel_std: float = 0.02
    channels: int = 0
    fitted: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise OutOfRange(
                f"a count rate of {self.rate!r} per 1e15/cm2 cannot be", expected="more than zero"
            )
        if self.background <= 0:
            raise OutOfRange(f"background {self.background!r}", expected="more than zero")

    @property
    def usable_channels(self) -> int:
        """Channels of the spectra, or enough of them for every particle of the reaction."""
        scale = self.instrument.calibration
        return self.channels or math.ceil((3100.0 - scale.offset_kev) / scale.gain_kev)

    @property
    def has_roles(self) -> bool:
        """Whether it is a lithium cell with anode, electrolyte and cathode."""
        roles = {layer.role for layer in self.stack}
        return self.instrument.isotope == "6Li" and {"anode", "electrolyte", "cathode"} <= roles


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How the run is to go.

    ``count_s`` counting time of one state (a rest, or several 8-minute spectra summed);
    ``pristine_s`` of the uncharged cell; ``cycles`` how many; ``first_charge_uah`` NaN for three
    lithium per atom of the anode; ``current_ua``; ``rest_s`` after every half cycle; ``residue``
    lithium left in the anode after a discharge and ``loss`` in the electrolyte after ``cycles``
    cycles, as fractions of the first charge, growing with the law of ``grown``.
    ``monitor_std`` how well the beam monitor follows the beam, ``reference_std`` how well a
    reference sample fixes the absolute rate, relative.  ``tied``: cathode tied to the charge and
    lithium conserved, as the default method does where there is a cycler log.
    """

    count_s: float = HOUR_S
    pristine_s: float = 12 * HOUR_S
    cycles: int = 30
    first_charge_uah: float = math.nan
    current_ua: float = 10.0
    rest_s: float = HOUR_S
    residue: float = 0.06
    loss: float = 0.22
    monitor_std: float = MONITOR_STABILITY
    reference_std: float = 0.01
    tied: bool = True

    def __post_init__(self) -> None:
        for name in ("count_s", "pristine_s", "current_ua", "cycles", "monitor_std",
                     "reference_std"):  # fmt: skip
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise OutOfRange(f"{name} = {value!r} cannot be", expected="more than zero")
        if not (math.isfinite(self.rest_s) and self.rest_s >= 0):
            raise OutOfRange(f"a rest of {self.rest_s!r} s cannot be", expected="zero or more")
        if not (0 <= self.residue < 1 and 0 < self.loss < 1 and self.residue + self.loss < 1):
            raise OutOfRange(
                "residue and loss are fractions of the first charge", expected="0 to 1"
            )
        if self.first_charge_uah <= 0:
            raise OutOfRange(f"a first charge of {self.first_charge_uah!r} uAh", expected="> 0")

    def grown(self, cycle: float) -> float:
        """Lithium lost to the electrolyte after ``cycle``, as a fraction of the first charge.

        The shape of the published curve, a fast part over nine cycles and a square root,
        0.16 (1 - exp(-n/9)) + 0.012 sqrt(n), scaled to ``loss`` at ``cycles``.
        """
        return self.loss * _published(cycle) / _published(float(self.cycles))


def _published(cycle: float) -> float:
    return -0.16 * math.expm1(-cycle / 9.0) + 0.012 * math.sqrt(max(cycle, 0.0))
