"""What a reader must be warned of where the slab and the default differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lidepth.model.interlayer import Interlayer

# Judged on simulated campaigns (docs/validation/interlayer.md).
MEAN_LIMIT = 2.0  # standard deviations of the electrolyte's mean difference
ROW_LIMIT = 3.5  # and of one row's


def interlayer_warnings(found: Interlayer, unsettled: Sequence[str]) -> list[str]:
    """Disagreement beyond chance, and slabs that did not settle."""
    notes = []
    mean, std = found.mean_disagreement_uah, found.mean_disagreement_std_uah
    if abs(mean) > MEAN_LIMIT * std:
        notes.append(
            f"slab and default disagree about the electrolyte's lithium by {mean:+.2f} uAh on "
            f"average, where chance allows {std:.2f}: the lithium does not lie as one of them "
            f"draws it; model error up to {np.max(found.model_uah[:, 1]):.2f} uAh"
        )
    rows = _rows_apart(found)
    if rows and abs(mean) <= MEAN_LIMIT * std:
        notes.append(
            f"slab and default disagree about {', '.join(rows[:4])}"
            + (f" and {len(rows) - 4} more states" if len(rows) > 4 else "")
            + f" beyond chance; model error up to {np.max(found.model_uah[:, 1]):.2f} uAh"
        )
    if unsettled:
        notes.append(
            "the slab fit has not settled for " + ", ".join(unsettled[:4])
            + (f" and {len(unsettled) - 4} more states" if len(unsettled) > 4 else "")
            + "; do not use their slab rows"
        )  # fmt: skip
    return notes


def _rows_apart(found: Interlayer) -> list[str]:
    apart = np.abs(found.disagreement_uah[:, 1]) > ROW_LIMIT * found.disagreement_std_uah[:, 1]
    return [f"cycle {found.cycle[i]} {found.state[i]}" for i in np.flatnonzero(apart)]
