"""List mode of CAEN CoMPASS (.csv): events gathered into spectra of any dwell time.

Each row is one event: board, channel, time tag in ps since the start of the run, energy as the
channel of the digitiser, flags.  Rows are read in pieces, so the memory needed is a fraction of
the file beside the file itself.  The dead time is not in the file, so the live time is not known:
the dead time per count of the instrument stands for it.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, OutOfRange, WrongFormat
from lidepth.files.readers._ascii import cut_off
from lidepth.files.readers._checked import COPY
from lidepth.files.readers.raw_spectrum import Dialect, Format, RawSpectrum

PS = 10**12
CHANNELS = 16384
"""Channels of a spectrum unless ``data.spectra.channels`` says: the most that CoMPASS sets."""

_PIECE_BYTES = 2**20
_MAX_ENERGY = 2**16
_MAX_TAG_PS = 2**62
_MAX_DETECTORS = 256
_FLAG_TEXTS = 4096
_FLAG_BYTES = 16
_BACK_PS = PS
"""Events of one input may come out of order by this much: buffers are sorted when written."""

_FAKE, _PILE_UP, _SATURATED, _LOST = 0x8, 0x8000, 0x480, 0x60
_HEADER = re.compile(rb"^\s*[A-Z_]+(?:;[A-Z_]+)+\s*$")
_ROW = re.compile(rb"^\d+;\d+;\d+;\d+(?:;|\r?$)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Number of each column, -1 for one that is not there."""

    board: int
    channel: int
    tag: int
    energy: int
    flags: int

    def named(self) -> list[tuple[str, int, str]]:
        """(name, column, type) of the columns that are there."""
        kinds = {
            "board": "u2",
            "channel": "u2",
            "tag": "i8",
            "energy": "i8",
            "flags": f"S{_FLAG_BYTES}",
        }
        return [(k, getattr(self, k), kind) for k, kind in kinds.items() if getattr(self, k) >= 0]


@dataclass(frozen=True, kw_only=True)
class _Events:
    """Events of a file, each array of shape (events,): input, time tag in ps, channel, flags."""

    source: NDArray[np.uint32]
    tag: NDArray[np.int64]
    energy: NDArray[np.int32]
    flags: NDArray[np.uint32]


def _recognises(head: bytes) -> bool:
    first = head.lstrip(b"\xef\xbb\xbf").split(b"\n", 1)[0]
    if _HEADER.match(first):
        return b"TIMETAG" in first and b"ENERGY" in first
    return _ROW.match(first) is not None


def _parse(content: bytes, path: Path, dialect: Dialect) -> tuple[RawSpectrum, ...]:
    if not _recognises(content[:4096]):
        raise WrongFormat(
            "this is not list mode of CoMPASS", where=f"{path}, line 1",
            expected="BOARD;CHANNEL;TIMETAG;ENERGY;ENERGYSHORT;FLAGS, or rows of them",
            remedy="save the list in csv format",
        )  # fmt: skip
    if not math.isfinite(dialect.dwell_s):
        raise BadInput(
            "this file lists events and nothing says how long a spectrum lasts", where=str(path),
            expected="data.spectra.dwell", remedy='give data.spectra.dwell, such as "8 min"',
        )  # fmt: skip
    if not content.endswith(b"\n"):
        raise cut_off(path, content, "in the middle of a row", "a line end after the last event")
    pieces = [piece for piece in _pieces(content, path) if piece.tag.size]
    if not pieces:
        raise cut_off(path, content, "no events", "at least one event")
    return _spectra(_joined(pieces), path, dialect, hashlib.sha256(content).hexdigest())


def _pieces(content: bytes, path: Path) -> Iterator[_Events]:
    """Read the events piece by piece."""
    head = content[:4096].split(b"\n", 2)
    start = len(head[0]) + 1 if _HEADER.match(head[0].lstrip(b"\xef\xbb\xbf")) else 0
    first_row = content[start : start + 4096].split(b"\n", 1)[0].strip().split(b";")
    layout = _layout(head[0] if start else b"", first_row, path)
    line = 2 if start else 1
    while start < len(content):
        stop = content.find(b"\n", start + _PIECE_BYTES) + 1 or len(content)
        yield _piece(content[start:stop], layout, path, line)
        line += content.count(b"\n", start, stop)
        start = stop


def _layout(header: bytes, row: list[bytes], path: Path) -> _Layout:
    if not header:
        flags = [i for i, word in enumerate(row) if word.startswith(b"0x")]
        return _Layout(board=0, channel=1, tag=2, energy=3, flags=flags[0] if flags else -1)
    names = [word.strip().decode("ascii") for word in header.lstrip(b"\xef\xbb\xbf").split(b";")]
    place = {name: i for i, name in reversed(list(enumerate(names)))}
    if not {"TIMETAG", "ENERGY"} <= place.keys():
        raise WrongFormat(
            "no column TIMETAG or ENERGY", where=f"{path}, line 1",
            expected="BOARD;CHANNEL;TIMETAG;ENERGY;ENERGYSHORT;FLAGS",
            remedy="save the raw energy, not only the calibrated one",
        )  # fmt: skip
    return _Layout(
        board=place.get("BOARD", -1), channel=place.get("CHANNEL", -1), tag=place["TIMETAG"],
        energy=place["ENERGY"], flags=place.get("FLAGS", -1),
    )  # fmt: skip


def _piece(text: bytes, layout: _Layout, path: Path, line: int) -> _Events:
    columns = layout.named()
    if not text.strip():
        return _Events(source=np.zeros(0, "u4"), tag=np.zeros(0, "i8"), energy=np.zeros(0, "i4"),
                       flags=np.zeros(0, "u4"))  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # numpy only warns of 1.5 where a whole number belongs
            rows = np.loadtxt(
                io.BytesIO(text), delimiter=";", usecols=[i for _, i, _ in columns], comments=None,
                dtype=[(name, kind) for name, _, kind in columns], ndmin=1, encoding="latin-1",
            )  # fmt: skip
    except (ValueError, OverflowError, IndexError, Warning) as error:
        raise WrongFormat(
            f"a row is not an event ({str(error)[:120]})",
            where=f"{path}, within {text.count(bytes([10]))} lines from line {line}",
            expected="whole numbers parted by ;", remedy=COPY,
        ) from error  # fmt: skip
    for name, limit in (("tag", _MAX_TAG_PS), ("energy", _MAX_ENERGY)):
        bad = np.flatnonzero((rows[name] < 0) | (rows[name] >= limit))
        if bad.size:
            raise OutOfRange(
                f"{rows[name][bad[0]]} cannot be the {name} of an event",
                where=f"{path}, event {bad[0] + 1} from line {line}",
                expected=f"a whole number from 0 to {limit - 1}", remedy=COPY,
            )  # fmt: skip
    zero = np.zeros(rows.size, dtype=np.uint32)
    board = rows["board"] if layout.board >= 0 else zero
    channel = rows["channel"] if layout.channel >= 0 else zero
    return _Events(
        source=board.astype(np.uint32) << np.uint32(16) | channel.astype(np.uint32),
        tag=rows["tag"], energy=rows["energy"].astype(np.int32),
        flags=_flags(rows["flags"], path, line) if layout.flags >= 0 else zero,
    )  # fmt: skip


def _flags(texts: NDArray[np.bytes_], path: Path, line: int) -> NDArray[np.uint32]:
    """Return flags (events,) from hexadecimal text; there are few different ones in a file."""
    distinct, which = np.unique(texts, return_inverse=True)
    try:
        if distinct.size > _FLAG_TEXTS:
            raise ValueError(f"{distinct.size} different ones")
        if np.char.str_len(distinct).max() >= _FLAG_BYTES:
            raise ValueError("one is too long")
        values = [int(text, 16) for text in distinct]
        return np.array(values, dtype=np.uint32)[which]
    except (ValueError, OverflowError) as error:
        raise WrongFormat(
            f"the flags are not what they should be ({str(error)[:80]})",
            where=f"{path}, from line {line}", expected="flags such as 0x4000", remedy=COPY,
        ) from error  # fmt: skip


def _joined(pieces: list[_Events]) -> _Events:
    if len(pieces) == 1:
        return pieces[0]
    return _Events(
        source=np.concatenate([piece.source for piece in pieces]),
        tag=np.concatenate([piece.tag for piece in pieces]),
        energy=np.concatenate([piece.energy for piece in pieces]),
        flags=np.concatenate([piece.flags for piece in pieces]),
    )


def _spectra(events: _Events, path: Path, dialect: Dialect, digest: str) -> tuple[RawSpectrum, ...]:
    """Gather the events into slices of the dwell time, counted from the start of the run."""
    dwell_ps = round(dialect.dwell_s * PS)
    channels = dialect.channels or CHANNELS
    sources = np.unique(events.source)
    begin, end = int(events.tag.min()), int(events.tag.max())
    if dwell_ps < 1 or sources.size > _MAX_DETECTORS:
        raise OutOfRange(
            f"{sources.size} inputs, a dwell of {dialect.dwell_s:g} s", where=str(path),
            expected=f"at most {_MAX_DETECTORS} inputs, and a dwell of at least 1 ps",
        )  # fmt: skip
    first = begin // dwell_ps
    number = max(-(-end // dwell_ps), first + 1) - first
    _check_size(number * sources.size * channels, number, events, path)
    bounds = [max(begin, first * dwell_ps) if first else 0]
    bounds += [(first + i) * dwell_ps for i in range(1, number)] + [end]
    found = []
    for source in sources:
        mine = events.source == source
        tag, energy, flags = events.tag[mine], events.energy[mine], events.flags[mine]
        _check_order(tag, path)
        which = np.minimum(tag // dwell_ps - first, number - 1)
        order = np.argsort(which, kind="stable")
        parts = np.searchsorted(which[order], np.arange(number + 1))
        name = f"{source >> 16}/{source & 0xFFFF}"
        for i in range(number):
            inside = order[parts[i] : parts[i + 1]]
            counts, remarks = _gathered(energy[inside], flags[inside], channels)
            after = np.timedelta64(bounds[i] // 1000, "ns")
            found.append(
                RawSpectrum(
                    counts=counts, start=None if dialect.start is None else dialect.start + after,
                    live_s=math.nan, real_s=(bounds[i + 1] - bounds[i]) / PS, calibration=None,
                    sha256=digest, detector=name, record=i, remarks=remarks,
                    after_s=bounds[i] / PS,
                )
            )  # fmt: skip
    return tuple(found)


def _check_size(cells: int, number: int, events: _Events, path: Path) -> None:
    """Refuse spectra that need far more room than the events they are made of."""
    if cells > 2**18 + 16 * events.tag.size:
        raise OutOfRange(
            f"{events.tag.size} events would become {number} spectra", where=str(path),
            expected="spectra that events can fill",
            remedy="raise data.spectra.dwell or lower data.spectra.channels; if one time tag is "
            "far beyond the end of the run, remove its row",
        )  # fmt: skip


def _check_order(tag: NDArray[np.int64], path: Path) -> None:
    back_ps = int((np.maximum.accumulate(tag) - tag).max())
    if back_ps > _BACK_PS:
        raise OutOfRange(
            f"the time tags run back by {back_ps / PS:.3g} s", where=str(path),
            expected="time tags that rise", remedy="the clock was reset: split the file there",
        )  # fmt: skip


def _gathered(
    energy: NDArray[np.int32], flags: NDArray[np.uint32], channels: int
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Count events into channels; events that are none, and those beyond the last, are left out."""
    real = (flags & _FAKE) == 0
    inside = real & (energy < channels)
    counts = np.bincount(energy[inside], minlength=channels).astype(np.int64)
    said = (
        (np.count_nonzero(real & ((flags & _PILE_UP) != 0)), "piled up"),
        (np.count_nonzero(real & ((flags & _SATURATED) != 0)), "saturated"),
        (np.count_nonzero((flags & _LOST) != 0), "came after lost triggers"),
        (np.count_nonzero(real & ~inside), f"beyond channel {channels - 1}, left out"),
    )
    return counts, tuple(f"{n} of {energy.size} events {what}" for n, what in said if n)


COMPASS = Format(
    key="compass", maker="CAEN", suffixes=(".csv",), parse=_parse, recognises=_recognises,
    limit_bytes=2**30,  # an hour of a fast detector; reading takes three times the file
    note="csv list mode of CoMPASS; needs data.spectra.dwell; one detector per board and channel",
)  # fmt: skip
