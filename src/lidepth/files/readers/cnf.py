"""Canberra (Mirion) Genie 2000 spectra (.cnf).

No public description of the layout exists; what is used here is what open readers found: a list of
blocks at byte 112, the acquisition block with its clock, the spectrum block with 32-bit counts.
SandiaSpecUtils decodes the energy scale; structure, counts and times are checked here first.  Its
start times are off by up to 6 s (rounding); the 100 ns ticks in the file are taken as they are,
which gives the time in the .Spe that Genie wrote of the same spectrum.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import WrongFormat
from lidepth.files.readers._checked import (
    COPY,
    check_channels,
    check_holds,
    check_times,
    linear_scale,
    short,
    times_in_counts,
    whole_counts,
)
from lidepth.files.readers._specutils import decode
from lidepth.files.readers.raw_spectrum import Dialect, Format, RawSpectrum

_HEAD, _ENTRY = 112, 48
_HEADER_BYTE = 6
_LONGEST_LIST = 2**17
_ACQUISITION, _SPECTRUM = 0x12000, 0x12005
_CHANNELS_BYTE, _UNIT_BYTE = 0x89, 92
_TICK_S = 1e-7
_TICK_NS = 100
_EPOCH_TICKS = 3506716800 * 10**7
"""From 1858-11-17, where the ticks begin, to 1970."""
_LATEST_TICKS = _EPOCH_TICKS + 7258118400 * 10**7
"""The year 2200."""
# The .Spe that was made of a real .cnf has the same offset and gain, and every count one channel
# further up; both libraries at hand read the .cnf as we do.
_FROM_ONE = "Genie counts channels from 1: its energy scale may be off by one channel here"
_NO_TIME = (0, 2**64 - 1)


def parse_cnf(content: bytes, path: Path) -> RawSpectrum:
    """Return the spectrum in the bytes of a .cnf file; ``path`` is for messages only.

    Raises Truncated when the file ends too early, WrongFormat when it is not a Genie 2000 file
    and OutOfRange for too many channels.
    """
    where = str(path)
    if content[:2] != b"\0\x04"[: len(content)]:
        raise WrongFormat(
            "this is not a Canberra .cnf spectrum", where=f"{where}, byte 0",
            expected="a file of Genie 2000", remedy="export the spectrum as .cnf or .Spe",
        )  # fmt: skip
    blocks = _blocks(content, where)
    clock = blocks[_ACQUISITION] + _ENTRY
    scale_at, clock_at = struct.unpack_from("<HH", content, blocks[_ACQUISITION] + 34)
    stop = clock + max(clock_at + 25, scale_at + _UNIT_BYTE + 8, _CHANNELS_BYTE + 4)
    check_holds(content, stop, "the acquisition block", where)
    counts = _counts(content, blocks, where)
    ticks = struct.unpack_from("<QQQ", content, clock + clock_at + 1)
    # Durations count down from 2^64.
    real_s, live_s = (float(round((2**64 - value) % 2**64 * _TICK_S, 6)) for value in ticks[1:])
    check_times(live_s, real_s, where)
    theirs = decode(
        content, path, loader="loadFromCnf", counts=counts, live_s=live_s, real_s=real_s
    )
    unit = content[clock + scale_at + _UNIT_BYTE :][:8].strip(b"\0 ").decode("latin-1")
    scale, remarks = linear_scale(
        [short(value) for value in theirs.coefficients], counts.size, unit=unit
    )
    if scale is not None:
        remarks = (*remarks, _FROM_ONE)
    return RawSpectrum(
        counts=counts,
        start=_start(ticks[0], where),
        live_s=live_s,
        real_s=real_s,
        calibration=scale,
        sha256=hashlib.sha256(content).hexdigest(),
        remarks=(
            *remarks,
            *times_in_counts(counts, live_s, real_s),
        ),
    )


def _blocks(content: bytes, where: str) -> dict[int, int]:
    """Map the kind of each block to where it begins; the first of a kind counts."""
    check_holds(content, _HEAD, "the file header", where)
    header, length = struct.unpack_from("<II", content, _HEADER_BYTE)
    check_holds(content, max(length, header), "the length that the header gives", where)
    blocks: dict[int, int] = {}
    for place in range(_HEAD, min(header, _LONGEST_LIST) - _ENTRY + 1, _ENTRY):
        (kind,) = struct.unpack_from("<I", content, place)
        (begin,) = struct.unpack_from("<I", content, place + 10)
        if kind in (_ACQUISITION, _SPECTRUM) and kind not in blocks:
            check_holds(content, begin + 512, f"block {kind:#x}", f"{where}, byte {place}")
            if struct.unpack_from("<I", content, begin)[0] != kind:
                raise WrongFormat(
                    f"block {kind:#x} is not where the header has it",
                    where=f"{where}, byte {begin}", expected="the block's own number", remedy=COPY,
                )  # fmt: skip
            blocks[kind] = begin
    for kind, name in ((_ACQUISITION, "acquisition"), (_SPECTRUM, "spectrum")):
        if kind not in blocks:
            raise WrongFormat(
                f"the file has no {name} block", where=where,
                expected="a file with a spectrum of Genie 2000",
                remedy="save the spectrum with its counts",
            )  # fmt: skip
    return blocks


def _counts(content: bytes, blocks: dict[int, int], where: str) -> NDArray[np.int64]:
    begin = blocks[_SPECTRUM]
    header, lead, channels = (
        struct.unpack_from("<H", content, begin + at)[0] for at in (16, 40, 42)
    )
    (wanted,) = struct.unpack_from("<I", content, blocks[_ACQUISITION] + _ENTRY + _CHANNELS_BYTE)
    if channels != wanted % 2**16:
        raise WrongFormat(
            f"the spectrum block has {channels} channels, the analyser {wanted}", where=where,
            expected="the same number", remedy=COPY,
        )  # fmt: skip
    check_channels(wanted, where)
    first = begin + header + lead
    check_holds(content, first + 4 * wanted, f"{wanted} channels", where)
    return whole_counts(np.frombuffer(content, "<i4", wanted, first), where)


def _start(ticks: int, where: str) -> np.datetime64 | None:
    if ticks in _NO_TIME:
        return None
    if not _EPOCH_TICKS <= ticks < _LATEST_TICKS:
        raise WrongFormat(
            f"{ticks} is not a start time", where=where,
            expected="steps of 100 ns since 1858-11-17", remedy=COPY,
        )  # fmt: skip
    return np.datetime64((ticks - _EPOCH_TICKS) * _TICK_NS, "ns")


def _one(content: bytes, path: Path, dialect: Dialect) -> tuple[RawSpectrum, ...]:  # noqa: ARG001
    return (parse_cnf(content, path),)


CNF = Format(
    key="cnf", maker="Canberra, Mirion", suffixes=(".cnf",), parse=_one,
    reads_with="SandiaSpecUtils", recognises=lambda head: head.startswith(b"\0\x04"),
    note="Genie 2000",
)  # fmt: skip
