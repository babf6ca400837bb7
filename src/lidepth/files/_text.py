"""Bytes, text and times at the door: bounded reads, named places, strict ISO times."""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, OutOfRange, Truncated, WrongFormat

Times = NDArray[np.datetime64]

_TIME = re.compile(
    r"^(?:19|20|21)\d\d-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|\+00:00)?$"
)
_TIME_EXPECTED = "an ISO time without a time zone, such as 2017-03-06T09:00:00"


def read_head(path: Path, size: int) -> bytes:
    """Return the first ``size`` bytes of a regular file; raises BadInput or Truncated."""
    return _read(path, size)


def read_bytes(path: Path, *, limit_bytes: int) -> bytes:
    """Return the content of a regular file.

    Raises BadInput when it cannot be opened, OutOfRange when it is larger than ``limit_bytes``
    and Truncated when it is empty.
    """
    content = _read(path, limit_bytes + 1)
    if len(content) > limit_bytes:
        raise OutOfRange(
            "the file is too large to be what it should be", where=str(path),
            expected=f"at most {limit_bytes} bytes", remedy="check that this is the right file",
        )  # fmt: skip
    return content


def _read(path: Path, most: int) -> bytes:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise BadInput("this is not a file", where=str(path), expected="an ordinary file")
        with open(path, "rb") as stream:
            # Reading sets aside as much as it is asked for, however small the file.
            size = os.fstat(stream.fileno()).st_size
            content = stream.read(min(size + 1, most))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInput(
            f"cannot be opened ({reason})", where=str(path), expected="a file that can be read",
            remedy="correct the path; paths are taken from the folder of experiment.yaml",
        ) from error  # fmt: skip
    if not content.strip(b"\0 \t\r\n"):
        raise Truncated(
            "the file is empty", where=str(path), expected="content",
            remedy="copy it again from the instrument",
        )  # fmt: skip
    return content


def read_text(path: Path, *, limit_bytes: int) -> str:
    """Return the content of a UTF-8 file; raises WrongFormat when it is not UTF-8 text."""
    content = read_bytes(path, limit_bytes=limit_bytes)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise WrongFormat(
            "the file is not UTF-8 text", where=f"{path}, line {line}",
            expected="plain UTF-8 text", remedy="save it again as UTF-8",
        ) from error  # fmt: skip
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise WrongFormat(
            "the file holds NUL bytes", where=f"{path}, line {line}", expected="plain UTF-8 text",
            remedy="copy it again; NUL bytes are what a crash leaves behind",
        )  # fmt: skip
    return text


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word most like ``word``, empty when none is alike."""
    names = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), list(names), n=1, cutoff=0.5)
    return names[found[0]] if found else ""


def parse_time(value: str | date | datetime, *, where: str) -> np.datetime64:
    """Return one time as datetime64[ns].

    Raises WrongFormat when it is no ISO time, or carries a time zone other than UTC.
    """
    if isinstance(value, datetime) and value.utcoffset() not in (None, timedelta(0)):
        raise _bad_time(str(value), where)
    if isinstance(value, datetime):
        return np.datetime64(value.replace(tzinfo=None), "ns")
    text = f"{value.isoformat()}T00:00" if isinstance(value, date) else value.strip()
    if _TIME.match(text) is None:
        raise _bad_time(text, where)
    try:
        return np.datetime64(_plain(text), "ns")
    except ValueError as error:
        raise _bad_time(text, where) from error


def parse_times(texts: Sequence[str], *, path: Path, lines: Sequence[int]) -> Times:
    """Return times as datetime64[ns] (n,); an error names the file and the line."""
    if all(map(_TIME.match, texts)):
        try:
            return np.array([_plain(text) for text in texts], dtype="datetime64[ns]")
        except ValueError:
            pass  # the loop below finds the line
    return np.array(
        [
            parse_time(text, where=f"{path}, line {line}")
            for text, line in zip(texts, lines, strict=True)
        ],
        dtype="datetime64[ns]",
    )


def _plain(text: str) -> str:
    return text.removesuffix("Z").removesuffix("+00:00").replace(" ", "T")


def _bad_time(text: str, where: str) -> WrongFormat:
    return WrongFormat(
        f"{text[:60]!r} is not a time", where=where, expected=_TIME_EXPECTED,
        remedy="write year-month-day and hours:minutes:seconds on the clock of the spectra",
    )  # fmt: skip
