"""Spectra: pristine, and charged or discharged less pristine."""

from __future__ import annotations

from typing import Any

import numpy as np

from lidepth.model.calibration import SpectrumFit
from lidepth.model.result import Analysis
from lidepth.show.arrange import (
    Floats,
    alpha_grid,
    births_kev,
    pristine_rate,
    rebinned,
    regions_kev,
    shade,
    state_rates,
)
from lidepth.show.drawing import Drawing
from lidepth.show.style import BLACK, PART_COLOURS, VERMILLION, bare, new_figure, styled

STEP_KEV = 10.0


@styled
def pristine(analysis: Analysis) -> Drawing:
    """Draw the pristine spectrum with its fit, the fit's parts and the residuals."""
    fit = analysis.calibration.fit
    figure = new_figure(7.1, 3.9)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    scale = 1.0 / (fit.live_s * np.diff(fit.edges_kev))
    _measured(upper, fit, scale)
    for name, part in fit.components.items():
        colour = PART_COLOURS.get(name, "#888888")
        upper.stairs(np.asarray(part) * scale, fit.edges_kev, color=colour, lw=0.9, baseline=None,
                     label=name)  # fmt: skip
    upper.stairs(fit.model * scale, fit.edges_kev, color=VERMILLION, lw=0.9, baseline=None,
                 label="fit", zorder=3)  # fmt: skip
    _births(upper, births_kev(analysis))
    positive = (fit.counts * scale)[fit.counts > 0]
    low = 0.5 * float(positive.min()) if positive.size else 1e-6
    high = 12.0 * float(positive.max()) if positive.size else 1.0
    upper.set(yscale="log", ylim=(low, high), ylabel="rate (counts/s/keV)")
    upper.legend(loc="upper center", ncols=3, bbox_to_anchor=(0.38, 0.99))
    _residual_strip(lower, fit)
    lower.set(xlabel="energy (keV)", xlim=(fit.edges_kev[0], _upper_kev(analysis, fit)))
    for axes in (upper, lower):
        bare(axes)
    return Drawing(
        name="pristine",
        title="Spectrum of the pristine cell",
        figure=figure,
        data=_pristine_data(fit, scale),
        caption=_pristine_caption(analysis),
    )


def _measured(axes: Any, fit: SpectrumFit, scale: Floats) -> None:
    rate = np.where(fit.counts > 0, fit.counts * scale, np.nan)
    middle = 0.5 * (fit.edges_kev[1:] + fit.edges_kev[:-1])
    error = np.sqrt(fit.counts) * scale
    shown = fit.counts > 0
    lower = np.minimum(error, 0.9 * np.nan_to_num(rate))
    axes.errorbar(middle[shown], rate[shown], yerr=[lower[shown], error[shown]], fmt="o", ms=1.6,
                  color=BLACK, ecolor="#888888", elinewidth=0.4, capsize=0, label="measured",
                  zorder=1.5)  # fmt: skip


def _births(axes: Any, births: dict[str, float]) -> None:
    for particle, energy in births.items():
        axes.axvline(energy, color=PART_COLOURS[particle], ls="--", lw=0.9)
        axes.annotate(f"{particle} born\n{energy:.1f} keV", (energy, 0.99),
                      xycoords=("data", "axes fraction"), xytext=(-3, 0), ha="right", va="top",
                      textcoords="offset points", fontsize=7,
                      color=PART_COLOURS[particle])  # fmt: skip


def _upper_kev(analysis: Analysis, fit: SpectrumFit) -> float:
    return max([float(fit.edges_kev[-1]), *(e + 20.0 for e in births_kev(analysis).values())])


def _residual_strip(axes: Any, fit: SpectrumFit) -> None:
    axes.axhspan(-1, 1, color="#eeeeee", lw=0)
    axes.axhline(0.0, color="#999999", lw=0.5)
    middle = 0.5 * (fit.edges_kev[1:] + fit.edges_kev[:-1])
    axes.plot(middle[fit.mask], fit.residuals[fit.mask], ".", ms=1.8, color=BLACK)
    reach = float(max(3.5, 1.1 * np.abs(fit.residuals).max(initial=0.0)))
    axes.set(ylim=(-reach, reach), ylabel="residual (σ)")


def _pristine_data(fit: SpectrumFit, scale: Floats) -> dict[str, Any]:
    data: dict[str, Any] = {
        "energy_low_kev": fit.edges_kev[:-1],
        "energy_high_kev": fit.edges_kev[1:],
        "counts": fit.counts,
        "rate_per_s_kev": fit.counts * scale,
        "fit_per_s_kev": fit.model * scale,
    }
    for name, part in fit.components.items():
        data[f"{name}_per_s_kev"] = np.asarray(part) * scale
    return {**data, "residual_sigma": fit.residuals, "in_fit": fit.mask.astype(np.int64)}


def _pristine_caption(analysis: Analysis) -> str:
    fit = analysis.calibration.fit
    births = births_kev(analysis)
    dashed = " and ".join(f"{name} ({energy:.1f} keV)" for name, energy in births.items())
    return (
        f"Spectrum of the pristine cell, {fit.live_s / 3600:.1f} h live time, with the "
        "self-calibration fit and its parts; background is the fitted continuum. "
        + (f"Dashed: energies at birth, {dashed}. " if births else "")
        + "Error bars: 68 %, counting. Below: signed root of the Poisson deviance per bin; "
        f"deviance {fit.deviance:.0f} for {fit.degrees_of_freedom} degrees of freedom."
    )


@styled
def difference(analysis: Analysis, cycle: int = 1) -> Drawing:
    """Draw charged less pristine and discharged less pristine of one cycle."""
    grid = alpha_grid(analysis, STEP_KEV)
    reference = pristine_rate(analysis, grid)
    fit = analysis.calibration.fit
    start = rebinned(fit.model, fit.edges_kev, grid) / (fit.live_s * np.diff(grid))
    figure = new_figure(7.1, 3.0)
    axes = figure.subplots()
    middle = 0.5 * (grid[1:] + grid[:-1])
    data: dict[str, Any] = {"energy_kev": middle}
    axes.set_xlim(grid[0], grid[-1])
    for name, colour in (("charged", BLACK), ("discharged", VERMILLION)):
        states = state_rates(analysis, name, grid)
        _, rate, model = next((row for row in states if row[0] == cycle), states[0])
        change = rate.value - reference.value
        error = np.hypot(rate.std, reference.std)
        axes.errorbar(middle, change, error, fmt="o", ms=2, color=colour, elinewidth=0.5,
                      capsize=0, label=f"{name} − pristine")  # fmt: skip
        axes.plot(middle, model - start, color=colour, lw=0.9)
        data |= {f"{name}_per_s_kev": change, f"{name}_std": error, f"{name}_fit": model - start}
    axes.axhline(0.0, color="#999999", lw=0.5)
    shade(axes, regions_kev(analysis))
    axes.set(xlabel="energy (keV)", ylabel="change of rate (counts/s/keV)")
    axes.legend(loc="upper left", bbox_to_anchor=(0.0, 0.92))
    bare(axes)
    return Drawing(
        name="difference",
        title=f"Difference spectra of cycle {cycle}",
        figure=figure,
        data=data,
        caption=(
            f"Spectra at rest after charge and after discharge of cycle {cycle} less the pristine "
            f"spectrum, in {STEP_KEV:g}-keV bins, brought to the same beam by the monitor. Error "
            "bars: 68 %, counting of state and pristine; lines: difference of the fits. Shaded: "
            "where alphas from each layer of the pristine cell arrive. Lithium in the anode slows "
            "alphas from all layers below it, so part of the difference is a shift of the "
            "electrolyte's spectrum and not a change of its lithium."
        ),
    )
