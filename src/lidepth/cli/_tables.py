"""Tables in the terminal."""

from __future__ import annotations

from typing import Any


def plain_table(*columns: str) -> Any:
    """An empty table with one line under its heads; long cells are folded."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def add_row(table: Any, *cells: str) -> None:
    """Add cells as they are, brackets included."""
    from rich.markup import escape

    table.add_row(*(escape(cell) for cell in cells))
