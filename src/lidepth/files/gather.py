"""The files that an experiment.yaml names: which they are, and what each holds."""

from __future__ import annotations

import glob
import os
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path

from lidepth.errors import BadInput
from lidepth.files.cyclers import read_cycler
from lidepth.files.experiment import DataPaths, Experiment
from lidepth.files.readers import RawSpectrum, read_spectra
from lidepth.files.records import Group, Progress, Record, Recorded, joined
from lidepth.files.sidecars import MonitorRow, read_monitor
from lidepth.model.cycling import CyclerLog

Kept = Mapping[tuple[str, str], Sequence[RawSpectrum]]
"""Spectra that were read before, by path (from the folder of the experiment) and SHA-256."""


def gather(
    experiment: Experiment, *, kept: Kept | None = None, progress: Progress | None = None
) -> Recorded:
    """Read every file that an experiment describes.

    A file that is in ``kept`` with the content it has now is not decoded again.  Raises a BadInput
    for a file that cannot be used; it names the file and what to do.
    """
    data = experiment.data
    rows = read_monitor(data.monitor) if data.monitor is not None else ()
    pristine = (
        _expand(data, "pristine", data.pristine, experiment.source)
        if isinstance(data.pristine, str)
        else []
    )
    files = _expand(data, "spectra", data.spectra.glob, experiment.source)
    files = list({os.path.abspath(f): f for f in reversed([*files, *pristine])}.values())[::-1]
    log = _log(data, experiment.source)
    matched, absent = _match(files, rows, data)
    records = _read(
        files, matched, data, group="run", kept=kept or {},
        pristine={os.path.abspath(file) for file in pristine}, progress=progress,
    )  # fmt: skip
    if data.background is not None:
        blanks = _expand(data, "background", data.background, experiment.source)
        records += _read(blanks, {}, data, group="background", kept=kept or {})
    return Recorded(records=tuple(records), log=log, notes=_absence(absent, data))


def gather_log(experiment: Experiment) -> CyclerLog | None:
    """Read the cycler log alone; None where the experiment names none.  Raises as ``gather``."""
    return _log(experiment.data, experiment.source)


def _read(
    files: Sequence[Path], matched: dict[int, MonitorRow], data: DataPaths, *, group: Group,
    kept: Kept, pristine: Container[str] = (), progress: Progress | None = None,
) -> list[Record]:  # fmt: skip
    records = []
    for number, file in enumerate(files):
        row = matched.get(number)
        for raw in _spectra(file, data, kept):
            records.append(
                Record(
                    source=_shown(file, data.folder), raw=raw, group=group,
                    noted_start=row.start if row is not None else None,
                    noted_live_s=row.live_s if row is not None else float("nan"),
                    noted_monitor=row.counts if row is not None else float("nan"),
                    noted_line=row.line if row is not None else -1,
                    pristine=os.path.abspath(file) in pristine,
                )
            )  # fmt: skip
        if progress is not None:
            progress(number + 1, len(files))
    return records


def _spectra(file: Path, data: DataPaths, kept: Kept) -> Sequence[RawSpectrum]:
    if kept:
        # A file that cannot be opened is for the reader to refuse, in its own words.
        with suppress(OSError), open(file, "rb") as stream:
            found = kept.get((_shown(file, data.folder), file_digest(stream, "sha256").hexdigest()))
            if found is not None:
                return found
    return read_spectra(file, key=data.spectra.format, dialect=data.spectra.dialect)


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
    if data.cycler is None:
        return None
    files = _expand(data, "cycler", data.cycler.glob, source)
    return joined(
        [read_cycler(f, key=data.cycler.format, columns=data.cycler.columns) for f in files]
    )


def _shown(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)


def _match(
    files: Sequence[Path], rows: Sequence[MonitorRow], data: DataPaths
) -> tuple[dict[int, MonitorRow], list[MonitorRow]]:
    """Map the number of each file to its row, and list the rows whose file is nowhere.

    Raises BadInput where a name may be misspelt (as many spectra have no row), and where most
    rows have no spectrum: then the table is of another run.
    """
    by_path = {os.path.abspath(file): number for number, file in enumerate(files)}
    by_name: dict[str, list[int]] = {}
    for number, file in enumerate(files):
        by_name.setdefault(file.name, []).append(number)
    home = os.path.abspath(data.folder)
    folders = {file.parent for file in files} | {data.folder}
    matched: dict[int, MonitorRow] = {}
    absent: list[MonitorRow] = []
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
            absent.append(row)
    unlisted = len(files) - len(matched)
    if absent and (unlisted >= len(absent) or len(absent) > len(matched)):
        raise BadInput(
            f"the spectrum {absent[0].file!r} is listed but is not there",
            where=f"{data.monitor}, line {absent[0].line}",
            expected=f"that file among data.spectra ({data.spectra.glob})",
            remedy="copy the missing spectrum, or remove the row",
        )  # fmt: skip
    return matched, absent


def _absence(absent: Sequence[MonitorRow], data: DataPaths) -> tuple[str, ...]:
    """Say which rows of monitor.csv have no spectrum: lost, or not yet written in a growing run."""
    if not absent:
        return ()
    name = Path(data.monitor).name if data.monitor is not None else ""
    return (
        f"{name} lists {len(absent)} spectra that are not there, such as {absent[0].file} "
        f"(line {absent[0].line})",
    )
