"""Which losses of capacity the curves exclude, which they support, and which they cannot tell.

Every threshold is a prediction from the cell's own reference curves or from a stated model of the
cell; what is compared with it has an uncertainty.  docs/physics/electrochemistry.md has the
derivations.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.electrochemistry.curves import (
    references,
    same_current,
    shape_change,
)
from lidepth.model.electrochemistry import Cycle, HalfCycle, LossStatement, Verdict, VoltageCurve

Floats = NDArray[np.float64]

_MAIN = 0.5  # of the loss: less is not its main cause
_LEAST_LOSS = 0.03  # of the capacity: what explains a smaller loss is lost in the shape of a curve
_POLARITY = 3e-4  # of the charge moved: by what the two polarities of a good source may differ
_GRID = (np.arange(200) + 0.5) / 200.0

_MODEL = (
    "In a model of this cell a resistance that costs a third of the capacity changes the normalised"
    " curves by 116 mV (charge) and 260 mV (discharge); lithium that is immobilised gives 12 to "
    "28 mV and cathode that is lost 25 to 30 mV"
)


def exclude_losses(
    cycles: Sequence[Cycle], curves: Sequence[VoltageCurve]
) -> tuple[LossStatement, ...]:
    """Say of every kind of loss whether the curves exclude it, support it or cannot decide."""
    found = [_by_shape(curves), _by_constant_voltage(cycles), *_by_charge(cycles)]
    return tuple(statement for statement in found if statement is not None)


def _pair(curves: Sequence[VoltageCurve], kind: str) -> tuple[VoltageCurve, VoltageCurve] | None:
    """Reference and last curve of the current at which most capacity was lost."""
    reference = references(curves)
    best: tuple[float, VoltageCurve, VoltageCurve] | None = None
    for curve in curves:
        first = reference[curve.kind, curve.cycle]
        if (
            curve.kind != kind
            or curve.cycle <= first.cycle
            or min(curve.cc_rows, first.cc_rows) < 5
        ):
            continue
        last = max(
            (c for c in curves if c.kind == kind and same_current(c, first)), key=lambda c: c.cycle
        )
        lost = 1.0 - _at_cc(last) / _at_cc(first)
        if last.cc_rows >= 5 and (best is None or lost > best[0]):
            best = (lost, first, last)
    return best[1:] if best is not None else None


def _at_cc(curve: VoltageCurve) -> float:
    """Capacity at constant current, in uAh: its current for its span."""
    return curve.current_ua * curve.span_s / 3600.0


def _by_shape(curves: Sequence[VoltageCurve]) -> LossStatement | None:
    charge, discharge = _pair(curves, "charge"), _pair(curves, "discharge")
    if charge is None or discharge is None:
        return None
    lost = 1.0 - _at_cc(discharge[1]) / _at_cc(discharge[0])
    changes = [shape_change(last, first) for first, last in (charge, discharge)]
    measured = float(np.sqrt(np.mean([c.excess_mv**2 for c in changes])))
    std = float(np.hypot(changes[0].std_mv, changes[1].std_mv) / 2.0)
    first, last = discharge[0].cycle, discharge[1].cycle
    observation = (
        f"capacity {-100 * lost:+.1f} % from cycle {first} to {last} at "
        f"{_amount(discharge[1].current_ua, 'A')}; normalised curves differ by "
        f"{changes[0].rms_mv:.1f} mV (charge) and {changes[1].rms_mv:.1f} mV (discharge) rms, of "
        f"which noise and logging are {changes[0].floor_mv:.1f} and {changes[1].floor_mv:.1f} mV"
    )
    if lost < _LEAST_LOSS:
        return LossStatement(
            loss="growing resistance", observation=observation, number=measured, std=std, unit="mV",
            verdict="cannot be decided",
            statement="Too little capacity is lost for the shape of the curves to tell why.",
            why=f"Below {100 * _LEAST_LOSS:.0f} % every cause leaves the shape alone.",
        )  # fmt: skip
    shift_v, predicted = resistance_needed(charge[0], discharge[0], lost)
    needed = float(np.sqrt(np.mean([1e6 * np.mean(p**2) for p in predicted])))
    seen = [_difference(last, first) for first, last in (charge, discharge)]
    alike = _alikeness(np.concatenate(seen), np.concatenate(predicted))
    verdict: Verdict = "cannot be decided"
    statement = "The normalised curves change, but not as by a resistance alone."
    if measured + 2.0 * std < _MAIN * needed:
        verdict = "excluded"
        statement = "Growing resistance is not the main cause of the loss."
    elif alike > 0.8 and measured - 2.0 * std > _MAIN * needed:
        verdict = "supported"
        statement = "The normalised curves change as a growing resistance makes them."
    return LossStatement(
        loss="growing resistance", statement=statement, observation=observation, number=measured,
        std=std, unit="mV", verdict=verdict,
        why=(
            f"To cost {100 * lost:.0f} %, a resistance must shift this cell's reference curves by "
            f"{1e3 * shift_v:.0f} mV ({1e6 * shift_v / discharge[1].current_ua:.3g} ohm) and change"
            f" their normalised shape by {needed:.0f} mV; half of that is the limit."
        ),
    )  # fmt: skip


def resistance_needed(
    charge: VoltageCurve, discharge: VoltageCurve, lost: float
) -> tuple[float, tuple[Floats, Floats]]:
    """Shift in V by which a resistance would cost ``lost`` of the capacity, and what it changes.

    The shift makes the charge end where the reference was so much below its end, and the
    discharge where it was so much above; between these the curves are those of the reference,
    shifted.  Returns the shift and the changes (200,) of the normalised charge and discharge, in
    V.  Larger shifts than the span of the voltages are not tried.
    """
    from scipy.optimize import brentq

    up, above = charge.normalised
    down, below = discharge.normalised
    down, below = 1.0 - down[::-1], below[::-1]
    rising, falling = np.maximum.accumulate(above), np.maximum.accumulate(below)

    def ends(shift: float) -> tuple[float, float]:
        high = float(np.interp(rising[-1] - shift, rising, up))
        low = float(np.interp(falling[0] + shift, falling, down))
        return low, high

    def excess(shift: float) -> float:
        low, high = ends(shift)
        return high - low - (1.0 - lost)

    most = float(rising[-1] - rising[0])
    shift = float(brentq(excess, 0.0, most)) if excess(0.0) > 0 > excess(most) else most
    low, high = ends(shift)
    within = low + (high - low) * _GRID
    charged = np.interp(within, up, above) + shift - np.interp(_GRID, up, above)
    back = high - (high - low) * _GRID
    discharged = np.interp(back, down, below) - shift - np.interp(1.0 - _GRID, down, below)
    return shift, (np.asarray(charged), np.asarray(discharged))


def _difference(curve: VoltageCurve, reference: VoltageCurve) -> Floats:
    one, other = (np.interp(_GRID, *c.normalised) for c in (curve, reference))
    return np.asarray(one - other)


def _alikeness(one: Floats, other: Floats) -> float:
    """Cosine between two changes of shape: 1 where one is a multiple of the other."""
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / size if size > 0 else 0.0


def _by_constant_voltage(cycles: Sequence[Cycle]) -> LossStatement | None:
    """What constant voltage gives back of the capacity lost at constant current."""
    halves = [h for cycle in cycles for h in cycle.halves if h.whole and h.cc_uah > 0]
    last = next((h for h in reversed(halves) if h.has_cv), None)
    if last is None:
        return None
    alike = [h for h in halves if h.kind == last.kind and _near(h, last) and h.cycle < last.cycle]
    observation = (
        f"constant voltage adds {100 * last.cv_gain:.2f} ± {100 * last.cv_gain_std:.2f} % to the "
        f"{last.kind} of cycle {last.cycle}"
    )
    number, std = 100 * last.cv_gain, 100 * last.cv_gain_std
    lost = gained = np.nan
    if alike:
        reference = alike[1] if alike[0].cycle == cycles[0].number and len(alike) > 1 else alike[0]
        lost = reference.cc_uah - last.cc_uah
        gained = last.cv_uah - (reference.cv_uah if reference.has_cv else 0.0)
    if not alike or lost < _LEAST_LOSS * last.cc_uah:
        return LossStatement(
            loss="kinetic limits", observation=observation, number=number, std=std, unit="%",
            statement="There is no loss at this current to compare the gain with.",
            verdict="cannot be decided",
            why="What constant voltage gives back says something only of what was lost before.",
        )  # fmt: skip
    share = gained / lost
    share_std = float(np.hypot(last.split_std_uah, reference.split_std_uah)) * (1 + share) / lost
    verdict: Verdict = "cannot be decided"
    statement = "Kinetic limits may be about half of the loss."
    if share + 2.0 * share_std < _MAIN:
        verdict, statement = "excluded", "Kinetic limits are not the main cause of the loss."
    elif share - 2.0 * share_std > _MAIN:
        verdict, statement = "supported", "Kinetic limits explain most of the loss."
    return LossStatement(
        loss="kinetic limits", statement=statement, number=number, std=std, unit="%",
        observation=observation + f": {100 * share:.0f} % of what was lost since cycle "
        f"{reference.cycle}",
        verdict=verdict,
        why=(
            "As the current goes to nought, so does what a resistance costs: constant voltage "
            "gives back what resistance or slow transport has taken. That is an upper limit, "
            f"since a fresh cell gains a little too. {_MODEL}."
        ),
    )  # fmt: skip


def _near(one: HalfCycle, other: HalfCycle) -> bool:
    return abs(one.current_ua - other.current_ua) <= 0.05 * max(one.current_ua, other.current_ua)


def _by_charge(cycles: Sequence[Cycle]) -> list[LossStatement]:
    """What did not come back, and what that cannot tell."""
    last = next(
        (c for c in reversed(cycles) if c.discharge is not None and c.discharge.whole), None
    )
    first = next((c.charge for c in cycles if c.charge is not None and c.charge.whole), None)
    if last is None or first is None or last.discharge is None or cycles[0].begins != "charge":
        return []
    halves = [h for c in cycles for h in c.halves if h.start_s <= last.discharge.start_s]
    kept = sum(h.capacity_uah * (1.0 if h.kind == "charge" else -1.0) for h in halves)
    moved = sum(h.capacity_uah for h in halves)
    ends = float(np.sqrt(sum(h.capacity_std_uah**2 for h in halves)))
    std = float(np.hypot(ends, _POLARITY * moved))
    lost = first.capacity_uah - last.discharge.capacity_uah
    observation = (
        f"{_amount(kept, 'Ah', std)} more charge than discharge up to cycle {last.number}; the "
        f"last discharge ({_amount(last.discharge.current_ua, 'A')}) is {_amount(abs(lost), 'Ah')} "
        f"{'below' if lost >= 0 else 'above'} the first charge ({_amount(first.current_ua, 'A')})"
    )
    verdict: Verdict = "cannot be decided"
    statement = "The charge that did not come back neither covers the loss nor is small against it."
    if lost < _LEAST_LOSS * first.capacity_uah:
        statement = "No capacity was lost that lithium not returned could explain."
    elif kept - 2.0 * std > _MAIN * lost:
        verdict = "supported"
        statement = "Lithium that did not come back to the cathode covers the loss."
    elif kept + 2.0 * std < _MAIN * lost:
        verdict = "excluded"
        statement = "Lithium that did not come back is not the main part of the loss."
    returned = LossStatement(
        loss="lithium not returned", statement=statement, observation=observation, number=kept,
        std=std, unit="µAh", verdict=verdict,
        why=(
            "Each electron more in charge than in discharge has left one lithium away from the "
            "cathode, unless charge leaked through the electrolyte or moved something else. The "
            f"error holds the ends of each half cycle and {100 * _POLARITY:g} % of all charge "
            "moved, for the polarities of the source."
        ),
    )  # fmt: skip
    if lost < _LEAST_LOSS * first.capacity_uah:
        return [returned]
    undecided: Verdict = "cannot be decided"
    return [
        returned,
        LossStatement(
            loss="cathode or mobile lithium", observation=observation, number=lost, std=ends,
            unit="µAh", verdict=undecided,
            statement="Whether cathode or mobile lithium was lost, the curves do not tell.",
            why=f"{_MODEL}. Their difference is below what the model is good for. The "
            "cathode's own lithium, as neutrons see it, tells them apart.",
        ),
        LossStatement(
            loss="anode or electrolyte", observation=observation, number=kept, std=std, unit="µAh",
            verdict=undecided,
            statement="Where the lithium that did not come back sits, the curves do not tell.",
            why="One voltage between two electrodes sees the sum alone. Depth profiles tell anode "
            "and electrolyte apart; a discharge at constant voltage bounds what sits in the anode "
            "and is merely slow.",
        ),
    ]  # fmt: skip


def _amount(value_u: float, unit: str, std_u: float | None = None) -> str:
    """A current or charge in millionths of ``unit`` in words, with the prefix that suits it."""
    prefix, factor = next(
        ((p, f) for p, f in (("", 1e-6), ("m", 1e-3)) if abs(value_u) * f >= 1.0), ("µ", 1.0)
    )
    spread = "" if std_u is None else f" ± {std_u * factor:.2g}"
    return f"{value_u * factor:.3g}{spread} {prefix}{unit}"
