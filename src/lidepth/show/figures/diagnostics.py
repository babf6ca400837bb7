"""Whether an analysis can be trusted: residuals in time, modes, sensitivities, other sources."""

from __future__ import annotations

from typing import Any

import numpy as np

from lidepth.model.diagnosis import ModeSpectrum, ResidualStrip, SourceEnsemble
from lidepth.model.ledger import REGIONS
from lidepth.model.result import Analysis
from lidepth.show.arrange import (
    depth_regions,
    error_lines,
    name_spans,
    regions_kev,
    shade,
    with_gaps,
    with_time_gaps,
)
from lidepth.show.drawing import Drawing, NothingToDraw
from lidepth.show.style import (
    BLACK,
    BLUE,
    CYCLE_COLOURS,
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
from lidepth.show.words import typeset

SPARE_MODES = 2  # shapes drawn beyond those that the data know


@styled
def residual_strip(analysis: Analysis) -> Drawing:
    """Draw residuals against time and energy, the scan of their sum above, of each row beside."""
    strip = analysis.diagnosis.strip
    if strip is None:
        raise NothingToDraw("no spectrum was compared with a model")
    figure = new_figure(7.1, 4.9)
    grid = figure.add_gridspec(2, 2, width_ratios=[4.4, 1.0], height_ratios=[1.0, 2.9])
    top = figure.add_subplot(grid[0, 0])
    image = figure.add_subplot(grid[1, 0], sharex=top)
    side = figure.add_subplot(grid[1, 1], sharey=image)
    _scan(top, strip)
    edges, values = _strip_rows(strip)
    mesh = image.pcolorfast(strip.edges_kev, edges, np.ma.masked_invalid(values), cmap=DIVERGING,
                            vmin=-4, vmax=4)  # fmt: skip
    image.set(
        xlabel="energy (keV)",
        facecolor=NO_DATA,
        ylim=(edges[0], edges[-1]),
        ylabel="state, in order" if strip.labels else "time since the first spectrum (h)",
    )
    name_spans(top, regions_kev(analysis), above=True)
    colour_bar(figure, mesh, side, "residual (σ)", pad=0.04)
    _row_scan(side, strip)
    return Drawing(
        name="residual_strip", title="Residuals over time and energy", figure=figure,
        data={
            "start_s": strip.start_s, "stop_s": strip.stop_s, "spectra": strip.spectra,
            "row_scan_z": strip.row_z, "row_scan_kev": strip.row_kev,
            "scan_kev": strip.scan_kev, "scan_z": strip.scan_z, "scan_excess": strip.scan_excess,
            "energy_low_kev": strip.edges_kev[:-1], "energy_high_kev": strip.edges_kev[1:],
            "residual_sigma": strip.residual,
        },
        caption=_strip_caption(strip),
    )  # fmt: skip


def _strip_caption(strip: ResidualStrip) -> str:
    rows = "one row per state" if strip.labels else "rows of neighbouring spectra in time"
    return (
        "Measured against expected counts: signed root of the Poisson deviance, "
        f"{rows}, bins taken together until a mean row expects five counts. "
        "Above: a window of seven bins moved along the sum of all rows; right: the most extreme "
        "window of each row, red where beyond its limit. Dashed: limits that chance passes "
        "anywhere in one run of twenty, at most. "
        "Noise without pattern is good. A vertical stripe is a fault of the model that is always "
        "there, and with very many counts one of a few tenths of a per cent already shows; a "
        "stripe in time, or red right of it, is something that happened to the run."
    )


def _scan(axes: Any, strip: ResidualStrip) -> None:
    axes.axhline(0.0, color="#777777", lw=0.5)
    for sign in (-1.0, 1.0):
        axes.axhline(sign * strip.limit, color=VERMILLION, lw=0.6, ls="--")
    axes.plot(strip.scan_kev, strip.scan_z, color=BLACK, lw=0.8)
    reach = 1.12 * max(strip.limit, float(np.abs(strip.scan_z).max(initial=0.0)))
    axes.set(ylabel="scan of the sum (σ)", ylim=(-reach, reach),
             xlim=(strip.edges_kev[0], strip.edges_kev[-1]))  # fmt: skip
    axes.tick_params(labelbottom=False)
    bare(axes)


def _strip_rows(strip: ResidualStrip) -> tuple[Any, Any]:
    """Edges along the image's upright axis and its rows, gaps in time empty."""
    if strip.labels:
        return np.arange(len(strip) + 1) + 0.5, strip.residual
    return with_time_gaps(strip.start_s / 3600.0, strip.stop_s / 3600.0, strip.residual)


def _row_scan(axes: Any, strip: ResidualStrip) -> None:
    at = 0.5 * (strip.start_s + strip.stop_s) / 3600.0
    if strip.labels:
        at = np.arange(1.0, len(strip) + 1.0)
        whole_numbers(axes.yaxis)
    size = np.abs(strip.row_z)
    axes.scatter(size, at, s=4 if len(strip) > 60 else 9, lw=0,
                 c=[VERMILLION if bad else BLACK for bad in strip.beyond])  # fmt: skip
    axes.axvline(strip.row_limit, color=VERMILLION, lw=0.6, ls="--")
    axes.set(xlabel="largest in\neach row (σ)", xlim=(0.0, 1.12 * max(strip.row_limit, size.max())))
    axes.tick_params(labelleft=False)
    bare(axes)


@styled
def modes(analysis: Analysis) -> Drawing:
    """Draw what the counts know of each shape of the electrolyte's profile, and these shapes."""
    found = analysis.diagnosis.modes
    if found is None or not found.labels:
        raise NothingToDraw("no state was fitted")
    figure = new_figure(7.1, 3.1)
    left, right = figure.subplots(1, 2, width_ratios=[1.0, 1.35])
    number = np.arange(1, found.information.shape[1] + 1)
    _eigenvalues(left, found, number)
    last = int(found.supported[-1])
    shown = min(last + SPARE_MODES, number.size)
    _shapes(right, analysis, found, last, shown)
    return Drawing(
        name="modes", title="How many shapes the data know", figure=figure,
        data={
            "mode": number, "information_last": found.information[-1],
            "information_freed_last": found.freed[-1],
            "state": np.array(found.labels), "modes_known": found.supported,
            "information": found.information.T,
            "depth_low_nm": found.edges_nm[:-1], "depth_high_nm": found.edges_nm[1:],
            "shape_1e15_per_nm": found.shapes.T,
        },
        caption=(
            "Left: eigenvalues of the information in the counts of each state about the "
            "electrolyte's profile, in units of what was believed beforehand; above one the data "
            "speak, below it the prior does. Black charged, red discharged; open: the last state "
            "with beam, energy offset, background, anode and cathode unknown as well. "
            f"Right: the shapes themselves for {found.labels[-1]}, known ones drawn, the next ones "
            "dashed. A feature of a profile that looks like a dashed one is not measured. "
            "Fewer than three known shapes would mean that only the amount is measured."
        ),
    )  # fmt: skip


def _eigenvalues(axes: Any, found: ModeSpectrum, number: Any) -> None:
    lowest = 1e-3
    axes.axhspan(lowest, 1.0, color="#efefef", lw=0)
    axes.text(number[-1], 0.8, "prior", ha="right", va="top", color="#555555", fontsize=7)
    axes.text(number[-1], 1.25, "data", ha="right", va="bottom", color="#555555", fontsize=7)
    for label, values in zip(found.labels, found.information, strict=True):
        colour = BLACK if label.endswith(" charged") else VERMILLION
        axes.plot(number, np.maximum(values, lowest), "o-", color=colour, ms=2.5, lw=0.5, alpha=0.6)
    axes.plot(number, np.maximum(found.freed[-1], lowest), "o", mfc="none", mec=BLUE, ms=5, mew=0.8)
    axes.set(yscale="log", xlabel="shape, most surely known first", ylim=(lowest, None),
             ylabel="information (1 = as much as the prior)")  # fmt: skip
    whole_numbers(axes.xaxis)
    bare(axes)


def _shapes(axes: Any, analysis: Analysis, found: ModeSpectrum, last: int, shown: int) -> None:
    middle = 0.5 * (found.edges_nm[1:] + found.edges_nm[:-1])
    axes.set_xlim(0.0, float(found.edges_nm[-1]))
    if analysis.profiles:
        spans = depth_regions(analysis.profiles[-1])
        shade(axes, {role: span for role, span in spans.items() if role != "cathode"}, names=False)
    for number, shape in enumerate(found.shapes[:shown], start=1):
        peak = float(np.abs(shape).max()) or 1.0
        signed = shape * np.sign(shape[np.abs(shape).argmax()])
        axes.axhline(-number, color="#cccccc", lw=0.4)
        look = {"color": BLUE, "ls": "-"} if number <= last else {"color": GREY, "ls": (0, (3, 2))}
        axes.plot(middle, 0.42 * signed / peak - number, lw=1.0, **look)
    axes.set_yticks([-n for n in range(1, shown + 1)], [str(n) for n in range(1, shown + 1)])
    axes.set(xlabel="depth from the anode surface (nm)", ylabel="shape (each to its own scale)",
             ylim=(-shown - 0.6, -0.4))  # fmt: skip
    bare(axes)


@styled
def ensemble(analysis: Analysis) -> Drawing:
    """Draw how other stopping sources move the ledger, beside its stated common error."""
    found = analysis.diagnosis.ensemble
    if found is None:
        raise NothingToDraw(
            "no other stopping source was asked for",
            expected="--ensemble stopping or --alternative",
        )
    kinds = list(dict.fromkeys(found.state))
    figure = new_figure(7.1, 1.3 + 1.75 * len(kinds))
    panels = figure.subplots(len(kinds), 3, sharex=True, squeeze=False)
    for row, kind in zip(panels, kinds, strict=True):
        for axes, column in zip(row, range(3), strict=True):
            _moves(axes, found, kind, column)
        row[0].set_ylabel(f"{kind}: move (µAh)")
    for axes, role in zip(panels[0], REGIONS, strict=True):
        axes.set_title(role, fontsize=7.5, loc="center")
    for axes in panels[-1]:
        axes.set_xlabel("cycle")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    low, high = found.band
    return Drawing(
        name="ensemble", title="Other stopping powers", figure=figure,
        data={
            "cycle": found.cycle, "state": np.array(found.state), "common_std_uAh": found.common,
            "lowest_move_uAh": low, "highest_move_uAh": high,
            "source": np.array(found.names), "misfit_factor": found.misfit,
            **{f"move_{n}_uAh": move for n, move in enumerate(found.shift)},
        },
        caption=(
            "By how much the rows of the default ledger move when the whole analysis is done with "
            f"other stopping powers; zero is {found.names[0]}. Coloured band: from the lowest to "
            "the highest of all sources, none of which is the truth; grey band: the stated common "
            "error (68 %), which should hold most of it. A coloured band that leaves the grey one "
            "is an error that the analysis does not know of: quote it."
        ),
    )  # fmt: skip


def _moves(axes: Any, found: SourceEnsemble, kind: str, column: int) -> None:
    rows = np.flatnonzero([state == kind for state in found.state])
    low, high = (side[rows, column] for side in found.band)
    common = found.common[rows, column]
    cycle, low, high, common = with_gaps(found.cycle[rows], low, high, common)
    if cycle.size == 1:
        error_lines(axes, cycle, -common, common, color="#c8c8c8", lw=5)
    axes.fill_between(cycle, -common, common, color="#dedede", lw=0, label="stated common error")
    axes.fill_between(cycle, low, high, color=BLUE, alpha=0.25, lw=0, label="all sources")
    axes.axhline(0.0, color="#777777", lw=0.5)
    for number, (name, move) in enumerate(zip(found.names, found.shift, strict=True)):
        if number == 0:
            continue
        _, values = with_gaps(found.cycle[rows], move[rows, column])
        axes.plot(cycle, values, "o-", ms=2.2, lw=0.8, label=typeset(name),
                  color=CYCLE_COLOURS[(number - 1) % len(CYCLE_COLOURS)])  # fmt: skip
    reach = 1.15 * max(float(np.nanmax(np.abs(np.concatenate([low, high, common])))), 0.02)
    axes.set_ylim(-reach, reach)
    whole_numbers(axes.xaxis)
    bare(axes)
