"""Energy scale, and what self-calibration found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import OutOfRange
from lidepth.model._arrays import readonly, require

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Linear energy scale: lower edge of channel 0 at ``offset_kev``, ``gain_kev`` per channel.

    ``covariance`` is the 2 x 2 covariance of (offset, gain), in keV and keV/channel.
    """

    offset_kev: float
    gain_kev: float
    covariance: Floats = field(default_factory=lambda: np.diag([3.0**2, 0.006**2]))

    def __post_init__(self) -> None:
        if not (math.isfinite(self.gain_kev) and 0 < self.gain_kev < 1000):
            raise OutOfRange(
                f"gain {self.gain_kev!r} keV per channel cannot be", expected="more than 0"
            )
        if not math.isfinite(self.offset_kev):
            raise OutOfRange(f"offset {self.offset_kev!r} keV cannot be")
        covariance = readonly(self.covariance)
        require(covariance.shape == (2, 2), "a calibration covariance is 2 x 2")
        require(
            bool(np.all(np.linalg.eigvalsh(covariance) >= -1e-12)),
            "a covariance is positive semidefinite",
        )
        object.__setattr__(self, "covariance", covariance)

    def edges_kev(self, channels: int) -> Floats:
        """Energies of the channel edges; shape (channels + 1,)."""
        return self.offset_kev + self.gain_kev * np.arange(channels + 1, dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class FittedParameter:
    """One nuisance or instrument parameter: what was believed before, and after.

    ``prior_std`` is infinite where nothing was believed before.  A ``logarithmic`` parameter has
    its Gaussian prior in the logarithm; ``prior_std`` is then the prior times the logarithm's.
    """

    name: str
    label: str
    unit: str
    prior: float
    prior_std: float
    value: float
    std: float
    logarithmic: bool = False

    @property
    def pull(self) -> float:
        """Distance from the prior in prior standard deviations; nan without a prior."""
        if not math.isfinite(self.prior_std) or self.prior_std == 0:
            return math.nan
        if self.logarithmic:
            return math.log(self.value / self.prior) / (self.prior_std / self.prior)
        return (self.value - self.prior) / self.prior_std


@dataclass(frozen=True, kw_only=True)
class SpectrumFit:
    """A measured spectrum with its fitted model.

    ``edges_kev`` (bins + 1,), ``counts`` and ``model`` (bins,), in counts per bin; ``components``
    maps a name (alpha, triton, background) to its share of the model; ``mask`` is true where a bin
    was used by the fit.  ``live_s`` is the summed live time, so that counts / live_s / bin width
    is a rate density.
    """

    label: str
    edges_kev: Floats
    counts: Floats
    model: Floats
    components: Mapping[str, Floats]
    mask: NDArray[np.bool_]
    live_s: float
    parameters: int = 0

    def __post_init__(self) -> None:
        for name in ("edges_kev", "counts", "model"):
            object.__setattr__(self, name, readonly(getattr(self, name)))
        require(self.edges_kev.size == self.counts.size + 1, "edges are one more than bins")
        require(self.model.shape == self.counts.shape, "model and counts have one shape")

    @property
    def residuals(self) -> Floats:
        """Signed root deviance per bin, zero outside the fit; shape (bins,)."""
        expected = np.maximum(self.model, 1e-9)
        ratio = np.where(self.counts > 0, self.counts / expected, 1.0)
        deviance = 2.0 * (expected - self.counts + self.counts * np.log(ratio))
        signed = np.sign(self.counts - expected) * np.sqrt(np.maximum(deviance, 0.0))
        return np.where(self.mask, signed, 0.0)

    @property
    def deviance(self) -> float:
        """Poisson deviance over the fitted bins; about the degrees of freedom if all is well."""
        return float(np.sum(self.residuals**2))

    def grouped(self, least: float = 10.0) -> tuple[float, int]:
        """Deviance and degrees of freedom with neighbours summed to ``least`` expected counts.

        Nearly empty bins have a deviance well below one each, and would hide a misfit.
        """
        expected, counts = self.model[self.mask], self.counts[self.mask]
        group = np.floor(np.cumsum(expected) / least).astype(np.int64)
        starts = np.flatnonzero(np.diff(group, prepend=-1))
        m = np.maximum(np.add.reduceat(expected, starts), 1e-9)
        n = np.add.reduceat(counts, starts)
        log = np.log(np.where(n > 0, n / m, 1.0))
        deviance = float(np.sum(2.0 * (m - n + n * log)))
        return deviance, max(int(starts.size) - self.parameters, 1)

    @property
    def degrees_of_freedom(self) -> int:
        """Fitted bins less fitted parameters."""
        return int(np.sum(self.mask)) - self.parameters


@dataclass(frozen=True, kw_only=True)
class SelfCalibration:
    """What the pristine spectra say about stack, energy scale and resolution.

    ``parameters`` in the order of ``covariance`` (n, n).
    """

    parameters: tuple[FittedParameter, ...]
    covariance: Floats
    fit: SpectrumFit
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        covariance = readonly(self.covariance)
        n = len(self.parameters)
        require(covariance.shape == (n, n), "one row of covariance per parameter")
        object.__setattr__(self, "covariance", covariance)

    def __getitem__(self, name: str) -> FittedParameter:
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise KeyError(name)
