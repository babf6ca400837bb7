"""Rows are added here, and only here: numbered, with checksums, a commit at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from lidepth import __version__
from lidepth.errors import StoreError
from lidepth.files.run_file import encode
from lidepth.files.run_file.database import Database
from lidepth.files.run_file.schema import GROWING, TABLES


class Appender:
    """Adds rows to one open run file; ``totals`` counts the rows of every table."""

    def __init__(self, opened: Database, *, writable: bool) -> None:
        self._database = opened
        self._writable = writable
        self.totals = {table.name: 0 for table in TABLES[opened.version]}

    def insert(self, name: str, *, content: bytes | None = None, **values: Any) -> int:
        """Add one row; its number follows the last, its checksum covers all of it."""
        table = self._database.table(name)
        number = self.totals[name] + 1
        given = {"import_id": self.totals["imports"] + 1, **values, "id": number}
        header = [given[column] for column in table.header[:-1]]
        row = [*header, encode.row_sum(name, header), *([content] if table.content else [])]
        marks = ", ".join("?" * len(row))
        self._database.connection.execute(f"INSERT INTO {name} VALUES ({marks})", row)  # noqa: S608
        self.totals[name] = number
        return number

    @contextmanager
    def commit(self, what: str) -> Iterator[None]:
        """Within, rows are inserted; at the end they are on the disk, and counted in ``imports``.

        Raises StoreError; then none of them is there.
        """
        if not self._writable:
            raise StoreError("the run file was opened to read", where=str(self._database.path),
                             expected="RunFile.open(path, write=True)")  # fmt: skip
        before, done = dict(self.totals), False
        try:
            with self._database.transaction():
                yield
                counted: dict[str, Any] = {f"{t.name}_rows": self.totals[t.name] for t in GROWING}
                self.insert("imports", at=now(), lidepth=__version__, what=what, **counted)
            done = True
        finally:
            if not done:
                self.totals = before


def now() -> str:
    """The present time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
