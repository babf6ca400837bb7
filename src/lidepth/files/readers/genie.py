"""Text exports of Canberra's Genie 2000 and Lynx, as neutron beam lines keep them.

A header of lines such as ``Live time: 480.2``, then one row per channel: channel and counts, or
channel, energy and counts; parted by blanks, tabs or commas.  The names in the header differ from
program to program, so the reader looks for what they share, and refuses a file without live time.
"""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path

import numpy as np

from lidepth.errors import WrongFormat
from lidepth.files.readers._ascii import MONTH_FIRST, a_time, cut_off, number, seconds
from lidepth.files.readers._checked import Scale, linear_scale
from lidepth.files.readers._table import Columns, read_columns
from lidepth.files.readers.raw_spectrum import Dialect, Format, RawSpectrum

_MAX_HEADER = 200
"""Lines; a report of Genie has some forty."""

_ROW = re.compile(rb"^[ \t]*\d[\d \t,.eE+-]*\r?$", re.MULTILINE)
_TIME = re.compile(
    r"^\W*(?:elapsed )?(live|real)[ _]?time\s*(?:\((\w+)\))?\s*[:=,\t]\s*(\S+)", re.IGNORECASE
)
_START = re.compile(
    r"^\W*(?:start(?:ing)?[ _]?time|acquisition (?:started|start|date))\s*[:=,\t]\s*(.+)$",
    re.IGNORECASE,
)
_COEFFICIENT = re.compile(
    r"(offset|slope|quad(?:ratic)?)\s*(?:\(keV\))?\s*[:=]\s*([-+.\deE]+)", re.IGNORECASE
)
_ZONE = re.compile(r" (?:[A-Z]{2,5}|(?:GMT|UTC)[+-]\d{2}:?\d{2})(?= \d{4}$)")
_PER_S = {"": 1.0, "s": 1.0, "sec": 1.0, "ms": 1e3, "us": 1e6}
_FORMS = (
    "%a %b %d %H:%M:%S %Y", *MONTH_FIRST, "%m-%d-%Y %H:%M:%S", "%d-%b-%Y %H:%M:%S",
    "%d-%b-%Y %H:%M", "%m/%d/%Y %I:%M:%S %p", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S",
)  # fmt: skip


def _recognises(head: bytes) -> bool:
    lines = head.decode("latin-1").splitlines()[:_MAX_HEADER]
    return any(_TIME.match(line) for line in lines)


def _parse(content: bytes, path: Path, dialect: Dialect) -> tuple[RawSpectrum, ...]:  # noqa: ARG001
    first_row = _ROW.search(content)
    header = content[: first_row.start() if first_row else 64 * 1024].decode("latin-1")
    lines = [line.strip() for line in header.splitlines()]
    if len(lines) > _MAX_HEADER or not any(map(_TIME.match, lines)):
        raise WrongFormat(
            "this is not a spectrum exported by Genie or a Lynx", where=f"{path}, line 1",
            expected="a header with the live time, then rows of channel and counts",
            remedy="for columns of numbers without such a header give data.spectra.format: text "
            "and data.spectra.dialect",
        )  # fmt: skip
    if first_row is None:
        raise cut_off(path, content, "no counts", "rows of channel and counts")
    times = _times(lines, path)
    columns = _columns(content, first_row.start(), len(header.splitlines()) + 1, path)
    calibration, remarks = _scale(lines, columns)
    return (
        RawSpectrum(
            counts=columns.counts, start=_start(lines, path),
            live_s=times.get("live", math.nan), real_s=times.get("real", math.nan),
            calibration=calibration, sha256=hashlib.sha256(content).hexdigest(), remarks=remarks,
        ),
    )  # fmt: skip


def _times(lines: list[str], path: Path) -> dict[str, float]:
    times: dict[str, float] = {}
    for i, line in enumerate(lines, start=1):
        found = _TIME.match(line)
        if found is None:
            continue
        unit = (found[2] or "").lower()
        where = f"{path}, line {i}"
        if unit not in _PER_S:
            raise WrongFormat(
                f"a time in {unit[:20]!r}", where=where, expected="a time in s, ms or us",
                remedy="correct the unit in the header",
            )  # fmt: skip
        times.setdefault(found[1].lower(), seconds(found[3], where=where, per_s=_PER_S[unit]))
    return times


def _start(lines: list[str], path: Path) -> np.datetime64 | None:
    """Wall time as written: a time zone in it is passed over, data.spectra.time_zone says it."""
    for i, line in enumerate(lines, start=1):
        found = _START.match(line)
        if found is not None:
            text = _ZONE.sub("", re.sub(r"[\s,]+", " ", found[1]).strip())
            return a_time(text, _FORMS, where=f"{path}, line {i}",
                          shown="Sat Aug 10 20:11:05 EDT 2019")  # fmt: skip
    return None


def _columns(content: bytes, start: int, first_line: int, path: Path) -> Columns:
    row = content[start : start + 200].splitlines()[0]
    delimiter = "," if b"," in row else ""
    width = len(row.split(b",") if delimiter else row.split())
    names = {2: ("channel", "counts"), 3: ("channel", "energy", "counts")}.get(width)
    if names is None:
        raise WrongFormat(
            f"{width} columns", where=f"{path}, line {first_line}",
            expected="channel and counts, or channel, energy and counts",
            remedy="export one row per channel",
        )  # fmt: skip
    if not content.endswith(b"\n"):
        raise cut_off(path, content, "in the middle of a row", "a line end after the last row")
    return read_columns(
        content[start:], names=names, delimiter=delimiter, path=path, first_line=first_line
    )


def _scale(lines: list[str], columns: Columns) -> tuple[Scale | None, tuple[str, ...]]:
    """Scale from the coefficients in the header, else from the energies of the rows."""
    said = {
        found[1].lower()[:4]: number(found[2])
        for line in lines for found in _COEFFICIENT.finditer(line)
    }  # fmt: skip
    if "offs" not in said or "slop" not in said:
        return columns.scale, ()
    terms = [said["offs"], said["slop"], said.get("quad", 0.0)]
    return linear_scale(terms, columns.counts.size)


GENIE = Format(
    key="genie", maker="Canberra, Mirion", suffixes=(".txt", ".asc", ".csv"), parse=_parse,
    recognises=_recognises,
    note="text of Genie 2000 and Lynx: a header with the live time, then channel and counts",
)  # fmt: skip
