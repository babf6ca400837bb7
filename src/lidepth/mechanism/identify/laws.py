"""Laws of growth by their shape: silicon as a share of what has moved when the campaign ends.

Every law is 1 at u = 1, u being its clock over the clock's end, so that the size of growth has the
same prior whatever the law and the phase.  Shapes are numbers with standard normal priors z; all
functions take z of shape (draws, shapes) and u of shape (n,) and return (draws, n).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LawName = Literal["diffusion", "sqrt", "linear-parabolic", "exponential", "logarithmic", "power"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One law: ``value`` of its one number from z, or no number at all.

    ``middle`` and ``spread`` of the log-normal prior of the number; ``meaning`` what it is.
    """

    name: LawName
    share: Callable[[Floats, Floats], Floats]
    meaning: str = ""
    middle: float = 1.0
    spread: float = 0.0

    @property
    def numbers(self) -> int:
        """How many numbers the shape has: none or one."""
        return 1 if self.meaning else 0

    def value(self, z: Floats) -> Floats:
        """The number from its standard normal z, (draws,) each."""
        return np.asarray(self.middle * np.exp(self.spread * z))


def _sqrt(_: Floats, u: Floats) -> Floats:
    return np.asarray(np.sqrt(u)[None, :])


def _power(b: Floats, u: Floats) -> Floats:
    return np.asarray(np.maximum(u, 1e-300)[None, :] ** b[:, None])


def _exponential(s: Floats, u: Floats) -> Floats:
    return np.asarray(np.expm1(-u[None, :] / s[:, None]) / np.expm1(-1.0 / s)[:, None])


def _logarithmic(s: Floats, u: Floats) -> Floats:
    return np.asarray(np.log1p(u[None, :] / s[:, None]) / np.log1p(1.0 / s)[:, None])


def _linear_parabolic(s: Floats, u: Floats) -> Floats:
    part = np.sqrt(1.0 + u[None, :] / s[:, None]) - 1.0
    return np.asarray(part / (np.sqrt(1.0 + 1.0 / s) - 1.0)[:, None])


def uptake(v: Floats) -> Floats:
    """exp(v^2) erfc(v) - 1 + 2 v/sqrt(pi): what a half space takes up through a resistance.

    v is k sqrt(q/Dc), the amount in units of c_sat Dc/k (Carslaw and Jaeger, Conduction of Heat in
    Solids, 1959, 2.7).  v^2 for small v, where the difference would cancel.
    """
    from scipy.special import erfcx

    small = v**2 * (1.0 - 4.0 * v / (3.0 * np.sqrt(np.pi)) + 0.5 * v**2)
    return np.asarray(np.where(v < 1e-3, small, erfcx(v) - 1.0 + 2.0 * v / np.sqrt(np.pi)))


def _diffusion(h: Floats, u: Floats) -> Floats:
    return np.asarray(uptake(h[:, None] * np.sqrt(u)[None, :]) / uptake(h)[:, None])


SHAPES: tuple[Shape, ...] = (
    Shape(
        name="diffusion", share=_diffusion, middle=5.0, spread=1.0,
        meaning="k sqrt(q/Dc) at the end: below 1 injection limits, above it diffusion",
    ),
    Shape(name="sqrt", share=_sqrt),
    Shape(
        name="linear-parabolic", share=_linear_parabolic, middle=0.1, spread=1.2,
        meaning="clock at which transport takes over from injection, of the clock's end",
    ),
    Shape(
        name="exponential", share=_exponential, middle=0.3, spread=0.8,
        meaning="clock at which 1/e of the reservoir is left, of the clock's end",
    ),
    Shape(
        name="logarithmic", share=_logarithmic, middle=0.05, spread=1.2,
        meaning="clock at which the barrier has doubled, of the clock's end",
    ),
    Shape(name="power", share=_power, middle=0.5, spread=0.35, meaning="exponent"),
)  # fmt: skip
LAW_NAMES: tuple[LawName, ...] = tuple(shape.name for shape in SHAPES)


def shape_of(name: str) -> Shape:
    """The law of a name."""
    return SHAPES[LAW_NAMES.index(name)]
