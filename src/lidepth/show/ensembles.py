"""An ensemble on a terminal."""

from __future__ import annotations

import math

from rich import box
from rich.table import Table
from rich.text import Text

from lidepth.model.ensemble import Ensemble
from lidepth.model.ledger import REGIONS
from lidepth.show import words
from lidepth.show.figures.ensembles import KINDS
from lidepth.show.terminal import MOST_ROWS


def ensemble_table(found: Ensemble) -> Table:
    """One line per row and region: stated error, scatter of the members, and their ratio."""
    stated = found.stated
    table = Table(
        title=f"Ensemble, {found.kind}, {len(found)} members, µAh", title_justify="left",
        box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    for name in ("state", "region"):
        table.add_column(name, no_wrap=True)
    for name in ("stated", "±", "members", "±", "linear", "ratio"):
        table.add_column(name, justify="right")
    mean, std, predicted, ratio = found.mean, found.std, found.predicted_std, found.ratio
    shown = [*range(len(stated))]
    if len(shown) > MOST_ROWS:
        shown = [*shown[: MOST_ROWS // 2], *shown[-MOST_ROWS // 2 :]]
    for i in shown:
        for k, region in enumerate(REGIONS):
            table.add_row(
                f"{stated.cycle[i]} {stated.state[i]}" if k == 0 else "", region,
                words.plain(float(stated.values[i, k])), _rounded(float(stated.std[i, k])),
                words.plain(float(mean[i, k])), _rounded(float(std[i, k])),
                _rounded(float(predicted[i, k])), _rounded(float(ratio[i, k])),
                end_section=k == len(REGIONS) - 1,
            )  # fmt: skip
    if len(stated) > len(shown):
        table.caption = f"{len(stated) - len(shown)} rows between are in ensemble.csv"
    return table


def _rounded(value: float) -> str:
    return (
        f"{value:.2f}" if 0.005 < value < 100 else f"{value:.1e}" if math.isfinite(value) else "—"
    )


def ensemble_words(found: Ensemble) -> Text:
    """What was drawn, how much it is worth, and what did not settle."""
    lines = [f"{found.kind}: {KINDS[found.kind]} (method {found.method}, seed {found.seed})."]
    lines.append(
        f"{len(found)} members: a ratio is good to {100 * found.ratio_error:.0f} %; "
        f"{float(sum(found.seconds)):.0f} s of work."
    )
    if math.isfinite(found.laplace_size):
        memory = max((abs(m) for m in found.memory.flat if math.isfinite(m)), default=math.nan)
        lines.append(
            f"As weighted draws of the Gaussian approximation they would count as "
            f"{found.laplace_size:.0f}; the sampler kept at most {words.plain(memory)} of its "
            f"start (chance: {2.0 / math.sqrt(len(found)):.2f})."
        )
    if found.failed:
        number, reason = found.failed[0]
        count = len(found.failed)
        lines.append(f"{count} member{'s' * (count > 1)} failed: member {number}: {reason}")
    return Text("\n".join(lines))
