"""The forward model: shared parameters and one state's lithium in, an expected spectrum out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.grid import DepthGrid, ElectrolyteBasis
from lidepth.analysis.parameters import SILICON_DEPTH_NM, ParameterSet, knot_weights
from lidepth.constants import BOHR_KEV2_PER_1E15
from lidepth.physics.response import CellColumn, EdgeEnergies, fold, propagate

Floats = NDArray[np.float64]

LNFLUX, OFFSET, LNBACK, ANODE, CATHODE, HATS = 0, 1, 2, 3, 4, 5
"""Places in a state vector; the electrolyte's hat heights follow from HATS on."""

_SHAPE_CENTRE_KEV = 1200.0
_BACKGROUND_CENTRE_KEV = 300.0
_FWHM_PER_SIGMA = 2.3548200450309493
LITHIUM_ELECTRONS, SILICON_ELECTRONS = 3.0, 14.0
ROUGH = 1e-4  # the overlayer's non-uniformity is in per cent squared


@dataclass(frozen=True, kw_only=True)
class ParticleTables:
    """Stopping of one particle: ``rows`` (layers + 2, energies) in keV per 1e15 atoms/cm2.

    The last two rows are lithium and silicon; ``extra_variance_kev2`` (2, cells + 1) multiple
    scattering and exit-angle spread for particles born at each cell edge.
    """

    name: str
    atomic_number: int
    birth_kev: float
    rows: Floats
    step_kev: float
    extra_variance_kev2: Floats

    @cached_property
    def tilt(self) -> Floats:
        """Logarithm of energy over its centre, the lever of a stopping's shape; (energies,)."""
        energy = np.maximum(np.arange(self.rows.shape[1]) * self.step_kev, 50.0)
        return np.asarray(np.log(energy / _SHAPE_CENTRE_KEV))


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Circumstances of one state, known beforehand.

    ``exposure`` in units of the pristine exposure per second (live time scaled by the monitor);
    ``live_s``; ``run_fraction`` time since pristine as a fraction of the run; ``cycle`` decimal
    cycle number, for the moved silicon.
    """

    exposure: float
    live_s: float
    run_fraction: float = 0.0
    cycle: float = 0.0


class Prediction(NamedTuple):
    """Expected counts per bin by component, and what is behind them.

    ``total`` and ``components`` carry the detector's low-energy tail; ``raw`` (by particle) and
    ``matrices`` (bins, cells) do not.  ``columns`` is the stack as each particle met it.
    """

    total: Floats
    components: dict[str, Floats]
    raw: dict[str, Floats]
    matrices: dict[str, Floats]
    edges: dict[str, EdgeEnergies]
    variances: dict[str, Floats]
    born: Floats
    columns: dict[str, CellColumn]


@dataclass(frozen=True, kw_only=True)
class ForwardModel:
    """Everything that stays the same while parameters and states change.

    ``channel_edges`` (bins + 1,) of the analysed bins, in channels; ``li6_fraction`` (cells,);
    ``disputed`` (layers,) how many times less certain than usual the stopping of a layer is.
    """

    grid: DepthGrid
    basis: ElectrolyteBasis
    particles: tuple[ParticleTables, ...]
    parameters: ParameterSet
    channel_edges: Floats
    path_factor: float
    li6_fraction: Floats
    knots: Floats
    disputed: tuple[float, ...] = ()

    @property
    def hats(self) -> int:
        """Number of hat functions."""
        return int(self.basis.hats.shape[1])

    @property
    def state_size(self) -> int:
        """Length of a state vector."""
        return HATS + self.hats

    def energies_kev(self, shared: Floats, setting: Setting, offset: float = 0.0) -> Floats:
        """Bin edges in keV; shape (bins + 1,)."""
        get = self.parameters.get
        drift = setting.run_fraction
        gain = get(shared, "gain", 1.0) * (1.0 + drift * get(shared, "gain_drift", 0.0))
        shift = get(shared, "offset", 0.0) + drift * get(shared, "offset_drift", 0.0) + offset
        return shift + gain * self.channel_edges

    @cached_property
    def lithium_maps(self) -> tuple[Floats, Floats, Floats]:
        """Lithium gained per cell for a unit of anode lithium, cathode loss and each hat.

        Shapes (cells,), (cells,), (cells, hats).
        """
        anode, cathode = np.zeros(self.grid.cells), np.zeros(self.grid.cells)
        hats = np.zeros((self.grid.cells, self.hats))
        cells = self.grid.of("anode")
        anode[cells] = self.grid.share[cells]
        cells = self.grid.of("cathode")
        cathode[cells] = -self.grid.share[cells]
        cells = self.grid.of("electrolyte")
        hats[cells] = self.basis.hats * self.grid.lithium_1e15[cells, None]
        return anode, cathode, hats

    def directions(self, shared: Floats, setting: Setting, state: Floats) -> Floats:  # noqa: ARG002
        """Lithium gained per cell for a unit step of each part of the state vector from ANODE on.

        Shape (cells, state size - ANODE).
        """
        anode, cathode, hats = self.lithium_maps
        return np.column_stack([anode, cathode, hats])

    def pristine_lithium(self, shared: Floats) -> Floats:
        """Lithium per cell before anything moved, 1e15/cm2; shape (cells,)."""
        return self.grid.lithium_1e15 * self._per_layer(shared, "areal", "content")

    def _per_layer(self, shared: Floats, *names: str) -> Floats:
        factors = np.ones(len(self.grid.stack))
        for name in names:
            for number in range(factors.size):
                factors[number] *= self.parameters.get(shared, f"{name}:{number}", 1.0)
        return factors[self.grid.layer]

    def lift(self, setting: Setting) -> Floats:
        """What the shared parameters add to the state vector; shape (state size, shared).

        The mean profile of the electrolyte is shared by all states and linear between knots; a
        state's own hats are its deviation from that mean.
        """
        cache = self._lifts
        if setting.cycle not in cache:
            matrix = np.zeros((self.state_size, len(self.parameters)))
            for k, weight in enumerate(knot_weights(self.knots, setting.cycle)):
                for hat in range(self.hats):
                    place = self.parameters.index.get(f"profile:{k}:{hat}")
                    if place is not None:
                        matrix[HATS + hat, place] = weight
            matrix.setflags(write=False)
            cache[setting.cycle] = matrix
        return cache[setting.cycle]

    @cached_property
    def _lifts(self) -> dict[float, Floats]:
        """Lifts already made, by cycle."""
        return {}

    def gained(self, shared: Floats, setting: Setting, state: Floats) -> Floats:
        """Lithium gained per cell in ``state``, 1e15/cm2; shape (cells,)."""
        anode, cathode, hats = self.lithium_maps
        whole = state + self.lift(setting) @ shared
        moved = anode * whole[ANODE] + cathode * whole[CATHODE]
        return np.asarray(moved + hats @ whole[HATS:])

    def silicon(self, shared: Floats, setting: Setting) -> float:
        """Silicon moved out of the anode at this state, 1e15/cm2."""
        weights = knot_weights(self.knots, setting.cycle)
        steps = [self.parameters.get(shared, f"silicon:{i}", 0.0) for i in range(self.knots.size)]
        return float(weights @ np.array(steps))

    def silicon_profile(self, shared: Floats) -> Floats:
        """Where one unit of moved silicon goes; sums to zero; shape (cells,).

        Out of the anode evenly, into the electrolyte falling off below the interface.
        """
        profile = np.zeros(self.grid.cells)
        profile[self.grid.of("anode")] = -self.grid.share[self.grid.of("anode")]
        length, edges = self._silicon_depths(shared)
        held = -np.diff(np.exp(-edges / length))
        profile[self.grid.of("electrolyte")] = held / held.sum()
        return profile

    def silicon_deeper(self, shared: Floats) -> Floats:
        """Derivative of ``silicon_profile`` by the logarithm of its depth; shape (cells,)."""
        length, edges = self._silicon_depths(shared)
        fall = np.exp(-edges / length)
        held, change = -np.diff(fall), -np.diff(fall * edges / length)
        profile = np.zeros(self.grid.cells)
        share = held / held.sum()
        profile[self.grid.of("electrolyte")] = (change - share * change.sum()) / held.sum()
        return profile

    def _silicon_depths(self, shared: Floats) -> tuple[float, Floats]:
        """E-fold depth of moved silicon and the edges of the electrolyte's cells, in nm."""
        cells = self.grid.of("electrolyte")
        edges = self.grid.depth_nm[cells[0] : cells[-1] + 2] - self.grid.depth_nm[cells[0]]
        return self.parameters.get(shared, "silicon_depth", SILICON_DEPTH_NM), edges

    def on_the_way(self, lithium_1e15: Floats) -> Floats:
        """What particles meet of lithium gained per cell; shape as given."""
        return np.asarray(lithium_1e15 * self.path_factor)

    def column(
        self, particle: ParticleTables, shared: Floats, setting: Setting, gained: Floats
    ) -> CellColumn:
        """The stack in cells as this particle meets it."""
        get = self.parameters.get
        areal = self._per_layer(shared, "areal") * self.path_factor
        silicon = self.silicon(shared, setting) * self.silicon_profile(shared) * self.path_factor
        extra = np.stack([self.on_the_way(gained), silicon])
        own = self.grid.electrons_1e15 * areal
        return CellColumn(
            host=self.grid.layer, atoms_1e15=self.grid.atoms_1e15 * areal, extra_1e15=extra,
            electrons_1e15=own + LITHIUM_ELECTRONS * extra[0] + SILICON_ELECTRONS * extra[1],
            tables=self._tables(particle, shared), step_kev=particle.step_kev,
            straggling_kev2=BOHR_KEV2_PER_1E15 * particle.atomic_number**2
            * get(shared, "straggling", 1.0),
            birth_kev=particle.birth_kev,
        )  # fmt: skip

    def _tables(self, particle: ParticleTables, shared: Floats) -> Floats:
        get = self.parameters.get
        rows = particle.rows.copy()
        rows[:-2] *= self._stopping_factors(particle, shared)[:, None]
        if particle.atomic_number > 1:
            for number in range(len(self.grid.stack)):
                shape = get(shared, f"shape:{number}", 0.0) * particle.tilt
                bend = get(shared, f"bend:{number}", 0.0) * particle.tilt**2
                rows[number] *= 1.0 + shape + bend
        rows[-2] *= get(shared, "eps_li", 1.0)
        return rows

    def _stopping_factors(self, particle: ParticleTables, shared: Floats) -> Floats:
        """Factor on the stopping power of each layer, its shape over energy apart; (layers,)."""
        get, layers = self.parameters.get, range(len(self.grid.stack))
        factors = np.array([get(shared, f"stopping:{number}", 1.0) for number in layers])
        if particle.atomic_number == 1:
            factors *= [get(shared, f"triton:{number}", 1.0) for number in layers]
        return factors

    def sources(self, particle: ParticleTables, shared: Floats, tables: Floats) -> Floats:
        """Stopping powers that a unit of each parameter of a layer adds; (kinds, layers, energies).

        Those of the layers as in ``tables``, for their scale; for alphas also by shape and bend.
        """
        if particle.atomic_number == 1:
            return tables[None, :-2]
        plain = particle.rows[:-2] * self._stopping_factors(particle, shared)[:, None]
        return np.stack([tables[:-2], plain * particle.tilt, plain * particle.tilt**2])

    def variance(self, particle: ParticleTables, shared: Floats, edges: EdgeEnergies) -> Floats:
        """Total energy variance of particles born at each cell edge, keV^2; shape (cells + 1,)."""
        get = self.parameters.get
        detector = (get(shared, "fwhm", 1.0) / _FWHM_PER_SIGMA) ** 2
        rough = ROUGH * get(shared, "roughness", 0.0) * self.lost_in_cover(edges) ** 2
        scatter, spread = particle.extra_variance_kev2
        extra = scatter * get(shared, "scattering", 1.0) + spread
        total = edges.variance_kev2 + detector + rough + extra
        return np.asarray(np.maximum(total, 0.25 * detector))

    @cached_property
    def cover(self) -> int:
        """Number of cells of the overlayer."""
        return int(np.sum(self.grid.layer == 0))

    def lost_in_cover(self, edges: EdgeEnergies) -> Floats:
        """Energy that particles born at each edge below the overlayer lose in it; (cells + 1,)."""
        born_below = np.arange(edges.exit_kev.size) > self.cover
        entry = edges.entry_kev[:, min(self.cover, edges.entry_kev.shape[1] - 1)]
        return np.where(born_below, entry - edges.exit_kev, 0.0)

    def predict(self, shared: Floats, setting: Setting, state: Floats) -> Prediction:
        """Expected counts per bin of one state."""
        get = self.parameters.get
        bins_kev = self.energies_kev(shared, setting, state[OFFSET])
        gained = self.gained(shared, setting, state)
        lithium = self.pristine_lithium(shared) + gained
        flux = get(shared, "flux", 1.0) * np.exp(state[LNFLUX]) * setting.exposure
        born = flux * self.li6_fraction * lithium
        raw: dict[str, Floats] = {}
        matrices, edges, variances, columns = {}, {}, {}, {}
        for particle in self.particles:
            columns[particle.name] = self.column(particle, shared, setting, gained)
            edges[particle.name] = propagate(columns[particle.name])
            variances[particle.name] = self.variance(particle, shared, edges[particle.name])
            matrix = fold(bins_kev, edges[particle.name].exit_kev, variances[particle.name])
            matrices[particle.name] = matrix * self.share(particle, shared)
            raw[particle.name] = matrices[particle.name] @ born
        components = {name: self.tailed(shared, counts) for name, counts in raw.items()}
        components["background"] = self.background(shared, setting, state, bins_kev)
        total = np.sum(list(components.values()), axis=0)
        return Prediction(total, components, raw, matrices, edges, variances, born, columns)

    def tailed(self, shared: Floats, values: Floats) -> Floats:
        """Move the tail's fraction of ``values`` (bins, ...) down an exponential in energy."""
        get = self.parameters.get
        fraction = get(shared, "tail", 0.0)
        if fraction == 0.0:
            return values
        return np.asarray((1.0 - fraction) * values + fraction * self.tail_of(shared, values))

    def tail_of(self, shared: Floats, values: Floats) -> Floats:
        """``values`` (bins, ...) folded with the exponential tail alone; counts are kept."""
        from scipy.signal import lfilter

        get = self.parameters.get
        width = get(shared, "gain", 1.0) * float(self.channel_edges[1] - self.channel_edges[0])
        stay = float(np.exp(-width / get(shared, "tail_length", 30.0)))
        folded = lfilter([1.0 - stay], [1.0, -stay], values[::-1], axis=0)[::-1]
        return np.asarray(folded)

    def share(self, particle: ParticleTables, shared: Floats) -> float:
        """Counts of this particle relative to the mean of the two."""
        root = float(np.sqrt(self.parameters.get(shared, "ratio", 1.0)))
        return root if particle.atomic_number > 1 else 1.0 / root

    def background(
        self, shared: Floats, setting: Setting, state: Floats, bins_kev: Floats
    ) -> Floats:
        """Exponential tail plus a flat level, integrated over bins; shape (bins,)."""
        get = self.parameters.get
        length = get(shared, "back_length", 60.0)
        level = get(shared, "background", 1.0) * np.exp(state[LNBACK])
        tail = np.exp(-np.minimum((bins_kev - _BACKGROUND_CENTRE_KEV) / length, 700.0))
        exponential = -level * length * np.diff(tail)
        flat = get(shared, "flat", 0.0) * np.exp(state[LNBACK]) * np.diff(bins_kev)
        return np.asarray(setting.live_s * (exponential + flat))

    def background_shift(
        self, shared: Floats, setting: Setting, state: Floats, bins_kev: Floats
    ) -> Floats:
        """Change of the background per keV that the bins move up; shape (bins,)."""
        step = 0.05
        above = self.background(shared, setting, state, bins_kev + step)
        below = self.background(shared, setting, state, bins_kev - step)
        return (above - below) / (2 * step)

    def with_parameters(self, parameters: ParameterSet) -> ForwardModel:
        """Return the same model with another set of shared parameters."""
        return replace(self, parameters=parameters)


def region_rows(model: ForwardModel) -> Floats:
    """Rows that turn a state vector into lithium per region, 1e15/cm2; shape (3, state size).

    Anode: gained; electrolyte: gained; cathode: missing.
    """
    _, _, hats = model.lithium_maps
    rows = np.zeros((3, model.state_size))
    rows[0, ANODE] = rows[2, CATHODE] = 1.0
    rows[1, HATS:] = hats.sum(axis=0)
    return rows
