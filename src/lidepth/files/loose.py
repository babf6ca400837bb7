"""Spectrum files without a run: what each holds, and whether it can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lidepth.analysis.lines import doubt_among, doubt_claim, find_lines
from lidepth.analysis.quality import saturated
from lidepth.errors import LidepthError
from lidepth.files.readers import RawSpectrum, read_spectra
from lidepth.model.check import SpectrumCheck

Refused = tuple[Path, LidepthError]
"""A file that cannot be read, and why."""


def check_files(
    paths: Sequence[Path], lines: tuple[float, ...] = ()
) -> tuple[tuple[SpectrumCheck, ...], tuple[Refused, ...]]:
    """Account for every spectrum of the files, and for the files that cannot be read.

    ``lines`` in keV are what the source sends out.
    """
    found: list[tuple[Path, RawSpectrum]] = []
    refused: list[Refused] = []
    for path in paths:
        try:
            found += [(path, raw) for raw in read_spectra(path)]
        except LidepthError as error:
            refused.append((path, error))
    among = doubt_among([raw.calibration for _, raw in found])
    seen: dict[bytes, str] = {}
    checks = []
    for number, (path, raw) in enumerate(found):
        check = _check(path, raw, lines)
        doubts = list(check.doubts)
        if number in among:
            doubts.append(among[number])
        earlier = seen.setdefault(raw.counts.tobytes(), path.name)
        if earlier != path.name and raw.counts.sum() >= 100:
            doubts.append(f"the same counts as {earlier}")
        checks.append(replace(check, doubts=tuple(doubts)))
    return tuple(checks), tuple(refused)


def _check(path: Path, raw: RawSpectrum, lines: tuple[float, ...]) -> SpectrumCheck:
    found = find_lines(raw.counts)
    line = found[-1] if found else None
    doubts = list(doubt_claim(line, raw.calibration, lines))
    hot, channel = saturated(raw.counts[None, :])
    if hot[0]:
        doubts.append(f"channel {channel[0]} is hot or at the end of its counter")
    live, real = raw.live_s, raw.real_s
    if np.isfinite(live) and np.isfinite(real) and live > 1.01 * real + 1.0:
        doubts.append(f"a live time of {live:g} s in {real:g} s")
    return SpectrumCheck(
        source=path.name, detector=raw.detector, channels=raw.counts.size,
        counts=int(raw.counts.sum()), start=raw.start, live_s=live, real_s=real,
        scale=raw.calibration, line=line, doubts=(*doubts, *raw.remarks),
    )  # fmt: skip
