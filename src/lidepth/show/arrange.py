"""Picking, regrouping and naming what figures show; no physics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.model.calibration import SpectrumFit
from lidepth.model.profile import DepthProfile
from lidepth.model.result import Analysis
from lidepth.model.stack import ROLES
from lidepth.show.drawing import NothingToDraw
from lidepth.show.style import ROLE_SHADES

Floats = NDArray[np.float64]
PAPER_CYCLES = (1, 2, 10, 30, 100, 250)
MARGIN_KEV = 120.0


@dataclass(frozen=True)
class Rate:
    """Counts per second and keV on a grid, at the beam of the pristine spectra, with its error."""

    edges_kev: Floats
    value: Floats
    std: Floats


def rebinned(counts: Floats, edges: Floats, grid: Floats) -> Floats:
    """Share ``counts`` between ``edges`` over the bins of ``grid``; counts are kept.

    ``counts`` (..., bins); bins of ``grid`` outside ``edges`` get nothing.
    """
    rows = np.atleast_2d(np.asarray(counts, dtype=np.float64))
    sums = np.concatenate([np.zeros((rows.shape[0], 1)), np.cumsum(rows, axis=1)], axis=1)
    inside = np.clip(grid, edges[0], edges[-1])
    right = np.clip(np.searchsorted(edges, inside, side="right"), 1, edges.size - 1)
    share = (inside - edges[right - 1]) / (edges[right] - edges[right - 1])
    at_grid = sums[:, right - 1] + share * (sums[:, right] - sums[:, right - 1])
    shared: Floats = np.diff(at_grid, axis=1).reshape(*np.shape(counts)[:-1], grid.size - 1)
    return shared


def regions_kev(analysis: Analysis) -> dict[str, tuple[float, float]]:
    """Energies that alphas from each layer leave with, (low, high) in keV, where known."""
    found: dict[str, tuple[float, float]] = {}
    for role in ROLES:
        words = analysis.provenance.get(f"region_{role}_kev", "").split()
        if len(words) == 2:
            low, high = sorted(float(word) for word in words)
            found[role] = (low, high)
    return found


def births_kev(analysis: Analysis) -> dict[str, float]:
    """Birth energy of alpha and triton in keV, where the provenance tells."""
    keys = {"alpha": "birth_alpha_kev", "triton": "birth_triton_kev"}
    return {
        particle: float(analysis.provenance[key])
        for particle, key in keys.items()
        if key in analysis.provenance
    }


def alpha_grid(analysis: Analysis, step_kev: float) -> Floats:
    """Energy edges over the alphas of the three layers, or over everything fitted."""
    regions = regions_kev(analysis)
    edges = analysis.calibration.fit.edges_kev
    low, high = float(edges[0]), float(edges[-1])
    if regions:
        low = max(low, min(pair[0] for pair in regions.values()) - MARGIN_KEV)
        high = min(high, max(pair[1] for pair in regions.values()) + MARGIN_KEV)
    first = math.ceil(low / step_kev)
    return np.asarray(
        step_kev * np.arange(first, math.floor(high / step_kev + 1e-9) + 1), dtype=np.float64
    )


def channel_edges_kev(analysis: Analysis) -> Floats:
    """Energy edges of the raw channels, calibrated if the provenance holds the fitted scale."""
    nominal = analysis.run.instrument.calibration
    offset = float(analysis.provenance.get("energy_offset_kev", nominal.offset_kev))
    gain = float(analysis.provenance.get("energy_gain_kev", nominal.gain_kev))
    return np.asarray(offset + gain * np.arange(analysis.run.series.channels + 1), np.float64)


def pristine_rows(analysis: Analysis) -> NDArray[np.bool_]:
    """True for the usable spectra of the pristine cell; shape (spectra,)."""
    rows: NDArray[np.bool_] = analysis.run.pristine & analysis.run.series.usable
    return rows


def beam_per_s(analysis: Analysis) -> float:
    """Monitor counts per live second in the pristine state; NaN without a monitor."""
    rows = pristine_rows(analysis)
    live = float(analysis.run.series.live_s[rows].sum())
    return float(analysis.run.series.monitor[rows].sum()) / live if live > 0 else np.nan


def exposure_s(live_s: float, monitor: float, beam: float) -> float:
    """Live seconds at the pristine beam, from the monitor where there is one."""
    return monitor / beam if monitor > 0 and beam > 0 else live_s


def pristine_rate(analysis: Analysis, grid: Floats) -> Rate:
    """The pristine spectrum on ``grid``."""
    fit = analysis.calibration.fit
    return _rate(fit.counts, fit, grid, fit.live_s)


def state_rates(analysis: Analysis, name: str, grid: Floats) -> list[tuple[int, Rate, Floats]]:
    """Cycle number, measured rate and fitted rate (bins,) of every state called ``name``."""
    beam = beam_per_s(analysis)
    found = []
    for state, fit in zip(analysis.states, analysis.fits, strict=True):
        if state.name == name:
            seconds = exposure_s(state.live_s, state.monitor, beam) * fit.live_s / state.live_s
            model = _rate(fit.model, fit, grid, seconds).value
            found.append((state.cycle, _rate(fit.counts, fit, grid, seconds), model))
    if not found:
        raise NothingToDraw(f"no {name} state was found", expected="a cycler record with rests")
    return found


def _rate(counts: Floats, fit: SpectrumFit, grid: Floats, seconds: float) -> Rate:
    binned = rebinned(counts, fit.edges_kev, grid)
    scale = 1.0 / (seconds * np.diff(grid))
    return Rate(grid, binned * scale, np.sqrt(np.maximum(binned, 1.0)) * scale)


def profiles_of(analysis: Analysis, state: str) -> list[DepthProfile]:
    """Profiles of one state name, in order of the cycle."""
    found = [profile for profile in analysis.profiles if profile.state == state]
    if not found:
        raise NothingToDraw(f"no {state} profile was found", expected="a cycler record with rests")
    return sorted(found, key=lambda profile: profile.cycle)


def shown_cycles(available: list[int]) -> list[int]:
    """The paper's cycles if at least four exist, otherwise spaced evenly in the logarithm."""
    chosen = [cycle for cycle in PAPER_CYCLES if cycle in available]
    if len(chosen) < min(4, len(available)):
        wanted = np.geomspace(max(min(available), 1), max(available), 6)
        chosen = sorted({min(available, key=lambda c: abs(c - w)) for w in wanted.tolist()})
    return chosen


def depth_regions(profile: DepthProfile) -> dict[str, tuple[float, float]]:
    """Depth of each layer in nm of the pristine stack, from the anode surface."""
    spans: dict[str, tuple[float, float]] = {}
    for role in dict.fromkeys(profile.regions):
        cells = np.flatnonzero([region == role for region in profile.regions])
        spans[role] = (float(profile.edges_nm[cells[0]]), float(profile.edges_nm[cells[-1] + 1]))
    return spans


def with_gaps(cycle: NDArray[np.int64] | Floats, *columns: Floats) -> list[Floats]:
    """Cycles (or times) and columns with a NaN wherever some are missing, so that lines break."""
    steps = np.diff(cycle)
    usual = float(np.median(steps)) if steps.size else 1.0
    gaps = np.flatnonzero(steps > 1.5 * usual) + 1
    return [np.insert(np.asarray(c, dtype=np.float64), gaps, np.nan) for c in (cycle, *columns)]


def stairs(axes: Any, values: Floats, edges: Floats, **looks: Any) -> None:
    """Draw a histogram's outline; much quicker than matplotlib's own."""
    axes.plot(np.repeat(edges, 2)[1:-1], np.repeat(values, 2), **looks)


def error_lines(
    axes: Any, at: Floats, low: Floats, high: Floats, *, across: bool = False, **looks: Any
) -> None:
    """Draw error bars as one line, which is quick where there are many; ``across``: along x."""
    empty = np.full(np.shape(at), np.nan)
    places = np.column_stack([at, at, empty]).ravel()
    ends = np.column_stack([low, high, empty]).ravel()
    axes.plot(*((ends, places) if across else (places, ends)), **looks)


def shade(axes: Any, spans: dict[str, tuple[float, float]], *, names: bool = True) -> None:
    """Shade the layers along x, and name them along the upper edge."""
    for role, (low, high) in spans.items():
        axes.axvspan(low, high, color=ROLE_SHADES.get(role, "#f4f4f4"), lw=0, zorder=0)
    if names:
        name_spans(axes, spans)


def name_spans(axes: Any, spans: dict[str, tuple[float, float]], *, above: bool = False) -> None:
    """Name layers at the top of the axes; narrow ones, or all, above the frame."""
    low, high = sorted(axes.get_xlim())
    for role, (start, stop) in spans.items():
        middle = 0.5 * (max(start, low) + min(stop, high))
        if not low < middle < high:
            continue
        narrow = above or (stop - start) < 0.12 * (high - low)
        axes.text(
            middle, 1.01 if narrow else 0.975, role, transform=axes.get_xaxis_transform(),
            ha="center", va="bottom" if narrow else "top", fontsize=7, color="#444444",
        )  # fmt: skip


def with_time_gaps(start: Floats, stop: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Edges in time and rows of an image (rows, ...), with an empty row where nothing was taken.

    A pause shorter than half a row is no gap.
    """
    edges, rows = [float(start[0])], []
    for first, last, row in zip(start.tolist(), stop.tolist(), values, strict=True):
        if first - edges[-1] > 0.5 * (last - first):
            rows.append(np.full_like(row, np.nan))
            edges.append(first)
        rows.append(row)
        edges.append(last)
    return np.array(edges), np.array(rows)
