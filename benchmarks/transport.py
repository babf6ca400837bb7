"""Energies after the published cell: lidepth, pycatima and LunaSRIM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid, solve_ivp

from benchmarks.bench_transport import CELL
from benchmarks.common import Line, NotInstalled, Size, contest, line
from lidepth.model.material import atomic_number
from lidepth.physics.range_table import stopping_at
from lidepth.physics.reactions import projectile
from lidepth.physics.stopping import stopping_source
from lidepth.physics.transport import StackTransport, stack_transport, total_stopping

Floats = NDArray[np.float64]
Stopping = Callable[[float], float]

BORN_KEV = {"alpha": (1700.0, 2055.0), "triton": (2300.0, 2727.0)}
_FLOOR_KEV = 0.01
_MASS = {"alpha": 4.002603, "triton": 3.016049}  # of the neutral atoms, as both peers want them
_CHARGE = {"alpha": 2, "triton": 1}


@dataclass(frozen=True)
class Contestant:
    """``leave`` takes birth energies (n,) at the back of the cell to exit energies, in keV.

    ``stopping`` is its own stopping power per layer and ``thick`` the layers in its unit of path;
    ``share`` of the particles that it is given.
    """

    leave: Callable[[Floats], Floats]
    stopping: tuple[Stopping, ...]
    thick: tuple[float, ...]
    slow: bool = False


def transport_row(size: Size) -> list[Line]:
    """Alphas and tritons born at the back of the cell, spread over energy."""
    lines = []
    for name in BORN_KEV:
        lines += _particle(name, size)
    return lines


def _particle(name: str, size: Size) -> list[Line]:
    low, high = BORN_KEV[name]
    born = np.random.default_rng(1).uniform(low, high, size.particles)
    checked = np.linspace(low, high, size.checked)
    ours = {
        f"lidepth, NumPy, {name}s": _lidepth(name, "numpy"),
        f"lidepth, numba, {name}s": _lidepth(name, "numba"),
    }
    errors = {label: error_kev(one, checked) for label, one in ours.items()}
    lines = []
    for peer, make in PEERS.items():
        try:
            other = make(name)
        except NotInstalled as missing:
            lines += [_missing(label, one, born, peer, str(missing)) for label, one in ours.items()]
            continue
        few = born[: size.slow_particles] if other.slow else born
        calls = {label: lambda one=one: one.leave(born) for label, one in ours.items()}
        calls[peer] = lambda other=other, few=few: other.leave(few)
        times = contest(calls, size.slow_rounds if other.slow else size.rounds)
        wrong = error_kev(other, checked[:: 3 if other.slow else 1])
        lines += [
            line(times, label, peer, work=f"{born.size:,} {name}s", scale=born.size / few.size,
                 error=errors[label], reference_error=wrong, unit="keV", floor=_FLOOR_KEV)
            for label in ours
        ]  # fmt: skip
    return lines


def _missing(label: str, one: Contestant, born: Floats, peer: str, why: str) -> Line:
    times = contest({label: lambda: one.leave(born)}, 3)
    return Line(ours=label, reference=peer, work=f"{born.size:,} particles",
                ours_s=times[label].median, missing=why)  # fmt: skip


def _lidepth(name: str, backend: str) -> Contestant:
    moving = stack_transport(CELL, stopping_source(), projectile(name))
    moving = replace(moving, backend=backend)
    back = np.array(moving.interfaces_1e15[-1])
    return Contestant(
        leave=lambda born: moving.exit_energy(back, born), stopping=_tables(moving),
        thick=moving.layers_1e15,
    )  # fmt: skip


def _tables(moving: StackTransport) -> tuple[Stopping, ...]:
    def of(layer: int) -> Stopping:
        stopping = moving.tables[layer].stopping
        return lambda energy: float(stopping_at(stopping, np.array([energy]))[0])

    return tuple(of(layer) for layer in range(len(moving.tables)))


def _catima(name: str) -> Contestant:
    """Its energies are per atomic mass unit, its layers in g/cm2."""
    try:
        import pycatima
    except ImportError as error:
        raise NotInstalled("pycatima is not installed") from error
    mass, ion = _MASS[name], pycatima.Projectile(_MASS[name], _CHARGE[name])
    materials = []
    for layer in CELL:
        material = layer.material
        parts = [[0, atomic_number(symbol), count] for symbol, count in material.composition]
        areal = layer.thickness_nm * 1e-7 * material.density_g_cm3
        made = pycatima.Material(parts, density=material.density_g_cm3)
        made.thickness(areal)
        materials.append(made)

    def leave(born: Floats) -> Floats:
        energies = (born * 1e-3 / mass).tolist()
        for material in reversed(materials):
            energies = pycatima.energy_out(ion, energies, material)
        return np.array(energies) * 1e3 * mass

    def of(material: object) -> Stopping:
        def stopping(energy_kev: float) -> float:
            ion.T(energy_kev * 1e-3 / mass)
            return float(pycatima.dedx(ion, material)) * 1e3

        return stopping

    return Contestant(
        leave=leave, stopping=tuple(of(m) for m in materials),
        thick=tuple(m.thickness() for m in materials),
    )  # fmt: skip


def _lunasrim_chain(name: str) -> Contestant:
    """energy_loss, layer after layer: what its documentation shows."""
    lunasrim = _lunasrim()

    def one(energy: float) -> float:
        for layer in reversed(CELL.layers):
            crossed = lunasrim.energy_loss(
                _CHARGE[name], layer.material.formula, energy, layer.thickness_nm, "nm",
                density=layer.material.density_g_cm3, mass=_MASS[name],
            )  # fmt: skip
            energy = crossed["energy_out"]
        return energy

    return replace(
        _lunasrim_truth(name), leave=lambda born: np.array([one(float(e)) for e in born]), slow=True
    )


def _lunasrim_table(name: str) -> Contestant:
    """Its stopping table, integrated to a range once and read by linear interpolation."""
    lunasrim = _lunasrim()
    ranges = []
    for layer in CELL:
        rows = np.array(
            lunasrim.stopping_table(
                _CHARGE[name], layer.material.formula, 10.0, 4000.0, "eV/A",
                density=layer.material.density_g_cm3, mass=_MASS[name],
            )
        )  # fmt: skip
        energy, stopping = rows[:, 0], rows[:, 1] + rows[:, 2]  # eV/A are 10 keV/um
        path = cumulative_trapezoid(1.0 / stopping, energy, initial=0.0) * 100.0
        ranges.append((energy, path, layer.thickness_nm))

    def leave(born: Floats) -> Floats:
        out = born
        for energy, path, thick in reversed(ranges):
            left = np.interp(out, energy, path) - thick
            out = np.where(left > 0, np.interp(left, path, energy), 0.0)
        return out

    return replace(_lunasrim_truth(name), leave=leave)


def _lunasrim_truth(name: str) -> Contestant:
    source, ion = stopping_source("lunasrim"), projectile(name)

    def of(layer: int) -> Stopping:
        stopping = total_stopping(source, ion, CELL.layers[layer].material)
        return lambda energy: float(stopping(np.array([energy]))[0])

    return Contestant(
        leave=lambda born: born, stopping=tuple(of(layer) for layer in range(len(CELL))),
        thick=tuple(layer.areal_density_1e15 for layer in CELL),
    )  # fmt: skip


def _lunasrim() -> object:
    try:
        import lunasrim
    except ImportError as error:
        raise NotInstalled("lunasrim is not installed") from error
    return lunasrim


PEERS: dict[str, Callable[[str], Contestant]] = {
    "pycatima": _catima, "lunasrim.energy_loss": _lunasrim_chain,
    "lunasrim table, interpolated": _lunasrim_table,
}  # fmt: skip


def error_kev(one: Contestant, born: Floats) -> float:
    """Largest difference from Runge-Kutta of eighth order on the contestant's own stopping."""
    found = one.leave(born)
    return max(abs(float(e) - runge_kutta(one, float(b))) for b, e in zip(born, found, strict=True))


def runge_kutta(one: Contestant, energy: float) -> float:
    """Energy after all layers by DOP853."""
    for stopping, thick in zip(reversed(one.stopping), reversed(one.thick), strict=True):
        run = solve_ivp(
            lambda _, e, stopping=stopping: [-stopping(max(float(e[0]), 1.0))], (0.0, thick),
            [energy], method="DOP853", rtol=1e-11, atol=1e-9,
        )  # fmt: skip
        energy = float(run.y[0, -1])
    return energy
