"""Units convert there and back, and nothing without a unit gets in."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidepth.errors import WrongUnit
from lidepth.units import quantity

FINITE = st.floats(min_value=-1e12, max_value=1e12, allow_nan=False)
PAIRS = [
    ("nm", "um", 1e-3), ("nm", "µm", 1e-3), ("nm", "angstrom", 10.0), ("keV", "MeV", 1e-3),
    ("keV", "eV", 1e3), ("uA", "mA", 1e-3), ("uA", "μA", 1.0), ("cm^2", "mm^2", 100.0),
    ("cm^2", "cm²", 1.0), ("g/cm^3", "kg/m^3", 1e3), ("g/cm^3", "g/cc", 1.0), ("s", "min", 1 / 60),
    ("s", "us", 1e6), ("deg", "rad", math.pi / 180), ("deg", "°", 1.0),
]  # fmt: skip


@given(value=FINITE, pair=st.sampled_from(PAIRS))
def test_a_quantity_means_the_same_in_any_unit(value: float, pair: tuple[str, str, float]) -> None:
    unit, other, factor = pair
    assert quantity(f"{value!r} {unit}", unit) == pytest.approx(value, rel=1e-12, abs=1e-300)
    assert quantity(f"{value!r} {other}", unit) == pytest.approx(
        value / factor, rel=1e-9, abs=1e-300
    )


@given(value=FINITE)
def test_a_percentage_is_a_hundredth(value: float) -> None:
    assert quantity(f"{value!r} %", "%") == pytest.approx(value / 100.0)


@given(value=st.one_of(FINITE, st.integers(), st.booleans(), st.none(), st.just(math.nan)))
def test_a_bare_number_is_refused(value: object) -> None:
    for unit in ("nm", "%"):
        with pytest.raises(WrongUnit):
            quantity(value, unit)
        with pytest.raises(WrongUnit):
            quantity(str(value), unit)


@given(value=FINITE, unit=st.sampled_from(["keV", "s", "g/cm^3", "%", "bananas", "nm nm", "nm^2"]))
def test_a_unit_of_another_kind_is_refused_with_its_place(value: float, unit: str) -> None:
    with pytest.raises(WrongUnit) as caught:
        quantity(f"{value!r} {unit}", "nm", where="cell.stack[2].thickness")
    assert caught.value.where == "cell.stack[2].thickness"


@given(text=st.text(max_size=20))
def test_any_text_is_a_quantity_or_refused(text: str) -> None:
    try:
        value = quantity(text, "nm")
    except WrongUnit:
        return
    assert math.isfinite(value)
