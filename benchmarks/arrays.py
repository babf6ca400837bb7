"""Work on whole runs of spectra, against what memory and multiplication allow on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from benchmarks.common import Line, Size, contest, line
from lidepth.analysis.reduce import rebin_rows
from lidepth.analysis.respond import StackResponse, respond
from lidepth.physics.stopping import stopping_source
from lidepth.virtual.plan import paper_instrument, paper_stack

Floats = NDArray[np.float64]

_PER_BIN = 7  # channels of 0.73 keV: bins of 5.1 keV
_RATE, _DWELL_S = 1.6e-3, 480.0  # alphas per s and 1e15 6Li/cm2 of the published geometry
_PRIOR_1E15, _CORRELATION_CELLS = 20.0, 3.0


def rebin_row(size: Size) -> list[Line]:
    """Raw 16-bit counts to bins of 5 keV, against reading and copying the same memory."""
    counts = np.random.default_rng(1).integers(0, 9, (size.spectra, size.channels), np.uint16)
    words, copy = counts.view(np.uint64), np.empty_like(counts)
    rows = np.arange(size.spectra)
    out = rebin_rows(counts, rows, _PER_BIN)
    times = contest(
        {"lidepth, one core": lambda: rebin_rows(counts, rows, _PER_BIN),
         "reading the counts": words.max, "copying the counts": lambda: np.copyto(copy, counts)},
        size.rounds,
    )  # fmt: skip
    starts = np.arange(out.shape[1]) * _PER_BIN
    whole = counts[:, : out.shape[1] * _PER_BIN]
    exact = np.add.reduceat(whole[:64], starts, axis=1, dtype=np.float64)
    work = f"{size.spectra:,} spectra of {size.channels} channels, {counts.nbytes / 1e6:.0f} MB"
    wrong = float(np.abs(out[:64] - exact).max())
    return [
        line(times, "lidepth, one core", limit, work=work, error=wrong, unit="counts",
             note=f"{counts.nbytes / times[limit].median / 1e9:.1f} GB/s")
        for limit in ("reading the counts", "copying the counts")
    ]  # fmt: skip


def linear_row(size: Size) -> list[Line]:
    """One gain matrix for all spectra of a run near one state, against the bare multiplication.

    lidepth gives the response; the three lines of algebra are here (``gain``).
    """
    at = respond(paper_stack(), paper_instrument(), stopping_source())
    jacobian, expected = _scaled(at)
    truth, counts = _spectra(jacobian, expected, size.spectra)
    run = _Run(jacobian, expected, truth, counts)
    return [
        _linear(run, size, np.dtype(kind), threads)
        for kind in (np.float32, np.float64)
        for threads in (1, 2)
    ]


class _Run(NamedTuple):
    """Derivatives (bins, cells), expected counts (bins,), lithium and counts of each spectrum."""

    jacobian: Floats
    expected: Floats
    truth: Floats
    counts: Floats


def _linear(run: _Run, size: Size, kind: np.dtype, threads: int) -> Line:
    jacobian, expected, truth, _ = run
    spectra = run.counts.astype(kind)
    found = np.empty((size.spectra, jacobian.shape[1]), kind)
    first, second = _operands(jacobian, size.spectra, kind)

    def ours() -> None:
        matrix = gain(jacobian, expected).astype(kind)
        # K (y - m) = K y - K m: the spectra are read once and not written.
        np.matmul(spectra, matrix.T, out=found)
        np.subtract(found, matrix @ expected.astype(kind), out=found)

    label = f"lidepth, {kind.name}, {threads} thread" + ("s" if threads > 1 else "")
    times = contest(
        {label: _with(threads, ours),
         "the product alone": _with(threads, lambda: np.matmul(first, second))}, size.rounds,
    )  # fmt: skip
    operations = 2.0 * first.shape[0] * first.shape[1] * second.shape[1]
    off = found.sum(axis=1) - truth.sum(axis=1)
    rms, stated = float(np.sqrt(np.mean(off**2))), stated_std(jacobian, expected)
    return line(
        times, label, "the product alone", error=rms, unit="10¹⁵ Li/cm²",
        work=f"{size.spectra:,} spectra of {first.shape[1]} bins, {second.shape[1]} cells",
        note=f"{operations / times['the product alone'].median / 1e9:.0f} GFLOP/s; error "
        f"{rms / stated:.2f} x stated",
    )  # fmt: skip


def _with(threads: int, call: Callable[[], object]) -> Callable[[], None]:
    pools = ThreadpoolController()  # looks for the libraries once: that takes a millisecond

    def limited() -> None:
        with pools.limit(limits=threads):
            call()

    return limited


def _operands(jacobian: Floats, spectra: int, kind: np.dtype) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(3)
    bins, cells = jacobian.shape
    return (
        rng.random((spectra, bins)).astype(kind), rng.random((bins, cells)).astype(kind)
    )  # fmt: skip


def _scaled(at: StackResponse) -> tuple[Floats, Floats]:
    """Counts of one spectrum (bins,) and their derivatives by cell (bins, cells)."""
    unit = _RATE * _DWELL_S
    flat = 0.05 * _DWELL_S / at.expected.size
    return at.by_lithium * unit, at.expected * unit + flat


def _spectra(jacobian: Floats, expected: Floats, number: int) -> tuple[Floats, Floats]:
    """True lithium changes (spectra, cells), drawn from the prior, and their Poisson spectra."""
    rng = np.random.default_rng(2)
    root = np.linalg.cholesky(_prior(jacobian.shape[1]))
    truth = rng.standard_normal((number, jacobian.shape[1])) @ root.T
    mean = np.maximum(truth @ jacobian.T + expected, 0.0)
    return truth, rng.poisson(mean).astype(np.float64)


def _prior(cells: int) -> Floats:
    apart = np.subtract.outer(np.arange(cells), np.arange(cells)) / _CORRELATION_CELLS
    return np.asarray(_PRIOR_1E15**2 * (np.exp(-0.5 * apart**2) + 1e-6 * np.eye(cells)))


def gain(jacobian: Floats, expected: Floats) -> Floats:
    """(J'WJ + C^-1)^-1 J'W with the weights of the expected spectrum; (cells, bins)."""
    weighted = jacobian / expected[:, None]
    normal = weighted.T @ jacobian + np.linalg.inv(_prior(jacobian.shape[1]))
    return np.linalg.solve(normal, weighted.T)


def stated_std(jacobian: Floats, expected: Floats) -> float:
    """Standard error of all lithium together, of one spectrum."""
    normal = jacobian.T @ (jacobian / expected[:, None])
    inverse = np.linalg.inv(normal + np.linalg.inv(_prior(jacobian.shape[1])))
    return float(np.sqrt(inverse.sum()))
