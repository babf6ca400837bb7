"""A cell that is told: capacity, growth and residue as the plan says, phase after phase."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from lidepth.errors import OutOfRange
from lidepth.model.cycling import Step, StepKind, StepMode
from lidepth.virtual.cells import FineCells
from lidepth.virtual.course import Course, Films
from lidepth.virtual.curves import told_rows
from lidepth.virtual.plan import CampaignPlan

Floats = NDArray[np.float64]
_INSTANT_S = 1e-3  # a shorter phase did not happen
_HOLD_STEPS, _HOLD_FOLDS = 24, 4.0  # of the current at constant voltage: steps, e-folds
Phase = Literal["charge", "charged rest", "discharge", "discharged rest"]


class Contents(NamedTuple):
    """Charge equivalents of lithium since pristine, whole cell, in uAh.

    In the anode, added to the electrolyte, missing from the cathode.
    """

    anode: float
    electrolyte: float
    cathode: float


def told(plan: CampaignPlan, cells: FineCells) -> Course:
    """Run the cycler of ``plan``.

    Raises OutOfRange when the lithium that can still move runs out, or was never there.
    """
    plan.require_first_charge()
    rng = np.random.default_rng([plan.seed, 1])
    story = _Story(plan)
    for cycle in range(1, plan.cycling.cycles + 1):
        residue = plan.cycling.residue + plan.cycling.residue_wander * float(rng.standard_normal())
        story.one_cycle(cycle, max(0.0, residue) * plan.cycling.first_charge_uah)
    steps = tuple(story.steps)
    return Course(
        steps=steps, node_s=np.array(story.node_s), states=np.array(story.nodes),
        filling=_Grown(films=Films(plan=plan, cells=cells)), rows=told_rows(steps),
        range_uah=plan.cycling.first_charge_uah,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Grown:
    """Where lithium and silicon are, as the plan's growth has it, by the contents alone."""

    films: Films

    def lithium_1e15(self, states: Floats) -> Floats:
        electrolyte = states[:, 1]
        added = self.films.electrodes_1e15(states)
        per_uah = self.films.plan.li_1e15(1.0)
        added[:, self.films.inside("electrolyte")] = (electrolyte * per_uah)[:, None] * self._shape(
            electrolyte
        )
        lithium: Floats = self.films.cells.lithium_1e15 + added
        return lithium

    def moved_1e15(self, states: Floats) -> Floats:
        """Silicon that went along with the immobilised lithium, up to its cap; (n,)."""
        amount, growth = states[:, 1], self.films.plan.growth
        if growth.li_per_silicon == 0:
            return np.zeros_like(amount)
        wanted = amount * self.films.plan.li_1e15(1.0) / growth.li_per_silicon
        return np.minimum(wanted, growth.silicon_cap * self.films.silicon_1e15)

    def silicon_1e15(self, states: Floats) -> Floats:
        moved, film = self.moved_1e15(states)[:, None], self.films.inside("anode")
        silicon = np.tile(self.films.cells.silicon_1e15, (len(states), 1))
        if self.films.silicon_1e15 > 0:
            silicon[:, film] *= 1.0 - moved / self.films.silicon_1e15
        silicon[:, self.films.inside("electrolyte")] += moved * self._shape(states[:, 1])
        return silicon

    def _shape(self, electrolyte_uah: Floats) -> Floats:
        """Share of the interlayer in each electrolyte cell, rows summing to one; (n, cells)."""
        plan, cells = self.films.plan, self.films.cells
        growth = plan.growth
        where = self.films.inside("electrolyte")
        depth, width = cells.depth_nm[where], cells.width_nm[where]
        if growth.shape == "exponential":
            density = np.tile(np.exp(-depth / growth.width_nm), (electrolyte_uah.size, 1))
        else:
            per_nm = growth.saturation_li_cm3 * 1e-22  # 1e15 Li/cm2 per nm
            reach = electrolyte_uah * plan.li_1e15(1.0) / per_nm
            density = expit((reach[:, None] - depth) / growth.width_nm)
        share = density * width
        normal: Floats = share / share.sum(axis=1, keepdims=True)
        return normal


class _Story:
    """Adds phase after phase."""

    def __init__(self, plan: CampaignPlan) -> None:
        self.plan = plan
        self.steps: list[Step] = []
        self.node_s = [0.0]
        self.nodes = [Contents(0.0, 0.0, 0.0)]
        self._add("pristine", 0, plan.cycling.pristine_s, self.nodes[0], 0.0)

    def one_cycle(self, cycle: int, residue_uah: float) -> None:
        """Charge, rest, discharge down to the residue, rest."""
        cycling = self.plan.cycling
        self._charge(cycle)
        self._rest(cycle, cycling.rest_of(cycle), "charged rest")
        self._discharge(cycle, residue_uah)
        if cycle == cycling.hold_cycle:
            self._hold(cycle)
        self._rest(cycle, cycling.rest_s, "discharged rest")

    def _add(
        self, kind: StepKind, cycle: int, seconds: float, end: Contents, current: float,
        mode: StepMode = "mixed",
    ) -> None:  # fmt: skip
        if seconds < _INSTANT_S:
            return
        start = self.node_s[-1]
        passed = end.cathode - self.nodes[-1].cathode
        if kind == "charge":  # what a side reaction carries is counted, too
            passed /= 1.0 - self.plan.cycling.coulomb_loss
        step = Step(
            kind=kind, cycle=cycle, start_s=start, stop_s=start + seconds, charge_uah=passed,
            current_ua=current, mode=mode,
        )  # fmt: skip
        self.steps.append(step)
        self.node_s.append(start + seconds)
        self.nodes.append(end)

    def _charge(self, cycle: int) -> None:
        cycling = self.plan.cycling
        current = cycling.current_of(cycle)
        full = cycling.first_charge_uah * (1.0 - cycling.cathode_loss) ** (cycle - 1)
        seconds = (full - self.nodes[-1].cathode) / current * 3600.0
        seconds /= 1.0 - cycling.coulomb_loss
        stuck = self._stuck(cycle, seconds, "charge")
        self._require(seconds > _INSTANT_S and full > stuck, cycle)
        self._add("charge", cycle, seconds, Contents(full - stuck, stuck, full), current)

    def _discharge(self, cycle: int, residue_uah: float) -> None:
        current = self.plan.cycling.current_of(cycle)
        before = self.nodes[-1]
        stuck = self._stuck(cycle, 0.0, "discharge")
        for _ in range(60):  # growth by the clock depends on how long the discharge takes
            residue = min(residue_uah, before.cathode - stuck)
            seconds = (before.cathode - residue - stuck) / current * 3600.0
            stuck = self._stuck(cycle, seconds, "discharge")
        missing = residue + stuck
        seconds = (before.cathode - missing) / current * 3600.0
        self._require(seconds > _INSTANT_S and residue >= 0, cycle)
        self._add("discharge", cycle, seconds, Contents(residue, stuck, missing), -current)

    def _hold(self, cycle: int) -> None:
        """Discharge at constant voltage: the current dies off, by steps, and lithium comes out."""
        cycling, begin = self.plan.cycling, self.nodes[-1]
        left = np.exp(-_HOLD_FOLDS * np.linspace(0.0, 1.0, _HOLD_STEPS + 1))
        gone = cycling.hold_released * begin.anode * (1.0 - left) / (1.0 - left[-1])
        seconds = cycling.hold_s / _HOLD_STEPS
        for before, after in pairwise(gone.tolist()):
            current = -(after - before) / seconds * 3600.0
            end = Contents(begin.anode - after, begin.electrolyte, begin.cathode - after)
            self._add("discharge", cycle, seconds, end, current, mode="CV")

    def _rest(self, cycle: int, seconds: float, phase: Phase) -> None:
        before = self.nodes[-1]
        stuck = self._stuck(cycle, seconds, phase)
        self._require(before.cathode >= stuck, cycle)
        self._add(
            "rest", cycle, seconds, Contents(before.cathode - stuck, stuck, before.cathode), 0.0
        )

    def _stuck(self, cycle: int, seconds: float, phase: Phase) -> float:
        """Immobilised lithium ``seconds`` from now, at the end of ``phase``, in uAh."""
        growth, cycling = self.plan.growth, self.plan.cycling
        if growth.driver == "time":
            per_cycle = 7200.0 * cycling.first_charge_uah / cycling.current_ua + 2 * cycling.rest_s
            clock = (self.node_s[-1] + seconds - cycling.pristine_s) / per_cycle
            return cycling.first_charge_uah * growth.fraction(clock)
        before, after = growth.fraction(cycle - 1), growth.fraction(cycle)
        share = self._share(cycle, phase)
        return cycling.first_charge_uah * (before + share * (after - before))

    def _share(self, cycle: int, phase: Phase) -> float:
        """Share of the cycle's growth that is there at the end of one of its phases."""
        cycling, driver = self.plan.cycling, self.plan.growth.driver
        if driver == "rest":
            rest_s = cycling.rest_of(cycle)
            early = rest_s / max(rest_s + cycling.rest_s, _INSTANT_S)
            ends: dict[Phase, float] = {"charge": 0.0, "discharged rest": 1.0}
            return ends.get(phase, early)
        early = {"charge": 1.0, "throughput": 0.5}.get(driver, 0.0)
        return early if phase in ("charge", "charged rest") else 1.0

    @staticmethod
    def _require(holds: bool, cycle: int) -> None:
        if not holds:
            raise OutOfRange(
                f"no lithium is left to move in cycle {cycle}",
                where="plan",
                expected="growth, residue and cathode loss that leave some",
                remedy="plan fewer cycles or slower growth",
            )
