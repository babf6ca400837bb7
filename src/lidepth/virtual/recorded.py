"""A cell that was recorded: a model's record, read in the fine cells of a virtual campaign."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput
from lidepth.model.cell_record import CellRecord
from lidepth.model.cycling import Step
from lidepth.model.stack import Layer
from lidepth.virtual.cells import FineCells
from lidepth.virtual.course import ROW_S, Course, CyclerRows, Films
from lidepth.virtual.plan import CampaignPlan

Floats = NDArray[np.float64]
_SAME = 1e-6  # relative: what a number keeps that was written with seven digits
_LAST_S = 0.1  # before its end a phase has its last row, so that a cut-off is seen to some mV


def recorded(plan: CampaignPlan, cells: FineCells, cell: CellRecord) -> Course:
    """The course of a recorded cell: a state is its contents, bound lithium and silicon by depth.

    Raises BadInput when films or area of ``cell`` are not those of ``plan``.
    """
    _require_same_films(plan, cell)
    states = np.concatenate([cell.contents_uah, cell.bound_1e15, cell.silicon_1e15], axis=1)
    films = Films(plan=plan, cells=cells)
    return Course(
        steps=cell.steps, node_s=cell.node_s, states=states,
        filling=_Resolved(
            films=films, onto=_onto(films, cell.edges_nm),
            silicon=float(cell.film_1e15[0] + cell.silicon_1e15[0].sum()),
        ),
        rows=_rows(cell), range_uah=max(float(cell.contents_uah[:, 2].max()), 1e-6),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Resolved:
    """Reads states whose bound lithium and silicon are given by depth.

    ``onto`` (cells, fine cells) brings an amount per cell of the record into the fine cells of the
    electrolyte; ``silicon`` is all there is in anode and electrolyte, 1e15/cm2.
    """

    films: Films
    onto: Floats
    silicon: float

    def lithium_1e15(self, states: Floats) -> Floats:
        added = self.films.electrodes_1e15(states)
        added[:, self.films.inside("electrolyte")] = self._bound(states) @ self.onto
        return np.asarray(self.films.cells.lithium_1e15 + added)

    def silicon_1e15(self, states: Floats) -> Floats:
        silicon = np.tile(self.films.cells.silicon_1e15, (len(states), 1))
        left = 1.0 - self.moved_1e15(states) / self.films.silicon_1e15
        silicon[:, self.films.inside("anode")] *= left[:, None]
        silicon[:, self.films.inside("electrolyte")] += self._silicon(states) @ self.onto
        return silicon

    def moved_1e15(self, states: Floats) -> Floats:
        left = self.silicon - self._silicon(states).sum(axis=1)
        return np.asarray(self.films.silicon_1e15 - left)

    def _bound(self, states: Floats) -> Floats:
        return states[:, 3 : 3 + len(self.onto)]

    def _silicon(self, states: Floats) -> Floats:
        return states[:, 3 + len(self.onto) :]


def _onto(films: Films, edges_nm: Floats) -> Floats:
    """Share of each cell of a record that lies in each fine cell; (cells, fine cells).

    Rows sum to one, so that no atom is lost.  The record counts depth from the anode.
    """
    stack, inside = films.plan.stack, films.inside("electrolyte")
    fine = np.concatenate([[0.0], np.cumsum(films.cells.width_nm[inside])])
    fine *= edges_nm[-1] / fine[-1]
    low = np.maximum(edges_nm[:-1, None], fine[None, :-1])
    high = np.minimum(edges_nm[1:, None], fine[None, 1:])
    overlap = np.maximum(high - low, 0.0)
    share = overlap / overlap.sum(axis=1, keepdims=True)
    upside_down = stack.index("anode") > stack.index("electrolyte")
    return np.asarray(share[:, ::-1] if upside_down else share)


def _rows(cell: CellRecord) -> CyclerRows:
    """Rows once a minute, where a phase starts and just before it ends; one at the very end.

    At a held voltage a row carries the mean current until the next, so that rows add up to the
    charge that passed.
    """
    parts = [_of_step(cell, step) for step in cell.steps]
    times, volts, currents = (np.concatenate(column) for column in zip(*parts, strict=True))
    return CyclerRows(
        time_s=np.append(times, cell.steps[-1].stop_s),
        voltage_v=np.append(volts, cell.voltage_v[-1]),
        current_ua=np.append(currents, 0.0),
    )  # fmt: skip


def _of_step(cell: CellRecord, step: Step) -> tuple[Floats, Floats, Floats]:
    since = np.arange(0.0, step.stop_s - step.start_s - _LAST_S, ROW_S)
    time = np.append(step.start_s + since, max(step.stop_s - _LAST_S, step.start_s))
    time = np.unique(time)
    # Two rows share the time of a switch: the last of them belongs to this phase.
    first = max(int(np.searchsorted(cell.row_s, step.start_s, "right")) - 1, 0)
    last = int(np.searchsorted(cell.row_s, step.stop_s, "left"))
    own = slice(first, last + 1)
    volts = np.interp(time, cell.row_s[own], cell.voltage_v[own])
    current = np.full(time.size, step.current_ua)
    if step.mode == "CV":
        ends = np.append(time, step.stop_s)
        current = np.diff(np.interp(ends, cell.row_s, cell.charge_uah)) / np.diff(ends) * 3600.0
    return time, volts, current


def _same(own: Layer, other: Layer) -> bool:
    pairs = (
        (own.thickness_nm, other.thickness_nm),
        (own.areal_density_1e15, other.areal_density_1e15),
    )  # fmt: skip
    alike = all(abs(a - b) <= _SAME * abs(a) for a, b in pairs)
    return dict(own.material.composition) == dict(other.material.composition) and alike


def _words(layer: Layer) -> str:
    material = layer.material
    return (
        f"{material.formula} {layer.thickness_nm:.6g} nm @ {material.density_g_cm3:.6g} g/cm^3 "
        f"({layer.areal_density_1e15:.5g} x 1e15 atoms/cm2)"
    )


def _require_same_films(plan: CampaignPlan, cell: CellRecord) -> None:
    wrong = []
    for theirs in cell.films:
        if theirs.role is not None:
            own = plan.stack.layer(theirs.role)
            if not _same(own, theirs):
                wrong.append(
                    f"{own.role}: {_words(own)} in the stack, {_words(theirs)} in the cell"
                )
    if abs(plan.area_cm2 - cell.area_cm2) > _SAME * cell.area_cm2:
        moved = f"{plan.li_1e15(10.0):.4g} and {10.0 * cell.li_1e15_per_uah:.4g}"
        wrong.append(
            f"area: {plan.area_cm2:g} cm2 in the plan, {cell.area_cm2:g} cm2 of the cell, so that "
            f"10 uAh are {moved} x 1e15 Li/cm2"
        )
    if wrong:
        raise BadInput(
            "the cell that was recorded is not the one in the stack; " + "; ".join(wrong),
            where="plan.stack", expected="the same films and area in both",
            remedy="make the cell from the plan's true stack and area",
        )  # fmt: skip
