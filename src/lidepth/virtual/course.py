"""What a virtual campaign needs of a cell, whoever tells it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lidepth.model.cycling import Step
from lidepth.model.stack import Role
from lidepth.virtual.cells import FineCells
from lidepth.virtual.plan import CampaignPlan

Floats = NDArray[np.float64]
ROW_S = 60.0
"""Seconds between two rows of a virtual cycler within a phase."""


class Filling(Protocol):
    """Where the atoms of a state are.

    A state is a row of numbers that change linearly between two nodes of a :class:`Course`; the
    first three are the contents in uAh (anode, electrolyte, cathode), more are the filling's own.
    """

    def lithium_1e15(self, states: Floats) -> Floats:
        """Lithium per fine cell of states (n, k); shape (n, cells)."""

    def silicon_1e15(self, states: Floats) -> Floats:
        """Silicon per fine cell of states (n, k); shape (n, cells)."""

    def moved_1e15(self, states: Floats) -> Floats:
        """Silicon that has left the anode, 1e15 Si/cm2; shape (n,)."""


@dataclass(frozen=True, kw_only=True)
class CyclerRows:
    """What a cycler without noise writes down; all (rows,).  A current holds until the next row."""

    time_s: Floats
    voltage_v: Floats
    current_ua: Floats


@dataclass(frozen=True, kw_only=True)
class Course:
    """What happens to a cell.

    ``steps`` are the phases, in order and without gaps; ``node_s`` (nodes,) moments from 0 s to the
    end, the limits of all phases among them; ``states`` (nodes, k) the states there, linear in
    between, which ``filling`` reads; ``rows`` what the cycler sees; ``range_uah`` about the lithium
    that one charge moves.
    """

    steps: tuple[Step, ...]
    node_s: Floats
    states: Floats
    filling: Filling
    rows: CyclerRows
    range_uah: float


@dataclass(frozen=True, kw_only=True)
class Films:
    """Anode, electrolyte and cathode of a plan among its fine cells."""

    plan: CampaignPlan
    cells: FineCells

    def inside(self, role: Role) -> NDArray[np.bool_]:
        """True for the cells of one film; shape (cells,)."""
        where: NDArray[np.bool_] = self.cells.layer == self.plan.stack.index(role)
        return where

    @cached_property
    def silicon_1e15(self) -> float:
        """Silicon of the pristine anode, in 1e15 Si/cm2."""
        return float(np.sum(self.cells.silicon_1e15[self.inside("anode")]))

    def electrodes_1e15(self, states: Floats) -> Floats:
        """Lithium added to anode and cathode, even within each; shape (n, cells)."""
        anode, _, cathode = states[:, :3].T
        per_uah = self.plan.li_1e15(1.0)
        added = np.zeros((anode.size, len(self.cells)))
        amounts: tuple[tuple[Floats, Role], ...] = ((anode, "anode"), (-cathode, "cathode"))
        for amount, role in amounts:
            where = self.inside(role)
            width = self.cells.width_nm[where]
            added[:, where] = (amount * per_uah)[:, None] * (width / width.sum())
        return added
