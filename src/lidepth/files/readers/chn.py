"""ORTEC integer spectra (.Chn): 32 bytes of header, the counts, 512 bytes of calibration.

Our own decoder of this small fixed layout (ORTEC, Software File Structure Manual, 4.1):
SandiaSpecUtils 0.0.11 blanks the first two and the last two channels, and does not notice a file
that ends behind its counts.
"""

from __future__ import annotations

import hashlib
import re
import struct
from datetime import datetime
from pathlib import Path

import numpy as np

from lidepth.errors import WrongFormat
from lidepth.files.readers._checked import (
    COPY,
    check_channels,
    check_holds,
    linear_scale,
    short,
    times_in_counts,
    whole_counts,
)
from lidepth.files.readers.raw_spectrum import Dialect, Format, RawSpectrum

_HEADER = struct.Struct("<hhh2sII2s3s2s1s2s2sHH")
_TAIL_BYTES = 512
_TAIL = struct.Struct("<hh3f")
_TICK_S = 0.02
_LINEAR, _QUADRATIC = -101, -102
_WRAPPED = 2**16
"""The 16-bit channel number reads 0 for that many."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DIGITS = re.compile(rb"^\d\d$")


def parse_chn(content: bytes, path: Path) -> RawSpectrum:
    """Return the spectrum in the bytes of a .Chn file; ``path`` is for messages only.

    Raises Truncated when the file ends too early, WrongFormat when it is not a .Chn file and
    OutOfRange for negative counts.
    """
    where = str(path)
    if content[:2] != b"\xff\xff"[: len(content)]:
        raise WrongFormat(
            "this is not an ORTEC .Chn spectrum", where=f"{where}, byte 0",
            expected="a file that begins with -1", remedy="export the spectrum as .Chn or .Spe",
        )  # fmt: skip
    check_holds(content, _HEADER.size, "the header", where)
    (
        _, _, _, second, real, live, day, month, year, century, hour, minute, first, channels
    ) = _HEADER.unpack_from(content)  # fmt: skip
    channels = channels or _WRAPPED
    check_channels(channels, where)
    if first != 0:
        raise WrongFormat(
            f"the spectrum starts at channel {first}", where=f"{where}, byte 28",
            expected="a spectrum from channel 0, because the energy scale counts from there",
            remedy="save the full spectrum",
        )  # fmt: skip
    stop = _HEADER.size + 4 * channels
    check_holds(content, stop + _TAIL_BYTES, f"{channels} channels and the calibration", where)
    if len(content) > stop + _TAIL_BYTES:
        raise WrongFormat(
            f"{len(content) - stop - _TAIL_BYTES} bytes follow the end of the spectrum",
            where=f"{where}, byte {stop + _TAIL_BYTES}", expected="one spectrum", remedy=COPY,
        )  # fmt: skip
    # Memory of the analyser keeps a mark in the highest bit: such counts read as negative.
    counts = whole_counts(np.frombuffer(content, "<i4", channels, _HEADER.size), where)
    live_s, real_s = round(live * _TICK_S, 2), round(real * _TICK_S, 2)
    scale, remarks = _scale(content, stop, channels)
    return RawSpectrum(
        counts=counts,
        start=_start((day, month, year, century, hour, minute, second), f"{where}, byte 16"),
        live_s=live_s,
        real_s=real_s,
        calibration=scale,
        sha256=hashlib.sha256(content).hexdigest(),
        remarks=(*remarks, *times_in_counts(counts, live_s, real_s)),
    )


def _scale(
    content: bytes, begin: int, channels: int
) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    kind, _, *coefficients = _TAIL.unpack_from(content, begin)
    if kind not in (_LINEAR, _QUADRATIC):
        return None, (f"the calibration block is of the unknown kind {kind} and is not used",)
    terms = [short(value) for value in coefficients[: 3 if kind == _QUADRATIC else 2]]
    # Zero and one is what the software starts with: channels, not keV.
    return linear_scale([] if terms[:2] == [0.0, 1.0] else terms, channels)


def _start(parts: tuple[bytes, ...], where: str) -> np.datetime64 | None:
    """Return the start; None when the fields are blank."""
    if not b"".join(parts).strip(b"\0 "):
        return None
    day, month, year, century, hour, minute, second = parts
    name = month.decode("latin-1").title()
    if name in _MONTHS and all(_DIGITS.match(part) for part in (day, year, hour, minute, second)):
        # The mark of the century is 1 from 2000 on.
        full_year = int(year) + (2000 if century == b"1" else 1900)
        try:
            moment = datetime(
                full_year, _MONTHS.index(name) + 1, int(day), int(hour), int(minute), int(second)
            )
        except ValueError:
            pass
        else:
            return np.datetime64(moment, "ns")
    raise WrongFormat(
        f"{b''.join(parts)!r} is not a start time", where=where,
        expected="day, English month, year and clock, such as 06Mar171 09 00 00",
    )  # fmt: skip


def _one(content: bytes, path: Path, dialect: Dialect) -> tuple[RawSpectrum, ...]:  # noqa: ARG001
    return (parse_chn(content, path),)


CHN = Format(
    key="chn", maker="ORTEC", suffixes=(".chn",), parse=_one,
    recognises=lambda head: head.startswith(b"\xff\xff"),
    note="integer counts, times in steps of 20 ms",
)  # fmt: skip
