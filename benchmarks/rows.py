"""The rows of the benchmarks page, in its order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.arrays import linear_row, rebin_row
from benchmarks.campaign import live_row, report_row, run_file_row, smoother_row, states_row
from benchmarks.common import Line, Size
from benchmarks.reduction import reduction_row
from benchmarks.scaling import Growth, scaling_row
from benchmarks.transport import transport_row


@dataclass(frozen=True)
class Row:
    """``title`` and ``about`` stand on the page; ``run`` measures."""

    title: str
    about: str
    run: Callable[[Size], list[Line] | list[Growth]]


ROWS: dict[str, Row] = {
    "transport": Row(
        "Transport: pycatima and LunaSRIM",
        "Exit energies of alphas (born with 1700 to 2055 keV) and tritons (2300 to 2727 keV) at "
        "the back of Cu 150 | Si 50 | Li3PO4 2000 | LiCoO2 550 | Pt 200 nm, one core. Each is "
        "compared with a Runge-Kutta of eighth order (DOP853) on its own stopping power, so that "
        "errors are of the arithmetic and not of the tables; the largest of eight energies (three "
        "for `energy_loss`). For accuracy per second, errors below 0.01 keV count as 0.01 keV. "
        "pycatima solves for the exit energy to 10 µg/cm² of path, 40 nm of Li3PO4: its tables "
        "are right, its thin films are not. `energy_loss` is timed on a few particles and scaled; "
        "the last peer is LunaSRIM's stopping table, integrated once and interpolated.",
        transport_row,
    ),
    "reduction": Row(
        "Whole reduction: NIST's ndp",
        "¹⁰B in 800 nm of SiO2: 3.5·10²⁰/cm³ down to 300 nm and an implant of 5·10¹⁵/cm² at "
        "500 ± 40 nm; a blank, the N6 reference and monitors beside it; 15 keV detector. Spectra "
        "are drawn event by event, by a walk through the film that shares only stopping and "
        "Bohr's variance with what is tested. The same files go to both, raw text to CSV. ndp "
        "gets what favours it: one homogeneous film, exact energies at eleven thicknesses for "
        "TRIM's, settings under which branch and cross section cancel (its example's 0.94 would "
        "add 6 %). lidepth's side is its readers, stopping, transport, widths and folding, and a "
        "penalised Poisson fit of forty lines in `benchmarks/boron.py`: there is no verb for "
        "boron profiles. ndp converts energies to depths and does not undo the resolution, so its "
        "profile error is mostly the blurred edges; totals need no resolution. Errors of the "
        "profile are the rms over 20 nm cells down to 700 nm, in per cent of the plateau; below "
        "0.1 % they count as 0.1 % in accuracy per second. One draw of the counts.",
        reduction_row,
    ),
    "rebin": Row(
        "Rebinning: memory bandwidth",
        "16-bit counts of a whole campaign to bins of 5 keV (seven channels), against reading and "
        "copying the same memory in the same run. Counts are conserved exactly.",
        rebin_row,
    ),
    "linear": Row(
        "Linear inversion: matrix multiplication",
        "All spectra of a campaign through one gain matrix, its making included, against the "
        "bare product of matrices of that size in the same run. The response is lidepth's "
        "(`respond`), the algebra is in `benchmarks/arrays.py`. The error is that of all lithium "
        "of one eight-minute spectrum, which is its counting error.",
        linear_row,
    ),
    "states": Row(
        "Gauss-Newton: the default method",
        "The fit of all states of a simulated campaign together, shared parameters and coulometry "
        "included, and each state by itself with the shared ones held; seconds of processor, all "
        "threads together, per state. The limit is 8 ms per state. Errors are the rms of anode "
        "and electrolyte in per cent of the first charge, against the simulator.",
        states_row,
    ),
    "smoother": Row(
        "Smoother: a campaign of 22,500 spectra",
        "Reduced counts to smoothed ledger, from the fit of the states on, seconds of processor, "
        "all threads together. Measured on a campaign of thirty cycles and scaled in proportion to "
        "the number of spectra, which overstates by about a quarter: the model is carried through "
        "exactly at so many anchors per cycle, and after thirty cycles at half as many. The limit "
        "is 40 s.",
        smoother_row,
    ),
    "live": Row(
        "Live filter",
        "Spectra given one by one, by the wall clock. The limit is 20 ms.",
        live_row,
    ),
    "report": Row(
        "Raw files to report",
        "The published workflow on a simulated campaign, against the minute it may take; its "
        "parts against reading the same files.",
        report_row,
    ),
    "run-file": Row(
        "Run file",
        "Opening, verifying and ordering a run of many spectra, against the arithmetic alone on "
        "an array in memory. `benchmarks/bench_run_file.py` does it for 22,500 spectra.",
        run_file_row,
    ),
    "scaling": Row(
        "Scaling",
        "Exponents p of time ∝ n^p, fitted to the least times of several n, and what counting "
        "the operations gives. An exponent below says that a fixed cost is still part of the "
        "time.",
        scaling_row,
    ),
}  # fmt: skip
