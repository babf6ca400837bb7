"""Amptek spectra (.mca), read strictly.

Our own parser: the common library passes over the calibration points and takes ``GAIN - n``, a
setting of the amplifier, for keV per channel.
"""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path

import numpy as np

from lidepth.errors import WrongFormat
from lidepth.files.readers._ascii import (
    MONTH_FIRST,
    a_time,
    cut_off,
    kev_per,
    number,
    seconds,
    through_points,
    whole_counts,
)
from lidepth.files.readers._checked import Scale
from lidepth.files.readers.raw_spectrum import Dialect, Format, RawSpectrum

_FIRST = b"<<PMCA SPECTRUM>>"
_SECTION = re.compile(rb"^<<([A-Z0-9 ]{1,40})>>[ \t]*\r?$", re.MULTILINE)
_KEY = re.compile(r"^([A-Z_]+) - ?(.*)$")


def _parse(content: bytes, path: Path, dialect: Dialect) -> tuple[RawSpectrum, ...]:  # noqa: ARG001
    if not content.startswith(_FIRST):
        raise WrongFormat(
            "this is not an Amptek spectrum", where=f"{path}, line 1",
            expected="<<PMCA SPECTRUM>> in the first line",
            remedy="binary .mca files of Canberra AccuSpec are not read: export them as text"
            if b"\0" in content[:512] else "save the spectrum as .mca from DppMCA",
        )  # fmt: skip
    marks = _marks(content, path)
    start, stop = marks["DATA"][1] + 1, marks["END"][0]
    first_line = content.count(b"\n", 0, start) + 1
    counts = whole_counts(content[start:stop], path=path, first_line=first_line)
    if not counts.size:
        raise cut_off(path, content, "no counts", "counts between <<DATA>> and <<END>>")
    said = _said(content[: marks["DATA"][0]])
    where = f"{path}, header"
    calibration, remarks = _scale(content, marks)
    return (
        RawSpectrum(
            counts=counts,
            start=a_time(said["START_TIME"], MONTH_FIRST, where=where,
                         shown="03/06/2017 09:00:00, month first")
            if said.get("START_TIME") else None,
            live_s=seconds(said["LIVE_TIME"], where=where) if "LIVE_TIME" in said else math.nan,
            real_s=seconds(said["REAL_TIME"], where=where) if "REAL_TIME" in said else math.nan,
            calibration=calibration,
            sha256=hashlib.sha256(content).hexdigest(),
            remarks=remarks,
        ),
    )  # fmt: skip


def _marks(content: bytes, path: Path) -> dict[str, tuple[int, int]]:
    """Map each section to the (start, stop) of the line that opens it."""
    marks: dict[str, tuple[int, int]] = {}
    for mark in _SECTION.finditer(content):
        name = mark[1].decode("ascii")
        if name in marks:
            line = content.count(b"\n", 0, mark.start()) + 1
            raise WrongFormat(
                f"<<{name}>> appears twice", where=f"{path}, line {line}",
                expected="one spectrum per file", remedy="save each spectrum to its own file",
            )  # fmt: skip
        marks[name] = (mark.start(), mark.end())
    for name in ("DATA", "END"):
        if name not in marks:
            raise cut_off(path, content, f"no <<{name}>>", "<<DATA>>, counts and <<END>>")
    if marks["END"] < marks["DATA"]:
        raise WrongFormat("<<END>> comes before <<DATA>>", where=str(path), expected="counts")
    for name, (start, _) in marks.items():
        if start > marks["END"][0] and not name.endswith(" END") and f"{name} END" not in marks:
            raise cut_off(path, content, f"within <<{name}>>", f"<<{name} END>>")
    last = content.rstrip().rpartition(b"\n")[2].strip()
    if last.startswith(b"<<") and not last.endswith(b">>"):
        raise cut_off(path, content, "within a section name", "a name such as <<END>>")
    return marks


def _said(header: bytes) -> dict[str, str]:
    found = (_KEY.match(line.strip()) for line in header.decode("latin-1").splitlines())
    said: dict[str, str] = {}
    for one in found:
        if one is not None:
            said.setdefault(one[1], one[2].strip())
    return said


def _scale(
    content: bytes, marks: dict[str, tuple[int, int]]
) -> tuple[Scale | None, tuple[str, ...]]:
    """Fit the points of the calibration section, whose label names the unit of energy."""
    if "CALIBRATION" not in marks:
        return None, ()
    begin = marks["CALIBRATION"][1]
    stop = min(start for start, _ in marks.values() if start > begin)
    lines = content[begin:stop].decode("latin-1").splitlines()
    labels = [line for line in lines if line.startswith("LABEL")]
    pairs = [tuple(map(number, line.split())) for line in lines if not line.startswith("LABEL")]
    unit_kev = kev_per(labels[0]) if labels else math.nan
    points = [(p[0], p[1] * unit_kev) for p in pairs if len(p) == 2 and np.isfinite(p).all()]
    if points and not math.isfinite(unit_kev):
        shown = labels[0].partition("-")[2].strip()[:20] if labels else ""
        return None, (f"the calibration is in {shown!r}, which is no unit of energy",)
    return through_points(points)


AMPTEK = Format(
    key="amptek", maker="Amptek", suffixes=(".mca",), parse=_parse,
    note="text of DppMCA and PMCA; the scale is a line through the calibration points",
)  # fmt: skip
