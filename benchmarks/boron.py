"""The shared case of the whole reduction: boron in an oxide film, from raw files to a profile.

Truth is drawn event by event (``measure``): birth depths from the true profile, then a walk out
in steps of 2 nm with the stopping in their middle and a kick of Bohr's variance each; no range
table, no propagated variance, no response matrix.  lidepth's way from the same files to the
profile is ``reduce_files``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import Size
from lidepth.files.readers import read_spectra
from lidepth.model.material import Material
from lidepth.model.stack import Layer, Stack
from lidepth.physics.broadening import bohr_kev2_per_1e15, energy_widths
from lidepth.physics.reactions import Projectile, reactions_of
from lidepth.physics.response import fold
from lidepth.physics.stopping import stopping_source
from lidepth.physics.transport import stack_transport, total_stopping

Floats = NDArray[np.float64]

# Settings that the peer's package ships for the NIST instrument, so that both use them.
CHANNELS, GAIN_KEV, OFFSET_KEV = 4096, 0.7144, -12.45
MONITOR_WINDOW, LINE_WINDOW = (1900, 2901), (1791, 2142)
REFERENCE_1E15, REFERENCE_STD_1E15 = 5.22, 0.03
FWHM_KEV = 15.0

OXIDE = Material(formula="SiO2", density_g_cm3=2.20)
SILICON = Material(formula="Si", density_g_cm3=2.33)
FILM_NM, SEEN_NM, CELL_NM = 800.0, 700.0, 20.0
PLATEAU_CM3, PLATEAU_NM = 3.5e20, 300.0
IMPLANT_1E15, IMPLANT_NM, IMPLANT_SIGMA_NM = 5.0, 500.0, 40.0
CELL_EDGES_NM = np.linspace(0.0, FILM_NM, round(FILM_NM / CELL_NM) + 1)

# NIST's own figures for the reference: 13,200 counts of the line in six hours, about three
# monitor counts per second; background as its notebook's spectra have it at these energies.
_LINE_COUNTS, _MONITOR_COUNTS, _SIX_HOURS_S = 13_200.0, 64_800.0, 21_600.0
_FLAT, _TAIL, _TAIL_KEV = 0.2, 30.0, 59.0
_DEAD = 2e-3
_STEP_NM = 2.0
_KINDS = {"sam": "sample", "bgd": "blank", "ref": "reference"}


@dataclass(frozen=True)
class Profile:
    """10B per cm3 and its standard error in the cells between ``edges_nm``, and the whole."""

    edges_nm: Floats
    per_cm3: Floats
    std_per_cm3: Floats
    total_1e15: float
    total_std_1e15: float


def true_per_cm3(edges_nm: Floats) -> Floats:
    """Mean 10B/cm3 between each two edges."""
    inside = np.clip(edges_nm, 0.0, PLATEAU_NM)
    implanted = [
        0.5 * math.erf((x - IMPLANT_NM) / IMPLANT_SIGMA_NM / math.sqrt(2)) for x in edges_nm
    ]
    per_cm2 = PLATEAU_CM3 * inside * 1e-7 + IMPLANT_1E15 * 1e15 * np.array(implanted)
    return np.asarray(np.diff(per_cm2) / (np.diff(edges_nm) * 1e-7))


TRUE_TOTAL_1E15 = PLATEAU_CM3 * PLATEAU_NM * 1e-22 + IMPLANT_1E15


def measure(folder: Path, size: Size, seed: int = 5) -> dict[str, list[Path]]:
    """Write the files of one experiment: spectra and monitors of sample, blank and reference."""
    rng = np.random.default_rng(seed)
    files: dict[str, list[Path]] = {}
    for kind, number in zip(_KINDS, size.files, strict=True):
        files[f"{kind} dat"], files[f"{kind} mon"] = [], []
        for n in range(number):
            flux = size.exposure * (1.0 + 0.02 * rng.standard_normal())
            for part, counts in (
                ("dat", _spectrum(kind, flux, rng)), ("mon", _monitor(flux, rng)),
            ):  # fmt: skip
                path = folder / f"{kind}_{part}_{n:03d}.txt"
                _write(path, counts, _SIX_HOURS_S * size.exposure, n)
                files[f"{kind} {part}"].append(path)
    return files


def _spectrum(kind: str, flux: float, rng: np.random.Generator) -> NDArray[np.int64]:
    channel = np.arange(CHANNELS)
    energy = GAIN_KEV * channel + OFFSET_KEV
    background = flux * (_FLAT + _TAIL * np.exp(-(np.maximum(energy, 100.0) - 500.0) / _TAIL_KEV))
    counts = rng.poisson(background)
    if kind == "bgd":
        return counts
    total = TRUE_TOTAL_1E15 if kind == "sam" else REFERENCE_1E15
    host = OXIDE if kind == "sam" else SILICON
    first = reactions_of("10B")[0]
    for reaction in reactions_of("10B"):
        strength = reaction.branch_fraction / first.branch_fraction
        for product in (reaction.light, reaction.heavy):
            mean = flux * strength * _LINE_COUNTS * total / REFERENCE_1E15
            depth = _depths(kind, rng.poisson(mean), rng)
            out = walk_out(host, product.projectile, depth, product.energy_kev, rng)
            seen = out + FWHM_KEV / 2.3548 * rng.standard_normal(out.size)
            counts += _histogram(seen)
    return counts


def _depths(kind: str, number: int, rng: np.random.Generator) -> Floats:
    if kind == "ref":  # an implant below a bare surface
        return np.abs(rng.normal(188.0, 50.0, number))
    implanted = rng.random(number) < IMPLANT_1E15 / TRUE_TOTAL_1E15
    flat, deep = (
        rng.uniform(0, PLATEAU_NM, number),
        rng.normal(IMPLANT_NM, IMPLANT_SIGMA_NM, number),
    )
    return np.where(implanted, deep, flat)


def walk_out(
    host: Material, ion: Projectile, depth_nm: Floats, birth_kev: float, rng: np.random.Generator
) -> Floats:
    """Energies at the surface of particles born at ``depth_nm`` (n,), flying along the normal."""
    grid = np.arange(1.0, birth_kev + 60.0)
    table = total_stopping(stopping_source(), ion, host)(grid)
    bohr = bohr_kev2_per_1e15(host, ion) * host.atoms_1e15_per_nm
    deepest_first = np.sort(depth_nm)[::-1]
    energy = np.full(depth_nm.size, birth_kev)
    edge = math.ceil(depth_nm.max() / _STEP_NM) * _STEP_NM if depth_nm.size else 0.0
    while edge > 0.0:
        edge -= _STEP_NM
        going = int(np.searchsorted(-deepest_first, -edge, side="left"))
        path = np.minimum(deepest_first[:going] - edge, _STEP_NM)
        now = energy[:going]
        atoms = path * host.atoms_1e15_per_nm
        middle = now - 0.5 * atoms * np.interp(now, grid, table)
        energy[:going] = now - atoms * np.interp(middle, grid, table)
        energy[:going] += np.sqrt(bohr * path) * rng.standard_normal(going)
    return energy


def _monitor(flux: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """A bare boron foil before the sample: two alpha lines."""
    branch = reactions_of("10B")[0].branch_fraction
    number = rng.poisson(flux * _MONITOR_COUNTS)
    line = np.where(rng.random(number) < branch, 1472.35, 1776.4)
    return _histogram(line + FWHM_KEV / 2.3548 * rng.standard_normal(number))


def _histogram(energy_kev: Floats) -> NDArray[np.int64]:
    channel = np.floor((energy_kev - OFFSET_KEV) / GAIN_KEV + 0.5).astype(np.int64)
    inside = channel[(channel >= 0) & (channel < CHANNELS)]
    return np.bincount(inside, minlength=CHANNELS)


def _write(path: Path, counts: NDArray[np.int64], real_s: float, number: int) -> None:
    """The text of a Lynx: eight lines of header, then channel and counts."""
    head = [
        "Detector:   made", f"Sample: {path.stem}",
        f"Start Time: Sat Aug 10 {number % 24:02d}:11:05 EDT 2019",
        f"Live Time:  {real_s * (1.0 - _DEAD):.3f}", f"Real Time:  {real_s:.3f}",
        f"Channels:   {CHANNELS}", "", "Channel Counts",
    ]  # fmt: skip
    rows = [f"{channel} {n}" for channel, n in enumerate(counts.tolist())]
    path.write_text("\n".join([*head, *rows]) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class _Sum:
    """Summed counts (channels,) and the monitor, both for the same live time."""

    counts: Floats
    monitor: float


def _sum(spectra: list[Path], monitors: list[Path]) -> _Sum:
    counts, live, real = _added(spectra)
    watched, watched_live, watched_real = _added(monitors)
    monitor = watched[slice(*MONITOR_WINDOW)].sum() * watched_real / watched_live
    return _Sum(counts, float(monitor * live / real))


def _added(paths: list[Path]) -> tuple[Floats, float, float]:
    read = [read_spectra(path, key="genie")[0] for path in paths]
    counts = np.sum([one.counts for one in read], axis=0, dtype=np.float64)
    return counts, sum(one.live_s for one in read), sum(one.real_s for one in read)


_BIN, _LOW, _HIGH = 7, 1740, 2142  # channels per bin: a third of the resolution; 1231-1517 keV


def reduce_files(files: dict[str, list[Path]], out: Path) -> Profile:
    """Raw files to profile: read, sum, normalise, response, penalised Poisson fit, CSV.

    Reader, stopping, transport, widths and folding are lidepth's.  The fit is the short one
    below: second differences of the profile held small, by as much as the evidence says.
    """
    sample, blank, reference = (_sum(files[f"{k} dat"], files[f"{k} mon"]) for k in _KINDS)
    net = slice(*LINE_WINDOW)
    ratio = reference.monitor / blank.monitor
    line = reference.counts[net].sum() - ratio * blank.counts[net].sum()
    line_variance = reference.counts[net].sum() + ratio**2 * blank.counts[net].sum()
    per_1e15 = line / reference.monitor / REFERENCE_1E15 * sample.monitor
    common = math.sqrt(
        line_variance / line**2 + (REFERENCE_STD_1E15 / REFERENCE_1E15) ** 2
        + 1.0 / sample.monitor + 1.0 / reference.monitor
    )  # fmt: skip
    matrix = per_1e15 * response()
    scale = sample.monitor / blank.monitor
    found, covariance = fit(_bins(sample.counts), scale * _bins(blank.counts), scale, matrix)
    covariance = covariance + common**2 * np.outer(found, found)
    unit = 1e15 / (CELL_NM * 1e-7)
    profile = Profile(
        edges_nm=CELL_EDGES_NM, per_cm3=found * unit,
        std_per_cm3=np.sqrt(np.diag(covariance)) * unit, total_1e15=float(found.sum()),
        total_std_1e15=float(np.sqrt(covariance.sum())),
    )  # fmt: skip
    table = np.column_stack([CELL_EDGES_NM[:-1], profile.per_cm3, profile.std_per_cm3])
    np.savetxt(out, table, delimiter=",", header="depth nm, 10B/cm3, std")
    return profile


def _bins(counts: Floats) -> Floats:
    whole = (_HIGH - _LOW) // _BIN * _BIN
    return np.asarray(counts[_LOW : _LOW + whole].reshape(-1, _BIN).sum(axis=1))


def response() -> Floats:
    """Share of the alphas of the stronger branch of each cell in each bin; (bins, cells)."""
    alpha = reactions_of("10B")[0].light
    film = Stack(layers=(Layer(material=OXIDE, thickness_nm=FILM_NM),))
    moving = stack_transport(film, stopping_source(), alpha.projectile, max_energy_kev=2000.0)
    depth = CELL_EDGES_NM * OXIDE.atoms_1e15_per_nm
    widths = energy_widths(
        moving, film, alpha.projectile, depth_1e15=depth, birth_energy_kev=alpha.energy_kev
    )
    edges = GAIN_KEV * (np.arange(_LOW, _HIGH + 1, _BIN) - 0.5) + OFFSET_KEV
    variance = widths.total_kev**2 + (FWHM_KEV / 2.3548) ** 2
    return fold(edges, widths.exit_energy_kev, variance)


def fit(counts: Floats, blank: Floats, scale: float, matrix: Floats) -> tuple[Floats, Floats]:
    """Contents of the cells (cells,) and their covariance, at the smoothness of most evidence."""
    bend = np.diff(np.eye(matrix.shape[1]), 2, axis=0)
    penalty = bend.T @ bend
    best: tuple[float, Floats, Floats] | None = None
    for strength in np.geomspace(1e2, 1e8, 13):
        found, covariance, evidence = _fit_at(counts, blank, scale, matrix, strength * penalty)
        if best is None or evidence > best[0]:
            best = (evidence, found, covariance)
    assert best is not None
    return best[1], best[2]


def _fit_at(
    counts: Floats, blank: Floats, scale: float, matrix: Floats, precision: Floats
) -> tuple[Floats, Floats, float]:
    found = np.full(matrix.shape[1], max(counts.sum() - blank.sum(), 1.0) / matrix.sum())
    for _ in range(4):  # Poisson weights by what is expected; settled to 1e-3 of an error by then
        expected = np.maximum(matrix @ found, 0.0) + blank
        variance = expected + scale * blank + 0.5
        weighted = matrix / variance[:, None]
        normal = weighted.T @ matrix + precision
        found = np.linalg.solve(normal, weighted.T @ (counts - blank))
    residual = counts - blank - matrix @ found
    misfit = float(np.sum(residual**2 / variance) + found @ precision @ found)
    freedom = matrix.shape[1] - 2  # the penalty leaves straight lines free
    strength = np.trace(precision)
    determinant = np.linalg.slogdet(normal)[1] + float(np.sum(np.log(variance)))
    evidence = 0.5 * (freedom * math.log(strength) - determinant - misfit)
    return found, np.linalg.inv(normal), evidence
