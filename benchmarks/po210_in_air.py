"""Make docs/validation/po210.md: alphas of 210Po slowed down in air, measured and predicted.

    python benchmarks/po210_in_air.py [--write]

Needs the real spectra, which are not part of lidepth: the folder data/ndp/po210_air_pressure of
LIDEPTH_SHARED (or ../shared).  With --write the page and its figure go to docs/validation; without,
the tables go to standard output.  LunaSRIM is used where it is installed.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares, minimize
from scipy.special import log_ndtr

from lidepth.constants import AVOGADRO
from lidepth.errors import LidepthError
from lidepth.files.readers import read_spectrum
from lidepth.model.material import Material
from lidepth.model.stack import Layer, Stack
from lidepth.physics.broadening import energy_widths
from lidepth.physics.reactions import projectile
from lidepth.physics.stopping import stopping_source
from lidepth.physics.transport import (
    RangeTable,
    StackTransport,
    energy_after,
    stack_transport,
)

Floats = NDArray[np.float64]

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "validation"
ALPHA_KEV = 5304.33  # 210Po, 100.0 % of its alphas
STATED_MM, STATED_STD_MM = 40.0, 2.8
CELSIUS = (70.9 - 32.0) / 1.8  # the thermometer of the set reads 70.9 (Fahrenheit)
FIRST_CHANNEL = 12  # below, the electronic noise
MAIN_DAY = np.datetime64("2022-01-27")
THRESHOLD_TORR = 600.0  # above, the peak runs into the noise edge
GAIN_KEV = 12.57  # per channel, near enough for turning a scatter of channels into torr
PULSER_STEPS = np.array([1.0, 2.0, 2.5, 5.0, 10.0])
PULSER_GUESS = (42.0, 85.0, 106.0, 214.0, 429.0)
_FWHM = 2.3548200450309493
_R_TORR = 62.363598e3  # gas constant, torr cm3 / (mol K)


@dataclass(frozen=True, kw_only=True)
class Peak:
    """Upper edge of one peak: the place of alphas that lost nothing in the source."""

    name: str
    pressure_torr: float
    day: np.datetime64
    channel: float
    channel_std: float
    sigma: float
    sigma_std: float
    tail: float
    counts: int


@dataclass(frozen=True, kw_only=True)
class AirFit:
    """Energy scale and path that bring prediction and peaks together."""

    source: str
    offset_kev: float
    gain_kev: float
    path_mm: float
    std: Floats
    energy_kev: Floats
    residual_kev: Floats
    expected_std_kev: Floats
    rms_kev: float
    chi2: float
    freedom: int


def data_folder() -> Path:
    """Return the folder of the spectra, whether or not it exists."""
    shared = Path(os.environ.get("LIDEPTH_SHARED", ROOT.parent / "shared"))
    return shared / "data" / "ndp" / "po210_air_pressure"


def read_peaks(folder: Path) -> list[Peak]:
    """Fit every spectrum whose name gives a pressure, sorted by pressure and time."""
    found: dict[str, tuple[np.datetime64, Peak]] = {}
    for file in sorted(folder.rglob("*.Spe")):
        match = re.fullmatch(r"spectrum(\d+)(_\d+)?", file.stem)
        if match is None:
            continue
        raw = read_spectrum(file)
        if raw.sha256 in found or raw.start is None:  # one file was saved under two names
            continue
        peak = fit_peak(np.asarray(raw.counts, np.float64), file.stem, float(match[1]), raw.start)
        found[raw.sha256] = (raw.start, peak)
    ordered = sorted(found.values(), key=lambda item: (item[1].pressure_torr, item[0]))
    return [peak for _, peak in ordered]


def fit_peak(counts: Floats, name: str, pressure_torr: float, start: np.datetime64) -> Peak:
    """Fit a Gaussian edge with two exponential tails to lower energies, by Poisson likelihood.

    The tails are alphas from inside the source, and its rim seen at a slant.
    """
    channel = np.arange(counts.size) + 0.5
    smooth = np.convolve(counts, np.ones(5) / 5, mode="same")
    top = FIRST_CHANNEL + int(np.argmax(smooth[FIRST_CHANNEL:]))
    low, high = max(FIRST_CHANNEL, top - 90), min(counts.size, top + 40)
    x, n = channel[low:high], counts[low:high]

    def model(p: Floats) -> Floats:
        place, ln_sigma, ln_tail, ln_ratio, ln_area, share, ln_flat = p
        sigma, tail = np.exp(ln_sigma), np.exp(ln_tail)
        mix = 1.0 / (1.0 + np.exp(-share))
        long = tail * (1.0 + np.exp(ln_ratio))
        shape = (1.0 - mix) * _tailed(x, place, sigma, tail) + mix * _tailed(x, place, sigma, long)
        return np.asarray(np.exp(ln_area) * shape + np.exp(ln_flat) + 1e-9)

    def half_deviance(p: Floats) -> float:
        expected = model(p)
        prior = 0.5 * ((p[2] - np.log(10.0)) / 0.7) ** 2 + 0.5 * ((p[3] - 1.0) / 0.7) ** 2
        prior += 0.5 * (p[5] / 1.5) ** 2 + 0.5 * ((p[6] - np.log(0.05)) / 2.0) ** 2
        return float(np.sum(expected - n * np.log(expected)) + prior)

    first = np.array([top + 4.0, np.log(4.0), np.log(10.0), 1.0, np.log(n.sum()), -0.5, -3.0])
    most = {"maxiter": 20000, "maxfev": 20000, "xatol": 1e-4, "fatol": 1e-5}
    best = minimize(half_deviance, first, method="Nelder-Mead", options=most)
    best = minimize(half_deviance, best.x, method="BFGS")
    covariance = np.linalg.inv(_hessian(half_deviance, best.x))
    return Peak(
        name=name, pressure_torr=pressure_torr, day=start.astype("datetime64[D]"),
        channel=float(best.x[0]), channel_std=float(np.sqrt(covariance[0, 0])),
        sigma=float(np.exp(best.x[1])),
        sigma_std=float(np.exp(best.x[1]) * np.sqrt(covariance[1, 1])),
        tail=float(np.exp(best.x[2])), counts=int(n.sum()),
    )  # fmt: skip


def _hessian(function: Callable[[Floats], float], x: Floats) -> Floats:
    """Second differences of a smooth function; shape (n, n)."""
    steps = np.diag([0.2] + [0.05] * (x.size - 1))
    matrix = np.empty((x.size, x.size))
    for i, a in enumerate(steps):
        for j, b in enumerate(steps):
            corners = [function(x + s * a + t * b) * s * t for s in (-1, 1) for t in (-1, 1)]
            matrix[i, j] = sum(corners) / (4.0 * a[i] * b[j])
    return matrix


def _tailed(x: Floats, place: float, sigma: float, tail: float) -> Floats:
    """Gaussian edge at ``place`` with an exponential tail to the left; area one per channel."""
    z = (x - place) / sigma
    exponent = (x - place) / tail + 0.5 * (sigma / tail) ** 2 + log_ndtr(-z - sigma / tail)
    return np.asarray(np.exp(np.minimum(exponent, 50.0)) / tail)


def pulser_zero(folder: Path) -> tuple[float, float]:
    """Return the channel of pulse height zero and the pulser's width (sigma) in channels.

    Five pulser lines whose places ask for heights 1 : 2 : 2.5 : 5 : 10.
    """
    counts = np.asarray(read_spectrum(folder / "calibration.Spe").counts, np.float64)
    channel = np.arange(counts.size) + 0.5
    places, widths = [], []
    for guess in PULSER_GUESS:
        near = np.abs(channel - guess - 0.5) < 5.0
        weight = np.maximum(counts[near] - np.median(counts[200:205]) * 0.1, 0.0)
        mean = float(np.average(channel[near], weights=weight))
        places.append(mean)
        widths.append(np.sqrt(np.average((channel[near] - mean) ** 2, weights=weight)))
    slope, zero = np.polyfit(PULSER_STEPS, np.array(places), 1)
    del slope
    return float(zero), float(np.median(widths))


def air(pressure_torr: float) -> tuple[Material, float]:
    """Dry air at a pressure, and its atoms per mm of path in 1e15/cm2."""
    reference = Material.named("air")
    moles_per_cm3 = pressure_torr / (_R_TORR * (CELSIUS + 273.15))
    molecules = 100.0  # the formula unit N156O42Ar is a hundred molecules
    density = moles_per_cm3 * reference.molar_mass_g / molecules
    atoms = moles_per_cm3 * AVOGADRO * reference.atoms_per_formula / molecules
    return reference.with_density(density), atoms * 0.1 * 1e-15


def air_transport(source: str) -> tuple[StackTransport, Stack]:
    """Return transport through one layer of air; its areal density is set per spectrum."""
    layer = Layer(material=Material.named("air"), thickness_nm=1e6)
    stack = Stack(layers=(layer,))
    moving = stack_transport(
        stack, stopping_source(source), projectile("alpha"), max_energy_kev=6000.0
    )  # fmt: skip
    return moving, stack


def exit_energies(table: RangeTable, pressures: Floats, path_mm: float) -> Floats:
    """Return the energy of the line after ``path_mm`` of air at each pressure."""
    areal = np.array([air(p)[1] for p in pressures]) * path_mm
    return energy_after(table, ALPHA_KEV, areal)


def fit_air(
    peaks: list[Peak],
    source: str,
    *,
    pressure_std_torr: float,
    zero: float | None = None,
    tilt: float = 0.0,
) -> AirFit:
    """Fit gain, offset and path to the peaks; with ``zero`` the offset is the pulser's.

    ``tilt`` changes the stopping by this fraction per e-fold of energy, to see what the test sees.
    """
    moving, _ = air_transport(source)
    table = moving.tables[0] if tilt == 0.0 else _tilted(moving.tables[0], tilt)
    pressures = np.array([peak.pressure_torr for peak in peaks])
    channels = np.array([peak.channel for peak in peaks])
    channel_std = np.array([peak.channel_std for peak in peaks])

    def parts(p: Floats) -> tuple[Floats, Floats, Floats]:
        gain, path = p[0], p[1]
        offset = p[2] if zero is None else -gain * zero
        energy = exit_energies(table, pressures, path)
        slope = (exit_energies(table, pressures + 0.5, path)
                 - exit_energies(table, pressures - 0.5, path))  # fmt: skip
        std = np.hypot(gain * channel_std, slope * pressure_std_torr)
        return energy, offset + gain * channels - energy, std

    def pulls(p: Floats) -> Floats:
        _, residual, std = parts(p)
        return residual / std

    first = np.array([12.8, 43.0, 0.0][: 3 if zero is None else 2])
    best = least_squares(pulls, first, x_scale=np.abs(first) * 0.01 + 0.1)
    energy, residual, std = parts(best.x)
    freedom = len(peaks) - first.size
    chi2 = float(2.0 * best.cost)
    covariance = np.linalg.inv(best.jac.T @ best.jac) * max(chi2 / freedom, 1.0)
    return AirFit(
        source=source, gain_kev=float(best.x[0]), path_mm=float(best.x[1]),
        offset_kev=float(best.x[2] if zero is None else -best.x[0] * zero),
        std=np.sqrt(np.diag(covariance)), energy_kev=energy, residual_kev=residual,
        expected_std_kev=std, rms_kev=float(np.sqrt(np.mean(residual**2))), chi2=chi2,
        freedom=freedom,
    )  # fmt: skip


def _tilted(table: RangeTable, tilt: float) -> RangeTable:
    def stopping(energy_kev: Floats) -> Floats:
        bent = 1.0 + tilt * np.log(np.maximum(energy_kev, 100.0) / 3000.0)
        return np.asarray(table.stopping(energy_kev) * bent)

    return RangeTable(stopping=stopping, max_energy_kev=6000.0)


def pressure_scatter(peaks: list[Peak], source: str = "icru49") -> float:
    """Standard deviation of the pressure reading, in torr, from spectra repeated at one reading."""
    table = air_transport(source)[0].tables[0]
    squares, freedom = 0.0, 0
    for pressure in (7.0, 374.0):
        again = [p.channel for p in peaks if p.pressure_torr == pressure and p.day != MAIN_DAY]
        around = exit_energies(table, np.array([pressure - 0.5, pressure + 0.5]), 43.7)
        kev_per_torr = abs(float(np.diff(around)[0]))
        squares += float(np.var(again)) * len(again) * (GAIN_KEV / kev_per_torr) ** 2
        freedom += len(again) - 1
    return float(np.sqrt(squares / freedom))


def predicted_widths(fit: AirFit, peaks: list[Peak]) -> tuple[Floats, Floats]:
    """Return the widths from straggling in the air and from 1 % of path, in keV."""
    moving, stack = air_transport(fit.source)
    alpha = projectile("alpha")
    straggling, per_cent = [], []
    for peak in peaks:
        areal = air(peak.pressure_torr)[1] * fit.path_mm
        here = moving.with_layers([areal])
        widths = energy_widths(
            here, stack, alpha, depth_1e15=areal, birth_energy_kev=ALPHA_KEV,
            thickness_spread=[0.01],
        )  # fmt: skip
        straggling.append(float(widths.straggling_kev))
        per_cent.append(float(widths.thickness_kev))
    return np.array(straggling), np.array(per_cent)


@dataclass(frozen=True, kw_only=True)
class WidthFit:
    """Measured widths against pulser and straggling, and the spread of paths that is left over."""

    measured_kev: Floats
    std_kev: Floats
    straggling_kev: Floats
    bare_kev: Floats
    path_spread_percent: float
    with_spread_kev: Floats


def fit_widths(fit: AirFit, peaks: list[Peak], pulser_channels: float) -> WidthFit:
    """Compare the Gaussian part of every peak with pulser and straggling in quadrature."""
    measured = np.array([peak.sigma for peak in peaks]) * fit.gain_kev
    std = np.array([peak.sigma_std for peak in peaks]) * fit.gain_kev
    straggling, per_cent = predicted_widths(fit, peaks)
    bare = np.hypot(straggling, pulser_channels * fit.gain_kev)

    def pulls(p: Floats) -> Floats:
        return np.asarray((measured - np.hypot(bare, p[0] * per_cent)) / np.hypot(std, 0.03 * bare))

    spread = abs(float(least_squares(pulls, [0.3]).x[0]))
    return WidthFit(
        measured_kev=measured, std_kev=std, straggling_kev=straggling, bare_kev=bare,
        path_spread_percent=spread, with_spread_kev=np.hypot(bare, spread * per_cent),
    )  # fmt: skip


def main_series(peaks: list[Peak]) -> list[Peak]:
    """Return the series of one day, without the two spectra at the noise edge."""
    return [p for p in peaks if p.day == MAIN_DAY and p.pressure_torr < THRESHOLD_TORR]


def sources() -> list[str]:
    """Return the stopping sources that can be used here."""
    try:
        air_transport("lunasrim")
    except (ImportError, LidepthError):
        return ["icru49"]
    return ["icru49", "lunasrim"]


def page(folder: Path) -> tuple[str, Callable[[Path], None]]:
    """Return the text of the page, and what draws its figure."""
    peaks = read_peaks(folder)
    scatter = pressure_scatter(peaks)
    zero, pulser = pulser_zero(folder)
    series = main_series(peaks)
    fits = [(s, z, fit_air(series, s, pressure_std_torr=scatter, zero=z))
            for s in sources() for z in (None, zero)]  # fmt: skip
    best = {source: fit for source, z, fit in fits if z is not None}
    default = best["icru49"]
    widths = fit_widths(default, series, pulser)
    bent = [fit_air(series, "icru49", pressure_std_torr=scatter, zero=zero, tilt=t)
            for t in (-0.03, 0.03)]  # fmt: skip
    text = _text(peaks, series, fits, best, widths, bent, scatter, zero, pulser)
    return text, lambda path: _draw(path, best, widths)


def _text(
    peaks: list[Peak], series: list[Peak], fits: list[tuple[str, float | None, AirFit]],
    best: dict[str, AirFit], widths: WidthFit, bent: list[AirFit], scatter: float, zero: float,
    pulser: float,
) -> str:  # fmt: skip
    default = best["icru49"]
    scales = "\n".join(
        f"| {source} | {'free' if z is None else 'pulser'} | {fit.gain_kev:.3f} | "
        f"{fit.offset_kev:+.1f}{f' ± {fit.std[2]:.0f}' if z is None else ''} | "
        f"{fit.path_mm:.2f} ± {fit.std[1]:.2f} | {fit.rms_kev:.1f} | "
        f"{fit.rms_kev / fit.gain_kev:.2f} | {fit.chi2:.0f} / {fit.freedom} |"
        for source, z, fit in fits
    )
    rows = []
    for i, peak in enumerate(series):
        others = " | ".join(f"{fit.residual_kev[i]:+.1f}" for fit in best.values())
        rows.append(
            f"| {peak.pressure_torr:.0f} | {peak.channel:.2f} ± {peak.channel_std:.2f} | "
            f"{default.energy_kev[i]:.0f} | {others} | "
            f"{default.residual_kev[i] / default.gain_kev:+.2f} | "
            f"{default.expected_std_kev[i]:.1f} | "
            f"{widths.measured_kev[i]:.0f} ± {widths.std_kev[i]:.0f} | {widths.bare_kev[i]:.0f} | "
            f"{widths.with_spread_kev[i]:.0f} |"
        )
    heads = " | ".join(f"{source} keV" for source in best)
    columns = (
        f"| torr | edge, channel | energy keV | {heads} | channels | expected keV | width | "
        f"pulser + straggling | and path spread |\n|{'---|' * (8 + len(best))}"
    )
    left_out = [p for p in peaks if p not in series]
    ratio = widths.measured_kev / widths.bare_kev
    spread = widths.path_spread_percent
    # Directions filling a cone evenly have paths spread evenly between 1 and 1 + angle^2 / 2.
    cone_deg = np.degrees(np.sqrt(2.0 * np.sqrt(12.0) * spread / 100.0))
    worst = int(np.argmax(np.abs(default.residual_kev)))
    worst_torr = scatter * abs(default.residual_kev[worst] / default.expected_std_kev[worst])
    edge_torr = ", ".join(f"{p.pressure_torr:.0f}" for p in left_out if p.day == MAIN_DAY)
    # What is stated in words below rests on these; a change of the code must not make it untrue.
    assert all(fit.rms_kev < 10.0 for fit in best.values())
    assert all(abs(fit.path_mm - STATED_MM) < 2 * STATED_STD_MM for fit in best.values())
    return f"""# Alphas of polonium-210 in air

<!-- made by benchmarks/po210_in_air.py --write; do not edit -->

Real spectra, not simulated ones: alphas of ²¹⁰Po ({ALPHA_KEV:.1f} keV) cross an air gap of
{STATED_MM:g} ± {STATED_STD_MM:g} mm, as its owners state it, at pressures from 7 to 642 torr, and
are counted in a silicon detector (ORTEC Maestro, 512 channels).  The 40 `.Spe` files were published
on GitHub by their owners (wabo225/AlphaSpectroscopy, 2022) without a licence; they are not part of
lidepth, and only numbers derived from them stand here.

What is tested, end to end: the reader, the stopping of air from 5.3 to
{default.energy_kev.min() / 1e3:.1f} MeV (the range of the alphas of lithium included), the range
tables, and Bohr straggling with slope propagation.  It is not a neutron depth profile: no public
⁶Li spectrum was found.

## How

- Source and rim send alphas that have already lost energy, so every peak has a sharp upper edge and
  a long lower tail.  A Gaussian edge with two exponential tails is fitted by Poisson likelihood;
  its edge is the place of the alphas that lost nothing before the air.
- {len(series)} spectra of one day (27 January 2022) enter the fit.  Above {THRESHOLD_TORR:g} torr
  the peak runs into the noise edge; repeats on other days serve to measure repeatability.
- Air is NIST's dry air at {CELSIUS:.1f} °C (the set says 70.9, taken as Fahrenheit) and the
  pressure in the file's name; 20 % of humidity, 0.5 % of the molecules at most, is left out.
- Gain and path are free.  The offset is free, or fixed by a pulser run of the same set: five lines
  whose places ask for heights 1 : 2 : 2.5 : 5 : 10, with height zero at channel {zero:.2f}.  That
  these are the heights is our reading; no note says so.
- Spectra repeated at 7 and at 374 torr scatter by {scatter:.1f} torr in terms of pressure: this is
  taken as the error of a reading, and it outweighs the counting error nearly everywhere.

## Energies

| stopping | offset | gain keV/ch | offset keV | path mm | rms keV | rms channels | χ² / dof |
|---|---|---|---|---|---|---|---|
{scales}

![measured less predicted energy and widths against the energy after the air](po210.svg)

With the pulser's offset, spectrum by spectrum ("expected" is the standard uncertainty from counting
and pressure; widths are standard deviations in keV, explained below):

{columns}
{chr(10).join(rows)}

## Widths

The pulser's lines have a standard deviation of {pulser:.2f} channels
({pulser * default.gain_kev:.0f} keV).  In quadrature with Bohr straggling in the air, nothing
fitted, this is a median factor {np.median(ratio):.2f} below the Gaussian part of the peaks.  Paths
that differ by {spread:.2f} % (standard deviation), the one fitted number of the last column, make
up for it: as much as a detector has that sees directions up to {cone_deg:.0f} degrees off the axis.

## What it says, and what it does not

- The shape of the energy loss is right: one path and one gain bring {len(series)} energies from
  {default.energy_kev.max() / 1e3:.2f} down to {default.energy_kev.min() / 1e3:.2f} MeV together
  with {default.rms_kev:.1f} keV rms ({default.rms_kev / default.gain_kev:.2f} channels).  The
  worst, {default.residual_kev[worst]:+.1f} keV at {series[worst].pressure_torr:.0f} torr, is an
  error of {worst_torr:.1f} torr.  χ² is small because part of the scatter of the repeats is a slow
  drift that a single series does not have.
- How sharp that is: stopping tilted by −3 and +3 % per factor e in energy would leave
  {bent[0].rms_kev:.1f} and {bent[1].rms_kev:.1f} keV rms (χ² {bent[0].chi2:.0f} and
  {bent[1].chi2:.0f} instead of {default.chi2:.0f}), gain and path refitted.
- The absolute scale is not tested: stopping times path is all that enters.  The fitted path is
  {default.path_mm / STATED_MM - 1:.0%} longer than stated, which is
  {(default.path_mm - STATED_MM) / STATED_STD_MM:.1f} of the stated standard uncertainty.  A
  recessed source, a detector window or oblique paths would all have this sign; none is documented.
- The two tables of stopping cannot be told apart here; with the pulser's offset their paths differ
  by {abs(np.ptp([fit.path_mm for fit in best.values()])) / STATED_MM:.1%}.
- Bohr straggling accounts for the widths to within {np.median(ratio) - 1:.0%}.  The geometry may be
  all of the rest; charge exchange, which Bohr's formula leaves out, would have the same sign.
- Left out: {edge_torr} torr (noise edge), and {sum(p.day != MAIN_DAY for p in left_out)} spectra of
  other days.  Two files are the same spectrum under two names; it is counted once.
"""


def _draw(path: Path, best: dict[str, AirFit], widths: WidthFit) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    style = {"svg.hashsalt": "lidepth", "font.size": 9, "svg.fonttype": "none"}
    with plt.rc_context(style):
        figure, (upper, lower) = plt.subplots(
            2, 1, figsize=(6.4, 5.4), sharex=True, layout="constrained"
        )
        default = best["icru49"]
        order = np.argsort(default.energy_kev)
        energy = default.energy_kev[order] / 1e3
        band = default.expected_std_kev[order]
        upper.fill_between(energy, -band, band, color="#dddddd", lw=0, label="expected, 68 %")
        for (source, fit), mark, colour in zip(
            best.items(), ("o", "s"), ("#0072b2", "#d55e00"), strict=False
        ):
            upper.plot(fit.energy_kev / 1e3, fit.residual_kev, mark, ms=4, color=colour,
                       mfc="none" if mark == "s" else colour, label=source)  # fmt: skip
        upper.axhline(0.0, color="black", lw=0.6)
        upper.set_ylabel("measured − predicted (keV)")
        upper.legend(frameon=False, ncols=3, loc="upper right")
        lower.errorbar(default.energy_kev / 1e3, widths.measured_kev, widths.std_kev, fmt="o", ms=4,
                       color="#0072b2", label="measured")  # fmt: skip
        lower.plot(energy, widths.bare_kev[order], color="black", lw=1.2,
                   label="pulser and straggling, nothing fitted")  # fmt: skip
        lower.plot(energy, widths.with_spread_kev[order], color="black", lw=1.2, ls="--",
                   label=f"and {widths.path_spread_percent:.2f} % spread of path")  # fmt: skip
        lower.set(ylabel="standard deviation (keV)", xlabel="energy after the air (MeV)")
        lower.set_ylim(bottom=0.0)
        lower.legend(frameon=False)
        figure.savefig(path, metadata={"Date": None, "Creator": "lidepth"})
        plt.close(figure)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--write", action="store_true", help="write the page and its figure")
    arguments = parser.parse_args()
    folder = data_folder()
    if not folder.is_dir():
        print(f"no spectra at {folder}: set LIDEPTH_SHARED")
        return 1
    text, draw = page(folder)
    if not arguments.write:
        print(text)
        return 0
    PAGES.mkdir(parents=True, exist_ok=True)
    (PAGES / "po210.md").write_text(text, encoding="utf-8")
    draw(PAGES / "po210.svg")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
