"""How time grows with spectra, channels and depth cells: exponents of fitted power laws."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.campaign import made, smoothing
from benchmarks.common import Size, contest
from lidepth.analysis.campaign.anchoring import Anchoring
from lidepth.analysis.campaign.linear import Spectra
from lidepth.analysis.campaign.smooth import Campaign, linearise, solve_linear, starting_point
from lidepth.analysis.forward import Setting
from lidepth.analysis.reduce import rebin_rows
from lidepth.physics.response import CellColumn, fold, propagate

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Seconds for each of ``counts`` of ``unit``; ``expected`` exponent by counting operations."""

    what: str
    unit: str
    expected: float
    counts: tuple[int, ...]
    seconds: tuple[float, ...]
    note: str = ""

    @property
    def exponent(self) -> float:
        """Slope of the straight line through the logarithms."""
        return float(np.polyfit(np.log(self.counts), np.log(self.seconds), 1)[0])


def scaling_row(size: Size) -> list[Growth]:
    """All of them."""
    return [
        *_smoother(size), _channels(size), _bins(size), _fold_cells(size), _cells(size),
    ]  # fmt: skip


def _fitted(
    what: str, unit: str, expected: float, calls: dict[int, Callable[[], object]], size: Size,
    note: str = "",
) -> Growth:  # fmt: skip
    times = contest({str(count): call for count, call in calls.items()}, 3 * size.rounds)
    return Growth(
        what=what,
        unit=unit,
        expected=expected,
        counts=tuple(calls),
        note=note,
        seconds=tuple(times[str(count)].best for count in calls),
    )


def _halved(largest: int, size: Size, least: int = 2) -> list[int]:
    return sorted({max(largest >> step, least) for step in range(size.steps)})


def _smoother(size: Size) -> list[Growth]:
    """The first part of the campaign: one pass of Gauss-Newton, and what of it is the chain."""
    campaign, inversion = smoothing(size), made(size).inversion
    counts = tuple(_halved(len(campaign.moments), size, 16))
    exact, chain = [], []
    for n in counts:
        part = _part(campaign, n)
        shared, states = starting_point(part, inversion)
        start = time.perf_counter()
        linear = linearise(part, shared, states)
        exact.append(time.perf_counter() - start)
        again = contest({"chain": lambda part=part, linear=linear: solve_linear(part, linear)}, 2)
        chain.append(again["chain"].best)
    model, filters = "exact response and evidence of all spectra", "filter and smoother"
    return [
        Growth(what=model, unit="spectra", expected=1.0, counts=counts, seconds=tuple(exact),
               note="timed once; anchors grow with the charge moved"),
        Growth(what=filters, unit="spectra", expected=1.0, counts=counts, seconds=tuple(chain)),
    ]  # fmt: skip


def _part(campaign: Campaign, count: int) -> Campaign:
    """The first spectra of a campaign as one of its own."""
    seen = campaign.spectra
    spectra = Spectra(
        counts=seen.counts[:count], exposure=seen.exposure[:count], live_s=seen.live_s[:count],
        beam_std=seen.beam_std[:count], run_fraction=seen.run_fraction[:count],
    )  # fmt: skip
    anchors = campaign.anchors[campaign.anchors < count - 1]
    return replace(
        campaign, moments=campaign.moments.first(count), spectra=spectra,
        steps=campaign.steps[:count],
        anchoring=Anchoring(
            rows=np.append(anchors, count - 1), place=campaign.anchoring.place[:count]
        ),
    )  # fmt: skip


def _channels(size: Size) -> Growth:
    rng = np.random.default_rng(1)
    calls: dict[int, Callable[[], object]] = {}
    for channels in _halved(16 * size.channels // 4, size, 64):
        counts = rng.integers(0, 9, (200, channels), np.int32)
        calls[channels] = lambda counts=counts: rebin_rows(counts, np.arange(200), 7)
    return _fitted("rebinning", "channels", 1.0, calls, size, note="200 spectra")


def _column(size: Size, parts: int) -> CellColumn:
    """The cells of the published cell, each cut into ``parts`` equal ones."""
    model = made(size).inversion.model
    shared = made(size).inversion.solution.shared
    setting, alpha = Setting(exposure=1.0, live_s=1.0), model.particles[0]
    column = model.column(alpha, shared, setting, np.zeros(model.grid.cells))

    def cut(values: Floats) -> Floats:
        return np.repeat(values / parts, parts, axis=-1)

    return replace(
        column, host=np.repeat(column.host, parts), atoms_1e15=cut(column.atoms_1e15),
        extra_1e15=cut(column.extra_1e15), electrons_1e15=cut(column.electrons_1e15),
    )  # fmt: skip


def _cells(size: Size) -> Growth:
    """Every edge's particle crosses every cell above it."""
    calls: dict[int, Callable[[], object]] = {}
    for parts in _powers(size):
        column = _column(size, parts)
        calls[column.host.size] = lambda column=column: propagate(column)
    return _fitted("energies, widths and slopes of all edges", "depth cells", 2.0, calls, size)


def _fold_cells(size: Size) -> Growth:
    """The thinner the cells, the fewer bins each reaches beyond its own width."""
    calls: dict[int, Callable[[], object]] = {}
    edges = np.linspace(200.0, 2800.0, 521)
    for parts in _powers(size):
        out = propagate(_column(size, parts))
        calls[out.exit_kev.size - 1] = lambda out=out: fold(
            edges, out.exit_kev, out.variance_kev2 + 60.0
        )
    return _fitted("response matrix", "depth cells", 1.0, calls, size, note="520 bins")


def _bins(size: Size) -> Growth:
    out = propagate(_column(size, 1))
    calls: dict[int, Callable[[], object]] = {}
    for bins in _halved(4096, size):
        edges = np.linspace(200.0, 2800.0, bins + 1)
        calls[bins] = lambda edges=edges: fold(edges, out.exit_kev, out.variance_kev2 + 60.0)
    return _fitted("response matrix", "energy bins", 1.0, calls, size,
                   note=f"{out.exit_kev.size - 1} cells")  # fmt: skip


def _powers(size: Size) -> Sequence[int]:
    return [2**step for step in range(size.steps)]
