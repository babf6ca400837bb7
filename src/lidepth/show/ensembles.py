"""An ensemble on a terminal."""

from __future__ import annotations

import math

from rich.table import Table
from rich.text import Text

from lidepth.model.ensemble import Ensemble
from lidepth.model.ledger import REGIONS
from lidepth.show import words
from lidepth.show.figures.ensembles import KINDS
from lidepth.show.terminal import MOST_ROWS


def ensemble_table(found: Ensemble) -> Table:
    """One line per row and region: stated error, scatter of the members, and their ratio."""
    table = Table(title=f"Ensemble, {found.kind}, {len(found)} members, µAh", title_justify="left")
    for name in ("cycle", "state", "region"):
        table.add_column(name)
    for name in ("stated", "± stated", "mean", "± members", "± predicted", "ratio"):
        table.add_column(name, justify="right")
    stated = found.stated
    mean, std, predicted, ratio = found.mean, found.std, found.predicted_std, found.ratio
    shown = [*range(len(stated))]
    if len(shown) > MOST_ROWS:
        shown = [*shown[: MOST_ROWS // 2], *shown[-MOST_ROWS // 2 :]]
    for i in shown:
        for k, region in enumerate(REGIONS):
            numbers = (
                stated.values[i, k], stated.std[i, k], mean[i, k], std[i, k], predicted[i, k],
            )  # fmt: skip
            quotient = f"{ratio[i, k]:.2f}" if math.isfinite(ratio[i, k]) else "—"
            cells = [f"{number:.3f}" if math.isfinite(number) else "—" for number in numbers]
            table.add_row(
                str(stated.cycle[i]) if k == 0 else "", stated.state[i] if k == 0 else "", region,
                *(cell.replace("-", "−") for cell in cells), quotient, end_section=k == 2,
            )  # fmt: skip
    if len(stated) > len(shown):
        table.caption = f"{len(stated) - len(shown)} rows between are in ensemble.csv"
    return table


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
        lines.append(f"{len(found.failed)} members failed; member {number}: {reason}")
    return Text("\n".join(lines))
