"""Tables and warnings for a terminal, as rich renderables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from lidepth.model.ledger import REGIONS, Ledger
from lidepth.model.result import Analysis
from lidepth.show import words

MOST_ROWS = 12


def ledger_table(ledger: Ledger, state: str = "discharged") -> Table:
    """Return the rows of one state; of many cycles the first and the last ones.

    A ledger without that state, of chosen time ranges say, is shown from its first state.
    """
    if state not in ledger.state and len(ledger):
        state = ledger.state[0]
    table = Table(title=f"Lithium ledger, {state}, µAh (± total, 68 %)", title_justify="left")
    table.add_column("cycle", justify="right")
    for role in REGIONS:
        table.add_column(role, justify="right")
    table.add_column("flags")
    rows = [i for i, name in enumerate(ledger.state) if name == state]
    shown = rows if len(rows) <= MOST_ROWS else [*rows[: MOST_ROWS // 2], *rows[-MOST_ROWS // 2 :]]
    for place, i in enumerate(shown):
        cells = [
            words.with_error(float(ledger.values[i, c]), float(ledger.std[i, c])) for c in range(3)
        ]
        left_out = len(rows) > len(shown) and place == MOST_ROWS // 2 - 1
        table.add_row(str(ledger.cycle[i]), *cells, escape(ledger.flags[i]), end_section=left_out)
    if len(rows) > len(shown):
        table.caption = f"{len(rows) - len(shown)} cycles between are in ledger.csv"
    return table


def warnings_panel(warnings: Iterable[str]) -> RenderableType:
    """Return all warnings in a box, or a line that there are none."""
    listed = list(warnings)
    if not listed:
        return Text("no warnings", style="green")
    body = Text("\n".join(f"• {warning}" for warning in listed))
    return Panel(
        body,
        title=f"{len(listed)} warning{'s' * (len(listed) > 1)}",
        border_style="yellow",
        title_align="left",
    )


def summary_panel(analysis: Analysis) -> Panel:
    """Return the summary paragraph in a box."""
    title = Text(analysis.run.label)
    return Panel(Text(words.summary(analysis)), title=title, title_align="left")


def stopping_table(rows: Sequence[Mapping[str, Any]], title: str = "") -> Table:
    """Return stopping numbers, one row per mapping; its keys are the columns of the table."""
    table = Table(title=escape(title) or None, title_justify="left")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    for column in columns:
        numeric = all(isinstance(row.get(column), (int, float, type(None))) for row in rows)
        table.add_column(escape(column), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    return table


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else escape(str(value))
