"""FAST ComTec spectra: ``.asc`` with its report ``.mcd`` or ``.mp``, and ASCII ``.mpa``.

An ``.asc`` file holds counts and nothing else; times and scale are in the report of the same name
beside it.  An ``.mpa`` file holds a header and the spectra of several converters, each its own
detector.  Two-dimensional and calculated spectra (``[CDAT...]``) are passed over, with a remark.
"""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import WrongFormat
from lidepth.files._text import read_bytes
from lidepth.files.readers._ascii import (
    MONTH_FIRST,
    a_time,
    cut_off,
    number,
    seconds,
    too_many,
    whole,
    whole_counts,
)
from lidepth.files.readers._checked import COPY, Scale, linear_scale
from lidepth.files.readers.raw_spectrum import MAX_CHANNELS, Dialect, Format, RawSpectrum

Said = dict[str, str]

_HEADING = re.compile(rb"^\[([^\]\r\n]{1,60})\]", re.MULTILINE)
_DATA = re.compile(r"(DATA|TDAT)(\d{1,3}),\s*(\d{1,18})\s*")
_CALCULATED = re.compile(r"CDAT\d")
_ENTRY = re.compile(r"^([A-Za-z][\w ]{0,30}?)\s*[=:]\s*(.*)$")
_BEGIN = re.compile(r"^(\d\d/\d\d/\d{4} \d\d:\d\d:\d\d(?:\.\d{1,6})?)")
_MAX_REPORT_BYTES = 256 * 1024
_MAX_SECTIONS = 200
_TERMS = ("caloff", "calfact", "calfact2", "calfact3")


def _recognises(head: bytes) -> bool:
    first = head.lstrip().split(None, 1)[:1]
    return bool(first) and (first[0].isdigit() or first[0].startswith((b"[", b"REPORT-FILE")))


def _parse(content: bytes, path: Path, dialect: Dialect) -> tuple[RawSpectrum, ...]:  # noqa: ARG001
    if content.lstrip()[:1].isdigit():
        return (_counts_alone(content, path),)
    if not content.lstrip().startswith((b"[", b"REPORT-FILE")):
        raise WrongFormat(
            "this is not a FAST ComTec spectrum", where=f"{path}, line 1",
            expected="counts one per line (.asc), or a header such as [MPA4A] (.mpa)",
            remedy="save the spectrum in ASCII format",
        )  # fmt: skip
    return _several(content, path)


def _counts_alone(content: bytes, path: Path) -> RawSpectrum:
    report = _report_beside(path)
    counts = whole_counts(content, path=path, first_line=1)
    said = _said(report)
    channels = whole(said.get("range", ""))
    if channels < 0 and counts.size & (counts.size - 1):
        raise cut_off(path, content, f"{counts.size} channels", "a power of two, or a report")
    if channels >= 0 and counts.size != channels:
        raise cut_off(path, content, f"{counts.size} channels", f"{channels} as its report says")
    if not content.endswith(b"\n"):
        raise cut_off(path, content, "in the middle of a line", "a line end after the last count")
    nothing = ("no .mcd or .mp file of the same name lies beside it to say when it was taken",)
    digest = hashlib.sha256(content + report).hexdigest()
    return _spectrum(counts, said, digest, path, extra=() if said else nothing)


def _several(content: bytes, path: Path) -> tuple[RawSpectrum, ...]:
    marks = [(m.start(), m.end(), m[1].decode("latin-1")) for m in _HEADING.finditer(content)]
    if len(marks) > _MAX_SECTIONS:
        raise WrongFormat(f"{len(marks)} sections", where=str(path), remedy=COPY,
                          expected=f"at most {_MAX_SECTIONS}")  # fmt: skip
    stops = [start for start, _, _ in marks[1:]] + [len(content)] * bool(marks)
    headers: dict[str, Said] = {}
    bodies: dict[str, NDArray[np.int64]] = {}
    skipped: list[str] = []
    for (_, begin, name), stop in zip(marks, stops, strict=True):
        data = _DATA.fullmatch(name)
        if data is not None:
            key = f"ADC{int(data[2]) + 1}"
            if key in bodies:
                raise WrongFormat(f"[{name}] comes twice", where=str(path), remedy=COPY,
                                  expected="one spectrum of each converter")  # fmt: skip
            bodies[key] = _body(content, begin, stop, int(data[3]), path)
        elif _CALCULATED.match(name):
            skipped.append(name.partition(",")[0])
        else:
            headers[name] = _said(content[begin:stop])
    if not bodies:
        raise WrongFormat(
            "this file holds no spectrum", where=str(path), expected="a section such as "
            "[DATA0,8192 ]", remedy="a report beside an .asc file is read with it: let "
            "data.spectra match the .asc files",
        )  # fmt: skip
    shape = next((said["mpafmt"] for said in headers.values() if "mpafmt" in said), "asc")
    if shape != "asc":
        raise WrongFormat(
            f"the counts are written as {shape[:20]!r}", where=str(path), expected="mpafmt=asc",
            remedy="save it again in ASCII format",
        )  # fmt: skip
    digest = hashlib.sha256(content).hexdigest()
    left_out = f"left out: {', '.join(skipped)} (two-dimensional or calculated)"
    found = []
    for key, counts in bodies.items():
        said = headers.get(key, {})
        if said.get("active") == "0" and not counts.any():
            continue
        found.append(
            _spectrum(
                counts, said, digest, path, detector=key, extra=(left_out,) if skipped else ()
            )
        )
    if not found:
        raise WrongFormat("no converter was active", where=str(path), expected="active=1",
                          remedy="leave the file out")  # fmt: skip
    return tuple(found)


def _body(content: bytes, begin: int, stop: int, channels: int, path: Path) -> NDArray[np.int64]:
    first_line = content.count(b"\n", 0, begin) + 2
    if not 0 < channels <= MAX_CHANNELS:
        raise too_many(f"{path}, line {first_line - 1}")
    _, newline, body = content[begin:stop].partition(b"\n")
    counts = whole_counts(body, path=path, first_line=first_line)
    if counts.size < channels or not newline or not body.endswith(b"\n"):
        raise cut_off(path, content[:stop], f"{counts.size} of {channels} channels",
                      "every channel announced, each ended by a line end")  # fmt: skip
    if counts.size > channels:
        raise WrongFormat(
            f"{counts.size} numbers, not {channels}", where=f"{path}, line {first_line - 1}",
            expected="one count per channel and line", remedy="save it again in ASCII format",
        )  # fmt: skip
    return counts


def _spectrum(
    counts: NDArray[np.int64], said: Said, digest: str, path: Path, *, detector: str = "",
    extra: tuple[str, ...] = (),
) -> RawSpectrum:  # fmt: skip
    where = f"{path}, {detector or 'report'}"
    begin = _BEGIN.match(said.get("cmline0", ""))
    calibration, remarks = _scale(said, counts.size)
    total = whole(said.get("totalsum", ""))
    if total >= 0 and total != int(counts.sum()):
        remarks += (f"the header announces {total} counts, the channels hold {counts.sum()}",)
    return RawSpectrum(
        counts=counts,
        start=a_time(begin[1], MONTH_FIRST, where=where, shown="03/06/2017 09:00:00.000")
        if begin else None,
        live_s=seconds(said["livetime"], where=where) if "livetime" in said else math.nan,
        real_s=seconds(said["realtime"], where=where) if "realtime" in said else math.nan,
        calibration=calibration, sha256=digest, detector=detector, remarks=remarks + extra,
    )  # fmt: skip


def _scale(said: Said, channels: int) -> tuple[Scale | None, tuple[str, ...]]:
    """Scale where the program uses one; 1 unit per channel from 0 is what it starts with."""
    terms = [number(said.get(name, "0")) for name in _TERMS]
    if said.get("caluse", "0") in ("0", "") or terms[:2] == [0.0, 1.0]:
        return None, ()
    return linear_scale(terms, channels, unit=said.get("calunit", ""))


def _said(header: bytes) -> Said:
    """Map each name, in lower case, to what is said of it first."""
    said: Said = {}
    for line in header[:_MAX_REPORT_BYTES].decode("latin-1").splitlines():
        found = _ENTRY.match(line.strip())
        if found is not None:
            said.setdefault(found[1].lower(), found[2].strip())
    return said


def _report_beside(path: Path) -> bytes:
    """Return the report of the same name in the same folder, empty when there is none."""
    for suffix in (".mcd", ".mp", ".MCD", ".MP"):
        report = path.with_suffix(suffix)
        if report.is_file():
            return read_bytes(report, limit_bytes=_MAX_REPORT_BYTES)
    return b""


FASTCOMTEC = Format(
    key="fastcomtec", maker="FAST ComTec", suffixes=(".asc", ".mpa", ".mcd"), parse=_parse,
    recognises=_recognises,
    note=".asc with its .mcd or .mp report beside it; ASCII .mpa with one detector per converter",
)  # fmt: skip
