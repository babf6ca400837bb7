"""Where the lithium and the silicon of a virtual cell are, at any time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lidepth.model.cycling import Step
from lidepth.model.ledger import Ledger
from lidepth.model.result import MovedSilicon
from lidepth.virtual.cells import FineCells, cut
from lidepth.virtual.course import Course, Films
from lidepth.virtual.plan import CampaignPlan
from lidepth.virtual.recorded import recorded
from lidepth.virtual.story import Contents, told

__all__ = ["Contents", "History", "history_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class History:
    """What happened to the cell of ``plan``: its ``course``, read in its fine cells.

    ``cover`` and ``cells`` are the fine cells above and in the cell.  A state of the cell is a row
    of numbers whose first three are the contents in uAh: lithium in the anode, added to the
    electrolyte, missing from the cathode.  For a cell that is told they are the whole state.
    """

    plan: CampaignPlan
    course: Course
    cover: FineCells
    cells: FineCells

    @property
    def steps(self) -> tuple[Step, ...]:
        """The phases, in order and without gaps."""
        return self.course.steps

    @property
    def node_s(self) -> Floats:
        """Moments between which states change linearly, in s; shape (nodes,)."""
        return self.course.node_s

    @property
    def nodes_uah(self) -> Floats:
        """Contents (anode, electrolyte, cathode) at the nodes; shape (nodes, 3)."""
        return self.course.states[:, :3]

    @property
    def duration_s(self) -> float:
        """Length of the campaign in s."""
        return float(self.node_s[-1])

    @property
    def pristine_s(self) -> float:
        """When the cell stops being pristine, in s."""
        first = self.steps[0]
        return first.stop_s if first.kind == "pristine" else 0.0

    def states(self, time_s: ArrayLike) -> Floats:
        """States at each time; shape (n, k)."""
        time = np.atleast_1d(np.asarray(time_s, dtype=np.float64))
        return np.stack([np.interp(time, self.node_s, c) for c in self.course.states.T], axis=1)

    def mean_states(self, start_s: Floats, stop_s: Floats) -> Floats:
        """States averaged over each interval, exactly; shape (n, k)."""
        nodes = self.course.states
        steps = np.diff(self.node_s)[:, None]
        middle = 0.5 * (nodes[1:] + nodes[:-1]) * steps
        upto = np.concatenate([np.zeros((1, nodes.shape[1])), np.cumsum(middle, axis=0)])

        def integral(time: Floats) -> Floats:
            k = np.clip(np.searchsorted(self.node_s, time, "right") - 1, 0, len(steps) - 1)
            here = self.states(time)
            run = (time - self.node_s[k])[:, None]
            total: Floats = upto[k] + 0.5 * (nodes[k] + here) * run
            return total

        mean: Floats = (integral(stop_s) - integral(start_s)) / (stop_s - start_s)[:, None]
        return mean

    def contents_uah(self, time_s: ArrayLike) -> Floats:
        """Contents (anode, electrolyte, cathode) at each time; shape (n, 3)."""
        return self.states(time_s)[:, :3]

    def mean_contents_uah(self, start_s: Floats, stop_s: Floats) -> Floats:
        """Contents averaged over each interval, exactly; shape (n, 3)."""
        return self.mean_states(start_s, stop_s)[:, :3]

    def lithium_1e15(self, states: ArrayLike) -> Floats:
        """Lithium per fine cell for each state (n, k); shape (n, cells)."""
        return self.course.filling.lithium_1e15(_rows(states))

    def silicon_1e15(self, states: ArrayLike) -> Floats:
        """Silicon per fine cell for each state (n, k); shape (n, cells)."""
        return self.course.filling.silicon_1e15(_rows(states))

    def moved_silicon_1e15(self, states: ArrayLike) -> Floats:
        """Silicon that has left the anode, 1e15 Si/cm2; shape (n,)."""
        return self.course.filling.moved_1e15(_rows(states))

    @property
    def film_1e15(self) -> float:
        """Silicon of the pristine anode, in 1e15 Si/cm2."""
        return Films(plan=self.plan, cells=self.cells).silicon_1e15

    def truth(self) -> Ledger:
        """The true ledger: one row per rest after a charge and after a discharge."""
        rows = [
            (k, step, "charged" if self.steps[k - 1].kind == "charge" else "discharged")
            for k, step in enumerate(self.steps)
            if step.kind == "rest"
        ]
        n = len(rows)
        times = np.array([0.5 * (step.start_s + step.stop_s) for _, step, _ in rows])
        zero = np.zeros((3 * n, 3 * n))
        return Ledger(
            method="truth",
            cycle=np.array([step.cycle for _, step, _ in rows], dtype=np.int64),
            state=tuple(state for _, _, state in rows), time_s=times,
            values=self.contents_uah(times) if n else np.zeros((0, 3)),
            covariance=zero, independent=zero, flags=("",) * n, balance_spent=True,
            remark="true values of a virtual campaign; the balance holds by construction",
        )  # fmt: skip

    def moved(self) -> MovedSilicon:
        """The true amount of moved silicon at the end of every cycle."""
        last = {s.cycle: k for k, s in enumerate(self.steps) if s.kind == "discharge"}
        ends = list(last.values())
        at = self.states([self.steps[k].stop_s for k in ends]) if ends else self.course.states[:0]
        amount = self.moved_silicon_1e15(at)
        return MovedSilicon(
            cycle=np.array([self.steps[k].cycle for k in ends], dtype=np.int64),
            amount_1e15=amount, std_1e15=np.zeros(amount.size), film_1e15=self.film_1e15,
            mean_1e15=float(amount.mean()) if amount.size else 0.0, mean_std_1e15=0.0,
        )  # fmt: skip


def history_of(plan: CampaignPlan) -> History:
    """The history of the plan's recorded cell or, without one, of the cell that it tells.

    Raises OutOfRange when the lithium of a told cell runs out, BadInput when a recorded one has
    other films than the plan's stack.
    """
    cover, cells = cut(plan.stack, plan.cell_nm)
    course = told(plan, cells) if plan.cell is None else recorded(plan, cells, plan.cell)
    return History(plan=plan, course=course, cover=cover, cells=cells)


def _rows(states: ArrayLike) -> Floats:
    return np.atleast_2d(np.asarray(states, np.float64))
