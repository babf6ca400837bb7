"""What a run file looks like inside: its tables, by schema version."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

SUFFIX = ".lidepth"
APPLICATION_ID = 0x4C694470  # "LiDp"
VERSION = 1

MAX_CELL_BYTES = 2**27
"""No text and no block in a run file is longer."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """One append-only table.

    ``columns`` are (name, SQL type), without the row's number ``id`` (1, 2, 3 ... without a gap)
    and without ``checksum``, which covers the number and all columns.  A table with ``content``
    ends in a BLOB of that name; the column ``content_sum`` covers what it holds when decoded.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    content: bool = False

    @cached_property
    def header(self) -> tuple[str, ...]:
        """Everything but the content, in order: id, columns, content_sum, checksum."""
        sums = ("content_sum", "checksum") if self.content else ("checksum",)
        return ("id", *(name for name, _ in self.columns), *sums)

    @property
    def statements(self) -> tuple[str, ...]:
        """What makes the table and lets nobody change or remove its rows."""
        kinds = {"id": "INTEGER PRIMARY KEY", "content_sum": "BLOB NOT NULL",
                 "checksum": "BLOB NOT NULL", **dict(self.columns)}  # fmt: skip
        lines = [f"{name} {kinds[name]}" for name in self.header]
        lines += ["content BLOB NOT NULL"] if self.content else []
        refused = "BEGIN SELECT RAISE(ABORT, 'a run file only grows'); END"
        return (
            f"CREATE TABLE {self.name} ({', '.join(lines)})",
            *(
                f"CREATE TRIGGER {self.name}_no_{verb.lower()} BEFORE {verb} ON {self.name} "
                + refused
                for verb in ("UPDATE", "DELETE")
            ),
        )


_TEXT, _INTEGER, _REAL = "TEXT NOT NULL", "INTEGER NOT NULL", "REAL"

SPECTRA = Table(
    name="spectra", content=True,
    columns=(
        ("import_id", _INTEGER),
        ("source", _TEXT),  # path of its file, from the folder of experiment.yaml
        ("detector", _TEXT),
        ("record", _INTEGER),  # number within the file
        ("sha256", _TEXT),  # of the file
        ("grp", _TEXT),  # run or background
        ("start_ns", "INTEGER"),  # since 1970, as the file has it
        ("after_s", _REAL),  # from there to the start of this spectrum
        ("live_s", _REAL),
        ("real_s", _REAL),
        ("monitor", _REAL),
        ("offset_kev", _REAL),
        ("gain_kev", _REAL),
        ("remarks", _TEXT),  # JSON list
        ("flags", _INTEGER),  # Quality, as known when recorded
        ("channels", _INTEGER),
        ("dtype", _TEXT),  # of the counts: u1, u2, i4 or i8
    ),
)  # fmt: skip
NOTES = Table(  # what monitor.csv and experiment.yaml say of a spectrum; the newest holds
    name="notes",
    columns=(
        ("import_id", _INTEGER),
        ("spectrum_id", _INTEGER),
        ("noted_start_ns", "INTEGER"),
        ("noted_live_s", _REAL),
        ("noted_monitor", _REAL),
        ("noted_line", _INTEGER),
        ("pristine", _INTEGER),
    ),
)
CYCLER = Table(  # blocks of rows; a higher series replaces all lower ones
    name="cycler", content=True,
    columns=(
        ("import_id", _INTEGER),
        ("series", _INTEGER),
        ("first_row", _INTEGER),
        ("row_count", _INTEGER),
        ("source", _TEXT),
        ("anchored", _INTEGER),
        ("layout", _TEXT),  # JSON list of [column, dtype]
    ),
)  # fmt: skip
SETTINGS = Table(
    name="settings",
    columns=(("import_id", _INTEGER), ("at", _TEXT), ("versions", _TEXT), ("experiment", _TEXT)),
)
GROWING = (SPECTRA, NOTES, CYCLER, SETTINGS)
IMPORTS = Table(  # one row per commit, with how many rows every table had after it
    name="imports",
    columns=(
        ("at", _TEXT),
        ("lidepth", _TEXT),
        ("what", _TEXT),
        *((f"{table.name}_rows", _INTEGER) for table in GROWING),
    ),
)

_SPECTRA_0 = Table(
    name="spectra", content=True,
    columns=tuple(c for c in SPECTRA.columns if c[0] not in ("detector", "after_s")),
)  # fmt: skip

TABLES: dict[int, tuple[Table, ...]] = {
    0: (_SPECTRA_0, NOTES, CYCLER, SETTINGS, IMPORTS),
    VERSION: (*GROWING, IMPORTS),
}
"""The tables of every schema version that can be read."""

ADDED: dict[int, dict[str, dict[str, object]]] = {0: {"spectra": {"detector": "", "after_s": 0.0}}}
"""What the columns that a version lacks hold in its successor."""


def statements(version: int = VERSION) -> tuple[str, ...]:
    """All SQL that makes an empty run file of a version."""
    return tuple(line for table in TABLES[version] for line in table.statements)
