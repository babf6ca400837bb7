"""Members of an ensemble on disk: each is safe as soon as it is kept, whatever kills the process.

One SQLite database; a row per member that is written once and never altered.  It says what it
belongs to, so that members of another run, seed or kind are never mixed in.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np

from lidepth import __version__
from lidepth.errors import BadData, StoreError, WrongFormat
from lidepth.model.ensemble import Member
from lidepth.model.result import Run

NAME = "members.sqlite"

_LAYOUT = "lidepth ensemble 1"
_BUSY_S = 10.0
_MAX_ROWS = 1_000_000
_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS member (
    number INTEGER PRIMARY KEY, failure TEXT NOT NULL, log_weight REAL NOT NULL,
    passes INTEGER NOT NULL, seconds REAL NOT NULL, ledger_rows INTEGER NOT NULL,
    content BLOB NOT NULL, checksum BLOB NOT NULL
);
"""


def fingerprint(run: Run, experiment_text: str, settings: Mapping[str, str]) -> dict[str, str]:
    """What members must agree in to belong together, by name."""
    series = run.series
    data = sha256("".join(series.digests).encode())
    for column in (series.flags, series.live_s, series.monitor, series.start.astype(np.int64)):
        data.update(np.ascontiguousarray(column).tobytes())
    data.update(series.counts.sum(axis=0, dtype=np.int64).tobytes())
    log = sha256()
    if run.log is not None:
        for values in (run.log.time.astype(np.int64), run.log.current_ua):
            log.update(np.ascontiguousarray(values).tobytes())
    return {
        "the experiment file": sha256(experiment_text.encode()).hexdigest(),
        "the spectra": data.hexdigest(), "the cycler log": log.hexdigest(),
        "the version of lidepth": __version__, **settings,
    }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MemberStore:
    """An open database of members; close it by leaving its ``with`` block."""

    path: Path
    connection: sqlite3.Connection

    @classmethod
    def open(cls, path: Path, belongs_to: Mapping[str, str]) -> Self:
        """Open the members of an ensemble, or begin with none.

        Raises BadData when what is there belongs to something else, WrongFormat when it is not a
        database of members, StoreError when the disk refuses.
        """
        with _trouble(path), ExitStack() as opened:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
            opened.callback(connection.close)
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
            _agree(connection, path, {"layout": _LAYOUT, **belongs_to})
            opened.pop_all()
        return cls(path=path, connection=connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def keep(self, member: Member) -> None:
        """Write one member; it is on the disk when this returns.  Raises StoreError.

        One that is there already, made by another process at the same time, stays.
        """
        content = np.stack([member.values, member.start]).astype("<f8").tobytes()
        row = (
            member.number, member.failure, member.log_weight, member.passes, member.seconds,
            len(member.values), content, _checksum(member.number, content),
        )  # fmt: skip
        with _trouble(self.path):
            self.connection.execute("INSERT OR IGNORE INTO member VALUES (?,?,?,?,?,?,?,?)", row)

    def members(self) -> tuple[Member, ...]:
        """All members that are kept whole, by number; a damaged one is left out, to be made again.

        Raises WrongFormat, StoreError.
        """
        with _trouble(self.path):
            rows = self.connection.execute("SELECT * FROM member ORDER BY number").fetchall()
        found = []
        for row in rows:
            member = _member(*row)
            if member is None:
                with _trouble(self.path):
                    self.connection.execute("DELETE FROM member WHERE number = ?", row[:1])
            else:
                found.append(member)
        return tuple(found)


def _member(
    number: Any, failure: Any, log_weight: Any, passes: Any, seconds: Any, rows: Any,
    content: Any, checksum: Any,
) -> Member | None:  # fmt: skip
    """One member of its row; None where the row is damaged."""
    whole = (
        isinstance(number, int) and isinstance(content, bytes) and isinstance(failure, str)
        and isinstance(passes, int) and isinstance(rows, int) and 0 <= rows <= _MAX_ROWS
        and isinstance(log_weight, float) and isinstance(seconds, float)
        and math.isfinite(log_weight) and number >= 0
        and len(content) == 2 * 3 * 8 * rows and _checksum(number, content) == checksum
    )  # fmt: skip
    if not whole:
        return None
    both = np.frombuffer(content, dtype="<f8").reshape(2, rows, 3)
    return Member(
        number=number, values=both[0], start=both[1], log_weight=log_weight,
        passes=passes, seconds=seconds, failure=failure,
    )  # fmt: skip


def _checksum(number: int, content: bytes) -> bytes:
    return sha256(number.to_bytes(8, "little") + content).digest()[:16]


def _agree(connection: sqlite3.Connection, path: Path, wanted: Mapping[str, str]) -> None:
    """Say what the members belong to, or refuse them when they belong to something else."""
    known = dict(connection.execute("SELECT name, content FROM about").fetchall())
    if not known:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT OR IGNORE INTO about VALUES (?,?)", [*wanted.items()])
        connection.execute("COMMIT")
        return
    other = [name for name in wanted if known.get(name) != wanted[name]]
    if other:
        raise BadData(
            f"the members kept here are of another ensemble: {_and(other)} "
            f"{'is' if len(other) == 1 else 'are'} different",
            where=str(path), expected="the same run and settings as when it was begun",
            remedy="choose another folder with --out, or give the settings that it was begun with: "
            + json.dumps({n: v for n, v in known.items() if len(v) < 60 and n != "layout"}),
        )  # fmt: skip


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


@contextmanager
def _trouble(path: Path) -> Iterator[None]:
    """Within, errors of SQLite and of the disk are ours."""
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        raise StoreError(
            f"cannot keep the members ({error})", where=str(path),
            expected="a folder that can be written to, with room left",
            remedy="free some space, or choose another folder with --out",
        ) from error  # fmt: skip
    except sqlite3.DatabaseError as error:
        raise WrongFormat(
            f"this is not a database of members ({error})", where=str(path),
            expected="what lidepth ensemble wrote",
            remedy="remove it, or choose another folder with --out",
        ) from error  # fmt: skip
