"""Lines of a single spectrum, and the energy scale that its file claims."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput
from lidepth.model.check import Line
from lidepth.units import quantity

Floats = NDArray[np.float64]

ALPHA_LINES_KEV: dict[str, tuple[float, ...]] = {
    "148Gd": (3182.7,),
    "210Po": (5304.3,),
    "224Ra": (5685.4, 6050.8, 6288.1, 6778.3, 8784.9),
    "239Pu": (5156.6,),
    "241Am": (5485.6,),
    "244Cm": (5804.8,),
}
"""Strongest alpha lines of calibration sources (with their chain), evaluated decay data."""

TOLERANCE = 0.005
"""Relative error of a scale that is believed: half a per cent, 27 keV at 5.5 MeV; dead layers of
sources and detectors take as much."""

_SIGMA = 8.0
_LEAST_WIDTH = 2.0


def lines_kev(text: str) -> tuple[float, ...]:
    """Energies named by a source (``241Am``) or given (``5304 keV``), in keV.

    Raises BadInput for anything else.
    """
    name = text.strip()
    if name in ALPHA_LINES_KEV:
        return ALPHA_LINES_KEV[name]
    if not name[-1:].isalpha() or not any(c.isspace() for c in name):
        raise BadInput(
            f"no source is called {name!r}",
            expected="one of " + ", ".join(ALPHA_LINES_KEV) + ", or an energy such as 5304 keV",
        )
    return (quantity(name, "keV"),)


def find_lines(counts: NDArray[np.signedinteger]) -> tuple[Line, ...]:
    """Lines that stand out, from low to high channels.

    A local maximum of the spectrum smoothed over a hundredth of its place, ``_SIGMA`` standard
    deviations above the valleys beside it; centre and width from a Gaussian fitted to its upper
    half and its high side, for lines of charged particles have a tail below.
    """
    from scipy import ndimage, signal

    values = np.asarray(counts, dtype=np.float64)
    filled = np.flatnonzero(values > 0)
    if filled.size < 8:
        return ()
    end = int(filled[-1]) + 1
    width = max(_LEAST_WIDTH, 0.0025 * end)
    smooth = ndimage.gaussian_filter1d(values, width, mode="constant")
    noise = np.sqrt(smooth / (2.0 * np.sqrt(np.pi) * width) + 1.0 / width)
    peaks, facts = signal.find_peaks(smooth, prominence=1e-9)
    strong = facts["prominences"] > _SIGMA * noise[peaks]
    strong &= facts["prominences"] > 0.3 * smooth[peaks]
    # The edge of the noise: a fall without a rise is no line.
    first = int(filled[0])
    lines = [_fit(values, smooth, int(peak)) for peak in peaks[strong] if peak > first + 3 * width]
    return tuple(line for line in lines if line is not None)


def _fit(values: Floats, smooth: Floats, peak: int) -> Line | None:
    """Gaussian on a level, by Poisson-weighted least squares, its window following the width."""
    from scipy.optimize import curve_fit

    half = 0.5 * smooth[peak]
    above = np.flatnonzero(smooth[peak:] < half)
    if not above.size:
        return None
    centre, sigma = float(peak) + 0.5, max(float(above[0]) / 1.1775, 0.8)
    height, found = float(smooth[peak]), None
    for _ in range(4):
        low, high = round(centre - 0.9 * sigma), round(centre + 3.0 * sigma) + 1
        low, high = max(low, 0), min(max(high, low + 5), values.size)
        x, y = np.arange(low, high) + 0.5, values[low:high]
        try:
            found = curve_fit(
                _gaussian, x, y, p0=(height, centre, sigma), sigma=np.sqrt(y + 1.0),
                absolute_sigma=True, maxfev=400,
            )  # fmt: skip
        except (RuntimeError, ValueError):
            return None
        height, centre, sigma = (float(v) for v in found[0])
        sigma = abs(sigma)
        if not (0 <= centre < values.size and 0.3 < sigma < values.size):
            return None
    if found is None or not np.all(np.isfinite(found[1])):
        return None
    factor = 2.0 * math.sqrt(2.0 * math.log(2.0))
    std = np.sqrt(np.diag(found[1]))
    return Line(
        channel=centre, channel_std=float(std[1]), fwhm=factor * sigma,
        fwhm_std=factor * float(std[2]), counts=height * sigma * math.sqrt(2.0 * math.pi),
    )  # fmt: skip


def _gaussian(x: Floats, height: float, centre: float, sigma: float) -> Floats:
    return np.asarray(height * np.exp(-0.5 * ((x - centre) / sigma) ** 2))


def doubt_claim(
    line: Line | None, scale: tuple[float, float] | None, lines: tuple[float, ...]
) -> tuple[str, ...]:
    """Why a claimed scale cannot be right, one sentence each.

    ``lines`` are the energies in keV that the source sends out (none: unknown).  A particle may
    lose energy on its way, so that its line may lie too low for another reason; it cannot gain.
    """
    if scale is None:
        return ()
    offset, gain = scale
    if not gain > 0 or not math.isfinite(gain) or not math.isfinite(offset):
        return (f"the file claims {gain:g} keV per channel, which cannot be",)
    if line is None or not lines:
        return ()
    seen, known = offset + gain * line.channel, max(lines)
    away = seen - known
    std = math.hypot(gain * line.channel_std, TOLERANCE * known)
    if abs(away) <= 3.0 * std:
        return ()
    said = (
        f"the claimed scale ({offset:g} keV, {gain:g} keV per channel) puts the line of highest "
        f"energy at {seen:.0f} keV; the source's is at {known:.0f} keV"
    )
    if away > 0:
        return (f"{said}: no particle gains energy, the scale contradicts its own line",)
    return (f"{said}: the scale is wrong, or {-away:.0f} keV are lost on the way",)


def doubt_among(
    claims: list[tuple[float, float] | None], tolerance: float = 1e-3
) -> dict[int, str]:
    """Which of several files claim another scale than most, and how far off; by their number."""
    known = [claim for claim in claims if claim is not None]
    if len(known) < 3:
        return {}
    usual = max(set(known), key=known.count)
    if known.count(usual) <= len(known) // 2:
        return {}
    return {
        number: f"claims {claim[0]:g} keV and {claim[1]:g} keV per channel, most others "
        f"{usual[0]:g} keV and {usual[1]:g}"
        for number, claim in enumerate(claims)
        if claim is not None
        and (
            abs(claim[1] - usual[1]) > tolerance * abs(usual[1])
            or abs(claim[0] - usual[0]) > abs(usual[1])
        )
    }
