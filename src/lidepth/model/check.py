"""What is known about the soundness of a run: its account, its findings, its energy scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Severity = Literal["note", "warning", "unusable"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a reader of the run should know.

    ``kind`` is a flag in words, or another short name; ``words`` one sentence; ``start`` and
    ``stop`` the time range (None where there is none); ``count`` the spectra concerned;
    ``remedy`` what to do.
    """

    kind: str
    words: str
    start: np.datetime64 | None = None
    stop: np.datetime64 | None = None
    count: int = 0
    detector: str = ""
    remedy: str = ""
    severity: Severity = "note"


@dataclass(frozen=True, kw_only=True)
class Landmark:
    """An edge of the spectrum that can be told beforehand.

    ``particle`` and ``edge`` ("top" or "bottom") name it; ``energy_kev`` is where the stack as
    described puts it; ``channel`` where the reference spectrum has it, with standard uncertainty
    ``channel_std`` (NaN where it was not found).
    """

    particle: str
    edge: str
    energy_kev: float
    channel: float = np.nan
    channel_std: float = np.nan

    @property
    def label(self) -> str:
        """Such as ``alpha top``."""
        return f"{self.particle} {self.edge}"


@dataclass(frozen=True, kw_only=True)
class ScaleTrack:
    """The energy scale along a run, relative to its reference (the pristine spectra).

    Per group of spectra: ``first`` and ``last`` (g,) number of its first spectrum and of the one
    after its last; ``time_s`` (g,) its middle; ``offset_kev`` and ``gain`` (g,) bring a reference
    energy E to where this group shows it, ``offset + gain E``, with standard uncertainties;
    ``shift_kev`` (g, k) measured shift of each of the ``landmarks``, in reference energy, with
    ``shift_std_kev`` (systematic part included) and NaN where an edge was not found;
    ``moved_kev`` (g,) the shift of the fitted scale at the landmark where it is known best.
    ``words`` say what cannot be told apart.
    """

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    time_s: Floats
    offset_kev: Floats
    offset_std_kev: Floats
    gain: Floats
    gain_std: Floats
    shift_kev: Floats
    shift_std_kev: Floats
    moved_kev: Floats
    moved_std_kev: Floats
    landmarks: tuple[Landmark, ...]
    words: str = ""

    def group_of(self, spectra: int) -> NDArray[np.int64]:
        """Number of the group of every spectrum, -1 for none; shape (spectra,)."""
        group = np.full(spectra, -1, dtype=np.int64)
        for number, (first, last) in enumerate(zip(self.first, self.last, strict=True)):
            group[first:last] = number
        return group


@dataclass(frozen=True, kw_only=True)
class ScaleDoubt:
    """Whether an energy scale agrees with the lines or edges of its own spectrum.

    ``distance_kev`` (k,) of each found line from where physics has it, with ``std_kev`` (k,) and
    ``labels``; ``sigma`` is the significance of all together.  ``doubtful`` is the verdict.
    """

    labels: tuple[str, ...]
    distance_kev: Floats
    std_kev: Floats
    sigma: float
    doubtful: bool
    words: str


@dataclass(frozen=True, kw_only=True)
class RunCheck:
    """The account of one run and detector.

    ``flagged`` maps a flag in words to the number of spectra that carry it; ``usable`` is the
    number that no flag keeps out.  Times in s, rates per s of live time.  ``rate_overdispersion``
    is the scatter of the count rate, and ``monitor_overdispersion`` that of counts per monitor
    count, from spectrum to spectrum, over what counting alone would give (1: nothing else);
    ``monitor_scatter`` the relative scatter of the normalised rate beyond counting.
    """

    title: str
    detector: str
    spectra: int
    channels: int
    start: np.datetime64
    stop: np.datetime64
    live_s: float
    real_s: float
    usable: int
    usable_live_s: float
    dead_share: float
    rate_per_s: float
    rate_overdispersion: float
    monitor_per_s: float
    monitor_overdispersion: float
    monitor_scatter: float
    flagged: Mapping[str, int]
    findings: tuple[Finding, ...]
    track: ScaleTrack | None = None
    doubt: ScaleDoubt | None = None
    steps: Mapping[str, int] = field(default_factory=dict)
    cycles: int = 0

    @property
    def can_be_used(self) -> bool:
        """False where no spectrum may enter a sum."""
        return self.usable > 0


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line found in one spectrum: centre and full width at half maximum, in channels."""

    channel: float
    channel_std: float
    fwhm: float
    fwhm_std: float
    counts: float


@dataclass(frozen=True, kw_only=True)
class SpectrumCheck:
    """The account of one loose spectrum: no cell is known.

    ``scale`` is (offset keV, keV per channel) as its file claims, None where it claims none;
    ``start`` None where the file does not say; times in s; ``line`` is the highest line that
    stands out, None where none does.
    """

    source: str
    detector: str
    channels: int
    counts: int
    start: np.datetime64 | None
    live_s: float
    real_s: float
    scale: tuple[float, float] | None
    line: Line | None
    doubts: tuple[str, ...] = ()

    @property
    def energy_kev(self) -> float:
        """Energy of the line by the claimed scale; NaN without either."""
        if self.line is None or self.scale is None:
            return float("nan")
        return self.scale[0] + self.scale[1] * self.line.channel

    @property
    def fwhm_kev(self) -> float:
        """Width of the line by the claimed scale; NaN without either."""
        if self.line is None or self.scale is None:
            return float("nan")
        return self.scale[1] * self.line.fwhm
