"""The parameters every state of a run shares, and what is believed of each beforehand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lidepth.model.calibration import FittedParameter
from lidepth.model.instrument import Instrument
from lidepth.model.result import Run
from lidepth.model.stack import Stack

Floats = NDArray[np.float64]

# Relative standard uncertainties believed of physics that no experiment file states.
ELEMENT_STOPPING = 0.025  # spread of codes and data for elements above 0.5 MeV
COMPOUND_STOPPING = 0.04  # Bragg additivity in lithium compounds
SHAPE_STOPPING = 0.03  # change of that scale per e-fold of energy
BEND_STOPPING = 0.04  # second-order change of that scale, per e-fold squared
TRITON_STOPPING = 0.02  # triton against alpha in one layer
LITHIUM_STOPPING = 0.05  # lithium added to a host, against metallic lithium
CONTENT = 0.03  # lithium per formula unit of a sputtered film
STRAGGLING = 0.05  # Bohr's width against charge-exchange models
ROUGHNESS = 0.03  # relative spread of the overlayer's thickness
TAIL = 0.01  # fraction of counts in the detector's low-energy tail
RATIO = 0.02  # alphas to tritons reaching the detector
COULOMB_LOSS = 3e-4  # charge that moves no lithium, per charge passed
SILICON_STEP = 0.20  # silicon moved between two knots, as a fraction of the film
SILICON_DEPTH_NM = 110.0  # e-fold depth of moved silicon below the interface
SILICON_DEPTH = 0.5  # how well its logarithm is known
SCATTERING = 0.6  # multiple-scattering variance against the first-order formula
GAIN_DRIFT = 5e-4  # change of the gain over the run
OFFSET_DRIFT_KEV = 1.0  # change of the offset over the run


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One shared parameter: Gaussian prior (infinite ``std`` for none) and starting value.

    A ``logarithmic`` one is fitted as its logarithm and reported as itself.
    """

    name: str
    label: str
    unit: str
    prior: float
    std: float
    start: float = math.nan
    logarithmic: bool = False

    @property
    def first(self) -> float:
        """Where a fit starts."""
        return self.prior if math.isnan(self.start) else self.start

    @property
    def scale(self) -> float:
        """A natural step of the parameter."""
        return self.std if math.isfinite(self.std) else max(abs(self.first), 1.0) * 0.05


@dataclass(frozen=True, kw_only=True)
class ParameterSet:
    """An ordered set of parameters, read by name from a vector.

    ``correlated`` lists blocks (first place, prior covariance) that are believed together.
    """

    items: tuple[Parameter, ...]
    correlated: tuple[tuple[int, Floats], ...] = ()
    index: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", {p.name: i for i, p in enumerate(self.items)})

    def __len__(self) -> int:
        return len(self.items)

    def get(self, vector: Floats, name: str, default: float) -> float:
        """Natural value of ``name`` in ``vector``, or ``default`` where the set lacks it."""
        place = self.index.get(name)
        if place is None:
            return default
        value = float(vector[place])
        return math.exp(value) if self.items[place].logarithmic else value

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(self.index)

    @property
    def prior(self) -> Floats:
        """Prior means."""
        return np.array([p.prior for p in self.items])

    @property
    def precision(self) -> Floats:
        """Prior precision matrix, zero without a prior; shape (n, n)."""
        matrix = np.diag([p.std**-2 if math.isfinite(p.std) else 0.0 for p in self.items])
        for first, covariance in self.correlated:
            block = slice(first, first + len(covariance))
            matrix[block, block] = np.linalg.inv(covariance)
        return matrix

    @property
    def scales(self) -> Floats:
        """A natural step of each parameter; shape (n,)."""
        return np.array([p.scale for p in self.items])

    @property
    def start(self) -> Floats:
        """Starting vector."""
        return np.array([p.first for p in self.items])

    def fitted(self, vector: Floats, covariance: Floats) -> tuple[FittedParameter, ...]:
        """Pair every parameter with its fitted value and standard uncertainty."""
        std = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        return tuple(_fitted(p, float(vector[i]), float(std[i])) for i, p in enumerate(self.items))


def _fitted(parameter: Parameter, value: float, std: float) -> FittedParameter:
    p = parameter
    prior, scale, factor = p.prior, 1.0, 1.0
    if p.logarithmic:
        prior, value = math.exp(prior), math.exp(value)
        scale, factor = prior, value
    return FittedParameter(
        name=p.name, label=p.label, unit=p.unit, prior=prior, prior_std=p.std * scale,
        value=value, std=std * factor, logarithmic=p.logarithmic,
    )  # fmt: skip


def shared_parameters(
    stack: Stack, instrument: Instrument, *, rate: float, background: float,
    disputed: Sequence[float] = (),
) -> ParameterSet:  # fmt: skip
    """Parameters of stack, stopping, energy scale, resolution, flux and background.

    ``rate`` counts per s and 1e15 6Li/cm2 to start from; ``background`` counts per s and keV;
    ``disputed`` (layers,) how many times less certain than usual the stopping of each layer is.
    """
    return ParameterSet(
        items=(
            *_stack_parameters(stack, disputed or (1.0,) * len(stack)),
            *_instrument_parameters(instrument),
            Parameter(name="flux", label="count rate per 6Li", unit="1/s per 1e15/cm2",
                      prior=math.log(rate), std=math.inf, logarithmic=True),
            Parameter(name="ratio", label="alphas per triton", unit="", prior=0.0, std=RATIO,
                      logarithmic=True),
            Parameter(name="background", label="background at 300 keV", unit="1/s/keV",
                      prior=math.log(background), std=3.0, logarithmic=True),
            Parameter(name="back_length", label="background e-fold", unit="keV",
                      prior=math.log(60.0), std=0.3, logarithmic=True),
            Parameter(name="flat", label="flat background", unit="1/s/keV",
                      prior=math.log(background / 100.0), std=3.0, logarithmic=True),
        )
    )  # fmt: skip


def _stack_parameters(stack: Stack, disputed: Sequence[float]) -> list[Parameter]:
    items = []
    last = stack.index("cathode")
    for number, layer in enumerate(stack.layers[: last + 1]):
        carries = layer.role in ("electrolyte", "cathode")
        compound = len(layer.material.composition) > 1
        doubt = disputed[number]
        stopping = doubt * (COMPOUND_STOPPING if compound else ELEMENT_STOPPING)
        spread = layer.thickness_rel_std if carries else math.hypot(
            layer.thickness_rel_std, stopping
        )  # fmt: skip
        items.append(
            Parameter(
                name=f"areal:{number}", label=f"{layer.name} areal density", unit="x",
                prior=0.0, std=spread, logarithmic=True,
            )
        )  # fmt: skip
        if carries:
            items += [
                Parameter(name=f"stopping:{number}", label=f"{layer.name} stopping", unit="x",
                          prior=0.0, std=stopping, logarithmic=True),
                Parameter(name=f"content:{number}", label=f"{layer.name} lithium content",
                          unit="x", prior=0.0, std=CONTENT, logarithmic=True),
            ]  # fmt: skip
        if compound:
            items += [
                Parameter(name=f"shape:{number}", label=f"{layer.name} stopping shape", unit="",
                          prior=0.0, std=doubt * SHAPE_STOPPING),
                Parameter(name=f"bend:{number}", label=f"{layer.name} stopping bend", unit="",
                          prior=0.0, std=doubt * BEND_STOPPING),
                Parameter(name=f"triton:{number}", label=f"{layer.name} triton stopping",
                          unit="x", prior=0.0, std=TRITON_STOPPING, logarithmic=True),
            ]  # fmt: skip
    return items


def _instrument_parameters(instrument: Instrument) -> list[Parameter]:
    detector, calibration = instrument.detector, instrument.calibration
    offset_std, gain_std = np.sqrt(np.diag(calibration.covariance))
    items = [
        Parameter(name="fwhm", label="detector resolution", unit="keV",
                  prior=math.log(detector.fwhm_kev), std=detector.fwhm_rel_std,
                  logarithmic=True),
        Parameter(name="tail", label="detector tail", unit="", prior=0.0, std=TAIL),
        Parameter(name="tail_length", label="tail e-fold", unit="keV", prior=math.log(30.0),
                  std=0.5, logarithmic=True),
        Parameter(name="roughness", label="overlayer non-uniformity squared", unit="%^2",
                  prior=0.0, std=(100 * ROUGHNESS) ** 2),
        Parameter(name="straggling", label="straggling variance", unit="x",
                  prior=0.0, std=2 * STRAGGLING, logarithmic=True),
        Parameter(name="offset", label="energy offset", unit="keV",
                  prior=calibration.offset_kev, std=float(offset_std)),
        Parameter(name="gain", label="energy gain", unit="keV/channel",
                  prior=calibration.gain_kev, std=float(gain_std)),
    ]  # fmt: skip
    if instrument.exit_angle_deg > 0:
        items.append(
            Parameter(name="scattering", label="multiple-scattering variance", unit="x",
                      prior=1.0, std=SCATTERING)
        )  # fmt: skip
    return items


def with_working(pristine: ParameterSet, run: Run, *, knots: Floats, hats: Floats) -> ParameterSet:
    """Add the parameters that only a cell at work shows to those of the pristine one.

    ``knots`` (k,) cycle numbers between which moved silicon and the electrolyte's mean lithium
    profile are linear, from none at zero; ``hats`` (h, h) prior covariance of one such step.
    """
    items = (*pristine.items, *_working(run, knots))
    blocks = []
    for k in range(knots.size):
        blocks.append((len(items), hats))
        items += tuple(
            Parameter(name=f"profile:{k}:{h}", unit="",
                      label=f"electrolyte profile step {k + 1}, hat {h + 1}",
                      prior=0.0, std=float(np.sqrt(hats[h, h])))
            for h in range(len(hats))
        )  # fmt: skip
    return ParameterSet(items=items, correlated=tuple(blocks))


def _working(run: Run, knots: Floats) -> tuple[Parameter, ...]:
    film = run.stack.layer("anode").areal_density_1e15
    return (
        Parameter(name="eps_li", label="stopping of added lithium", unit="x", prior=0.0,
                  std=LITHIUM_STOPPING, logarithmic=True),
        Parameter(name="area", label="electrode area", unit="x", prior=0.0,
                  std=run.area_rel_std, logarithmic=True),
        Parameter(name="gain_drift", label="gain drift over the run", unit="",
                  prior=0.0, std=GAIN_DRIFT),
        Parameter(name="offset_drift", label="offset drift over the run", unit="keV",
                  prior=0.0, std=OFFSET_DRIFT_KEV),
        Parameter(name="silicon_depth", label="depth of moved silicon", unit="nm",
                  prior=math.log(SILICON_DEPTH_NM), std=SILICON_DEPTH, logarithmic=True),
        *(
            Parameter(name=f"silicon:{i}", label=f"silicon moved, cycle {_before(knots, i):g} "
                      f"to {knot:g}", unit="1e15/cm2", prior=0.0, std=SILICON_STEP * film)
            for i, knot in enumerate(knots)
        ),
    )  # fmt: skip


def _before(knots: Floats, i: int) -> float:
    return float(knots[i - 1]) if i else 0.0


def cycle_knots(cycles: int) -> Floats:
    """Cycle numbers between which slow changes are taken as linear: denser at the start."""
    usual = np.array([2.0, 6.0, 15.0, 40.0, 100.0, 250.0, 600.0])
    return usual[: int(np.searchsorted(usual, max(cycles, 1), side="left")) + 1]


def knot_weights(knots: Floats, cycle: float) -> Floats:
    """How much of each knot interval's step has happened at ``cycle``; shape (k,)."""
    starts = np.concatenate([[0.0], knots[:-1]])
    return np.asarray(np.clip((cycle - starts) / (knots - starts), 0.0, 1.0))
