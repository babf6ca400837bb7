"""A model cell as a table: cell.csv, a row per cycle."""

from __future__ import annotations

from pathlib import Path

from lidepth.files._store import write_table
from lidepth.mechanism.history import CellHistory, cycle_rows


def write_cell_csv(file: Path, history: CellHistory) -> Path:
    """Write the cycles of a history; the columns are those of ``cycle_rows``."""
    rows = cycle_rows(history)
    cells = ([f"{value:.9g}" for value in row.values()] for row in rows)
    write_table(file, rows[0] if rows else (), cells)
    return file
