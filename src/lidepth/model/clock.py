"""How the clock of the cycler differs from that of the spectra."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ClockDifference:
    """What must be added to the times of the cycler's files, as the data show it.

    ``offset_s`` at the middle of the spectra with standard uncertainty ``std_s``; ``drift_ppm`` how
    much faster time must pass there, with ``drift_std_ppm``; all NaN where the data show nothing.
    ``decided`` is True where one offset fits and no other comes near.  ``applied`` and
    ``drift_applied`` tell what was done to the log of the run; ``declared_s`` is
    ``data.clock_offset`` (NaN: not given), which goes before the data.  ``words`` say all this;
    ``doubtful`` is True where a reader must be warned.
    """

    offset_s: float
    std_s: float
    drift_ppm: float
    drift_std_ppm: float
    decided: bool
    applied: bool
    words: str
    drift_applied: bool = False
    declared_s: float = float("nan")
    doubtful: bool = False
