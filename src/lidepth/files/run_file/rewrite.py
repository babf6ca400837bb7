"""A new run file from the rows of another: for repair and for migration."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lidepth.errors import WrongFormat
from lidepth.files.run_file import database, encode
from lidepth.files.run_file.append import Appender
from lidepth.files.run_file.database import Database
from lidepth.files.run_file.schema import ADDED, IMPORTS, VERSION, Table
from lidepth.model.spectra import Quality

Row = dict[str, Any]

_SMALLEST_ROW_BYTES = 64


@dataclass
class Salvage:
    """What came over: rows by table, and in words what did not."""

    rows: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)


def rewrite(old: Database, target: Path, what: str) -> Salvage:
    """Write every row of ``old`` that can be verified into a new file of the present version.

    A spectrum of which only the counts are damaged comes over with zero counts, marked UNVERIFIED,
    unless it was recorded once more.  Raises StoreError.
    """
    salvage = Salvage()
    database.create(target)
    new = database.open_to_write(target)
    try:
        append = Appender(new, writable=True)
        with append.commit(what):
            imports = _copy(old, append, IMPORTS.name, salvage, {})
            spectra = _copy_spectra(old, append, salvage, imports)
            for name in ("notes", "cycler", "settings"):
                _copy(old, append, name, salvage, imports, spectra)
        salvage.rows = dict(append.totals)
    finally:
        new.close()
        Path(f"{target}{database.LEASE_SUFFIX}").unlink(missing_ok=True)
    return salvage


def _copy(
    old: Database, append: Appender, name: str, salvage: Salvage, imports: dict[int, int],
    spectra: dict[int, int] | None = None,
) -> dict[int, int]:  # fmt: skip
    """Copy the rows of one table; returns new numbers by old ones."""
    table = old.table(name)
    numbers: dict[int, int] = {}
    for number, row in salvageable(old, table):
        if row is None or not _whole(table, row):
            salvage.problems.append(f"{name}: row {number} is damaged")
            continue
        if name == "notes" and row["spectrum_id"] not in (spectra or {}):
            continue  # the spectrum itself is lost, and counted there
        numbers[number] = append.insert(name, **_renewed(row, old.version, name, imports, spectra))
    return numbers


def _copy_spectra(
    old: Database, append: Appender, salvage: Salvage, imports: dict[int, int]
) -> dict[int, int]:
    table = old.table("spectra")
    again = {
        _key(row) for _, row in salvageable(old, table)
        if row is not None and _whole(table, row) and not row["flags"] & Quality.UNVERIFIED
    }  # fmt: skip
    numbers: dict[int, int] = {}
    for number, row in salvageable(old, table):
        if row is None or not _header_whole(table, row):
            salvage.problems.append(f"spectra: row {number} is lost")
            salvage.damaged.append(number)
            continue
        marked = not _whole(table, row) or bool(row["flags"] & Quality.UNVERIFIED)
        if marked and _key(row) in again:
            continue
        if not _whole(table, row):
            salvage.problems.append(f"spectra: the counts of {row['source']} are lost")
            salvage.damaged.append(number)
            dtype, digest, content = encode.pack_counts(np.zeros(row["channels"], np.int64))
            row |= {"dtype": dtype, "content_sum": digest, "content": content,
                    "flags": row["flags"] | int(Quality.UNVERIFIED)}  # fmt: skip
        numbers[number] = append.insert(
            "spectra", **_renewed(row, old.version, "spectra", imports, None)
        )
    return numbers


def _renewed(
    row: Row, version: int, name: str, imports: dict[int, int], spectra: dict[int, int] | None
) -> Row:
    for step in range(version, VERSION):
        row = {**ADDED[step].get(name, {}), **row}
    row = {key: value for key, value in row.items() if key not in ("id", "checksum")}
    if "import_id" in row:
        row["import_id"] = imports.get(row["import_id"], 0)
    if "spectrum_id" in row:
        row["spectrum_id"] = (spectra or {})[row["spectrum_id"]]
    return row


def salvageable(old: Database, table: Table) -> Iterator[tuple[int, Row | None]]:
    """Every row of a table by its number, None for one that cannot be reached.

    Rows are looked up one by one: a broken page then costs the rows behind it, not all that follow.
    """
    names = (*table.header, *(("content",) if table.content else ()))
    query = f"SELECT {', '.join(names)} FROM {table.name} WHERE id = ?"  # noqa: S608
    for number in range(1, _highest(old, table) + 1):
        row: Row | None = None
        with suppress(sqlite3.Error, OverflowError, MemoryError, UnicodeError):
            found = old.connection.execute(query, (number,)).fetchone()
            row = None if found is None else dict(zip(names, found, strict=True))
        yield number, row


def _highest(old: Database, table: Table) -> int:
    """Highest number that a row of a table can have."""
    most = max(old.path.stat().st_size // _SMALLEST_ROW_BYTES, 1)
    found = []
    queries = [f"SELECT max(id) FROM {table.name}"]  # noqa: S608
    if table.name != IMPORTS.name:
        queries.append(f"SELECT {table.name}_rows FROM imports ORDER BY id DESC LIMIT 1")  # noqa: S608
    for query in queries:
        with suppress(sqlite3.Error, UnicodeError):
            value = old.connection.execute(query).fetchone()
            found += [value[0]] if value is not None and isinstance(value[0], int) else []
    return min(max(found, default=most), most)


def header_of(table: Table, row: Row) -> list[Any]:
    """Values of a row in the order of ``table.header``."""
    return [row[name] for name in table.header]


def _header_whole(table: Table, row: Row) -> bool:
    return encode.intact(table, header_of(table, row))


def _whole(table: Table, row: Row) -> bool:
    return _header_whole(table, row) and content_whole(table, row)


def content_whole(table: Table, row: Row) -> bool:
    """Tell whether the content of a row whose header is whole is what was written."""
    if table.name == "spectra":
        planes = encode.unpack_counts(
            row["content"], row["content_sum"], channels=row["channels"], dtype=row["dtype"]
        )
        return planes is not None
    if table.name == "cycler":
        try:
            encode.unpack_columns(
                row["layout"], row["content_sum"], row["content"], row["row_count"]
            )
        except WrongFormat:
            return False
        return True
    if table.content:
        good = isinstance(row["content"], bytes)
        return good and encode.content_sum(row["content"]) == row["content_sum"]
    return True


def _key(row: Row) -> tuple[Any, ...]:
    return row["source"], row.get("detector"), row["record"], row["sha256"], row["grp"]
