"""Where along a campaign the model is carried through, and which spectra lie between two places.

Every half cycle has a few anchors.  Late in a long campaign one cycle is like the next: only every
eighth has anchors, and the spectra of the others are placed where the nearest cycle that has was in
the same phase.  That costs nothing to first order, for each spectrum is linearised about the place
it is given, at a state within a per cent of the charge of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.campaign.timetable import DAY_S, Moments
from lidepth.model.cycling import Step

Floats = NDArray[np.float64]

_PER_FIRST_CHARGE = 3.0  # anchors; against eight: below 0.1 % of the first charge
_LATE = 60.0  # first charges moved, beyond which half as many will do
_IDLE_DAYS = 2.0  # at rest, per anchor
_EARLY_CYCLES = 30  # all of them have anchors
_EVERY = 8  # one of so many later ones has


@dataclass(frozen=True, kw_only=True)
class Anchoring:
    """Spectra at which the model is carried through, and where all others lie between them.

    ``rows`` (a,) number the spectra; ``place`` (k,) is where each of all k spectra lies along the
    campaign, so that those of ``rows`` are in order.
    """

    rows: NDArray[np.int64]
    place: Floats


def anchoring(moments: Moments, steps: Sequence[Step]) -> Anchoring:
    """Choose anchors by charge moved and time; ``steps`` of the cycler."""
    place = _clock(moments)
    turns = np.interp([s.stop_s for s in steps], moments.time_s, moments.passed_uah)
    rows = _anchor_rows(moments, place, turns)
    cycles = np.array([step.cycle for step in steps], dtype=np.int64)
    lenders = _lenders(cycles)
    if np.array_equal(lenders, np.unique(cycles)):
        return Anchoring(rows=rows, place=place)
    near = {int(c): int(lenders[np.argmin(np.abs(lenders - c))]) for c in np.unique(cycles)}
    lent = _lent(moments, place, steps, near)
    kept = np.zeros(len(moments), dtype=bool)
    kept[[0, len(moments) - 1]] = True
    for step in steps:
        if near[step.cycle] == step.cycle:
            first, last = np.searchsorted(moments.time_s, [step.start_s, step.stop_s])
            kept[max(first - 1, 0) : last + 1] = True
    rows = rows[kept[rows]]
    lent[rows] = place[rows]
    return Anchoring(rows=rows, place=lent)


def _clock(moments: Moments) -> Floats:
    """Where each spectrum is along the campaign: charge moved and time, in anchors; (k,)."""
    days = (moments.time_s - moments.origin_s) / DAY_S
    moved = moments.passed_uah / moments.first_uah
    counted = np.minimum(moved, _LATE) + 0.5 * np.maximum(moved - _LATE, 0.0)
    return np.asarray(counted * _PER_FIRST_CHARGE + days / _IDLE_DAYS)


def _anchor_rows(moments: Moments, place: Floats, turns_uah: Floats) -> NDArray[np.int64]:
    """Spectra where the current turns, and in between; first and last included; (a,)."""
    last_row = len(moments) - 1
    # A rest begins and ends at one charge: one anchor stands for it.
    turns = np.unique(np.round(turns_uah / moments.first_uah, 3)) * moments.first_uah
    rows = np.searchsorted(moments.passed_uah, turns - 1e-3 * moments.first_uah)
    fixed = np.unique(np.clip(np.concatenate([[0], rows, [last_row]]), 0, last_row))
    chosen = [fixed[:1]]
    for first, last in pairwise(fixed):
        pieces = int(np.ceil(place[last] - place[first]))
        wanted = np.linspace(place[first], place[last], max(pieces, 1) + 1)[1:]
        chosen.append(np.clip(np.searchsorted(place, wanted), first, last))
    return np.unique(np.concatenate(chosen))


def _lenders(cycles: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cycles that have anchors of their own."""
    known = np.unique(cycles)
    own = (known <= _EARLY_CYCLES) | (known % _EVERY == 0) | (known == known[-1])
    return np.asarray(known[own])


def _lent(moments: Moments, place: Floats, steps: Sequence[Step], near: dict[int, int]) -> Floats:
    """Places of the spectra of cycles without anchors, in the same phase of the nearest; (k,)."""
    order: dict[tuple[int, int], Step] = {}
    numbers: dict[int, int] = {}
    lent = place.copy()
    keys = []
    for step in steps:
        numbers[step.cycle] = numbers.get(step.cycle, -1) + 1
        keys.append((step.cycle, numbers[step.cycle]))
        order[keys[-1]] = step
    for step, (cycle, number) in zip(steps, keys, strict=True):
        like = order.get((near[cycle], number))
        if near[cycle] == cycle or like is None or like.kind != step.kind:
            continue  # an irregular cycle keeps its own place
        inside = slice(*np.searchsorted(moments.time_s, [step.start_s, step.stop_s]))
        phase = (moments.time_s[inside] - step.start_s) / (step.stop_s - step.start_s)
        time = like.start_s + phase * (like.stop_s - like.start_s)
        lent[inside] = np.interp(time, moments.time_s, place)
    return lent
