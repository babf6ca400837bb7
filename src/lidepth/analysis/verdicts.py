"""What a reader must be warned of, each warning naming its cause."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.calibrate import CREDIBLE_PULL, MISFIT_PROBABILITY, misfit_probability
from lidepth.analysis.reduce import Reduction
from lidepth.model.calibration import FittedParameter, SpectrumFit
from lidepth.model.ledger import REGIONS, Ledger
from lidepth.model.result import MovedSilicon, Run
from lidepth.model.spectra import UNUSABLE, Quality

Floats = NDArray[np.float64]

_INTERNAL = ("profile:", "flux", "background", "flat", "back_length")
_FEW_PRISTINE_H = 4.0
_MUCH_LEFT_OUT = 0.10
_VAGUE = 0.06  # of the first charge


def data_warnings(run: Run, reduction: Reduction) -> list[str]:
    """Flags of spectra, states without data, a short pristine period, clocks that differ."""
    notes = []
    flags = run.series.flags
    for flag in Quality:
        number = int(np.count_nonzero(flags & int(flag)))
        if number:
            they = "1 spectrum is" if number == 1 else f"{number} spectra are"
            it = "it is" if number == 1 else "they are"
            notes.append(f"{they} flagged {flag.words}; {it} {_fate(flag)}")
    left = float(run.series.live_s[~run.series.usable].sum())
    if left > _MUCH_LEFT_OUT * float(run.series.live_s.sum()):
        notes.append(
            f"flags keep {100 * left / float(run.series.live_s.sum()):.0f} % of the live time out "
            "of the sums"
        )
    if reduction.missing:
        notes.append(
            "no usable spectrum for " + ", ".join(reduction.missing) + "; the ledger has no row "
            "for them"
        )
    if reduction.pristine.live_s < 3600 * _FEW_PRISTINE_H:
        notes.append(
            f"only {reduction.pristine.live_s / 3600:.1f} h of pristine spectra: the stack is "
            "known no better than that, and the error is common to every row"
        )
    if run.log is None:
        notes.append(
            "no cycler log: nothing ties the cathode to the charge, the scale rests on the "
            "printed lithium content of the films, and silicon that has moved stays in the "
            "common error"
        )
    if run.clock is not None and run.clock.doubtful:
        notes.append(run.clock.words)
    notes += run.notes
    if not np.all(np.isfinite(run.series.monitor[run.series.usable])):
        notes.append("some spectra have no monitor counts: the beam is taken as constant there")
    return notes


def _fate(flag: Quality) -> str:
    """What the sums do with a flagged spectrum; docs/quality.md says the same."""
    if flag & UNUSABLE:
        return "kept out of the sums"
    if flag & Quality.GAIN_DRIFT:
        return "brought to the scale of the pristine spectra and used"
    if flag & Quality.MONITOR_STUCK:
        return "used, with the monitor of the others of their state"
    return "used"


def fit_warnings(
    fits: tuple[SpectrumFit, ...],
    common: tuple[FittedParameter, ...],
    silicon: MovedSilicon,
    known: frozenset[str],
) -> list[str]:
    """Misfits of states, pulls of shared parameters, silicon.

    ``known`` names the parameters that the pristine fit has warned of already.
    """
    notes = []
    chances = np.array([misfit_probability(fit) for fit in fits])
    bad = [fit.label for fit, chance in zip(fits, chances, strict=True) if _bad(chance, len(fits))]
    if bad:
        notes.append(
            "the model does not explain the spectra of " + _few(bad) + "; look at the residuals: "
            "a gain drift, a changed background or lithium where the model has none"
        )
    for parameter in common:
        if parameter.name in known or parameter.name.startswith(_INTERNAL):
            continue
        if not abs(parameter.pull) > CREDIBLE_PULL:
            continue
        notes.append(
            f"{parameter.label}: the whole run pulls it to {parameter.value:.4g} "
            f"{parameter.unit}".rstrip()
            + f" ({parameter.pull:+.1f} standard deviations); "
            "stopping powers, composition or geometry differ from what was described"
        )
    if silicon.significance >= 2.0:
        notes.append(
            f"silicon has moved into the electrolyte: {silicon.mean_1e15:.0f} +- "
            f"{silicon.mean_std_1e15:.0f} x 1e15/cm2 of {silicon.film_1e15:.0f} on average "
            f"({silicon.significance:.1f} standard deviations); fixed-window ledgers are biased "
            "by it"
        )
    elif silicon.significance <= -2.5:
        notes.append(
            "the fit wants silicon to move into the anode, which cannot be: the stack or the "
            "stopping of added lithium is not what was described"
        )
    return notes


def _bad(chance: float, fits: int) -> bool:
    return chance < MISFIT_PROBABILITY / max(fits, 1)


def _few(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more states"


def ledger_warnings(default: Ledger, untied: Ledger | None, first_charge_uah: float) -> list[str]:
    """Warn of a vague outcome, and of a cathode that does not follow the charge."""
    notes = []
    common = np.sqrt(np.maximum(default.std**2 - default.stat**2, 0.0))
    if len(default) and np.isfinite(first_charge_uah):
        worst = common.mean(axis=0) / first_charge_uah
        for region, share in zip(("anode", "electrolyte"), worst[:2], strict=True):
            if share > _VAGUE:
                notes.append(
                    f"the data cannot say how much lithium the {region} holds to better than "
                    f"{100 * share:.0f} % of the first charge: an error common to all rows"
                )
    if untied is not None and len(untied) >= 2:
        notes += _cathode_check(default, untied)
    return notes


def _cathode_check(default: Ledger, untied: Ledger) -> list[str]:
    """Compare the cathode without coulometry with the charge, row by row and as one offset."""
    miss = untied.values[:, 2] - default.values[:, 2]
    cathode = np.arange(len(untied)) * 3 + 2
    covariance = untied.covariance[np.ix_(cathode, cathode)]
    weights = np.full(miss.size, 1.0 / miss.size)
    mean, std = float(miss.mean()), float(np.sqrt(weights @ covariance @ weights))
    drift = np.linspace(-1.0, 1.0, miss.size)
    drift = drift / (drift @ drift)
    slope = float(drift @ miss)
    slope_std = float(np.sqrt(drift @ covariance @ drift))
    notes = []
    if abs(mean) > 3.0 * std:
        notes.append(
            f"the cathode seen by neutrons differs from the charge by {mean:+.2f} +- {std:.2f} uAh "
            "on average: charge that moved no lithium, or a wrong stack"
        )
    if abs(slope) > 3.5 * slope_std:
        notes.append(
            f"the cathode seen by neutrons drifts away from the charge by {2 * slope:+.2f} +- "
            f"{2 * slope_std:.2f} uAh over the run: charge that moved no lithium, or lithium lost "
            "elsewhere"
        )
    return notes


def source_warnings(default: Ledger, other: Ledger, name: str) -> list[str]:
    """Say so where another stopping source moves the ledger beyond its stated error.

    By the means over the rows of each kind (charged, discharged), the worse of them.
    """
    kinds = [default.rows_of(kind) for kind in dict.fromkeys(default.state)]
    shift = other.values - default.values
    means = np.array([np.abs(shift[rows].mean(axis=0)) for rows in kinds])
    common = np.sqrt(np.maximum(default.std**2 - default.stat**2, 0.0))
    stated = np.array([common[rows].mean(axis=0) for rows in kinds])
    stated = np.maximum(stated, 1e-3 * np.abs(default.values).max(initial=1.0))
    worst = np.argmax(means / stated, axis=0)
    return [
        f"with the stopping powers of {name} the {region} row moves by {means[k, i]:.2f} uAh, more "
        f"than the stated common error of {stated[k, i]:.2f} uAh"
        for i, (region, k) in enumerate(zip(REGIONS, worst.tolist(), strict=True))
        if means[k, i] > stated[k, i]
    ]
