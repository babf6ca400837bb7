"""Particles per second through five layers, and the error against a Runge-Kutta of eighth order.

    python benchmarks/bench_transport.py [--particles 1000000]

One core, processor time, so that neighbours on the machine count little.  Every particle is an
alpha born in the deepest of five layers: the published cell with the default stopping.  pycatima
joins in if it is installed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.integrate import solve_ivp

from lidepth.model.stack import Stack
from lidepth.physics.range_table import stopping_at
from lidepth.physics.reactions import projectile
from lidepth.physics.stopping import stopping_source
from lidepth.physics.transport import StackTransport, range_1e15, stack_transport

CELL = Stack.parse(
    "Cu 150 nm @ 8.96 g/cm^3 | Si 50 nm @ 2.33 g/cm^3 | Li3PO4 2 um @ 2.5 g/cm^3"
    " | LiCoO2 550 nm @ 5.05 g/cm^3 | Pt 200 nm @ 21.45 g/cm^3"
)
BIRTH_KEV = 2055.0
LOOP_PARTICLES = 2000


def seconds(call: Callable[[], object], repeats: int = 5) -> float:
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def loop(transport: StackTransport, depths: np.ndarray) -> list[float]:
    """What a script would do: one particle after the other, range tables read by interpolation."""
    grid = np.linspace(0.0, BIRTH_KEV, 2001)
    ranges = [np.asarray(range_1e15(table, grid)) for table in transport.tables]
    edges = transport.interfaces_1e15
    out = []
    for depth in depths:
        energy = BIRTH_KEV
        for layer in range(len(ranges) - 1, -1, -1):
            path = min(depth, edges[layer + 1]) - edges[layer]
            if path > 0:
                left = np.interp(energy, grid, ranges[layer]) - path
                energy = float(np.interp(left, ranges[layer], grid)) if left > 0 else 0.0
        out.append(energy)
    return out


def runge_kutta(transport: StackTransport, depth: float, energy_kev: float) -> float:
    energy = energy_kev
    for layer in range(len(transport.tables) - 1, -1, -1):
        path = float(transport.path_in(layer, np.array(depth)))
        if path <= 0:
            continue
        stopping = transport.tables[layer].stopping
        run = solve_ivp(
            lambda _, e, stopping=stopping: -stopping_at(stopping, np.maximum(e, 0.0)),
            (0.0, path), [energy], method="DOP853", rtol=1e-12, atol=1e-10,
        )  # fmt: skip
        energy = float(run.y[0, -1])
    return energy


def worst_error_kev(transport: StackTransport) -> float:
    last = float(transport.interfaces_1e15[-1])
    errors = [
        abs(float(transport.exit_energy(depth, e)) - runge_kutta(transport, depth, e))
        for depth in np.linspace(0.05, 1.0, 8) * last
        for e in (1750.0, BIRTH_KEV, 2727.0)
    ]
    return max(errors)


def pycatima_rate() -> str:
    try:
        import pycatima
    except ImportError:
        return "pycatima                not installed, left out"
    copper = pycatima.Material([[0, 29, 1]], density=8.96, thickness=150e-7 * 8.96)
    ion = pycatima.Projectile(4.0026, 2)
    energies = [BIRTH_KEV * 1e-3 / 4.0026] * 10_000
    spent = seconds(lambda: pycatima.energy_out(ion, energies, copper))
    return f"pycatima, one layer     {10_000 / spent:12.3g} particles/s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--particles", type=int, default=1_000_000)
    count = parser.parse_args().particles
    source, alpha = stopping_source(), projectile("alpha")
    plain = stack_transport(CELL, source, alpha)
    build = seconds(lambda: stack_transport(CELL, source, alpha), 3)
    compiled = replace(plain, backend="numba")
    edges = plain.interfaces_1e15
    depths = np.random.default_rng(1).uniform(edges[-2], edges[-1], count)
    births = np.full(count, BIRTH_KEV)
    leaving = plain.exit_energy(depths, births)

    by_loop = LOOP_PARTICLES / seconds(lambda: loop(plain, depths[:LOOP_PARTICLES]), 2)
    by_numpy = count / seconds(lambda: plain.exit_energy(depths, births))
    by_numba = count / seconds(lambda: compiled.exit_energy(depths, births))
    print(f"five layers, {count} alphas, exit energies, one core")
    print(f"plain loop              {by_loop:12.3g} particles/s")
    print(f"numpy                   {by_numpy:12.3g} particles/s  {by_numpy / by_loop:8.0f} x loop")
    print(
        f"numba                   {by_numba:12.3g} particles/s  {by_numba / by_loop:8.0f} x loop"
        f"  {by_numba / by_numpy:6.1f} x numpy"
    )
    for name, moving in (("numpy", plain), ("numba", compiled)):
        rate = count / seconds(lambda moving=moving: moving.depth_of(leaving, births))
        print(f"depth back, {name}       {rate:12.3g} particles/s")
    print(pycatima_rate())
    back = plain.depth_of(leaving, births)
    print(f"worst error against DOP853 (rtol 1e-12): {worst_error_kev(plain):.1e} keV")
    print(f"worst depth after there and back: {np.abs(back - depths).max():.1e} (1e15 atoms/cm2)")
    gap = np.abs(compiled.exit_energy(depths, births) - leaving).max()
    print(f"numba against numpy: {gap:.1e} keV")
    print(f"building the tables of five materials: {build * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
