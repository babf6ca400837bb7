"""The cycler log by itself: voltage curves, capacities, dQ/dV, compositions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.model.electrochemistry import Electrochemistry, HalfCycle, VoltageCurve
from lidepth.model.result import Analysis
from lidepth.show.arrange import error_lines, shown_cycles
from lidepth.show.drawing import Drawing, NothingToDraw
from lidepth.show.style import (
    BLACK,
    BLUE,
    CYCLE_COLOURS,
    GREY,
    ROLE_COLOURS,
    VERMILLION,
    bare,
    new_figure,
    styled,
    whole_numbers,
)

Floats = NDArray[np.float64]

POINTS = 250  # of one curve: more than a printed line can show
MOST_CURRENTS = 2
LOOKS = {"charge": ("^", BLACK), "discharge": ("v", BLUE)}


def _of(analysis: Analysis | Electrochemistry) -> Electrochemistry:
    found = analysis if isinstance(analysis, Electrochemistry) else analysis.electrochemistry
    if found is None:
        raise NothingToDraw("no cycler was recorded")
    return found


def _currents(curves: Sequence[VoltageCurve]) -> list[list[VoltageCurve]]:
    """Curves by current, the two with most cycles, in order of time."""
    groups: list[list[VoltageCurve]] = []
    for curve in curves:
        near = (g for g in groups if abs(g[0].current_ua / curve.current_ua - 1.0) < 0.1)
        group = next(near, None)
        if group is None:
            groups.append(group := [])
        group.append(curve)
    chosen = sorted(groups, key=len)[-MOST_CURRENTS:]
    return sorted(chosen, key=lambda group: group[0].cycle)


def _selected(group: Sequence[VoltageCurve]) -> list[int]:
    return shown_cycles(sorted({curve.cycle for curve in group}))


def _unit(value: float) -> tuple[float, str]:
    """Factor and prefix that bring an amount in micro-units into a readable range."""
    for factor, prefix in ((1e-6, ""), (1e-3, "m")):
        if value * factor >= 1.0:
            return factor, prefix
    return 1.0, "µ"


def _printed(current_ua: float) -> str:
    factor, prefix = _unit(current_ua)
    return f"{current_ua * factor:.3g} {prefix}A"


def _panels(
    curves: Sequence[VoltageCurve], width: float = 7.1
) -> tuple[Any, list[tuple[Any, str, list[VoltageCurve]]]]:
    """A figure, and (axes, direction, curves) of each panel: a column per direction."""
    columns = {
        kind: _currents([c for c in curves if c.kind == kind])
        for kind in ("charge", "discharge")
        if any(c.kind == kind for c in curves)
    }
    if not columns:
        raise NothingToDraw("no whole half cycle was recorded")
    rows = max(len(groups) for groups in columns.values())
    figure = new_figure(width if len(columns) > 1 else 0.6 * width, 2.35 * rows + 0.35)
    grid = figure.subplots(rows, len(columns), squeeze=False, sharey="row")
    panels = []
    for column, (kind, groups) in enumerate(columns.items()):
        for row in range(rows):
            if row < len(groups):
                panels.append((grid[row][column], kind, groups[row]))
            else:
                grid[row][column].set_visible(False)
    for line in grid:
        next(axes for axes in line if axes.get_visible()).set_ylabel("voltage (V)")
    return figure, panels


def _finish(axes: Any, kind: str, group: Sequence[VoltageCurve]) -> None:
    axes.set_title(f"{kind}, {_printed(group[0].current_ua)}")
    _cycle_legend(axes)
    axes.tick_params(labelleft=True)
    bare(axes)


def _cycle_legend(axes: Any) -> None:
    axes.legend(title="cycle", title_fontsize=7, loc="best", ncols=2, columnspacing=1.0)


def _thinned(size: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, size - 1, min(size, POINTS)).round().astype(np.int64))


@styled
def voltage_curves(analysis: Analysis | Electrochemistry) -> Drawing:
    """Draw voltage against time for chosen cycles, a row per current."""
    figure, panels = _panels(_of(analysis).curves)
    scale, unit = _time_unit(max(float(c.time_s[-1]) for _, _, group in panels for c in group))
    data: dict[str, Any] = {}
    for axes, kind, group in panels:
        for place, cycle in enumerate(_selected(group)):
            curve = next(c for c in group if c.cycle == cycle)
            rows = _thinned(curve.time_s.size)
            x, y = curve.time_s[rows] / scale, curve.voltage_v[rows]
            colour = CYCLE_COLOURS[place % len(CYCLE_COLOURS)]
            axes.plot(x, y, color=colour, label=f"{cycle}")
            if curve.cc_rows < curve.time_s.size:
                at = curve.span_s / scale
                axes.plot(at, np.interp(at, x, y), "o", color=colour, ms=3, mfc="white")
            data |= {f"{kind}_{cycle}_time_{unit}": x, f"{kind}_{cycle}_V": y}
        axes.set_xlabel(f"time with current ({unit})")
        _finish(axes, kind, group)
    return Drawing(
        name="voltage_curves", title="Voltage curves", figure=figure, data=data,
        caption=(
            "Voltage of the cell against the time that current has flowed since the start of the "
            "charge or discharge, for some cycles, by current (compare Fig. 2a and c of Chen et "
            "al.). Shorter curves: less capacity. Open circles: where constant voltage begins."
        ),
    )  # fmt: skip


def _time_unit(longest_s: float) -> tuple[float, str]:
    if longest_s > 2 * 3600:
        return 3600.0, "h"
    return (60.0, "min") if longest_s > 180 else (1.0, "s")


@styled
def normalised_curves(analysis: Analysis | Electrochemistry) -> Drawing:
    """Draw voltage against time over the time at constant current, and how much it changes."""
    found = _of(analysis)
    figure, panels = _panels(found.curves)
    changes = {f"{s.kind} {s.cycle}": s for s in found.shapes}
    data: dict[str, Any] = {}
    for axes, kind, group in panels:
        for place, cycle in enumerate(_selected(group)):
            curve = next(c for c in group if c.cycle == cycle)
            share, volts = curve.normalised
            rows = _thinned(share.size)
            change = changes.get(f"{kind} {cycle}")
            label = f"{cycle}" + (f": {change.rms_mv:.1f} mV" if change else "")
            colour = CYCLE_COLOURS[place % len(CYCLE_COLOURS)]
            axes.plot(share[rows], volts[rows], label=label, color=colour)
            data |= {f"{kind}_{cycle}_share": share[rows], f"{kind}_{cycle}_V": volts[rows]}
        axes.set_xlabel("time over time at constant current")
        _finish(axes, kind, group)
    for name in ("cycle", "reference", "rms_mv", "floor_mv", "std_mv"):
        data[f"change_{name}"] = np.array([getattr(s, name) for s in found.shapes])
    return Drawing(
        name="normalised_curves", title="Normalised voltage curves", figure=figure, data=data,
        caption=(
            "The same curves against time over the whole time at constant current (compare Fig. 2b "
            "and d of Chen et al.). After the cycle: root mean square difference from the "
            "reference cycle of the same current, which has none. A resistance changes the shape; "
            "lithium or cathode that is lost hardly does."
        ),
    )  # fmt: skip


@styled
def capacity(analysis: Analysis | Electrochemistry) -> Drawing:
    """Draw capacities against cycle number and charge moved, and the coulombic efficiency."""
    found = _of(analysis)
    halves = [half for half in found.halves if half.whole]
    if not halves:
        raise NothingToDraw("no whole half cycle was recorded")
    largest = max(half.capacity_uah for half in halves)
    factor, prefix = _unit(largest / 2.0)
    figure = new_figure(7.1, 3.6)
    grid = figure.subplots(
        2, 2, height_ratios=(2.2, 1.0), sharey="row", sharex="col", squeeze=False
    )
    data: dict[str, Any] = {}
    for kind in ("charge", "discharge"):
        mine = [half for half in halves if half.kind == kind]
        if mine:
            _capacities(grid[0], mine, factor, kind)
            data |= _columns(mine, kind)
    cycles = [c for c in found.cycles if np.isfinite(c.efficiency)]
    number = np.array([c.number for c in cycles], dtype=np.int64)
    after = np.array([c.halves[-1].moved_before_uah + c.halves[-1].capacity_uah for c in cycles])
    percent = 100.0 * np.array([c.efficiency for c in cycles])
    std = 100.0 * np.array([c.efficiency_std for c in cycles])
    for axes, x in zip(grid[1], (number.astype(np.float64), after * factor), strict=True):
        axes.axhline(100.0, color=GREY, lw=0.6)
        error_lines(axes, x, percent - std, percent + std, color=VERMILLION, lw=0.7)
        axes.plot(x, percent, "o", color=VERMILLION, ms=2.5 if number.size > 40 else 3.5)
        bare(axes)
    if percent.size:
        middle = float(np.median(percent))
        room = max(1.0, 3.0 * float(np.quantile(np.abs(percent - middle), 0.9)))
        low, high = min(middle - room, 99.5), max(middle + room, 100.5)
        grid[1][0].set_ylim(low, high)
        for axes, x in zip(grid[1], (number.astype(np.float64), after * factor), strict=True):
            inset = 0.06 * (high - low)
            for beyond, edge, mark in (
                (percent < low, low + inset, "v"), (percent > high, high - inset, "^"),
            ):  # fmt: skip
                axes.plot(x[beyond], np.full(x[beyond].size, edge), mark, color=VERMILLION, ms=5)
    data |= {"cycle": number, "efficiency_percent": percent, "efficiency_std_percent": std,
             "moved_after_uAh": after}  # fmt: skip
    grid[0][0].set(ylabel=f"capacity ({prefix}Ah)", ylim=(0.0, 1.08 * largest * factor))
    grid[1][0].set(ylabel="efficiency (%)", xlabel="cycle")
    grid[1][1].set_xlabel(f"charge moved either way ({prefix}Ah)")
    whole_numbers(grid[1][0].xaxis)
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return Drawing(
        name="capacity", title="Capacity", figure=figure, data=data,
        caption=(
            "Capacity of every whole charge and discharge against the cycle and against all charge "
            "moved before its end (compare Fig. S1 of Chen et al.), and coulombic efficiency: the "
            "second half of a cycle over its first. Open symbols: with constant voltage at the "
            "end, bars down to what had passed before it. Triangles at the edges of the lower "
            "panels: points beyond them."
        ),
    )  # fmt: skip


def _capacities(line: Any, halves: Sequence[HalfCycle], factor: float, kind: str) -> None:
    marker, colour = LOOKS[kind]
    number = np.array([half.cycle for half in halves])
    moved = np.array([half.moved_before_uah + half.capacity_uah for half in halves])
    amount = np.array([half.capacity_uah for half in halves]) * factor
    before = np.array([half.cc_uah for half in halves]) * factor
    held = np.array([half.has_cv for half in halves], dtype=bool)
    size = 3.5 if number.size <= 40 else 2.0
    for axes, x in zip(line, (number, moved * factor), strict=True):
        if not held.all():
            axes.plot(x[~held], amount[~held], marker, color=colour, ms=size, ls="none", label=kind)
        if held.any():
            error_lines(axes, x[held], before[held], amount[held], color=colour, lw=0.8)
            axes.plot(
                x[held], amount[held], marker, mfc="white", mec=colour, ms=size + 2, ls="none",
                label=f"{kind}, constant voltage added",
            )  # fmt: skip
        bare(axes)


def _columns(halves: Sequence[HalfCycle], kind: str) -> dict[str, Any]:
    return {
        f"{kind}_cycle": np.array([half.cycle for half in halves]),
        f"{kind}_uAh": np.array([half.capacity_uah for half in halves]),
        f"{kind}_std_uAh": np.array([half.capacity_std_uah for half in halves]),
        f"{kind}_cc_uAh": np.array([half.cc_uah for half in halves]),
        f"{kind}_moved_uAh": np.array([h.moved_before_uah + h.capacity_uah for h in halves]),
    }


@styled
def incremental_capacity(analysis: Analysis | Electrochemistry) -> Drawing:
    """Draw dQ/dV of chosen cycles, charge upwards and discharge downwards, a panel per current."""
    found = _of(analysis)
    groups = _currents(found.curves)
    curves = {f"{one.kind} {one.cycle}": one for one in found.incremental}
    if not groups or not curves:
        raise NothingToDraw("no whole half cycle was recorded")
    figure = new_figure(7.1 if len(groups) > 1 else 4.6, 3.0)
    panels = figure.subplots(1, len(groups), squeeze=False)[0]
    data: dict[str, Any] = {}
    factor, prefix = _unit(max(float(one.dq_dv_uah_v.max()) for one in curves.values()) / 2.0)
    for axes, group in zip(panels, groups, strict=True):
        for place, cycle in enumerate(_selected(group)):
            label: str | None = f"{cycle}"
            for kind, sign in (("charge", 1.0), ("discharge", -1.0)):
                one = curves.get(f"{kind} {cycle}")
                if one is None or not any((c.kind, c.cycle) == (kind, cycle) for c in group):
                    continue
                rows = _thinned(one.voltage_v.size)
                x, y = one.voltage_v[rows], sign * factor * one.dq_dv_uah_v[rows]
                axes.plot(x, y, color=CYCLE_COLOURS[place % len(CYCLE_COLOURS)], label=label)
                label = None
                data |= {f"{kind}_{cycle}_V": x, f"{kind}_{cycle}_uAh_per_V": y / factor}
        axes.axhline(0.0, color=GREY, lw=0.5)
        axes.set(title=_printed(group[0].current_ua), xlabel="voltage (V)")
        _cycle_legend(axes)
        bare(axes)
    panels[0].set_ylabel(f"dQ/dV ({prefix}Ah/V)")
    smoothing = found.incremental[0].smoothing_mv
    return Drawing(
        name="incremental_capacity", title="Incremental capacity", figure=figure, data=data,
        caption=(
            "Capacity per voltage, dQ/dV, of some cycles at constant current: charge upwards, "
            f"discharge downwards, smoothed by a Gaussian of {smoothing:g} mV (standard deviation),"
            " which keeps the area: the capacity. Peaks that move tell of resistance, peaks that "
            "shrink of lost material or lithium."
        ),
    )  # fmt: skip


@styled
def composition(analysis: Analysis | Electrochemistry) -> Drawing:
    """Draw x of the cathode and y of the anode along time, with their limits."""
    found = _of(analysis).composition
    if found is None:
        raise NothingToDraw("x and y need a charge, a cathode with lithium and an anode of silicon")
    figure = new_figure(7.1, 3.4)
    upper, lower = figure.subplots(2, 1, sharex=True)
    hours = found.time_s / 3600.0
    metal = "Co" if found.x_most < 1.0 else "M"
    parts = (
        (upper, f"x in Li$_{{1-x}}${metal}O$_2$", found.x, found.x_std, found.x_most, "cathode"),
        (lower, "y in Li$_y$Si", found.y, found.y_std, found.y_most, "anode"),
    )
    data: dict[str, Any] = {"time_h": hours}
    for axes, name, value, std, most, role in parts:
        colour = ROLE_COLOURS[role]
        axes.axhspan(most, 10.0, color="#f6e3d7", lw=0, zorder=0)
        axes.axhline(0.0, color=GREY, lw=0.5)
        axes.fill_between(hours, value - std, value + std, color=colour, alpha=0.18, lw=0)
        axes.plot(hours, value, color=colour, lw=0.8)
        top = max(1.25 * most, 1.05 * float(np.max(value + std)))
        axes.set(ylabel=name, ylim=(min(0.0, float(np.min(value - std))) - 0.03 * most, top))
        axes.text(0.995, top, f"beyond {most:g}", transform=axes.get_yaxis_transform(),
                  ha="right", va="top", fontsize=7, color="#8a3600")  # fmt: skip
        bare(axes)
        data |= {f"{name[0]}": value, f"{name[0]}_std": std}
    lower.set_xlabel("time (h)")
    lower.set_xlim(hours[0], hours[-1])
    data["immobilised_uAh"] = found.immobilised_uah
    return Drawing(
        name="composition", title="Compositions from the charge", figure=figure, data=data,
        caption=(
            "Composition of cathode and anode (Eq. 2 and 3 of Chen et al.) from the charge, the "
            "layers' lithium places and the area, if every electron moves one lithium. "
            + (
                "Lithium found in the electrolyte by the default ledger is not in y. "
                if found.corrected
                else "All of the charge is taken to be in the anode: y is an upper limit. "
            )
            + "Bands: 68 %, almost wholly one scale for all times (thickness and area). Shaded: "
            "beyond what the equations hold for."
        ),
    )  # fmt: skip
