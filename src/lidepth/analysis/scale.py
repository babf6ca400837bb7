"""The energy scale along a run, followed by the edges of its spectra."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.edges import ExpectedEdges, expected_edges, fit_edge, locate, window_kev
from lidepth.model.check import Landmark, ScaleTrack
from lidepth.model.result import Run
from lidepth.model.spectra import Quality, SpectrumSeries
from lidepth.physics.stopping import StoppingSource

Floats = NDArray[np.float64]

DRIFT_SIGMA = 5.0
DRIFT_KEV = 2.0
GROUP_COUNTS = 60_000.0
"""Counts per group: about 0.3 keV at the triton's top edge."""
MOST_GROUPS = 300
"""A long run is followed in longer steps: 300 of them show any drift, and take a second."""

# Lithium that moves shifts the edges of a sound run, by charge number of the particle and edge.
# Rms over campaigns without any drift, once the part that follows the charge is taken off, and
# the whole of it where no charge is known.  The upper end moves most: lithium in the anode lies
# above where the pristine cell has any.
_LEFT_KEV = {(2, "top"): 12.0, (2, "bottom"): 4.0, (1, "top"): 1.0, (1, "bottom"): 4.0}
_MOVING_KEV = {(2, "top"): 16.0, (2, "bottom"): 16.0, (1, "top"): 2.5, (1, "bottom"): 6.0}
_MOST_MOVING_KEV = {2: 30.0, 1: 6.0}
# Nothing is believed of a drift but that it is no new setting of the amplifier.
_PRIOR_OFFSET_KEV, _PRIOR_GAIN = 30.0, 0.05
_FARTHEST_KEV = 60.0  # two standard deviations of such an offset: a gain is followed beforehand
_SEARCH_STD_KEV = (20.0, 200.0)
_JUMP_SIGMA, _JUMP_KEV = 6.0, 5.0
_TOP_SHARE = 0.10  # of the counts: the channel above which they lie is in the top peak


def _charge_number(mark: Landmark) -> int:
    return 1 if mark.particle in ("triton", "proton") else 2


def edges_of(
    run: Run, source: StoppingSource, reference: NDArray[np.bool_] | None = None
) -> tuple[ExpectedEdges, tuple[Landmark, ...]]:
    """The edges that the stack promises, and where the reference spectra have them.

    ``reference`` (n,) chooses spectra; otherwise the pristine ones, or all where there are none.
    """
    expected = expected_edges(run.stack, run.instrument, source)
    chosen = reference_rows(run) if reference is None else reference
    scale = run.instrument.calibration
    total = _summed(run.series, chosen)
    marks: tuple[Landmark, ...] = ()
    for reach in _SEARCH_STD_KEV:  # far off only where the edges are not where they should be
        marks = locate(
            total, expected, offset_kev=scale.offset_kev, gain_kev=scale.gain_kev,
            scale_std_kev=reach,
        )  # fmt: skip
        surest = min(marks, key=lambda mark: -mark.energy_kev, default=None)
        if surest is not None and np.isfinite(surest.channel):
            break
    return expected, marks


def reference_rows(run: Run) -> NDArray[np.bool_]:
    """Usable pristine spectra, or all usable ones; shape (n,)."""
    usable = run.series.usable
    rows = run.pristine & usable
    return rows if np.any(rows) else usable


def _summed(series: SpectrumSeries, rows: NDArray[np.bool_]) -> Floats:
    if not np.any(rows):
        return np.zeros(series.channels)
    return np.asarray(series.counts[rows].sum(axis=0), dtype=np.float64)


def top_channels(counts: NDArray[np.signedinteger]) -> tuple[Floats, Floats]:
    """Channel above which a tenth of each row's counts lie, and its error; shape (n,) each.

    It lies in the peak of highest energy whatever the gain; NaN for nearly empty rows.
    """
    rows, channels = counts.shape
    place, std = np.full(rows, np.nan), np.full(rows, np.nan)
    for begin in range(0, rows, 1024):  # blocks, for the sums need twice the memory
        part = counts[begin : begin + 1024]
        above = np.cumsum(part[:, ::-1], axis=1, dtype=np.int64)
        total = above[:, -1]
        wanted = _TOP_SHARE * total
        at = np.argmax(above > wanted[:, None], axis=1)
        row = np.arange(len(part))
        before = np.where(at > 0, above[row, np.maximum(at - 1, 0)], 0)
        here = np.maximum(above[row, at] - before, 1)
        found = channels - at - (wanted - before) / here
        near = slice(begin, begin + len(part))
        low, high = np.maximum(at - 4, 0), np.minimum(at + 4, channels - 1)
        density = np.maximum((above[row, high] - above[row, low]) / np.maximum(high - low, 1), 0.2)
        enough = total >= 200
        place[near] = np.where(enough, found, np.nan)
        spread = np.sqrt(_TOP_SHARE * (1 - _TOP_SHARE) * np.maximum(total, 1))
        std[near] = np.where(enough, spread / density, np.nan)
    return place, std


def _groups(run: Run, counts_wanted: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and one-past-last spectrum of every group; a jump ends one and begins another."""
    series = run.series
    usable = series.usable
    total = np.where(usable, series.data.values.sum(axis=1, dtype=np.int64), 0)
    counts_wanted = max(counts_wanted, float(total.sum()) / MOST_GROUPS)
    cut = np.zeros(len(series), dtype=bool)
    cut[0] = True
    place, std = top_channels(series.counts)
    limit = np.maximum(
        _JUMP_SIGMA * np.hypot(std[1:], std[:-1]), _JUMP_KEV / run.instrument.calibration.gain_kev
    )
    cut[1:] |= usable[1:] & usable[:-1] & (np.abs(np.diff(place)) > limit)
    cut[1:] |= run.pristine[1:] != run.pristine[:-1]
    firsts = [0]
    held = 0.0
    for number in range(len(series)):
        if number and (cut[number] or held >= counts_wanted):
            firsts.append(number)
            held = 0.0
        held += float(total[number])
    first = np.array(firsts, dtype=np.int64)
    last = np.append(first[1:], len(series)).astype(np.int64)
    return first, last


def track_scale(
    run: Run,
    source: StoppingSource,
    *,
    counts: float = GROUP_COUNTS,
    found: tuple[ExpectedEdges, tuple[Landmark, ...]] | None = None,
) -> ScaleTrack | None:
    """Follow offset and gain by the edges, in groups of spectra of about ``counts``.

    None where fewer than two edges can be seen.  Edges also move with the lithium: the part that
    follows the charge of the cycler log is taken off (so a drift that follows the charge is lost
    with it), what is left counts as a systematic error of each edge.  ``found`` are the edges of
    ``edges_of``, if they are known already.
    """
    expected, marks = found or edges_of(run, source)
    seen = [i for i, mark in enumerate(marks) if np.isfinite(mark.channel)]
    if len(seen) < 2:
        return None
    series, scale = run.series, run.instrument.calibration
    first, last = _groups(run, counts)
    usable = series.usable
    sums = _group_sums(series, first, usable)
    place, _ = top_channels(sums)
    reference, _ = top_channels(_summed(series, reference_rows(run))[None, :].astype(np.int64))
    stretch = np.clip(place / reference[0], 0.5, 2.0)
    home = reference_rows(run)[first]
    shift = np.full((first.size, len(marks)), np.nan)
    std = np.full((first.size, len(marks)), np.nan)
    for i in seen:
        mark = marks[i]
        start = mark.channel * stretch
        channel, error = fit_edge(
            sums.astype(np.float64), start,
            width=float(expected.width_kev[i]) / scale.gain_kev,
            half=window_kev(expected, i) / scale.gain_kev, top=mark.edge == "top", passes=2,
        )  # fmt: skip
        # what lies further off is another edge: of moved lithium, or of the noise
        near = np.abs(channel - start) < _FARTHEST_KEV / scale.gain_kev
        channel = np.where(near, channel, np.nan)
        shift[:, i] = scale.gain_kev * (channel - mark.channel)
        std[:, i] = scale.gain_kev * np.hypot(error, mark.channel_std)
        shift[:, i] -= _at_home(shift[:, i], home)
    middle = _middle(series, first, last)
    charge = _charge(run, first, last)
    numbers = np.array([_charge_number(mark) for mark in marks])
    if charge is not None:
        for i in seen:
            shift[:, i] -= _following(shift[:, i], std[:, i], charge, middle, int(numbers[i]))
    moving = _MOVING_KEV if charge is None else _LEFT_KEV
    std = np.hypot(std, [moving[_charge_number(mark), mark.edge] for mark in marks])
    energy = np.array([scale.offset_kev + scale.gain_kev * mark.channel for mark in marks])
    offset, gain, covariance = _solve(shift, std, energy)
    at = energy[seen]
    moved = offset[:, None] + (gain[:, None] - 1.0) * at
    lever = np.stack([np.ones_like(at), at], axis=1)
    moved_std = np.sqrt(np.einsum("ki,gij,kj->gk", lever, covariance, lever))
    surest = int(np.argmin(_typical(std[:, seen])))
    known = np.isfinite(shift[:, seen[surest]])
    nothing = np.where(known, 1.0, np.nan)
    return ScaleTrack(
        first=first, last=last, time_s=middle, offset_kev=offset * nothing,
        offset_std_kev=np.sqrt(covariance[:, 0, 0]), gain=gain * nothing,
        gain_std=np.sqrt(covariance[:, 1, 1]), shift_kev=shift, shift_std_kev=std,
        moved_kev=moved[:, surest] * nothing, moved_std_kev=moved_std[:, surest], landmarks=marks,
        words=_undecided(marks, seen, charge is not None),
    )  # fmt: skip


def _at_home(shift: Floats, home: NDArray[np.bool_]) -> float:
    """Median shift of the reference's own groups; a drift within it blurs the edges of its sum."""
    good = home & np.isfinite(shift)
    return float(np.median(shift[good])) if good.any() else 0.0


def _typical(std: Floats) -> Floats:
    """Median over the groups that show an edge, infinite for one that none shows; (k,)."""
    shown = np.isfinite(std)
    return np.array(
        [
            np.median(std[good, i]) if good.any() else np.inf
            for i, good in enumerate(shown.transpose())
        ]
    )


def _group_sums(
    series: SpectrumSeries, first: NDArray[np.int64], usable: NDArray[np.bool_]
) -> NDArray[np.int64]:
    counts = series.counts
    sums = np.zeros((first.size, series.channels), dtype=np.int64)
    last = np.append(first[1:], len(series))
    for number, (begin, end) in enumerate(zip(first, last, strict=True)):
        keep = usable[begin:end]
        rows = counts[begin:end]
        sums[number] = (rows if keep.all() else rows[keep]).sum(axis=0, dtype=np.int64)
    return sums


def _middle(series: SpectrumSeries, first: NDArray[np.int64], last: NDArray[np.int64]) -> Floats:
    start, stop = series.start_s, series.stop_s
    return np.asarray(0.5 * (start[first] + stop[last - 1]))


def _charge(run: Run, first: NDArray[np.int64], last: NDArray[np.int64]) -> Floats | None:
    """Mean net charge of each group in uAh, or None without a usable log."""
    if run.log is None:
        return None
    series = run.series
    middle = 0.5 * (series.start_s + series.stop_s)
    charge = np.interp(middle, run.log.seconds(series.origin), run.log.charge_uah)
    sums = np.add.reduceat(charge, first)
    mean = sums / (last - first)
    return mean if np.ptp(mean) > 0 else None


def _following(shift: Floats, std: Floats, charge: Floats, time_s: Floats, number: int) -> Floats:
    """The part of ``shift`` that follows the charge, found beside a slow drift in time.

    Least squares with weights that fall off for outliers; the whole swing is bounded by what
    lithium can do.
    """
    good = np.isfinite(shift) & np.isfinite(std) & (std > 0)
    if good.sum() < 8:
        return np.zeros_like(shift)
    span = max(float(np.ptp(time_s)), 1.0)
    x = 2.0 * (time_s - time_s.min()) / span - 1.0
    q = charge / max(float(np.abs(charge).max()), 1e-9)
    columns = np.stack([np.ones_like(x), q, x, x**2, x**3], axis=1)
    weight = np.where(good, 1.0 / np.where(good, std, 1.0) ** 2, 0.0)
    values = np.where(good, shift, 0.0)
    # lithium does not move an edge so far: a jump must not be what the fit starts from
    near = good & (np.abs(shift) < 2.0 * _MOST_MOVING_KEV[number])
    robust = np.where(near, weight, 0.0) if near.sum() >= 8 else weight.copy()
    found = np.zeros(5)
    for _ in range(6):
        normal = columns.T @ (robust[:, None] * columns) + 1e-9 * np.eye(5) * robust.sum()
        found = np.linalg.solve(normal, columns.T @ (robust * values))
        away = np.abs(values - columns @ found)
        typical = 1.5 * float(np.median(away[good])) + 1e-6
        robust = weight / np.maximum(1.0, (away / (2.0 * typical)) ** 2)
    swing = float(np.clip(found[1], -_MOST_MOVING_KEV[number], _MOST_MOVING_KEV[number]))
    return swing * q


def _solve(shift: Floats, std: Floats, energy: Floats) -> tuple[Floats, Floats, Floats]:
    """Offset and gain of every group from the shifts of its edges, with a wide prior."""
    good = np.isfinite(shift) & np.isfinite(std)
    weight = np.where(good, 1.0 / np.where(good, std, 1.0) ** 2, 0.0)
    values = np.where(good, shift, 0.0)
    lever = np.stack([np.ones_like(energy), energy], axis=1)
    lever = np.where(np.isfinite(energy)[:, None], lever, 0.0)
    prior = np.diag([_PRIOR_OFFSET_KEV**-2, _PRIOR_GAIN**-2])
    data = np.einsum("ki,gk,kj->gij", lever, weight, lever)
    covariance = np.linalg.inv(data + prior)
    slope = np.einsum("ki,gk,gk->gi", lever, weight, values)
    found = np.einsum("gij,gj->gi", covariance, slope)
    return found[:, 0], 1.0 + found[:, 1], covariance


def _undecided(marks: tuple[Landmark, ...], seen: list[int], charged: bool) -> str:
    notes = []
    particles = {marks[i].particle for i in seen}
    if len(particles) < 2:
        notes.append(
            f"only the edges of the {particles.pop()} are seen: offset and gain cannot be told "
            "apart, their sum at that energy is known"
        )
    notes.append(
        "a drift that follows the charge would be taken for moving lithium"
        if charged
        else "without a cycler log, shifts that moving lithium can cause are not called a drift"
    )
    return "; ".join(notes)


def drifted(track: ScaleTrack, spectra: int) -> NDArray[np.bool_]:
    """True for spectra of groups whose scale has moved, surely and by enough; (spectra,).

    Judged at the edge known best alone: the others move with the lithium, and one of them that is
    mistaken for something else must not raise a flag.
    """
    moved = np.abs(track.moved_kev)
    bad = (moved > DRIFT_KEV) & (moved > DRIFT_SIGMA * track.moved_std_kev)
    group = track.group_of(spectra)
    return np.where(group >= 0, bad[group], False)


def corrected(counts: Floats, *, offset_channels: float, gain: float) -> Floats:
    """Counts on the reference scale: channel c of it is shown at ``offset + gain c``; (channels,).

    Counts are shared between channels by overlap and kept, but for what leaves the ends.
    """
    edges = np.arange(counts.size + 1, dtype=np.float64)
    sums = np.concatenate([[0.0], np.cumsum(counts, dtype=np.float64)])
    return np.asarray(np.diff(np.interp(offset_channels + gain * edges, edges, sums)))


def smoothed(track: ScaleTrack, groups: int = 4) -> tuple[Floats, Floats]:
    """Offset and gain of each group, averaged over its neighbours up to a jump; (g,) each."""
    good = np.isfinite(track.offset_kev)
    offset, gain = np.nan_to_num(track.offset_kev), np.nan_to_num(track.gain, nan=1.0)
    # what is known best is the shift of the peak of highest energy: a jump shows there
    at = max(mark.energy_kev for mark in track.landmarks)
    shift = offset + (gain - 1.0) * at
    smooth = np.stack([offset, gain], axis=1)
    for number in range(good.size):
        near = np.arange(max(number - groups, 0), min(number + groups + 1, good.size))
        near = near[good[near] & (np.abs(shift[near] - shift[number]) < _JUMP_KEV)]
        if near.size:
            smooth[number] = offset[near].mean(), gain[near].mean()
    return smooth[:, 0], smooth[:, 1]


def corrected_sum(run: Run, track: ScaleTrack, indices: NDArray[np.int64]) -> Floats:
    """Sum of spectra, those flagged for a drift brought to the scale of the reference first.

    Shape (channels,); ``track`` is that of ``track_scale``.
    """
    series, scale = run.series, run.instrument.calibration
    offsets, gains = smoothed(track)
    moved = (series.flags[indices] & int(Quality.GAIN_DRIFT)) != 0
    total = series.counts[indices[~moved]].sum(axis=0, dtype=np.float64)
    group = track.group_of(len(series))
    for number in np.unique(group[indices[moved]]).tolist():
        rows = indices[moved & (group[indices] == number)]
        counts = series.counts[rows].sum(axis=0, dtype=np.float64)
        # a reference energy E appears at o + g E; both in channels of the nominal scale
        gain = float(gains[number])
        offset_kev = float(offsets[number]) + (gain - 1.0) * scale.offset_kev
        total += corrected(counts, offset_channels=offset_kev / scale.gain_kev, gain=gain)
    return np.asarray(total)
