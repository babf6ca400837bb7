"""A model cell as a table: cell.csv, a row per cycle."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from lidepth.files._store import write_text
from lidepth.mechanism.history import CellHistory, cycle_rows


def write_cell_csv(file: Path, history: CellHistory) -> Path:
    """Write the cycles of a history; the columns are those of ``cycle_rows``."""
    rows = cycle_rows(history)
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow(rows[0] if rows else ())
    table.writerows([f"{value:.9g}" for value in row.values()] for row in rows)
    write_text(file, buffer.getvalue())
    return file
