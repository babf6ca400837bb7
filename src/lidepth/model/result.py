"""Everything one analysis found, as one value that figures, report and tables read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lidepth.model.calibration import FittedParameter, SelfCalibration, SpectrumFit
from lidepth.model.check import ScaleTrack
from lidepth.model.clock import ClockDifference
from lidepth.model.cycling import CyclerLog, StateSpectrum, Step
from lidepth.model.diagnosis import Diagnosis
from lidepth.model.electrochemistry import Electrochemistry
from lidepth.model.instrument import Instrument
from lidepth.model.interlayer import Interlayer
from lidepth.model.ledger import Ledger
from lidepth.model.profile import DepthProfile
from lidepth.model.spectra import SpectrumSeries
from lidepth.model.stack import Stack
from lidepth.model.track import LithiumTrack

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was measured: the description of the cell and the raw data.

    ``log`` is None when no cycler was recorded; ``pristine`` (n,) marks the spectra of the
    pristine cell; ``area_cm2`` of the electrode with relative standard uncertainty
    ``area_rel_std``; ``background`` are spectra of a blank, if any were taken.  ``clock`` tells how
    the cycler's clock compares with that of the spectra (None without a log), which ``log`` is on;
    ``notes`` what was noticed while the records were put in order, in sentences: steps of a clock,
    what was assumed of time zones, what the files say of themselves and should not be trusted.
    """

    title: str
    area_cm2: float
    stack: Stack
    instrument: Instrument
    series: SpectrumSeries
    log: CyclerLog | None
    pristine: NDArray[np.bool_]
    area_rel_std: float = 0.02
    background: SpectrumSeries | None = None
    source: str = ""
    clock: ClockDifference | None = None
    notes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The title, with the name of the detector where the run has several."""
        return self.title + (f", detector {self.series.detector}" if self.series.detector else "")


@dataclass(frozen=True, kw_only=True)
class MovedSilicon:
    """Silicon that has left the anode for the electrolyte, per cycle.

    ``amount_1e15`` (n,) in 1e15 Si/cm2 with standard uncertainty ``std_1e15`` (n,); ``film_1e15``
    is what the anode held; ``significance`` is the mean amount over its standard uncertainty.
    """

    cycle: NDArray[np.int64]
    amount_1e15: Floats
    std_1e15: Floats
    film_1e15: float
    mean_1e15: float
    mean_std_1e15: float

    @property
    def significance(self) -> float:
        """Mean amount in standard uncertainties."""
        return self.mean_1e15 / self.mean_std_1e15 if self.mean_std_1e15 > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class Settled:
    """Where the fits of one analysis settled: a start for the next one, when the run has grown.

    ``shared`` maps a parameter's name to its value; ``tied`` and ``untied`` the label of a state
    to its vector.  A start changes how soon a fit settles, not where.
    """

    shared: Mapping[str, float] = field(default_factory=dict)
    tied: Mapping[str, Floats] = field(default_factory=dict)
    untied: Mapping[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """The outcome of ``lidepth analyze``.

    ``ledgers`` maps a method ("default", "untied", "slab", "windows", "smooth") to its ledger;
    ``fits`` holds one SpectrumFit per state in the order of ``states``; ``window_bias`` (n, 3) is
    the bias, in uAh, that the forward model predicts for the rows of the windows ledger;
    ``information_uah`` (n, 3) is the information bound (Cramer-Rao) for the independent error of
    the default rows; ``state_parameters`` the fitted nuisances (flux, offset, background) of each
    state.  ``first_charge_uah`` is the charge of the first charging step, the unit of "per cent" in
    text (NaN without a cycler log).  ``scale`` is the energy scale along the run, None where no two
    edges are seen; ``track`` what the smoother says of every spectrum, where it was asked for;
    ``interlayer`` the slab beside the default's profiles; ``diagnosis`` what tells whether all this
    can be trusted.
    """

    run: Run
    steps: tuple[Step, ...]
    states: tuple[StateSpectrum, ...]
    calibration: SelfCalibration
    stack: Stack
    fits: tuple[SpectrumFit, ...]
    profiles: tuple[DepthProfile, ...]
    ledgers: Mapping[str, Ledger]
    window_bias: Floats
    information_uah: Floats
    silicon: MovedSilicon
    common: tuple[FittedParameter, ...]
    state_parameters: tuple[tuple[FittedParameter, ...], ...]
    warnings: tuple[str, ...]
    first_charge_uah: float
    stopping: str
    provenance: Mapping[str, str] = field(default_factory=dict)
    modes: float = np.nan
    scale: ScaleTrack | None = None
    settled: Settled = field(default_factory=Settled)
    electrochemistry: Electrochemistry | None = None
    track: LithiumTrack | None = None
    diagnosis: Diagnosis = field(default_factory=Diagnosis)
    interlayer: Interlayer | None = None
