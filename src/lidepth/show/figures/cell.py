"""A model cell: voltage curves, capacity and losses, and the five states of the paper's Fig. 5e."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.mechanism.depth import CellProfile
from lidepth.mechanism.history import CellHistory
from lidepth.mechanism.protocol import Kind
from lidepth.show.drawing import Drawing, NothingToDraw
from lidepth.show.style import (
    BLACK,
    BLUE,
    CYCLE_COLOURS,
    GREY,
    ROLE_COLOURS,
    ROLE_SHADES,
    VERMILLION,
    bare,
    new_figure,
    styled,
)

Floats = NDArray[np.float64]
_SHOWN = ((1, 2, 10, 30), (31, 100, 250, 350))
PER_NM3 = 10.0  # 1e15 atoms/cm2 per nm, in atoms per nm3
_MATTER = ("Li_per_nm3", "Li_per_nm3", "Si_per_nm3")
_STATES = ("pristine", "charging", "charged", "discharging", "discharged")


def need_cycles(history: CellHistory) -> None:
    """Raise NothingToDraw for a history without a whole cycle."""
    if not history.cycles.size:
        raise NothingToDraw("the protocol has no whole cycle")


@styled
def cell_curves(history: CellHistory) -> Drawing:
    """Draw voltage against time and against the share of the time, early and late cycles apart."""
    need_cycles(history)
    there = set(history.cycles.tolist())
    groups = [[n for n in group if n in there] for group in _SHOWN]
    groups = [group for group in groups if group] or [[int(history.cycles[0])]]
    figure = new_figure(7.1, 2.3 * len(groups) + 0.2)
    grid = figure.subplots(len(groups), 2, squeeze=False, sharey=True)
    data: dict[str, Any] = {}
    for line, group in zip(grid, groups, strict=True):
        for number, colour in zip(group, CYCLE_COLOURS, strict=False):
            for kind in ("charge", "discharge"):
                data |= _curve(line, history, number, kind, colour)
        line[0].set(xlabel="time (h)", ylabel="voltage (V)", ylim=(2.9, 4.1))
        line[1].set(xlabel="share of the time")
        line[1].legend(title="cycle", ncols=2, loc="lower left")
        for axes in line:
            bare(axes)
    return Drawing(
        name="cell_curves", title="Voltage of the model cell", figure=figure, data=data,
        caption="Voltage of the model cell on charge (rising) and discharge, against the time "
        "since the half cycle began (left) and against its share of that time (right).",
    )  # fmt: skip


def _curve(
    line: Any, history: CellHistory, number: int, kind: Kind, colour: str
) -> dict[str, Floats]:
    hours, volts = history.curve(number, kind)
    label = str(number) if kind == "charge" else None
    line[0].plot(hours, volts, color=colour, lw=0.9)
    line[1].plot(hours / hours[-1], volts, color=colour, lw=0.9, label=label)
    name = f"cycle_{number}_{kind}"
    return {f"{name}_h": hours, f"{name}_V": volts}


@styled
def cell_capacity(history: CellHistory) -> Drawing:
    """Draw capacity and losses against cycle number and against the charge that has passed."""
    need_cycles(history)
    empty = history.ends("discharge")
    through = np.array([state.throughput_uah for state in empty]) * 1e-3
    capacity = history.capacity_uah()
    losses = {
        "bound in the electrolyte": (np.array([s.qe_uah for s in empty]), VERMILLION, "-"),
        "left in the anode": (np.array([s.qa_uah for s in empty]), BLACK, "-"),
        "sum of both": (np.array([s.qa_uah + s.qe_uah for s in empty]), GREY, "-"),
        "missing from the cathode": (np.array([s.qc_uah for s in empty]), BLUE, "--"),
    }
    figure = new_figure(7.1, 4.4)
    grid = figure.subplots(2, 2, sharey="row", sharex="col")
    for column, place in enumerate((history.cycles, through)):
        grid[0][column].plot(place, capacity, ".", ms=2.5, color=BLUE)
        for label, (values, colour, style) in losses.items():
            grid[1][column].plot(place, values, style, color=colour, label=label)
    grid[0][0].set(ylabel="discharge capacity (µAh)", ylim=(0, None))
    grid[1][0].set(ylabel="discharged state (µAh)", xlabel="cycle")
    grid[1][1].set(xlabel="charge throughput (mAh)")
    figure.legend(*grid[1][0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    for axes in grid.ravel():
        bare(axes)
    names = ("electrolyte_uAh", "anode_uAh", "sum_uAh", "cathode_uAh")
    drawn = dict(zip(names, (values for values, _, _ in losses.values()), strict=True))
    return Drawing(
        name="cell_capacity", title="Capacity and losses of the model cell", figure=figure,
        data={
            "cycle": history.cycles, "throughput_mAh": through, "capacity_uAh": capacity, **drawn,
        },
        caption="Model cell. Above: discharge capacity. Below: lithium at the end of each "
        "discharge. Left against the cycle, right against the charge that has passed on charging: "
        "a law of growth shows its shape against what drives it.",
    )  # fmt: skip


def state_times(history: CellHistory, number: int) -> dict[str, float]:
    """When the states of Fig. 5e are met in one cycle, s since the cell was made.

    ``charging`` and ``discharging`` are half way in time.  Raises NothingToDraw for a cycle that
    has no charge and discharge.
    """
    if number not in history.cycles:
        raise NothingToDraw(f"cycle {number} has no charge and discharge")
    times = {"pristine": float(history.states[0].time_s)}
    for kind, during, after in (
        ("charge", "charging", "charged"), ("discharge", "discharging", "discharged"),
    ):  # fmt: skip
        phases = enumerate(history.protocol.phases)
        ours = [k for k, phase in phases if (phase.cycle, phase.kind) == (number, kind)]
        start, stop = history.states[ours[0]].time_s, history.states[ours[-1] + 1].time_s
        times |= {during: 0.5 * (start + stop), after: stop}
    return times


@styled
def cell_states(history: CellHistory, cycles: Sequence[int] | None = None) -> Drawing:
    """Draw lithium and silicon by depth in five states, of an early and a late cycle.

    ``cycles``: which; the first and the last whole cycle by default.
    """
    need_cycles(history)
    shown = list(dict.fromkeys(cycles or (int(history.cycles[0]), int(history.cycles[-1]))))
    figure = new_figure(7.1, 6.4)
    grid = figure.subplots(5, 3, sharex="col", sharey="col", width_ratios=[1.3, 0.8, 1.0])
    data: dict[str, Any] = {}
    for number, colour in zip(shown, (VERMILLION, BLUE, GREY), strict=False):
        times = state_times(history, number)
        for line, state in zip(grid, _STATES, strict=True):
            profile = history.profile(times[state])
            _profile(line, profile, colour, f"cycle {number}")
            data |= _columns(profile, f"cycle{number}_{state}")
    made = history.profile(history.states[0].time_s)
    for line, state in zip(grid, _STATES, strict=True):
        _ground(line, made)
        line[0].set_ylabel(f"{state}\nper nm³")
    thickest = max(
        -float(history.profile(state_times(history, n)["charged"]).edges_nm[0]) for n in shown
    )
    total = float(made.edges_nm[-1])
    for column, title, limits in (
        (0, "lithium at the anode", (-1.05 * thickest, 300.0)),
        (1, "lithium in the cathode", (total - 1.2 * history.parameters.cathode_nm, total)),
        (2, "silicon at the anode", (-1.05 * thickest, 300.0)),
    ):
        grid[0][column].set(title=title, xlim=limits)
        grid[-1][column].set_xlabel("depth from the interface (nm)")
        tops = [float(np.max(v)) for n, v in data.items() if n.endswith(_MATTER[column])]
        grid[0][column].set_ylim(0.0, 1.08 * max(tops))
    grid[0][2].legend(loc="upper right")
    return Drawing(
        name="cell_states", title="The cell from pristine to discharged", figure=figure, data=data,
        caption="The model cell as made, half way through a charge, charged, half way through the "
        f"discharge and discharged, in cycle {' and '.join(map(str, shown))}: lithium and silicon "
        "per volume against depth, with the anode (grey ground) as swollen as it then is. Dashed: "
        "as made. Computed counterpart of the scheme in Fig. 5e of the paper.",
    )  # fmt: skip


def _profile(line: Any, profile: CellProfile, colour: str, label: str) -> None:
    lithium, silicon = PER_NM3 * profile.lithium_per_nm, PER_NM3 * profile.silicon_per_nm
    edges = profile.edges_nm
    for axes, values in ((line[0], lithium), (line[1], lithium), (line[2], silicon)):
        axes.stairs(values, edges, color=colour, lw=1.0, label=label, baseline=None)


def _ground(line: Any, made: CellProfile) -> None:
    """What the cell as made holds, its interface, and the electrodes' grounds."""
    lithium, silicon = PER_NM3 * made.lithium_per_nm, PER_NM3 * made.silicon_per_nm
    for axes, values in ((line[0], lithium), (line[1], lithium), (line[2], silicon)):
        axes.stairs(
            values, made.edges_nm, color=ROLE_COLOURS["anode"], lw=0.6, ls="--", baseline=None
        )
        axes.axvspan(-1e4, 0.0, color=ROLE_SHADES["anode"], lw=0, zorder=-2)
        start = float(made.edges_nm[int(np.argmax(made.layer == 2))])
        axes.axvspan(start, float(made.edges_nm[-1]), color=ROLE_SHADES["cathode"], lw=0, zorder=-2)
        bare(axes)


def _columns(profile: CellProfile, name: str) -> dict[str, Floats]:
    return {
        f"{name}_from_nm": profile.edges_nm[:-1], f"{name}_to_nm": profile.edges_nm[1:],
        f"{name}_from_1e15": profile.edges_1e15[:-1],
        f"{name}_Li_per_nm3": PER_NM3 * profile.lithium_per_nm,
        f"{name}_Si_per_nm3": PER_NM3 * profile.silicon_per_nm,
    }  # fmt: skip


CELL: tuple[Callable[[CellHistory], Drawing], ...] = (cell_curves, cell_capacity, cell_states)
"""Figures of a model cell, in order; each takes a CellHistory and returns a Drawing."""
