"""Delimited text of cyclers, read row by row into plain arrays.

Only the columns asked for are kept, as numbers, so that a table takes less memory than its file.
"""

from __future__ import annotations

import csv
import math
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, Truncated, WrongFormat
from lidepth.files._text import read_bytes
from lidepth.files.cyclers.format import MAX_BYTES

Convert = Callable[[str], float]
LONGEST_WORD = 64


@dataclass(frozen=True, kw_only=True)
class Table:
    """Columns by heading, (n,) each, and the line of each row."""

    path: Path
    columns: Mapping[str, NDArray[Any]]
    lines: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.lines.size)


def text_lines(path: Path) -> list[bytes]:
    """Return the lines of a text file without their ends; raises WrongFormat at a NUL byte."""
    content = read_bytes(path, limit_bytes=MAX_BYTES).removeprefix(b"\xef\xbb\xbf")
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise WrongFormat(
            "the file holds NUL bytes", where=f"{path}, line {line}",
            expected="plain text",
            remedy="copy it again, or save it as UTF-8; NUL bytes are what a crash or UTF-16 leave",
        )  # fmt: skip
    return content.split(b"\n")


def decode(line: bytes) -> str:
    """Return a line as text: UTF-8 if it is that, else Latin-1, as cycler programs write it."""
    try:
        return line.decode("utf-8").rstrip("\r")
    except UnicodeDecodeError:
        return line.decode("latin-1").rstrip("\r")


def cells(line: bytes, delimiter: str) -> list[str]:
    """Return the cells of one line, stripped, empty ones at its end left out."""
    try:
        found = next(csv.reader([decode(line)], delimiter=delimiter), [])
    except csv.Error:
        return []
    found = [cell.strip() for cell in found]
    while found and not found[-1]:
        found.pop()
    return found


def number(cell: str) -> float:
    """Return a cell as a number, NaN when it is empty; raises ValueError for anything else."""
    if "_" in cell:  # Python would take 1_000
        raise ValueError
    return float(cell) if cell.strip() else math.nan


def comma_number(cell: str) -> float:
    """Return a cell with a decimal comma as a number; a point in it is a ValueError."""
    if "." in cell:
        raise ValueError
    return number(cell.replace(",", "."))


def duration(cell: str) -> float:
    """Return ``27:55:41.5`` or ``1d 03:55:41.5`` in s; raises ValueError for anything else."""
    match = _DURATION.fullmatch(cell.strip())
    if match is None:
        raise ValueError
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    if minutes >= 60 or seconds > 60:
        raise ValueError
    return days * 86400 + hours * 3600 + minutes * 60 + seconds


_DURATION = re.compile(r"(?:(\d{1,6})[d ] ?)?(\d{1,7}):(\d{1,2}):(\d{1,2}(?:\.\d{1,18})?)")


class Words:
    """Turns repeated words into numbers and back."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def __call__(self, cell: str) -> float:
        """Return the number of a word; raises ValueError for one that is too long."""
        if len(cell) > LONGEST_WORD:
            raise ValueError
        return self._codes.setdefault(cell.strip(), len(self._codes))

    def back(self, codes: NDArray[Any]) -> NDArray[np.str_]:
        """Return the words of these numbers; shape as ``codes``."""
        return np.array(list(self._codes) or [""])[codes.astype(np.intp)]


def read_columns(
    path: Path,
    lines: list[bytes],
    *,
    head: int,
    delimiter: str,
    columns: Mapping[str, Convert],
    quoted: bool = True,
) -> Table:
    """Read the rows below line ``head`` (counted from 0), the headings.

    ``columns`` gives, by heading, what turns a cell into a number; a ``Words`` comes back as words.
    Raises WrongFormat for a cell or row that does not fit and Truncated for a file that ends within
    a row, with file and line.
    """
    header = cells(lines[head], delimiter)
    first = head + 1
    below = (decode(line) for line in lines[first:])
    reader = (
        csv.reader(below, delimiter=delimiter)
        if quoted
        else csv.reader(below, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    )

    def rows() -> Iterator[tuple[int, list[str]]]:
        try:
            for row in reader:
                yield first + reader.line_num, row
        except csv.Error as error:
            raise WrongFormat(
                f"this is not a table ({error})", where=f"{path}, line {first + reader.line_num}",
                expected=f"values separated by {delimiter!r}",
            ) from error  # fmt: skip

    plan = [(name, header.index(name), convert) for name, convert in columns.items()]
    return collect(path, rows(), plan, len(header), unended=unended(lines))


def collect(
    path: Path,
    rows: Iterable[tuple[int, Sequence[str]]],
    plan: Sequence[tuple[str, int, Convert]],
    width: int,
    *,
    unended: int = 0,
) -> Table:
    """Gather the rows; ``plan`` has heading, place and converter of each column wanted.

    ``unended`` is the number of the last line if it has no end, and so may be cut, else 0.
    """
    kept = [array("d") for _ in plan]
    fill = [(kept[k].append, place, convert) for k, (_, place, convert) in enumerate(plan)]
    numbers = array("q")
    before: Sequence[str] = ()
    last: Sequence[str] = ()
    lead = plan[0][1]
    for line, row in rows:
        if (len(row) <= lead or not row[lead]) and not any(row):
            continue
        if len(row) < width or any(row[width:]):
            raise _ragged(path, line, len(row), width)
        try:
            for append, place, convert in fill:
                append(convert(row[place]))
        except (ValueError, OverflowError) as error:
            raise _bad_cell(path, line, plan, row) from error
        numbers.append(line)
        before, last = last, row
    if len(numbers) < 2:
        raise Truncated(
            "a single row is no cycler log" if numbers else "the table has no rows",
            where=str(path), expected="a header and at least two rows",
            remedy="export the whole log",
        )  # fmt: skip
    if unended:
        check_end(path, unended, last[:width] if numbers[-1] == unended else (), before[:width])
    found: dict[str, NDArray[Any]] = {}
    for values, (name, _, convert) in zip(kept, plan, strict=True):
        column = np.frombuffer(values, dtype=np.float64)
        found[name] = convert.back(column) if isinstance(convert, Words) else column
    return Table(path=path, columns=found, lines=np.frombuffer(numbers, dtype=np.int64))


def unended(lines: list[bytes]) -> int:
    """Return the number of the last line if it has content and no end, else 0."""
    return len(lines) if lines[-1].strip() else 0


def check_end(path: Path, line: int, last: Sequence[str], before: Sequence[str]) -> None:
    """Refuse a last line without an end when its last cell is not written as that above it."""
    if not last or not _alike(last[-1], before[-1]):
        raise Truncated(
            f"the last line has no end, and {(last or ['it'])[-1][:40]!r} may be cut",
            where=f"{path}, line {line}", expected="a last value written as those above it",
            remedy="copy the file again; if it is whole, end its last line",
        )  # fmt: skip


def _alike(cell: str, above: str) -> bool:
    """Say whether two numbers have as many decimals or digits, and two words are the same."""
    if not any(map(str.isdigit, cell + above)):
        return cell == above
    shapes = [_TAIL.sub("", one.strip().lstrip("+-")) for one in (cell, above)]
    return len(shapes[0]) == len(shapes[1])


_TAIL = re.compile(r"^\d+(?=[.,]\d)")


def _ragged(path: Path, line: int, found: int, width: int) -> BadInput:
    kind: type[BadInput] = Truncated if found < width else WrongFormat
    return kind(
        f"{found} values in a table of {width} columns", where=f"{path}, line {line}",
        expected=f"{width} values in every row",
        remedy="complete or remove the row; a short last row means the file was cut off",
    )  # fmt: skip


def _bad_cell(
    path: Path, line: int, plan: Sequence[tuple[str, int, Convert]], row: Sequence[str]
) -> WrongFormat:
    for name, place, convert in plan:
        try:
            convert(row[place])
        except (ValueError, OverflowError):
            return WrongFormat(
                f"{row[place][:40]!r} cannot be read", where=f"{path}, line {line}, {name}",
                expected="a value as in the other rows", remedy="correct or remove the row",
            )  # fmt: skip
    raise AssertionError("unreachable")  # pragma: no cover


def find_header(
    path: Path, lines: list[bytes], wanted: Sequence[str], delimiter: str, *, within: int = 1000
) -> int:
    """Return the first line that has all headings ``wanted``; raises WrongFormat without one."""
    for place, line in enumerate(lines[:within]):
        if all(name in (found := cells(line, delimiter)) for name in wanted):
            repeated = [a for a, b in pairwise(sorted(found)) if a == b and a in wanted]
            if repeated:
                raise WrongFormat(
                    f"the column {repeated[0]!r} appears twice", where=f"{path}, line {place + 1}",
                    expected="one of each", remedy="remove one of them",
                )  # fmt: skip
            return place
    raise WrongFormat(
        f"no line has the headings {', '.join(wanted)}", where=str(path),
        expected=f"a header within the first {within} lines",
        remedy="export the table with these columns, or name others with data.cycler.format: csv",
    )  # fmt: skip
