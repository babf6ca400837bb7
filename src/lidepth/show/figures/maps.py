"""Difference spectra against time and against cycle number."""

from __future__ import annotations

from typing import Any

import numpy as np

from lidepth.model.result import Analysis
from lidepth.model.spectra import UNUSABLE, Quality
from lidepth.show.arrange import (
    Floats,
    alpha_grid,
    beam_per_s,
    channel_edges_kev,
    exposure_s,
    name_spans,
    pristine_rows,
    rebinned,
    regions_kev,
    state_rates,
)
from lidepth.show.drawing import Drawing, NothingToDraw
from lidepth.show.style import (
    BLACK,
    DIVERGING,
    GREEN,
    NO_DATA,
    ORANGE,
    PURPLE,
    VERMILLION,
    bare,
    colour_bar,
    new_figure,
    styled,
    whole_numbers,
)

STEP_KEV = 10.0
COLOURS = (
    "Colours are chosen for electrolyte and cathode; the anode, several times stronger, runs out "
    "of them."
)
COUNTS_PER_CELL = 120.0  # wanted per bin of the map, so that its noise stays near 10 %
MOST_BINS, FEWEST_BINS = 240, 60
MOST_BINS_WHOLE_RUN = 400

# Gaps are blank already, and a missing monitor says nothing about a time.
HATCHES = {
    Quality.BEAM_OFF: ("////", "#777777"),
    Quality.SHORT: ("----", "#777777"),
    Quality.DUPLICATE: ("||||", "#777777"),
    Quality.UNVERIFIED: ("xxxx", "#777777"),
    Quality.SATURATED: ("++++", "#777777"),
    Quality.GAIN_DRIFT: ("\\\\", VERMILLION),
    Quality.PILE_UP: ("....", GREEN),
    Quality.MONITOR_STUCK: ("oo", PURPLE),
    Quality.BACKGROUND_CHANGED: ("..", ORANGE),
    Quality.CLOCK_STEP: ("**", BLACK),
}


@styled
def operando_map(analysis: Analysis, cycles: int = 2) -> Drawing:
    """Draw difference spectra against time over the first cycles, the voltage at their left."""
    return _time_map(analysis, "operando_map", *_span(analysis, cycles), most=MOST_BINS)


@styled
def run_map(analysis: Analysis) -> Drawing:
    """Draw difference spectra against time over all cycles, the voltage at their left."""
    if max((step.cycle for step in analysis.steps), default=0) <= 2:
        raise NothingToDraw("the map of the first cycles shows the whole run")
    return _time_map(analysis, "run_map", *_span(analysis, None), most=MOST_BINS_WHOLE_RUN)


def _time_map(
    analysis: Analysis, name: str, start_s: float, stop_s: float, *, most: int
) -> Drawing:
    log = analysis.run.log
    if log is None:
        raise NothingToDraw("no cycler was recorded", expected="a voltage to draw beside the map")
    grid = alpha_grid(analysis, STEP_KEV)
    edges_s, values = _binned(analysis, grid, start_s, stop_s, most)
    hours = (edges_s - start_s) / 3600.0
    figure = new_figure(7.1, 4.6)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1, 3.6])
    log_s = log.seconds(analysis.run.series.origin)
    inside = (log_s >= start_s) & (log_s <= stop_s)
    log_h = (log_s[inside] - start_s) / 3600.0
    left.plot(log.voltage_v[inside], log_h, color=BLACK, lw=0.9 if name == "operando_map" else 0.5)
    _mark_steps(left, analysis, start_s, stop_s)
    left.set(
        xlabel="voltage (V)", ylabel="time since the first charge began (h)", ylim=(0.0, hours[-1])
    )
    bare(left)
    _image(figure, right, grid, hours, values, regions_kev(analysis).get("anode"))
    _hatch(right, analysis, start_s, stop_s)
    _region_lines(right, analysis)
    data = {
        "time_start_h": hours[:-1], "time_stop_h": hours[1:],
        "energy_kev": 0.5 * (grid[1:] + grid[:-1]), "change_per_s_kev": values,
        "voltage_time_h": log_h, "voltage_v": log.voltage_v[inside],
    }  # fmt: skip
    return Drawing(
        name=name,
        title="Difference spectra while cycling"
        if name == "operando_map"
        else "Difference spectra over the whole run",
        figure=figure,
        data=data,
        caption=_map_caption(hours),
    )


def _map_caption(hours: Floats) -> str:
    return (
        "Spectra less the pristine spectrum against time, brought to one beam by the monitor, "
        f"with the cell voltage at the left. Bins of {STEP_KEV:g} keV and, as a rule, "
        f"{np.median(np.diff(hours)) * 60:.0f} min; rests shaded beside the voltage. Hatched: "
        "flagged spectra, by kind; on grey, those left out of every sum. Plain grey: no data. "
        "Dashed lines: energy windows of the layers in the pristine cell. " + COLOURS + " "
        "No error is drawn; the noise is that of counting. The image is a display of raw "
        "differences: lithium in the anode slows the alphas from below it, so that the "
        "electrolyte looks shifted (red along its lower edge) while the cell is charged."
    )


def _span(analysis: Analysis, cycles: int | None) -> tuple[float, float]:
    steps = [s for s in analysis.steps if s.cycle >= 1 and (cycles is None or s.cycle <= cycles)]
    if analysis.run.log is None:
        raise NothingToDraw("no cycler was recorded", expected="a voltage to draw beside the map")
    if not steps:
        raise NothingToDraw("no cycle was found in the cycler record", expected="one cycle")
    return min(step.start_s for step in steps), max(step.stop_s for step in steps)


def _binned(
    analysis: Analysis, grid: Floats, start: float, stop: float, most: int
) -> tuple[Floats, Floats]:
    """Time edges (bins + 1,) and change of rate (bins, energies); NaN where nothing was taken."""
    series = analysis.run.series
    begin, end = series.start_s, series.stop_s
    rows = np.flatnonzero((end > start) & (begin < stop))
    if rows.size == 0:
        raise NothingToDraw("no spectrum lies inside the cycles asked for")
    before = np.flatnonzero(pristine_rows(analysis))
    if before.size == 0:
        raise NothingToDraw("no usable spectrum of the pristine cell")
    raw = series.data.values  # scipp: a view, so that long runs are not copied
    channels = channel_edges_kev(analysis)
    reference = _sum_rate(analysis, raw, before, channels, grid)
    edges, lines = [float(begin[rows[0]])], []
    empty = np.full(grid.size - 1, np.nan)
    for group in np.array_split(rows, _bins(raw[rows], channels, grid, most)):
        if begin[group[0]] - edges[-1] > 0.5 * (end[group[0]] - begin[group[0]]):
            lines.append(empty)
            edges.append(float(begin[group[0]]))
        lines.append(_sum_rate(analysis, raw, group, channels, grid) - reference)
        edges.append(float(end[group[-1]]))
    return np.array(edges), np.array(lines)


def _bins(raw: Any, channels: Floats, grid: Floats, most: int) -> int:
    per_cell = float(np.mean(rebinned(raw.sum(axis=0), channels, grid))) / len(raw)
    together = max(1.0, COUNTS_PER_CELL / max(per_cell, 1e-9))
    wanted = int(np.clip(len(raw) / together, FEWEST_BINS, most))
    return min(wanted, len(raw))


def _sum_rate(analysis: Analysis, raw: Any, rows: Any, channels: Floats, grid: Floats) -> Floats:
    series = analysis.run.series
    rows = rows[series.usable[rows]]
    if rows.size == 0:
        return np.full(grid.size - 1, np.nan)
    counts = rebinned(raw[rows].sum(axis=0), channels, grid)
    monitor = float(series.monitor[rows].sum())
    seconds = exposure_s(float(series.live_s[rows].sum()), monitor, beam_per_s(analysis))
    return counts / (seconds * np.diff(grid))


def _image(
    figure: Any, axes: Any, x: Floats, y: Floats, values: Floats,
    loud: tuple[float, float] | None,
) -> None:  # fmt: skip
    middle = 0.5 * (x[1:] + x[:-1])
    # The anode is several times stronger than all else; let it run out of the colours.
    quiet = (middle < loud[0]) | (middle > loud[1]) if loud else np.ones(middle.size, bool)
    sizes = np.abs(values[:, quiet])
    sizes = sizes[np.isfinite(sizes)]
    limit = (1.4 * float(np.percentile(sizes, 95.0)) if sizes.size else 0.0) or 1.0
    mesh = axes.pcolorfast(x, y, np.ma.masked_invalid(values), cmap=DIVERGING, vmin=-limit,
                           vmax=limit)  # fmt: skip
    axes.set(xlabel="energy (keV)", xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), facecolor=NO_DATA)
    colour_bar(figure, mesh, axes, "change of rate (counts/s/keV)", shrink=0.9, pad=0.02)


def _mark_steps(axes: Any, analysis: Analysis, start: float, stop: float) -> None:
    for step in analysis.steps:
        if step.kind == "rest" and start <= step.start_s < stop:
            axes.axhspan((step.start_s - start) / 3600, (step.stop_s - start) / 3600,
                         color="#ececec", lw=0)  # fmt: skip
    axes.set_title("rests shaded", fontsize=7)


def _hatch(axes: Any, analysis: Analysis, start: float, stop: float) -> None:
    """Hatch flagged spectra by kind: filled where they are in no sum, open where they are used."""
    from matplotlib.patches import Patch

    series = analysis.run.series
    begin, end = series.start_s, series.stop_s
    inside = (end > start) & (begin < stop)
    handles = []
    for flag, (pattern, colour) in HATCHES.items():
        rows = np.flatnonzero(((series.flags & int(flag)) != 0) & inside)
        if not rows.size:
            continue
        look: dict[str, Any] = {
            "facecolor": "#f2f2f2" if flag & UNUSABLE else "none", "edgecolor": colour,
            "hatch": pattern, "lw": 0.0,
        }  # fmt: skip
        for part in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
            axes.axhspan((begin[part[0]] - start) / 3600, (end[part[-1]] - start) / 3600, **look)
        handles.append(Patch(label=f"{flag.words} ({rows.size})", **{**look, "lw": 0.5}))
    if handles:
        axes.legend(
            handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=4,
            title="flagged (spectra)", title_fontsize=7, handlelength=3.2, handleheight=1.6,
        )  # fmt: skip


def _region_lines(axes: Any, analysis: Analysis) -> None:
    regions = regions_kev(analysis)
    for edge in sorted({edge for pair in regions.values() for edge in pair}):
        axes.axvline(edge, color="#333333", lw=0.5, ls=(0, (4, 3)))
    name_spans(axes, regions, above=True)


@styled
def charged_map(analysis: Analysis) -> Drawing:
    """Draw charged less pristine against the cycle number."""
    return _cycle_map(analysis, "charged")


@styled
def discharged_map(analysis: Analysis) -> Drawing:
    """Draw discharged less pristine against the cycle number."""
    return _cycle_map(analysis, "discharged")


def _cycle_map(analysis: Analysis, name: str) -> Drawing:
    grid = alpha_grid(analysis, STEP_KEV)
    states = state_rates(analysis, name, grid)
    cycles = np.arange(states[0][0], states[-1][0] + 1)
    if cycles.size < 2:
        raise NothingToDraw(f"only one cycle has a {name} state", expected="two cycles or more")
    fit = analysis.calibration.fit
    start = rebinned(fit.counts, fit.edges_kev, grid) / (fit.live_s * np.diff(grid))
    values = np.full((cycles.size, grid.size - 1), np.nan)
    for cycle, rate, _ in states:
        values[cycle - cycles[0]] = rate.value - start
    figure = new_figure(4.6, 3.4)
    axes = figure.subplots()
    edges = np.append(cycles - 0.5, cycles[-1] + 0.5)
    _image(figure, axes, grid, edges, values, regions_kev(analysis).get("anode"))
    _region_lines(axes, analysis)
    axes.set_ylabel("cycle")
    whole_numbers(axes.yaxis)
    return Drawing(
        name=f"{name}_map",
        title=f"Difference spectra, {name}",
        figure=figure,
        data={
            "cycle": cycles,
            "energy_kev": 0.5 * (grid[1:] + grid[:-1]),
            "change_per_s_kev": values,
        },
        caption=(
            f"Spectra of the {name} cell less the pristine spectrum, cycle by cycle, in "
            f"{STEP_KEV:g}-keV bins, brought to one beam by the monitor. Grey rows: no usable "
            "spectrum. Dashed lines: energy windows of the layers in the pristine cell. "
            + COLOURS
            + " No error is drawn; the noise is that of counting. "
            + (
                "Red along the lower edge of the electrolyte is the shift that lithium in the "
                "anode causes, and not lithium there."
                if name == "charged"
                else "Red just below the window of the anode is lithium left in the electrolyte, "
                "together with the shift by what the anode still holds."
            )
        ),
    )
