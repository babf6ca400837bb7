"""The XML of N42 files: bounded, without entities, and never as a tree.

Elements that are open are kept, spectra and energy scales are collected; what they mean is for
``n42`` to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lidepth.errors import OutOfRange, Truncated, WrongFormat
from lidepth.files.readers._checked import COPY, check_channels, whole_counts

START = ("StartDateTime", "StartTime")
REAL = ("RealTimeDuration", "RealTime", "SampleRealTime")
LIVE = ("LiveTimeDuration", "LiveTime")
CLASS = ("MeasurementClassCode", "SourceType")
COEFFICIENTS = ("CoefficientValues", "Coefficients")
_ROOTS = ("RadInstrumentData", "N42InstrumentData")
_SLICES = ("RadMeasurement", "DetectorData")
_TEXTS = frozenset(
    (*START, *REAL, *LIVE, *CLASS, *COEFFICIENTS, "ChannelData", "EnergyDeviationValues")
)
_CUT = (3, 5, 6, 20)
"""Expat's codes for a document that ends in an element, a token, a character or a CDATA section."""

_DEEPEST = 64
_MOST_ELEMENTS = 2**20
_SMALL_CHANNELS, _CHANNELS_PER_BYTE = 2**17, 8
"""Runs of zeros are written as their length: what a file may grow to is bounded by its size."""

# Possessive, so that no text makes them slow.
_NUMBERS = re.compile(r"\s*+(?:[+-]?\d++(?:\.\d*+)?+(?:[eE][+-]?\d{1,3}+)?+(?:\s++|$))*+")


@dataclass(kw_only=True, slots=True)
class Element:
    """An element that is open: its attributes and the texts of its children."""

    name: str
    attributes: dict[str, str]
    texts: dict[str, str] = field(default_factory=dict)
    text: list[str] | None = None
    spectra: int = 0
    scale: Element | None = None
    compression: str = ""


@dataclass(kw_only=True)
class Found:
    """A spectrum element with those around it, the innermost first."""

    around: tuple[Element, ...]
    counts: NDArray[np.int64]


class Collector:
    """What the XML parser calls: keeps spectra and scales, and no tree.

    ``found`` are the spectra, ``scales`` the energy scales by their ids; ``without`` counts the
    measurements that hold no spectrum, ``derived`` the spectra that were computed from others.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.left = max(_SMALL_CHANNELS, _CHANNELS_PER_BYTE * size)
        self.open: list[Element] = []
        self.found: list[Found] = []
        self.scales: dict[str, Element] = {}
        self.elements = 0
        self.without = 0
        self.derived = 0

    def doctype(self, *_: object) -> None:
        """Refuse a document type, and with it every entity."""
        raise _wrong("the XML declares a document type or entities", self.path)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Open an element."""
        name = tag.rpartition(":")[2]
        if not self.open and name not in _ROOTS:
            raise _wrong(f"the XML document is a {name[:40]!r}", self.path)
        if len(self.open) >= _DEEPEST or self.elements >= _MOST_ELEMENTS:
            raise _wrong(f"more than {_DEEPEST} levels or {_MOST_ELEMENTS} elements", self.path)
        element = Element(name=name, attributes=attributes)
        element.text = [] if name in _TEXTS else None
        self.open.append(element)
        self.elements += 1

    def data(self, text: str) -> None:
        """Keep text where it is of interest."""
        if self.open and self.open[-1].text is not None:
            self.open[-1].text.append(text)

    def end(self, _: str) -> None:
        """Close the innermost element and hand what it holds to the one around it."""
        element = self.open.pop()
        parent = self.open[-1] if self.open else None
        if element.text is not None and parent is not None:
            if element.name in parent.texts and element.name in ("ChannelData", *COEFFICIENTS):
                raise _wrong(f"a {parent.name} has more than one {element.name}", self.path)
            parent.texts.setdefault(element.name, "".join(element.text).strip())
            if element.name == "ChannelData":
                codes = element.attributes
                parent.compression = codes.get("compressionCode", codes.get("Compression", ""))
            elif element.name in COEFFICIENTS and parent.name == "Equation":
                # 2006: Calibration / Equation / Coefficients
                model = parent.attributes.get("Model", "Polynomial")
                parent.texts["Model"] = model
        elif element.name == "Equation" and parent is not None:
            parent.texts.update(element.texts)
        elif element.name in ("Calibration", "EnergyCalibration"):
            self._scale(element, parent)
        elif element.name == "Spectrum":
            self._spectrum(element)
        elif element.name in _SLICES and not element.spectra:
            self.without += 1
        if parent is not None:
            parent.spectra += element.spectra

    def _scale(self, element: Element, parent: Element | None) -> None:
        if element.attributes.get("Type", "Energy") != "Energy":
            return
        for key in ("id", "ID"):
            if key in element.attributes:
                self.scales[element.attributes[key]] = element
        if parent is not None:
            parent.scale = element

    def _spectrum(self, element: Element) -> None:
        text = element.texts.pop("ChannelData", "")
        if any(outer.name in ("DerivedData", "AnalysisResults") for outer in self.open):
            self.derived += 1
            return
        if not text:
            return
        place = f"{self.path}, spectrum {len(self.found) + 1}"
        counts = _counts(text, element.compression, self.left, place)
        self.left -= counts.size
        element.spectra = 1
        self.found.append(Found(around=(element, *reversed(self.open)), counts=counts))


def collected(content: bytes, path: Path) -> Collector:
    """Return what the XML holds.

    Raises Truncated when it ends too early, WrongFormat when it is no N42 or damaged, and
    OutOfRange for more channels than a file of that size can hold.
    """
    # Plain expat: real files use prefixes that they never declare, which parsers that know
    # namespaces refuse.  Without a document type there are no entities.
    from xml.parsers import expat

    collector = Collector(path, len(content))
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = collector.doctype
    parser.StartElementHandler = collector.start
    parser.EndElementHandler = collector.end
    parser.CharacterDataHandler = collector.data
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        line = f"{path}, line {error.lineno}"
        if not collector.elements:
            raise _wrong("this is not an N42 file", path) from error
        if error.code in _CUT:
            raise Truncated(
                f"the file is cut off ({error})", where=line,
                expected="a complete XML document", remedy=COPY,
            ) from error  # fmt: skip
        raise WrongFormat(
            f"the XML is damaged ({error})", where=line, expected="an N42 file", remedy=COPY
        ) from error
    except (ValueError, LookupError) as error:
        raise _wrong(f"the XML cannot be read ({error})", path) from error
    return collector


def _wrong(what: str, path: Path) -> WrongFormat:
    return WrongFormat(
        what, where=str(path), expected="an N42 file of 2006 or 2012, without entities",
        remedy="export the measurement as N42 again",
    )  # fmt: skip


def _counts(text: str, compression: str, most: int, where: str) -> NDArray[np.int64]:
    values = numbers(text, where)
    counts = whole_counts(values, where)
    if compression == "CountedZeroes":
        counts = _unpacked(counts, most, where)
    elif compression not in ("", "None"):
        raise WrongFormat(
            f"the counts are compressed as {compression[:40]!r}", where=where,
            expected="CountedZeroes or None", remedy="export the file without compression",
        )  # fmt: skip
    check_channels(counts.size, where)
    return counts


def _unpacked(values: NDArray[np.int64], most: int, where: str) -> NDArray[np.int64]:
    """Each zero is followed by the number of zeros that it stands for."""
    zeros = np.flatnonzero(values == 0)
    if zeros.size and (zeros[-1] == values.size - 1 or np.any(np.diff(zeros) == 1)):
        raise WrongFormat(
            "a run of zeros has no length", where=where,
            expected="after each 0 the number of zeros that it stands for", remedy=COPY,
        )  # fmt: skip
    lengths = values[zeros + 1]
    total = values.size - 2 * zeros.size + float(lengths.sum(dtype=np.float64))
    if total > most:
        raise OutOfRange(
            f"the spectra grow to {total:.3g} channels", where=where,
            expected=f"at most {most} more channels in a file of this size", remedy=COPY,
        )  # fmt: skip
    repeats = np.ones(values.size, dtype=np.int64)
    repeats[zeros] = lengths
    repeats[zeros + 1] = 0
    return np.repeat(values, repeats)


def numbers(text: str, where: str) -> NDArray[np.float64]:
    """Return the numbers in a text; raises WrongFormat at the first word that is none."""
    valid = _NUMBERS.match(text)
    stop = valid.end() if valid else 0
    if stop < len(text) or not text.isascii():
        word = text[stop:].split()
        raise WrongFormat(
            f"{(word[0] if word else text)[:40]!r} is not a number", where=where,
            expected="numbers parted by blanks", remedy=COPY,
        )  # fmt: skip
    return np.fromstring(text, dtype=np.float64, sep=" ")
