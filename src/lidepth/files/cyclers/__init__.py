"""Readers of cycler files: one module per format, listed in ``CYCLER_FORMATS``.

Every reader returns a CyclerLog: current positive on charge, and what else the file had under its
Battery Data Format name in ``vendor``.
"""

from __future__ import annotations

from pathlib import Path

from lidepth.errors import WrongFormat
from lidepth.files._text import nearest, read_bytes
from lidepth.files.cyclers.format import MAX_BYTES, ColumnMap, CyclerFormat
from lidepth.files.cyclers.own_csv import OWN_CSV
from lidepth.model.cycling import CyclerLog

__all__ = ["CYCLER_FORMATS", "ColumnMap", "CyclerFormat", "read_cycler"]

CYCLER_FORMATS: tuple[CyclerFormat, ...] = (OWN_CSV,)
"""Every format, in the order in which contents are tried where suffixes are shared."""

_HEAD = 4096


def read_cycler(path: str | Path, *, key: str = "", columns: ColumnMap | None = None) -> CyclerLog:
    """Read one cycler file.

    ``key`` names the format (``data.cycler.format``); without one, suffix and content decide.
    Raises WrongFormat for a file that no reader takes, and what the reader raises: Truncated,
    WrongFormat, OutOfRange or another BadInput with file and place.
    """
    file = Path(path)
    head = read_bytes(file, limit_bytes=MAX_BYTES)[:_HEAD]
    return _format_of(file, head, key).read(file, columns or ColumnMap())


def _format_of(path: Path, head: bytes, key: str) -> CyclerFormat:
    if key:
        named = [one for one in CYCLER_FORMATS if one.key == key]
        if named:
            return named[0]
        near = nearest(key, [one.key for one in CYCLER_FORMATS])
        raise WrongFormat(
            f"no cycler format is called {key!r}", where=str(path),
            expected="one of " + ", ".join(one.key for one in CYCLER_FORMATS),
            remedy=f"did you mean {near!r}?" if near else "leave data.cycler.format out",
        )  # fmt: skip
    guessed = [one for one in CYCLER_FORMATS if not one.explicit]
    fitting = [one for one in guessed if path.suffix.lower() in one.suffixes]
    for one in fitting:
        if len(fitting) == 1 or one.recognises(head):
            return one
    raise WrongFormat(
        f"no cycler reader for files ending in {path.suffix!r}" if not fitting
        else "the columns are those of no known cycler",
        where=str(path),
        expected="one of " + ", ".join(sorted({s for one in guessed for s in one.suffixes})),
        remedy="name the columns with data.cycler.format: csv and data.cycler.columns",
    )  # fmt: skip
