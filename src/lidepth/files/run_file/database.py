"""SQLite, opened with suspicion: checked header and schema, limits, locks, our own errors."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lidepth.errors import BadInput, LidepthError, StoreError, Truncated, WrongFormat
from lidepth.files.run_file import schema

PAGE_BYTES = 16384
BUSY_MS = 10_000
LEASE_SUFFIX = "-writer"

_MAGIC = b"SQLite format 3\0"
_DISK = ("FULL", "IOERR", "READONLY", "CANTOPEN", "PERM", "AUTH", "NOLFS", "TOOBIG")
_NETWORK = {
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs",
    "gpfs", "fuse.sshfs", "fuse.glusterfs", "davfs", "fuse.rclone",
}  # fmt: skip
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: schema.MAX_CELL_BYTES,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 20_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 64,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 20,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 4,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 2,
}


@dataclass(kw_only=True)
class Database:
    """An open run file of schema ``version``; ``notes`` say what was out of the ordinary."""

    path: Path
    connection: sqlite3.Connection
    version: int
    notes: list[str] = field(default_factory=list)
    _lease: sqlite3.Connection | None = None
    _scratch: tempfile.TemporaryDirectory[str] | None = None
    _identity: tuple[int, int] | None = None

    def table(self, name: str) -> schema.Table:
        """Return the table of that name in this version."""
        return next(table for table in schema.TABLES[self.version] if table.name == name)

    def rows(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Rows of a query, one after the other, with our errors."""
        with trouble(self.path):
            yield from self.connection.execute(query, values)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Within, all queries see the same state of the file, whatever a writer does."""
        with trouble(self.path):
            self.connection.execute("BEGIN")
        try:
            yield
        finally:
            with suppress(sqlite3.Error):
                self.connection.execute("ROLLBACK")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Within, rows are added; they are safely on the disk when it ends, or none of them is.

        Raises StoreError.
        """
        with trouble(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            finally:
                if self.connection.in_transaction:
                    with suppress(sqlite3.Error):
                        self.connection.execute("ROLLBACK")
        self._check_still_there()

    def _check_still_there(self) -> None:
        """Rows written to a file that was removed meanwhile are not safe."""
        try:
            found = os.stat(self.path)
            there = (found.st_dev, found.st_ino) == self._identity
            wal = Path(f"{self.path}-wal")
            there = there and (self.journal != "wal" or wal.exists())
        except OSError:
            there = False
        if not there:
            raise StoreError(
                "the run file was removed or replaced while it was written", where=str(self.path),
                expected="nobody else to move it", remedy="put it back, or import once more",
            )  # fmt: skip

    @property
    def journal(self) -> str:
        """How SQLite keeps commits safe: wal or delete."""
        return str(self.connection.execute("PRAGMA journal_mode").fetchone()[0])

    def close(self) -> None:
        """Leave one ordinary file behind where nobody else has it open.

        What was acknowledged is safe before; so a disk that is full now is no error.
        """
        if self._lease is not None:
            with suppress(sqlite3.Error):
                self.connection.execute("PRAGMA journal_mode=DELETE")
        with suppress(sqlite3.Error):
            self.connection.close()
        if self._lease is not None:
            self._lease.close()
        if self._scratch is not None:
            self._scratch.cleanup()


def is_run_file(path: str | Path) -> bool:
    """Tell a run file from other inputs: by its suffix, else by SQLite's first bytes."""
    file = Path(path)
    if file.suffix.lower() == schema.SUFFIX:
        return True
    try:
        with open(file, "rb") as stream:
            return stream.read(len(_MAGIC)) == _MAGIC
    except (OSError, ValueError):
        return False


def open_to_read(path: Path) -> Database:
    """Open a run file of a known version to read.

    Raises BadInput for a file that cannot be opened, Truncated when it is empty and WrongFormat
    when it is no run file, one of a later schema, or one whose tables are not ours.
    """
    version = checked_version(path)
    try:
        connection = _connect(path, "ro")
        _check_schema(connection, path, version)
    except StoreError as error:
        if "busy" in error.what:
            raise
        return _open_copy(path, version)  # a log to recover, in a folder that cannot be written to
    return Database(path=path, connection=connection, version=version)


def _open_copy(path: Path, version: int) -> Database:
    scratch = tempfile.TemporaryDirectory(prefix="lidepth-")
    try:
        copy = Path(scratch.name) / "copy.lidepth"
        for suffix in ("", "-wal", "-journal"):
            if os.path.exists(f"{path}{suffix}"):
                shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
        connection = _connect(copy, "rw")
        _check_schema(connection, path, version)
    except OSError as error:
        scratch.cleanup()
        raise _unreadable(path, error) from error
    except LidepthError:
        scratch.cleanup()
        raise
    note = "read from a copy, because the folder of the run file cannot be written to"
    return Database(
        path=path, connection=connection, version=version, notes=[note], _scratch=scratch
    )


def open_to_write(path: Path) -> Database:
    """Open a run file of the present version to add to it, as its only writer.

    Raises what ``open_to_read`` raises, and StoreError when another program writes to the file or
    it cannot be written.
    """
    version = checked_version(path)
    if version != schema.VERSION:
        raise WrongFormat(
            f"the run file has the older schema {version}", where=str(path),
            expected=f"schema {schema.VERSION} to add to it",
            remedy=f"renew it with: lidepth check --repair {path}",
        )  # fmt: skip
    lease = take_lease(path)
    try:
        connection = _connect(path, "rw")
        _check_schema(connection, path, version)
        notes = _make_durable(connection, path)
        found = os.stat(path)
    except OSError as error:
        lease.close()
        raise _unreadable(path, error) from error
    except LidepthError:
        lease.close()
        raise
    return Database(
        path=path, connection=connection, version=version, notes=notes, _lease=lease,
        _identity=(found.st_dev, found.st_ino),
    )  # fmt: skip


def take_lease(path: Path) -> sqlite3.Connection:
    """Become the only writer until the connection is closed or the process ends, however it ends.

    The lock is one that SQLite takes on an empty file beside the run file, so it works wherever
    SQLite does, readers do not feel it, and the kernel lets go of it when a process dies.
    """
    lease: sqlite3.Connection | None = None
    try:
        lease = sqlite3.connect(
            f"{path}{LEASE_SUFFIX}", timeout=0, isolation_level=None, check_same_thread=False
        )
        lease.execute("PRAGMA journal_mode=MEMORY")  # nothing is ever written: leave no journal
        lease.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        if lease is not None:
            lease.close()
        if _name(error).startswith("BUSY"):
            raise StoreError(
                "another program is writing to this run file", where=str(path),
                expected="one writer at a time", remedy="wait until it has finished",
            ) from error  # fmt: skip
        raise _as_ours(error, path) from error
    return lease


def create(path: Path, version: int = schema.VERSION) -> None:
    """Make an empty run file, whole or not at all.  Raises StoreError where there is one."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise StoreError(
                "the file exists", where=str(path), expected="a new file",
                remedy="choose another name, or import into it",
            )  # fmt: skip
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        with trouble(path):
            connection = sqlite3.connect(temporary, isolation_level=None)
            try:
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(f"PRAGMA application_id={schema.APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version={version}")
                for statement in schema.statements(version):
                    connection.execute(statement)
                connection.execute("COMMIT")
            finally:
                connection.close()
        umask = os.umask(0o022)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
        temporary = None
        sync_folder(path.parent)
    except OSError as error:
        raise _disk(error.strerror or str(error), path) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make names in a folder safe against a power cut, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def checked_version(path: Path) -> int:
    """Return the schema version in the header of a run file.

    Raises BadInput, Truncated or WrongFormat for any other file.
    """
    try:
        with open(path, "rb") as stream:
            head = stream.read(100)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not head:
        raise Truncated("the file is empty", where=str(path), expected="a run file",
                        remedy="import the run once more, into a new file")  # fmt: skip
    ours = head.startswith(_MAGIC) and len(head) == 100
    if not ours or int.from_bytes(head[68:72], "big") != schema.APPLICATION_ID:
        raise WrongFormat(
            "this is an SQLite database, but no run file" if ours else "this is no run file",
            where=str(path), expected="a file that lidepth import wrote",
            remedy="check the path; if the file was a run file it is damaged: restore a copy",
        )  # fmt: skip
    version = int.from_bytes(head[60:64], "big")
    if version not in schema.TABLES:
        raise WrongFormat(
            f"the run file has schema {version}, which this lidepth does not know",
            where=str(path), expected=f"schema {schema.VERSION} or older",
            remedy="use the newer lidepth that wrote it",
        )  # fmt: skip
    return version


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    with trouble(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None,
            timeout=BUSY_MS / 1000, check_same_thread=False,
        )  # fmt: skip
    try:
        with trouble(path):
            for limit, value in _LIMITS.items():
                connection.setlimit(limit, value)
            connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.execute("PRAGMA cell_size_check=ON")
            connection.execute("PRAGMA mmap_size=0")
            connection.execute("PRAGMA synchronous=FULL")
    except LidepthError:
        connection.close()
        raise
    return connection


def _check_schema(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Nothing is run that the file brought along: its tables and triggers are ours, or none is."""
    try:
        with trouble(path):
            found = [str(row[0]) for row in connection.execute("SELECT sql FROM sqlite_schema")]
    except LidepthError:
        connection.close()
        raise
    if sorted(found) != sorted(schema.statements(version)):
        connection.close()
        raise WrongFormat(
            f"the tables are not those of a run file of schema {version}", where=str(path),
            expected="a file that lidepth import wrote",
            remedy="restore a copy, or import the run once more",
        )  # fmt: skip


def _make_durable(connection: sqlite3.Connection, path: Path) -> list[str]:
    """Write-ahead log where it is safe, else a rollback journal; returns what to tell."""
    kind = network_kind(path)
    if not kind:
        with trouble(path):
            if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] == "wal":
                return []
    with trouble(path):
        connection.execute("PRAGMA journal_mode=DELETE")
    why = f"the folder is on a network ({kind})" if kind else "there is no shared memory here"
    return [f"written with a rollback journal, because {why}: readers may have to wait"]


def network_kind(path: Path) -> str:
    """Kind of the network file system that holds ``path``, empty for a local or unknown one."""
    if str(path).startswith("\\\\"):
        return "UNC path"
    if not sys.platform.startswith("linux"):
        return ""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    place = f"{path.resolve()}/"
    mounts = [(words[1], words[2]) for line in lines if len(words := line.split()) > 2]
    inside = [(len(at), kind) for at, kind in mounts if place.startswith(f"{at.rstrip('/')}/")]
    kind = max(inside, default=(0, ""))[1]
    return kind if kind in _NETWORK else ""


@contextmanager
def trouble(path: Path) -> Iterator[None]:
    """Within, an error of SQLite becomes one of ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise _as_ours(error, path) from error
    except (OverflowError, MemoryError, UnicodeError) as error:  # a damaged size, name or message
        raise _damaged(path, str(error)) from error


def _as_ours(error: sqlite3.Error, path: Path) -> LidepthError:
    name = _name(error)
    if name.startswith(("BUSY", "LOCKED", "PROTOCOL")):
        return StoreError(
            "the run file is busy", where=str(path), expected="other programs to let go of it",
            remedy="try again in a moment",
        )  # fmt: skip
    if name.startswith(_DISK):
        return _disk(str(error), path)
    return _damaged(path, str(error))


def _name(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", "")).removeprefix("SQLITE_")


def _disk(reason: str, path: Path) -> StoreError:
    return StoreError(
        f"could not be written ({reason})", where=str(path),
        expected="a folder that can be written to, with room left",
        remedy="free some space and import again: what was recorded is kept",
    )  # fmt: skip


def _damaged(path: Path, reason: str) -> WrongFormat:
    return WrongFormat(
        f"the run file is damaged ({reason})", where=str(path), expected="an undamaged file",
        remedy=f"save what can be saved with: lidepth check --repair {path}",
    )  # fmt: skip


def damaged(path: Path, reason: str) -> WrongFormat:
    """Return the error for a run file whose content is not what was written."""
    return _damaged(path, reason)


def _unreadable(path: Path, error: Exception) -> BadInput:
    reason = getattr(error, "strerror", None) or str(error)
    return BadInput(
        f"cannot be opened ({reason})", where=str(path), expected="a run file that can be read",
        remedy="correct the path",
    )  # fmt: skip
