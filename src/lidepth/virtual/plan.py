"""The plan of a virtual campaign: everything that is true of it, and what is printed instead."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from lidepth.constants import LI_ATOMS_PER_UAH
from lidepth.errors import BadInput, OutOfRange
from lidepth.model.calibration import Calibration
from lidepth.model.cell_record import CellRecord
from lidepth.model.instrument import Detector, Instrument
from lidepth.model.material import Material
from lidepth.model.stack import Layer, Role, Stack

Driver = Literal["charge", "discharge", "throughput", "rest", "time", "none"]
Shape = Literal["front", "exponential"]
HOUR_S = 3600.0


def _check(holds: bool, what: str, expected: str = "") -> None:
    if not holds:
        raise OutOfRange(what, where="plan", expected=expected)


def paper_stack(overlayer_nm: float = 2060.0) -> Stack:
    """The published solid-state cell under a polymer overlayer of ``overlayer_nm`` Kapton."""

    def film(name: str, formula: str, density: float, nm: float, role: Role | None = None) -> Layer:
        return Layer(
            material=Material(formula=formula, density_g_cm3=density),
            thickness_nm=nm, name=name, role=role, thickness_rel_std=0.05,
        )  # fmt: skip

    coat = Layer(
        material=Material.named("Kapton"), thickness_nm=overlayer_nm, name="packaging",
        thickness_rel_std=0.25,
    )  # fmt: skip
    return Stack(
        layers=(
            coat,
            film("anode collector", "Cu", 8.96, 150.0),
            film("anode", "Si", 2.33, 50.0, "anode"),
            film("electrolyte", "Li3PO4", 2.32, 2000.0, "electrolyte"),
            film("cathode", "LiCoO2", 4.45, 550.0, "cathode"),
            film("cathode collector", "Pt", 21.4, 200.0),
        )
    )


def paper_instrument() -> Instrument:
    """A surface-barrier detector on the surface normal, 3 keV per channel."""
    return Instrument(
        detector=Detector(fwhm_kev=18.0, dead_time_s=20e-6),
        calibration=Calibration(offset_kev=2.0, gain_kev=3.0),
    )


@dataclass(frozen=True, kw_only=True)
class Cycling:
    """How the cell is driven.

    Times in s, charges in uAh, currents in uA.  ``later_current_ua`` flows after
    ``switch_cycle``; the rest after the charge of ``long_rest_cycle`` lasts ``long_rest_s``.
    ``residue`` is the lithium that stays in the anode at the end of a discharge, as a fraction
    of the first charge, with a standard deviation ``residue_wander`` from cycle to cycle;
    ``cathode_loss`` the fraction of its range that the cathode loses per cycle; ``coulomb_loss``
    the fraction of every charge that a side reaction carries and that moves no lithium: the cycler
    counts it, so that more seems to leave the cathode than comes back.  The discharge of
    ``hold_cycle`` goes on at constant voltage for ``hold_s``, in which a share ``hold_released``
    of the residue comes out.
    """

    pristine_s: float = 12 * HOUR_S
    cycles: int = 3
    first_charge_uah: float = 60.0
    current_ua: float = 10.0
    later_current_ua: float = 20.0
    switch_cycle: int = 30
    rest_s: float = HOUR_S
    long_rest_cycle: int | None = None
    long_rest_s: float = 21 * HOUR_S
    residue: float = 0.06
    residue_wander: float = 0.004
    cathode_loss: float = 0.0
    hold_cycle: int | None = None
    hold_s: float = 6 * HOUR_S
    hold_released: float = 0.8
    coulomb_loss: float = 0.0

    def __post_init__(self) -> None:
        _check(self.cycles >= 0, "the number of cycles cannot be negative")
        for name in (
            "pristine_s", "first_charge_uah", "current_ua", "later_current_ua", "hold_s",
        ):  # fmt: skip
            value = getattr(self, name)
            _check(math.isfinite(value) and value > 0, f"{name} = {value!r} is not above zero")
        for name in ("rest_s", "long_rest_s", "residue_wander"):
            value = getattr(self, name)
            _check(math.isfinite(value) and value >= 0, f"{name} = {value!r} is negative")
        _check(0 <= self.residue < 1, f"residue {self.residue!r}", "a fraction below 1")
        _check(0 <= self.hold_released <= 1, f"released {self.hold_released!r}", "0 to 1")
        for name in ("cathode_loss", "coulomb_loss"):
            value = getattr(self, name)
            _check(0 <= value < 1, f"{name.replace('_', ' ')} {value!r}", "0 to 1")

    def current_of(self, cycle: int) -> float:
        """Current of one cycle, in uA."""
        return self.current_ua if cycle <= self.switch_cycle else self.later_current_ua

    def rest_of(self, cycle: int) -> float:
        """Length of the rest after the charge of one cycle, in s."""
        return self.long_rest_s if cycle == self.long_rest_cycle else self.rest_s


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How lithium gets stuck in the electrolyte, and what silicon goes with it.

    The amount after n cycles, as a fraction of the first charge, is
    ``fast (1 - exp(-n / fast_cycles)) + slow sqrt(n)``; ``driver`` says in which phases it grows
    ("throughput": half of each cycle's growth on charge, half on discharge; "rest": at the rests
    of the cycle, by their lengths; "time": by the clock alone).
    It lies at the anode's side: as a ``front`` of ``saturation_li_cm3`` with the width
    ``width_nm``, or falling off exponentially over ``width_nm``.  ``li_per_silicon`` lithium atoms
    take one silicon atom along (0: none), up to ``silicon_cap`` of the film.
    """

    driver: Driver = "charge"
    fast: float = 0.16
    fast_cycles: float = 9.0
    slow: float = 0.012
    shape: Shape = "front"
    saturation_li_cm3: float = 6e21
    width_nm: float = 40.0
    li_per_silicon: float = 1.0
    silicon_cap: float = 0.25

    def __post_init__(self) -> None:
        for name, allowed in (("driver", get_args(Driver)), ("shape", get_args(Shape))):
            if getattr(self, name) not in allowed:
                raise BadInput(
                    f"{name} {getattr(self, name)!r} is not known",
                    where="plan.growth",
                    expected=", ".join(allowed),
                )
        for name in ("fast", "slow", "li_per_silicon"):
            value = getattr(self, name)
            _check(math.isfinite(value) and value >= 0, f"{name} = {value!r} is negative")
        _check(
            self.li_per_silicon == 0 or 1e-3 <= self.li_per_silicon <= 1e3,
            f"{self.li_per_silicon!r} lithium atoms per silicon atom",
            "0 (silicon stays), or 0.001 to 1000",
        )
        for name in ("fast_cycles", "saturation_li_cm3", "width_nm"):
            value = getattr(self, name)
            _check(math.isfinite(value) and value > 0, f"{name} = {value!r} is not above zero")
        _check(0 <= self.silicon_cap < 1, f"silicon cap {self.silicon_cap!r}", "a fraction below 1")

    def fraction(self, cycles: float) -> float:
        """Immobilised lithium after ``cycles``, as a fraction of the first charge."""
        if self.driver == "none" or cycles <= 0:
            return 0.0
        return self.fast * -math.expm1(-cycles / self.fast_cycles) + self.slow * math.sqrt(cycles)


@dataclass(frozen=True, kw_only=True)
class Beam:
    """Neutrons and what watches them.

    ``flux_cm2_s`` in neutrons/cm2/s (thermal) on ``aperture_cm2``; ``solid_angle_sr`` of the
    detector; ``wander_rel`` the relative standard deviation of the flux with correlation time
    ``wander_s``; ``off`` intervals (start, stop) in s; ``monitor_cps`` at nominal flux, times
    ``monitor_efficiency``, which drifts by ``monitor_drift`` (relative) over the campaign.
    """

    flux_cm2_s: float = 1e7
    aperture_cm2: float = 0.5
    solid_angle_sr: float = 0.02 * math.pi
    wander_rel: float = 0.01
    wander_s: float = 6 * HOUR_S
    off: tuple[tuple[float, float], ...] = ()
    monitor_cps: float = 60.0
    monitor_efficiency: float = 1.0
    monitor_drift: float = 0.0

    def __post_init__(self) -> None:
        for name in ("flux_cm2_s", "aperture_cm2", "solid_angle_sr", "wander_s"):
            value = getattr(self, name)
            _check(math.isfinite(value) and value > 0, f"{name} = {value!r} is not above zero")
        _check(self.solid_angle_sr <= 4 * math.pi, "a solid angle is at most 4 pi")
        for name in ("wander_rel", "monitor_cps", "monitor_efficiency"):
            value = getattr(self, name)
            _check(math.isfinite(value) and value >= 0, f"{name} = {value!r} is negative")
        _check(self.monitor_drift > -1, "the monitor cannot lose more than everything")
        for start, stop in self.off:
            _check(stop > start, f"the beam-off gap {start!r} to {stop!r} s does not end", "later")


@dataclass(frozen=True, kw_only=True)
class Counting:
    """What the detector chain does to the energies.

    Spectra of ``dwell_s`` in ``channels``.  ``tail_fraction`` of the events lose an exponential
    amount of mean ``tail_kev``; the overlayer's thickness varies from event to event with the
    standard deviation ``roughness_nm``; gain (relative) and offset (keV) drift linearly by
    ``gain_drift`` and ``offset_drift_kev`` over the campaign.  Background, above the
    discriminator at ``threshold_kev``: ``background_slope exp(-(E - 300 keV) / background_kev) +
    background_flat``, in counts/s/keV at nominal beam, and ``dark_cps`` flat without beam.
    """

    dwell_s: float = 480.0
    channels: int = 1024
    tail_fraction: float = 0.0
    tail_kev: float = 30.0
    roughness_nm: float = 0.0
    gain_drift: float = 0.0
    offset_drift_kev: float = 0.0
    threshold_kev: float = 150.0
    background_slope: float = 0.005
    background_kev: float = 60.0
    background_flat: float = 1e-5
    dark_cps: float = 0.01

    def __post_init__(self) -> None:
        for name in ("dwell_s", "channels", "tail_kev", "background_kev"):
            value = getattr(self, name)
            _check(math.isfinite(value) and value > 0, f"{name} = {value!r} is not above zero")
        for name in (
            "roughness_nm", "threshold_kev", "background_slope", "background_flat", "dark_cps",
        ):  # fmt: skip
            value = getattr(self, name)
            _check(math.isfinite(value) and value >= 0, f"{name} = {value!r} is negative")
        _check(0 <= self.tail_fraction <= 1, f"tail fraction {self.tail_fraction!r}", "0 to 1")


@dataclass(frozen=True, kw_only=True)
class CampaignPlan:
    """A whole campaign.

    ``stack`` and ``instrument`` are the truth; ``printed_stack`` and ``printed_instrument`` are
    what the experimenter believes (None: the truth).  ``stopping_scales`` multiplies the stopping
    powers of each layer of ``stack`` (empty: all one).  ``cell_nm`` is the largest fine cell.
    ``cell`` is a cell that was recorded, of the same films and area; without one ``cycling`` and
    ``growth`` tell the story of one, and with one they mean nothing.  The same plan and seed give
    the same campaign.
    """

    title: str = "virtual campaign"
    seed: int = 1
    start: str = "2024-01-08T09:00:00"
    area_cm2: float = 1.79
    stack: Stack = field(default_factory=paper_stack)
    printed_stack: Stack | None = field(default_factory=lambda: paper_stack(2000.0))
    stopping_scales: tuple[float, ...] = ()
    instrument: Instrument = field(default_factory=paper_instrument)
    printed_instrument: Instrument | None = None
    cycling: Cycling = field(default_factory=Cycling)
    growth: Growth = field(default_factory=Growth)
    beam: Beam = field(default_factory=Beam)
    counting: Counting = field(default_factory=Counting)
    cell_nm: float = 4.0
    cell: CellRecord | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check(0 < self.area_cm2 < 1e4, f"area {self.area_cm2!r} cm^2", "more than 0")
        _check(0.1 <= self.cell_nm <= 20, f"fine cells of {self.cell_nm!r} nm", "0.1 to 20 nm")
        _check(self.seed >= 0, f"seed {self.seed!r} is negative")
        if self.instrument.isotope != "6Li":
            raise BadInput(
                f"virtual campaigns of {self.instrument.isotope!r} are not known",
                where="plan.instrument.isotope",
                expected="6Li",
            )
        scales = self.stopping_scales
        _check(
            not scales or len(scales) == len(self.stack),
            f"{len(scales)} stopping scales for {len(self.stack)} layers",
            "one per layer",
        )
        _check(all(0.5 < scale < 2 for scale in scales), "a stopping scale is about one")

    def require_first_charge(self) -> None:
        """Raise OutOfRange unless the cathode holds what the told cell charges first."""
        cathode = self.stack.layer("cathode").element_1e15("Li")
        _check(
            cathode > self.li_1e15(self.cycling.first_charge_uah),
            f"the cathode cannot give {self.cycling.first_charge_uah:g} uAh",
            f"less than {cathode / self.li_1e15(1.0):.3g} uAh",
        )

    def li_1e15(self, charge_uah: float) -> float:
        """Lithium that a charge of the whole cell moves, in 1e15 atoms/cm2."""
        return charge_uah * LI_ATOMS_PER_UAH / self.area_cm2 * 1e-15

    @property
    def scales(self) -> tuple[float, ...]:
        """Factor on the stopping power of each layer; (layers,)."""
        return self.stopping_scales or (1.0,) * len(self.stack)

    @property
    def believed_stack(self) -> Stack:
        """The stack as printed in the experiment's description."""
        return self.printed_stack or self.stack

    @property
    def believed_instrument(self) -> Instrument:
        """The instrument as printed in the experiment's description."""
        return self.printed_instrument or self.instrument
