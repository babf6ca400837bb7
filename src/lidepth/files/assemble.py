"""From records to a Run: one clock, one order, one detector, flags, the pristine cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.clocks import clock_difference, on_spectra_clock
from lidepth.analysis.quality import flag_run, quality_flags
from lidepth.errors import BadData, BadInput, OutOfRange, WrongFormat
from lidepth.files._order import put_in_order
from lidepth.files._zones import to_utc
from lidepth.files.experiment import DataPaths, Experiment
from lidepth.files.readers import RawSpectrum
from lidepth.files.records import Record, Recorded
from lidepth.model.calibration import Calibration
from lidepth.model.clock import ClockDifference
from lidepth.model.cycling import CyclerLog
from lidepth.model.result import Run
from lidepth.model.spectra import Quality, SpectrumSeries, seconds

MAX_CELLS = 2**28
"""Spectra times channels that fit the memory of a laptop (1 GiB)."""

_CLOCK_SLACK_S = 1.0  # headers give whole seconds
_MOST_REMARKS = 5
_COMPARED_KEV = 2700.0  # just below the tritons' birth, where a wrong gain shows most


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


def assemble(recorded: Recorded, experiment: Experiment, *, detector: str | None = None) -> Run:
    """Put what was recorded with one detector into order.

    ``detector`` goes before ``data.spectra.detector``; it may be left out when there is one only.
    Times and live times of monitor.csv win over those of the spectrum headers.  Spectra are
    flagged (see Quality), never dropped.  Raises BadData for records that contradict each other;
    it names the file and what to do.
    """
    chosen = _detector(recorded, detector or experiment.data.spectra.detector, experiment.source)
    data, log = experiment.data, recorded.log
    ours = [one for one in recorded.records if one.raw.detector == chosen]
    timed, notes = _ordered([one for one in ours if one.group == "run"], experiment)
    notes = (*recorded.notes, *notes, *_remarks(ours))
    series = _series(timed, detector=chosen)
    notes += _claimed_otherwise(series, experiment.instrument.calibration)
    blanks, _ = _ordered([one for one in ours if one.group == "background"], experiment)
    clock = None
    if log is not None:
        clock = clock_difference(
            series, log, experiment.instrument, experiment.stack, declared_s=data.clock_offset_s
        )
        log = on_spectra_clock(log, series, clock)
        _check_overlap(series, log, clock, experiment.source)
        notes += _assumed_zone(data, log)
    named = np.array([one.record.pristine for one in timed])
    run = Run(
        title=experiment.title, area_cm2=experiment.area_cm2, stack=experiment.stack,
        instrument=experiment.instrument, series=series, log=log,
        pristine=_pristine(series, log, data, named, experiment.source),
        area_rel_std=experiment.area_rel_std,
        background=_series(blanks, detector=chosen) if blanks else None,
        source=experiment.source, clock=clock, notes=notes,
    )  # fmt: skip
    return flag_run(run)


def _remarks(records: Sequence[Record]) -> tuple[str, ...]:
    """What the readers remarked, each once, with how many files it was and the first of them."""
    found: dict[str, list[str]] = {}
    for record in records:
        for remark in record.raw.remarks:
            found.setdefault(remark, []).append(record.source)
    notes = [
        f"{files[0]}" + (f" and {len(files) - 1} more" if len(files) > 1 else "") + f": {remark}"
        for remark, files in found.items()
    ]
    left = len(notes) - _MOST_REMARKS
    return (*notes[:_MOST_REMARKS], *([f"{left} other remarks of the readers"] if left > 0 else []))


def _claimed_otherwise(series: SpectrumSeries, scale: Calibration) -> tuple[str, ...]:
    """Say so where files and experiment.yaml describe two energy scales; that of the latter holds.

    Which of them is wrong is for the edges in the spectra to tell (see the flag scale doubtful).
    """
    claims = series.claimed_scale
    claims = claims[np.isfinite(claims).all(axis=1)]
    if not claims.size:
        return ()
    offset, gain = np.median(claims, axis=0)
    channel = (_COMPARED_KEV - scale.offset_kev) / scale.gain_kev
    apart_kev = offset + gain * channel - _COMPARED_KEV
    lever = np.array([1.0, channel])
    allowed_kev = 3.0 * float(np.sqrt(lever @ scale.covariance @ lever))
    if abs(apart_kev) <= allowed_kev:
        return ()
    return (
        f"the files claim {offset:g} keV + {gain:g} keV per channel, experiment.yaml says "
        f"{scale.offset_kev:g} keV + {scale.gain_kev:g} keV: {abs(apart_kev):.0f} keV apart at "
        f"{_COMPARED_KEV:.0f} keV, where {allowed_kev:.0f} keV are allowed; that "
        "of experiment.yaml was used",
    )


def detectors(recorded: Recorded) -> tuple[str, ...]:
    """Names of the detectors, in the order in which they appear."""
    return tuple(dict.fromkeys(r.raw.detector for r in recorded.records if r.group == "run"))


def _detector(recorded: Recorded, wanted: str | None, source: str) -> str:
    names = detectors(recorded)
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted not in names:
        raise BadData(
            f"the run has {len(names)} detectors and none is chosen" if wanted is None
            else f"the run has no detector {wanted!r}",
            where=f"{source}, data.spectra.detector",
            expected="one of " + ", ".join(name or "(unnamed)" for name in names),
            remedy="name it there, or with --detector",
        )  # fmt: skip
    return wanted


def _ordered(
    records: Sequence[Record], experiment: Experiment
) -> tuple[list[_Timed], tuple[str, ...]]:
    """Return the records by time, and what was found out about their clock."""
    if not records:
        return [], ()
    for record in records:
        _check_channels(records[0], record, len(records))
    totals = _totals([record.raw.counts for record in records])
    timed = [_timed(*one, experiment) for one in zip(records, totals.tolist(), strict=True)]
    starts = np.array([one.start for one in timed], dtype="datetime64[ns]")
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
    for i in np.flatnonzero((found.start != starts) | (marks != 0)).tolist():
        timed[i] = replace(timed[i], start=found.start[i], marks=Quality(int(marks[i])))
    return [timed[i] for i in found.order.tolist()], found.notes


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


def _check_overlap(
    series: SpectrumSeries, log: CyclerLog, clock: ClockDifference, source: str
) -> None:
    times = log.seconds(series.origin)
    if times[0] < series.stop_s.max() and times[-1] > 0.0:
        return
    stop = series.origin + np.timedelta64(round(series.stop_s.max()), "s")
    what = "the cycler log gives no date" if not log.anchored else (
        f"the cycler log ({_span(log.time[0], log.time[-1])}) and the spectra "
        f"({_span(series.origin, stop)}) do not overlap in time"
    )  # fmt: skip
    raise BadData(
        f"{what}; {clock.words.partition(';')[0]}",
        where=f"{source}, data.cycler", expected="one clock, or a known difference of clocks",
        remedy='give data.clock_offset, such as "-1 h": what to add to the times of the cycler'
        if log.anchored else "give data.cycler.start: the time of its first row",
    )  # fmt: skip


def _assumed_zone(data: DataPaths, log: CyclerLog) -> tuple[str, ...]:
    """Say what was assumed where only one of two clocks has a time zone."""
    spectra = data.spectra.time_zone
    cycler = data.cycler.columns.time_zone if data.cycler is not None else None
    if (spectra is None) == (cycler is None) or not log.anchored:
        return ()
    if spectra is None:
        return (
            f"data.cycler.time_zone is {cycler}, data.spectra has none: the times of the spectra "
            "were taken as UTC",
        )
    return (
        f"data.spectra.time_zone is {spectra}, data.cycler has none: the times of the cycler were "
        "taken as UTC",
    )


def _span(start: np.datetime64, stop: np.datetime64) -> str:
    return f"{np.datetime_as_string(start, 's')} to {np.datetime_as_string(stop, 's')}"


def _pristine(
    series: SpectrumSeries,
    log: CyclerLog | None,
    data: DataPaths,
    named: NDArray[np.bool_],
    source: str,
) -> NDArray[np.bool_]:
    """True for the spectra of the fresh cell; shape (n,)."""
    slack_s = _CLOCK_SLACK_S
    if isinstance(data.pristine, str):
        chosen = named
        remedy = "correct the pattern in data.pristine"
    elif data.pristine is not None:
        ends = np.array(data.pristine, dtype="datetime64[ns]")
        if data.spectra.time_zone is not None:
            ends = to_utc(ends, data.spectra.time_zone)
        first, last = seconds(ends, series.origin)
        chosen = (series.start_s >= first - slack_s) & (series.stop_s <= last + slack_s)
        remedy = "correct the times in data.pristine; they are on the clock of the spectra"
    elif log is not None:
        chosen = series.stop_s <= _first_current_s(log, series, source) + slack_s
        remedy = (
            "if the clocks differ, give data.clock_offset; if fresh-cell spectra lie elsewhere, "
            "name them in data.pristine"
        )
    else:
        chosen = np.zeros(len(series), dtype=bool)
        remedy = "give data.pristine"
    if not np.any(chosen & series.usable):
        raise BadData(
            "no usable spectrum shows the pristine cell", where=f"{source}, data.pristine",
            expected="spectra taken before the first current", remedy=remedy,
        )  # fmt: skip
    return np.asarray(chosen, dtype=bool)


def _first_current_s(log: CyclerLog, series: SpectrumSeries, source: str) -> float:
    """Time of the first row with a current, in s since the origin of the series."""
    size = np.abs(log.current_ua)
    flowing = np.flatnonzero(size > max(0.01 * float(size.max()), 0.05))
    if not flowing.size:
        raise BadData(
            "no current ever flowed", where=f"{source}, data.cycler",
            expected="a cycler log with currents above 0.05 uA",
            remedy="check that current_uA is in uA, or name the fresh-cell spectra in "
            "data.pristine",
        )  # fmt: skip
    return float(log.seconds(series.origin)[flowing[0]])
