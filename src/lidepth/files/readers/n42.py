"""N42 (ANSI N42.42 of 2006 and 2012): XML with spectra of several detectors and times.

Our own reader.  SandiaSpecUtils 0.0.11, which knows more dialects, ends a spectrum at the first
word that is no number, drops time zones, starts unreadable dates in 1970, reads a day as a second
and gives a spectrum without a scale that of its neighbour; only the XML itself would tell.  The
library reads the same real files in the tests.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from pathlib import Path

import numpy as np

from lidepth.errors import WrongFormat
from lidepth.files.readers._checked import COPY, Scale, check_times, linear_scale
from lidepth.files.readers._n42_xml import (
    CLASS,
    COEFFICIENTS,
    LIVE,
    REAL,
    START,
    Element,
    Found,
    collected,
    numbers,
)
from lidepth.files.readers.raw_spectrum import Dialect, Format, RawSpectrum

_TO_BE_MEASURED = ("", "Foreground", "Item", "NotSpecified", "Unknown", "Other")
_TIME = re.compile(
    r"^((?:19|20|21)\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?)(Z|([+-])(\d\d):?(\d\d))?$"
)
_DURATION = re.compile(
    r"^P(?=.*\d[DHMS]$)(?:(\d{1,6})D)?(?:T(?:(\d{1,8})H)?(?:(\d{1,9})M)?"
    r"(?:(\d{1,11}(?:\.\d{0,12})?)S)?)?$"
)


def parse_n42(content: bytes, path: Path) -> tuple[RawSpectrum, ...]:
    """Return the spectra in the bytes of an N42 file; ``path`` is for messages only.

    Raises Truncated when the file ends too early, WrongFormat when it is not N42 or holds a time,
    reference or number that cannot be understood, and OutOfRange for too many channels.
    """
    collector = collected(content, path)
    if not collector.found:
        raise WrongFormat(
            "the file holds no spectrum", where=str(path), expected="at least one ChannelData",
            remedy="export the measurement with its spectra",
        )  # fmt: skip
    common: list[str] = []
    if collector.without:
        common.append(f"{collector.without} measurements without a spectrum were passed over")
    if collector.derived:
        common.append(f"{collector.derived} derived spectra were passed over")
    names = [_detector(found) for found in collector.found]
    several = len(set(names)) > 1
    seen: Counter[str] = Counter()
    sha256 = hashlib.sha256(content).hexdigest()
    spectra = []
    for number, (found, name) in enumerate(zip(collector.found, names, strict=True), start=1):
        place = f"{path}, spectrum {number}"
        scale, remarks = _scale_of(found, collector.scales, place)
        start, in_utc = _start(_nearest(found, START), place)
        live_s, real_s = (_duration(_nearest(found, kind), place) for kind in (LIVE, REAL))
        check_times(live_s, real_s, place)
        kind = _nearest(found, CLASS)
        if kind not in _TO_BE_MEASURED:
            remarks = (*remarks, f"the file calls this spectrum {kind[:40]!r}")
        if in_utc:
            remarks = (*remarks, "the start time is in UTC, not on the laboratory's clock")
        spectra.append(
            RawSpectrum(
                counts=found.counts,
                start=start,
                live_s=live_s,
                real_s=real_s,
                calibration=scale,
                sha256=sha256,
                detector=name if several else "",
                record=seen[name],
                remarks=(*remarks, *common),
            )
        )
        seen[name] += 1
    return tuple(spectra)


def _nearest(found: Found, names: tuple[str, ...]) -> str:
    """Return the text of a child of the spectrum or of the nearest element around it."""
    for element in found.around:
        for name in names:
            if element.texts.get(name):
                return element.texts[name]
    return ""


def _detector(found: Found) -> str:
    for element in found.around:
        for key in ("radDetectorInformationReference", "Detector"):
            if element.attributes.get(key):
                return element.attributes[key]
    return ""


def _scale_of(
    found: Found, scales: dict[str, Element], where: str
) -> tuple[Scale | None, tuple[str, ...]]:
    element = found.around[0].scale
    own = found.around[0].attributes
    for name in own.get("energyCalibrationReference", "").split():
        if name not in scales:
            raise WrongFormat(
                f"the energy scale {name[:40]!r} is not in the file", where=where,
                expected="the id of an EnergyCalibration", remedy=COPY,
            )  # fmt: skip
        element = scales[name]
    for name in own.get("CalibrationIDs", "").split():
        element = element or scales.get(name)  # other names are of other kinds of calibration
    if element is None:
        return None, ()
    if element.texts.get("Model", "Polynomial") != "Polynomial":
        return None, (f"the energy scale is a {element.texts['Model'][:40]!r} and is not used",)
    written = next((element.texts[key] for key in COEFFICIENTS if key in element.texts), "")
    coefficients = numbers(written, where).tolist()
    unit = element.attributes.get("EnergyUnits", "keV")
    scale, remarks = linear_scale(coefficients, found.counts.size, unit=unit)
    moved = numbers(element.texts.get("EnergyDeviationValues", ""), where)
    if scale is not None and moved.size and float(np.max(np.abs(moved))) > scale[1]:
        remarks = (
            *remarks,
            f"the file moves energies by up to {np.max(np.abs(moved)):.3g} keV more; not used",
        )
    return scale, remarks


def _start(text: str, where: str) -> tuple[np.datetime64 | None, bool]:
    """Return (the start or None, whether it is in UTC); a time with a zone becomes UTC."""
    if not text:
        return None, False
    match = _TIME.match(text)
    if match is not None:
        try:
            moment = np.datetime64(match[1], "ns")
        except ValueError:
            match = None
    if match is None:
        raise WrongFormat(
            f"{text[:60]!r} is not a start time", where=where,
            expected="an ISO time, such as 2017-03-06T09:00:00Z",
            remedy="correct the time in the file, or export it again",
        )  # fmt: skip
    if match[3]:
        ahead = int(match[4]) * 60 + int(match[5])
        moment -= np.timedelta64(ahead if match[3] == "+" else -ahead, "m")
    return moment, bool(match[2])


def _duration(text: str, where: str) -> float:
    """Return an XML duration in s; NaN for none."""
    if not text:
        return math.nan
    match = _DURATION.match(text)
    if match is None:
        raise WrongFormat(
            f"{text[:60]!r} is not a duration", where=where,
            expected="an XML duration without a sign, such as PT480.5S",
            remedy="correct the time in the file, or export it again",
        )  # fmt: skip
    days, hours, minutes = (int(part or 0) for part in match.groups()[:3])
    return float(match[4] or 0) + 60.0 * (minutes + 60 * (hours + 24 * days))


def _one(content: bytes, path: Path, dialect: Dialect) -> tuple[RawSpectrum, ...]:  # noqa: ARG001
    return parse_n42(content, path)


N42 = Format(
    key="n42", maker="many (ANSI N42.42)", suffixes=(".n42",), parse=_one,
    recognises=lambda head: b"InstrumentData" in head,
    note="2006 and 2012, several detectors and records",
)  # fmt: skip
