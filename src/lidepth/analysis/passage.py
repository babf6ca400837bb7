"""What a change of the stack does to the spectrum of one particle, in closed form.

A change is written as what it adds to the loss in each cell, to the electrons there, to the
particles born there, and to the width at the end; every step of the transport and of the fold is
differentiated as it is computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.forward import (
    LITHIUM_ELECTRONS,
    ROUGH,
    SILICON_ELECTRONS,
    ForwardModel,
    ParticleTables,
    Prediction,
)
from lidepth.physics.response import (
    CellColumn,
    FoldSlopes,
    TransportSlopes,
    fold_slopes,
    transport_slopes,
)

Floats = NDArray[np.float64]

_SCALE, _SHAPE, _BEND = 0, 1, 2  # kinds of the model's sources; lithium and silicon follow them
_LITHIUM, _SILICON, _ELECTRONS = -2, -1, -1


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Of m parameters, by unit: to be filled in place.

    ``ways`` (kinds + 2, cells, m) of changing the loss in a cell, ``electrons`` (cells, m) along
    the path, ``born`` (cells, m) particles, ``variance`` (cells + 1, m) beside what those do.
    """

    ways: Floats
    electrons: Floats
    born: Floats
    variance: Floats

    @classmethod
    def none(cls, ways: int, cells: int, count: int) -> Changes:
        """Of parameters that change nothing."""
        return cls(
            ways=np.zeros((ways, cells, count)), electrons=np.zeros((cells, count)),
            born=np.zeros((cells, count)), variance=np.zeros((cells + 1, count)),
        )  # fmt: skip

    def add_lithium(self, met: Floats, born: Floats) -> None:
        """Lithium ``met`` (cells, m) on the way, of which ``born`` (cells, m) start."""
        self.ways[_LITHIUM] += met
        self.electrons[:] += LITHIUM_ELECTRONS * met
        self.born[:] += born

    def add_silicon(self, met: Floats, column: int) -> None:
        """Silicon ``met`` (cells,) on the way, for one of the parameters."""
        self.ways[_SILICON, :, column] += met
        self.electrons[:, column] += SILICON_ELECTRONS * met


@dataclass(frozen=True, kw_only=True)
class Passage:
    """One particle's way through the stack at one state, and how all of it moves.

    ``at`` is the spectrum of ``shared`` there; ``bins_kev`` (bins + 1,).
    """

    model: ForwardModel
    particle: ParticleTables
    shared: Floats
    at: Prediction
    bins_kev: Floats

    @property
    def column(self) -> CellColumn:
        """The stack as this particle meets it."""
        return self.at.columns[self.particle.name]

    @cached_property
    def _sources(self) -> Floats:
        return self.model.sources(self.particle, self.shared, self.column.tables)

    @cached_property
    def transport(self) -> TransportSlopes:
        """Exit energies and variances by what is in each cell."""
        return transport_slopes(self.column, self._sources)

    @cached_property
    def fold(self) -> FoldSlopes:
        """Spectrum by exit energies, bins and widths."""
        name = self.particle.name
        born = self.at.born * self.model.share(self.particle, self.shared)
        return fold_slopes(
            self.bins_kev, self.at.edges[name].exit_kev, self.at.variances[name], born
        )

    def no_changes(self, count: int) -> Changes:
        """Changes to be filled in, of ``count`` parameters."""
        return Changes.none(len(self._sources) + 2, self.column.host.size, count)

    def spectra(self, changes: Changes) -> Floats:
        """Derivative of the counts, without the tail; shape (bins, m)."""
        cells, cover = self.column.host.size, self.model.cover
        energy, variance = self.transport.energy, self.transport.variance

        def through(slopes: Floats, amounts: Floats, where: slice) -> Floats:
            flat = slopes[:, :, where].reshape(cells + 1, -1)
            return np.asarray(flat @ amounts[:, where].reshape(flat.shape[1], -1))

        below = through(energy, changes.ways, slice(cover, None))
        exits = below + through(energy, changes.ways, slice(0, cover))
        spread = through(variance[:, :_ELECTRONS], changes.ways, slice(None))
        spread += variance[:, _ELECTRONS] @ changes.electrons
        spread += changes.variance + self._roughened(below, exits)
        columns = self.fold.by_edge @ exits
        columns += self.fold.by_width @ (0.5 * (spread[1:] + spread[:-1]))
        return np.asarray(columns + self.at.matrices[self.particle.name] @ changes.born)

    def _roughened(self, below: Floats, exits: Floats) -> Floats:
        """Change of the overlayer's share in the variance: by what is lost in it; (cells + 1, m).

        ``below`` is the part of ``exits`` that has arisen below the overlayer.
        """
        rough = self.model.parameters.get(self.shared, "roughness", 0.0)
        if rough == 0.0:
            return np.zeros_like(exits)
        lost = self.model.lost_in_cover(self.at.edges[self.particle.name])[:, None]
        kept = self.transport.through[:, self.model.cover][:, None]
        entry = np.divide(below, kept, out=np.zeros_like(below), where=kept > 0.0)
        return np.asarray(2.0 * ROUGH * rough * lost * (entry - exits))

    def of_parameters(self, host_born: Floats, setting_silicon: float) -> Changes:
        """What every shared parameter does on this way, by unit.

        Factors (areal densities, stopping, straggling, lithium content) are fitted as their
        logarithms: a unit of one is a relative change.  A unit of shape or bend is a source.

        ``host_born`` (cells,) particles of the lithium that was there from the first;
        ``setting_silicon`` moved silicon, 1e15/cm2.
        """
        items = self.model.parameters.items
        changes = self.no_changes(len(items))
        for place, parameter in enumerate(items):
            kind, _, number = parameter.name.partition(":")
            if kind in _OF_A_LAYER:
                inside = np.flatnonzero(self.model.grid.layer == int(number))
                self._of_a_layer(changes, kind, inside, place, host_born)
        self._of_additions(changes, setting_silicon)
        for place, by in self._of_widths():
            changes.variance[:, place] = by
        return changes

    def _of_a_layer(
        self, changes: Changes, kind: str, inside: NDArray[np.int64], place: int,
        host_born: Floats,
    ) -> None:  # fmt: skip
        alpha = self.particle.atomic_number > 1
        if kind in ("areal", "stopping") or (kind == "triton" and not alpha):
            changes.ways[_SCALE, inside, place] = 1.0
        if kind in ("areal", "content"):
            changes.born[inside, place] = host_born[inside]
        if kind == "areal":
            added = self.column.extra_1e15[:, inside]
            own = self.column.electrons_1e15[inside]
            own = own - LITHIUM_ELECTRONS * added[0] - SILICON_ELECTRONS * added[1]
            changes.electrons[inside, place] = own
        if kind in ("shape", "bend") and alpha:
            changes.ways[_SHAPE if kind == "shape" else _BEND, inside, place] = 1.0

    def _of_additions(self, changes: Changes, silicon_1e15: float) -> None:
        """Stopping of added lithium, and how deep moved silicon lies."""
        model, index = self.model, self.model.parameters.index
        if "eps_li" in index:
            place = index["eps_li"]
            changes.ways[_LITHIUM, :, place] = self.column.extra_1e15[0]
        if "silicon_depth" in index and silicon_1e15 != 0.0:
            met = silicon_1e15 * model.path_factor * model.silicon_deeper(self.shared)
            changes.add_silicon(met, index["silicon_depth"])

    def _of_widths(self) -> Iterator[tuple[int, Floats]]:
        """Places of the parameters of the width alone, and its derivatives; (cells + 1,)."""
        index = self.model.parameters.index
        edges = self.at.edges[self.particle.name]
        for name, by in (
            ("roughness", ROUGH * self.model.lost_in_cover(edges) ** 2),
            ("straggling", edges.variance_kev2),
            ("scattering", self.particle.extra_variance_kev2[0]),
        ):
            if name in index:
                yield index[name], by


_OF_A_LAYER = ("areal", "stopping", "content", "shape", "bend", "triton")
