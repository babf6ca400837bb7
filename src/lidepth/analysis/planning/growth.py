"""When does lithium get lost: the contrast between charge and discharge, and its error.

In cycle i the loss grows from G(i-1) to G(i), a share (1 + k)/2 of it in proportion to the charge
passed while charging and the rest while discharging; k = 1: only on charge, 0: on both alike, -1:
only on discharge.  Per unit of k the lithium in the interlayer differs by

    (G(i) - G(i-1))/2 times  f (charging)   1 (rest, charged)   1 - f (discharging)   0 (rest)

with the fraction f of the half cycle: that is all that tells them apart.  What the interlayer
gains, the anode lacks; the cathode follows the charge.  Unknown are k, every G(i) and a leak (a
share of the anode's lithium that looks as if it lay in the interlayer, which has almost the same
shape in time), flux, offset and background of every half cycle and every rest, and the shared
parameters of the fits.  The shape of the interlayer in depth is taken as known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.fit import state_prior
from lidepth.analysis.forward import ANODE, CATHODE, HATS, ForwardModel
from lidepth.analysis.planning.cell import (
    EDGE_NM,
    LOCAL,
    PlannedCell,
    extended,
    pristine_setting,
    slab_model,
    worked_setting,
)
from lidepth.analysis.planning.information import inverted, state_information

Floats = NDArray[np.float64]

LEAK_STD = 0.01
"""Share of the anode's lithium that may look as if it lay in the interlayer (one sigma)."""

_STEPS = 4  # parts of a half cycle: the signal is linear in each, the error 1/32 of it at most
_OWN, _HERE = 3, 4
_CHARGES = np.array([0.0, 0.5, 1.0])  # states of charge at which information is computed


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Seconds spent at some states of charge of one half cycle or rest.

    ``charged`` (k,) fraction of the anode's range, ``signal`` (k,) the interlayer's share of the
    contrast, ``reached`` (k,) the share of the cycle's growth that is there; each for ``part_s``.
    """

    charged: Floats
    signal: Floats
    reached: Floats
    part_s: float


@dataclass(frozen=True, kw_only=True)
class GrowthDesign:
    """Information of every second of a run, on a few cycles and states of charge.

    ``at`` (c,) the cycles and ``per_second`` (c, 3, k, k) the information there; ``shared`` names;
    ``shared_prior`` and ``pristine`` as in Design; ``first_1e15`` the first charge; ``grown`` the
    law of growth and ``residue`` as in Protocol.
    """

    at: Floats
    per_second: Floats
    shared: tuple[str, ...]
    shared_prior: Floats
    pristine: Floats
    local_prior: Floats
    first_1e15: float
    first_uah: float
    grown: Callable[[float], float]
    residue: float
    current_ua: float
    rest_s: float
    place: str = "charge"

    def phases(self, cycle: int) -> tuple[Phase, Phase, Phase, Phase]:
        """Charge, rest, discharge and rest of one cycle."""
        before, after = self.grown(cycle - 1), self.grown(cycle)
        left = self.residue if cycle > 1 else 0.0
        to_charge = 1.0 - (before if cycle > 1 else 0.0) - left
        to_discharge = max(1.0 - after - self.residue, 0.0)
        whole_s = 3600.0 * self.first_uah / self.current_ua
        f = (np.arange(_STEPS) + 0.5) / _STEPS
        one, none = np.ones(1), np.zeros(1)
        early = f if self.place == "charge" else np.zeros(_STEPS)
        late = np.ones(_STEPS) if self.place == "charge" else f
        rested = one if self.place == "charge" else none
        part_s = whole_s / _STEPS
        return (
            Phase(charged=f, signal=0.5 * f, reached=early, part_s=part_s * to_charge),
            Phase(charged=one, signal=0.5 * one, reached=rested, part_s=self.rest_s),
            Phase(charged=1.0 - f, signal=0.5 * (1.0 - f), reached=late,
                  part_s=part_s * to_discharge),
            Phase(charged=none, signal=none, reached=one, part_s=self.rest_s),
        )  # fmt: skip

    def cycle_s(self, cycles: int) -> float:
        """Beam time of a run of ``cycles``, without the pristine cell."""
        return float(
            sum(
                phase.part_s * phase.charged.size
                for cycle in range(1, cycles + 1)
                for phase in self.phases(cycle)
            )
        )

    def std(
        self, *, cycles: int, rate: float = 1.0, pristine_s: float = 0.0,
        known: Callable[[str], bool] | None = None,
    ) -> float:  # fmt: skip
        """Standard uncertainty of the contrast after ``cycles``.

        ``rate`` multiplies every count rate; ``known`` names parameters taken as known: "leak",
        "growth of every cycle", "flux of the state" and the like, and the shared ones.
        """
        given = known or (lambda _: False)
        steps = cycles + 2  # contrast, leak, growth up to each cycle
        size = steps + len(self.shared)
        whole = np.zeros((size, size))
        whole[1, 1] = LEAK_STD**-2
        whole[steps:, steps:] = self.shared_prior + rate * pristine_s * self.pristine
        for cycle in range(1, cycles + 1):
            for phase in self.phases(cycle):
                self._add(whole, cycle, phase, rate, given)
        names = ("contrast", "leak", *("growth of every cycle",) * cycles, *self.shared)
        free = np.array([not given(name) for name in names])
        inverse = inverted(whole[np.ix_(free, free)])
        return float(np.sqrt(inverse[0, 0]))

    def _add(
        self, whole: Floats, cycle: int, phase: Phase, rate: float, known: Callable[[str], bool]
    ) -> None:
        """Add one phase, its own flux, offset and background eliminated."""
        own = [i for i in range(_OWN) if not known(LOCAL[i])]
        p = len(self.shared)
        total = np.zeros((_OWN + _HERE + p,) * 2)
        for point in zip(phase.charged, phase.signal, phase.reached, strict=True):
            chart = self._chart(cycle, *(float(part) for part in point))
            seconds = rate * phase.part_s
            total += chart.T @ (seconds * self._at(cycle, float(point[0]))) @ chart
        b = total[own, _OWN:]
        a = (total[:_OWN, :_OWN] + self.local_prior)[np.ix_(own, own)]
        kept = total[_OWN:, _OWN:] - b.T @ inverted(a) @ b
        first = whole.shape[0] - p
        # Growth before the first cycle is none, and known: its place is left out.
        here = [0, 1, cycle, cycle + 1] if cycle > 1 else [0, 1, 2]
        from_ = [0, 1, 2, 3] if cycle > 1 else [0, 1, 3]
        places = np.r_[here, first : first + p]
        taken = np.r_[from_, _HERE : _HERE + p]
        whole[np.ix_(places, places)] += kept[np.ix_(taken, taken)]

    def _chart(self, cycle: int, charged: float, signal: float, reached: float) -> Floats:
        """How state and shared parameters follow from those of the run; (k, own + here + shared).

        Here: contrast, leak, growth up to the cycle before and up to this one.
        """
        before, after = self.grown(cycle - 1), self.grown(cycle)
        held = before + reached * (after - before)
        left = self.residue if cycle > 1 else 0.0
        anode = charged * (1.0 - held) + (1.0 - charged) * left
        unit, p = self.first_1e15, len(self.shared)
        chart = np.zeros((HATS + 1 + p, _OWN + _HERE + p))
        chart[range(_OWN), range(_OWN)] = 1.0
        moved = np.zeros(chart.shape[0])
        moved[HATS], moved[ANODE] = unit, -unit
        chart[:, _OWN] = moved * signal * (after - before)
        chart[HATS, _OWN + 1] = anode * unit
        chart[:, _OWN + 2] = moved * (1.0 - reached)
        chart[:, _OWN + 3] = moved * reached
        chart[HATS + 1 :, _OWN + _HERE :] = np.eye(p)
        # Lithium per area of a charge goes down as the area goes up.
        area = _OWN + _HERE + self.shared.index("area")
        chart[ANODE, area] -= (anode + held) * unit
        chart[CATHODE, area] -= (anode + held) * unit
        return chart

    def _at(self, cycle: float, charged: float) -> Floats:
        """Information of one second, linear between the cycles and charges computed."""
        place = np.interp(cycle, self.at, np.arange(self.at.size))
        low = min(int(place), max(self.at.size - 2, 0))
        share = place - low
        column = np.interp(charged, _CHARGES, np.arange(3))
        left = min(int(column), 1)
        part = column - left
        corner = self.per_second[low : low + 2, left : left + 2]
        weights = np.outer([1.0 - share, share][: corner.shape[0]], [1.0 - part, part])
        return np.asarray(np.einsum("ij,ijkl->kl", weights, corner))


def growth_design(cell: PlannedCell, *, most_cycles: int, place: str = "charge") -> GrowthDesign:
    """Information along a run of ``most_cycles`` in which lithium is lost in one phase only."""
    protocol = cell.protocol
    at = np.unique(np.round(np.geomspace(1, max(most_cycles, 2), 4)))
    tables = []
    names: tuple[str, ...] = ()
    model: ForwardModel = cell.model
    pristine = np.zeros((0, 0))
    for cycle in at.tolist():
        lithium = protocol.grown(cycle) * cell.first_1e15
        # The front holds as much extra lithium as the electrolyte itself holds.
        electrolyte = cell.run.stack.layer("electrolyte")
        reach_nm = lithium / (electrolyte.element_1e15("Li") / electrolyte.thickness_nm)
        model = slab_model(
            cell, thickness_nm=max(reach_nm, 20.0), edge_nm=EDGE_NM, lithium_1e15=lithium, columns=1
        )
        shared = extended(cell, model)
        row = []
        for charged in _CHARGES:
            state = np.zeros(model.state_size)
            left = protocol.residue if cycle > 1 else 0.0
            state[ANODE] = (charged * (1.0 - protocol.grown(cycle)) + (1.0 - charged) * left) * (
                cell.first_1e15
            )
            state[HATS] = lithium
            state[CATHODE] = state[ANODE] + lithium
            setting = worked_setting(cycle, most_cycles)
            row.append(state_information(model, shared, setting, state, cell.mask))
        tables.append(row)
        if not names:
            n = model.state_size
            names = model.parameters.names
            pristine = state_information(
                model, shared, pristine_setting(), np.zeros(n), cell.mask
            )[n:, n:]  # fmt: skip
    _, _, prior = state_prior(model, flux_std=protocol.monitor_std, deviation=np.eye(1))
    return GrowthDesign(
        at=at, per_second=np.array(tables), shared=names,
        shared_prior=model.parameters.precision, pristine=pristine, local_prior=prior[:3, :3],
        first_1e15=cell.first_1e15, first_uah=cell.first_uah, grown=protocol.grown,
        residue=protocol.residue, current_ua=protocol.current_ua, rest_s=protocol.rest_s,
        place=place,
    )  # fmt: skip
