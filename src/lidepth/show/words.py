"""Numbers with their errors, and verdicts, in words."""

from __future__ import annotations

import math
import re

import numpy as np

from lidepth.model.ledger import REGIONS, Ledger
from lidepth.model.result import Analysis, MovedSilicon

DETECTED, INDICATED = 3.0, 2.0
HOLDS = {
    "anode": "lithium still in the anode",
    "electrolyte": "lithium immobilised in the electrolyte",
    "cathode": "lithium missing from the cathode",
}


def with_error(value: float, std: float, unit: str = "") -> str:
    """Return ``value ± std`` with two digits of the error, and the unit.

    >>> with_error(12.3456, 0.234, "µAh")
    '12.35 ± 0.23 µAh'
    """
    tail = f" {unit}" if unit else ""
    if not (math.isfinite(value) and math.isfinite(std)):
        return f"{plain(value)}{tail} (error unknown)" if math.isfinite(value) else "not known"
    if std <= 0:
        return f"{plain(value)}{tail}"
    digits = max(0, 1 - math.floor(math.log10(std)))
    return f"{value:.{digits}f} ± {std:.{digits}f}{tail}".replace("-", "−")


def plain(value: float) -> str:
    """Return a number with four significant digits; a dash where there is none."""
    return f"{value:.4g}".replace("-", "−") if math.isfinite(value) else "—"


def subscripts(formula: str) -> str:
    """Return a chemical formula with its numbers set low.

    >>> subscripts("Li3PO4")
    'Li₃PO₄'
    """
    low = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
    return re.sub(r"(?<=[A-Za-z)])[0-9]+(\.[0-9]+)?", lambda m: m.group().translate(low), formula)


def percent_of(value: float, std: float, whole: float) -> str:
    """Return value and error in per cent of ``whole``, or nothing where that is not known."""
    if not (math.isfinite(whole) and whole > 0):
        return ""
    return with_error(100 * value / whole, 100 * std / whole, "%")


def last_row(ledger: Ledger, state: str = "discharged") -> int | None:
    """Return the row of the last cycle in ``state``; None where there is none."""
    rows = np.flatnonzero(ledger.rows_of(state))
    return int(rows[np.argmax(ledger.cycle[rows])]) if rows.size else None


def silicon_verdict(moved: MovedSilicon) -> str:
    """Say whether silicon has moved, and how sure that is."""
    if not moved.cycle.size or not moved.mean_std_1e15 > 0:
        return "Moved silicon could not be determined without a cycler record."
    amount = with_error(moved.mean_1e15, moved.mean_std_1e15, "× 10¹⁵ Si/cm²")
    share = percent_of(moved.mean_1e15, moved.mean_std_1e15, moved.film_1e15)
    share = f" ({share} of the film)" if share else ""
    significance = moved.significance
    if significance >= DETECTED:
        verdict = "Silicon has moved into the electrolyte"
    elif significance >= INDICATED:
        verdict = "There is an indication, not a proof, that silicon moved into the electrolyte"
    else:
        verdict = "Moved silicon is not established"
    return f"{verdict}: {amount}{share}, {significance:.1f} standard uncertainties from none."


def summary(analysis: Analysis) -> str:
    """Return the result of the run in one paragraph."""
    ledger = analysis.ledgers.get("default")
    sentences = [_first_charge(analysis)]
    row = last_row(ledger) if ledger is not None else None
    if ledger is None or row is None:
        sentences.append("No discharged state was found, so there is no ledger to sum up.")
    else:
        parts = [_part(analysis, ledger, row, column) for column in (1, 0, 2)]
        sentences.append(
            f"After cycle {ledger.cycle[row]}, discharged, {parts[0]}, {parts[1]} and {parts[2]}; "
            "errors are 68 % and include the terms common to all cycles."
        )
    sentences.append(silicon_verdict(analysis.silicon))
    return " ".join(sentences)


def _first_charge(analysis: Analysis) -> str:
    if not math.isfinite(analysis.first_charge_uah):
        return "No cycler record came with this run; amounts rest on the stack's lithium alone."
    return f"The first charge moved {analysis.first_charge_uah:.2f} µAh."


def _part(analysis: Analysis, ledger: Ledger, row: int, column: int) -> str:
    value, std = float(ledger.values[row, column]), float(ledger.std[row, column])
    share = percent_of(value, std, analysis.first_charge_uah)
    share = f" ({share} of the first charge)" if share else ""
    return f"{HOLDS[REGIONS[column]]} is {with_error(value, std, 'µAh')}{share}"


def window_bias_words(analysis: Analysis) -> str:
    """Say how wrong windows are predicted to be, as a mean per state and part."""
    windows = analysis.ledgers.get("windows")
    if windows is None or analysis.window_bias.shape != windows.values.shape:
        return ""
    phrases = []
    for state in ("charged", "discharged"):
        rows = windows.rows_of(state)
        if rows.any():
            means = analysis.window_bias[rows].mean(axis=0)
            each = ", ".join(
                f"{means[i]:+.1f} µAh for the {role}".replace("-", "−")
                for i, role in enumerate(REGIONS)
            )
            phrases.append(f"{state}, on average {each}")
    return "; ".join(phrases)


def information_words(analysis: Analysis) -> str:
    """Say how near the independent errors come to the information bound."""
    ledger = analysis.ledgers.get("default")
    if ledger is None or analysis.information_uah.shape != ledger.values.shape:
        return ""
    bound = np.where(analysis.information_uah > 0, analysis.information_uah, np.nan)
    ratio = ledger.stat / bound
    if not np.any(np.isfinite(ratio)):
        return ""
    return f"{float(np.nanmedian(ratio)):.2f}"
