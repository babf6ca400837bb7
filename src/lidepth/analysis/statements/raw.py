"""Raw differences of count rates: B - A, D - C, and the longest rest against its beginning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.campaign.linear import Spectra
from lidepth.analysis.campaign.timetable import Moments
from lidepth.analysis.fit import Observation
from lidepth.model.cycling import StateSpectrum, Step
from lidepth.model.mechanism import DifferenceSpectra

Floats = NDArray[np.float64]

_FIRST_HOURS = 2.0  # of a rest, to which the others are compared
_SLICE_HOURS = 2.0


class Rate(NamedTuple):
    """Count rate per keV of pristine beam (bins,) and its variance."""

    value: Floats
    variance: Floats


def _rate(counts: Floats, seconds: float, widths_kev: Floats) -> Rate:
    scale = seconds * widths_kev
    return Rate(counts / scale, np.maximum(counts, 1.0) / scale**2)


def difference_spectra(
    observations: Sequence[Observation], states: Sequence[StateSpectrum], edges_kev: Floats,
    inside: NDArray[np.bool_],
) -> DifferenceSpectra:  # fmt: skip
    """B - A and D - C of every cycle.

    ``observations`` the pristine one first, then one per state; ``inside`` (bins,) what is kept,
    a stretch of neighbours.
    """
    widths = np.diff(edges_kev)
    rates = [_rate(seen.counts, seen.setting.exposure, widths) for seen in observations]
    known: dict[tuple[int, str], Rate] = {(0, "discharged"): rates[0]}
    for state, rate in zip(states, rates[1:], strict=True):
        known[state.cycle, state.name] = rate
    cycles = np.unique([state.cycle for state in states if state.cycle > 0]).astype(np.int64)
    pairs = [((n, "charged"), (n - 1, "discharged")) for n in cycles.tolist()]
    charging, charging_std = _differences(known, pairs, inside)
    pairs = [((n, "discharged"), (n, "charged")) for n in cycles.tolist()]
    discharging, discharging_std = _differences(known, pairs, inside)
    return DifferenceSpectra(
        cycles=cycles, edges_kev=_edges(edges_kev, inside), charging=charging,
        charging_std=charging_std, discharging=discharging, discharging_std=discharging_std,
    )  # fmt: skip


def _edges(edges_kev: Floats, inside: NDArray[np.bool_]) -> Floats:
    kept = np.flatnonzero(inside)
    return edges_kev[kept[0] : kept[-1] + 2]


def _differences(
    known: dict[tuple[int, str], Rate], pairs: Sequence[tuple[tuple[int, str], tuple[int, str]]],
    inside: NDArray[np.bool_],
) -> tuple[Floats, Floats]:  # fmt: skip
    nothing = np.full(int(inside.sum()), np.nan)
    values, stds = [], []
    for later, earlier in pairs:
        if later in known and earlier in known:
            values.append((known[later].value - known[earlier].value)[inside])
            stds.append(np.sqrt(known[later].variance + known[earlier].variance)[inside])
        else:
            values.append(nothing)
            stds.append(nothing)
    return np.array(values), np.array(stds)


def longest_rest(steps: Sequence[Step]) -> int | None:
    """Place of the longest rest that follows a charge; None without one."""
    after = [
        place
        for place, step in enumerate(steps)
        if step.kind == "rest" and place and steps[place - 1].kind == "charge"
    ]
    return max(after, key=lambda k: steps[k].stop_s - steps[k].start_s, default=None)


def rest_changes(
    spectra: Spectra, moments: Moments, rest: Step, widths_kev: Floats, inside: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """Middles (s,) in h, change of rate per keV (s, bins) against the first hours, and its error.

    Empty where the rest is too short for two slices; ``widths_kev`` and ``inside`` of the bins
    that ``spectra`` has.
    """
    hours = (moments.time_s - rest.start_s) / 3600.0
    length = (rest.stop_s - rest.start_s) / 3600.0
    begins = np.arange(0.0, length - 0.5 * _SLICE_HOURS, _SLICE_HOURS)
    rates, middles = [], []
    for begin in begins:
        last = begin + (_FIRST_HOURS if begin == 0 else _SLICE_HOURS)
        rows = np.flatnonzero((hours >= begin) & (hours < min(last, length)))
        if rows.size:
            counts, seconds = spectra.counts[rows].sum(axis=0), float(spectra.exposure[rows].sum())
            rates.append(_rate(counts, seconds, widths_kev))
            middles.append(float(hours[rows].mean()))
    if len(rates) < 2:
        return np.zeros(0), np.zeros((0, int(inside.sum()))), np.zeros((0, int(inside.sum())))
    change = np.array([(rate.value - rates[0].value)[inside] for rate in rates[1:]])
    std = np.array([np.sqrt(rate.variance + rates[0].variance)[inside] for rate in rates[1:]])
    return np.array(middles[1:]), change, std
