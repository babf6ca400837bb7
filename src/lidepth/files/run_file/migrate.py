"""An older run file is read through a copy of the present schema; the file itself stays."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lidepth.errors import LidepthError
from lidepth.files.run_file import database
from lidepth.files.run_file.database import Database
from lidepth.files.run_file.reading import totals
from lidepth.files.run_file.rewrite import rewrite
from lidepth.files.run_file.schema import VERSION


def migrated_copy(old: Database) -> Database:
    """Return a run file of the present schema with the rows of ``old``, which is closed.

    Raises WrongFormat where a row of ``old`` is damaged: what cannot be verified is not migrated.
    """
    scratch = tempfile.TemporaryDirectory(prefix="lidepth-")
    copy = Path(scratch.name) / "migrated.lidepth"
    try:
        totals(old)
        salvage = rewrite(old, copy, f"migration from schema {old.version}")
        if salvage.problems:
            raise database.damaged(old.path, "; ".join(salvage.problems[:3]))
        opened = database.open_to_read(copy)
    except LidepthError:
        scratch.cleanup()
        raise
    finally:
        old.close()
    opened.path, opened._scratch = old.path, scratch
    opened.notes = [
        *old.notes,
        f"read through a copy with schema {VERSION}; the file keeps schema {old.version} until "
        "lidepth check --repair renews it",
    ]
    return opened
