"""Self-calibration: stack, energy scale and resolution from the pristine spectra."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lidepth.analysis._threads import one_thread
from lidepth.analysis.build import interface_energies_kev, require_escape
from lidepth.analysis.fit import Observation, Progress, Solution, solve, state_prior
from lidepth.analysis.forward import ForwardModel, Setting
from lidepth.analysis.parameters import ParameterSet, shared_parameters
from lidepth.analysis.reduce import analysed_bins, rebin
from lidepth.analysis.scan import start_cover
from lidepth.errors import BadData, NotConverged
from lidepth.model.calibration import SelfCalibration, SpectrumFit
from lidepth.model.cycling import StateSpectrum
from lidepth.model.result import Run
from lidepth.model.spectra import SpectrumSeries

Floats = NDArray[np.float64]

# The fit starts below the cathode's alphas, where only background is, but above the noise edge
# and the steep foot of the gamma tail of real detectors (150-250 keV).
_LOWEST_KEV = 250.0
_BELOW_CATHODE_KEV = 250.0
_ABOVE_TRITON_KEV = 60.0

_BACKGROUND = ("background", "back_length", "flat")
_BLANK_STD = 0.2

MISFIT_PROBABILITY = 1e-3
CREDIBLE_PULL = 3.0


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """The pristine fit and what the later fits need of it."""

    model: ForwardModel
    mask: NDArray[np.bool_]
    observation: Observation
    solution: Solution
    result: SelfCalibration
    per_bin: int


@one_thread
def calibrate(
    run: Run, model: ForwardModel, pristine: StateSpectrum, *, progress: Progress | None = None
) -> Calibrated:
    """Fit stack, energy scale, resolution, background and flux to the pristine spectrum.

    Raises BadData when alphas of the electrolyte cannot leave the stack or when the spectrum and
    the description have nothing in common.
    """
    per_bin, _ = analysed_bins(
        run.series.channels,
        gain_kev=run.instrument.calibration.gain_kev,
        fwhm_kev=run.instrument.detector.fwhm_kev,
    )
    counts = rebin(pristine.counts, per_bin)
    model = model.with_parameters(_starting_parameters(run, model, counts, pristine.live_s))
    if run.background is not None:
        model = _with_blank(model, run.background, per_bin)
    require_escape(model, model.parameters.start)
    model = start_cover(model, counts, pristine.live_s)
    shared = model.parameters.start
    mask = fit_mask(model, shared)
    free, prior, precision = state_prior(
        model, flux_std=1.0, deviation=np.eye(model.hats), moving=False
    )
    seen = Observation(
        label="pristine", counts=counts, setting=pristine_setting(pristine), free=free,
        prior=prior, precision=precision,
    )  # fmt: skip
    states = np.zeros((1, model.state_size))
    try:
        solution = solve(
            model, [seen], mask=mask, shared=shared, states=states, most=80, progress=progress
        )
    except NotConverged as error:
        raise BadData(
            f"the pristine spectrum cannot be fitted: {error.what}",
            where=run.source,
            expected="a spectrum that the stack and the energy scale of the experiment file "
            "explain within their uncertainties",
            remedy="compare layer thicknesses, materials, offset and gain with the truth; widen "
            "the uncertainty of what is badly known",
        ) from error
    fit = spectrum_fit(model, seen, solution, 0, mask, pristine.live_s)
    parameters = model.parameters.fitted(solution.shared, solution.shared_covariance)
    result = SelfCalibration(
        parameters=parameters, covariance=solution.shared_covariance, fit=fit,
        warnings=_warnings(model, solution, fit),
    )  # fmt: skip
    return Calibrated(
        model=model, mask=mask, observation=seen, solution=solution, result=result,
        per_bin=per_bin,
    )  # fmt: skip


def _with_blank(model: ForwardModel, blank: SpectrumSeries, per_bin: int) -> ForwardModel:
    """Believe of the background what a blank shows, within a fifth: the beam is another one.

    Raises BadData when the blank has other channels than the run.
    """
    live_s = float(blank.live_s.sum())
    counts = rebin(blank.counts.sum(axis=0).astype(np.float64), per_bin)
    if counts.size != model.channel_edges.size - 1 or live_s <= 0:
        raise BadData(
            f"the blank has {blank.channels} channels and {live_s:.0f} s of live time",
            where="data.background", expected="the channels of the run, and some time",
        )  # fmt: skip
    free, prior, precision = state_prior(
        model, flux_std=1.0, deviation=np.eye(model.hats), moving=False
    )
    seen = Observation(
        label="blank", counts=counts, setting=Setting(exposure=0.0, live_s=live_s), free=free,
        prior=prior, precision=precision,
    )  # fmt: skip
    start = model.parameters.start
    solution = solve(
        model, [seen], mask=fit_mask(model, start), shared=start,
        states=np.zeros((1, model.state_size)), most=80,
    )  # fmt: skip
    std = np.hypot(np.sqrt(np.diag(solution.shared_covariance)), _BLANK_STD)
    items = tuple(
        replace(p, prior=float(value), std=float(spread)) if p.name in _BACKGROUND else p
        for p, value, spread in zip(model.parameters.items, solution.shared, std, strict=True)
    )
    return model.with_parameters(ParameterSet(items=items))


def pristine_setting(pristine: StateSpectrum) -> Setting:
    """The pristine state's circumstances: by definition one unit of beam per second."""
    return Setting(exposure=pristine.live_s, live_s=pristine.live_s)


def _starting_parameters(
    run: Run, model: ForwardModel, counts: Floats, live_s: float
) -> ParameterSet:
    edges = run.instrument.calibration.edges_kev(run.series.channels)
    energy = np.interp(model.channel_edges[:-1], np.arange(edges.size), edges)
    tritons = float(counts[energy > 0.75 * model.particles[1].birth_kev].sum())
    atoms = float(np.sum(model.grid.lithium_1e15 * model.li6_fraction))
    if tritons < 100 or atoms <= 0:
        raise BadData(
            f"only {tritons:.0f} counts where tritons of the cell are expected",
            where=run.source,
            expected="a pristine spectrum with tritons between 2000 and 2728 keV, and lithium in "
            "the stack",
            remedy="check offset and gain of instrument.calibration, and the beam",
        )
    width = float(np.diff(energy).mean())
    low = (energy > _LOWEST_KEV) & (energy < _LOWEST_KEV + 100)
    level = max(float(counts[low].mean()) / live_s / width * 0.3, 1e-6)
    return shared_parameters(
        run.stack, run.instrument, rate=tritons / live_s / atoms, background=level,
        disputed=model.disputed,
    )  # fmt: skip


def fit_mask(model: ForwardModel, shared: Floats) -> NDArray[np.bool_]:
    """Bins that the fits use: from below the cathode's alphas to above the tritons."""
    edges = model.energies_kev(shared, Setting(exposure=1.0, live_s=1.0))
    back = interface_energies_kev(model, shared)["cathode"][0]
    low = max(_LOWEST_KEV, back - _BELOW_CATHODE_KEV)
    high = max(p.birth_kev for p in model.particles) + _ABOVE_TRITON_KEV
    mask = (edges[:-1] > low) & (edges[1:] < high)
    if np.count_nonzero(mask) < 50:
        raise BadData(
            "fewer than 50 bins lie between the cathode's alphas and the tritons",
            expected="an energy axis that reaches 2.8 MeV",
            remedy="check offset and gain of instrument.calibration",
        )
    return mask


def spectrum_fit(
    model: ForwardModel, seen: Observation, solution: Solution, place: int,
    mask: NDArray[np.bool_], live_s: float,
) -> SpectrumFit:  # fmt: skip
    """One state's spectrum beside its model, for figures and misfits."""
    prediction = solution.predictions[place]
    offset = float(solution.states[place][1])
    moving = bool(np.any(seen.free))
    return SpectrumFit(
        label=seen.label,
        edges_kev=model.energies_kev(solution.shared, seen.setting, offset),
        counts=seen.counts, model=prediction.total, components=prediction.components, mask=mask,
        live_s=live_s, parameters=5 if moving else 12,
    )  # fmt: skip


def misfit_probability(fit: SpectrumFit) -> float:
    """Chance of a larger deviance if the model were right, nearly empty bins taken together."""
    deviance, freedom = fit.grouped()
    return float(stats.chi2.sf(deviance, freedom))


def _warnings(model: ForwardModel, solution: Solution, fit: SpectrumFit) -> tuple[str, ...]:
    notes = []
    chance = misfit_probability(fit)
    if chance < MISFIT_PROBABILITY:
        notes.append(
            f"the pristine fit is not credible: deviance {fit.grouped()[0]:.0f} for "
            f"{fit.grouped()[1]} degrees of freedom (chance {chance:.1g}). The stopping "
            "powers or a layer's composition are the usual cause; common errors were widened by "
            f"{misfit_factor(fit):.2f}"
        )
    for parameter in model.parameters.fitted(solution.shared, solution.shared_covariance):
        if parameter.name not in (*_BACKGROUND, "flux") and abs(parameter.pull) > CREDIBLE_PULL:
            notes.append(
                f"{parameter.label}: fitted {parameter.value:.4g} {parameter.unit}".rstrip()
                + f", {parameter.pull:+.1f} standard deviations from what was believed "
                f"({parameter.prior:.4g}); check the experiment file or the stopping source"
            )
    return tuple(notes)


def misfit_factor(fit: SpectrumFit) -> float:
    """Birge factor by which common errors are widened when the pristine fit is not credible."""
    if misfit_probability(fit) >= MISFIT_PROBABILITY:
        return 1.0
    deviance, freedom = fit.grouped()
    return float(np.sqrt(deviance / freedom))
