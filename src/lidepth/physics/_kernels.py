"""The inner loops of response and binning, compiled by numba at first use and kept in its cache.

Imported only inside functions, by lidepth.physics.response and lidepth.analysis.reduce, so that
importing lidepth stays fast.
``function.py_func`` is the same loop as plain Python.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def _loss(
    host: Floats, lithium: Floats, silicon: Floats, step: float,
    atoms: float, extra_li: float, extra_si: float, energy: float,
) -> float:  # fmt: skip
    """Energy lost per unit of the cell's depth fraction, in keV."""
    position = energy / step
    index = int(position)
    if index < 0:
        return 0.0
    if index > host.size - 2:
        index = host.size - 2
    f = position - index
    g = 1.0 - f
    value = atoms * (g * host[index] + f * host[index + 1])
    if extra_li != 0.0:
        value += extra_li * (g * lithium[index] + f * lithium[index + 1])
    if extra_si != 0.0:
        value += extra_si * (g * silicon[index] + f * silicon[index + 1])
    return value


@numba.njit(cache=True, nogil=True)
def propagate(
    host: NDArray[np.int64], atoms: Floats, extra: Floats, electrons: Floats,
    tables: Floats, step: float, bohr: float, birth: float,
    exit_kev: Floats, variance: Floats, entry: Floats,
) -> None:  # fmt: skip
    """Fill the outputs for particles born at every edge; a stopped particle has energy zero."""
    cells = atoms.size
    lithium = tables[tables.shape[0] - 2]
    silicon = tables[tables.shape[0] - 1]
    for j in range(cells + 1):
        energy = birth
        spread = 0.0
        entry[j, j] = birth
        alive = True
        for c in range(j - 1, -1, -1):
            table = tables[host[c]]
            li, si, n = extra[0, c], extra[1, c], atoms[c]
            k1 = _loss(table, lithium, silicon, step, n, li, si, energy)
            k2 = _loss(table, lithium, silicon, step, n, li, si, energy - 0.5 * k1)
            k3 = _loss(table, lithium, silicon, step, n, li, si, energy - 0.5 * k2)
            k4 = _loss(table, lithium, silicon, step, n, li, si, energy - k3)
            leaving = energy - (k1 + 2.0 * k2 + 2.0 * k3 + k4) / 6.0
            if leaving <= 2.0 * step or not alive:
                alive = False
                entry[j, c] = 0.0
                energy = 0.0
                continue
            last = _loss(table, lithium, silicon, step, n, li, si, leaving)
            factor = last / k1 if k1 > 0.0 else 1.0
            half = last / k2 if k2 > 0.0 else 1.0
            spread = spread * factor * factor + bohr * electrons[c] * half * half
            energy = leaving
            entry[j, c] = energy
        exit_kev[j] = energy if alive else 0.0
        variance[j] = spread


@numba.njit(cache=True, nogil=True)
def _sources(
    rows: Floats, lithium: Floats, silicon: Floats, step: float, atoms: float, energy: float,
    out: Floats,
) -> None:  # fmt: skip
    """Fill ``out`` with what each way of changing a cell would add to its loss at one energy."""
    position = energy / step
    index = int(position)
    if index < 0:
        out[:] = 0.0
        return
    if index > lithium.size - 2:
        index = lithium.size - 2
    f = position - index
    g = 1.0 - f
    kinds = rows.shape[0]
    for k in range(kinds):
        out[k] = atoms * (g * rows[k, index] + f * rows[k, index + 1])
    out[kinds] = g * lithium[index] + f * lithium[index + 1]
    out[kinds + 1] = g * silicon[index] + f * silicon[index + 1]


@numba.njit(cache=True, nogil=True)
def _steepness(
    host: Floats, lithium: Floats, silicon: Floats, step: float,
    atoms: float, extra_li: float, extra_si: float, energy: float,
) -> float:  # fmt: skip
    """Slope of ``_loss`` by the energy: that of the piece of the tables it is in."""
    index = int(energy / step)
    if index < 0:
        return 0.0
    if index > host.size - 2:
        index = host.size - 2
    value = atoms * (host[index + 1] - host[index])
    value += extra_li * (lithium[index + 1] - lithium[index])
    value += extra_si * (silicon[index + 1] - silicon[index])
    return value / step


KEEPS, WIDENS, NARROWS, STREWS = 0, 1, 2, 3
"""Of one cell on the way: energy after it by that before, variance by energy, variance by that
before, variance by electrons."""


@numba.njit(cache=True, nogil=True)
def _cell_slopes(
    host: Floats, lithium: Floats, silicon: Floats, rows: Floats, step: float, bohr: float,
    atoms: float, extra_li: float, extra_si: float, electrons: float, energy: float, spread: float,
    work: Floats, own: Floats, slows: Floats, spreads: Floats,
) -> tuple[float, float]:  # fmt: skip
    """Step of ``propagate`` through one cell, differentiated; returns energy and variance after.

    Fills ``own`` (4,) and how energy and variance follow each way of changing the cell, ``slows``
    and ``spreads`` (ways,); ``work`` (5, ways) is scratch.  A particle that stops returns zero.
    """
    k1 = _loss(host, lithium, silicon, step, atoms, extra_li, extra_si, energy)
    e2 = energy - 0.5 * k1
    k2 = _loss(host, lithium, silicon, step, atoms, extra_li, extra_si, e2)
    e3 = energy - 0.5 * k2
    k3 = _loss(host, lithium, silicon, step, atoms, extra_li, extra_si, e3)
    e4 = energy - k3
    k4 = _loss(host, lithium, silicon, step, atoms, extra_li, extra_si, e4)
    leaving = energy - (k1 + 2.0 * k2 + 2.0 * k3 + k4) / 6.0
    if leaving <= 2.0 * step:
        return 0.0, 0.0
    last = _loss(host, lithium, silicon, step, atoms, extra_li, extra_si, leaving)
    s1 = _steepness(host, lithium, silicon, step, atoms, extra_li, extra_si, energy)
    s2 = _steepness(host, lithium, silicon, step, atoms, extra_li, extra_si, e2)
    s3 = _steepness(host, lithium, silicon, step, atoms, extra_li, extra_si, e3)
    s4 = _steepness(host, lithium, silicon, step, atoms, extra_li, extra_si, e4)
    s5 = _steepness(host, lithium, silicon, step, atoms, extra_li, extra_si, leaving)
    factor = last / k1 if k1 > 0.0 else 1.0
    half = last / k2 if k2 > 0.0 else 1.0
    by_factor = 2.0 * spread * factor / k1 if k1 > 0.0 else 0.0
    by_half = 2.0 * bohr * electrons * half / k2 if k2 > 0.0 else 0.0
    d1 = s1
    d2 = s2 * (1.0 - 0.5 * d1)
    d3 = s3 * (1.0 - 0.5 * d2)
    d4 = s4 * (1.0 - d3)
    kept = 1.0 - (d1 + 2.0 * d2 + 2.0 * d3 + d4) / 6.0
    d5 = s5 * kept
    own[KEEPS] = kept
    own[WIDENS] = by_factor * (d5 - factor * d1) + by_half * (d5 - half * d2)
    own[NARROWS] = factor * factor
    own[STREWS] = bohr * half * half
    _sources(rows, lithium, silicon, step, atoms, energy, work[0])
    _sources(rows, lithium, silicon, step, atoms, e2, work[1])
    _sources(rows, lithium, silicon, step, atoms, e3, work[2])
    _sources(rows, lithium, silicon, step, atoms, e4, work[3])
    _sources(rows, lithium, silicon, step, atoms, leaving, work[4])
    for k in range(slows.size):
        d1 = work[0, k]
        d2 = work[1, k] - 0.5 * s2 * d1
        d3 = work[2, k] - 0.5 * s3 * d2
        d4 = work[3, k] - s4 * d3
        slows[k] = -(d1 + 2.0 * d2 + 2.0 * d3 + d4) / 6.0
        d5 = work[4, k] + s5 * slows[k]
        spreads[k] = by_factor * (d5 - factor * d1) + by_half * (d5 - half * d2)
    return leaving, spread * factor * factor + bohr * electrons * half * half


@numba.njit(cache=True, nogil=True)
def transport_slopes(
    host: NDArray[np.int64], atoms: Floats, extra: Floats, electrons: Floats,
    tables: Floats, step: float, bohr: float, birth: float, sources: Floats,
    by_energy: Floats, by_variance: Floats, through: Floats,
) -> None:  # fmt: skip
    """Differentiate every step of ``propagate`` and carry the changes to the exit.

    ``sources`` (kinds, layers, energies) are tables that could be added to a host's own.  Fills,
    from zeros, ``by_energy`` (cells + 1, kinds + 2, cells), ``by_variance`` (cells + 1, kinds + 3,
    cells), electrons last, and ``through`` (cells + 1, cells + 1): how the exit energy follows the
    energy at each edge on the way.
    """
    cells, ways = atoms.size, sources.shape[0] + 2
    lithium = tables[tables.shape[0] - 2]
    silicon = tables[tables.shape[0] - 1]
    own, work = np.empty((cells, 4)), np.empty((5, ways))
    slows, spreads = np.empty((cells, ways)), np.empty((cells, ways))
    for j in range(cells + 1):
        energy, spread = birth, 0.0
        for c in range(j - 1, -1, -1):
            energy, spread = _cell_slopes(
                tables[host[c]], lithium, silicon, sources[:, host[c]], step, bohr, atoms[c],
                extra[0, c], extra[1, c], electrons[c], energy, spread, work, own[c], slows[c],
                spreads[c],
            )  # fmt: skip
            if energy == 0.0:
                break
        if energy == 0.0:
            continue
        # Back along the way, from the exit: what a change in each cell still does out there.
        ahead, broad, narrow = 1.0, 0.0, 1.0
        through[j, 0] = 1.0
        for c in range(j):
            for k in range(ways):
                by_energy[j, k, c] = ahead * slows[c, k]
                by_variance[j, k, c] = broad * slows[c, k] + narrow * spreads[c, k]
            by_variance[j, ways, c] = narrow * own[c, STREWS]
            broad = broad * own[c, KEEPS] + narrow * own[c, WIDENS]
            ahead *= own[c, KEEPS]
            narrow *= own[c, NARROWS]
            through[j, c + 1] = ahead


@numba.njit(cache=True, nogil=True)
def _box(x: float, sigma: float) -> float:
    """Integral of the normal distribution function up to ``x``, sigma times it."""
    z = x / sigma
    if z > 8.0:
        return x
    if z < -8.0:
        return 0.0
    return x * 0.5 * math.erfc(-z / math.sqrt(2.0)) + sigma * math.exp(-0.5 * z * z) / math.sqrt(
        2.0 * math.pi
    )


@numba.njit(cache=True, nogil=True)
def _normal(x: float, sigma: float) -> float:
    z = x / sigma
    if z > 8.0:
        return 1.0
    if z < -8.0:
        return 0.0
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@numba.njit(cache=True, nogil=True)
def fold(edges: Floats, exit_kev: Floats, variance: Floats, matrix: Floats) -> None:
    """Fill ``matrix`` (bins, cells) with the share of each cell's particles in each bin."""
    bins = edges.size - 1
    for c in range(exit_kev.size - 1):
        high, low = exit_kev[c], exit_kev[c + 1]
        for b in range(bins):
            matrix[b, c] = 0.0
        if high <= 0.0 or low <= 0.0:
            continue
        sigma = math.sqrt(max(0.5 * (variance[c] + variance[c + 1]), 1e-6))
        width = max(high - low, 1e-6)
        first = np.searchsorted(edges, low - 8.0 * sigma) - 1
        last = np.searchsorted(edges, high + 8.0 * sigma) + 1
        first, last = max(first, 0), min(last, bins)
        below = (_box(edges[first] - low, sigma) - _box(edges[first] - high, sigma)) / width
        for b in range(first, last):
            above = (_box(edges[b + 1] - low, sigma) - _box(edges[b + 1] - high, sigma)) / width
            matrix[b, c] = above - below
            below = above


@numba.njit(cache=True, nogil=True)
def fold_slopes(
    edges: Floats, exit_kev: Floats, variance: Floats, born: Floats,
    by_edge: Floats, by_shift: Floats, by_stretch: Floats, by_width: Floats,
) -> None:  # fmt: skip
    """Add d(spectrum)/d(exit energy of each edge), /d(shift and stretch of the bins), /d(width).

    ``by_edge`` (bins, cells + 1), ``by_shift`` and ``by_stretch`` (bins,): response to moving
    every bin edge up by one keV, or by its own energy; ``by_width`` (bins, cells): to one keV^2
    more variance in each cell.
    """
    bins = edges.size - 1
    for c in range(exit_kev.size - 1):
        high, low = exit_kev[c], exit_kev[c + 1]
        if high <= 0.0 or low <= 0.0 or born[c] == 0.0:
            continue
        sigma = math.sqrt(max(0.5 * (variance[c] + variance[c + 1]), 1e-6))
        width = max(high - low, 1e-6)
        first = max(np.searchsorted(edges, low - 8.0 * sigma) - 1, 0)
        last = min(np.searchsorted(edges, high + 8.0 * sigma) + 1, bins)
        scale = born[c] / width
        old_high = old_low = old_shift = old_stretch = old_variance = 0.0
        for b in range(first, last + 1):
            x_low, x_high = edges[b] - low, edges[b] - high
            p_low, p_high = _normal(x_low, sigma), _normal(x_high, sigma)
            share = (_box(x_low, sigma) - _box(x_high, sigma)) / width
            new_high = (p_high - share) * scale
            new_low = (share - p_low) * scale
            new_shift = (p_low - p_high) * scale
            new_stretch = new_shift * edges[b]
            z_low, z_high = x_low / sigma, x_high / sigma
            bell = math.exp(-0.5 * z_low * z_low) - math.exp(-0.5 * z_high * z_high)
            new_variance = bell / math.sqrt(2.0 * math.pi) / (2.0 * sigma) * scale
            if b > first:
                by_edge[b - 1, c] += new_high - old_high
                by_edge[b - 1, c + 1] += new_low - old_low
                by_shift[b - 1] += new_shift - old_shift
                by_stretch[b - 1] += new_stretch - old_stretch
                by_width[b - 1, c] += new_variance - old_variance
            old_high, old_low, old_shift = new_high, new_low, new_shift
            old_stretch, old_variance = new_stretch, new_variance


@numba.njit(cache=True, nogil=True)
def bin_rows(
    counts: NDArray[np.integer], rows: NDArray[np.int64], per_bin: int, binned: Floats
) -> None:
    """Fill ``binned`` (rows, bins) with sums over ``per_bin`` neighbouring channels."""
    for i in range(binned.shape[0]):
        spectrum = counts[rows[i]]
        for b in range(binned.shape[1]):
            total = np.int64(0)
            for channel in range(b * per_bin, (b + 1) * per_bin):
                total += np.int64(spectrum[channel])
            binned[i, b] = total
