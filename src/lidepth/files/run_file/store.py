"""The run file: open, add, read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import Truncated
from lidepth.files._provenance import versions
from lidepth.files.experiment import Experiment, parse_experiment
from lidepth.files.records import Progress, Record, Recorded
from lidepth.files.run_file import database, encode, reading, schema
from lidepth.files.run_file.append import Appender, now
from lidepth.files.run_file.migrate import migrated_copy
from lidepth.model.cycling import CyclerLog
from lidepth.model.spectra import Quality

COMMIT_SPECTRA = 64
"""Spectra per commit, at least: what an interruption can cost, against the time of an fsync."""


@dataclass(frozen=True, kw_only=True)
class Added:
    """What an import brought: new spectra and cycler rows; spectra that were ``known``."""

    spectra: int = 0
    cycler_rows: int = 0
    known: int = 0


class RunFile:
    """A ``*.lidepth`` file, to be used in a ``with`` block.

    Only one RunFile can be open to write at a time, in any process; reading always works.
    ``notes`` say what was out of the ordinary, in sentences for the user.
    """

    def __init__(self, opened: database.Database, *, writable: bool) -> None:
        """Use ``open`` or ``create``."""
        self._database = opened
        self._writable = writable
        self._append = Appender(opened, writable=writable)
        self._notes = list(opened.notes)

    @classmethod
    def create(cls, path: str | Path, experiment: Experiment) -> RunFile:
        """Make a new run file that describes itself with ``experiment``, and open it to write.

        Raises StoreError where there is one already or the folder cannot be written to.
        """
        database.create(Path(path))
        run_file = cls.open(path, write=True)
        with ExitStack() as stack:
            stack.callback(run_file.close)
            run_file.describe(experiment)
            stack.pop_all()
        return run_file

    @classmethod
    def open(cls, path: str | Path, *, write: bool = False) -> RunFile:
        """Open a run file.

        An older schema is read through a migrated copy.  Raises BadInput for a file that cannot be
        opened, Truncated, WrongFormat for what is no run file or a newer one, and StoreError when
        it is to be written and another program does so.
        """
        file = Path(path)
        if not write:
            opened = database.open_to_read(file)
            if opened.version != schema.VERSION:
                opened = migrated_copy(opened)
            return cls(opened, writable=False)
        run_file = cls(database.open_to_write(file), writable=True)
        with ExitStack() as stack:
            stack.callback(run_file.close)
            run_file._append.totals = reading.totals(run_file._database)
            stack.pop_all()
        return run_file

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    @property
    def path(self) -> Path:
        """Where the run file lies."""
        return self._database.path

    @property
    def notes(self) -> tuple[str, ...]:
        """What was out of the ordinary so far."""
        return tuple(self._notes)

    def describe(self, experiment: Experiment) -> bool:
        """Keep the text of experiment.yaml where it differs from what is kept; tells whether.

        Raises StoreError.
        """
        if self._settings() == experiment.text:
            return False
        with self._append.commit("settings"):
            self._append.insert(
                "settings", at=now(), versions=json.dumps(versions()), experiment=experiment.text
            )
        return True

    def experiment(self) -> Experiment:
        """Return the newest experiment; its paths start at the folder of the run file.

        Raises Truncated where there is none yet and WrongFormat where it is damaged.
        """
        text = self._settings()
        if text is None:
            raise Truncated(
                "the run file holds no experiment yet", where=str(self.path),
                expected="one that was imported", remedy="import the run once more",
            )  # fmt: skip
        return parse_experiment(text, self.path)

    def _settings(self) -> str | None:
        table = self._database.table("settings")
        text: str | None = None
        with self._database.snapshot():
            self._verify_totals()
            for header in reading.rows_of(self._database, table):
                if not encode.intact(table, header):
                    raise database.damaged(self.path, f"settings {header[0]}")
                text = dict(zip(table.header, header, strict=True))["experiment"]
        return text

    def recorded(self) -> Recorded:
        """Return everything that was recorded, verified.

        A spectrum that is damaged comes back with ``verified`` False and zero counts.  Raises
        WrongFormat where rows are missing or the cycler log is damaged: then only a repair helps.
        """
        with self._database.snapshot():
            self._verify_totals()
            records, words = reading.records_of(self._database)
            log, _ = reading.log_of(self._database)
        self._tell(*words)
        return Recorded(records=records, log=log)

    def add(self, recorded: Recorded, progress: Progress | None = None) -> Added:
        """Add what is not there yet, in commits of a few spectra.

        ``progress(done, all)`` is called after each commit: what it has counted is safe on the
        disk.  A later ``add`` of the same goes on where an interrupted one stopped.  Raises
        StoreError when the disk is full or the file was removed; what was safe stays so.
        """
        keys, notes = self._known()
        new = [record for record in recorded.records if _key(record) not in keys]
        changed = [
            (keys[_key(r)], r)
            for r in recorded.records
            if _key(r) in keys and _noted(r) != notes.get(keys[_key(r)])
        ]
        rows = self._add_log(recorded.log) if recorded.log is not None else 0
        if changed:
            with self._append.commit(f"other notes on {len(changed)} spectra"):
                for number, record in changed:
                    self._append.insert("notes", spectrum_id=number, **_noted(record))
            self._tell(f"monitor.csv or data.pristine say something new of {len(changed)} spectra")
        done = 0
        for block in _blocks(new):
            with self._append.commit(f"{len(block)} spectra"):
                for record in block:
                    number = self._insert_spectrum(record)
                    self._append.insert("notes", spectrum_id=number, **_noted(record))
            done += len(block)
            if progress is not None:
                progress(done, len(new))
        known = len(recorded.records) - len(new)
        return Added(spectra=len(new), cycler_rows=rows, known=known)

    def _tell(self, *words: str) -> None:
        self._notes += [word for word in words if word not in self._notes]

    def _verify_totals(self) -> None:
        """Refuse a file that has lost rows; a writer has made sure of that when it opened."""
        if not self._writable:
            reading.totals(self._database)

    def _known(self) -> tuple[dict[tuple[Any, ...], int], dict[int, dict[str, Any]]]:
        """Return the number of every verified spectrum by its key, and what is noted of each."""
        with self._database.snapshot():
            keys = {
                stored.key: stored.row["id"]
                for stored in reading.stored_spectra(self._database, keep=False)
                if stored.verified
            }
            notes, doubtful = reading.notes_of(self._database)
        names = [name for name, _ in schema.NOTES.columns[2:]]
        noted = {n: {name: row[name] for name in names} for n, row in notes.items()}
        return keys, {n: note for n, note in noted.items() if n not in doubtful}

    def _add_log(self, log: CyclerLog) -> int:
        """Add the rows that are new; a log that begins otherwise replaces the one there is."""
        known, old = 0, None
        with self._database.snapshot():
            try:
                old, series = reading.log_of(self._database)
            except reading.LostRows as lost:
                self._tell(f"{lost.what}; the log is recorded anew")
                series = reading.newest_series(self._database) + 1
        if old is not None and _continues(old, log):
            known = old.time.size
        elif old is not None:
            self._tell(
                "the cycler log does not begin as the one recorded before; the new one is used, "
                "the old one is kept"
            )
            series += 1
        rows = int(log.time.size)
        if known == rows and series:
            return 0
        columns = reading.columns_of(log)
        with self._append.commit(f"{rows - known} cycler rows"):
            for first in range(known, rows, encode.MAX_BLOCK_ROWS):
                self._insert_rows(columns, first, series=max(series, 1), log=log)
        return rows - known

    def _insert_rows(
        self, columns: dict[str, NDArray[Any]], first: int, *, series: int, log: CyclerLog
    ) -> None:
        part = {name: v[first : first + encode.MAX_BLOCK_ROWS] for name, v in columns.items()}
        layout, digest, content = encode.pack_columns(part)
        self._append.insert(
            "cycler", series=series, first_row=first, row_count=int(part["time"].size),
            source=_names(log.source), anchored=int(log.anchored), layout=layout,
            content_sum=digest, content=content,
        )  # fmt: skip

    def _insert_spectrum(self, record: Record) -> int:
        raw = record.raw
        dtype, digest, content = encode.pack_counts(raw.counts)
        offset_kev, gain_kev = raw.calibration or (None, None)
        return self._append.insert(
            "spectra", source=record.source, detector=raw.detector, record=raw.record,
            sha256=raw.sha256, grp=record.group, start_ns=encode.nanoseconds(raw.start),
            after_s=float(raw.after_s),
            live_s=encode.known(raw.live_s), real_s=encode.known(raw.real_s),
            monitor=encode.known(raw.monitor), offset_kev=offset_kev, gain_kev=gain_kev,
            remarks=json.dumps(raw.remarks),
            flags=0 if record.verified else int(Quality.UNVERIFIED),
            channels=int(raw.counts.size), dtype=dtype, content_sum=digest, content=content,
        )  # fmt: skip


def _blocks(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Cut into commits, never within a file: what is there of a file is then all of it."""
    block: list[Record] = []
    for record in records:
        if len(block) >= COMMIT_SPECTRA and record.source != block[-1].source:
            yield block
            block = []
        block.append(record)
    if block:
        yield block


def _key(record: Record) -> tuple[Any, ...]:
    return (*record.key, record.group)


def _noted(record: Record) -> dict[str, Any]:
    return {
        "noted_start_ns": encode.nanoseconds(record.noted_start),
        "noted_live_s": encode.known(record.noted_live_s),
        "noted_monitor": encode.known(record.noted_monitor),
        "noted_line": record.noted_line,
        "pristine": int(record.pristine),
    }


def _continues(old: CyclerLog, new: CyclerLog) -> bool:
    """Tell whether ``new`` is ``old`` with rows added at the end."""
    if old.anchored != new.anchored or new.time.size < old.time.size:
        return False
    mine, other = reading.columns_of(old), reading.columns_of(new)
    if set(mine) != set(other):
        return False
    return all(_same(mine[name], other[name][: old.time.size]) for name in mine)


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    floats = one.dtype.kind == other.dtype.kind == "f"
    return bool(np.array_equal(one, other, equal_nan=floats))


def _names(source: str) -> str:
    """Names of files without their folders, which say more of a computer than of a run."""
    return ", ".join(Path(part).name for part in source.split(", "))
