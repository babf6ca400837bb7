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
from lidepth.analysis.sensitivity import shared_jacobian
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
        both, vector = self.whole(shared, state)
        at = self.forward.predict(both, setting, vector)
        by_state = self.forward.state_jacobian(both, setting, vector, at)
        columns = shared_jacobian(self.forward, both, setting, vector, at, by_state)
        rows, slack = self.regions
        mine = np.zeros((at.total.size, self.size))
        mine[:, [FLUX, OFFSET, BACK]] = by_state[
            :, [forward.LNFLUX, forward.OFFSET, forward.LNBACK]
        ]
        mine[:, CATHODE] = by_state[:, forward.CATHODE]
        mine[:, HATS:] = by_state[:, forward.HATS :]
        mine += np.outer(by_state[:, forward.ANODE], rows[0])
        mine[:, SILICON] = columns[:, -1]
        theirs = columns[:, :-1] + np.outer(by_state[:, forward.ANODE], slack[0])
        return at.total, mine, theirs, by_state[:, forward.LNFLUX]

    def quickly(self, shared: Floats, setting: Setting, state: Floats) -> tuple[Floats, Floats]:
        """Expected counts (bins,) and their derivatives by state (bins, n).

        In closed form: 0.3 % off, which is enough where the shared parameters are held.
        """
        both, vector = self.whole(shared, state)
        model = self.forward
        at = model.predict(both, setting, vector)
        anode, cathode, hats = model.lithium_maps
        by_cell = model.cell_jacobian(both, setting, vector, at)
        bins_kev = model.energies_kev(both, setting, vector[forward.OFFSET])
        shift, silicon = np.zeros(at.total.size), np.zeros(at.total.size)
        profile = model.silicon_profile(both) * model.path_factor
        for particle in model.particles:
            slopes = model.slopes(particle, both, bins_kev, at)
            shift += slopes.by_shift
            silicon += slopes.by_edge @ (at.edges[particle.name].slope[:, :, 1] @ profile)
        particles = model.tailed(both, np.sum(list(at.raw.values()), axis=0))
        rows, _ = self.regions
        mine = np.outer(by_cell @ anode, rows[0])
        mine[:, CATHODE] += by_cell @ cathode
        mine[:, HATS:] += by_cell @ hats
        mine[:, FLUX], mine[:, BACK] = particles, at.components["background"]
        mine[:, OFFSET] = model.tailed(both, shift)
        mine[:, OFFSET] += model.background_shift(both, setting, vector, bins_kev)
        mine[:, SILICON] = model.tailed(both, silicon)
        return at.total, mine


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
