"""The row of the whole reduction: lidepth and NIST's ndp on the same files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import boron, ndp_peer
from benchmarks.boron import CELL_EDGES_NM, PLATEAU_CM3, SEEN_NM, TRUE_TOTAL_1E15, Profile
from benchmarks.common import Line, NotInstalled, Size, Times, contest, line, version

_FLOOR = 0.1  # per cent: the reference's own content is known to 0.6 %


def reduction_row(size: Size) -> list[Line]:
    """Files in, profile out; both against the truth from which the spectra were drawn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = boron.measure(folder, size)
        calls: dict[str, Callable[[], object]] = {
            "lidepth": lambda: boron.reduce_files(files, folder / "ours.csv")
        }
        missing, peer = "", f"ndp {version('ndp')}".strip()
        try:
            calls[peer] = reduce_theirs = ndp_peer.prepare(folder, files)
        except NotInstalled as error:
            missing = str(error)
        times = contest(calls, size.rounds)
        ours = boron.reduce_files(files, folder / "ours.csv")
        theirs = None if missing else ndp_peer.read_profile(reduce_theirs())
    count = sum(map(len, files.values()))
    what = f"{count} files of {boron.CHANNELS} channels"
    return [
        _line(times, peer, f"{what}, {label}", score, ours, theirs, missing)
        for label, score in (("profile", profile_error), ("total", total_error))
    ]


def _line(
    times: dict[str, Times], peer: str, work: str, score: Callable[[Profile], float],
    ours: Profile, theirs: Profile | None, missing: str,
) -> Line:  # fmt: skip
    error = score(ours)
    if theirs is None:
        return Line(ours="lidepth", reference=peer, work=work, ours_s=times["lidepth"].median,
                    error=error, unit="%", missing=missing)  # fmt: skip
    note = f"truth within 95 % intervals: {covered(ours)} of lidepth's cells, {covered(theirs)} "
    note += f"of ndp's; first call {times['lidepth'].first:.2f} s"
    if score is total_error:
        note = f"stated: {_stated(ours)} and {_stated(theirs)}"
    return line(times, "lidepth", peer, work=work, error=error, reference_error=score(theirs),
                unit="%", floor=_FLOOR, note=note)  # fmt: skip


def _stated(profile: Profile) -> str:
    return f"{100.0 * profile.total_std_1e15 / TRUE_TOTAL_1E15:.2f} %"


def profile_error(profile: Profile) -> float:
    """Root mean square over the first 700 nm, in per cent of the plateau."""
    off = (profile.per_cm3 - boron.true_per_cm3(CELL_EDGES_NM))[_seen()]
    return float(100.0 * np.sqrt(np.mean(off**2)) / PLATEAU_CM3)


def total_error(profile: Profile) -> float:
    """Of all boron, in per cent."""
    return abs(100.0 * (profile.total_1e15 / TRUE_TOTAL_1E15 - 1.0))


def covered(profile: Profile) -> str:
    """Share of the cells whose truth lies within 1.96 standard errors."""
    off = np.abs(profile.per_cm3 - boron.true_per_cm3(CELL_EDGES_NM))[_seen()]
    return f"{100.0 * np.mean(off <= 1.96 * profile.std_per_cm3[_seen()]):.0f} %"


def _seen() -> np.ndarray:
    return CELL_EDGES_NM[1:] <= SEEN_NM + 1e-9
