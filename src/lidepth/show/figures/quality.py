"""How good the fits are: residuals of every state, stack and pulls, moved silicon."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lidepth.model.calibration import FittedParameter, SpectrumFit
from lidepth.model.result import Analysis
from lidepth.model.stack import Layer
from lidepth.show.arrange import error_lines, with_gaps
from lidepth.show.drawing import Drawing, NothingToDraw
from lidepth.show.style import (
    BLACK,
    BLUE,
    DIVERGING,
    GREY,
    NO_DATA,
    VERMILLION,
    bare,
    colour_bar,
    new_figure,
    styled,
    whole_numbers,
)

WORRYING_PULL = 3.0
FILLED = 5.0  # expected counts from which the deviance of a bin is near chi-square
MOST_PULLS = 36  # more would not fit a page; the largest are kept, in their order
_FILLERS = ("thickness", "areal", "density", "scale", "factor", "layer", "of", "the")


@styled
def residuals(analysis: Analysis) -> Drawing:
    """Draw the residuals of all states as an image, and chi-square per state beside it."""
    if not analysis.fits:
        raise NothingToDraw("no state was fitted")
    edges = analysis.fits[0].edges_kev
    fits = [fit for fit in analysis.fits if fit.edges_kev.shape == edges.shape]
    image = np.array([np.where(fit.mask, fit.residuals, np.nan) for fit in fits])
    ratio = np.array([fit.deviance / max(fit.degrees_of_freedom, 1) for fit in fits])
    filled, spread = np.array([_filled_bins(fit) for fit in fits]).T
    used = np.flatnonzero(fits[0].mask)
    number = np.arange(1, len(fits) + 1)
    figure = new_figure(7.1, min(5.2, 2.6 + 0.03 * len(fits)))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[4.2, 1])
    mesh = left.pcolorfast(
        edges,
        np.append(number - 0.5, number[-1] + 0.5),
        np.ma.masked_invalid(image),
        cmap=DIVERGING,
        vmin=-4,
        vmax=4,
    )
    left.set(xlabel="energy (keV)", ylabel="state, in order of time", facecolor=NO_DATA)
    if used.size:
        left.set_xlim(edges[used[0]], edges[used[-1] + 1])
    whole_numbers(left.yaxis)
    colour_bar(figure, mesh, left, "residual (σ)", pad=0.01)
    right.fill_betweenx(number, 1 - spread, 1 + spread, color="#e6e6e6", lw=0)
    right.axvline(1.0, color="#777777", lw=0.6)
    colours = [BLACK if fit.label.endswith(" charged") else VERMILLION for fit in fits]
    right.scatter(filled, number, s=7, c=colours, lw=0)
    right.set_xlabel("deviance per bin\nof ≥ 5 counts")
    low = min(float(np.nanmin(filled, initial=1.0)), float((1 - 2 * spread).min()))
    high = max(float(np.nanmax(filled, initial=1.0)), float((1 + 2 * spread).max()))
    right.set_xlim(low - 0.03, high + 0.03)
    bare(right)
    middle = 0.5 * (edges[1:] + edges[:-1])
    return Drawing(
        name="residuals",
        title="Fit residuals of every state",
        figure=figure,
        data={
            "state": np.array([fit.label for fit in fits]),
            "deviance_per_dof": ratio,
            "deviance_per_filled_bin": filled,
            "energy_kev": middle,
            "residual_sigma": np.nan_to_num(image),
        },
        caption=(
            "Left: signed root of the Poisson deviance per energy bin and state; a stripe that "
            "runs through many states is a fault of the model, not noise. Bins that expect less "
            "than a count are pale, with a red fleck per count; they say little. Right: deviance "
            "per bin where five counts or more are expected, charged black, discharged red; "
            "shaded: 68 % of a perfect model (without its few fitted parameters)."
        ),
    )


def _filled_bins(fit: SpectrumFit) -> tuple[float, float]:
    """Mean squared residual of the bins that expect five counts or more, and its spread."""
    filled = fit.mask & (fit.model >= FILLED)
    number = max(int(filled.sum()), 1)
    return float(np.sum(fit.residuals[filled] ** 2)) / number, math.sqrt(2.0 / number)


@styled
def stack(analysis: Analysis) -> Drawing:
    """Draw fitted over printed thickness of every layer, and the pulls of all nuisances."""
    printed, fitted = tuple(analysis.run.stack), tuple(analysis.stack)
    names = [layer.name for layer in printed]
    found_nm = np.array([layer.thickness_nm for layer in fitted])
    ratio = found_nm / np.array([layer.thickness_nm for layer in printed])
    relative = np.array([_relative_std(analysis, layer) for layer in printed])
    prior = np.array([layer.thickness_rel_std for layer in printed])
    every = _with_pulls(analysis)
    pulled = _largest(every)
    first = {p.name: p for p in analysis.calibration.parameters if math.isfinite(p.pull)}
    layers_in = 0.6 + 0.34 * len(names)
    height_in = max(layers_in, 1.0 + 0.155 * len(pulled))
    figure = new_figure(7.1, height_in)
    grid = figure.add_gridspec(
        2, 2, width_ratios=[1.0, 1.25], height_ratios=[layers_in, max(height_in - layers_in, 0.01)]
    )
    left, right = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[:, 1])
    _thicknesses(left, analysis, ratio, relative, prior)
    _pulls(right, pulled, first)
    figure.legend(loc="outside lower right", ncols=2)
    pulls = np.array([parameter.pull for parameter in pulled])
    return Drawing(
        name="stack",
        title="Stack and nuisance parameters",
        figure=figure,
        data={
            "layer": np.array(names),
            "printed_nm": np.array([layer.thickness_nm for layer in printed]),
            "printed_rel_std": prior,
            "fitted_nm": found_nm,
            "fitted_over_printed": ratio,
            "fitted_rel_std": relative,
            "parameter": np.array([parameter.label for parameter in pulled]),
            "pull": pulls,
            "pull_pristine": np.array(
                [first[p.name].pull if p.name in first else np.nan for p in pulled]
            ),
        },
        caption=(
            "Left: thickness of each layer after the fit over the printed thickness; "
            "error bars: 68 % after the fit, where the layer was fitted; grey: 68 % before. "
            "Right: pulls, the distance of each fitted parameter from its prior in prior standard "
            "deviations, with its error after the fit on the same scale; grey band: 68 % expected. "
            "Open: after the pristine spectrum alone; filled: after the whole run, where the run "
            "says more. "
            f"Red: beyond {WORRYING_PULL:g}, where prior or model should be doubted."
            + f" Of {len(every)} parameters the {MOST_PULLS} with the largest pulls are drawn."
            * (len(every) > len(pulled))
        ),
    )


def _thicknesses(axes: Any, analysis: Analysis, ratio: Any, relative: Any, prior: Any) -> None:
    place = np.arange(ratio.size)[::-1]
    axes.barh(place, 2 * prior, left=1 - prior, height=0.45, color="#e3e3e3")
    axes.axvline(1.0, color="#777777", lw=0.6)
    error = np.nan_to_num(relative * ratio)
    error_lines(axes, place, ratio - error, ratio + error, across=True, color=BLACK, lw=0.9)
    axes.plot(ratio, place, "o", color=BLACK)
    labels = [
        f"{new.name}\n{old.thickness_nm:.0f} → {new.thickness_nm:.0f} nm"
        for old, new in zip(analysis.run.stack, analysis.stack, strict=True)
    ]
    axes.set_yticks(place, labels, fontsize=6.5)
    low = min(float((1 - prior).min()), float(ratio.min())) - 0.05
    high = max(float((1 + prior).max()), float((ratio + np.nan_to_num(relative)).max())) + 0.05
    axes.set(xlabel="fitted / printed thickness", xlim=(low, high), ylim=(-0.6, ratio.size - 0.4))
    bare(axes)


def _pulls(axes: Any, parameters: list[FittedParameter], first: dict[str, FittedParameter]) -> None:
    place = np.arange(len(parameters))[::-1]
    axes.axvspan(-1, 1, color="#e9e9e9", lw=0)
    axes.axvline(0.0, color="#777777", lw=0.6)
    reach = WORRYING_PULL + 0.4
    pull = np.array([parameter.pull for parameter in parameters])
    error = np.array([parameter.std / parameter.prior_std for parameter in parameters])
    earlier = np.array([_earlier(parameter, first) for parameter in parameters])
    reach = max(
        [reach, *(np.abs(pull) + error + 0.3), *(np.abs(earlier[earlier == earlier]) + 0.3)]
    )
    for colour, mine in (
        (BLACK, np.abs(pull) <= WORRYING_PULL),
        (VERMILLION, np.abs(pull) > WORRYING_PULL),
    ):
        error_lines(axes, place[mine], (pull - error)[mine], (pull + error)[mine], across=True,
                    color=colour, lw=0.9)  # fmt: skip
        axes.plot(pull[mine], place[mine], "o", color=colour)
    axes.plot(earlier, place, "o", ms=4.5, mfc="none", mec="#777777", mew=0.7,
              label="pristine alone")  # fmt: skip
    for limit in (-WORRYING_PULL, WORRYING_PULL):
        axes.axvline(limit, color=VERMILLION, lw=0.6, ls="--")
    axes.plot([], [], "o", ms=3.5, color=BLACK, label="after the fit")
    axes.set_yticks(place, [parameter.label for parameter in parameters], fontsize=6.5)
    axes.set(xlabel="pull (prior σ)", xlim=(-reach, reach), ylim=(-0.7, len(parameters) - 0.3))
    bare(axes)


def _earlier(parameter: FittedParameter, first: dict[str, FittedParameter]) -> float:
    """Pull after the pristine spectrum alone; NaN where the run adds nothing to it."""
    before = first.get(parameter.name, parameter)
    return math.nan if before is parameter else before.pull


def _with_pulls(analysis: Analysis) -> list[FittedParameter]:
    every = {p.name: p for p in (*analysis.calibration.parameters, *analysis.common)}
    ordered = [*analysis.calibration.parameters, *analysis.common]
    unique = {p.name: every[p.name] for p in ordered}
    return [parameter for parameter in unique.values() if math.isfinite(parameter.pull)]


def _largest(parameters: list[FittedParameter]) -> list[FittedParameter]:
    ranked = sorted(parameters, key=lambda parameter: -abs(parameter.pull))[:MOST_PULLS]
    kept = {parameter.name for parameter in ranked}
    return [parameter for parameter in parameters if parameter.name in kept]


def _relative_std(analysis: Analysis, layer: Layer) -> float:
    """Relative uncertainty of a layer's thickness after the fit; NaN where it was not fitted."""
    for parameter in (*analysis.common, *analysis.calibration.parameters):
        if layer.name.lower() in (_plain(parameter.name), _plain(parameter.label)):
            return parameter.std / abs(parameter.value) if parameter.prior else parameter.std
    return math.nan


def _plain(text: str) -> str:
    words = text.lower().replace("_", " ").replace(":", " ").replace(".", " ").split()
    return " ".join(word for word in words if word not in _FILLERS)


@styled
def silicon(analysis: Analysis) -> Drawing:
    """Draw the silicon that has moved into the electrolyte against the cycle number."""
    moved = analysis.silicon
    if not moved.cycle.size or not np.any(moved.std_1e15 > 0):
        raise NothingToDraw("moved silicon was not determined", expected="a cycler record")
    figure = new_figure(4.6, 2.8)
    axes = figure.subplots()
    cycle, amount, std = with_gaps(moved.cycle, moved.amount_1e15, moved.std_1e15)
    axes.fill_between(cycle, amount - std, amount + std, color=BLUE, alpha=0.18, lw=0)
    axes.plot(cycle, amount, "o-", color=BLUE, label="per cycle, 68 % band")
    axes.errorbar(float(moved.cycle[-1]) + 0.03 * (float(np.ptp(moved.cycle)) + 1) + 0.3,
                  moved.mean_1e15, moved.mean_std_1e15, fmt="s", color=BLACK,
                  label="mean of all cycles, 68 %")  # fmt: skip
    axes.axhline(0.0, color=GREY, lw=0.6)
    axes.set(xlabel="cycle", ylabel="moved silicon (10¹⁵ Si/cm²)")
    whole_numbers(axes.xaxis)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.0), high + 0.22 * (high - low))
    axes.legend(loc="upper left", ncols=2)
    bare(axes)
    if moved.film_1e15 > 0:
        right = axes.secondary_yaxis("right", functions=(
            lambda y: np.asarray(y) * 100 / moved.film_1e15,
            lambda y: np.asarray(y) * moved.film_1e15 / 100))  # fmt: skip
        right.set_ylabel("% of the silicon film")
    return Drawing(
        name="silicon",
        title="Silicon moved into the electrolyte",
        figure=figure,
        data={
            "cycle": moved.cycle,
            "moved_1e15": moved.amount_1e15,
            "moved_std_1e15": moved.std_1e15,
            "mean_1e15": np.array([moved.mean_1e15]),
            "mean_std_1e15": np.array([moved.mean_std_1e15]),
        },
        caption=(
            "Silicon that has left the anode for the electrolyte, as far as the two rests of each "
            "cycle, tied by coulometry, determine it through the energy that alphas lose in it. "
            "Fitted at a few knots, straight between them, so neighbouring cycles are not "
            "independent. Band and error bar: 68 %, total. The measurement does not see silicon "
            "itself: any other loss of stopping above the electrolyte would look the same."
        ),
    )
