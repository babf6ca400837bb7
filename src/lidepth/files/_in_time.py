"""Spectra in order of time: starts and live times settled, clocks put right, flags of headers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.clock_steps import Place, SetClock, clock_step, pauses
from lidepth.analysis.quality import quality_flags
from lidepth.errors import BadData, BadInput, OutOfRange, WrongFormat
from lidepth.files._order import Ordered, put_in_order
from lidepth.files.experiment import Experiment
from lidepth.files.readers import RawSpectrum
from lidepth.files.records import Record
from lidepth.model.cycling import CyclerLog
from lidepth.model.spectra import Quality, SpectrumSeries

MAX_CELLS = 2**28
"""Spectra times channels that fit the memory of a laptop (1 GiB)."""

_MOST_STEPS = 3  # a clock that is set more often than that is none


@dataclass(frozen=True, kw_only=True)
class _Timed:
    """One record with the best that is known of its times and its monitor."""

    record: Record
    start: np.datetime64
    live_s: float
    real_s: float
    monitor: float
    total: float
    marks: Quality = Quality.GOOD


def spectra_in_time(
    records: Sequence[Record], experiment: Experiment, log: CyclerLog | None, detector: str
) -> tuple[list[Record], SpectrumSeries, tuple[str, ...]]:
    """Return the records by time, as spectra, and what was found out about their clock.

    A clock that was set while they were taken is put right where the charge shows it, unless
    ``data.clock_offset`` says that the clocks are known.  Raises BadData, BadInput, OutOfRange or
    WrongFormat, naming the file.
    """
    moved = np.zeros(len(records), dtype="timedelta64[ns]")
    stepped = np.zeros(len(records), dtype=bool)
    told: tuple[str, ...] = ()
    declared = experiment.data.clock_offset_s is not None
    while True:
        timed, found = _ordered(records, experiment, moved, stepped)
        series = _series(timed, detector=detector)
        step = None
        if log is not None and len(told) < (1 if declared else _MOST_STEPS):
            places = [*pauses(series), *_back(found, series)]
            step = clock_step(series, log, experiment.instrument, experiment.stack, places)
        if step is None:
            return [one.record for one in timed], series, (*found.notes, *told)
        later = _after(step.place, found, series)
        first = int(np.flatnonzero(later)[np.argmin(found.start[later])])
        told = (*told, _set_words(step, records[first].source, declared=declared))
        if not declared:
            moved[later] -= np.timedelta64(round(step.step_s * 1e9), "ns")
            stepped[first] = True


def _after(place: Place, found: Ordered, series: SpectrumSeries) -> NDArray[np.bool_]:
    """The spectra after a place, in the order of the records; shape (n,)."""
    if place.shown_s < 0:
        return found.after_back
    since_s = (found.start - series.origin).astype(np.int64) / 1e9
    return np.asarray(since_s > place.at_s - 1e-3, dtype=bool)


def _back(found: Ordered, series: SpectrumSeries) -> list[Place]:
    """The place where the order of the files shows that the clock ran back."""
    if not found.after_back.any():
        return []
    first = found.start[found.after_back].min()
    at_s = float((first - series.origin).astype(np.int64)) / 1e9
    return [Place(at_s=at_s, shown_s=-found.back_s)]


def _set_words(step: SetClock, name: str, *, declared: bool) -> str:
    way = "ahead" if step.step_s > 0 else "back"
    shows = f"{step.fitted_s:+.0f} ± {step.std_s:.0f} s".replace("-", "−")
    what = f"the clock of the spectra was set {way} by {abs(step.step_s):.0f} s before {name}"
    done = (
        "nothing was changed, because data.clock_offset is declared" if declared else
        "all later times were put right; if that is wrong, declare data.clock_offset"
    )  # fmt: skip
    return f"{what}, as the charge in the spectra shows ({shows}): {done}"


def _ordered(
    records: Sequence[Record],
    experiment: Experiment,
    moved: NDArray[np.timedelta64],
    stepped: NDArray[np.bool_],
) -> tuple[list[_Timed], Ordered]:
    """Return the records by time, and what was found out about their clock.

    ``moved`` (n,) is added to their starts; ``stepped`` (n,) are those before which a clock was
    set.
    """
    for record in records:
        _check_channels(records[0], record, len(records))
    totals = _totals([record.raw.counts for record in records])
    timed = [_timed(*one, experiment) for one in zip(records, totals.tolist(), strict=True)]
    as_read = np.array([one.start for one in timed], dtype="datetime64[ns]")
    starts = np.asarray(as_read + moved, dtype="datetime64[ns]")
    zone = experiment.data.spectra.time_zone
    try:
        found = put_in_order(
            starts,
            np.array([one.real_s for one in timed]),
            keys=[one.record.raw.sha256 for one in timed],
            line=np.array([one.record.noted_line for one in timed], dtype=np.int64),
            names=[one.record.source for one in timed], zone=zone,
        )  # fmt: skip
    except BadInput as error:
        raise error.at(f"{experiment.source}, data.spectra.time_zone") from error
    marks = np.where(found.stepped, Quality.CLOCK_STEP, 0)
    marks |= np.where(found.doubtful, Quality.CLOCK_STEP | Quality.UNVERIFIED, 0)
    marks |= np.where(stepped, Quality.CLOCK_STEP, 0)
    for i in np.flatnonzero((found.start != as_read) | (marks != 0)).tolist():
        timed[i] = replace(timed[i], start=found.start[i], marks=Quality(int(marks[i])))
    return [timed[i] for i in found.order.tolist()], found


def _series(timed: Sequence[_Timed], *, detector: str) -> SpectrumSeries:
    raws = [one.record.raw for one in timed]
    flags = quality_flags(
        start_s=_seconds([one.start for one in timed]),
        real_s=np.array([one.real_s for one in timed]),
        live_s=np.array([one.live_s for one in timed]),
        monitor=np.array([one.monitor for one in timed]),
        total=np.array([one.total for one in timed]),
        digests=[raw.sha256 for raw in raws],
    )
    flags |= np.array([int(one.marks) for one in timed])
    flags |= np.where([one.record.verified for one in timed], 0, int(Quality.UNVERIFIED))
    rows = [raw.counts for raw in raws]
    table = _one_table(rows)
    return SpectrumSeries.from_arrays(
        counts=np.stack(rows) if table is None else table,
        start=np.array([one.start for one in timed], dtype="datetime64[ns]"),
        live_s=[one.live_s for one in timed], real_s=[one.real_s for one in timed],
        monitor=[one.monitor for one in timed], flags=flags,
        sources=tuple(one.record.source for one in timed),
        digests=tuple(raw.sha256 for raw in raws),
        claimed_scale=[raw.calibration or (np.nan, np.nan) for raw in raws], detector=detector,
    )  # fmt: skip


def _totals(rows: Sequence[NDArray[np.signedinteger]]) -> NDArray[np.float64]:
    """Counts of every spectrum (channels,); shape (n,)."""
    table = _one_table(rows)
    sums = [row.sum() for row in rows] if table is None else table.sum(axis=1, dtype=np.int64)
    return np.array(sums, dtype=np.float64)


def _one_table(rows: Sequence[NDArray[np.signedinteger]]) -> NDArray[np.signedinteger] | None:
    """Rows (channels,) as the table (n, channels) that they are consecutive rows of, if any."""
    whole = rows[0].base
    if isinstance(whole, np.ndarray) and whole.ndim == 2 and whole.flags.c_contiguous:
        step, place = whole.strides[0], whole.ctypes.data
        first = (rows[0].ctypes.data - place) // step
        wanted = range(place + first * step, place + (first + len(rows)) * step, step)
        if all(
            row.base is whole and row.size == whole.shape[1] and row.ctypes.data == at
            for row, at in zip(rows, wanted, strict=True)
        ):
            return whole[first : first + len(rows)]
    return None


def _check_channels(first: Record, record: Record, spectra: int) -> None:
    size = record.raw.counts.size
    if first.raw.counts.size != size:
        raise BadData(
            f"{size} channels, but {first.source} has {first.raw.counts.size}",
            where=record.source, expected="one number of channels in all spectra of a run",
            remedy="let data.spectra match the spectra of one analyser setting only",
        )  # fmt: skip
    if size * spectra > MAX_CELLS:
        raise OutOfRange(
            f"{spectra} spectra of {size} channels do not fit the memory",
            where=record.source, expected=f"at most {MAX_CELLS} channels in all",
            remedy="analyse a part of the run, or export with fewer channels",
        )  # fmt: skip


def _timed(record: Record, total: float, experiment: Experiment) -> _Timed:
    raw = record.raw
    start = raw.start
    if record.noted_start is not None:
        # What is noted is when the file began; its later spectra follow.
        start = record.noted_start + np.timedelta64(round(raw.after_s * 1e9), "ns")
    if start is None:
        raise WrongFormat(
            "nothing says when this spectrum was taken", where=_file(record, experiment),
            expected="a start time in the file or in monitor.csv",
            remedy="add a row with its start to monitor.csv; for list mode give data.spectra.start",
        )  # fmt: skip
    dead_s = total * experiment.instrument.detector.dead_time_s
    live_s, real_s = _live_and_real(noted_s=record.noted_live_s, raw=raw, dead_s=dead_s)
    if not live_s > 0:
        raise BadData(
            "the spectrum has no live time", where=_file(record, experiment),
            expected="more than 0 s",
            remedy="add its live time to monitor.csv, or correct the header or the dead time",
        )  # fmt: skip
    if live_s > 1.01 * real_s + 1.0:
        raise BadData(
            f"a live time of {live_s:g} s in {real_s:g} s", where=_file(record, experiment),
            expected="no more live time than real time",
            remedy="correct live_s in monitor.csv or the times in the header of the file",
        )  # fmt: skip
    noted = record.noted_monitor
    return _Timed(
        record=record, start=start, live_s=live_s, real_s=real_s,
        monitor=noted if math.isfinite(noted) else raw.monitor, total=total,
    )  # fmt: skip


def _file(record: Record, experiment: Experiment) -> str:
    return str(experiment.data.folder / record.source)


def _live_and_real(*, noted_s: float, raw: RawSpectrum, dead_s: float) -> tuple[float, float]:
    """Return live and real time in s: monitor.csv, else the header, else real less dead time.

    A header whose live time is its real time has recorded no dead time, so a known dead time per
    count is taken off.
    """
    real_s = next((t for t in (raw.real_s, raw.live_s, noted_s) if t > 0), np.nan)
    if noted_s > 0:
        return noted_s, real_s
    if raw.live_s > 0 and not (raw.live_s == real_s and dead_s > 0):
        return raw.live_s, real_s
    return real_s - dead_s, real_s


def _seconds(start: Sequence[np.datetime64]) -> NDArray[np.float64]:
    times = np.array(start, dtype="datetime64[ns]")
    return np.asarray((times - times.min()).astype(np.int64) * 1e-9, dtype=np.float64)
