"""A folder of spectra, monitor.csv and cycler.csv, read into one Run."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadData, BadInput, OutOfRange, WrongFormat
from lidepth.files.experiment import DataPaths, Experiment, read_experiment
from lidepth.files.quality import quality_flags
from lidepth.files.readers import RawSpectrum, read_spectrum
from lidepth.files.sidecars import MonitorRow, read_cycler, read_monitor
from lidepth.model.cycling import CyclerLog
from lidepth.model.result import Run
from lidepth.model.spectra import SpectrumSeries

Progress = Callable[[int, int], None]
"""Called with (files read, files in all)."""

MAX_CELLS = 2**28
"""Spectra times channels that fit the memory of a laptop (2 GiB)."""

_CLOCK_SLACK_S = 1.0  # headers give whole seconds


@dataclass(frozen=True, kw_only=True)
class _Timed:
    """One spectrum with the best that is known of its times and its monitor."""

    file: Path
    raw: RawSpectrum
    start: np.datetime64
    live_s: float
    real_s: float
    monitor: float
    order: int
    line: int


def read_run(path_to_experiment_yaml: str | Path, *, progress: Progress | None = None) -> Run:
    """Read everything that an experiment.yaml describes.

    Live and start times of monitor.csv win over those of the spectrum headers.  Spectra are
    flagged (see Quality), never dropped.  Raises a BadInput for a file that cannot be used and
    BadData for files that contradict each other; each names the file and what to do.
    """
    experiment = read_experiment(path_to_experiment_yaml)
    data = experiment.data
    rows = read_monitor(data.monitor) if data.monitor is not None else ()
    files = _all_files(data, source=experiment.source)
    log = _log(data, experiment.source)
    series = _read_series(files, rows, experiment, progress=progress)
    if log is not None:
        _check_overlap(series, log, experiment.source)
    return Run(
        title=experiment.title, area_cm2=experiment.area_cm2, stack=experiment.stack,
        instrument=experiment.instrument, series=series, log=log,
        pristine=_pristine(series, log, data, experiment.source),
        area_rel_std=experiment.area_rel_std, background=read_background(experiment),
        source=experiment.source,
    )  # fmt: skip


def read_background(experiment: Experiment) -> SpectrumSeries | None:
    """Read the spectra that ``data.background`` names; None when it names none."""
    if experiment.data.background is None:
        return None
    files = _expand(experiment.data, "background", experiment.data.background, experiment.source)
    return _read_series(files, (), experiment)


def _all_files(data: DataPaths, *, source: str) -> list[Path]:
    """Return the files of data.spectra and of a glob in data.pristine, each once."""
    files = _expand(data, "spectra", data.spectra, source)
    if isinstance(data.pristine, str):
        files += _expand(data, "pristine", data.pristine, source)
    return list({os.path.abspath(file): file for file in reversed(files)}.values())[::-1]


def _expand(data: DataPaths, key: str, pattern: str, source: str) -> list[Path]:
    anchored = str(Path(glob.escape(str(data.folder))) / pattern)
    found = sorted(Path(name) for name in glob.glob(anchored, recursive=True))
    if not found:
        raise BadInput(
            f"no file matches {pattern!r}", where=f"{source}, data.{key}",
            expected=f"files below {data.folder.resolve()}"
            + (", or START .. STOP with two ISO times" if key == "pristine" else ""),
            remedy="correct the pattern; upper and lower case matter (*.Spe is not *.spe)",
        )  # fmt: skip
    return found


def _log(data: DataPaths, source: str) -> CyclerLog | None:
    if data.cycler is not None:
        return read_cycler(data.cycler, clock_offset_s=data.clock_offset_s)
    if data.pristine is None:
        raise BadInput(
            "neither a cycler log nor a pristine period is given", where=f"{source}, data",
            expected="data.cycler or data.pristine",
            remedy='say which spectra show the fresh cell, such as pristine: "START .. STOP"',
        )  # fmt: skip
    return None


def _read_series(
    files: Sequence[Path],
    rows: Sequence[MonitorRow],
    experiment: Experiment,
    *,
    progress: Progress | None = None,
) -> SpectrumSeries:
    matched = _match(files, rows, experiment.data)
    timed: list[_Timed] = []
    for number, file in enumerate(files):
        raw = read_spectrum(file)
        _check_channels(timed[0] if timed else None, file, raw, len(files))
        timed.append(_timed(file, raw, matched.get(number), experiment, order=number))
        if progress is not None:
            progress(number + 1, len(files))
    timed.sort(key=lambda one: (one.start, one.order))
    flags = quality_flags(
        start_s=_seconds([one.start for one in timed]),
        real_s=np.array([one.real_s for one in timed]),
        live_s=np.array([one.live_s for one in timed]),
        monitor=np.array([one.monitor for one in timed]),
        total=np.array([one.raw.counts.sum() for one in timed], dtype=np.float64),
        digests=[one.raw.sha256 for one in timed],
        line=np.array([one.line for one in timed], dtype=np.int64),
    )
    return SpectrumSeries.from_arrays(
        counts=np.stack([one.raw.counts for one in timed]),
        start=np.array([one.start for one in timed], dtype="datetime64[ns]"),
        live_s=[one.live_s for one in timed], real_s=[one.real_s for one in timed],
        monitor=[one.monitor for one in timed], flags=flags,
        sources=tuple(_shown(one.file, experiment.data.folder) for one in timed),
        digests=tuple(one.raw.sha256 for one in timed),
    )  # fmt: skip


def _shown(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)


def _match(
    files: Sequence[Path], rows: Sequence[MonitorRow], data: DataPaths
) -> dict[int, MonitorRow]:
    """Map the number of each file to its row; raises BadInput for a row whose file is nowhere."""
    by_path = {os.path.abspath(file): number for number, file in enumerate(files)}
    by_name: dict[str, list[int]] = {}
    for number, file in enumerate(files):
        by_name.setdefault(file.name, []).append(number)
    home = os.path.abspath(data.folder)
    folders = {file.parent for file in files} | {data.folder}
    matched: dict[int, MonitorRow] = {}
    for row in rows:
        where = f"{data.monitor}, line {row.line}"
        numbers = by_name.get(row.file, [])
        exact = by_path.get(os.path.join(home, row.file))
        if exact is not None:
            numbers = [exact]
        if len(numbers) > 1:
            raise BadInput(
                f"{row.file!r} is the name of {len(numbers)} spectra", where=where,
                expected=f"a path from {data.folder}", remedy="write the folder before the name",
            )  # fmt: skip
        if numbers:
            matched[numbers[0]] = row
        elif not any((folder / row.file).is_file() for folder in folders):
            raise BadInput(
                f"the spectrum {row.file!r} is listed but is not there", where=where,
                expected=f"that file among data.spectra ({data.spectra})",
                remedy="copy the missing spectrum, or remove the row",
            )  # fmt: skip
    return matched


def _check_channels(first: _Timed | None, file: Path, raw: RawSpectrum, spectra: int) -> None:
    if first is not None and first.raw.counts.size != raw.counts.size:
        raise BadData(
            f"{raw.counts.size} channels, but {first.file} has {first.raw.counts.size}",
            where=str(file), expected="one number of channels in all spectra of a run",
            remedy="let data.spectra match the spectra of one analyser setting only",
        )  # fmt: skip
    if raw.counts.size * spectra > MAX_CELLS:
        raise OutOfRange(
            f"{spectra} spectra of {raw.counts.size} channels do not fit the memory",
            where=str(file), expected=f"at most {MAX_CELLS} channels in all",
            remedy="analyse a part of the run, or export with fewer channels",
        )  # fmt: skip


def _timed(
    file: Path, raw: RawSpectrum, row: MonitorRow | None, experiment: Experiment, *, order: int
) -> _Timed:
    start = row.start if row is not None and row.start is not None else raw.start
    if start is None:
        raise WrongFormat(
            "nothing says when this spectrum was taken", where=str(file),
            expected="$DATE_MEA: in the file, or a start in monitor.csv",
            remedy="add a row with its start to monitor.csv",
        )  # fmt: skip
    noted_s = row.live_s if row is not None else np.nan
    dead_s = float(raw.counts.sum()) * experiment.instrument.detector.dead_time_s
    live_s, real_s = _live_and_real(noted_s=noted_s, raw=raw, dead_s=dead_s)
    if not live_s > 0:
        raise BadData(
            "the spectrum has no live time", where=str(file), expected="more than 0 s",
            remedy="add its live time to monitor.csv, or correct $MEAS_TIM: or the dead time",
        )  # fmt: skip
    if live_s > 1.01 * real_s + 1.0:
        raise BadData(
            f"a live time of {live_s:g} s in {real_s:g} s", where=str(file),
            expected="no more live time than real time",
            remedy="correct live_s in monitor.csv or $MEAS_TIM: in the file",
        )  # fmt: skip
    return _Timed(
        file=file, raw=raw, start=start, live_s=live_s, real_s=real_s,
        monitor=row.counts if row is not None else np.nan,
        order=order,
        line=row.line if row is not None else -1,
    )  # fmt: skip


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


def _check_overlap(series: SpectrumSeries, log: CyclerLog, source: str) -> None:
    times = log.seconds(series.origin)
    if times[0] < series.stop_s.max() and times[-1] > 0.0:
        return
    stop = series.origin + np.timedelta64(round(series.stop_s.max()), "s")
    raise BadData(
        f"the cycler log ({_span(log.time[0], log.time[-1])}) and the spectra "
        f"({_span(series.origin, stop)}) do not overlap in time",
        where=f"{source}, data.cycler", expected="one clock, or a known difference of clocks",
        remedy='give data.clock_offset, such as "-1 h": what to add to the times of the cycler',
    )  # fmt: skip


def _span(start: np.datetime64, stop: np.datetime64) -> str:
    return f"{np.datetime_as_string(start, 's')} to {np.datetime_as_string(stop, 's')}"


def _pristine(
    series: SpectrumSeries, log: CyclerLog | None, data: DataPaths, source: str
) -> NDArray[np.bool_]:
    """True for the spectra of the fresh cell; shape (n,)."""
    slack_s = _CLOCK_SLACK_S
    if isinstance(data.pristine, str):
        names = {_shown(file, data.folder)
                 for file in _expand(data, "pristine", data.pristine, source)}  # fmt: skip
        chosen = np.array([name in names for name in series.sources])
        remedy = "correct the pattern in data.pristine"
    elif data.pristine is not None:
        first, last = ((end - series.origin) / np.timedelta64(1, "s") for end in data.pristine)
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
