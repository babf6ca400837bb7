"""The forward model with a slab in the electrolyte instead of the hat functions.

Everything else is the default's: cells, stopping, shared parameters (held where the run's fit left
them), flux, offset, background, ties.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.fit import Observation, Tie
from lidepth.analysis.forward import (
    ANODE,
    CATHODE,
    HATS,
    LNBACK,
    LNFLUX,
    OFFSET,
    ForwardModel,
    Setting,
)
from lidepth.analysis.invert import Inversion, whole_states
from lidepth.analysis.parameters import ParameterSet
from lidepth.analysis.slab.front import Fronts, front

Floats = NDArray[np.float64]

BULK, AMOUNT, LNREACH, LNWIDTH = HATS, HATS + 1, HATS + 2, HATS + 3
"""Places in a slab's state vector; up to CATHODE they are the default's."""
SLAB_SIZE = LNWIDTH + 1

# What is believed of a slab beforehand.  Reach and width: within a factor of 2.5 of what such
# interlayers have shown; the bulk of a solid electrolyte takes up next to nothing.
REACH_NM, REACH_STD = 120.0, 0.9
WIDTH_NM, WIDTH_STD = 50.0, 0.8
BULK_STD = 0.001  # of the electrolyte's own lithium
AMOUNT_STD = 0.3  # of the first charge

_PROFILE = "profile:"


@dataclass(frozen=True, kw_only=True)
class SlabModel(ForwardModel):
    """A forward model whose state vector ends in bulk, amount, ln reach and ln width.

    Bulk is a change of the whole electrolyte as a fraction of its own lithium; the amount is the
    slab's whole lithium in 1e15/cm2; reach and width are in nm of the printed stack.
    """

    @property
    def state_size(self) -> int:
        """Length of a state vector."""
        return SLAB_SIZE

    @cached_property
    def electrolyte(self) -> NDArray[np.int64]:
        """Indices of the electrolyte's cells."""
        return self.grid.of("electrolyte")

    @cached_property
    def edges_nm(self) -> Floats:
        """Edges of the electrolyte's cells below its interface with the anode."""
        cells = self.electrolyte
        edges = self.grid.depth_nm[cells[0] : cells[-1] + 2]
        return np.asarray(edges - edges[0])

    @cached_property
    def host_1e15(self) -> Floats:
        """The electrolyte's own lithium per cell."""
        return np.asarray(self.grid.lithium_1e15[self.electrolyte])

    @cached_property
    def lithium_maps(self) -> tuple[Floats, Floats, Floats]:
        """Lithium gained per cell for a unit of anode, cathode loss, and bulk and amount.

        Where the amount lies is the front's business: here its column only has the right sum.
        """
        anode, cathode, _ = super().lithium_maps
        rest = np.zeros((self.grid.cells, SLAB_SIZE - HATS))
        rest[self.electrolyte, 0] = self.host_1e15
        rest[self.electrolyte, 1] = self.host_1e15 / self.host_1e15.sum()
        return anode, cathode, rest

    def lift(self, setting: Setting) -> Floats:  # noqa: ARG002
        """No shared parameter adds to a slab's state vector; zeros (state size, shared)."""
        return np.zeros((SLAB_SIZE, len(self.parameters)))

    def front(self, state: Floats) -> Fronts:
        """The slab's front in ``state``, one of one."""
        reach, width = np.exp(state[LNREACH:])
        return front(self.edges_nm, float(reach), float(width))

    def gained(self, shared: Floats, setting: Setting, state: Floats) -> Floats:  # noqa: ARG002
        """Lithium gained per cell in ``state``, 1e15/cm2; shape (cells,)."""
        anode, cathode, _ = self.lithium_maps
        moved = anode * state[ANODE] + cathode * state[CATHODE]
        moved[self.electrolyte] += state[BULK] * self.host_1e15
        moved[self.electrolyte] += state[AMOUNT] * self.front(state).shares[0]
        return np.asarray(moved)

    def directions(self, shared: Floats, setting: Setting, state: Floats) -> Floats:  # noqa: ARG002
        """Lithium gained per cell for a unit step of each part of the state from ANODE on."""
        anode, cathode, _ = self.lithium_maps
        columns = np.zeros((self.grid.cells, SLAB_SIZE - ANODE))
        columns[:, 0], columns[:, 1] = anode, cathode
        columns[self.electrolyte, 2:] = self.electrolyte_slopes(state)
        return columns

    def electrolyte_slopes(self, state: Floats) -> Floats:
        """Derivative of the electrolyte's lithium by bulk, amount, ln L and ln w; (cells, 4)."""
        one = self.front(state)
        return np.column_stack([self.host_1e15, one.shares[0], state[AMOUNT] * one.slopes[0]])


def slab_model(model: ForwardModel) -> SlabModel:
    """The same model with a slab; the shared parameters are those that do not draw profiles."""
    kept = tuple(p for p in model.parameters.items if not p.name.startswith(_PROFILE))
    given = {field.name: getattr(model, field.name) for field in fields(ForwardModel)}
    return SlabModel(**{**given, "parameters": ParameterSet(items=kept)})


def slab_observations(
    inversion: Inversion, slab: SlabModel, *, amount_std_1e15: float
) -> tuple[Observation, ...]:
    """The default's observations, pristine first, with a slab's prior and the same ties."""
    prior, precision = _slab_prior(amount_std_1e15)
    seen = []
    for number, one in enumerate(inversion.observations):
        own = precision.copy()
        for place in (LNFLUX, OFFSET, LNBACK):
            own[place, place] = one.precision[place, place]
        moving = number > 0
        seen.append(
            replace(
                one, free=np.full(SLAB_SIZE, moving),
                prior=prior if moving else np.zeros(SLAB_SIZE),
                precision=own if moving else np.zeros((SLAB_SIZE, SLAB_SIZE)),
                ties=tuple(_tie(tie, slab) for tie in one.ties),
            )
        )  # fmt: skip
    return tuple(seen)


def _slab_prior(amount_std_1e15: float) -> tuple[Floats, Floats]:
    prior, precision = np.zeros(SLAB_SIZE), np.zeros((SLAB_SIZE, SLAB_SIZE))
    prior[LNREACH], prior[LNWIDTH] = np.log(REACH_NM), np.log(WIDTH_NM)
    for place, std in (
        (BULK, BULK_STD), (AMOUNT, amount_std_1e15), (LNREACH, REACH_STD),
        (LNWIDTH, WIDTH_STD),
    ):  # fmt: skip
        precision[place, place] = std**-2
    return prior, precision


def _tie(tie: Tie, slab: SlabModel) -> Tie:
    """The same tie for a slab: hats that are all one are the bulk, and lithium is lithium."""
    row = np.zeros(SLAB_SIZE)
    row[:HATS] = tie.state_row[:HATS]
    row[BULK] = tie.state_row[HATS:].sum()
    row[AMOUNT] = row[BULK] / slab.host_1e15.sum()
    return replace(tie, state_row=row, shared_row=tie.shared_row[: len(slab.parameters)])


def starting_states(inversion: Inversion, slab: SlabModel) -> Floats:
    """States with the amount and the mean depth of the default's profile; (n + 1, slab size).

    A slab with a sharp front is twice as thick as its lithium is deep in the mean.
    """
    middle = 0.5 * (slab.edges_nm[1:] + slab.edges_nm[:-1])
    near = middle < 0.5 * slab.edges_nm[-1]
    _, _, hats = inversion.model.lithium_maps
    states = np.zeros((len(inversion.observations), SLAB_SIZE))
    for state, whole in zip(states[1:], whole_states(inversion)[1:], strict=True):
        gained = np.maximum((hats[slab.electrolyte] @ whole[HATS:]) * near, 0.0)
        state[:HATS] = whole[:HATS]
        state[AMOUNT] = gained.sum()
        depth = float(gained @ middle / gained.sum()) if gained.sum() > 0 else 0.5 * REACH_NM
        state[LNREACH] = np.log(np.clip(2.0 * depth, 20.0, 0.5 * slab.edges_nm[-1]))
        state[LNWIDTH] = np.log(WIDTH_NM)
    return states
