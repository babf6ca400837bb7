"""ORTEC / IAEA ASCII spectra (.Spe), read strictly.

Our own parser, because the common libraries accept a file that ends too early, hold counts and
times as 32-bit floats, and invent an energy scale for a file that has none.
"""

from __future__ import annotations

import hashlib
import math
import re
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import LidepthError, OutOfRange, Truncated, WrongFormat
from lidepth.files.readers._checked import Scale, linear_scale
from lidepth.files.readers.raw_spectrum import (
    MAX_CHANNELS,
    MAX_COUNTS,
    Dialect,
    Format,
    RawSpectrum,
)

_SECTION = re.compile(rb"\$([A-Z0-9_]+):[ \t]*\r?$", re.MULTILINE | re.IGNORECASE)
_NOT_COUNTS = b"0123456789 \t\r\n"
_WHOLE = re.compile(rb"^\d+$")
_DATES = ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S.%f", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M")
_COPY = "copy the file again from the analyser"


def parse_spe(content: bytes, path: Path) -> RawSpectrum:
    """Return the spectrum in the bytes of a .Spe file; ``path`` is for messages only.

    Raises Truncated when the file ends too early, WrongFormat when it is not a .Spe file and
    OutOfRange for negative counts or too many channels; each with file and line.
    """
    sections = _sections(content, path)
    counts = _counts(content, sections["DATA"], path)
    _check_end(content, path)
    live_s, real_s = _times(content, sections, path)
    scale, remarks = _calibration(content, sections, counts.size)
    return RawSpectrum(
        counts=counts,
        start=_start(content, sections, path),
        live_s=live_s,
        real_s=real_s,
        calibration=scale,
        sha256=hashlib.sha256(content).hexdigest(),
        remarks=remarks,
    )


def _sections(content: bytes, path: Path) -> dict[str, tuple[int, int]]:
    """Map each section to the (start, stop) of its body."""
    marks = [
        mark
        for mark in _SECTION.finditer(content)
        if content[mark.start() - 1 : mark.start()] in (b"", b"\n")
    ]
    if not marks or not content.lstrip().startswith(b"$"):
        raise WrongFormat(
            "this is not an ORTEC .Spe spectrum", where=f"{path}, line 1",
            expected="sections such as $SPEC_ID:, $MEAS_TIM:, $DATA:",
            remedy="export the spectrum as ASCII .Spe",
        )  # fmt: skip
    stops = [mark.start() for mark in marks[1:]] + [len(content)]
    sections: dict[str, tuple[int, int]] = {}
    for mark, stop in zip(marks, stops, strict=True):
        name = mark[1].decode("ascii").upper()
        if name == "DATA" and name in sections:
            raise WrongFormat(
                "the file holds more than one spectrum", where=_where(path, content, mark.start()),
                expected="one $DATA: section", remedy="export one spectrum per file",
            )  # fmt: skip
        sections.setdefault(name, (mark.end() + 1, stop))
    if "DATA" not in sections:
        raise Truncated(
            "the file ends before its counts", where=_where(path, content, len(content)),
            expected="a $DATA: section", remedy=_COPY,
        )  # fmt: skip
    return sections


def _counts(content: bytes, span: tuple[int, int], path: Path) -> NDArray[np.int64]:
    head, newline, body = content[slice(*span)].partition(b"\n")
    if not newline:
        raise _ends_in_counts(content, path, "no channel range")
    first_line = content.count(b"\n", 0, span[0]) + 2
    channels = _channels(head, f"{path}, line {first_line - 1}")
    if body.translate(None, _NOT_COUNTS):
        raise _bad_count(body, first_line, path)
    found = len(body.split())
    if found < channels or (found == channels and not body.endswith(b"\n")):
        raise _ends_in_counts(content, path, f"{found} of {channels} channels")
    if found > channels:
        raise WrongFormat(
            f"$DATA: announces {channels} channels but {found} numbers follow",
            where=f"{path}, line {first_line + channels}", expected=f"{channels} counts",
            remedy="the file has been edited or two files were joined; " + _COPY,
        )  # fmt: skip
    counts = np.fromstring(body.decode("ascii"), dtype=np.int64, sep=" ")
    if counts.size != channels or counts.max() >= MAX_COUNTS:
        raise OutOfRange(
            "a channel holds more counts than can be", where=f"{path}, line {first_line}",
            expected="counts below 2^53", remedy=_COPY,
        )  # fmt: skip
    return counts


def _channels(head: bytes, where: str) -> int:
    numbers = head.split()
    if len(numbers) != 2 or not all(_WHOLE.match(number) for number in numbers):
        raise WrongFormat(
            f"{head.strip()[:60]!r} is not a channel range", where=where,
            expected="first and last channel, such as 0 1023",
        )  # fmt: skip
    if max(map(len, numbers)) > 9 or int(numbers[1]) - int(numbers[0]) >= MAX_CHANNELS:
        raise OutOfRange(
            "more channels than any analyser has", where=where,
            expected=f"at most {MAX_CHANNELS} channels",
        )  # fmt: skip
    if int(numbers[0]) != 0:
        raise WrongFormat(
            f"the spectrum starts at channel {int(numbers[0])}", where=where,
            expected="a spectrum from channel 0, because the energy scale counts from there",
            remedy="export the full spectrum",
        )  # fmt: skip
    return int(numbers[1]) + 1


def _bad_count(body: bytes, first_line: int, path: Path) -> LidepthError:
    for line, text in enumerate(body.split(b"\n"), start=first_line):
        for word in text.split():
            if _WHOLE.match(word):
                continue
            shown = word[:40].decode("ascii", "replace")
            where = f"{path}, line {line}"
            if _WHOLE.match(word.removeprefix(b"-")):
                return OutOfRange(
                    f"the count {shown} is negative", where=where, expected="counts from 0 up",
                    remedy="use the raw spectrum, not one with a background taken off",
                )  # fmt: skip
            return WrongFormat(
                f"{shown!r} is not a number of counts", where=where,
                expected="whole numbers from 0 up",
                remedy="use the raw spectrum as the analyser wrote it",
            )  # fmt: skip
    return WrongFormat("unreadable counts", where=f"{path}, line {first_line}")


def _ends_in_counts(content: bytes, path: Path, found: str) -> Truncated:
    return Truncated(
        f"the file ends within its counts ({found})", where=_where(path, content, len(content)),
        expected="every channel that $DATA: announces, each ended by a line end", remedy=_COPY,
    )  # fmt: skip


def _check_end(content: bytes, path: Path) -> None:
    """A last line without its end, or a section without a body, was cut off."""
    last = content.rstrip().rpartition(b"\n")[2].strip()
    ended = content.endswith(b"\n") and not last.startswith(b"$")
    if not ended and last != b"$ENDRECORD:":
        raise Truncated(
            "the file ends in the middle of a line or section",
            where=_where(path, content, len(content)), expected="a line end after the last value",
            remedy=_COPY + ", or add the missing line end if it is complete",
        )  # fmt: skip


def _body(content: bytes, sections: dict[str, tuple[int, int]], name: str) -> list[str] | None:
    """Return the non-empty lines of a section, or None when there is no such section."""
    if name not in sections:
        return None
    lines = content[slice(*sections[name])].decode("latin-1").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _times(content: bytes, sections: dict[str, tuple[int, int]], path: Path) -> tuple[float, float]:
    """Return (live, real) time in s, NaN where not given."""
    lines = _body(content, sections, "MEAS_TIM")
    if lines is None:
        return math.nan, math.nan
    given = [_float(word) for word in " ".join(lines[:1]).split()]
    if not 1 <= len(given) <= 2 or not all(0 <= value < 1e10 for value in given):
        raise WrongFormat(
            f"{lines[:1]} is not a live time and a real time",
            where=_where(path, content, sections["MEAS_TIM"][0]),
            expected="two times in seconds, such as 480 480", remedy=_COPY,
        )  # fmt: skip
    return given[0], given[1] if len(given) == 2 else math.nan


def _start(
    content: bytes, sections: dict[str, tuple[int, int]], path: Path
) -> np.datetime64 | None:
    lines = _body(content, sections, "DATE_MEA")
    if not lines:
        return None
    for form in _DATES:
        try:
            return np.datetime64(datetime.strptime(lines[0], form), "ns")
        except ValueError:
            continue
    raise WrongFormat(
        f"{lines[0][:60]!r} is not a start time",
        where=_where(path, content, sections["DATE_MEA"][0]),
        expected="month/day/year hours:minutes:seconds, such as 03/06/2017 09:00:00",
        remedy="correct the date in the file; ORTEC writes the month first",
    )


def _calibration(
    content: bytes, sections: dict[str, tuple[int, int]], channels: int
) -> tuple[Scale | None, tuple[str, ...]]:
    """Return ((offset, gain) or None, remarks) from $MCA_CAL, else $ENER_FIT."""
    fine = _body(content, sections, "MCA_CAL") or []
    coarse = _body(content, sections, "ENER_FIT") or []
    doubts: tuple[str, ...] = ()
    for text in (*fine[1:2], *coarse[:1]):
        words = text.split()
        numbers = [value for value in map(_float, words) if math.isfinite(value)]
        unit = " ".join(word for word in words if not math.isfinite(_float(word)))
        scale, remarks = linear_scale(numbers, channels, unit=unit)
        if scale is not None:
            return scale, remarks
        doubts = doubts or remarks
    return None, doubts


def _float(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan


def _where(path: Path, content: bytes, position: int) -> str:
    return f"{path}, line {content.count(bytes([10]), 0, position) + 1}"


def _one(content: bytes, path: Path, dialect: Dialect) -> tuple[RawSpectrum, ...]:  # noqa: ARG001
    return (parse_spe(content, path),)


SPE = Format(
    key="spe", maker="ORTEC, IAEA", suffixes=(".spe",), parse=_one,
    note="ASCII; Maestro and most others write it",
)  # fmt: skip
