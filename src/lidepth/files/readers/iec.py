"""IEC 1455 spectra (.iec): 58 lines of header, then five channels a line."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import WrongFormat
from lidepth.files.readers._ascii import (
    cut_off,
    number,
    seconds,
    through_points,
    too_many,
    whole,
    whole_counts,
)
from lidepth.files.readers._checked import COPY, Scale, linear_scale
from lidepth.files.readers.raw_spectrum import MAX_CHANNELS, Dialect, Format, RawSpectrum

_HEADER = 58
_POINTS = slice(10, 22)
_IN_A_LINE = 5
_MARK = re.compile(rb"[A-Z]\d{3}")
_NUMBER = re.compile(r"[-+]?\d+\.\d*(?:[eE][-+]\d{2,3})?")
_DATE = re.compile(r"(\d\d)/(\d\d)/(\d\d) (\d\d:\d\d:\d\d)")


def _parse(content: bytes, path: Path, dialect: Dialect) -> tuple[RawSpectrum, ...]:  # noqa: ARG001
    mark = content[:4]
    if not _MARK.fullmatch(mark):
        raise WrongFormat(
            "this is not an IEC 1455 spectrum", where=f"{path}, line 1",
            expected="lines that begin with a mark such as A004", remedy="export as IEC 1455",
        )  # fmt: skip
    if content.count(b"\n") > _HEADER + MAX_CHANNELS:
        raise too_many(f"{path}, line {_HEADER + 1}")
    lines = content.split(b"\n", _HEADER)
    if len(lines) <= _HEADER:
        raise cut_off(path, content, "within its header", f"{_HEADER} lines of header, then counts")
    head = [line.decode("latin-1").rstrip("\r") for line in lines[:_HEADER]]
    for i, line in enumerate(head, start=1):
        if line[:4] != mark.decode("latin-1"):
            raise _bad_line(line, f"{path}, line {i}", f"a line that begins with {mark.decode()}")
    header = [line[4:] for line in head]
    words = header[1].split()
    if len(words) != 3:
        raise _bad_line(header[1], f"{path}, line 2", "live time, real time, number of channels")
    start, remarks = _start(header[2], f"{path}, line 3")
    calibration, more = _scale(header)
    return (
        RawSpectrum(
            counts=_counts(lines[_HEADER], mark, whole(words[2]), path, content),
            start=start,
            live_s=seconds(words[0], where=f"{path}, line 2"),
            real_s=seconds(words[1], where=f"{path}, line 2"),
            calibration=calibration, sha256=hashlib.sha256(content).hexdigest(),
            remarks=remarks + more,
        ),
    )  # fmt: skip


def _counts(
    body: bytes, mark: bytes, channels: int, path: Path, content: bytes
) -> NDArray[np.int64]:
    if channels < 1:
        raise WrongFormat("no number of channels", where=f"{path}, line 2",
                          expected="live time, real time, number of channels")  # fmt: skip
    if channels > MAX_CHANNELS:
        raise too_many(f"{path}, line 2")
    rows = -(-channels // _IN_A_LINE)
    found = body.count(b"\n")
    if found < rows:
        raise cut_off(path, content, f"{min(found * _IN_A_LINE, channels)} of {channels} channels",
                      f"{rows} lines of counts, each ended by a line end")  # fmt: skip
    lines = body.split(b"\n")
    if b"".join(lines[rows:]).strip():
        raise WrongFormat(
            f"more than the {channels} channels announced in line 2",
            where=f"{path}, line {_HEADER + rows + 1}", expected=f"{rows} lines of counts",
            remedy="the file has been edited or two files were joined; " + COPY,
        )  # fmt: skip
    cells = bytearray()
    for i, line in enumerate(lines[:rows]):
        text = line.rstrip(b"\r")
        wide = min(channels - i * _IN_A_LINE, _IN_A_LINE)
        where = f"{path}, line {_HEADER + 1 + i}"
        if text[:4] != mark or whole(text[4:10].decode("latin-1").strip()) != i * _IN_A_LINE:
            raise _bad_line(text[:20].decode("latin-1"), where,
                            f"{mark.decode()} and the channel {i * _IN_A_LINE}")  # fmt: skip
        if len(text) < 10 + 10 * wide:
            raise _bad_line(text[-20:].decode("latin-1"), where, f"{wide} counts of ten places")
        for j in range(wide):
            cells += text[10 + 10 * j : 20 + 10 * j] + b" "
        cells += b"\n"
    counts = whole_counts(bytes(cells), path=path, first_line=_HEADER + 1)
    if counts.size != channels:
        raise WrongFormat(
            f"{counts.size} counts, not {channels}", where=f"{path}, line {_HEADER + 1}",
            expected="a count in every ten places", remedy=COPY,
        )  # fmt: skip
    return counts


def _bad_line(line: str, where: str, expected: str) -> WrongFormat:
    return WrongFormat(f"{line.strip()[:40]!r} is not as it should be", where=where,
                       expected=expected, remedy=COPY)  # fmt: skip


def _start(line: str, where: str) -> tuple[np.datetime64 | None, tuple[str, ...]]:
    """Return the start; programs write the day or the month first and do not say which.

    The first order in which every date of the line is one is taken, the month first where both
    are possible, as a remark says.
    """
    dates = [found.groups() for found in _DATE.finditer(line)]
    if not dates:
        if line.strip():
            raise _bad_line(line, where, "a date and a time such as 03/06/17 09:00:00")
        return None, ()
    read = [_ordered(dates, day_first) for day_first in (False, True)]
    if read[0] is None and read[1] is None:
        raise _bad_line(line, where, "a date and a time such as 03/06/17 09:00:00")
    if read[0] is not None and read[1] is not None and read[0] != read[1]:
        return read[0], ("the date was read with the month first; the file does not say",)
    return read[0] if read[0] is not None else read[1], ()


def _ordered(dates: list[tuple[str, ...]], day_first: bool) -> np.datetime64 | None:
    form = "%d/%m/%y %H:%M:%S" if day_first else "%m/%d/%y %H:%M:%S"
    try:
        times = [datetime.strptime(f"{a}/{b}/{c} {d}", form) for a, b, c, d in dates]
    except ValueError:
        return None
    return np.datetime64(times[0], "ns")


def _scale(header: list[str]) -> tuple[Scale | None, tuple[str, ...]]:
    """Scale from the coefficients, else from the pairs of energy and channel; zeros are none."""
    terms = [number(word) for word in _NUMBER.findall(header[3])]
    if any(terms[1:]):
        return linear_scale(terms[:4], whole(header[1].split()[2]))
    values = [[number(w) for w in _NUMBER.findall(line)] for line in header[_POINTS]]
    pairs = [(row[k + 1], row[k]) for row in values for k in range(0, len(row) - 1, 2)]
    return through_points([pair for pair in pairs if any(pair)])


IEC = Format(
    key="iec", maker="IEC 1455", suffixes=(".iec",), parse=_parse,
    note="interchange text of Genie, InterWinner and others",
)  # fmt: skip
