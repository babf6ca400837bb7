"""From records to a Run: one clock, one order, one detector, flags, the pristine cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lidepth.analysis.clock_steps import log_gaps, without_log_step
from lidepth.analysis.clocks import clock_difference, on_spectra_clock
from lidepth.analysis.quality import flag_run
from lidepth.errors import BadData
from lidepth.files._in_time import spectra_in_time
from lidepth.files._zones import to_utc
from lidepth.files.experiment import DataPaths, Experiment
from lidepth.files.records import Record, Recorded
from lidepth.model.calibration import Calibration
from lidepth.model.clock import ClockDifference
from lidepth.model.cycling import CyclerLog
from lidepth.model.result import Run
from lidepth.model.spectra import SpectrumSeries, seconds

_CLOCK_SLACK_S = 1.0  # headers give whole seconds
_MOST_REMARKS = 5
_MOST_STEPS = 3  # a clock that is set more often than that is none
_LACKING = 2e-3  # of the largest charge: less is within the errors of any ledger
_COMPARED_KEV = 2700.0  # just below the tritons' birth, where a wrong gain shows most


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
    ordered, series, notes = spectra_in_time(
        [one for one in ours if one.group == "run"], experiment, log, chosen
    )
    notes = (*recorded.notes, *notes, *_remarks(ours))
    notes += _claimed_otherwise(series, experiment.instrument.calibration)
    blanks = [one for one in ours if one.group == "background"]
    clock = None
    if log is not None:
        log, told = _log_put_right(series, log, experiment)
        notes += told
        clock = clock_difference(
            series, log, experiment.instrument, experiment.stack, declared_s=data.clock_offset_s
        )
        log = on_spectra_clock(log, series, clock)
        _check_overlap(series, log, clock, experiment.source)
        notes += _assumed_zone(data, log)
    named = np.array([record.pristine for record in ordered])
    run = Run(
        title=experiment.title, area_cm2=experiment.area_cm2, stack=experiment.stack,
        instrument=experiment.instrument, series=series, log=log,
        pristine=_pristine(series, log, data, named, experiment.source),
        area_rel_std=experiment.area_rel_std,
        background=spectra_in_time(blanks, experiment, None, chosen)[1] if blanks else None,
        source=experiment.source, clock=clock, notes=notes,
    )  # fmt: skip
    return flag_run(run)


def _log_put_right(
    series: SpectrumSeries, log: CyclerLog, experiment: Experiment
) -> tuple[CyclerLog, tuple[str, ...]]:
    """Take out by what the clock of the cycler was set, and say where its log lacks rows."""
    told: tuple[str, ...] = ()
    declared = experiment.data.clock_offset_s is not None
    while len(told) < _MOST_STEPS:
        found = without_log_step(series, log, experiment.instrument, experiment.stack)
        if found is None:
            break
        moved, row, step = found
        when = np.datetime_as_string(log.time[row], "s")
        told += (
            f"the clock of the cycler was set ahead by {-step.step_s:.0f} s after {when}, as the "
            f"charge in the spectra shows ({-step.fitted_s:.0f} ± {step.std_s:.0f} s): "
            + ("nothing was changed, because data.clock_offset is declared" if declared else
               "all later rows were put right; if that is wrong, declare data.clock_offset"),
        )  # fmt: skip
        if declared:
            break
        log = moved
    return log, (*told, *_lacking(log))


def _lacking(log: CyclerLog) -> tuple[str, ...]:
    """Say where rows are missing while a current flows: its charge is a guess."""
    took_h = np.diff(log.time.astype(np.int64)) / 3.6e12
    moved_uah = log.current_ua[:-1] * took_h
    least_uah = _LACKING * float(np.ptp(log.charge_uah))
    return tuple(
        f"the cycler log has no rows for {60.0 * took_h[row]:.0f} min after "
        f"{np.datetime_as_string(log.time[row], 's')} with {log.current_ua[row]:+.3g} µA on: "
        f"{moved_uah[row]:+.3g} µAh are counted as if it went on; if a clock was set there, "
        "correct the times of the log"
        for row in sorted(log_gaps(log))
        if abs(moved_uah[row]) > least_uah
    )


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
    else:  # a record of any sample; the analysis of a cell will ask
        return np.zeros(len(series), dtype=bool)
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
