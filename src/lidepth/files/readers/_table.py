"""Rows of channel, energy and counts, checked against each other."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import BadInput, OutOfRange, Truncated, WrongFormat
from lidepth.files.readers._ascii import number, too_many
from lidepth.files.readers._checked import COPY, Scale
from lidepth.files.readers.raw_spectrum import MAX_CHANNELS, MAX_COUNTS

EVEN = 0.01
"""Part of a channel by which energies may miss a straight line: rounding to seven digits leaves
less, a bend that matters is larger."""

_LONGEST = 4096


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the rows say: ``counts`` (channels,) int64, the energy ``scale`` or None."""

    counts: NDArray[np.int64]
    scale: Scale | None


def read_columns(
    body: bytes, *, names: Sequence[str], delimiter: str, path: Path, first_line: int,
    comment: str = "",
) -> Columns:  # fmt: skip
    """Read rows whose columns are ``names``: channel, energy, counts or ``-`` for any other.

    ``delimiter`` parts them, any blanks where it is empty; empty lines and those that begin with
    ``comment`` are passed over.  Energies are in keV.  Raises WrongFormat, OutOfRange or
    Truncated, naming the line.
    """
    if body.count(b"\n") > 4 * MAX_CHANNELS:
        raise too_many(f"{path}, line {first_line}")
    plain = None if delimiter.strip() or comment else _plain(body, len(names))
    if plain is not None:
        last = f"{path}, lines {first_line} to {first_line + len(plain) - 1}"
        return _columns(dict(zip(names, plain.T, strict=True)), last)
    wanted = [i for i, name in enumerate(names) if name != "-"]
    room = min(body.count(b"\n") + 1, MAX_CHANNELS)
    values = np.empty((room, len(wanted)))
    parting, mark = delimiter.encode() or None, comment.encode()
    rows, last_line = 0, first_line
    for line, text in enumerate(io.BytesIO(body), start=first_line):
        bare = text.strip()
        if not bare or (mark and bare.startswith(mark)):
            continue
        where = f"{path}, line {line}"
        words = bare.split(parting) if len(bare) < _LONGEST else []
        if len(words) != len(names):
            raise _ragged(bare, len(names), where)
        if rows == room:
            raise too_many(where)
        for column, i in enumerate(wanted):
            values[rows, column] = _number(words[i], names[i], where)
        rows, last_line = rows + 1, line
    if not rows:
        raise Truncated(
            "no rows of numbers", where=f"{path}, line {first_line}",
            expected="one row per channel", remedy=COPY,
        )  # fmt: skip
    by_name = {names[i]: values[:rows, column] for column, i in enumerate(wanted)}
    return _columns(by_name, f"{path}, lines {first_line} to {last_line}")


def _columns(by_name: dict[str, NDArray[np.float64]], where: str) -> Columns:
    if "channel" in by_name:
        _check_channels(by_name["channel"], where)
    scale = even_scale(by_name["energy"], where=where) if "energy" in by_name else None
    return Columns(counts=by_name["counts"].astype(np.int64), scale=scale)


def _plain(body: bytes, columns: int) -> NDArray[np.float64] | None:
    """All rows at once where each is whole numbers between blanks and nothing else; else None.

    What nearly every file is, ten times as fast as word by word; shape (rows, columns).
    """
    # At most 15 digits: below 2^53.  Nothing is tried twice, so that odd files cost no time.
    row = rb"[ \t]{0,64}+\d{1,15}+" + rb"[ \t]{1,64}+\d{1,15}+" * (columns - 1)
    if re.fullmatch(rb"(?:" + row + rb"[ \t]{0,64}+\r?\n)++", body) is None:
        return None
    values = np.fromstring(body.decode("ascii"), dtype=np.float64, sep=" ")
    values = values.reshape(-1, columns)
    return values if len(values) <= MAX_CHANNELS else None


def even_scale(energies_kev: NDArray[np.float64], *, where: str) -> Scale | None:
    """Return (offset, gain) of evenly rising energies (channels,); None where all are zero.

    Raises WrongFormat for any others: a scale that bends has no offset and gain.
    """
    if not energies_kev.any():
        return None
    steps = np.arange(energies_kev.size)
    gain = (energies_kev[-1] - energies_kev[0]) / max(energies_kev.size - 1, 1)
    off_kev = np.abs(energies_kev - energies_kev[0] - gain * steps).max()
    if not (gain > 0 and off_kev <= EVEN * gain):
        raise WrongFormat(
            "the energies do not rise evenly", where=where,
            expected=f"a straight line within {EVEN:g} of a channel",
            remedy="name the column - and give the scale in instrument.calibration",
        )  # fmt: skip
    return float(energies_kev[0]), float(gain)


def _number(word: bytes, name: str, where: str) -> float:
    text = word.strip().decode("latin-1")
    value = number(text)
    if not math.isfinite(value) or (name != "energy" and value != math.floor(value)):
        kind = "an energy" if name == "energy" else f"a whole number ({name})"
        raise WrongFormat(
            f"{text[:40]!r} is not {kind}", where=where, expected="numbers in every row",
            remedy="check data.spectra.dialect; use the raw spectrum as the analyser wrote it",
        )  # fmt: skip
    if name == "counts" and not 0 <= value < MAX_COUNTS:
        raise OutOfRange(
            f"the count {text[:40]} is " + ("negative" if value < 0 else "more than can be"),
            where=where, expected="counts from 0 up to 2^53",
            remedy="use the raw spectrum, not one with a background taken off",
        )  # fmt: skip
    return value


def _ragged(bare: bytes, expected: int, where: str) -> BadInput:
    shown = bare[:60].decode("latin-1")
    return WrongFormat(
        f"{shown!r} is not a row of {expected} columns", where=where,
        expected=f"{expected} columns as data.spectra.dialect or the first row says",
        remedy="check data.spectra.dialect: columns, delimiter, skip and comment",
    )  # fmt: skip


def _check_channels(channels: NDArray[np.float64], where: str) -> None:
    if channels[0] not in (0.0, 1.0) or np.any(np.diff(channels) != 1.0):
        raise WrongFormat(
            "the channels do not count up one by one from 0 or 1", where=where,
            expected="every channel once, because the energy scale counts from the first",
            remedy="export the full spectrum",
        )  # fmt: skip
