"""The main job: a run in, everything the report needs out."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.account import account, moved_silicon
from lidepth.analysis.build import build_model
from lidepth.analysis.calibrate import (
    CREDIBLE_PULL,
    Calibrated,
    calibrate,
    misfit_factor,
    spectrum_fit,
)
from lidepth.analysis.campaign.residuals import campaign_strip
from lidepth.analysis.campaign.rows import lithium_track, smooth_ledger
from lidepth.analysis.campaign.smooth import campaign_of, smooth
from lidepth.analysis.electrochemistry.examine import examine_run
from lidepth.analysis.forward import LNBACK, LNFLUX, OFFSET
from lidepth.analysis.influence import sensitivities
from lidepth.analysis.invert import Inversion, first_charge_uah, invert, settled, untie
from lidepth.analysis.profiles import depth_profiles, mode_spectrum, supported_modes
from lidepth.analysis.reduce import Reduction, reduce_run
from lidepth.analysis.residuals import state_strip
from lidepth.analysis.scale import track_scale
from lidepth.analysis.slab.find import FoundInterlayer, find_interlayer
from lidepth.analysis.sources import compare_sources
from lidepth.analysis.verdicts import (
    data_warnings,
    fit_warnings,
    ledger_warnings,
)
from lidepth.analysis.windows import window_ledger, window_regions_kev
from lidepth.errors import BadData, BadInput, NotConverged
from lidepth.model.calibration import FittedParameter, SpectrumFit
from lidepth.model.diagnosis import Diagnosis, ResidualStrip
from lidepth.model.ledger import Ledger
from lidepth.model.result import Analysis, MovedSilicon, Run, Settled
from lidepth.model.stack import ROLES, Stack
from lidepth.model.track import LithiumTrack
from lidepth.physics.stopping import StoppingSource

Floats = NDArray[np.float64]
Progress = Callable[[str, float], None]

_TIED = (
    "fit of the whole run; lithium conserved, cathode tied to the charge: the balance is spent and "
    "tests nothing"
)
_FREE = "fit of the whole run; lithium conserved, no cycler log: the balance is spent"
_UNTIED = (
    "each state by its own spectrum and the monitor: the cathode and the balance are checks of "
    "coulometry and conservation (stack, scale and mean profile from the tied fit)"
)


def analyze(
    run: Run,
    source: StoppingSource,
    *,
    ranges: Sequence[tuple[float, float]] = (),
    alternative: StoppingSource | Sequence[StoppingSource] = (),
    earlier: Settled | None = None,
    smoother: bool = False,
    nested: bool = False,
    progress: Progress | None = None,
) -> Analysis:
    """Reduce, self-calibrate, invert and account.

    ``ranges`` adds states of chosen time ranges, in s since the run's origin; ``alternative``
    are further stopping sources whose ledgers are compared with the first; ``earlier`` is the
    ``settled`` of an analysis of the same run when it was shorter: a start, not a result;
    ``smoother`` adds the smoother over every spectrum, which needs a cycler log; ``nested`` puts
    the first and last states to nested sampling as well (needs dynesty).
    Raises BadData where the data cannot carry the analysis.
    """
    tell = progress or _silent
    reduction, calibrated, inversion = fit_run(
        run, source, ranges, earlier=earlier, progress=progress
    )
    widen = misfit_factor(calibrated.result.fit)
    fitted = _Fitted(run, source, reduction, calibrated, inversion, widen)
    methods = _methods(fitted, tell, earlier=earlier, smoother=smoother, nested=nested)
    tell("profiles", 0.0)
    profiles = depth_profiles(reduction, inversion, calibrated.mask, widen=widen)
    silicon = moved_silicon(run, reduction, inversion)
    model, solution = inversion.model, inversion.solution
    common = model.parameters.fitted(solution.shared, solution.shared_covariance)
    fits = _spectrum_fits(fitted)
    kept = settled(reduction, inversion, methods.untied)
    default = methods.ledgers["default"]
    others = alternative if isinstance(alternative, Sequence) else (alternative,)
    ensemble, told = compare_sources(
        run, reduction, default, others,
        lambda other: _fit(run, other, reduction, _silent, kept),
        own=source.name, misfit=widen, tell=tell,
    )  # fmt: skip
    warnings = [*_warnings(fitted, methods, fits, common, silicon), *told]
    modes = mode_spectrum(inversion, calibrated.mask)
    tell("profiles", 1.0)
    stack = fitted_stack(run, inversion)
    return Analysis(
        run=run, steps=reduction.steps, states=reduction.states, calibration=calibrated.result,
        stack=stack, fits=fits, profiles=profiles, ledgers=methods.ledgers,
        window_bias=methods.window_bias, information_uah=default.stat, silicon=silicon,
        common=tuple(p for p in common if not p.name.startswith("profile:")),
        state_parameters=_state_parameters(inversion), warnings=tuple(dict.fromkeys(warnings)),
        first_charge_uah=first_charge_uah(run) if run.log is not None else float("nan"),
        stopping=source.name, provenance=provenance(run, source, calibrated, inversion),
        modes=supported_modes(modes), scale=track_scale(run, source), settled=kept,
        electrochemistry=examine_run(run, stack, common, default), track=methods.track,
        diagnosis=Diagnosis(
            strip=methods.strip or state_strip(reduction.states, fits), modes=modes,
            sensitivity=sensitivities(inversion, reduction, widen=widen), ensemble=ensemble,
        ),
        interlayer=methods.slab.interlayer,
    )  # fmt: skip


class _Fitted(NamedTuple):
    """The fit of a run; ``widen`` is the factor on common errors for a pristine misfit."""

    run: Run
    source: StoppingSource
    reduction: Reduction
    calibrated: Calibrated
    inversion: Inversion
    widen: float


class _Methods(NamedTuple):
    """What the methods beside the fit gave; ``untied`` the fit without coulometry, if any."""

    ledgers: dict[str, Ledger]
    window_bias: Floats
    untied: Inversion | None
    slab: FoundInterlayer
    track: LithiumTrack | None
    strip: ResidualStrip | None


def _methods(
    fitted: _Fitted, tell: Progress, *, earlier: Settled | None, smoother: bool, nested: bool
) -> _Methods:
    """Account by every method, the default's ledger first."""
    run, _, reduction, calibrated, inversion, widen = fitted
    remark = _TIED if inversion.tied else _FREE
    default = account(run, reduction, inversion, method="default", widen=widen, remark=remark)
    ledgers = {"default": default}
    free = None
    if inversion.tied:
        tell("check the cathode", 0.0)
        free = untie(run, calibrated, reduction, inversion, earlier=earlier)
        ledgers["untied"] = account(
            run, reduction, free, method="untied", widen=widen, remark=_UNTIED
        )
        tell("check the cathode", 1.0)
    tell("interlayer", 0.0)
    slab = find_interlayer(
        run, reduction, calibrated, inversion, default, widen=widen, nested=nested
    )
    ledgers["slab"] = slab.ledger
    tell("interlayer", 1.0)
    by_windows = window_ledger(run, reduction, calibrated, inversion, default)
    bias = np.full(default.values.shape, np.nan)
    if by_windows is not None:
        ledgers["windows"], bias = by_windows
    track = strip = None
    if smoother:
        ledgers["smooth"], track, strip = _smoothed(
            run, reduction, calibrated, inversion, widen, tell
        )
    return _Methods(ledgers, bias, free, slab, track, strip)


def _spectrum_fits(fitted: _Fitted) -> tuple[SpectrumFit, ...]:
    """Each state's spectrum beside its model."""
    inversion = fitted.inversion
    pairs = zip(inversion.observations[1:], fitted.reduction.states, strict=True)
    return tuple(
        spectrum_fit(
            inversion.model, seen, inversion.solution, place, fitted.calibrated.mask, state.live_s
        )
        for place, (seen, state) in enumerate(pairs, start=1)
    )


def _warnings(
    fitted: _Fitted, methods: _Methods, fits: tuple[SpectrumFit, ...],
    common: tuple[FittedParameter, ...], silicon: MovedSilicon,
) -> list[str]:  # fmt: skip
    """Everything that a reader should know before believing a number."""
    run, result = fitted.run, fitted.calibrated.result
    known = frozenset(p.name for p in result.parameters if abs(p.pull) > CREDIBLE_PULL)
    first = first_charge_uah(run) if run.log is not None else float("nan")
    ledgers = methods.ledgers
    warnings = [
        *result.warnings,
        *data_warnings(run, fitted.reduction),
        *fit_warnings(fits, common, silicon, known),
        *ledger_warnings(ledgers["default"], ledgers.get("untied"), first),
        *methods.slab.warnings,
    ]
    if "windows" not in ledgers:
        warnings.append(
            "alphas of the cathode do not leave the cell: Eq. 4 has no normaliser, and the ledger "
            "has no windows rows"
        )
    return warnings


def fit_run(
    run: Run, source: StoppingSource, ranges: Sequence[tuple[float, float]] = (), *,
    earlier: Settled | None = None, progress: Progress | None = None,
) -> tuple[Reduction, Calibrated, Inversion]:  # fmt: skip
    """Reduce, calibrate and fit, without the account; arguments and errors as of ``analyze``."""
    tell = progress or _silent
    _require_roles(run)
    tell("reduce", 0.0)
    reduction = reduce_run(run, ranges)
    if not reduction.states:
        raise BadData(
            "no end of charge or discharge has a usable spectrum",
            where=run.source,
            expected="spectra taken while the cell rested after a charge or a discharge",
            remedy="without a cycler log give time ranges (--range 'START .. STOP')",
        )
    tell("reduce", 1.0)
    return reduction, *_fit(run, source, reduction, tell, earlier)


def _smoothed(
    run: Run, reduction: Reduction, calibrated: Calibrated, inversion: Inversion, widen: float,
    tell: Progress,
) -> tuple[Ledger, LithiumTrack, ResidualStrip]:  # fmt: skip
    """The whole campaign as one measurement."""
    tell("smooth the campaign", 0.0)
    campaign = campaign_of(run, reduction, calibrated)
    found = smooth(campaign, inversion, tell=lambda share: tell("smooth the campaign", share))
    tell("smooth the campaign", 1.0)
    strip = campaign_strip(found)
    return smooth_ledger(found, widen=widen), lithium_track(found, widen=widen), strip


def _require_roles(run: Run) -> None:
    """Raise BadInput for a stack in which a role is missing."""
    for role in ROLES:
        try:
            run.stack.index(role)
        except BadInput as error:
            raise error.at(run.source) from error


def _silent(stage: str, fraction: float) -> None:
    """Progress that nobody asked for."""


def _fit(
    run: Run, source: StoppingSource, reduction: Reduction, tell: Progress,
    earlier: Settled | None = None,
) -> tuple[Calibrated, Inversion]:  # fmt: skip
    cycles = max(state.cycle for state in reduction.states)
    tell("calibrate", 0.0)
    model = build_model(run, source, cycles=cycles)
    calibrated = calibrate(
        run, model, reduction.pristine, progress=lambda _, share: tell("calibrate", share)
    )
    tell("calibrate", 1.0)
    inversion = _invert(run, calibrated, reduction, tell, earlier)
    tell("fit the run", 1.0)
    return calibrated, inversion


def _invert(
    run: Run, calibrated: Calibrated, reduction: Reduction, tell: Progress,
    earlier: Settled | None,
) -> Inversion:  # fmt: skip
    def progress(_: str, share: float) -> None:
        tell("fit the run", share)

    if earlier is not None:
        # A start from another description of the cell may lead nowhere; the usual start does not.
        with suppress(NotConverged):
            return invert(run, calibrated, reduction, earlier=earlier, progress=progress)
    return invert(run, calibrated, reduction, progress=progress)


def fitted_stack(run: Run, inversion: Inversion) -> Stack:
    """The stack with every fitted areal density put in as a thickness at the printed density."""
    factors = [
        inversion.model.parameters.get(inversion.solution.shared, f"areal:{number}", 1.0)
        for number in range(len(run.stack))
    ]
    return run.stack.scaled(np.array(factors))


def _state_parameters(inversion: Inversion) -> tuple[tuple[FittedParameter, ...], ...]:
    kinds = (
        (LNFLUX, "flux", "beam against the monitor", "log"),
        (OFFSET, "offset", "energy offset", "keV"),
        (LNBACK, "background", "background", "log"),
    )
    solution = inversion.solution
    found = []
    for seen, state, block in zip(
        inversion.observations[1:], solution.states[1:], solution.local[1:], strict=True
    ):
        found.append(
            tuple(
                FittedParameter(
                    name=name, label=label, unit=unit, prior=float(seen.prior[place]),
                    prior_std=float(seen.precision[place, place] ** -0.5),
                    value=float(state[place]), std=float(np.sqrt(block[place, place])),
                )
                for place, name, label, unit in kinds
            )
        )  # fmt: skip
    return tuple(found)


def provenance(
    run: Run, source: StoppingSource, calibrated: Calibrated, inversion: Inversion
) -> dict[str, str]:
    """Versions, hashes and the figures' reference energies."""
    get, shared = inversion.model.parameters.get, inversion.solution.shared
    digest = hashlib.sha256("".join(run.series.digests).encode())
    notes = {
        "lidepth": version("lidepth"),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "scipy": version("scipy"),
        "numba": version("numba"),
        "stopping": source.name,
        "spectra": f"{len(run.series)} of {run.series.channels} channels",
        "spectra_sha256": digest.hexdigest(),
        "stack": str(run.stack),
        "fit_passes": str(inversion.solution.passes),
        "energy_offset_kev": f"{get(shared, 'offset', 0.0):.4f}",
        "energy_gain_kev": f"{get(shared, 'gain', 1.0):.6f}",
    }
    for particle in inversion.model.particles:
        notes[f"birth_{particle.name}_kev"] = f"{particle.birth_kev:.2f}"
    for role, (low, high) in window_regions_kev(calibrated).items():
        notes[f"region_{role}_kev"] = f"{low:.1f} {high:.1f}"
    return notes
