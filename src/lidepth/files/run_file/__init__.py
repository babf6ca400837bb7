"""The run file ``*.lidepth``: everything that was recorded of one run, in one SQLite database.

It only grows; every row and every spectrum has a checksum that is verified when it is read.  How it
is laid out, and what it guarantees, is in ``docs/run_file.md``.
"""

from __future__ import annotations

from lidepth.files.run_file.database import LEASE_SUFFIX, is_run_file
from lidepth.files.run_file.integrity import IntegrityReport, check_integrity, repair
from lidepth.files.run_file.store import Added, RunFile

__all__ = [
    "LEASE_SUFFIX", "Added", "IntegrityReport", "RunFile", "check_integrity", "is_run_file",
    "repair",
]  # fmt: skip
