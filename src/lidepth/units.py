"""Units at the doors: ``"550 nm"`` in, a float in the unit of the suffix out.

Inside lidepth a number's unit is the suffix of its name (``_nm``, ``_kev``, ``_uah``).  A bare
number where a unit is needed is refused, because guessing a unit is how beam time is lost.
The conversions themselves are scipp's.
"""

from __future__ import annotations

import math
import re

from lidepth.errors import WrongUnit

_QUANTITY = re.compile(r"^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S(?:.*\S)?)?\s*$")

# Spellings people use, and the one scipp understands.
_SPELLINGS = {
    "µm": "um", "μm": "um", "µA": "uA", "μA": "uA", "micron": "um", "A": "A",
    "Å": "angstrom", "°": "deg", "degree": "deg", "degrees": "deg",
    "g/cc": "g/cm^3", "g/cm3": "g/cm^3", "cm2": "cm^2", "mm2": "mm^2", "cm²": "cm^2",
    "mm²": "mm^2", "g/cm³": "g/cm^3", "mg/cm2": "mg/cm^2",
}  # fmt: skip


def quantity(text: object, unit: str, *, where: str = "") -> float:
    """Return ``text``, such as ``"550 nm"``, as a float in ``unit``.

    Raises WrongUnit when the unit is missing, unknown or of another kind.

    >>> quantity("0.55 um", "nm")
    550.0
    """
    number, given = _split(text, unit, where)
    if unit == "%":
        return _percent(number, given, where)
    import scipp as sc  # heavy; only needed when a unit is read

    try:
        value = sc.scalar(number, unit=_SPELLINGS.get(given, given)).to(
            unit=_SPELLINGS.get(unit, unit)
        )
    except (sc.UnitError, RuntimeError, ValueError) as error:
        raise WrongUnit(
            f"cannot read {text!r} as a quantity in {unit}",
            where=where,
            expected=f'a number with a unit that converts to {unit}, such as "{number:g} {unit}"',
            remedy="write the unit after the number",
        ) from error
    return float(f"{float(value.value):.15g}")


def _split(text: object, unit: str, where: str) -> tuple[float, str]:
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise WrongUnit(
            f"{text!r} is not a quantity",
            where=where,
            expected=f'text such as "1 {unit}"',
        )
    match = _QUANTITY.match(str(text))
    if match is None or not math.isfinite(float(match[1])):
        raise WrongUnit(
            f"{text!r} is not a number with a unit",
            where=where,
            expected=f'text such as "1 {unit}"',
        )
    if match[2] is None:
        raise WrongUnit(
            f"{text!r} has no unit",
            where=where,
            expected=f"a quantity in {unit}",
            remedy=f'write "{match[1]} {unit}" if {unit} is what you mean',
        )
    return float(match[1]), match[2]


def _percent(number: float, given: str, where: str) -> float:
    if given != "%":
        raise WrongUnit(
            f"{number:g} {given} is not a percentage",
            where=where,
            expected='text such as "5 %"',
        )
    return number / 100.0
