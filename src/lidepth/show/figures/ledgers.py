"""The lithium ledger against the cycle number, by the default method and by others."""

from __future__ import annotations

from typing import Any

import numpy as np

from lidepth.model.ledger import REGIONS, Ledger
from lidepth.model.result import Analysis
from lidepth.show.arrange import Floats, error_lines, with_gaps
from lidepth.show.drawing import Drawing, NothingToDraw
from lidepth.show.style import (
    GREEN,
    ROLE_COLOURS,
    SKY,
    VERMILLION,
    bare,
    new_figure,
    styled,
    whole_numbers,
)

ARROW = 6  # matplotlib's caret upwards
MANY = 10  # cycles beyond which marks get smaller and not every arrow is drawn
STATES = ("discharged", "charged")
WINDOWS, TRUTH, LESS_BIAS = "windows (Eq. 4)", "truth", "less predicted bias"
NAMES = {
    "anode": "in the anode",
    "electrolyte": "added to the electrolyte",
    "cathode": "missing from the cathode",
}
METHODS = (
    ("default", "default", "#000000", "o"),
    ("untied", "untied", SKY, "s"),
    ("slab", "slab", GREEN, "^"),
    ("windows", WINDOWS, VERMILLION, "x"),
)


@styled
def ledger(analysis: Analysis, truth: Ledger | None = None) -> Drawing:
    """Draw the default ledger with its errors, discharged and charged, windows faint beside."""
    table = _method(analysis, "default")
    states = [state for state in STATES if table.rows_of(state).any()]
    if not states:
        raise NothingToDraw("the ledger holds no charged or discharged state")
    figure = new_figure(7.1, 3.7)
    panels = figure.subplots(1, len(states), squeeze=False)[0]
    data: dict[str, Any] = {}
    for axes, state in zip(panels, states, strict=True):
        _panel(axes, analysis, state, truth)
        data |= _table(table, state, state)
        if truth is not None:
            data |= _table(truth, state, f"truth_{state}", errors=False)
    panels[0].set_ylabel("lithium of the whole cell (µAh)")
    _percent_axis(panels[-1], analysis.first_charge_uah)
    _legend(figure, panels[0], [*NAMES.values(), "anode + electrolyte", WINDOWS, TRUTH], rows=2)
    return Drawing(
        name="ledger",
        title="Lithium ledger",
        figure=figure,
        data=data,
        caption=_ledger_caption(table, "windows" in analysis.ledgers, truth is not None),
    )


def _legend(figure: Any, axes: Any, order: list[str], *, rows: int) -> None:
    """Put one legend below all panels, read along its rows in the order given."""
    handles, labels = axes.get_legend_handles_labels()
    known = dict(zip(labels, handles, strict=True))
    present = [label for label in order if label in known]
    columns = -(-len(present) // rows)
    places = [i for c in range(columns) for i in range(c, len(present), columns)]
    shown = [present[i] for i in places]
    figure.legend([known[s] for s in shown], shown, loc="outside lower center", ncols=columns)


def _ledger_caption(table: Ledger, windows: bool, truth: bool) -> str:
    balance = (
        "The sum of anode and electrolyte falls on the cathode because conservation of lithium "
        "was used to find it: the balance is spent and tests nothing. "
        if table.balance_spent
        else "The distance of the sum from the cathode is the balance. "
    )
    return (
        "Lithium ledger per cycle, discharged and charged: lithium in the anode (Qa of Chen et "
        "al.), added to the electrolyte (Qe) and missing from the cathode (Qc) since pristine; "
        "open symbols: anode and electrolyte together. Bands: 68 %, total, with terms common to "
        "all cycles (pristine reference, energy scale, stack, stopping, moved silicon). Error "
        "bars: 68 %, the part "
        "independent from cycle to cycle. "
        + balance
        + (
            "Crosses: the same spectra cut into fixed windows (Eq. 4 of Chen et al., 2018). "
            * windows
        )
        + ("Dashed, in the same colours: the truth of the simulated run. " * truth)
        + "Lines break where a cycle has no usable spectrum."
    ).strip()


def _panel(axes: Any, analysis: Analysis, state: str, truth: Ledger | None) -> None:
    table = analysis.ledgers["default"]
    rows = np.flatnonzero(table.rows_of(state))
    cycle = table.cycle[rows]
    few = cycle.size <= 40
    for column, role in enumerate(REGIONS):
        colour = ROLE_COLOURS[role]
        x, value, std, stat = with_gaps(
            cycle, *(a[rows, column] for a in (table.values, table.std, table.stat))
        )
        _band(axes, x, value - std, value + std, colour)
        error_lines(axes, x, value - stat, value + stat, color=colour, lw=0.8)
        axes.plot(x, value, "o-" if truth is None else "o", lw=0.9, color=colour,
                  ms=3 if few else 1.5, label=NAMES[role])  # fmt: skip
    both = table.values[rows, 0] + table.values[rows, 1]
    axes.plot(
        cycle,
        both,
        "o",
        mfc="none",
        mec=SKY,
        mew=0.9,
        ms=5.5 if few else 3,
        label="anode + electrolyte",
    )
    if "windows" in analysis.ledgers:
        _faint(axes, analysis.ledgers["windows"], state)
    if truth is not None:
        _truth(axes, truth, state)
    axes.axhline(0.0, color="#999999", lw=0.5)
    axes.set(title=state, xlabel="cycle")
    room = 0.7 if cycle.size == 1 else max(0.4, 0.03 * float(np.ptp(cycle)))
    axes.set_xlim(cycle.min() - room, cycle.max() + room)
    whole_numbers(axes.xaxis)
    bare(axes)


def _band(axes: Any, x: Any, low: Floats, high: Floats, colour: str) -> None:
    if x.size == 1:  # a band needs two points; one cycle gets a short block
        x, low, high = x[0] + np.array([-0.2, 0.2]), low.repeat(2), high.repeat(2)
    axes.fill_between(x, low, high, color=colour, alpha=0.16, lw=0)


def _faint(axes: Any, windows: Ledger, state: str) -> None:
    rows = windows.rows_of(state)
    beside = windows.cycle[rows] + min(0.25, 0.03 * (float(np.ptp(windows.cycle)) + 1.0))
    for column, role in enumerate(REGIONS):
        label = WINDOWS if column == 0 else None
        axes.plot(beside, windows.values[rows, column], "x",
                  ms=3.2 if rows.sum() <= 40 else 2.2, mew=0.6,
                  color=ROLE_COLOURS[role], alpha=0.4, label=label)  # fmt: skip


def _truth(axes: Any, truth: Ledger, state: str) -> None:
    rows = truth.rows_of(state)
    for column in range(3):
        label = TRUTH if column == 0 else None
        axes.plot(truth.cycle[rows], truth.values[rows, column], ls=(0, (3, 2)), lw=1.2,
                  color=ROLE_COLOURS[REGIONS[column]], label=label, zorder=1.9)  # fmt: skip


def _percent_axis(axes: Any, first_uah: float) -> None:
    if np.isfinite(first_uah) and first_uah > 0:
        right = axes.secondary_yaxis("right", functions=(
            lambda y: np.asarray(y) * 100.0 / first_uah,
            lambda y: np.asarray(y) * first_uah / 100.0))  # fmt: skip
        right.set_ylabel("% of the first charge")


def _method(analysis: Analysis, method: str) -> Ledger:
    if method not in analysis.ledgers or not len(analysis.ledgers[method]):
        raise NothingToDraw(f"there is no ledger of the method {method}")
    return analysis.ledgers[method]


def _table(table: Ledger, state: str, prefix: str, *, errors: bool = True) -> dict[str, Any]:
    rows = table.rows_of(state)
    data: dict[str, Any] = {f"{prefix}_cycle": table.cycle[rows]}
    for column, role in enumerate(REGIONS):
        data[f"{prefix}_{role}_uAh"] = table.values[rows, column]
        if errors:
            data[f"{prefix}_{role}_std_uAh"] = table.std[rows, column]
            data[f"{prefix}_{role}_stat_uAh"] = table.stat[rows, column]
    return data


@styled
def ledger_methods(analysis: Analysis) -> Drawing:
    """Draw the ledger by every method, with the bias predicted for the windows as arrows."""
    table = _method(analysis, "default")
    states = [state for state in STATES if table.rows_of(state).any()]
    present = [row for row in METHODS if row[0] in analysis.ledgers]
    if len(present) < 2 or not states:
        raise NothingToDraw("only one method was used")
    figure = new_figure(7.1, 1.9 * len(states) + 0.6)
    grid = figure.subplots(len(states), 3, sharex=True, squeeze=False)
    data: dict[str, Any] = {}
    for line, state in zip(grid, states, strict=True):
        for column, axes in enumerate(line):
            _compare(axes, analysis, present, state, column)
        line[0].set_ylabel(f"{state}\nlithium (µAh)")
        for method, *_ in present:
            data |= _table(analysis.ledgers[method], state, f"{method}_{state}")
        data |= _bias(analysis, state)
    for column, role in enumerate(REGIONS):
        grid[0][column].set_title(NAMES[role])
        grid[-1][column].set_xlabel("cycle")
        whole_numbers(grid[-1][column].xaxis)
    _legend(figure, grid[0][0], [*(label for _, label, *_ in METHODS), LESS_BIAS], rows=1)
    return Drawing(
        name="ledger_methods",
        title="Ledger by different methods",
        figure=figure,
        data=data,
        caption=(
            "The ledger by the default method, by each state's own spectrum and the monitor "
            "without coulometry (untied: a real check of the cathode), with a slab instead of a "
            "smooth profile in the electrolyte, and by fixed energy windows "
            "(Eq. 4 of Chen et al., 2018). "
            "Error bars: 68 %, total. Arrows take away from each window value the bias that the "
            "forward model predicts for it: where they end near the default values, the "
            "disagreement is understood."
        ),
    )


def _compare(axes: Any, analysis: Analysis, present: Any, state: str, column: int) -> None:
    shifts = np.linspace(-0.18, 0.18, len(present))
    for (method, label, colour, marker), shift in zip(present, shifts, strict=True):
        table = analysis.ledgers[method]
        rows = table.rows_of(state)
        x, value, std = (
            table.cycle[rows] + shift,
            table.values[rows, column],
            table.std[rows, column],
        )
        many = x.size > MANY
        error_lines(axes, x, value - std, value + std, color=colour, lw=0.4 if many else 0.7)
        axes.plot(x, value, marker, ms=2 if many else 3, color=colour, label=label)
        if method == "windows" and analysis.window_bias.shape == table.values.shape:
            bias = analysis.window_bias[rows, column]
            some = slice(None, None, max(1, x.size // MANY))
            axes.quiver(x[some] + 0.14, value[some], 0.0 * bias[some], -bias[some], angles="xy",
                        scale_units="xy", scale=1, width=0.006, headwidth=3.5, headlength=4,
                        headaxislength=3.6, minlength=0.5, color="#555555", zorder=3)  # fmt: skip
            axes.update_datalim(np.column_stack([x, value - bias]))
            axes.plot([], [], color="#555555", marker=ARROW, ls="none", ms=6,
                      label=LESS_BIAS)  # fmt: skip
    axes.autoscale_view()
    bare(axes)


def _bias(analysis: Analysis, state: str) -> dict[str, Any]:
    table = analysis.ledgers.get("windows")
    if table is None or analysis.window_bias.shape != table.values.shape:
        return {}
    rows = table.rows_of(state)
    return {
        f"windows_{state}_{role}_predicted_bias_uAh": analysis.window_bias[rows, column]
        for column, role in enumerate(REGIONS)
    }
