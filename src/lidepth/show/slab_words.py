"""The interlayer in words: verdict, table, and how slab and default differ."""

from __future__ import annotations

import math
from typing import Any

from lidepth.model.interlayer import HIGH, LOW, MEDIAN, UPPER, Interlayer
from lidepth.model.result import Analysis
from lidepth.show import words

DECIDED = 3.0  # odds of twenty to one


def interlayer_words(analysis: Analysis) -> dict[str, Any] | None:
    """Everything the report says of the interlayer; None where no slab was fitted."""
    found = analysis.interlayer
    if found is None or not len(found):
        return None
    return {
        "verdict": verdict(found),
        "disagreement": disagreement(found),
        "rows": [_row(found, i) for i in range(len(found))],
        "nested": [
            f"Nested sampling with exact spectra, {one.label}: ln B = {one.ln_bayes:.1f} ± "
            f"{one.ln_bayes_std:.1f}, "
            f"{words.with_error(one.amount_1e15, one.amount_std_1e15)} × 10¹⁵ Li/cm², thickness "
            f"{one.thickness_nm[MEDIAN]:.0f} nm ({one.thickness_nm[LOW]:.0f} to "
            f"{one.thickness_nm[HIGH]:.0f}); {one.calls} spectra computed.".replace("= -", "= −")
            for one in found.nested
        ],
    }


def verdict(found: Interlayer) -> str:
    """Say whether the run has an interlayer, and since when single states show it."""
    odds = found.run_ln_bayes
    number = f"ln B = {odds:+.1f} for the run".replace("-", "−")
    if odds > DECIDED:
        head = f"There is an interlayer: lithium added below the anode ({number})."
    elif odds < -DECIDED:
        head = f"There is no interlayer ({number})."
    else:
        head = f"Whether there is an interlayer is undecided ({number})."
    shown = [i for i in range(len(found)) if found.ln_bayes[i] > DECIDED]
    each = f"{len(shown)} of {len(found)} states show it by themselves" + (
        f", the first in cycle {found.cycle[shown[0]]}." if shown else "."
    )
    return (
        f"{head} The factor of the run takes stack, stopping and silicon into account once for "
        f"all states together, so it is less than the sum of the states' factors. {each}"
    )


def disagreement(found: Interlayer) -> str:
    """Say how far slab and default are apart in the electrolyte."""
    mean = words.with_error(found.mean_disagreement_uah, found.mean_disagreement_std_uah, "µAh")
    largest = float(found.model_uah[:, 1].max())
    return (
        f"on average the slab holds {mean} more lithium in the electrolyte than the default (the "
        "error is what chance allows, both being read from one spectrum), and the largest model "
        f"error of a row is {words.small(largest)} µAh."
    )


def _row(found: Interlayer, i: int) -> dict[str, str]:
    width_known = bool(found.width_known[i])
    return {
        "state": f"cycle {found.cycle[i]} {found.state[i]}",
        "amount": words.with_error(float(found.amount_1e15[i]), float(found.amount_std_1e15[i])),
        "thickness": _interval(found.thickness_nm[i], known=bool(found.thickness_known[i])),
        "width": _interval(found.width_nm[i], known=width_known),
        "enrichment": _interval(100.0 * found.enrichment[i], known=bool(found.thickness_known[i])),
        "ln_bayes": f"{found.ln_bayes[i]:.1f}".replace("-", "−"),
        "difference": words.with_error(
            float(found.disagreement_uah[i, 1]), float(found.disagreement_std_uah[i, 1])
        ),
        "model": words.small(float(found.model_uah[i, 1])),
    }


def _interval(quantiles: Any, *, known: bool) -> str:
    if not math.isfinite(float(quantiles[MEDIAN])):
        return "—"
    if not known:
        upper = float(quantiles[UPPER])
        return f"< {upper:.0f}" if upper >= 10.0 else f"< {upper:.1f}"
    low, median, high = (float(quantiles[place]) for place in (LOW, MEDIAN, HIGH))
    digits = 0 if median >= 10.0 else 1
    return f"{median:.{digits}f} ({low:.{digits}f} – {high:.{digits}f})"
