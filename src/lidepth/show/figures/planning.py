"""A plan as a picture: error against counting time, one panel per question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lidepth.analysis.planning.answer import Answer
from lidepth.show.drawing import Drawing, NothingToDraw
from lidepth.show.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    VERMILLION,
    bare,
    new_figure,
    plain_logarithms,
    styled,
)

_COLUMNS = 2
_HOUR_S = 3600.0


@styled
def planning(answers: Sequence[Answer]) -> Drawing:
    """Draw what each question reaches with time, what it needs, and what no time goes below."""
    if not answers:
        raise NothingToDraw("no question was asked")
    columns = _COLUMNS if len(answers) % _COLUMNS == 0 else 1
    rows = len(answers) // columns
    figure = new_figure(3.55 * _COLUMNS, 2.5 * rows + 0.5)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    data: dict[str, Any] = {}
    for number, (axes, answer) in enumerate(zip(panels, answers, strict=False), start=1):
        _panel(axes, answer)
        data |= {f"time_h_{number}": answer.time_s / _HOUR_S, f"error_{number}": answer.curve}
        data |= {f"target_{number}": np.array([answer.target])}
    shown: dict[str, Any] = {}
    for axes in panels:
        shown |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(shown.values(), shown.keys(), loc="outside upper center", ncols=3)
    return Drawing(
        name="planning",
        title="Plan",
        figure=figure,
        data=data,
        caption=(
            "Standard uncertainty against time, one panel per question. Dashed: what the question "
            "needs; dotted: what no counting time goes below, with stack, scale and priors as they "
            "are; circle: the plan as it stands; diamond: the least time that suffices. Thin: "
            "counting alone, everything but the lithium known, as one over the root of the time."
        ),
    )


def _panel(axes: Any, answer: Answer) -> None:
    hours = answer.time_s / _HOUR_S
    axes.loglog(hours, answer.curve, color=BLUE, label="everything free")
    counting = answer.error * math.sqrt(dict(answer.limits)["counting"])
    root = counting * np.sqrt(answer.planned_s / _HOUR_S / hours)
    axes.loglog(hours, root, color=GREY, lw=0.5, label="counting alone")
    axes.axhline(answer.target, color=VERMILLION, ls="--", lw=0.8, label="needed")
    axes.axhline(answer.floor, color=BLACK, ls=":", lw=0.8, label="no time goes below")
    axes.plot([answer.planned_s / _HOUR_S], [answer.error], "o", color=BLUE, mfc="white", ms=5,
              label="as planned")  # fmt: skip
    need = answer.need("counting time")
    if need.possible and hours[0] <= need.value / _HOUR_S <= hours[-1]:
        axes.plot([need.value / _HOUR_S], [answer.target], "D", color=GREEN, ms=4,
                  label="least time that suffices")  # fmt: skip
    drawn = np.concatenate([answer.curve, [answer.target, answer.floor, answer.error]])
    finite = drawn[np.isfinite(drawn) & (drawn > 0)]
    axes.set_ylim(0.6 * float(finite.min()), 1.7 * float(finite.max()))
    axes.set_title(answer.question)
    axes.set_xlabel(f"{answer.time_label} (h)")
    axes.set_ylabel(f"error ({answer.unit})" if answer.unit else "error of the contrast")
    plain_logarithms(axes)
    bare(axes)
