"""The state of a cell at one spectrum, and the parameters that a campaign shares.

A state vector holds [beam against the monitor (log), energy offset (keV), background (log),
lithium missing from the cathode, moved silicon (both 1e15/cm2), heights of the electrolyte's hats].
The anode's lithium is not free: what left the cathode and is not in the electrolyte is in the
anode, up to a small shared ``slack``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis import forward
from lidepth.analysis.forward import ForwardModel, Setting, region_rows
from lidepth.analysis.invert import CONSERVATION, first_charge_uah, lithium_per_uah
from lidepth.analysis.parameters import (
    GAIN_DRIFT,
    LITHIUM_STOPPING,
    SILICON_DEPTH,
    SILICON_DEPTH_NM,
    Parameter,
    ParameterSet,
)
from lidepth.analysis.sensitivity import Sensitivity
from lidepth.model.result import Run

Floats = NDArray[np.float64]

FLUX, OFFSET, BACK, CATHODE, SILICON, HATS = 0, 1, 2, 3, 4, 5
"""Places in the state vector of a campaign."""

LOSS_STD = 5e-3  # share of the charge that moves no lithium: a poor cell loses half a per cent


@dataclass(frozen=True, kw_only=True)
class CellModel:
    """The forward model of a campaign, as a function of state vector and shared parameters.

    ``forward`` carries the campaign's parameter set, the moved silicon last in it: a part of the
    state here.  ``per_uah`` lithium of 1 uAh, 1e15/cm2.
    """

    forward: ForwardModel
    per_uah: float

    @property
    def size(self) -> int:
        """Length n of a state vector."""
        return HATS + self.forward.hats

    @property
    def shared(self) -> int:
        """Number p of shared parameters."""
        return len(self.forward.parameters) - 1

    @property
    def items(self) -> tuple[Parameter, ...]:
        """The shared parameters."""
        return self.forward.parameters.items[:-1]

    def place(self, name: str) -> int:
        """Where a shared parameter is in its vector."""
        return self.forward.parameters.index[name]

    @cached_property
    def regions(self) -> tuple[Floats, Floats]:
        """Rows that give (anode, electrolyte, cathode) in 1e15/cm2; (3, n) and (3, p).

        Anode: gained; electrolyte: gained; cathode: missing.
        """
        electrolyte = region_rows(self.forward)[1, forward.HATS :]
        state, shared = np.zeros((3, self.size)), np.zeros((3, self.shared))
        state[1, HATS:] = electrolyte
        state[2, CATHODE] = 1.0
        state[0] = state[2] - state[1]
        shared[0, self.place("slack")] = 1.0
        return state, shared

    def rows_per_uah(self, shared: Floats) -> tuple[Floats, Floats]:
        """``regions`` in uAh of the whole cell, on the electrode area of ``shared`` (p,)."""
        per_uah = self.per_uah * (1.0 - float(shared[self.place("area")]))
        rows, slack = self.regions
        return rows / per_uah, slack / per_uah

    def contents_uah(self, shared: Floats, states: Floats) -> Floats:
        """Anode, electrolyte and cathode of ``states`` (..., n), whole cell; (..., 3)."""
        rows, slack = self.rows_per_uah(shared)
        return np.asarray(states @ rows.T + slack @ shared)

    def contents_levers(self, shared: Floats, lever: Floats, contents_uah: Floats) -> Floats:
        """How ``contents_uah`` (3,) move with the shared parameters; (3, p).

        ``lever`` (n, p) is how their state does.
        """
        rows, slack = self.rows_per_uah(shared)
        area = self.place("area")
        levers = rows @ lever + slack
        levers[:, area] += contents_uah / (1.0 - shared[area])
        return np.asarray(levers)

    def whole(self, shared: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Shared and state vector as the forward model reads them."""
        vector = np.zeros(self.forward.state_size)
        vector[[forward.LNFLUX, forward.OFFSET, forward.LNBACK]] = state[[FLUX, OFFSET, BACK]]
        rows, slack = self.regions
        vector[forward.ANODE] = rows[0] @ state + slack[0] @ shared
        vector[forward.CATHODE] = state[CATHODE]
        vector[forward.HATS :] = state[HATS:]
        return np.append(shared, state[SILICON]), vector

    def expected(self, shared: Floats, setting: Setting, state: Floats) -> Floats:
        """Expected counts per bin; (bins,)."""
        both, vector = self.whole(shared, state)
        return self.forward.predict(both, setting, vector).total

    def linearised(
        self, shared: Floats, setting: Setting, state: Floats
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Expected counts (bins,), their derivatives by state (bins, n) and shared (bins, p).

        Last, the particles alone (bins,): the derivative by the logarithm of the beam.
        """
        moves = self._moves(shared, setting, state)
        _, slack = self.regions
        theirs = moves.by_shared[:, :-1] + np.outer(moves.by_state[:, forward.ANODE], slack[0])
        return moves.at.total, self._slopes(moves), theirs, moves.by_state[:, forward.LNFLUX]

    def by_state(self, shared: Floats, setting: Setting, state: Floats) -> tuple[Floats, Floats]:
        """Expected counts (bins,) and their derivatives by state (bins, n) alone."""
        moves = self._moves(shared, setting, state)
        return moves.at.total, self._slopes(moves)

    def _moves(self, shared: Floats, setting: Setting, state: Floats) -> Sensitivity:
        both, vector = self.whole(shared, state)
        return Sensitivity.of(self.forward, both, setting, vector)

    def _slopes(self, moves: Sensitivity) -> Floats:
        """Derivatives by the state of a campaign; (bins, n)."""
        rows, _ = self.regions
        by_state = moves.by_state
        mine = np.outer(by_state[:, forward.ANODE], rows[0])
        mine[:, [FLUX, OFFSET, BACK]] += by_state[
            :, [forward.LNFLUX, forward.OFFSET, forward.LNBACK]
        ]
        mine[:, CATHODE] += by_state[:, forward.CATHODE]
        mine[:, HATS:] += by_state[:, forward.HATS :]
        mine[:, SILICON] += moves.by_silicon
        return mine


def cell_model(run: Run, pristine: ForwardModel) -> CellModel:
    """Add to the calibrated model what a campaign shares; ``pristine`` as calibrate left it."""
    # One knot at one: the silicon of a setting at cycle one is the parameter itself.
    working = replace(pristine, knots=np.array([1.0])).with_parameters(
        campaign_parameters(run, pristine.parameters)
    )
    return CellModel(forward=working, per_uah=lithium_per_uah(run))


def campaign_parameters(run: Run, pristine: ParameterSet) -> ParameterSet:
    """The pristine parameters and those that only a cell at work shows; moved silicon last."""
    scale = lithium_per_uah(run) * max(first_charge_uah(run), 1.0)
    film = run.stack.layer("anode").areal_density_1e15
    return ParameterSet(
        items=(
            *pristine.items,
            Parameter(name="eps_li", label="stopping of added lithium", unit="x", prior=0.0,
                      std=LITHIUM_STOPPING, logarithmic=True),
            Parameter(name="area", label="electrode area", unit="x", prior=0.0,
                      std=run.area_rel_std, logarithmic=True),
            Parameter(name="gain_drift", label="gain drift over the run", unit="", prior=0.0,
                      std=GAIN_DRIFT),
            Parameter(name="silicon_depth", label="depth of moved silicon", unit="nm",
                      prior=float(np.log(SILICON_DEPTH_NM)), std=SILICON_DEPTH, logarithmic=True),
            Parameter(name="loss", label="share of the charge on charging that moves no lithium",
                      unit="", prior=0.0, std=LOSS_STD),
            Parameter(name="loss_discharge", label="share of the charge on discharging that moves "
                      "no lithium", unit="", prior=0.0, std=LOSS_STD),
            Parameter(name="slack", label="lithium not accounted for", unit="1e15/cm2", prior=0.0,
                      std=CONSERVATION * scale),
            Parameter(name="silicon:0", label="moved silicon", unit="1e15/cm2", prior=0.0,
                      std=film),
        )
    )  # fmt: skip
