"""Columns of numbers, read only as ``data.spectra.dialect`` says.

Nothing is guessed: programs that guess have taken the first two counts for times.  A file of this
kind says neither when it was taken nor for how long; monitor.csv does.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

from lidepth.errors import Truncated, WrongFormat
from lidepth.files.readers._checked import COPY
from lidepth.files.readers._table import read_columns
from lidepth.files.readers.raw_spectrum import Dialect, Format, RawSpectrum


def _parse(content: bytes, path: Path, dialect: Dialect) -> tuple[RawSpectrum, ...]:
    names = dialect.columns
    named = [name for name in names if name != "-"]
    if named.count("counts") != 1 or len(set(named)) != len(named):
        raise WrongFormat(
            f"the columns {', '.join(names)} do not name the counts once", where=str(path),
            expected="counts once, channel and energy at most once, - for any other",
            remedy="correct data.spectra.dialect.columns",
        )  # fmt: skip
    start = 0
    for _ in range(dialect.skip):
        start = content.find(b"\n", start) + 1
        if not start:
            raise Truncated(
                "the file ends before its numbers", where=str(path),
                expected=f"more than {dialect.skip} lines",
                remedy="check data.spectra.dialect.skip",
            )  # fmt: skip
    columns = read_columns(
        content[start:], names=names, delimiter=dialect.delimiter, comment=dialect.comment,
        path=path, first_line=dialect.skip + 1,
    )  # fmt: skip
    cut = ("the last line has no line end; the file may have been cut off: " + COPY,)
    return (
        RawSpectrum(
            counts=columns.counts, start=None, live_s=math.nan, real_s=math.nan,
            calibration=columns.scale, sha256=hashlib.sha256(content).hexdigest(),
            remarks=() if content.endswith(b"\n") else cut,
        ),
    )  # fmt: skip


TEXT = Format(
    key="text", maker="any", suffixes=(".txt", ".xy", ".odf", ".csv", ".dat"), parse=_parse,
    explicit=True, note="columns of numbers as data.spectra.dialect says; never guessed",
)  # fmt: skip
