"""ORTEC spectra in records of 128 bytes (.Spc), integer or real.

Layout: ORTEC, Software File Structure Manual, 4.11.  SandiaSpecUtils decodes date and energy
scale; structure, counts and times are checked here first.
"""

from __future__ import annotations

import hashlib
import math
import struct
from pathlib import Path

import numpy as np

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

_RECORD = 128
_WORDS = struct.Struct("<64h")
_COUNTS_OF = {1: "<i4", 5: "<f4"}
# Words of the first record, counted from 0 (the manual counts from 1).
_LAST, _SPECTRUM, _RECORDS, _CHANNELS, _PHYSICAL, _FIRST = 28, 30, 31, 32, 33, 44
_POINTERS = {
    "acquisition": 4, "sample": 5, "detector": 6, "calibration": 17, "second calibration": 18,
    "regions": 20, "location": 53, "second header": 55,
}  # fmt: skip
_DAY_BYTE, _TIMES_BYTE = 72, 90
_DAY_ZEROS = (np.datetime64("1979-01-01", "ns"), np.datetime64("1970-01-01", "ns"))
"""What days are counted from, by ORTEC and by SandiaSpecUtils."""
_DAY_NS = 86400 * 10**9
_LATEST_DAY = 80000.0


def parse_spc(content: bytes, path: Path) -> RawSpectrum:
    """Return the spectrum in the bytes of a binary .Spc file; ``path`` is for messages only.

    Raises Truncated when the file ends too early, WrongFormat when it is not an ORTEC .Spc file
    and OutOfRange for negative counts.
    """
    where = str(path)
    if content[:1] != b"\x01" or content[1:2] not in (b"", b"\0"):
        raise WrongFormat(
            "this is not a binary ORTEC .Spc spectrum", where=f"{where}, byte 0",
            expected="a file that begins with 1", remedy="export the spectrum as .Spc or .Spe",
        )  # fmt: skip
    check_holds(content, _RECORD, "the first record", where)
    words = _WORDS.unpack_from(content)
    if words[1] not in _COUNTS_OF:
        raise WrongFormat(
            f"the file is of kind {words[1]}", where=f"{where}, byte 2",
            expected="1 (integer spectrum) or 5 (real spectrum)", remedy=COPY,
        )  # fmt: skip
    channels = words[_CHANNELS] % 2**16
    begin = _check_structure(content, words, channels, where)
    counts = whole_counts(np.frombuffer(content, _COUNTS_OF[words[1]], channels, begin), where)
    real_s, live_s = map(short, struct.unpack_from("<2f", content, _TIMES_BYTE))
    check_times(live_s, real_s, f"{where}, byte {_TIMES_BYTE}")
    theirs = decode(
        content, path, loader="loadFromBinarySpc", counts=counts, live_s=live_s, real_s=real_s
    )
    terms = [short(value) for value in theirs.coefficients]
    scale, remarks = linear_scale([] if terms[:2] == [0.0, 1.0] else terms, channels)
    return RawSpectrum(
        counts=counts,
        start=theirs.start,
        live_s=live_s,
        real_s=real_s,
        calibration=scale,
        sha256=hashlib.sha256(content).hexdigest(),
        remarks=(
            *remarks,
            *_second_clock(content, theirs.start),
            *times_in_counts(counts, live_s, real_s),
        ),
    )


def _check_structure(content: bytes, words: tuple[int, ...], channels: int, where: str) -> int:
    """Return where the counts begin; raises when anything announced lies outside the file."""
    check_channels(channels, f"{where}, byte {2 * _CHANNELS}")
    if words[_FIRST] != 0 or words[_PHYSICAL] != 0:
        raise WrongFormat(
            f"the spectrum starts at channel {words[_FIRST] or words[_PHYSICAL]}", where=where,
            expected="a spectrum from channel 0, because the energy scale counts from there",
            remedy="save the full spectrum",
        )  # fmt: skip
    if words[_SPECTRUM] < 2 or 32 * words[_RECORDS] < channels:
        raise WrongFormat(
            f"{words[_RECORDS]} records from record {words[_SPECTRUM]} cannot hold {channels} "
            "channels", where=f"{where}, byte {2 * _SPECTRUM}",
            expected="32 channels per record, behind the first record", remedy=COPY,
        )  # fmt: skip
    begin = _RECORD * (words[_SPECTRUM] - 1)
    check_holds(content, begin + _RECORD * words[_RECORDS], f"{channels} channels", where)
    for name, word in _POINTERS.items():
        if words[word] < 0:
            raise WrongFormat(
                f"the {name} record is number {words[word]}", where=f"{where}, byte {2 * word}",
                expected="a record number, or 0 for none", remedy=COPY,
            )  # fmt: skip
        check_holds(content, _RECORD * words[word], f"the {name} record", where)
    check_holds(content, _RECORD * words[_LAST], "the last record", where)
    if len(content) % _RECORD:
        check_holds(content, -(-len(content) // _RECORD) * _RECORD, "a record", where)
    return begin


def _second_clock(content: bytes, start: np.datetime64 | None) -> tuple[str, ...]:
    """The file gives its start twice, as text and as days; a remark when they differ."""
    (days,) = struct.unpack_from("<d", content, _DAY_BYTE)
    if start is None or not (math.isfinite(days) and 0 < days < _LATEST_DAY):
        return ()
    since = np.timedelta64(round(days * _DAY_NS), "ns")
    apart_s = min(abs((zero + since - start) / np.timedelta64(1, "s")) for zero in _DAY_ZEROS)
    if apart_s < 2:
        return ()
    return (f"the two start times in the file are {apart_s:.0f} s apart; the written one is used",)


def _one(content: bytes, path: Path, dialect: Dialect) -> tuple[RawSpectrum, ...]:  # noqa: ARG001
    return (parse_spc(content, path),)


SPC = Format(
    key="spc", maker="ORTEC", suffixes=(".spc",), parse=_one, reads_with="SandiaSpecUtils",
    recognises=lambda head: head[:4] in (b"\x01\0\x01\0", b"\x01\0\x05\0"),
    note="integer or real counts, in records of 128 bytes",
)  # fmt: skip
