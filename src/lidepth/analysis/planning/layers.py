"""Any stack and any reaction: what one spectrum tells of the isotope in layers and depth bins.

No roles, no states of charge: every charged product of the reaction with its own stopping, an even
content per layer, and as nuisances the areal density and the stopping of every layer, energy
scale, resolution, the rate of a reference sample and the background.  Derivatives are central
differences of the expected spectrum; what is asked is linear and needs none.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.planning.information import Design, poisson_information
from lidepth.analysis.planning.protocol import BACKGROUND_SHARE, Description, Protocol
from lidepth.constants import BOHR_KEV2_PER_1E15
from lidepth.errors import BadData
from lidepth.model.instrument import Instrument
from lidepth.model.material import Material, atomic_number
from lidepth.model.stack import Layer, Stack
from lidepth.physics.broadening import energy_widths
from lidepth.physics.reactions import Product, reactions_of
from lidepth.physics.response import CellColumn, fold, propagate
from lidepth.physics.stopping import StoppingSource, total
from lidepth.physics.stopping.source import prior_relative_std
from lidepth.physics.transport import stack_transport

Floats = NDArray[np.float64]

SCALE = ("offset", "gain")
_FWHM_PER_SIGMA = 2.3548200450309493
_LEAST_KEV = 150.0  # below, a line is lost in the noise of any detector
_FINE_FWHM_KEV = 12.0  # bins are fine enough for detectors better than the planned one
_CELL_NM = 12.0
_MOST_CELLS = 200
_THIN_NM = 5.0  # one cell is enough
_REACH_NM = 40e3  # no product of these reactions but the triton leaves from deeper
_STEP = 1e-3  # of a logarithm: a second-order difference is then good to 1e-6
_STEP_KEV = 0.02
_BACKGROUND_EFOLD_KEV, _BACKGROUND_CENTRE_KEV, _FLAT = 60.0, 300.0, 0.01
_BACKGROUND_STD = 0.3


@dataclass(frozen=True, kw_only=True)
class Line:
    """One product of one branch: stopping on a 1 keV grid, Bohr's constant, extra widths.

    ``rows`` (layers + 2, energies) keV per 1e15/cm2; ``stopping_std`` (layers,) relative;
    ``extra_kev2`` (cells + 1,).
    """

    name: str
    share: float
    birth_kev: float
    rows: Floats
    straggling_kev2: float
    stopping_std: Floats
    extra_kev2: Floats


@dataclass(frozen=True, kw_only=True)
class LayerModel:
    """Expected spectra of a stack that holds an isotope.

    ``layer`` (cells,) the layer of each cell; ``depth_nm`` (cells + 1,); ``content_1e15`` (cells,)
    atoms of the isotope; ``bins_kev`` (bins + 1,) edges of the analysed bins.
    """

    stack: Stack
    instrument: Instrument
    layer: NDArray[np.int64]
    depth_nm: Floats
    content_1e15: Floats
    lines: tuple[Line, ...]
    bins_kev: Floats
    rate: float
    background: float
    protocol: Protocol

    def with_fwhm(self, fwhm_kev: float) -> LayerModel:
        """Return the same stack before a detector of another resolution."""
        detector = replace(self.instrument.detector, fwhm_kev=fwhm_kev)
        return replace(self, instrument=replace(self.instrument, detector=detector))

    @property
    def holders(self) -> tuple[int, ...]:
        """Layers that hold the isotope."""
        return tuple(
            n for n in range(len(self.stack)) if np.any(self.content_1e15[self.layer == n] > 0)
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all parameters: contents first, then nuisances."""
        deepest = max(self.holders)
        kinds = dict.fromkeys(line.name for line in self.lines)
        return (
            *(f"amount:{n}" for n in self.holders),
            *(f"areal:{n}" for n in range(deepest + 1)),
            *(f"stopping:{kind}:{n}" for kind in kinds for n in range(deepest + 1)),
            *SCALE, "fwhm", "straggling", "flux of the state", "background of the state",
        )  # fmt: skip

    @cached_property
    def prior_std(self) -> Floats:
        """Standard deviation of each parameter beforehand; infinite for contents."""
        deviations = dict(zip(SCALE, np.sqrt(np.diag(self.instrument.calibration.covariance)),
                              strict=True))  # fmt: skip
        deviations |= {
            "fwhm": self.instrument.detector.fwhm_rel_std, "straggling": 0.1,
            "flux of the state": math.hypot(self.protocol.reference_std, self.protocol.monitor_std),
            "background of the state": _BACKGROUND_STD,
        }  # fmt: skip
        for n, film in enumerate(self.stack):
            deviations |= {f"amount:{n}": math.inf, f"areal:{n}": film.thickness_rel_std}
            deviations |= {
                f"stopping:{line.name}:{n}": float(line.stopping_std[n]) for line in self.lines
            }
        return np.array([float(deviations[name]) for name in self.names])

    def matrix(self, moved: str = "", by: float = 0.0) -> Floats:
        """Counts per second per bin and 1e15/cm2 in each cell; (bins, cells).

        With one nuisance ``moved`` by so much: a logarithm, or keV of the offset, keV/channel.
        """
        calibration = self.instrument.calibration
        bins = self.bins_kev
        if moved == "offset":
            bins = bins + by
        if moved == "gain":
            bins = bins + by * (bins - calibration.offset_kev) / calibration.gain_kev
        detector = (self.instrument.detector.fwhm_kev / _FWHM_PER_SIGMA) ** 2
        detector *= math.exp(2.0 * by) if moved == "fwhm" else 1.0
        straggling = math.exp(by) if moved == "straggling" else 1.0
        rate = self.rate * (math.exp(by) if moved == "flux of the state" else 1.0)
        whole = np.zeros((bins.size - 1, self.layer.size))
        for line in self.lines:
            column = self._column(line, moved, by)
            column = replace(column, straggling_kev2=column.straggling_kev2 * straggling)
            edges = propagate(column)
            variance = np.maximum(edges.variance_kev2, 0.0) + detector + line.extra_kev2
            whole += line.share * fold(bins, edges.exit_kev, variance)
        return rate * whole

    def _column(self, line: Line, moved: str, by: float) -> CellColumn:
        kind, _, number = moved.rpartition(":")
        areal, rows = np.ones(len(self.stack)), line.rows
        if kind == "areal":
            areal[int(number)] = math.exp(by)
        if kind == f"stopping:{line.name}":
            rows = rows.copy()
            rows[int(number)] *= math.exp(by)
        width = np.diff(self.depth_nm)
        films = [self.stack.layers[n] for n in self.layer]
        per_nm = np.array([film.material.atoms_1e15_per_nm for film in films])
        atoms = per_nm * width * areal[self.layer] * self.instrument.path_factor
        electrons = np.array([_electrons(film.material) for film in films]) * atoms
        return CellColumn(
            host=self.layer, atoms_1e15=atoms, extra_1e15=np.zeros((2, atoms.size)),
            electrons_1e15=electrons, tables=rows, step_kev=1.0,
            straggling_kev2=line.straggling_kev2, birth_kev=line.birth_kev,
        )  # fmt: skip

    def background_counts(self, by: float = 0.0) -> Floats:
        """Background per second and bin, its logarithm moved by ``by``; (bins,)."""
        tail = np.exp(
            -np.clip((self.bins_kev - _BACKGROUND_CENTRE_KEV) / _BACKGROUND_EFOLD_KEV, -5.0, 700.0)
        )
        flat = _FLAT * np.diff(self.bins_kev)
        counts = self.background * (-_BACKGROUND_EFOLD_KEV * np.diff(tail) + flat)
        return np.asarray(counts * math.exp(by))

    def design(self, shapes: Floats, names: tuple[str, ...]) -> Design:
        """What one second tells of ``shapes`` (cells, k), 1e15/cm2 per unit each, and nuisances.

        The shapes replace the contents as what is unknown.
        """
        base = self.matrix()
        expected = base @ self.content_1e15 + self.background_counts()
        nuisances = [name for name in self.names if not name.startswith("amount:")]
        columns = [self._derivative(name) for name in nuisances]
        jacobian = np.column_stack([base @ shapes, *columns])
        seen = self.bins_kev[:-1] > _LEAST_KEV
        std = self.prior_std[[self.names.index(name) for name in nuisances]]
        n, p = len(names), len(nuisances)
        return Design(
            local=names, shared=tuple(nuisances),
            per_second=poisson_information(jacobian[seen], expected[seen]),
            local_prior=np.zeros((n, n)), shared_prior=np.diag(std**-2.0),
            pristine=np.zeros((p, p)),
        )  # fmt: skip

    def _derivative(self, name: str) -> Floats:
        if name == "background of the state":
            return self.background_counts()
        step = _STEP
        if name in SCALE:
            # A change of the gain by this moves the highest edge by about 0.02 keV.
            step = _STEP_KEV if name == "offset" else _STEP_KEV / 1000.0
        after = self.matrix(name, step) @ self.content_1e15
        change = (after - self.matrix(name, -step) @ self.content_1e15) / (2.0 * step)
        if name in SCALE:
            change = change + self._background_by_scale(name)
        return np.asarray(change)

    def _background_by_scale(self, name: str) -> Floats:
        step = 0.05
        scale = self.instrument.calibration
        lever = (self.bins_kev - scale.offset_kev) / scale.gain_kev if name == "gain" else 1.0
        step = step / 1000.0 if name == "gain" else step
        above = replace(self, bins_kev=self.bins_kev + step * lever).background_counts()
        below = replace(self, bins_kev=self.bins_kev - step * lever).background_counts()
        return np.asarray((above - below) / (2.0 * step))


def layer_model(described: Description, protocol: Protocol, source: StoppingSource) -> LayerModel:
    """Cut the stack and tabulate; raises BadData when no layer in reach holds the isotope."""
    stack, instrument = described.stack, described.instrument
    held = [isotope_1e15(film, instrument.isotope) for film in stack]
    if not any(held):
        raise BadData(
            f"no layer holds {instrument.isotope}", where="cell.stack",
            expected="a layer with the element in its formula",
            remedy="check instrument.isotope and the formulas of the layers",
        )  # fmt: skip
    layer, depth_nm = _cells(stack, max(n for n, atoms in enumerate(held) if atoms > 0))
    per_nm = np.array([atoms / film.thickness_nm for atoms, film in zip(held, stack, strict=True)])
    content = per_nm[layer] * np.diff(depth_nm)
    lines = _lines(stack, instrument, source, depth_nm)
    scale = instrument.calibration
    finest = min(instrument.detector.fwhm_kev, _FINE_FWHM_KEV)
    per_bin = max(int(finest / 4.0 / scale.gain_kev), 1)
    channels = np.arange(0, described.usable_channels + 1, per_bin, dtype=np.float64)
    background = described.background
    if math.isnan(background):
        background = BACKGROUND_SHARE * described.rate * float(content.sum())
    return LayerModel(
        stack=stack, instrument=instrument, layer=layer, depth_nm=depth_nm, content_1e15=content,
        lines=lines, bins_kev=scale.offset_kev + scale.gain_kev * channels, rate=described.rate,
        background=background, protocol=protocol,
    )  # fmt: skip


def isotope_1e15(film: Layer, isotope: str) -> float:
    """Atoms of the isotope in a layer, 1e15/cm2."""
    symbol = re.sub(r"^\d+", "", isotope)
    fraction = {"6Li": film.material.li6_fraction, "10B": film.material.b10_fraction}.get(
        isotope, reactions_of(isotope)[0].abundance
    )
    return film.element_1e15(symbol) * fraction


def within_reach_1e15(stack: Stack, isotope: str) -> float:
    """Atoms of the isotope from which particles can leave at all, 1e15/cm2."""
    tops = stack.interfaces_nm[:-1]
    seen = [
        min(max((_REACH_NM - top) / film.thickness_nm, 0.0), 1.0)
        for film, top in zip(stack, tops.tolist(), strict=True)
    ]
    atoms = [isotope_1e15(film, isotope) for film in stack]
    return float(np.dot(seen, atoms))


def _cells(stack: Stack, deepest: int) -> tuple[NDArray[np.int64], Floats]:
    """Cut the layers down to the deepest that holds the isotope, no further than any particle."""
    bottom = min(float(stack.interfaces_nm[deepest + 1]), _REACH_NM)
    size = max(_CELL_NM, bottom / _MOST_CELLS)
    layer: list[int] = []
    edges = [0.0]
    for n, film in enumerate(stack.layers[: deepest + 1]):
        thickness = min(film.thickness_nm, bottom - edges[-1])
        if thickness <= 0:
            break
        parts = max(math.ceil(thickness / size), 1 if thickness < _THIN_NM else 4)
        top = edges[-1]
        layer += [n] * parts
        edges += [top + thickness * (k + 1) / parts for k in range(parts)]
    return np.array(layer, dtype=np.int64), np.array(edges)


def _lines(
    stack: Stack, instrument: Instrument, source: StoppingSource, depth_nm: Floats
) -> tuple[Line, ...]:
    branches = reactions_of(instrument.isotope)
    weights = np.array([branch.cross_section_b for branch in branches])
    weights = weights / weights.sum()
    products = [
        (product, float(weight))
        for branch, weight in zip(branches, weights, strict=True)
        for product in (branch.light, branch.heavy)
        if product.energy_kev > _LEAST_KEV and weight > 0
    ]
    return tuple(
        _line(stack, instrument, source, depth_nm, product, weight) for product, weight in products
    )


def _line(
    stack: Stack, instrument: Instrument, source: StoppingSource, depth_nm: Floats,
    product: Product, weight: float,
) -> Line:  # fmt: skip
    ion, birth = product.projectile, product.energy_kev
    energy = np.arange(int(birth) + 60, dtype=np.float64)
    floor = np.maximum(energy, 5.0)
    below = np.sqrt(np.minimum(energy, 5.0) / 5.0)
    hosts = [film.material for film in stack]
    moving = [Material.named("Li"), Material.named("Si")]
    rows = np.stack([total(source, ion, one, floor) * below for one in hosts + moving])
    std = [
        float(prior_relative_std(ion, one, [250.0 * ion.mass_u], measured=False)[0])
        for one in hosts
    ]
    return Line(
        name=ion.name, share=weight, birth_kev=birth, rows=rows,
        straggling_kev2=BOHR_KEV2_PER_1E15 * ion.atomic_number**2, stopping_std=np.array(std),
        extra_kev2=_slant(stack, instrument, source, depth_nm, product),
    )  # fmt: skip


def _slant(
    stack: Stack, instrument: Instrument, source: StoppingSource, depth_nm: Floats,
    product: Product,
) -> Floats:  # fmt: skip
    """Variance from scattering and from the spread of exit angles; (cells + 1,)."""
    if instrument.exit_angle_deg == 0 and instrument.exit_angle_spread_deg == 0:
        return np.zeros(depth_nm.size)
    faces = int(np.searchsorted(stack.interfaces_nm, depth_nm[-1] - 1e-6))
    stack = Stack(layers=stack.layers[: max(faces, 1)])
    transport = stack_transport(
        stack, source, product.projectile, exit_angle_deg=instrument.exit_angle_deg
    )
    depth = np.interp(depth_nm, stack.interfaces_nm, stack.interfaces_1e15)
    widths = energy_widths(
        transport, stack, product.projectile, depth_1e15=depth,
        birth_energy_kev=product.energy_kev, angle_spread_deg=instrument.exit_angle_spread_deg,
    )  # fmt: skip
    return np.asarray(
        np.nan_to_num(widths.scattering_kev) ** 2 + np.nan_to_num(widths.angle_kev) ** 2
    )


def _electrons(material: Material) -> float:
    return sum(share * atomic_number(symbol) for symbol, share in material.fractions.items())
