"""What happened in a cell, moment by moment: told by a model of the cell, read by an instrument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.constants import LI_ATOMS_PER_UAH
from lidepth.model._arrays import readonly, require
from lidepth.model.cycling import Step
from lidepth.model.stack import ROLES, Layer

Floats = NDArray[np.float64]
_ROUNDING = 1e-9  # relative: sums over some hundred cells, each good to 1e-16, with room


@dataclass(frozen=True, kw_only=True, eq=False)
class CellRecord:
    """Lithium and silicon of one cell through its whole life, and what its cycler saw.

    ``films`` are anode, electrolyte and cathode as made, on ``area_cm2``.  ``steps`` are the phases
    in order and without gaps, from 0 s; storage before the first charge is ``pristine``.

    Where the atoms are, at the moments ``node_s`` (nodes,), linear in between: ``contents_uah``
    (nodes, 3) of the whole cell since pristine (lithium in the anode, bound in the electrolyte,
    missing from the cathode); ``bound_1e15`` (nodes, cells) that bound lithium and
    ``silicon_1e15`` (nodes, cells) the silicon of the electrolyte by depth, 1e15/cm2 in each of its
    cells, whose limits ``edges_nm`` (cells + 1,) count from the anode; ``film_1e15`` (nodes,) the
    silicon left in the anode, 1e15/cm2.

    What a cycler could see: ``row_s`` (rows,), not decreasing, ``voltage_v`` and ``charge_uah``
    (rows,), the net charge passed so far.  Where a current is switched two rows share a time.

    ``parameters`` is what is true of the cell, in words and numbers, for the record only.

    Raises BadData where shapes, times or balances are broken.
    """

    films: tuple[Layer, Layer, Layer]
    area_cm2: float
    steps: tuple[Step, ...]
    node_s: Floats
    contents_uah: Floats
    edges_nm: Floats
    bound_1e15: Floats
    silicon_1e15: Floats
    film_1e15: Floats
    row_s: Floats
    voltage_v: Floats
    charge_uah: Floats
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))
        nodes, rows, cells = (np.size(x) for x in (self.node_s, self.row_s, self.edges_nm))
        depth = (nodes, cells - 1)
        for name, shape in (
            ("node_s", (nodes,)), ("contents_uah", (nodes, 3)), ("edges_nm", (cells,)),
            ("bound_1e15", depth), ("silicon_1e15", depth), ("film_1e15", (nodes,)),
            ("row_s", (rows,)), ("voltage_v", (rows,)), ("charge_uah", (rows,)),
        ):  # fmt: skip
            object.__setattr__(self, name, readonly(getattr(self, name)))
            values = getattr(self, name)
            require(values.shape == shape, f"{name} has the shape {shape}")
            require(bool(np.all(np.isfinite(values))), f"{name} is finite")
        self._check_times()
        self._check_balance()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the arguments: a read-only mapping cannot be pickled as it is."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return _remade, (values | {"parameters": dict(self.parameters)},)

    def _check_times(self) -> None:
        require(len(self.steps) > 0 and self.node_s.size >= 2, "a record has a phase and two nodes")
        limits = [0.0, *(step.stop_s for step in self.steps)]
        starts = [step.start_s for step in self.steps]
        require(starts == limits[:-1], "phases begin at 0 s and follow each other without gaps")
        require(bool(np.all(np.diff(self.node_s) > 0)), "node_s increases")
        require(bool(np.isin(limits, self.node_s).all()), "every limit of a phase is a node")
        require(
            self.node_s[[0, -1]].tolist() == limits[:: len(limits) - 1], "nodes span the phases"
        )
        require(self.row_s.size > 0 and bool(np.all(np.diff(self.row_s) >= 0)), "row_s runs on")
        require(tuple(film.role for film in self.films) == ROLES, "films: " + ", ".join(ROLES))
        ends = self.edges_nm[[0, -1]] - [0.0, self.films[1].thickness_nm]
        sound = np.all(np.diff(self.edges_nm) > 0) and np.all(np.abs(ends) < 1e-6)
        require(bool(sound), "edges_nm increases through the whole electrolyte")

    def _check_balance(self) -> None:
        anode, electrolyte, cathode = self.contents_uah.T
        scale = max(1.0, float(np.abs(self.contents_uah).max()))
        off = np.abs(anode + electrolyte - cathode).max()
        require(bool(off < _ROUNDING * scale), "anode and electrolyte hold what the cathode misses")
        silicon = self.film_1e15 + self.silicon_1e15.sum(axis=1)
        require(bool(np.ptp(silicon) < _ROUNDING * silicon.max()), "silicon is conserved")
        bound, per_uah = self.bound_1e15.sum(axis=1), self.li_1e15_per_uah
        off = np.abs(bound - per_uah * electrolyte).max()
        require(bool(off < 1e-6 * per_uah * scale), "bound lithium is the electrolyte's content")

    @property
    def li_1e15_per_uah(self) -> float:
        """Lithium that a charge of the whole cell moves, 1e15 atoms/cm2 per uAh."""
        return LI_ATOMS_PER_UAH / self.area_cm2 * 1e-15


def _remade(values: dict[str, Any]) -> CellRecord:
    return CellRecord(**values)
