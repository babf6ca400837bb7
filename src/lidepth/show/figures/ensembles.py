"""An ensemble of ledgers beside the ledger that it tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from lidepth.model.ensemble import Ensemble
from lidepth.model.ledger import REGIONS
from lidepth.show.drawing import Drawing, NothingToDraw
from lidepth.show.figures.ledgers import NAMES, STATES
from lidepth.show.style import GREY, ROLE_COLOURS, bare, new_figure, styled, whole_numbers

KINDS = {
    "bootstrap": "the counts of every spectrum were drawn again from what was fitted",
    "resample": "the spectra of every state were drawn again with replacement",
    "prior": "what was believed of stack, stopping, scale, beam and charge was drawn again",
    "total": "counts, and what was believed beforehand, were drawn again",
    "posterior": "drawn from the posterior of the fit",
}


@styled
def ensemble(found: Ensemble) -> Drawing:
    """Draw the members' bands beside the stated ones, and how the two compare."""
    stated = found.stated
    states = [state for state in (*STATES, "range") if stated.rows_of(state).any()]
    if not states:
        raise NothingToDraw("the ledger holds no charged or discharged state")
    figure = new_figure(7.1, 1.9 * len(states) + 0.7)
    grid = figure.subplots(len(states), 4, squeeze=False, width_ratios=[1, 1, 1, 0.9])
    data: dict[str, Any] = {}
    for line, state in zip(grid, states, strict=True):
        for column, axes in enumerate(line[:3]):
            data |= _bands(axes, found, state, column)
        line[0].set_ylabel(f"{state}\nlithium (µAh)")
        data |= _ratios(line[3], found, state)
    for column, role in enumerate(REGIONS):
        grid[0][column].set_title(NAMES[role])
        grid[-1][column].set_xlabel("cycle")
    grid[-1][3].set_xlabel("members / error")
    handles, labels = grid[0][0].get_legend_handles_labels()
    more, names = grid[0][3].get_legend_handles_labels()
    figure.legend(handles + more, labels + names, loc="outside lower center", ncols=4)
    return Drawing(
        name="ensemble", title="Ensemble of ledgers", figure=figure, data=data,
        caption=_caption(found),
    )  # fmt: skip


def _caption(found: Ensemble) -> str:
    return (
        f"Ensemble of {len(found)} ledgers ({found.kind}: {KINDS[found.kind]}; seed {found.seed}). "
        "Bars: 68 and 95 % of the members and their median; open boxes: the stated total error, 68 "
        "%. Right: standard deviation of the members over the error stated in the ledger (filled) "
        "and over what a linear model predicts for what was drawn again (outlined); values that "
        "what was drawn again does not move are left out. "
        f"With {len(found)} members a ratio is good to {100.0 * found.ratio_error:.0f} %."
    )


def _bands(axes: Any, found: Ensemble, state: str, column: int) -> dict[str, Any]:
    """Members and statement of one region, cycle by cycle."""
    stated = found.stated
    rows = stated.rows_of(state)
    cycle, colour = stated.cycle[rows], ROLE_COLOURS[REGIONS[column]]
    low95, low, middle, high, high95 = found.quantiles()[:, rows, column]
    value, std = stated.values[rows, column], stated.std[rows, column]
    aside = 0.0 if cycle.size == 1 else 0.15
    axes.bar(cycle - aside, 2.0 * std, bottom=value - std, width=0.28, fill=False, ec=GREY, lw=0.7,
             label="stated, 68 %")  # fmt: skip
    axes.use_sticky_edges = False  # room below the lowest box
    axes.vlines(cycle + aside, low95, high95, color=colour, lw=0.7)
    axes.vlines(cycle + aside, low, high, color=colour, lw=2.0, alpha=0.7, label="members, 68 %")
    axes.plot(cycle + aside, middle, "o", ms=2.2, color=colour)
    axes.set_xlim(cycle.min() - 0.7, cycle.max() + 0.7)
    whole_numbers(axes.xaxis)
    bare(axes)
    name = f"{state}_{REGIONS[column]}"
    return {
        f"{state}_cycle": cycle, f"{name}_stated_uAh": value, f"{name}_stated_std_uAh": std,
        f"{name}_members_q2.5_uAh": low95, f"{name}_members_q16_uAh": low,
        f"{name}_members_median_uAh": middle, f"{name}_members_q84_uAh": high,
        f"{name}_members_q97.5_uAh": high95,
    }  # fmt: skip


def _ratios(axes: Any, found: Ensemble, state: str) -> dict[str, Any]:
    """Histograms of scatter over error, all regions and rows of a state."""
    rows = found.stated.rows_of(state)
    over = {"stated": found.stated_ratio[rows], "predicted": found.ratio[rows]}
    known = {name: values[np.isfinite(values)] for name, values in over.items()}
    bins = np.linspace(0.0, max(2.0, *(float(v.max(initial=0.0)) for v in known.values())), 25)
    axes.hist(known["stated"], bins=bins, color=GREY, alpha=0.5, label="over the stated error")
    axes.hist(known["predicted"], bins=bins, histtype="step", color="#000000",
              label="over the linear prediction")  # fmt: skip
    axes.axvline(1.0, color="#999999", lw=0.6)
    axes.yaxis.set_visible(False)
    bare(axes)
    return {f"{state}_std_over_{name}": values for name, values in over.items()}
