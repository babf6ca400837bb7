"""Where the lithium and the silicon of a virtual cell are, at any time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from lidepth.errors import OutOfRange
from lidepth.model.cycling import Step, StepKind, StepMode
from lidepth.model.ledger import Ledger
from lidepth.model.result import MovedSilicon
from lidepth.virtual.cells import FineCells, cut
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


@dataclass(frozen=True, kw_only=True)
class History:
    """What happened to the cell.

    ``steps`` are the phases, in order and without gaps; ``node_s`` (phases + 1,) their limits in
    s; ``nodes_uah`` (phases + 1, 3) the contents there (anode, electrolyte, cathode), which
    change linearly in between; ``cover`` and ``cells`` the fine cells above and in the cell.
    """

    plan: CampaignPlan
    steps: tuple[Step, ...]
    node_s: Floats
    nodes_uah: Floats
    cover: FineCells
    cells: FineCells

    @property
    def duration_s(self) -> float:
        """Length of the campaign in s."""
        return float(self.node_s[-1])

    def contents_uah(self, time_s: ArrayLike) -> Floats:
        """Contents (anode, electrolyte, cathode) at each time; shape (n, 3)."""
        time = np.atleast_1d(np.asarray(time_s, dtype=np.float64))
        return np.stack([np.interp(time, self.node_s, c) for c in self.nodes_uah.T], axis=1)

    def mean_contents_uah(self, start_s: Floats, stop_s: Floats) -> Floats:
        """Contents averaged over each interval, exactly; shape (n, 3)."""
        steps = np.diff(self.node_s)[:, None]
        middle = 0.5 * (self.nodes_uah[1:] + self.nodes_uah[:-1]) * steps
        upto = np.concatenate([np.zeros((1, 3)), np.cumsum(middle, axis=0)])

        def integral(time: Floats) -> Floats:
            k = np.clip(np.searchsorted(self.node_s, time, "right") - 1, 0, len(steps) - 1)
            here = self.contents_uah(time)
            run = (time - self.node_s[k])[:, None]
            total: Floats = upto[k] + 0.5 * (self.nodes_uah[k] + here) * run
            return total

        mean: Floats = (integral(stop_s) - integral(start_s)) / (stop_s - start_s)[:, None]
        return mean

    def lithium_1e15(self, contents_uah: ArrayLike) -> Floats:
        """Lithium per fine cell for each row of contents (n, 3); shape (n, cells)."""
        anode, electrolyte, cathode = np.atleast_2d(np.asarray(contents_uah, np.float64)).T
        per_uah = self.plan.li_1e15(1.0)
        added = np.zeros((anode.size, len(self.cells)))
        for amount, role in ((anode, "anode"), (-cathode, "cathode")):
            where = self._inside(role)
            width = self.cells.width_nm[where]
            added[:, where] = (amount * per_uah)[:, None] * (width / width.sum())
        added[:, self._inside("electrolyte")] = (electrolyte * per_uah)[:, None] * self._shape(
            electrolyte
        )
        lithium: Floats = self.cells.lithium_1e15 + added
        return lithium

    def moved_silicon_1e15(self, electrolyte_uah: ArrayLike) -> Floats:
        """Silicon that went along with the immobilised lithium, 1e15 Si/cm2; shape (n,)."""
        amount = np.atleast_1d(np.asarray(electrolyte_uah, dtype=np.float64))
        growth = self.plan.growth
        if growth.li_per_silicon == 0:
            return np.zeros_like(amount)
        wanted = amount * self.plan.li_1e15(1.0) / growth.li_per_silicon
        return np.minimum(wanted, growth.silicon_cap * self.film_1e15)

    @property
    def film_1e15(self) -> float:
        """Silicon of the pristine anode, in 1e15 Si/cm2."""
        return float(np.sum(self.cells.silicon_1e15[self._inside("anode")]))

    def silicon_1e15(self, contents_uah: ArrayLike) -> Floats:
        """Silicon per fine cell for each row of contents (n, 3); shape (n, cells)."""
        electrolyte = np.atleast_2d(np.asarray(contents_uah, np.float64))[:, 1]
        moved = self.moved_silicon_1e15(electrolyte)[:, None]
        silicon = np.tile(self.cells.silicon_1e15, (electrolyte.size, 1))
        film = self._inside("anode")
        if self.film_1e15 > 0:
            silicon[:, film] *= 1.0 - moved / self.film_1e15
        silicon[:, self._inside("electrolyte")] += moved * self._shape(electrolyte)
        return silicon

    def _inside(self, role: str) -> NDArray[np.bool_]:
        number = next(k for k, layer in enumerate(self.plan.stack) if layer.role == role)
        where: NDArray[np.bool_] = self.cells.layer == number
        return where

    def _shape(self, electrolyte_uah: Floats) -> Floats:
        """Share of the interlayer in each electrolyte cell, rows summing to one; (n, cells)."""
        growth = self.plan.growth
        where = self._inside("electrolyte")
        depth, width = self.cells.depth_nm[where], self.cells.width_nm[where]
        if growth.shape == "exponential":
            density = np.tile(np.exp(-depth / growth.width_nm), (electrolyte_uah.size, 1))
        else:
            per_nm = growth.saturation_li_cm3 * 1e-22  # 1e15 Li/cm2 per nm
            reach = electrolyte_uah * self.plan.li_1e15(1.0) / per_nm
            density = expit((reach[:, None] - depth) / growth.width_nm)
        share = density * width
        normal: Floats = share / share.sum(axis=1, keepdims=True)
        return normal

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
        amount = self.moved_silicon_1e15(self.nodes_uah[[k + 1 for k in ends], 1])
        return MovedSilicon(
            cycle=np.array([self.steps[k].cycle for k in ends], dtype=np.int64),
            amount_1e15=amount, std_1e15=np.zeros(amount.size), film_1e15=self.film_1e15,
            mean_1e15=float(amount.mean()) if amount.size else 0.0, mean_std_1e15=0.0,
        )  # fmt: skip


def history_of(plan: CampaignPlan) -> History:
    """Run the cycler of ``plan``.

    Raises OutOfRange when the lithium that can still move runs out.
    """
    rng = np.random.default_rng([plan.seed, 1])
    story = _Story(plan)
    for cycle in range(1, plan.cycling.cycles + 1):
        residue = plan.cycling.residue + plan.cycling.residue_wander * float(rng.standard_normal())
        story.one_cycle(cycle, max(0.0, residue) * plan.cycling.first_charge_uah)
    cover, cells = cut(plan.stack, plan.cell_nm)
    return History(
        plan=plan, steps=tuple(story.steps), node_s=np.array(story.node_s),
        nodes_uah=np.array(story.nodes), cover=cover, cells=cells,
    )  # fmt: skip


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
