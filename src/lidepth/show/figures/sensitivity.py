"""How far the ledger leans on each shared parameter."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lidepth.model.diagnosis import Sensitivity, SensitivityTable
from lidepth.model.ledger import REGIONS
from lidepth.model.result import Analysis
from lidepth.show.drawing import Drawing, NothingToDraw
from lidepth.show.style import DIVERGING, new_figure, styled
from lidepth.show.words import unit_printed

MOST_ROWS = 12
SMALLEST = 0.02  # below it a number is left out
LETTERS = {"anode": "Qa", "electrolyte": "Qe", "cathode": "Qc"}
BLOCKS = (
    ("believed", "printed value\none prior σ up"),
    ("forced", "held one step\naway"),
    ("share", "left after the fit\n(1 σ)"),
)


@styled
def sensitivity(analysis: Analysis) -> Drawing:
    """Draw the table of moves of the ledger with each parameter, the most harmful first."""
    table = analysis.diagnosis.sensitivity
    if table is None or not table.rows:
        raise NothingToDraw("no state was fitted")
    whole, unit = analysis.first_charge_uah, "% of the first charge"
    if not (math.isfinite(whole) and whole > 0):
        whole, unit = 100.0, "µAh"
    rows = table.rows[:MOST_ROWS]
    figure = new_figure(7.1, 1.25 + 0.2 * (len(rows) + 1))
    panels = figure.subplots(1, len(BLOCKS), sharey=True)
    every = np.array([[getattr(row, name) for name, _ in BLOCKS] for row in rows]) * 100 / whole
    limit = max(float(np.percentile(np.abs(every), 97.0)), 1e-3)
    for number, (axes, (_, title)) in enumerate(zip(panels, BLOCKS, strict=True)):
        last = table.common if number == len(BLOCKS) - 1 else np.full_like(table.common, np.nan)
        _block(axes, table, np.concatenate([every[:, number], last[None] * 100 / whole]), limit)
        axes.set_title(title, fontsize=7.5, loc="center", pad=27)
    labels = [f"{unit_printed(row.label)} ({step_printed(row)})" for row in rows] + ["all together"]
    panels[0].set_yticks(range(len(labels)), labels, fontsize=6.5)
    panels[0].set_ylim(len(labels) - 0.5, -0.5)
    return Drawing(
        name="sensitivity", title="What the ledger leans on", figure=figure,
        data=_data(table), caption=_caption(table, unit),
    )  # fmt: skip


def step_printed(row: Sensitivity) -> str:
    """The step of one parameter with the signs of print."""
    text = row.step_words.replace(" x 1e15/cm2", " × 10¹⁵/cm²")
    return text.replace("%^2", "%²")


def _block(axes: Any, table: SensitivityTable, values: Any, limit: float) -> None:
    """One heat map with its numbers; ``values`` (rows, kinds, 3)."""
    flat = values.reshape(len(values), -1)
    image = np.ma.masked_invalid(flat)
    axes.imshow(image, cmap=DIVERGING, vmin=-1.6 * limit, vmax=1.6 * limit, aspect="auto")
    for (row, column), value in np.ndenumerate(flat):
        if not abs(value) >= SMALLEST:
            continue
        # inside the frame: the layout need not measure hundreds of them
        text = f"{value:.2f}" if row == len(flat) - 1 else f"{value:+.2f}".replace("-", "−")
        loud = abs(value) > 1.1 * limit
        axes.text(column, row, text, ha="center", va="center", fontsize=5.5, in_layout=False,
                  color="white" if loud else "black")  # fmt: skip
    names = [LETTERS[role] for _ in table.kinds for role in REGIONS]
    axes.set_xticks(range(len(names)), names, fontsize=6.5)
    axes.xaxis.tick_top()
    across = axes.get_xaxis_transform()
    for number, kind in enumerate(table.kinds):
        axes.text(3 * number + 1.0, 1.06, kind, ha="center", va="bottom", fontsize=6.5,
                  transform=across)  # fmt: skip
        if number:
            axes.axvline(3 * number - 0.5, color="white", lw=2.0)
    axes.axhline(len(values) - 1.5, color="white", lw=2.0)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _caption(table: SensitivityTable, unit: str) -> str:
    return (
        f"Moves of the ledger, in {unit}, averaged over the states of a kind (Qa in the anode, Qe "
        "added to the electrolyte, Qc missing from the cathode), with one parameter at a time: "
        "left, if it had been believed beforehand to be one of its prior standard deviations "
        "more; middle, if it is held one step (in brackets) above what was found and all else is "
        "fitted again; right, with the one standard deviation that is left after the fit: its "
        "part in the common error, whose whole is the last line. Parts of correlated parameters "
        f"do not add up. No number: below {SMALLEST:g}. "
        "A large number at the left says what to measure better before the next run."
        + f" Of {len(table.rows)} parameters the {MOST_ROWS} that matter most are drawn."
        * (len(table.rows) > MOST_ROWS)
    )


def _data(table: SensitivityTable) -> dict[str, Any]:
    rows = table.rows
    data: dict[str, Any] = {
        "parameter": np.array([row.name for row in rows]),
        "label": np.array([row.label for row in rows]),
        "prior_std": np.nan_to_num([row.prior_std for row in rows], posinf=0.0),
        "std": np.array([row.std for row in rows]),
        "step": np.array([row.step_words for row in rows]),
    }
    for name, _ in BLOCKS:
        for k, kind in enumerate(table.kinds):
            for c, role in enumerate(REGIONS):
                column = np.array([getattr(row, name)[k, c] for row in rows])
                data[f"{name}_{kind}_{role}_uAh"] = column
    return data
