"""Capacity to come, with bands, for a cell as it is and with remedies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lidepth.mechanism.predict import LEVELS, Prediction
from lidepth.show.drawing import Drawing, NothingToDraw
from lidepth.show.style import (
    CYCLE_COLOURS,
    bare,
    new_figure,
    styled,
    whole_numbers,
)


@styled
def prediction(found: Sequence[Prediction]) -> Drawing:
    """Draw capacity and bound lithium by cycle: median, and the bands of 68 and 95 %."""
    if not found or not found[0].cycle.size:
        raise NothingToDraw("nothing was predicted")
    figure = new_figure(7.1, 2.9)
    left, right = figure.subplots(1, 2)
    data: dict[str, Any] = {"cycle": found[0].cycle}
    for one, colour in zip(found, CYCLE_COLOURS, strict=False):
        for axes, bands in ((left, one.capacity_uah), (right, one.qe_uah)):
            axes.fill_between(one.cycle, bands[0], bands[4], color=colour, alpha=0.12, lw=0)
            axes.fill_between(one.cycle, bands[1], bands[3], color=colour, alpha=0.25, lw=0)
            axes.plot(one.cycle, bands[2], color=colour, lw=1.0, label=one.name)
        for what, bands in (("capacity", one.capacity_uah), ("electrolyte", one.qe_uah)):
            for level, band in zip(LEVELS, bands, strict=True):
                data[f"{one.name} {what} q{100 * level:g} uAh"] = band
    left.set(ylabel="discharge capacity (µAh)", ylim=(0, None))
    right.set(ylabel="bound in the electrolyte (µAh)")
    for axes in (left, right):
        axes.set_xlabel("cycle")
        whole_numbers(axes.xaxis)
        bare(axes)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return Drawing(
        name="prediction", title="Capacity to come", figure=figure, data=data,
        caption=f"Model cells drawn about one ({found[0].draws} draws, the same for every line): "
        "median with bands of 68 and 95 %. The bands are those of the parameters that were varied "
        "and of nothing else; a mechanism that the model lacks is in none of them.",
    )  # fmt: skip
