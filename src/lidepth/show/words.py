"""Numbers with their errors, and verdicts, in words."""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray

from lidepth.model.ledger import REGIONS, Ledger
from lidepth.model.result import Analysis, MovedSilicon

Floats = NDArray[np.float64]
DETECTED, INDICATED = 3.0, 2.0
SMALLEST_DIGITS = 5  # after the point; smaller numbers get a power of ten
HIGH = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
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
    power = math.floor(math.log10(max(abs(value), std)))
    if digits > SMALLEST_DIGITS and power != 0:
        inside = with_error(value * 10.0**-power, std * 10.0**-power)
        return f"({inside}) × 10{str(power).translate(HIGH)}{tail}"
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


def losses(analysis: Analysis) -> list[dict[str, str]]:
    """What the curves of the cycler exclude, support and cannot tell; empty without a cycler."""
    found = analysis.electrochemistry
    return [
        {
            "verdict": one.verdict, "loss": one.loss, "why": one.why,
            "statement": one.statement, "observation": one.observation.replace("-", "−"),
        }
        for one in (found.losses if found is not None else ())
    ]  # fmt: skip


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
    """Say what the information bound is, and how near the independent errors come to it."""
    ledger = analysis.ledgers.get("default")
    if ledger is None or analysis.information_uah.shape != ledger.values.shape:
        return ""
    rows = ledger.rows_of("discharged")
    rows = rows if rows.any() else np.ones(len(ledger), dtype=bool)
    bound = np.where(analysis.information_uah > 0, analysis.information_uah, np.nan)
    ratio = ledger.stat / bound
    if not np.any(np.isfinite(ratio)):
        return ""
    each = ", ".join(
        f"{small(float(np.median(analysis.information_uah[rows, column])))} µAh for the {role}"
        for column, role in enumerate(REGIONS)
    )
    near = float(np.nanmedian(ratio))
    reached = (
        "the errors called “stat” are this bound, taken from the same Fisher information, so no "
        "unbiased way of reading these counts can do better; only more counts, or knowing more "
        "beforehand, would"
        if abs(near - 1.0) < 0.005
        else f"the errors called “stat” are, in the median, {near:.2f} times this bound"
    )
    return (
        "The information bound (Cramér–Rao), given the shared parameters and the priors as stated, "
        f"is in the median {each} in one discharged state; {reached}."
    )


def small(value: float) -> str:
    """Return an error with two decimals, or that it is below them."""
    return "<0.01" if 0.0 < value < 0.005 else f"{value:.2f}"


def mean_row(ledger: Ledger, state: str) -> tuple[Floats, Floats, float, float]:
    """Mean over the rows of ``state``: values (3,), errors (3,), balance and its error.

    Errors come from the joint covariance, so what is common to all rows does not average away.
    """
    rows = np.flatnonzero(ledger.rows_of(state))
    n = len(ledger)
    average = np.zeros((3, n, 3))
    for column in range(3):
        average[column, rows, column] = 1.0 / max(rows.size, 1)
    weights = average.reshape(3, 3 * n)
    values = weights @ ledger.values.ravel()
    covariance = weights @ ledger.covariance @ weights.T
    signs = np.array([1.0, 1.0, -1.0])
    std = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    balance_std = math.sqrt(max(float(signs @ covariance @ signs), 0.0))
    return values, std, float(signs @ values), balance_std


def cathode_check(analysis: Analysis) -> str:
    """Say how the cathode that neutrons see alone agrees with the charge; empty without both."""
    default, untied = analysis.ledgers.get("default"), analysis.ledgers.get("untied")
    if default is None or untied is None or not default.rows_of("discharged").any():
        return ""
    phrases = []
    for state in ("charged", "discharged"):
        if not (default.rows_of(state).any() and untied.rows_of(state).any()):
            continue
        by_charge = mean_row(default, state)[0][2]
        seen, std, balance, balance_std = mean_row(untied, state)
        phrases.append(
            f"{state}, on average over the cycles, the cathode that neutrons see differs from the "
            f"charge by {with_error(float(seen[2] - by_charge), float(std[2]), 'µAh')} (error of "
            f"the neutrons), and the balance is {with_error(balance, balance_std, 'µAh')}"
        )
    return "; ".join(phrases)


ADVICE = (
    ("pristine fit is not credible", "Look at the residuals in the figure of the pristine spectrum "
     "and at the pulls in the figure of the stack: a wave means stopping powers or composition, a "
     "step at a layer's edge its thickness. Try another stopping source (--alternative). The "
     "ledger can be used with its widened errors."),
    ("from what was believed", "One pull beyond 3 among some thirty parameters is not chance: "
     "check formula and density of that layer, or bring stopping powers of your own (csv:, "
     "srim-file:)."),
    ("are flagged", "Nothing need be done; the maps against time hatch where they lie. If there "
     "are many, look for the cause in the beam log."),
    ("no usable spectrum for", "No analysis brings these rows back; figures leave a gap there. "
     "Later rows do not depend on them."),
    ("silicon to move into the anode", "Check the printed stack, and the stopping powers of the "
     "anode and of lithium; do not trust the sharing between anode and electrolyte until then."),
    ("silicon has moved", "Use the default rows, which allow for it, and not the rows of the "
     "windows. Confirm it by a method that sees silicon (XPS, EDX) before building on it."),
    ("h of pristine spectra", "Measure the cell longer before its first charge; a night is well "
     "spent."),
    ("no cycler log", "Name the cycler's file under data.cycler if there is one."),
    ("monitor counts", "Name the beam monitor under data.monitor if there is one."),
    ("does not explain the spectra", "Find these states in the figure of the residuals; a shift at "
     "the edges is a drift of gain, a slope at low energies the background. Leave their rows out "
     "of conclusions until it is understood."),
    ("whole run pulls it", "Check what the experiment file says of it, or try another stopping "
     "source (--alternative)."),
    ("data cannot say how much", "Give tighter uncertainties of thickness in the experiment file "
     "if you have them, or measure the pristine cell longer; more cycles do not help."),
    ("cathode seen by neutrons", "Compare the rows of untied with the default: the charge may not "
     "all have moved lithium (side reactions, leakage). If so, the default's cathode is too large "
     "by as much."),
    ("slab and default disagree", "Add the model error to the default's uncertainty when you quote "
     "the electrolyte, and look at the figure of the interlayer: a tail below the front means that "
     "no slab can draw it, and the default is the better of the two."),
    ("slab fit has not settled", "The default is not affected."),
    ("clock of the cycler differs", "Set the clocks alike before the next run. If the number is "
     "what you expect of the two computers, declare it; the ledger hardly changes."),
    ("data.clock_offset", "Correct the offset, or leave it out: then it is found from the data."),
    ("clock of the spectra", "Compare with the log book, and name the time zone if there is one."),
    ("did not settle and is left out", "Its stopping powers are far from this cell; leave that "
     "source out, or check its tables."),
    ("with the stopping powers of", "Quote the larger error."),
)  # fmt: skip


def advice(warning: str) -> str:
    """Return what to do about a warning; empty where there is nothing to say."""
    return next((what for known, what in ADVICE if known in warning), "")


def unit_printed(unit: str) -> str:
    """Return a unit with the signs of print."""
    for plain_text, printed in (("1e15", "10¹⁵"), ("cm2", "cm²"), ("^2", "²"), ("6Li", "⁶Li")):
        unit = unit.replace(plain_text, printed)
    return "×" if unit == "x" else unit


def isotope_printed(isotope: str) -> str:
    """Return an isotope such as 6Li with its mass number set high."""
    number = isotope.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return number.translate(HIGH) + isotope[len(number) :]


def chance(probability: float) -> str:
    """A probability in per cent, as far as anybody would bet on it."""
    if probability < 1e-5:
        return "< 0.001 %"
    return f"{100.0 * probability:.2g} %" if probability < 0.995 else "> 99 %"


def typeset(text: str) -> str:
    """Return a warning with the signs of print."""
    for plain_text, printed in ((" +- ", " ± "), ("x 1e15/cm2", "× 10¹⁵/cm²"), (" uAh", " µAh")):
        text = text.replace(plain_text, printed)
    return re.sub(r"(?<=[\s(])-(?=[0-9])", "−", text)
