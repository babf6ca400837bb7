"""Cells that lose capacity in different ways, and what tells the ways apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput
from lidepth.mechanism.cell import Cell, CellState
from lidepth.mechanism.growth import InterlayerDiffusion
from lidepth.mechanism.history import CellHistory, run_protocol
from lidepth.mechanism.ocv import OpenCircuit
from lidepth.mechanism.parameters import CellParameters
from lidepth.mechanism.protocol import Kind, Protocol, cycle, paper_protocol

Floats = NDArray[np.float64]
_NONE = InterlayerDiffusion(phase="none")

MODES: dict[str, dict[str, Any]] = {
    "kappa 4": {"growth": InterlayerDiffusion()},
    # Less lithium per silicon, and a faster spread.
    "kappa 1": {
        "growth": InterlayerDiffusion(
            li_per_silicon=1.0, diffusivity_nm2_cm2_uah=4.0, inlet_nm_cm2_uah=4.0
        )
    },
    # About eleven times the resistance after 250 cycles.
    "resistance": {"growth": _NONE, "resistance_growth_cm2_uah": 1.5e-3},
    # About 0.2 % of the cathode per cycle.
    "cathode": {"growth": _NONE, "cathode_loss_cm2_uah": 7e-5},
    "none": {"growth": _NONE},
}
"""Name of a way to lose capacity: what it changes in the cell; sizes were chosen by hand."""


def mode(name: str, base: CellParameters | None = None) -> CellParameters:
    """The cell ``base`` that loses capacity in one way only.

    Raises BadInput for a name that is not in ``MODES``.
    """
    if name not in MODES:
        raise BadInput(f"mode {name!r} is not known", expected=", ".join(MODES))
    return replace(base or CellParameters(), **MODES[name])


def half_cell(
    base: CellParameters | None = None, *, electrolyte_nm: float = 200.0
) -> CellParameters:
    """The cell with a thin electrolyte against lithium metal, which never runs out.

    The counter electrode keeps 0 V and has the lithium of a tenth of a millimetre of LiCoO2, so the
    cell's voltage is minus the silicon's potential against lithium.
    """
    lithium = OpenCircuit(
        composition=np.array([0.0, 1.0]), potential_v=np.array([0.0, 1e-9]), source="lithium metal"
    )
    return replace(
        base or CellParameters(), electrolyte_nm=electrolyte_nm, cathode_nm=1e5,
        cathode_potential=lithium, stated_capacity_uah=None,
    )  # fmt: skip


def half_cell_protocol(cycles: int, current_ua: float = 10.0) -> Protocol:
    """Lithiate to 0.05 V, delithiate to 1 V against lithium."""
    return Protocol.of(
        cycle(n, current_ua, charge_v=-0.05, discharge_v=-1.0) for n in range(1, cycles + 1)
    )


def saturation(state: CellState) -> float:
    """Silicon in the electrolyte as a share of what it can take up."""
    p = state.parameters
    most = (p.growth.saturation - p.growth.start) * p.site_uah_cm2_nm * p.electrolyte_nm
    return state.moved_silicon_uah / p.area_cm2 / most


def curve_change_mv(history: CellHistory, first: int, last: int, kind: Kind) -> float:
    """Rms difference of two voltage curves, each against its share of the charging time, mV."""
    share = np.linspace(0.02, 0.98, 193)  # the last steps before a cut-off are steep in both
    curves = []
    for number in (first, last):
        hours, volts = history.curve(number, kind)
        curves.append(np.interp(share * hours[-1], hours, volts))
    return float(1e3 * np.sqrt(np.mean((curves[1] - curves[0]) ** 2)))


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What a way of losing capacity looks like from outside.

    ``capacity_left`` at cycle 250 of the first; ``charged_x`` there; ``cccv_gain`` at cycle 364
    over 350; rms change of normalised curves between the cycles 31 and 350, in mV; ``qe_share``:
    lithium in the electrolyte at 250, of the first charge.
    """

    mode: str
    capacity_left: float
    charged_x: float
    cccv_gain: float
    charge_mv: float
    discharge_mv: float
    qe_share: float


def observe(name: str, base: CellParameters | None = None) -> Observed:
    """Run the paper's protocol on one mode."""
    history = run_protocol(Cell(mode(name, base)), paper_protocol())
    capacity = history.capacity_uah()
    charged = history.ends("charge")
    return Observed(
        mode=name, capacity_left=float(capacity[249] / capacity[0]),
        charged_x=charged[249].x, cccv_gain=float(capacity[363] / capacity[349] - 1.0),
        charge_mv=curve_change_mv(history, 31, 350, "charge"),
        discharge_mv=curve_change_mv(history, 31, 350, "discharge"),
        qe_share=charged[249].qe_uah / charged[0].qc_uah,
    )  # fmt: skip
