"""Open-circuit potentials of the two electrodes, and how to replace them.

Both tables are rough curves of our own, read off nobody's data: drawn by hand to the features that
textbooks agree on (the plateau of LiCoO2 at 3.92 V and its rise towards half extraction; the two
sloping steps of amorphous silicon and its hysteresis of about a quarter of a volt).  They are good
to some 30 mV.  Whoever has measured curves passes them as ``OpenCircuit`` to ``CellParameters``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, OutOfRange
from lidepth.model._arrays import readonly

Floats = NDArray[np.float64]
TABLE = 1025  # points of the uniform table that the kernels read; 4 mV steps of y at most


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenCircuit:
    """Potential of one electrode against lithium.

    ``composition`` (n,), increasing: x of Li1-xCoO2 or y of LiySi; ``potential_v`` (n,), the mean
    of both directions; ``half_gap_v`` (n,): half the distance between the branch on which lithium
    leaves and the one on which it enters, zero by default.  ``source`` says where it is from.
    Between the points monotone cubics (Fritsch and Carlson, 1980); beyond them straight lines.

    Raises BadInput where the shapes differ, OutOfRange where a curve turns back.
    """

    composition: Floats
    potential_v: Floats
    half_gap_v: Floats | None = None
    source: str = ""

    def __post_init__(self) -> None:
        gap = np.zeros_like(self.composition) if self.half_gap_v is None else self.half_gap_v
        for name, values in (
            ("composition", self.composition), ("potential_v", self.potential_v),
            ("half_gap_v", gap),
        ):  # fmt: skip
            object.__setattr__(self, name, readonly(values))
        self._check()

    def _check(self) -> None:
        shape = self.composition.shape
        if len(shape) != 1 or shape[0] < 2 or self.potential_v.shape != shape:
            raise BadInput(
                "composition and potential do not belong together",
                where="open-circuit potential", expected="two columns of one length, 2 or more",
            )  # fmt: skip
        steps = np.diff(self.composition), np.diff(self.potential_v)
        if not all(bool(np.all(np.isfinite(step))) for step in steps) or not np.all(steps[0] > 0):
            raise OutOfRange(
                "the composition does not rise", where="open-circuit potential",
                expected="finite numbers, each composition above the one before",
            )  # fmt: skip
        if not (np.all(steps[1] > 0) or np.all(steps[1] < 0)):
            raise OutOfRange(
                "the potential turns back", where="open-circuit potential",
                expected="one that only rises (cathode, with x) or only falls (anode, with y)",
                remedy="smooth the curve; a plateau needs a slope, however small",
            )  # fmt: skip

    def at(self, composition: Floats) -> Floats:
        """Potential in V, mean of both directions, at each composition."""
        return self._between(self.potential_v, composition)

    def gap_at(self, composition: Floats) -> Floats:
        """Half the hysteresis in V at each composition."""
        inside = np.clip(composition, self.composition[0], self.composition[-1])
        return self._between(np.asarray(self.half_gap_v), inside)

    def _between(self, values: Floats, composition: Floats) -> Floats:
        from scipy.interpolate import PchipInterpolator

        first, last = self.composition[0], self.composition[-1]
        curve = PchipInterpolator(self.composition, values)
        inside = curve(np.clip(composition, first, last))
        below = np.minimum(composition - first, 0.0) * curve(first, 1)
        above = np.maximum(composition - last, 0.0) * curve(last, 1)
        return np.asarray(inside + below + above, dtype=np.float64)

    def table(self, low: float, high: float) -> tuple[Floats, Floats]:
        """Potential and half gap on ``TABLE`` even steps from ``low`` to ``high``."""
        grid = np.linspace(low, high, TABLE)
        return self.at(grid), self.gap_at(grid)


_OWN = "own rough curve, drawn by hand to textbook features, about 30 mV; no measurement"

LICOO2 = OpenCircuit(
    composition=np.array(
        [0.0, 0.01, 0.03, 0.06, 0.15, 0.25, 0.30, 0.35, 0.40, 0.45, 0.50, 0.55, 0.60, 0.70, 0.85,
         1.0]
    ),
    potential_v=np.array(
        [3.55, 3.80, 3.88, 3.905, 3.92, 3.932, 3.952, 3.98, 4.015, 4.06, 4.12, 4.17, 4.21, 4.32,
         4.55, 4.90]
    ),
    source=_OWN,
)  # fmt: skip
"""Li1-xCoO2 against x, in V against lithium."""

SILICON = OpenCircuit(
    composition=np.array(
        [0.0, 0.02, 0.05, 0.10, 0.20, 0.40, 0.70, 1.0, 1.5, 2.0, 2.5, 3.0, 3.4, 3.75, 4.0, 4.4]
    ),
    potential_v=np.array(
        [1.30, 0.92, 0.74, 0.62, 0.52, 0.43, 0.375, 0.335, 0.285, 0.245, 0.205, 0.165, 0.135, 0.10,
         0.05, -0.10]
    ),
    half_gap_v=np.array(
        [0.02, 0.04, 0.06, 0.08, 0.10, 0.12, 0.125, 0.125, 0.125, 0.115, 0.105, 0.09, 0.08, 0.06,
         0.04, 0.0]
    ),
    source=_OWN,
)  # fmt: skip
"""Amorphous LiySi against y, in V against lithium, with its hysteresis."""
