"""Whether a run file is what was written, and what can be saved where it is not."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lidepth.errors import LidepthError, StoreError, WrongFormat
from lidepth.files.run_file import database, encode, reading, schema
from lidepth.files.run_file.database import Database
from lidepth.files.run_file.rewrite import content_whole, header_of, rewrite, salvageable
from lidepth.model.spectra import Quality


@dataclass(frozen=True, kw_only=True)
class IntegrityReport:
    """What a look at every bit of a run file found.

    ``problems`` in words, none of them when ``ok``; ``spectra`` is how many rows of spectra there
    are, ``damaged`` the numbers of those that cannot be used, counted from 1: damaged ones, and
    those that were damaged before a repair.
    """

    ok: bool
    problems: tuple[str, ...]
    spectra: int
    damaged: tuple[int, ...]


def check_integrity(path: str | Path) -> IntegrityReport:
    """Verify every page, row and content of a run file.

    Raises BadInput, Truncated or WrongFormat for a file that is no run file at all.
    """
    opened = database.open_to_read(Path(path))
    try:
        return _report(opened)
    finally:
        opened.close()


def _report(opened: Database) -> IntegrityReport:
    problems = _pages(opened)
    try:
        reading.totals(opened)
    except WrongFormat as error:
        problems.append(error.what)
    damaged: list[int] = []
    spectra = 0
    for table in schema.TABLES[opened.version]:
        for number, row in salvageable(opened, table):
            spectra += table.name == "spectra"
            whole = row is not None and encode.intact(table, header_of(table, row))
            if row is None or not whole or not content_whole(table, row):
                problems.append(f"{table.name}: row {number} is damaged")
                damaged += [number] if table.name == "spectra" else []
            elif table.name == "spectra" and row["flags"] & Quality.UNVERIFIED:
                damaged.append(number)
    return IntegrityReport(
        ok=not problems, problems=tuple(problems), spectra=spectra, damaged=tuple(damaged)
    )


def _pages(opened: Database) -> list[str]:
    """What SQLite itself finds wrong with the structure of the file."""
    try:
        found = [str(row[0]) for row in opened.rows("PRAGMA integrity_check(20)")]
    except LidepthError as error:
        return [error.what]
    return [] if found == ["ok"] else found


def repair(path: str | Path) -> IntegrityReport:
    """Save every row that can be verified into a new file that takes the place of the damaged one.

    The old file stays beside it as ``NAME.damaged`` (``NAME.schema-N`` for one that was only
    old).  A file that is whole and of the present schema is left alone.  ``problems`` of the
    answer say what could not be saved; spectra of which only the counts were damaged are kept
    without counts, and importing their files once more heals them.  Raises what
    ``check_integrity`` raises, and StoreError.
    """
    file = Path(path)
    try:
        before = check_integrity(file)
    except WrongFormat as error:
        if "--repair" not in error.remedy:
            raise
        raise WrongFormat(
            f"{error.what}: nothing can be saved from it", where=str(file),
            expected="a file of which some is whole",
            remedy="import the raw files into a new run file; this one was left as it is",
        ) from error  # fmt: skip
    version = database.checked_version(file)
    if before.ok and version == schema.VERSION:
        return before
    lease = database.take_lease(file)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as folder:
            renewed = Path(folder) / "renewed.lidepth"
            old = database.open_to_read(file)
            try:
                salvage = rewrite(old, renewed, "repair")
            finally:
                old.close()
            after = check_integrity(renewed)
            kept = _swap(file, renewed, "damaged" if before.problems else f"schema-{version}")
    except OSError as error:
        raise StoreError(
            f"could not be repaired ({error.strerror or error})", where=str(file),
            expected="room for a second file in the same folder",
            remedy="free some space, or copy the file to another folder",
        ) from error  # fmt: skip
    finally:
        lease.close()
    words = [*salvage.problems, *([f"the damaged file is kept as {kept}"] if not before.ok else [])]
    return IntegrityReport(
        ok=after.ok, problems=tuple(words), spectra=after.spectra, damaged=tuple(salvage.damaged)
    )


def _swap(file: Path, renewed: Path, word: str) -> str:
    """Put ``renewed`` in the place of ``file``, which is kept with its journals; returns its name.

    The journals move first: SQLite must never find those of the old file beside the new one.
    """
    names = [f"{file.name}.{word}"] + [f"{file.name}.{word}-{i}" for i in range(2, 1000)]
    kept = next(file.with_name(name) for name in names if not file.with_name(name).exists())
    os.link(file, kept)
    for suffix in ("-wal", "-journal"):
        if os.path.exists(f"{file}{suffix}"):
            os.replace(f"{file}{suffix}", f"{kept}{suffix}")
    Path(f"{file}-shm").unlink(missing_ok=True)
    os.replace(renewed, file)
    database.sync_folder(file.parent)
    return kept.name
