"""From rows to what was recorded: everything verified, what is damaged marked and kept."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import LidepthError, OutOfRange, WrongFormat
from lidepth.files.readers import RawSpectrum
from lidepth.files.records import Group, Record
from lidepth.files.run_file import encode
from lidepth.files.run_file.database import Database, damaged
from lidepth.files.run_file.schema import GROWING, Table
from lidepth.model.cycling import CyclerLog
from lidepth.model.spectra import Quality, blank_counts

MAX_CELLS = 2**30
"""Spectra times channels of all detectors together."""

_BLOCK = 64  # spectra decoded at a time: some 1 MB
_WORKERS = min(os.cpu_count() or 1, 4)
_UNVERIFIED = int(Quality.UNVERIFIED)
_BASE_COLUMNS = ("time", "voltage_v", "current_ua")

Row = dict[str, Any]
Block = list[tuple[Any, ...]]
Counts = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One spectrum as found: its row, its counts (channels,) or None, and what can be trusted."""

    row: Row
    counts: Counts | None
    header_ok: bool
    counts_ok: bool

    @property
    def verified(self) -> bool:
        """True where every bit is what was recorded, and was verified then."""
        return self.header_ok and self.counts_ok and not self.row["flags"] & _UNVERIFIED

    @property
    def identity(self) -> tuple[Any, ...]:
        """The place in the run that the newest version of a spectrum takes."""
        row = self.row
        return row["source"], row["detector"], row["record"], row["grp"]

    @property
    def key(self) -> tuple[Any, ...]:
        """Record.key with its group."""
        row = self.row
        return row["source"], row["detector"], row["record"], row["sha256"], row["grp"]


def totals(database: Database) -> dict[str, int]:
    """Rows of every table as the last commit left them.

    Raises WrongFormat where commits are missing or damaged, or tables hold more or fewer rows.
    """
    table = database.table("imports")
    last: Row = {}
    for header in rows_of(database, table):
        if not encode.intact(table, header):
            raise damaged(database.path, f"import {header[0]} is not what was written")
        last = dict(zip(table.header, header, strict=True))
    found = {table.name: int(last.get(f"{table.name}_rows", 0)) for table in GROWING}
    for name, rows in found.items():
        ((count, highest),) = database.rows(
            f"SELECT count(*), coalesce(max(id), 0) FROM {name} NOT INDEXED"  # noqa: S608
        )
        if count != rows or highest != rows:
            raise damaged(database.path, f"{name}: {count} of {rows} rows are there")
    return {**found, "imports": int(last.get("id", 0))}


def rows_of(
    database: Database, table: Table, *, content: bool = False
) -> Iterator[tuple[Any, ...]]:
    """Rows of a table in their order, each as ``table.header`` says, and the content if asked for.

    Raises WrongFormat where a number is missing or comes twice.
    """
    names = (*table.header, *(("content",) if content else ()))
    query = f"SELECT {', '.join(names)} FROM {table.name} NOT INDEXED ORDER BY id"  # noqa: S608
    expected = 1
    for row in database.rows(query):
        if row[0] != expected:
            raise damaged(database.path, f"{table.name}: row {expected} is missing")
        expected += 1
        yield row


def stored_spectra(database: Database, *, keep: bool = True) -> Iterator[Stored]:
    """Decode and verify all spectra, in their order, on all cores.

    With ``keep`` the counts are rows of one table per number of channels, which stays read-only;
    without, they are forgotten.  Raises WrongFormat where rows are missing.
    """
    table = database.table("spectra")
    shapes = _shapes(database, table)
    tables = {
        size: blank_counts(rows, size, wide=wide) for size, (rows, wide) in shapes.items()
    } if keep else {}  # fmt: skip
    taken = dict.fromkeys(tables, 0)
    waiting: deque[Future[list[Stored]]] = deque()
    with ThreadPoolExecutor(_WORKERS) as pool:
        for block in _blocks(database, table):
            waiting.append(pool.submit(_decode, table, block, _place(block, table, tables, taken)))
            if len(waiting) > 2 * _WORKERS:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _blocks(database: Database, table: Table) -> Iterator[Block]:
    """Rows of spectra of one size each, a few at a time."""
    size = itemgetter(table.header.index("channels"), table.header.index("dtype"))
    block: Block = []
    for row in rows_of(database, table, content=True):
        if block and (len(block) == _BLOCK or size(row) != size(block[0])):
            yield block
            block = []
        block.append(row)
    if block:
        yield block


def _shapes(database: Database, table: Table) -> dict[int, tuple[int, bool]]:
    """Map channels to (spectra, whether they need 64 bits)."""
    shapes: dict[int, tuple[int, bool]] = {}
    query = f"SELECT channels, dtype, count(*) FROM {table.name} GROUP BY 1, 2"  # noqa: S608
    for size, kind, number in database.rows(query):
        if encode.sizes_possible(size, kind):
            rows, wide = shapes.get(size, (0, False))
            shapes[size] = rows + number, wide or kind == "i8"
    if sum(rows * size for size, (rows, _) in shapes.items()) > MAX_CELLS:
        raise OutOfRange(
            "the run does not fit the memory", where=str(database.path),
            expected=f"at most {MAX_CELLS} channels in all", remedy="import a part of the run",
        )  # fmt: skip
    return shapes


def _place(
    block: Block, table: Table, tables: dict[int, Counts], taken: dict[int, int]
) -> Counts | None:
    """Return the next free rows of the counts, None where sizes cannot be or nothing is kept."""
    size, kind = (block[0][table.header.index(name)] for name in ("channels", "dtype"))
    if size not in tables or not encode.sizes_possible(size, kind):
        return None
    first = taken[size]
    taken[size] += len(block)
    place = tables[size][first : first + len(block)]
    return place if len(place) == len(block) else None


def _decode(table: Table, block: Block, place: Counts | None) -> list[Stored]:
    """Verify rows of spectra of one size, and put their counts into ``place``."""
    rows = [dict(zip(table.header, values, strict=False)) for values in block]
    size, kind = rows[0]["channels"], rows[0]["dtype"]
    planes: list[bytes | None] = [None] * len(block)
    if encode.sizes_possible(size, kind):
        planes = [
            encode.unpack_counts(values[-1], row["content_sum"], channels=size, dtype=kind)
            for values, row in zip(block, rows, strict=True)
        ]
    if place is not None:
        for one, into in zip(planes, place, strict=True):
            encode.join_planes(one or bytes(size), into=into)
        place.setflags(write=False)
    return [
        Stored(
            row=rows[i], counts=None if place is None else place[i],
            header_ok=encode.intact(table, block[i][:-1]), counts_ok=planes[i] is not None,
        )
        for i in range(len(block))
    ]  # fmt: skip


def notes_of(database: Database) -> tuple[dict[int, Row], set[int]]:
    """Return the newest verified note of every spectrum, and which spectra have a damaged one."""
    table = database.table("notes")
    newest: dict[int, Row] = {}
    doubtful: set[int] = set()
    for header in rows_of(database, table):
        row = dict(zip(table.header, header, strict=True))
        if encode.intact(table, header):
            newest[row["spectrum_id"]] = row
            doubtful.discard(row["spectrum_id"])
        else:
            doubtful.add(row["spectrum_id"])
    return newest, doubtful


def records_of(database: Database) -> tuple[tuple[Record, ...], tuple[str, ...]]:
    """Return the newest version of every spectrum, and what there is to tell about them.

    A spectrum whose counts are damaged comes with zero counts, one whose header is damaged with
    the times of its neighbour; neither is ``verified``.  Raises WrongFormat where rows are missing
    or nothing at all can be verified.
    """
    notes, doubtful = notes_of(database)
    newest: dict[tuple[Any, ...], Stored] = {}
    lost: list[Stored] = []
    older = 0
    for stored in stored_spectra(database):
        if stored.header_ok:
            before = newest.get(stored.identity)
            older += before is not None and before.verified
            newest[stored.identity] = stored
        else:
            lost.append(stored)
    # What was recorded once more after its header was damaged is not missing.  Only the hash says
    # so: one bit can turn the name of a file into that of its neighbour.
    again = {one.key for one in newest.values() if one.verified}
    lost = [one for one in lost if one.key not in again]
    everything = sorted([*newest.values(), *lost], key=lambda one: one.row["id"])
    records: list[Record | None] = []
    for stored in everything:
        number = stored.row["id"]
        note = notes.get(number)
        good = stored.header_ok and stored.counts is not None
        record = _record(stored, note) if good else None
        if record is not None and (number in doubtful or note is None):
            record = replace(record, verified=False)
        records.append(record)
    filled = _filled(records, [one.row["id"] for one in everything], database)
    return filled, tuple(_words(filled, older))


def _words(records: tuple[Record, ...], older: int) -> Iterator[str]:
    bad = [record.source for record in records if not record.verified]
    if bad:
        shown = ", ".join(bad[:3]) + (" ..." if len(bad) > 3 else "")
        yield f"{len(bad)} spectra cannot be verified and are flagged: {shown}"
    if older:
        yield f"{older} spectra were recorded again with other content; the newest are used"


def _record(stored: Stored, note: Row | None) -> Record:
    row = stored.row
    counts = cast(NDArray[np.int64], stored.counts)
    scaled = row["offset_kev"] is not None
    noted = note or {}
    return Record(
        source=row["source"], group=cast(Group, row["grp"]), verified=stored.verified,
        raw=RawSpectrum(
            counts=counts, start=encode.moment(row["start_ns"]),
            live_s=encode.number(row["live_s"]), real_s=encode.number(row["real_s"]),
            calibration=(row["offset_kev"], row["gain_kev"]) if scaled else None,
            after_s=row["after_s"], sha256=row["sha256"], detector=row["detector"],
            record=row["record"], monitor=encode.number(row["monitor"]),
            remarks=tuple(json.loads(row["remarks"])) if row["remarks"] != "[]" else (),
        ),
        noted_start=encode.moment(noted.get("noted_start_ns")),
        noted_live_s=encode.number(noted.get("noted_live_s")),
        noted_monitor=encode.number(noted.get("noted_monitor")),
        noted_line=noted.get("noted_line", -1), pristine=bool(noted.get("pristine", 0)),
    )  # fmt: skip


def _filled(
    records: list[Record | None], numbers: list[int], database: Database
) -> tuple[Record, ...]:
    """Give every spectrum that lost its header the place of the neighbour before it."""
    if records and not any(records):
        raise damaged(database.path, "not one spectrum can be verified")
    first = next((one for one in records if one is not None), None)
    filled: list[Record] = []
    for number, record in zip(numbers, records, strict=True):
        near = filled[-1] if filled else first
        if record is None and near is not None:
            record = _stand_in(near, number, after=bool(filled))
        if record is not None:
            filled.append(record)
    return tuple(filled)


def _stand_in(near: Record, number: int, *, after: bool) -> Record:
    zeros = np.zeros_like(near.raw.counts)
    start = near.noted_start if near.noted_start is not None else near.raw.start
    real_s = next((t for t in (near.raw.real_s, near.raw.live_s, near.noted_live_s) if t > 0), 1.0)
    if start is not None:
        start = start + np.timedelta64(round(1e9 * (real_s if after else -real_s)), "ns")
    raw = RawSpectrum(
        counts=zeros, start=start, live_s=real_s, real_s=real_s, calibration=None, sha256="",
        detector=near.raw.detector, record=near.raw.record,
        remarks=("its row in the run file is damaged; the time is a guess",),
    )  # fmt: skip
    return Record(source=f"(damaged spectrum {number})", raw=raw, group=near.group, verified=False)


class LostRows(WrongFormat):
    """The cycler log has a hole that only another import can fill."""


def newest_series(database: Database) -> int:
    """Return the highest version of the cycler log, 0 where there is none."""
    ((series,),) = database.rows("SELECT MAX(series) FROM cycler")
    return int(series or 0)


def log_of(database: Database) -> tuple[CyclerLog | None, int]:
    """Return the newest version of the cycler log, and its series (0: there is none).

    Raises WrongFormat where a row of it is damaged, and LostRows after a repair that left rows out:
    a charge with a hole in it is no charge.
    """
    table = database.table("cycler")
    blocks: list[Row] = []
    for values in rows_of(database, table, content=True):
        *header, content = values
        row = dict(zip(table.header, header, strict=True), content=content)
        if not encode.intact(table, header):
            raise damaged(database.path, f"block {row['id']} of the cycler log")
        blocks.append(row)
    if not blocks:
        return None, 0
    series = max(row["series"] for row in blocks)
    blocks = [row for row in blocks if row["series"] == series]
    expected = 0
    for row in blocks:  # a repair leaves out what it cannot save
        if row["first_row"] != expected:
            raise LostRows(
                f"rows {expected + 1} to {row['first_row']} of the cycler log are lost",
                where=str(database.path), expected="every row",
                remedy="import the run once more: its cycler file fills the hole",
            )  # fmt: skip
        expected += row["row_count"]
    try:
        parts = [
            encode.unpack_columns(r["layout"], r["content_sum"], r["content"], r["row_count"])
            for r in blocks
        ]
    except WrongFormat as error:
        raise damaged(database.path, error.what) from error
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    try:
        return CyclerLog(
            **{name: columns[name] for name in _BASE_COLUMNS}, source=blocks[-1]["source"],
            anchored=bool(blocks[-1]["anchored"]),
            vendor={name[1:]: values for name, values in columns.items() if name[:1] == "/"},
        ), series  # fmt: skip
    except LidepthError as error:
        raise error.at(str(database.path)) from error


def columns_of(log: CyclerLog) -> dict[str, NDArray[Any]]:
    """Columns of a log by the names under which they are kept; those of the maker begin with /."""
    columns: dict[str, NDArray[Any]] = {name: getattr(log, name) for name in _BASE_COLUMNS}
    return columns | {f"/{name}": values for name, values in log.vendor.items()}
