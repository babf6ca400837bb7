"""How silicon gets into the electrolyte, and how much lithium it binds there.

Two kinds of law fit the same slot.  ``InterlayerDiffusion`` resolves depth: silicon per phosphorus
c(z, q) obeys dc/dq = Dc d2c/dz2, where q is not time but the charge that has passed in the phases
that drive the growth.  ``ReducedLaw`` gives the total as a closed function of q and fills the
electrolyte from the anode up.  Both count silicon in uAh/cm2, one charge per silicon atom, and bind
``li_per_silicon`` lithium atoms (kappa) to each.

What kappa means, by charge balance (see docs/physics/mechanism_cell.md): one silicon in place of
one phosphorus takes one lithium; products that reduce phosphorus or silicon take more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from lidepth.errors import BadInput, OutOfRange

Phase = Literal["charge", "discharge", "both", "rest", "time", "concentration", "none"]
Law = Literal["sqrt", "linear-parabolic", "exponential", "logarithmic", "power"]
LAWS: tuple[Law, ...] = get_args(Law)
PHASES: tuple[Phase, ...] = get_args(Phase)


@dataclass(frozen=True, kw_only=True)
class Product:
    """What moved silicon may become: the reaction with lithium, and lithium per silicon."""

    name: str
    reaction: str
    li_per_silicon: float


PRODUCTS: tuple[Product, ...] = (
    Product(
        name="lithium silicon phosphate, Li3+xSixP1-xO4",
        reaction="Si4+ + Li+ in place of P5+; the phosphorus leaves", li_per_silicon=1.0,
    ),
    Product(
        name="silicate and phosphide, Li4SiO4 + Li3P",
        reaction="Si + Li3PO4 + 4 Li -> Li4SiO4 + Li3P", li_per_silicon=4.0,
    ),
    Product(
        name="silicate and phosphorus, Li4SiO4 + P",
        reaction="Si + Li3PO4 + Li -> Li4SiO4 + P", li_per_silicon=1.0,
    ),
)  # fmt: skip
"""Balanced reactions; which one happens no data here decide."""


@dataclass(frozen=True, kw_only=True)
class _Interlayer:
    """What both kinds of law share.

    ``phase`` is when the clock runs: while charging, while discharging, with either current
    (``both``: |I|), at rest only, all the time from the first charge on (``time``), or all the time
    from the start, storage included (``concentration``: silicon follows its own gradient).  The
    clock counts uAh/cm2; where it follows time it runs as if ``clock_ua_cm2`` flowed.  With
    ``current_exponent`` m a current I counts (|I| / clock_ua_cm2)^m times.  ``saturation`` is the
    most silicon per phosphorus, ``start`` what the electrolyte holds from its making (silicon
    without extra lithium, as in an electrolyte that was made saturated).
    """

    li_per_silicon: float = 4.0
    phase: Phase = "charge"
    clock_ua_cm2: float = 5.7
    current_exponent: float = 0.0
    saturation: float = 0.5
    start: float = 0.0

    def __post_init__(self) -> None:
        if self.phase not in PHASES:
            raise BadInput(
                f"phase {self.phase!r} is not known", where="growth.phase",
                expected=", ".join(PHASES),
            )  # fmt: skip
        for name in ("li_per_silicon", "clock_ua_cm2", "saturation", "start", *self._amounts()):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise OutOfRange(
                    f"{name} = {value!r} is negative or no number", where="growth", expected=">= 0"
                )
        above = self.clock_ua_cm2 > 0 and 0 < self.saturation <= 1
        if not above or self.start > self.saturation or not math.isfinite(self.current_exponent):
            raise OutOfRange(
                f"clock {self.clock_ua_cm2!r} uA/cm2, saturation {self.saturation!r}, start "
                f"{self.start!r}, exponent {self.current_exponent!r}",
                where="growth",
                expected="a clock above zero, saturation from above 0 to 1 silicon per phosphorus, "
                "a start below it, a finite exponent",
            )

    def _amounts(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True, kw_only=True)
class InterlayerDiffusion(_Interlayer):
    """Silicon spreads into the electrolyte while the clock runs.

    ``diffusivity_nm2_cm2_uah``: Dc, nm2 per uAh/cm2.  ``inlet_nm_cm2_uah``: k in the inlet flux
    k n (saturation - c(0)), nm per uAh/cm2, where n is the share of the silicon film that is left;
    zero for a protective layer that blocks silicon.  For a large k the silicon in the electrolyte
    is saturation 2 sqrt(Dc q / pi) nm of phosphorus sites: fast, then slower.
    """

    diffusivity_nm2_cm2_uah: float = 1.5
    inlet_nm_cm2_uah: float = 2.0

    def _amounts(self) -> tuple[str, ...]:
        return ("diffusivity_nm2_cm2_uah", "inlet_nm_cm2_uah")


@dataclass(frozen=True, kw_only=True)
class ReducedLaw(_Interlayer):
    """Silicon in the electrolyte as a function of the clock q, in uAh/cm2.

    With a = ``amplitude_uah_cm2`` and s = ``scale_uah_cm2``: sqrt a sqrt(q/s); power a (q/s)^b
    with b = ``exponent``; exponential a (1 - exp(-q/s)), a finite reservoir; logarithmic
    a ln(1 + q/s), a barrier that grows with thickness; linear-parabolic a (sqrt(1 + q/s) - 1),
    injection then transport (Deal and Grove, J. Appl. Phys. 36 (1965) 3770).
    """

    law: Law = "sqrt"
    amplitude_uah_cm2: float = 1.2
    scale_uah_cm2: float = 890.0
    exponent: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.law not in LAWS:
            raise BadInput(
                f"law {self.law!r} is not known", where="growth.law", expected=", ".join(LAWS)
            )
        if not (self.scale_uah_cm2 > 0 and self.exponent > 0):
            raise OutOfRange(
                f"scale {self.scale_uah_cm2!r}, exponent {self.exponent!r}", where="growth",
                expected="both above zero",
            )  # fmt: skip

    def _amounts(self) -> tuple[str, ...]:
        return ("amplitude_uah_cm2", "scale_uah_cm2", "exponent")

    def silicon_uah_cm2(self, clock_uah_cm2: float) -> float:
        """Silicon in the electrolyte, one charge per atom, without any limit of supply."""
        from lidepth.mechanism import _kernels

        return float(
            _kernels.reduced(
                LAWS.index(self.law), self.amplitude_uah_cm2, self.scale_uah_cm2, self.exponent,
                float(clock_uah_cm2),
            )
        )  # fmt: skip


Growth = InterlayerDiffusion | ReducedLaw
