"""The cell as the kernels see it: numbers and tables per cm2, in hours, uA, uAh and nm."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Places in the vector of scalars that goes with the two profiles.
TIME_H, CURRENT, VOLTAGE, X, LOST, ACTIVE, HYSTERESIS = 0, 1, 2, 3, 4, 5, 6
CLOCK, CHARGED, MOVED, SILICON, BOUND, SURFACE, STEP_H, ANODE = 7, 8, 9, 10, 11, 12, 13, 14
SCALARS = 15

# How a stretch ended.
TIME_UP, LIMIT_REACHED, ROWS_FULL, NO_CURRENT_HOLDS_IT, TOO_FAST = 0, 1, 2, 3, 4
DIFFUSION_LAW = -1  # otherwise an index of growth.LAWS
Y_LOW, Y_HIGH = -0.2, 4.6
X_LOW, X_HIGH = -0.1, 1.1
MOST_MOVED = 0.999  # of the silicon film: a film of nothing has no composition


class Setup(NamedTuple):
    """Everything that does not change while a cell runs; areas are gone, all is per cm2."""

    film_uah: float  # silicon of the pristine film, one charge per atom
    film_nm: float
    cathode_uah: float  # per unit of x
    site_uah_nm: float  # phosphorus per nm of electrolyte
    diffusivity: float  # of lithium in silicon at high y, nm2/h
    decades: float  # of that diffusivity per unit of y, below knee
    knee: float  # y
    resistance: float  # V per uA/cm2
    resistance_growth: float  # per uAh/cm2 charged
    anode_exchange: float  # uA/cm2
    cathode_exchange: float
    thermal_v: float  # R T / F
    memory: float  # lithium per silicon over which hysteresis changes branch
    cathode_loss: float  # per uAh/cm2 charged
    law: int
    phase: int
    kappa: float
    clock_current: float
    current_exponent: float
    saturation: float
    inlet: float
    growth_a: float  # Dc, or the amplitude of a reduced law
    growth_s: float
    growth_b: float
    most_silicon: float  # that the electrolyte can take up, uAh/cm2
    start_uah: float  # silicon that it holds from its making
    width_nm: Floats  # of the electrolyte cells
    link: Floats  # Dc over the distance of neighbouring middles
    cathode_v: Floats
    anode_v: Floats
    anode_gap_v: Floats
    step_h: float
    step_v: float


class Work(NamedTuple):
    """Scratch arrays, made once per stretch."""

    lithium: Floats
    silicon: Floats
    scalars: Floats
    a: Floats
    b: Floats
    c: Floats
    d: Floats
    slope: Floats
    rest: Floats


def work_for(lithium_cells: int, silicon_cells: int) -> Work:
    """Return empty scratch arrays."""
    most = max(lithium_cells, silicon_cells)
    return Work(
        np.empty(lithium_cells), np.empty(silicon_cells), np.empty(SCALARS),
        np.empty(most), np.empty(most), np.empty(most), np.empty(most),
        np.empty(lithium_cells), np.empty(lithium_cells),
    )  # fmt: skip
