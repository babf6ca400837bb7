"""What is true of a cell: films, kinetics, growth, and the grid that it is computed on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.constants import LI_ATOMS_PER_UAH
from lidepth.errors import BadInput, OutOfRange
from lidepth.mechanism import _setup as at
from lidepth.mechanism.growth import LAWS, PHASES, Growth, InterlayerDiffusion, ReducedLaw
from lidepth.mechanism.ocv import LICOO2, SILICON, OpenCircuit
from lidepth.model.material import Material, parse_formula
from lidepth.model.stack import Layer, Role, Stack

Floats = NDArray[np.float64]
GAS_OVER_FARADAY_V_K = 8.617333262e-5  # k/e, CODATA 2018
UAH_PER_1E15 = 1e15 / LI_ATOMS_PER_UAH
"""Charge of 1e15 atoms, one electron each, in uAh."""
_MADE_OF: dict[Role, str] = {"anode": "Si", "electrolyte": "Li3PO4", "cathode": "LiCoO2"}
_POSITIVE = (
    "area_cm2", "silicon_nm", "silicon_g_cm3", "electrolyte_nm", "electrolyte_g_cm3", "cathode_nm",
    "cathode_g_cm3", "silicon_diffusivity_cm2_s", "silicon_decades", "anode_exchange_ua_cm2",
    "cathode_exchange_ua_cm2", "temperature_k", "hysteresis_memory", "electrolyte_cell_nm",
    "step_s", "step_mv",
)  # fmt: skip
_NOT_NEGATIVE = (
    "resistance_ohm_cm2", "resistance_growth_cm2_uah", "cathode_loss_cm2_uah", "swelling_per_li",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class CellParameters:
    """Everything that is true of a cell.

    Films by thickness (as made) and density.  ``silicon_diffusivity_cm2_s`` of lithium in silicon
    at y above ``silicon_knee``, falling by ``silicon_decades`` powers of ten per unit of y below
    it, in the coordinate of the film as made.  Exchange current densities of a symmetric
    Butler-Volmer law.  ``hysteresis_memory``: lithium per silicon over which the potential changes
    branch.  ``swelling_per_li``: relative thickness per lithium per silicon (8.9 mL of lithium to
    12.06 mL of silicon; memory of the literature).  Contrast modes, all per uAh/cm2 of charge
    passed on charging: ``resistance_growth_cm2_uah`` (relative), ``cathode_loss_cm2_uah``.
    Numerics: film cells, the first electrolyte cell and by what factor the next is wider, longest
    step and voltage per step.  ``stated_capacity_uah``, where given, is checked against the films.

    The defaults for kinetics were set by hand to the paper's first charge, not fitted.

    Raises OutOfRange for a number that cannot be, BadInput where films and capacity disagree.
    """

    area_cm2: float = 1.75
    silicon_nm: float = 50.0
    silicon_g_cm3: float = 2.33
    electrolyte_nm: float = 2000.0
    electrolyte_g_cm3: float = 2.54
    cathode_nm: float = 550.0
    cathode_g_cm3: float = 5.06
    silicon_diffusivity_cm2_s: float = 1e-13
    silicon_decades: float = 6.0
    silicon_knee: float = 0.35
    anode_exchange_ua_cm2: float = 60.0
    cathode_exchange_ua_cm2: float = 60.0
    resistance_ohm_cm2: float = 1000.0
    temperature_k: float = 298.15
    hysteresis_memory: float = 0.12
    swelling_per_li: float = 0.738
    growth: Growth = field(default_factory=InterlayerDiffusion)
    resistance_growth_cm2_uah: float = 0.0
    cathode_loss_cm2_uah: float = 0.0
    cathode_potential: OpenCircuit = LICOO2
    anode_potential: OpenCircuit = SILICON
    stated_capacity_uah: float | None = None
    silicon_cells: int = 24
    electrolyte_cell_nm: float = 1.0
    electrolyte_stretch: float = 1.06
    step_s: float = 120.0
    step_mv: float = 12.0

    def __post_init__(self) -> None:
        for names, least in ((_POSITIVE, "above zero"), (_NOT_NEGATIVE, "zero or more")):
            for name in names:
                value = getattr(self, name)
                low = value < 0 or (least == "above zero" and value == 0)
                if not math.isfinite(value) or low:
                    raise OutOfRange(
                        f"{name} = {value!r} cannot be", where="cell", expected=f"a number {least}"
                    )
        if not (4 <= self.silicon_cells <= 1000 and 1.0 <= self.electrolyte_stretch <= 1.5):
            raise OutOfRange(
                f"{self.silicon_cells!r} film cells, stretch {self.electrolyte_stretch!r}",
                where="cell", expected="4 to 1000 cells, a stretch of 1 to 1.5",
            )  # fmt: skip
        self._check_capacity()

    def _check_capacity(self) -> None:
        if self.stated_capacity_uah is None:
            return
        most = 0.6 * self.cathode_uah_cm2 * self.area_cm2
        room = 3.75 * self.silicon_uah_cm2 * self.area_cm2
        if not 0 < self.stated_capacity_uah <= min(most, room):
            raise BadInput(
                f"the films cannot hold {self.stated_capacity_uah:g} uAh: on "
                f"{self.area_cm2:g} cm2 the cathode gives {self.cathode_uah_cm2:.3g} uAh/cm2 per "
                f"unit of x, {most:.3g} uAh up to x = 0.6, and the anode takes "
                f"{self.silicon_uah_cm2:.3g} uAh/cm2 per unit of y, {room:.3g} uAh up to y = 3.75",
                where="cell", expected=f"a capacity of at most {min(most, room):.3g} uAh",
                remedy="correct area, thicknesses, densities or the capacity",
            )  # fmt: skip

    @classmethod
    def from_stack(cls, stack: Stack, area_cm2: float, **changes: Any) -> CellParameters:
        """Take thicknesses and densities from the layers with roles of a stack.

        Raises BadInput where a film is of another material than the model's.
        """
        films: dict[str, Any] = {}
        named: tuple[tuple[Role, str], ...] = (
            ("anode", "silicon"), ("electrolyte", "electrolyte"), ("cathode", "cathode"),
        )  # fmt: skip
        for role, name in named:
            layer = stack.layer(role)
            if dict(layer.material.composition) != dict(parse_formula(_MADE_OF[role])):
                raise BadInput(
                    f"the {role} is {layer.material.name}", where="cell",
                    expected=f"{_MADE_OF[role]}: this model knows no other",
                )  # fmt: skip
            films |= {
                f"{name}_nm": layer.thickness_nm,
                f"{name}_g_cm3": layer.material.density_g_cm3,
            }
        return cls(area_cm2=area_cm2, **films | changes)

    def refined(self, factor: float) -> CellParameters:
        """The same cell on a grid, and with steps, finer by ``factor`` in every direction."""
        return replace(
            self, silicon_cells=round(self.silicon_cells * factor),
            electrolyte_cell_nm=self.electrolyte_cell_nm / factor,
            electrolyte_stretch=self.electrolyte_stretch ** (1.0 / factor),
            step_s=self.step_s / factor, step_mv=self.step_mv / factor,
        )  # fmt: skip

    @cached_property
    def layers(self) -> tuple[Layer, Layer, Layer]:
        """Anode, electrolyte and cathode as made."""
        films: tuple[tuple[Role, str, float, float], ...] = (
            ("anode", "Si", self.silicon_nm, self.silicon_g_cm3),
            ("electrolyte", "Li3PO4", self.electrolyte_nm, self.electrolyte_g_cm3),
            ("cathode", "LiCoO2", self.cathode_nm, self.cathode_g_cm3),
        )
        anode, electrolyte, cathode = (
            Layer(
                material=Material(formula=formula, density_g_cm3=density),
                thickness_nm=nm, name=name, role=name,
            )
            for name, formula, nm, density in films
        )  # fmt: skip
        return anode, electrolyte, cathode

    @cached_property
    def silicon_uah_cm2(self) -> float:
        """Silicon of the film, one charge per atom: lithium that changes y by one."""
        return self.layers[0].element_1e15("Si") * UAH_PER_1E15

    @cached_property
    def site_uah_cm2_nm(self) -> float:
        """Phosphorus per nm of electrolyte, one charge per atom."""
        return self.layers[1].element_1e15("P") * UAH_PER_1E15 / self.electrolyte_nm

    @cached_property
    def cathode_uah_cm2(self) -> float:
        """Lithium of the cathode as made: what changes x by one."""
        return self.layers[2].element_1e15("Co") * UAH_PER_1E15

    @cached_property
    def electrolyte_edges_nm(self) -> Floats:
        """Limits of the electrolyte cells from the anode's side, (cells + 1,)."""
        return _stretched(self.electrolyte_nm, self.electrolyte_cell_nm, self.electrolyte_stretch)

    @cached_property
    def setup(self) -> at.Setup:
        """The cell as the kernels read it."""
        return _setup(self)


def _stretched(total: float, first: float, ratio: float) -> Floats:
    """Edges of cells that begin with ``first`` and widen evenly; the last edge is ``total``."""
    if ratio - 1.0 < 1e-9:
        return np.linspace(0.0, total, max(4, math.ceil(total / first)) + 1)
    cells = max(4, math.ceil(math.log1p(total / first * (ratio - 1.0)) / math.log(ratio)))
    edges = np.concatenate([[0.0], np.cumsum(ratio ** np.arange(cells))])
    return np.asarray(edges * (total / edges[-1]))


def _setup(p: CellParameters) -> at.Setup:
    growth = p.growth
    width = np.diff(p.electrolyte_edges_nm)
    by_depth = isinstance(growth, InterlayerDiffusion)
    dc = growth.diffusivity_nm2_cm2_uah if isinstance(growth, InterlayerDiffusion) else 0.0
    law = (dc, 1.0, 1.0)
    if isinstance(growth, ReducedLaw):
        law = (growth.amplitude_uah_cm2, growth.scale_uah_cm2, growth.exponent)
    anode, gap = p.anode_potential.table(at.Y_LOW, at.Y_HIGH)
    cathode, _ = p.cathode_potential.table(at.X_LOW, at.X_HIGH)
    start = growth.start * p.site_uah_cm2_nm * p.electrolyte_nm
    return at.Setup(
        film_uah=p.silicon_uah_cm2, film_nm=p.silicon_nm, cathode_uah=p.cathode_uah_cm2,
        site_uah_nm=p.site_uah_cm2_nm, diffusivity=p.silicon_diffusivity_cm2_s * 3.6e17,
        decades=p.silicon_decades, knee=p.silicon_knee, resistance=p.resistance_ohm_cm2 * 1e-6,
        resistance_growth=p.resistance_growth_cm2_uah, anode_exchange=p.anode_exchange_ua_cm2,
        cathode_exchange=p.cathode_exchange_ua_cm2,
        thermal_v=GAS_OVER_FARADAY_V_K * p.temperature_k, memory=p.hysteresis_memory,
        cathode_loss=p.cathode_loss_cm2_uah,
        law=at.DIFFUSION_LAW if by_depth else LAWS.index(getattr(growth, "law", LAWS[0])),
        phase=PHASES.index(growth.phase), kappa=growth.li_per_silicon,
        clock_current=growth.clock_ua_cm2, current_exponent=growth.current_exponent,
        saturation=growth.saturation, inlet=getattr(growth, "inlet_nm_cm2_uah", 0.0),
        growth_a=law[0], growth_s=law[1], growth_b=law[2],
        most_silicon=growth.saturation * p.site_uah_cm2_nm * p.electrolyte_nm - start,
        start_uah=start, width_nm=width, link=2.0 * dc / (width[:-1] + width[1:]),
        cathode_v=cathode, anode_v=anode, anode_gap_v=gap,
        step_h=p.step_s / 3600.0, step_v=p.step_mv * 1e-3,
    )  # fmt: skip
