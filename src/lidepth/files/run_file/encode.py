"""Rows and their checksums, counts and columns as bytes; nothing here is trusted on the way back.

Checksums are the first 16 bytes of a SHA-256: over the JSON of a row's number and columns, and over
the decoded content, so that neither SQLite nor the compression has to be right for them to hold.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadData, WrongFormat
from lidepth.files.readers.raw_spectrum import MAX_CHANNELS
from lidepth.files.run_file.schema import Table

MAX_BLOCK_ROWS = 2**16
COUNT_DTYPES = ("u1", "u2", "i4", "i8")
"""Smallest first; 32 and 64 bits are signed, as counts are kept in memory."""

_SUM_BYTES = 16
_MAX_COLUMNS = 512
_MAX_ITEM_BYTES = 4096
_KINDS = "biufmMU"

_json = json.JSONEncoder(separators=(",", ":"), default=bytes.hex).encode


def content_sum(content: bytes | memoryview) -> bytes:
    """Checksum of a decoded content."""
    return sha256(content).digest()[:_SUM_BYTES]


def row_sum(table: str, values: Sequence[Any]) -> bytes:
    """Checksum of a row: its number, its columns and its content_sum, without ``checksum``."""
    return sha256(f"{table}{_json(values)}".encode()).digest()[:_SUM_BYTES]


def intact(table: Table, header: Sequence[Any]) -> bool:
    """Tell whether a row is what was written; ``header`` in the order of ``table.header``."""
    try:
        return bool(row_sum(table.name, header[:-1]) == header[-1])
    except (TypeError, ValueError):  # a damaged row may hold anything
        return False


def pack_counts(counts: NDArray[np.integer[Any]]) -> tuple[str, bytes, bytes]:
    """Return dtype, checksum and compressed bytes of counts (channels,).

    Raises BadData for counts that are not from 0 up.
    """
    if counts.size == 0 or int(counts.min()) < 0:
        raise BadData("counts are not from 0 up", where="run file")
    most = int(counts.max())
    limits = (2**8, 2**16, 2**31, 2**63)
    dtype = next(d for d, limit in zip(COUNT_DTYPES, limits, strict=True) if most < limit)
    narrow = np.ascontiguousarray(counts, dtype=f"<{dtype}")
    # Byte planes: the upper bytes of counts are mostly zero.  Z_RLE with Huffman codes is as small
    # as the best search for repeats, which noise has none of, at a third of the time.
    planes = np.ascontiguousarray(narrow.view(np.uint8).reshape(counts.size, -1).T).tobytes()
    packer = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    packed = packer.compress(planes) + packer.flush()
    return dtype, content_sum(planes), packed


def unpack_counts(content: Any, checksum: Any, *, channels: int, dtype: str) -> bytes | None:
    """Return the byte planes of the counts of one spectrum, None where they are damaged."""
    try:
        planes = unpack(content, channels * int(dtype[1]))
    except WrongFormat:
        return None
    return planes if content_sum(planes) == checksum else None


def join_planes(planes: bytes, *, into: NDArray[np.signedinteger[Any]]) -> None:
    """Put byte planes together to counts (channels,)."""
    table = np.frombuffer(planes, np.uint8).reshape(-1, into.size)
    into[:] = table[0]
    for plane in range(1, len(table)):
        into |= table[plane].astype(into.dtype) << (8 * plane)


def unpack(content: Any, size: int) -> bytes:
    """Return the ``size`` bytes that ``content`` is compressed from; never makes more of them.

    Raises WrongFormat for anything else.
    """
    if isinstance(content, bytes):
        try:
            unpacker = zlib.decompressobj()
            found = unpacker.decompress(content, size + 1)
            if len(found) == size and unpacker.eof and not unpacker.unused_data:
                return found
        except zlib.error:
            pass
    raise WrongFormat("a compressed block is damaged")


def sizes_possible(channels: object, dtype: object) -> bool:
    """Tell whether a declared size can be that of a spectrum."""
    return (
        isinstance(channels, int)
        and 0 < channels <= MAX_CHANNELS
        and isinstance(dtype, str)
        and dtype in COUNT_DTYPES
    )


def pack_columns(columns: dict[str, NDArray[Any]]) -> tuple[str, bytes, bytes]:
    """Return layout, checksum and compressed bytes of columns (rows,) of numbers, times or words.

    Raises BadData for columns of anything else.
    """
    layout, parts = [], []
    for name, column in columns.items():
        if column.dtype.kind not in _KINDS or column.dtype.itemsize > _MAX_ITEM_BYTES:
            raise BadData(
                f"the column {name!r} cannot be kept ({column.dtype})", where="cycler log",
                expected="numbers, times or short words",
            )  # fmt: skip
        little = column.astype(column.dtype.newbyteorder("<"))
        layout.append([name, little.dtype.str])
        parts.append(little.tobytes())
    raw = b"".join(parts)
    return _json(layout), content_sum(raw), zlib.compress(raw, 6)


def unpack_columns(layout: str, checksum: Any, content: Any, rows: int) -> dict[str, NDArray[Any]]:
    """Return columns (rows,) by name; raises WrongFormat where they are damaged."""
    kinds = {str(name): _dtype(text) for name, text in _pairs(layout)}
    if not 0 < rows <= MAX_BLOCK_ROWS or len(kinds) > _MAX_COLUMNS:
        raise WrongFormat("a block of cycler rows is damaged")
    raw = unpack(content, rows * sum(kind.itemsize for kind in kinds.values()))
    if content_sum(raw) != checksum:
        raise WrongFormat("a block of cycler rows is damaged")
    columns, place = {}, 0
    for name, kind in kinds.items():
        columns[name] = np.frombuffer(raw, dtype=kind, count=rows, offset=place)
        place += rows * kind.itemsize
    return columns


def _pairs(layout: str) -> list[Any]:
    try:
        pairs = json.loads(layout)
    except (ValueError, RecursionError):
        pairs = None
    if not isinstance(pairs, list) or not all(isinstance(p, list) and len(p) == 2 for p in pairs):
        raise WrongFormat("a block of cycler rows is damaged")
    return pairs


def _dtype(text: object) -> np.dtype[Any]:
    try:
        kind = np.dtype(str(text))
    except (TypeError, ValueError, SyntaxError):
        kind = np.dtype(object)
    if kind.kind not in _KINDS or not 0 < kind.itemsize <= _MAX_ITEM_BYTES:
        raise WrongFormat("a block of cycler rows is damaged")
    return kind


def known(value: float) -> float | None:
    """NaN as NULL, which is what SQLite makes of it anyway."""
    return None if math.isnan(value) else float(value)


def number(value: float | None) -> float:
    """NULL as NaN."""
    return math.nan if value is None else value


def nanoseconds(time: np.datetime64 | None) -> int | None:
    """Return a time as ns since 1970."""
    return None if time is None else int(time.astype("datetime64[ns]").astype(np.int64))


def moment(ns: int | None) -> np.datetime64 | None:
    """Return ns since 1970 as a time."""
    return None if ns is None else np.datetime64(ns, "ns")
