"""Spectra: pristine, and charged or discharged less pristine."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.ticker import NullLocator

from lidepth.model.calibration import SpectrumFit
from lidepth.model.result import Analysis
from lidepth.show.arrange import (
    Floats,
    alpha_grid,
    births_kev,
    error_lines,
    name_spans,
    pristine_rate,
    rebinned,
    regions_kev,
    shade,
    stairs,
    state_rates,
)
from lidepth.show.drawing import Drawing
from lidepth.show.style import BLACK, PART_COLOURS, VERMILLION, bare, new_figure, styled

STEP_KEV = 10.0
HIGH = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"


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
        stairs(upper, _fitted(part, fit) * scale, fit.edges_kev, color=colour, lw=0.9, label=name)
    stairs(upper, _fitted(fit.model, fit) * scale, fit.edges_kev, color=VERMILLION, lw=0.9,
           label="fit", zorder=3)  # fmt: skip
    _births(upper, births_kev(analysis))
    positive = (fit.counts * scale)[fit.counts > 0]
    low = 0.5 * float(positive.min()) if positive.size else 1e-6
    high = 12.0 * float(positive.max()) if positive.size else 1.0
    upper.set(yscale="log", ylim=(low, high), ylabel="rate (counts/s/keV)")
    upper.yaxis.set_major_formatter(_power)
    upper.yaxis.set_minor_locator(NullLocator())
    upper.legend(loc="upper center", ncols=3, bbox_to_anchor=(0.38, 0.99))
    _residual_strip(lower, fit)
    lower.set(xlabel="energy (keV)", xlim=_span_kev(analysis, fit))
    shade(upper, regions_kev(analysis), names=False)
    name_spans(upper, regions_kev(analysis), above=True)
    for axes in (upper, lower):
        _not_fitted(axes, fit)
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
    error_lines(axes, middle[shown], (rate - lower)[shown], (rate + error)[shown],
                color="#888888", lw=0.4, zorder=1.4)  # fmt: skip
    axes.plot(middle[shown], rate[shown], "o", ms=1.5, mew=0, color=BLACK, label="measured",
              zorder=1.5)  # fmt: skip


def _power(value: float, _: int) -> str:
    """Return a power of ten for a tick of a logarithmic scale."""
    return "10" + str(round(math.log10(value))).translate(str.maketrans("-0123456789", HIGH))


def _fitted(values: Floats, fit: SpectrumFit) -> Floats:
    """Values inside the fitted energies, NaN outside, so that no line is drawn there."""
    used = np.flatnonzero(fit.mask)
    place = np.arange(fit.counts.size)
    inside = (place >= used[0]) & (place <= used[-1]) if used.size else np.ones(place.size, bool)
    return np.where(inside, np.asarray(values, dtype=np.float64), np.nan)


def _not_fitted(axes: Any, fit: SpectrumFit) -> None:
    used = np.flatnonzero(fit.mask)
    if used.size:
        low, high = axes.get_xlim()
        first, last = fit.edges_kev[used[0]], fit.edges_kev[used[-1] + 1]
        for start, stop in ((low, first), (last, high)):
            if stop > start:
                axes.axvspan(start, stop, facecolor="none", edgecolor="#d5d5d5", hatch="////",
                             lw=0, zorder=0.5)  # fmt: skip
        axes.set_xlim(low, high)


def _births(axes: Any, births: dict[str, float]) -> None:
    for particle, energy in births.items():
        axes.axvline(energy, color=PART_COLOURS[particle], ls="--", lw=0.9)
        axes.annotate(f"{particle} born\n{energy:.1f} keV", (energy, 0.99),
                      xycoords=("data", "axes fraction"), xytext=(-3, 0), ha="right", va="top",
                      textcoords="offset points", fontsize=7,
                      color=PART_COLOURS[particle])  # fmt: skip


def _span_kev(analysis: Analysis, fit: SpectrumFit) -> tuple[float, float]:
    """From the first count to a little beyond what was fitted and the highest birth energy."""
    used, seen = np.flatnonzero(fit.mask), np.flatnonzero(fit.counts > 0)
    first = float(fit.edges_kev[seen[0]]) if seen.size else float(fit.edges_kev[0])
    last = float(fit.edges_kev[used[-1] + 1]) if used.size else float(fit.edges_kev[-1])
    return first - 20.0, max([last, *(e + 40.0 for e in births_kev(analysis).values())])


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
        + "Shaded: energy windows of the layers for alphas, from the edges of the pristine stack "
        "(outwards with a margin for resolution). Hatched: not used by the fit. Bins without a "
        "count cannot be drawn on this scale. Error bars: 68 %, counting. Below: signed "
        "root of the Poisson deviance per bin; "
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
        error_lines(axes, middle, change - error, change + error, color=colour, lw=0.5)
        axes.plot(middle, change, "o", ms=2, color=colour, label=f"{name} − pristine")
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
            "energy windows of the layers in the pristine cell, outwards with a margin for "
            "resolution. On charge the cathode loses lithium (negative) and the anode gains it "
            "(the peak at the highest energies). Lithium in the anode slows the alphas from all "
            "layers below it: the whole electrolyte looks shifted to lower energies. The positive "
            "step at its lower edge, and part of what reaches below its upper edge, are that "
            "shift and not a change of its lithium."
        ),
    )
